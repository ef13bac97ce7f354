"""vlit."""
