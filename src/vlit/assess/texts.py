"""Texts of a sample as several principles read them."""

from __future__ import annotations

from vlit.data.sample import Sample, strip_image_tokens


def instructions_of(sample: Sample) -> list[str]:
    """The texts of the user turns, without image tokens; turns without text are left out."""
    texts = [strip_image_tokens(turn.text) for turn in sample.turns if turn.role == "user"]
    return [text for text in texts if text]
