"""From what a model said to what it meant, or to the reason why that cannot be told."""
