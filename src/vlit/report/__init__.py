"""The report: one HTML file that works offline, from the tables of a run. Numbers, choice of samples, page."""
