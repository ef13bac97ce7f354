"""Which task an instruction poses, by its words: the rules and descriptions of ``tasks.yaml``."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, NamedTuple

import yaml

from vlit.language.pieces import Pieces

#: Of a dialogue with several tasks; of what neither rules nor vectors tell, questions and others.
CONVERSATION, QUESTION, OTHER = "conversation", "open question", "other"
_ASKING = frozenset({"what", "what's", "whats", "which", "who", "whose", "when", "where", "why", "how"})
#: Characters from the beginning and the end of an instruction that are looked at.
_LOOKED_AT = 400
_WORD = re.compile(r"[a-z]+|[\[<]")
_PLAIN = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"'})


@dataclass(frozen=True)
class Task:
    """One task.

    Attributes:
        name: As it is reported.
        rules: Patterns over lower-case text with plain quotes, each with beginnings of words of which every
            match holds one.
        says: Instructions of this task, in our words, that its rules match.
        review: Names in the review's table of tasks that mean it.
    """

    name: str
    rules: tuple[re.Pattern[str], ...]
    says: tuple[str, ...]
    review: tuple[str, ...]


@functools.cache
def tasks() -> tuple[Task, ...]:
    """All tasks, in the order in which their rules are tried."""
    return _file().tasks


@functools.lru_cache(maxsize=1 << 15)
def task_by_rules(text: str) -> str | None:
    """The first task of which a rule matches an instruction; ``None`` where none does.

    Equal instructions are judged once: sets have many of them.
    """
    lower = text if len(text) <= 2 * _LOOKED_AT else f"{text[:_LOOKED_AT]}\n{text[-_LOOKED_AT:]}"
    lower = lower.translate(_PLAIN).lower()
    file = _file()
    if any(word in lower for word in file.form_words):
        lower = file.form.sub(" ", lower).strip()
    waiting = likely_rules(lower)
    while waiting:
        first = waiting & -waiting
        task, pattern = file.rules[first.bit_length() - 1]
        if pattern.search(lower):
            return task
        waiting ^= first
    return None


def likely_rules(lower: str) -> int:
    """The rules that can match, as bits: one look at each word instead of a search for each piece."""
    found = 0
    for rules in set(_rules_of_pieces().of(lower)):
        found |= rules
    return found


@functools.cache
def _rules_of_pieces() -> Pieces[int]:
    begins = _file().begins

    def likely(piece: str) -> int:
        found = 0
        for word in _WORD.findall(piece):
            found |= begins.get(word[:4], 0) | begins.get(word[:3], 0)
        return found

    return Pieces(likely)


def task_of(texts: Sequence[str]) -> str | None:
    """The task of a sample by rules; "conversation" where its instructions ask for different things.

    Args:
        texts: Its instructions, at least one.
    """
    first = task_by_rules(texts[0])
    if len(texts) == 1:
        return first
    return first if first is not None and all(task_by_rules(t) == first for t in texts[1:]) else CONVERSATION


def fallback(text: str) -> str:
    """Where neither rules nor vectors tell: whether it is a question at all."""
    words = text.lower().split(None, 1)
    return QUESTION if text.rstrip().endswith("?") or (words and words[0] in _ASKING) else OTHER


class _File(NamedTuple):
    """``tasks.yaml``, ready for use."""

    tasks: tuple[Task, ...]
    rules: tuple[tuple[str, re.Pattern[str]], ...]  #: of all tasks, in order, with the task's name
    begins: dict[str, int]  #: first three or four letters of a word -> rules that it makes likely, as bits
    form: re.Pattern[str]
    form_words: tuple[str, ...]


@functools.cache
def _file() -> _File:
    text = resources.files("vlit.assess.diversity").joinpath("tasks.yaml").read_text(encoding="utf-8")
    raw: dict[str, Any] = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    rules: list[tuple[str, re.Pattern[str]]] = []
    begins: dict[str, int] = {}
    found: list[Task] = []
    for name, entry in raw["tasks"].items():
        own = tuple(re.compile(rule["pattern"]) for rule in entry["rules"])
        for rule, pattern in zip(entry["rules"], own, strict=True):
            for piece in rule["has"]:
                word = _WORD.findall(piece)[0][:4]
                begins[word] = begins.get(word, 0) | 1 << len(rules)
            rules.append((name, pattern))
        found.append(Task(name, own, tuple(entry["says"]), tuple(entry["review"])))
    form = raw["form"]
    return _File(tuple(found), tuple(rules), begins, re.compile(form["pattern"]), tuple(form["has"]))
