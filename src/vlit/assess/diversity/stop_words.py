"""Content words: the tokens of a text without marks, stop words (``stop_words.yaml``) and single letters."""

from __future__ import annotations

import functools
from collections.abc import Collection
from importlib import resources
from itertools import chain

import yaml

from vlit.language.pieces import Pieces
from vlit.language.tokens import words


@functools.cache
def stop_words() -> frozenset[str]:
    """Our English stop words, lower case, without what follows an apostrophe."""
    text = resources.files("vlit.assess.diversity").joinpath("stop_words.yaml").read_text(encoding="utf-8")
    classes: dict[str, str | bool] = yaml.safe_load(text)
    return frozenset(word for line in classes.values() for word in str(line).split())


def content_words(text: str, also_stop: Collection[str] = ()) -> list[str]:
    """Content words in order, with repetitions; "dog's" is "dog". Numbers stay.

    Args:
        text: Any text. Scripts without spaces between words give one token for each run of letters.
        also_stop: Further stop words, lower case.
    """
    found = chain.from_iterable(_CONTENT.of(text))
    return [word for word in found if word not in also_stop] if also_stop else list(found)


def _content(piece: str) -> list[str]:
    cut = (token.partition("'")[0] for token in words(piece))
    return [
        word
        for word in cut
        if word not in stop_words()
        and word[0].isalnum()
        and (len(word) > 1 or not (word.isascii() and word.isalpha()))
    ]


_CONTENT = Pieces(_content)
