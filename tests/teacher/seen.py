"""What the scripted teacher sees: the clues of a prompt, line by line, as sentences, things and boxes."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

from vlit.data.boxes import BOX_TEXT

#: Lines of a prompt that tell what to do, not what is there.
_ORDERS = re.compile(
    r"^(Reply with|In every question|Several objects|Write|Each (answer|item)|The text|At least|Ask|Make|"
    r"Do not|Never|Give|Your last reply|Answer|Question|User|GPT|Topic|Here|Now|Use|You|Below|Of|For|If|"
    r"Think|Base)\b",
    re.I,
)
#: Words that would give the source away in a reply.
_LEAKS = re.compile(r"caption|descri|annotat|bounding|\bbox|coordinate|provided|given|mention|<|>|\[|\]", re.I)
_ITEM = re.compile(r"^(?:[-*•]|\d+[.)])\s+")
#: Kinds of things that a photo may lack.
_ABSENT = (
    "zebra", "giraffe", "submarine", "helicopter", "penguin", "violin", "cactus", "lighthouse", "snowman",
    "camel", "parachute", "tractor", "typewriter", "windmill", "octopus", "trumpet", "igloo", "hammock",
    "rocket", "peacock", "telescope", "canoe", "drum kit", "tent", "waterfall", "chandelier",
)  # fmt: skip


@dataclass(frozen=True)
class Thing:
    """One thing with its box as it is spelt in the prompt."""

    name: str
    box: str
    x1: float
    y1: float
    x2: float
    y2: float

    @property
    def tagged(self) -> str:
        """The thing as a reference."""
        return f"<st>{self.name}<ed> {self.box}"


@dataclass(frozen=True)
class Seen:
    """All that the clues tell."""

    sentences: tuple[str, ...]  #: without leaks, without full stop
    things: tuple[Thing, ...]
    absent: tuple[str, ...]  #: names of things that no clue speaks of

    @property
    def counts(self) -> dict[str, int]:
        """How many things there are of each name, in order of appearance."""
        return Counter(thing.name for thing in self.things)


def see(clues: str) -> Seen:
    """Sort the lines of a prompt."""
    sentences: dict[str, None] = {}
    things: dict[Thing, None] = {}
    for raw in clues.splitlines():
        line = _ITEM.sub("", raw.strip()).strip()
        if found := list(BOX_TEXT.finditer(line)):
            things |= dict.fromkeys(_things(line, found))
        elif (said := _sentence(line)) and not _ORDERS.match(line):
            sentences.setdefault(said)
    low = clues.lower()
    return Seen(tuple(sentences), tuple(things), tuple(name for name in _ABSENT if name not in low))


def _things(line: str, boxes: list[re.Match[str]]) -> list[Thing]:
    """``name: [..]``, ``name [..], [..]``, ``<st>name<ed> [..]``, any number on a line."""
    made, name, end = [], "", 0
    for box in boxes:
        between = re.sub(r"<st>|<ed>", "", line[end : box.start()]).strip(" ,;:=-–()")
        name = between or name
        end = box.end()
        x1, y1, x2, y2 = map(float, box.groups())
        if name and not _LEAKS.search(name):
            made.append(Thing(name, box[0], x1, y1, x2, y2))
    return made


def _sentence(line: str) -> str:
    line = line.strip().rstrip(".").strip()
    if len(line.split()) < 2 or line.endswith((":", "?")) or _LEAKS.search(line):
        return ""
    return line


@lru_cache(maxsize=10_000)
def many(name: str) -> str:
    """The plural, near enough for a test."""
    irregular = {"person": "people", "man": "men", "woman": "women", "child": "children", "sheep": "sheep"}
    *before, last = name.split(" ")
    if last in irregular:
        last = irregular[last]
    elif re.search(r"(s|x|z|ch|sh)$", last):
        last += "es"
    elif re.search(r"[^aeiou]y$", last):
        last = last[:-1] + "ies"
    elif last.endswith("fe"):
        last = last[:-2] + "ves"
    else:
        last += "s"
    return " ".join((*before, last))


def a(name: str) -> str:
    """The name with its article."""
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
