"""Architectures: one file each, behind the interface of ``architecture``."""
