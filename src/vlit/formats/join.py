"""Conversations put together and taken apart: those about one image become one, long ones are split or cut."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import msgspec

from vlit.data.sample import IMAGE_TOKEN, Provenance, Sample, Turn, strip_image_tokens
from vlit.data.seeds import hash64

#: Image tokens at the beginning or at the end of a text, as LLaVA writes them.
_SEEN_FIRST = re.compile(rf"\A\s*(?:{IMAGE_TOKEN}\s*)+|(?:\s*{IMAGE_TOKEN})+\s*\Z")

#: Task of a conversation of several tasks.
JOINED = "joined"


def rounds_of(sample: Sample) -> tuple[tuple[Turn, ...], list[tuple[Turn, Turn]]]:
    """The system turn, where there is one, and the rounds of question and answer.

    Raises:
        ValueError: When the turns do not alternate; the text is the reason.
    """
    turns = sample.turns
    head = turns[:1] if turns and turns[0].role == "system" else ()
    body = turns[len(head) :]
    rounds = list(zip(body[::2], body[1::2], strict=False))
    if not rounds or len(body) % 2 or any((a.role, b.role) != ("user", "assistant") for a, b in rounds):
        raise ValueError("questions and answers have to take turns, a question first and an answer last")
    return head, rounds


def words_of(turns: Iterable[Turn]) -> int:
    """Words of a conversation, counted as runs of non-space without image tokens."""
    return sum(len(strip_image_tokens(turn.text).split()) for turn in turns)


def seen_first(sample: Sample) -> bool:
    """Whether the images are seen at the beginning or the end of the first question and nowhere else.

    Only then can the conversation go on from another one, or in another one, about the same images.
    """
    _, rounds = rounds_of(sample)
    first, images = rounds[0][0].text, len(sample.images)
    tokens = sum(turn.text.count(IMAGE_TOKEN) for turn in sample.turns)
    found = _SEEN_FIRST.search(first)
    here = found[0].count(IMAGE_TOKEN) if found else 0
    return tokens == here == images and bool(strip_image_tokens(first))


def subject(sample: Sample) -> int:
    """A number that is equal for records that can be joined: same images, marked region and system turn.

    0 for a record that cannot be joined: one without an image, or whose text shows images further down.
    """
    if not sample.images or not seen_first(sample):
        return 0
    head, _ = rounds_of(sample)
    parts = [*(image.uri for image in sample.images), repr(sample.region), *(turn.text for turn in head)]
    return hash64("\x1f".join(parts)) or 1


def joined(samples: Sequence[Sample]) -> Sample:
    """One conversation of several about the same images, in their order, with the id of the first.

    The images are seen in the first question alone. What the samples were made from is united. Where they do
    not agree, the task is ``joined``, the paradigm ``data_mixing``, the seed none; other names are all told.
    """
    if len(samples) == 1:
        return samples[0]
    first = samples[0]
    head, _ = rounds_of(first)
    turns = [
        Turn(role=turn.role, text=strip_image_tokens(turn.text) if n == 0 else turn.text)
        for s in samples
        for n, turn in enumerate(turn for round_ in rounds_of(s)[1] for turn in round_)
    ]
    turns[0] = Turn(role="user", text=f"{IMAGE_TOKEN}\n" * len(first.images) + turns[0].text)
    tasks, paradigms = {s.task for s in samples}, {s.paradigm for s in samples}
    return msgspec.structs.replace(
        first,
        turns=(*head, *turns),
        task=first.task if len(tasks) == 1 else JOINED,
        paradigm=first.paradigm if len(paradigms) == 1 else "data_mixing",
        marks=tuple(dict.fromkeys(mark for s in samples for mark in s.marks)),
        provenance=_united([s.provenance for s in samples]),
    )


def _united(found: Sequence[Provenance]) -> Provenance:
    def names(field: str) -> str | None:
        values = [getattr(p, field) for p in found if getattr(p, field) is not None]
        return " + ".join(sorted(set(values))) or None

    seeds = {p.seed for p in found}
    return Provenance(
        scenes=tuple(dict.fromkeys(name for p in found for name in p.scenes)),
        annotations=tuple(dict.fromkeys(name for p in found for name in p.annotations)),
        recipe=names("recipe"),
        templates=tuple(name for p in found for name in p.templates),
        prompt=names("prompt"),
        teacher=names("teacher"),
        reply=names("reply"),
        seed=seeds.pop() if len(seeds) == 1 else None,
        source=names("source"),
        parents=tuple(name for p in found for name in p.parents),
        licence=names("licence"),
    )


def split(sample: Sample, max_rounds: int) -> list[Sample]:
    """The conversation in parts of at most ``max_rounds``, each of which sees the images first.

    Raises:
        ValueError: When images are shown further down, so that a part would speak of what it does not see.
    """
    head, rounds = rounds_of(sample)
    if len(rounds) <= max_rounds:
        return [sample]
    if sample.images and not seen_first(sample):
        raise ValueError(f"{len(rounds)} rounds, and one that shows images on its way cannot be split")
    parts = []
    for start in range(0, len(rounds), max_rounds):
        turns = [turn for round_ in rounds[start : start + max_rounds] for turn in round_]
        if start:
            turns[0] = Turn(role="user", text=f"{IMAGE_TOKEN}\n" * len(sample.images) + turns[0].text)
        parts.append(msgspec.structs.replace(sample, turns=(*head, *turns)))
    return parts


def cut(sample: Sample, max_words: int) -> Sample:
    """The conversation up to the last round that ends within ``max_words``, and the images that it shows.

    Raises:
        ValueError: When not even the first round does.
    """
    head, rounds = rounds_of(sample)
    left = max_words - words_of(head)
    kept: list[Turn] = []
    for round_ in rounds:
        left -= words_of(round_)
        if left < 0:
            break
        kept += round_
    if len(kept) == 2 * len(rounds):
        return sample
    if not kept:
        words = words_of((*head, *rounds[0]))
        raise ValueError(f"its first round has {words:,} words, more than {max_words:,}")
    images = sample.images[: sum(turn.text.count(IMAGE_TOKEN) for turn in kept)]
    return msgspec.structs.replace(sample, turns=(*head, *kept), images=images)
