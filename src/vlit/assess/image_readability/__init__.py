"""Principle 2: is the picture readable?"""
