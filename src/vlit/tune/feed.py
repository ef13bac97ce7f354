"""Batches ahead of the steps: photos are opened by threads while the device computes.

Order and content depend on the plan alone. A photo that cannot be opened costs its samples, each with a reason.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from vlit.data.images import ImageProblem, open_rgb
from vlit.data.scene import Image
from vlit.tune.example import Batch, Example
from vlit.tune.flops import NOTHING, Counts, counts_of
from vlit.tune.loss import count
from vlit.tune.models.architecture import Architecture
from vlit.tune.plan import MicroBatch
from vlit.tune.source import Source

if TYPE_CHECKING:
    import torch

    Pixels = Mapping[str, torch.Tensor]

#: Steps that are prepared while one is computed: memory holds the batches of three at most. Those of 256 photos
#: of 336 pixels a side take 0.35 GB each.
AHEAD = 2


@dataclass(frozen=True)
class Skipped:
    """A sample that was left out of a step."""

    id: str
    uri: str
    reason: str


@dataclass(frozen=True)
class Ready:
    """The share of one process in a step."""

    micros: tuple[Batch, ...]
    labels: int  #: tokens that the loss is taken of
    tokens: int  #: without padding and blanks
    samples: tuple[str, ...]  #: their ids
    counts: Counts  #: what is computed, blanks counted
    skipped: tuple[Skipped, ...]


class Feed:
    """Iterates over the steps of a plan, each ready to be computed.

    Args:
        plan: The micro-batches of this process, step by step.
        source: Examples by index.
        model: Its image processor and slots.
        readers: Threads that open photos; 0: in line with the steps.
        together: Whether other processes compute along: then no micro-batch is left out, and one without images
            shows a blank one, which no loss is taken of, so that all go through the same parts equally often.
        pinned: Whether batches lie in memory that a GPU copies from while it computes.
    """

    def __init__(
        self,
        plan: Iterable[Sequence[MicroBatch]],
        source: Source,
        model: Architecture,
        *,
        readers: int,
        together: bool = False,
        pinned: bool = False,
    ) -> None:
        self._plan, self._source, self._model = plan, source, model
        self._readers, self._together, self._pinned = readers, together, pinned

    def __iter__(self) -> Iterator[Ready]:
        if self._readers == 0:
            for micros in self._plan:
                yield self._ready(micros, map)
            return
        # One thread puts the steps together, in order; the readers open the photos of the step it is at.
        with ThreadPoolExecutor(self._readers) as readers, ThreadPoolExecutor(1) as table:
            waiting: deque[Future[Ready]] = deque()
            try:
                for micros in self._plan:
                    waiting.append(table.submit(self._ready, micros, readers.map))
                    if len(waiting) > AHEAD:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def _ready(self, micros: Sequence[MicroBatch], over: Callable[..., Iterable[Any]]) -> Ready:
        from vlit.tune.collate import collate

        rows = [[[self._source[index] for index in row] for row in micro] for micro in micros]
        shown = {image.uri: image for micro in rows for row in micro for e in row for image in e.images}
        found = dict(zip(shown, over(self._open, shown.values()), strict=True))
        problems = {uri: str(what) for uri, what in found.items() if isinstance(what, ImageProblem)}
        batches, kept, skipped = [], [], []
        for micro in rows:
            left, lost = _without(micro, problems)
            skipped += lost
            kept += [example for row in left for example in row]
            if left or self._together:
                batches.append(collate(left, self._model, found, all_parts=self._together))
        return Ready(
            micros=tuple(map(_pinned, batches) if self._pinned else batches),
            labels=sum(count(batch, self._model.seq2seq) for batch in batches),
            tokens=sum(len(example.ids) for example in kept),
            samples=tuple(example.id for example in kept),
            counts=sum((counts_of(batch, seq2seq=self._model.seq2seq) for batch in batches), start=NOTHING),
            skipped=tuple(skipped),
        )

    def _open(self, image: Image) -> Pixels | ImageProblem:
        """What the vision part reads of a photo, or why there is none."""
        try:
            picture = open_rgb(image)
        except ImageProblem as problem:
            return problem
        if picture.size != (image.width, image.height):
            was = f"{image.width}x{image.height}"
            return ImageProblem(f"is {picture.width}x{picture.height} now and was {was} when it was encoded")
        try:
            return self._model.pixels([picture])
        except ValueError as error:  # how image processors refuse a shape
            return ImageProblem(f"the image processor refuses it: {error}")
        except Exception as error:
            error.add_note(f"at the photo {image.uri}")
            raise


def _pinned(batch: Batch) -> Batch:
    whole: dict[str, Any] = {
        name: getattr(batch, name).pin_memory() for name in ("ids", "labels", "positions", "documents")
    }
    for name in ("images", "instructions"):
        whole[name] = {key: tensor.pin_memory() for key, tensor in getattr(batch, name).items()}
    return replace(batch, **whole)


def _without(
    rows: Sequence[Sequence[Example]], problems: Mapping[str, str]
) -> tuple[list[list[Example]], list[Skipped]]:
    """The rows without the samples that show one of these photos; rows that are left empty are gone."""
    skipped = [
        Skipped(example.id, image.uri, problems[image.uri])
        for row in rows
        for example in row
        for image in example.images
        if image.uri in problems
    ]
    lost = {found.id for found in skipped}
    left = [[example for example in row if example.id not in lost] for row in rows]
    return [row for row in left if row], skipped
