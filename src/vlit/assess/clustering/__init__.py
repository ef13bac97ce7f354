"""Clustering at scale. Needs numpy and numba, takes torch where it is there; knows nothing of samples."""
