"""Weights of models: where they are, where they run, and what happens when memory runs out."""
