"""Rows of examples as the tensors of a batch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from vlit.data.scene import Image
from vlit.tune.example import IGNORE, Batch, Example

if TYPE_CHECKING:
    import torch

    from vlit.tune.models.architecture import Architecture

#: What ``Architecture.pixels`` made of an image.
Pixels = Mapping[str, "torch.Tensor"]

#: An image of nothing, for a batch that has none where every parameter has to take part.
BLANK = Image(uri="blank:", width=32, height=32)


def collate(
    rows: Sequence[Sequence[Example]],
    model: Architecture,
    pixels: Mapping[str, Pixels],
    *,
    all_parts: bool = False,
) -> Batch:
    """A batch of rows; rows are padded to the longest, so a single one is not padded.

    The first token of a document has nothing before it that could predict it; its label is left out, or the end
    of the document before would be trained to foretell it. Without rows there is one document without labels,
    so that a process that has nothing to do computes along.

    Args:
        rows: Documents of each row, in order; one to a row where the architecture does not pack.
        model: Whose batch it is; its weights are not used.
        pixels: By URI, ``model.pixels([picture])`` of each image.
        all_parts: Add a blank image in a document without labels where there are no images: with several
            processes the vision part has to take part in all of them or in none.

    Raises:
        ValueError: When images and slots of an example do not match, or several documents share a row where the
            architecture does not pack.
    """
    import torch

    filled = [list(row) for row in rows if row]
    lacking = all_parts and not any(example.images for row in filled for example in row)
    if lacking or not filled:
        _add(filled, idle(model, image=lacking), alone=not model.packs)
        pixels = {**pixels, BLANK.uri: blank(model)} if lacking else pixels
    _check(filled, packs=model.packs)
    examples = [example for row in filled for example in row]
    wide = _padded([np.concatenate([e.ids for e in row]) for row in filled], _padding(model))
    return Batch(
        ids=wide.long(),
        labels=_labels(filled, seq2seq=model.seq2seq).long(),
        positions=_padded([np.concatenate([np.arange(len(e.ids)) for e in row]) for row in filled], 0).long(),
        documents=_padded(
            [np.repeat(np.arange(1, len(row) + 1), [len(e.ids) for e in row]) for row in filled], 0
        ).to(torch.int32),
        images=stacked([pixels[image.uri] for e in examples for image in e.images]),
        instructions=_instructions(model, examples),
        samples=tuple(e.id for e in examples if e.id),
    )


def idle(model: Architecture, *, image: bool) -> Example:
    """A document that nothing is learnt from: an image's slot and the end of a text, no labels, no id."""
    slot = list(model.slot(BLANK)) if image else []
    ids = np.array([*slot, _padding(model)], dtype=np.int32)
    return Example(
        id="",
        ids=ids,
        labels=np.full(1 if model.seq2seq else len(ids), IGNORE, dtype=np.int32),
        images=(BLANK,) if image else (),
        slots=((0, len(slot)),) if image else (),
    )


def blank(model: Architecture) -> dict[str, torch.Tensor]:
    """What the vision part reads of the blank image."""
    import PIL.Image as PILImage

    return model.pixels([PILImage.new("RGB", (BLANK.width, BLANK.height), (127, 127, 127))])


def stacked(images: Sequence[Pixels]) -> dict[str, torch.Tensor]:
    """What the vision part reads of several images, one after the other; empty without images.

    Raises:
        ValueError: When images of different sizes cannot be stacked.
    """
    import torch

    if not images:
        return {}
    shapes = {name: {tuple(own[name].shape[1:]) for own in images} for name in images[0]}
    if uneven := sorted(name for name, found in shapes.items() if len(found) > 1):
        raise ValueError(f"images of different sizes in one batch: {', '.join(uneven)} cannot be stacked")
    return {name: torch.cat([own[name] for own in images]) for name in images[0]}


def _add(rows: list[list[Example]], document: Example, *, alone: bool) -> None:
    if alone or not rows:
        rows.append([document])
    else:
        min(rows, key=lambda row: sum(len(e.ids) for e in row)).append(document)


def _check(rows: Iterable[Sequence[Example]], *, packs: bool) -> None:
    for row in rows:
        if len(row) > 1 and not packs:
            raise ValueError(f"{len(row)} documents in a row of an architecture that does not pack")
        for example in row:
            if len(example.images) != len(example.slots):
                raise ValueError(f"{example.id}: {len(example.images)} images for {len(example.slots)} slots")


def _labels(rows: Sequence[Sequence[Example]], *, seq2seq: bool) -> torch.Tensor:
    if seq2seq:
        return _padded([row[0].labels for row in rows], IGNORE)
    found = [np.concatenate([e.labels for e in row]) for row in rows]
    for labels, row in zip(found, rows, strict=True):
        labels[np.cumsum([0, *(len(e.labels) for e in row[:-1])])] = IGNORE
    return _padded(found, IGNORE)


def _instructions(model: Architecture, examples: Sequence[Example]) -> dict[str, torch.Tensor]:
    """What the Q-Former is told of each image: the instruction of the example that shows it."""
    texts = [e.instruction for e in examples for _ in e.images]
    instruct = getattr(model, "instruct", None)  # of architectures with a Q-Former that reads
    return dict(instruct(texts)) if texts and instruct is not None else {}


def _padding(model: Architecture) -> int:
    """An id for places that are not attended to."""
    for found in (model.tokenizer.pad_token_id, model.tokenizer.eos_token_id):
        if found is not None:
            return int(found)
    return 0


def _padded(rows: Sequence[np.ndarray], value: int) -> torch.Tensor:
    import torch

    whole = np.full((len(rows), max(len(row) for row in rows)), value, dtype=np.int64)
    for to, row in zip(whole, rows, strict=True):
        to[: len(row)] = row
    return torch.from_numpy(whole)
