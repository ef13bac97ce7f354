"""What a tuned model says of photos that it was not trained on, beside what it should say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import msgspec
import numpy as np

from vlit.data.seeds import draw
from vlit.data.store import atomic
from vlit.tune.example import IGNORE, Example
from vlit.tune.models.architecture import Architecture
from vlit.tune.source import Source

#: Tokens that an answer may have beyond those of the reference.
_BEYOND = 32


@dataclass(frozen=True)
class Trial:
    """A question that was held out, what the model says, and what was said in the data."""

    id: str
    task: str
    image: str | None  #: URI of the first image
    question: str
    answer: str
    reference: str


def tried(
    model: Architecture,
    held_out: Source,
    most: int,
    *,
    seed: int,
    batch: int = 8,
    stops: Sequence[int] | None = None,
) -> Iterator[Trial]:
    """Let a model answer the first question of held-out samples, drawn by their ids.

    Args:
        model: On its device.
        held_out: Examples of the held-out split.
        most: How many.
        seed: Of the run.
        batch: Answers that are generated at once; changes no answer.
        stops: Ids that end an answer, as ``Encoder.stops``.
    """
    from vlit.tune.answer import each_answer

    chosen = drawn(held_out, most, seed)
    asked = [asked_of(model, held_out[i]) for i in chosen]
    longest = max((len(reference) for _, reference in asked), default=0) + _BEYOND
    prompts = [prompt for prompt, _ in asked]
    said = each_answer(model, prompts, batch=batch, max_new_tokens=longest, stops=stops)
    for answer in sorted((a for a in said if a.asked), key=lambda a: a.index):
        prompt, reference = asked[answer.index]
        yield Trial(
            id=prompt.id,
            task=held_out.task(chosen[answer.index]),
            image=prompt.images[0].uri if prompt.images else None,
            question=prompt.instruction,
            answer=answer.text,
            reference=_text(model, reference),
        )


def drawn(held_out: Source, most: int, seed: int) -> list[int]:
    """Places of the examples that are asked, in their order; more of them hold those of fewer."""
    return sorted(sorted(range(len(held_out)), key=lambda i: draw(seed, "trial", held_out[i].id))[:most])


def asked_of(model: Architecture, example: Example) -> tuple[Example, Sequence[int]]:
    """An example up to its first answer, and the ids of that answer."""
    trained = np.flatnonzero(example.labels != IGNORE)
    if model.seq2seq:
        return replace(example, labels=example.labels[:0]), example.labels[trained].tolist()
    begin = int(trained[0])
    gaps = np.flatnonzero(np.diff(trained) > 1)
    end = int(trained[gaps[0]] if len(gaps) else trained[-1]) + 1
    seen = [place for place, slot in enumerate(example.slots) if slot[1] <= begin]
    prompt = replace(
        example,
        ids=example.ids[:begin],
        labels=example.labels[:0],
        images=tuple(example.images[i] for i in seen),
        slots=tuple(example.slots[i] for i in seen),
    )
    return prompt, example.ids[begin:end].tolist()


def write_trials(path: Path, trials: Sequence[Trial]) -> None:
    """One JSON object a line."""
    with atomic(path) as temporary:
        temporary.write_bytes(b"".join(msgspec.json.encode(asdict(trial)) + b"\n" for trial in trials))


def read_trials(path: Path) -> list[Trial]:
    """What was written. A file of another version, or a damaged one, holds none."""
    try:
        return [msgspec.json.decode(line, type=Trial) for line in path.read_bytes().splitlines()]
    except (OSError, msgspec.DecodeError):
        return []


def _text(model: Architecture, ids: Sequence[int]) -> str:
    found: str = model.tokenizer.decode(list(ids), skip_special_tokens=True)
    return found.strip()
