"""Indicators that ask a teacher."""
