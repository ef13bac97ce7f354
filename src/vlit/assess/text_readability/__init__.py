"""Principle 1: is the text readable?"""
