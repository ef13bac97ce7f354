"""The form `list`: items that are numbered, have bullets, stand one a line, or in JSON."""

from __future__ import annotations

import re
from typing import NamedTuple

from vlit.generate.instruct.replies.chatter import without_closing, without_preamble
from vlit.generate.instruct.replies.clean import without_tokens
from vlit.generate.instruct.replies.contract import Flaws, Parsed, Repair
from vlit.generate.instruct.replies.json_form import find_json, looks_like_json, texts_of
from vlit.generate.instruct.replies.judge import Problem
from vlit.generate.instruct.replies.reading import BREAKS_OFF, Reading, repeated

_NUMBER = re.compile(
    r"[ \t]{0,12}[*_#]{0,3}[ \t]?(?:(?:item|instruction|version|question|option|answer) ?)?\(?\d{1,3}"
    r"(?:[.):]\)?[*_]{0,2}(?:[ \t]+|$)|[ \t][-–—][ \t]+)",
    re.IGNORECASE,
)
_BULLET = re.compile(r"[ \t]{0,12}[-*•‣◦–+][ \t]+")
_AROUND = (('"', '"'), ("“", "”"), ("**", "**"), ("__", "__"), ("`", "`"))


def read_items(text: str, reading: Reading) -> Parsed | Flaws:
    """The items of a reply, or its flaws.

    Args:
        text: The reply without its wrapping.
        reading: Contract and repairs.
    """
    count = reading.reply.count
    found = find_items(text, count)
    reading.repairs.update(found.repairs)
    items = [reading.allowed(reading.canonical(item)) for item in found.items]
    judge = reading.judge(items)
    problems = [list(judge.answer(item, f"item {n}")) for n, item in enumerate(items, 1)]
    if reading.cut and items and "json" not in reading.repairs:  # of JSON only whole items were read
        problems[-1].append(BREAKS_OFF)
    for n, first in repeated(items):
        problems[n].append(Problem("duplicate", f"item {n + 1}", f"is item {first + 1} again"))
    good = reading.good(items, problems, linked=False)
    needed = min(reading.reply.least or count, count)
    if len(good) >= needed:
        return reading.parsed(items=tuple(reading.first(good, count)))
    flat = [problem for said in problems for problem in said]
    if len(items) < needed:
        flat.append(Problem("too_few", "", f"only {len(items)} of {count} items came"))
    if reading.cut and not any(p.kind == "truncated" for p in flat):
        flat.append(BREAKS_OFF)
    return reading.flaws(flat)


class Items(NamedTuple):
    """The items of a list, in order, and what was put right."""

    items: list[str]
    repairs: tuple[Repair, ...]


def find_items(text: str, wanted: int) -> Items:
    """The items of a reply.

    Args:
        text: The reply without its wrapping.
        wanted: How many there should be: of one alone no marker is expected.
    """
    values = find_json(text)
    if not values and looks_like_json(text):
        return Items([], ())
    if values and (texts := texts_of(values)):
        return Items([bare(t) for t in texts], ("json",))
    lines = text.split("\n")
    for marker in (_NUMBER, _BULLET):
        if any(marker.match(line) for line in lines):
            return _marked(lines, marker)
    text, before = without_preamble(text)
    text, after = without_closing(text)
    items = [text] if wanted == 1 else text.split("\n")
    return Items([bare(item) for item in items if item.strip()], (*before, *after))


def bare(item: str) -> str:
    """An item on one line, without tokens, and without quotes or emphasis around the whole of it."""
    item = " ".join(without_tokens(item).split())
    for opening, closing in _AROUND:
        inner = item[len(opening) : -len(closing)]
        if item.startswith(opening) and item.endswith(closing) and not {opening[0], closing[0]} & set(inner):
            item = inner.strip()
    return item


def _marked(lines: list[str], marker: re.Pattern[str]) -> Items:
    repairs: list[Repair] = []
    items: list[list[str]] = []
    gap = False
    for line in lines:
        if found := marker.match(line):
            items.append([line[found.end() :]])
            gap = False
        elif not line.strip():
            gap = True
        elif not items:
            repairs.append("preamble")
        elif gap:
            repairs.append("closing")  # what stands behind an empty line belongs to no item
        else:
            items[-1].append(line)
    texts = ["\n".join(said).strip() for said in items]
    texts[-1], closed = without_closing(texts[-1])
    return Items([bare(t) for t in texts], tuple(dict.fromkeys((*repairs, *closed))))
