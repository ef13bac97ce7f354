"""Defects that are planted into sets, for ``benchmarks.planted``."""
