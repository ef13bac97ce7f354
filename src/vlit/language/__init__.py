"""English as the stages need it: nouns and numbers, tokens, and the words that speak of a label."""
