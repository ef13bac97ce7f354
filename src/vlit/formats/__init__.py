"""Training-data formats: one file per format, reading and writing, and the stage that exports a run."""
