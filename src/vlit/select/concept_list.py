"""Concepts: words and phrases to look for in texts, from a file of one's own or the questions of benchmarks."""

from __future__ import annotations

import csv
import functools
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from vlit.data.errors import VlitError
from vlit.language.mentions import plurals
from vlit.language.tokens import words

#: Keys under which benchmarks keep their questions.
_QUESTIONS = ("question", "text", "query", "prompt")

#: A word of benchmarks is a concept when so many questions have it.
_LEAST = 2


class ConceptList:
    """Words and phrases, found in texts as they stand or in the plural of their last word.

    Args:
        concepts: Each in any case; equal ones count once.
    """

    def __init__(self, concepts: Iterable[str]) -> None:
        phrases = dict.fromkeys(p for text in concepts if (p := tuple(words(text))))
        self.names = [" ".join(p) for p in phrases]
        self._by_first: dict[str, list[tuple[tuple[str, ...], int]]] = {}
        for number, phrase in enumerate(phrases):
            for last in dict.fromkeys([phrase[-1], *plurals(phrase[-1])]):
                form = (*phrase[:-1], last)
                self._by_first.setdefault(form[0], []).append((form, number))

    def __len__(self) -> int:
        return len(self.names)

    def found(self, text: str) -> set[int]:
        """Numbers of the concepts that a text names."""
        tokens = words(text)
        return {
            number
            for place, token in enumerate(tokens)
            for form, number in self._by_first.get(token, ())
            if len(form) == 1 or tuple(tokens[place : place + len(form)]) == form
        }


def read_concepts(path: Path) -> list[str]:
    """Concepts of a file: one a line (``#`` begins a remark), or YAML or JSON lists, also by topic.

    Raises:
        VlitError: When there is nothing in it, or it has another form.
    """
    text = _text(path)
    if path.suffix.lower() in (".yaml", ".yml", ".json"):
        try:
            values = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise VlitError(f"this is neither YAML nor JSON: {error}", where=str(path)) from error
        lists = values.values() if isinstance(values, dict) else [values]
        if not all(isinstance(items, list) for items in lists):
            raise VlitError("lists of words are needed", where=str(path), todo="e.g. `animals: [dog, zebra]`")
        found = [str(item) for items in lists for item in items]
    else:
        found = [line.partition("#")[0].strip() for line in text.splitlines()]
    found = [concept for concept in found if words(concept)]
    if not found:
        raise VlitError("this file names no concept", where=str(path), todo="write one a line")
    return found


def concepts_of_questions(paths: Sequence[Path], most: int) -> list[str]:
    """The content words that most questions of benchmarks have, the commonest first.

    Args:
        paths: JSON, JSON lines, TSV or CSV with a column ``question``, or text with a question in the second
            column or in each line.
        most: So many words at most.

    Raises:
        VlitError: When a file holds no question.
    """
    counts: Counter[str] = Counter()
    for path in paths:
        asked = list(_questions(path))
        if not asked:
            raise VlitError(
                "no question is found in this file",
                where=str(path),
                todo=f"give JSON with a key such as {_QUESTIONS[0]}, TSV with a column `question`, or lines",
            )
        for question in asked:
            counts.update(set(words(question)))
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    known = _function_words()
    telling = [word for word, n in ranked if n >= _LEAST and word.isalpha() and len(word) > 2]
    return [word for word in telling if word not in known][:most]


def _questions(path: Path) -> Iterator[str]:
    text, suffix = _text(path), path.suffix.lower()
    if suffix in (".json", ".jsonl"):
        try:
            values = json.loads(text)
        except json.JSONDecodeError:
            values = [_line(line, path) for line in text.splitlines() if line.strip()]
        yield from _within(values)
    elif suffix in (".tsv", ".csv"):
        csv.field_size_limit(2**31 - 1)  # MMBench keeps its photos in the table
        rows = csv.DictReader(text.splitlines(), delimiter="\t" if suffix == ".tsv" else ",")
        yield from (row["question"] for row in rows if row.get("question"))
    else:
        cells = (line.split("\t") for line in text.splitlines() if line.strip())
        yield from (row[1] if len(row) > 1 else row[0] for row in cells)


def _line(line: str, path: Path) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise VlitError(f"neither JSON nor JSON lines: {error}", where=str(path)) from error


def _within(values: Any) -> Iterator[str]:
    """Texts under the keys of questions, at any depth."""
    if isinstance(values, list):
        for value in values:
            yield from _within(value)
    elif isinstance(values, dict):
        for key, value in values.items():
            if key in _QUESTIONS and isinstance(value, str):
                yield value
            else:
                yield from _within(value)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise VlitError(f"cannot read the concepts: {error}", where=str(path)) from error


@functools.cache
def _function_words() -> frozenset[str]:
    text = (resources.files("vlit.select") / "function_words.txt").read_text(encoding="utf-8")
    return frozenset(word for line in text.splitlines() for word in line.partition("#")[0].split())
