"""Self-instruct: a teacher writes samples from what is known of a scene, by recipes that are data files."""
