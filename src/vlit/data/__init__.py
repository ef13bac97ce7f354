"""The nouns of the workbench, their tables, boxes and images. Everything else is built on these."""
