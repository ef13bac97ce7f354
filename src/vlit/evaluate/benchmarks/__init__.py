"""Benchmarks: one file each; prompt, parse, score and aggregate are pure functions."""
