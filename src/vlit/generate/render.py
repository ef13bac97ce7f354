"""Facts into words: templates picked, slots filled, answers short or in sentences."""

from __future__ import annotations

from random import Random
from typing import Literal, NamedTuple

from vlit.generate.fact import Fact
from vlit.generate.templates import FORMATS, Pools
from vlit.language.nouns import capital

Mode = Literal["short", "sentence"]
LETTERS = "ABCDEFGH"


class Round(NamedTuple):
    """One question with its answer, and the ids of the templates that made them."""

    question: str
    answer: str
    templates: tuple[str, ...]


def mode_of(fact: Fact, answers: str, rng: Random) -> Mode:
    """How the fact is answered: as the config says, where the fact allows both."""
    if not fact.say:
        return "short"
    if fact.short is None:
        return "sentence"
    if answers == "mixed":
        return "short" if fact.stiff or rng.random() < 0.5 else "sentence"
    return "short" if answers == "short" else "sentence"


def render(fact: Fact, pools: Pools, mode: Mode, rng: Random) -> Round:
    """Word one fact.

    Args:
        fact: What is to be said.
        pools: The wordings.
        mode: Short answer with a format instruction, or whole sentences.
        rng: Picks the templates.
    """
    asked = pools.pick(fact.task, fact.ask, rng)
    used = [asked.id]
    question = capital(asked.text.format_map(fact.slots))
    if fact.options:
        lines = (f"{letter}. {option}" for letter, option in zip(LETTERS, fact.options, strict=False))
        question = "\n".join((question, *lines))
    if fact.note is not None:
        note = pools.pick(FORMATS, fact.note, rng)
        used.append(note.id)
        question = f"{question} {note.text}"
    if mode == "short" and fact.form is not None:
        form = pools.pick(FORMATS, fact.form, rng)
        used.append(form.id)
        question = f"{question}{chr(10) if fact.options or rng.random() < 0.5 else ' '}{form.text}"
    if mode == "short":
        return Round(question, capital(fact.short or ""), tuple(used))
    sentences: list[str] = []
    for part in fact.say:
        template = pools.pick(fact.task, part.group, rng)
        for _ in range(3):  # a paragraph does not say two things in the same way
            if template.id in used:
                template = pools.pick(fact.task, part.group, rng)
        used.append(template.id)
        sentences.append(capital(template.text.format_map({**fact.slots, **part.slots})))
    return Round(question, " ".join(sentences), tuple(used))
