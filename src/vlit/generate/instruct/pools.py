"""Files that an instruction recipe names: few-shot examples, and instructions to draw from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Example:
    """One few-shot example: what a teacher was told of an image, and the reply that is wanted."""

    clues: str
    reply: str


def load_examples(path: Path) -> list[Example]:
    """Examples, in the order of the file: a YAML list of ``{clues: ..., reply: ...}``.

    Raises:
        VlitError: With the number of the entry that is wrong.
    """
    raise NotImplementedError


def load_instructions(path: Path) -> list[str]:
    """Instructions, in the order of the file: a YAML list of distinct texts, each on one line.

    Raises:
        VlitError: With the number of the entry that is wrong.
    """
    raise NotImplementedError
