"""The form `text`: all of the reply is the answer."""

from __future__ import annotations

from vlit.generate.instruct.replies.blocks import scan
from vlit.generate.instruct.replies.chatter import without_closing, without_preamble
from vlit.generate.instruct.replies.clean import without_tokens
from vlit.generate.instruct.replies.contract import Flaws, Parsed
from vlit.generate.instruct.replies.json_form import find_json, looks_like_json, texts_of
from vlit.generate.instruct.replies.judge import Problem
from vlit.generate.instruct.replies.reading import BREAKS_OFF, Reading


def read_text(text: str, reading: Reading) -> Parsed | Flaws:
    """The one text of a reply, or its flaws.

    Args:
        text: The reply without its wrapping.
        reading: Contract and repairs.
    """
    text = reading.allowed(reading.canonical(_inner(text, reading)))
    if looks_like_json(text):
        return reading.flaws([BREAKS_OFF if reading.cut else Problem("form", "", "the JSON cannot be read")])
    answers = sum(block.kind == "answer" for block in scan(text).blocks)
    if answers > 1:
        return reading.flaws([Problem("form", "", f"one text was asked for, and {answers} answers came")])
    problems = list(reading.judge([text]).answer(text, "the text", last=True))
    if reading.cut and not any(p.kind == "truncated" for p in problems):
        problems.append(BREAKS_OFF)
    return reading.flaws(problems) if problems else reading.parsed(items=(text,))


def _inner(text: str, reading: Reading) -> str:
    """The text alone: out of JSON with one text, without polite words, of one labelled pair the answer."""
    values = find_json(text)
    if values and len(texts := texts_of(values)) == 1:
        reading.repairs.add("json")
        text = texts[0]
    text, before = without_preamble(text)
    blocks = scan(text).blocks
    if [block.kind for block in blocks] == ["question", "answer"] and text.startswith("Question"):
        text, before = blocks[1].text, (*before, "preamble")
    text, after = without_closing(text)
    reading.repairs.update(before, after)
    return without_tokens(text)
