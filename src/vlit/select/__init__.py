"""Selection: thresholds per indicator, caps per task, and a verdict with its reason for every sample."""
