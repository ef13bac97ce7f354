"""Evaluation: official questions, answers as they were given, official scores; failures counted."""
