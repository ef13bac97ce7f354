"""Samples and scenes to scores: one file per principle, found by name in ``registry.INDICATORS``."""
