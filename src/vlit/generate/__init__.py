"""Generation: scenes become samples, by templates."""
