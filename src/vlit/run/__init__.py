"""Runs: recipes, fingerprints, shards and the executor. A stage is a function from tables to tables."""
