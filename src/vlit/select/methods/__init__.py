"""Ways to choose exactly n samples, one file each."""
