"""Collect: annotated images in, scenes out. One importer a file; see ``registry.py``."""
