"""The pocket model: a LLaVA of two million weights that comes with vlit, to try it with. See README.md here."""

from __future__ import annotations

from pathlib import Path

#: What a recipe calls it: ``checkpoint: pocket``.
NAME = "pocket"


def folder() -> Path:
    """Where its weights, configuration and tokenizer lie, as ``from_pretrained`` reads them."""
    return Path(__file__).parent
