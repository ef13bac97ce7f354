"""Content words: the tokens of a text without marks, stop words (``stop_words.yaml``) and single letters."""

from __future__ import annotations

import functools
from collections.abc import Collection
from importlib import resources

import yaml

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
    stops = stop_words()
    found: list[str] = []
    for token in words(text):
        word = token.partition("'")[0]
        if word in stops or word in also_stop or not word[0].isalnum():
            continue
        if len(word) > 1 or not (word.isascii() and word.isalpha()):
            found.append(word)
    return found
