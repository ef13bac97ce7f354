"""Principle 3: does the text say what the picture shows?"""
