"""What no principle names: repeats, leaks, refusals, languages, licences."""
