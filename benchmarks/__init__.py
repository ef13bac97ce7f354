"""Published figures, one script each; ``python -m benchmarks`` runs all and writes RESULTS.md."""
