"""What the scripted teacher sees: the clues of a prompt, line by line, as sentences, things and boxes."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

from vlit.data.boxes import BOX_TEXT

#: Lines of a prompt that tell what to do, not what is there.
_ORDERS = re.compile(
    r"(Reply with|In every question|Several objects|Write|Each (answer|item)|The text has|At least|"
    r"Your last reply|Now do this|Here is the picture|Answer:|Question:|User:|GPT:|Topic:)"
)
#: Words that would give the source away in a reply.
_LEAKS = re.compile(r"caption|descri|annotat|bounding|\bbox|coordinate|provided|given|mention|<|>|\[|\]", re.I)
_ASKED = re.compile(r'Asked "(.+?)", .*?answered "(.+?)"')
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
    asked: tuple[tuple[str, str], ...]  #: questions that people were asked, and what most of them said
    missing: tuple[str, ...]  #: plural names of what the clues say is not there
    absent: tuple[str, ...]  #: names of things that no clue speaks of

    @property
    def counts(self) -> dict[str, int]:
        """How many things there are of each name, in order of appearance."""
        return Counter(thing.name for thing in self.things)


def see(prompt: str) -> Seen:
    """Sort the lines of a prompt."""
    first, *rest = re.split(r"\n\s*\n", prompt.strip())
    clues = "\n".join([first, *(block for block in rest if not _ORDERS.match(block.strip()))])
    sentences: dict[str, None] = {}
    things: dict[Thing, None] = {}
    asked: dict[tuple[str, str], None] = {}
    missing: dict[str, None] = {}
    for raw in clues.splitlines():
        line = re.sub(r"^Of .{3,40} people wrote: ", "", _ITEM.sub("", raw.strip()))
        if boxes := list(BOX_TEXT.finditer(line)):
            things |= dict.fromkeys(_things(line, boxes))
        elif answered := _ASKED.match(line):
            asked.setdefault((answered[1], answered[2]))
        elif lacking := re.match(r"The picture shows no (.+?)\.?$", line):
            missing |= dict.fromkeys(re.split(r", | or ", lacking[1]))
        elif (said := _sentence(line)) and not _ORDERS.match(line):
            sentences.setdefault(said)
    low = clues.lower()
    absent = tuple(name for name in _ABSENT if name not in low)
    return Seen(tuple(sentences), tuple(things), tuple(asked), tuple(missing), absent)


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
    if len(line.split()) < 2 or line.endswith((":", "?")) or _LEAKS.search(line) or "right one is" in line:
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
