"""Pairs of questions and answers, and the conversations that they make: what a reply holds, good or not."""

from __future__ import annotations

import re
from typing import NamedTuple

from vlit.generate.instruct.replies.blocks import Block, scan
from vlit.generate.instruct.replies.contract import Repair
from vlit.generate.instruct.replies.json_form import blocks_of, find_json

_NUMBERED = re.compile(r"(?m)^[*_# \t]{0,6}\(?\d{1,3}[.):]\)?[*_]{0,2}[ \t]+(?=\S)")


class Pair(NamedTuple):
    """A question and its answer; None stands for one that is not there at all."""

    question: str | None
    answer: str | None


class Talk(NamedTuple):
    """Pairs below one topic."""

    topic: str | None
    pairs: list[Pair]


class Found(NamedTuple):
    """What stands in a reply."""

    talks: list[Talk]
    repairs: tuple[Repair, ...]


def find_pairs(text: str) -> Found:
    """The pairs of a reply: in JSON, behind labels, or numbered; those before any topic have none."""
    values = find_json(text)
    if values and (blocks := blocks_of(values)):
        return Found(_talks(blocks), ("json",))
    scanned = scan(text)
    if any(block.kind != "topic" for block in scanned.blocks):
        return Found(_talks(scanned.blocks), scanned.repairs)
    return Found(_numbered(text), ())


def _talks(blocks: list[Block]) -> list[Talk]:
    talks = [Talk(None, [])]
    question: str | None = None
    for block in (*blocks, Block("topic", "")):
        if question is not None and block.kind != "answer":
            talks[-1].pairs.append(Pair(question, None))
            question = None
        if block.kind == "topic":
            if not block.text or block.text != talks[-1].topic:
                talks.append(Talk(block.text or None, []))
        elif block.kind == "question":
            question = block.text
        else:
            talks[-1].pairs.append(Pair(question, block.text))
            question = None
    return [talk for talk in talks if talk.pairs]


def _numbered(text: str) -> list[Talk]:
    """``1. What is it?``, and the answer on the lines below."""
    pairs: list[Pair] = []
    starts = [m.span() for m in _NUMBERED.finditer(text)]
    for (_, start), (end, _) in zip(starts, [*starts[1:], (len(text), 0)], strict=False):
        question, _, answer = text[start:end].strip().partition("\n")
        question = question.strip(" \t*_")
        if question.endswith("?") and answer.strip():
            pairs.append(Pair(question, answer.strip()))
    return [Talk(None, pairs)] if pairs else []
