"""The images of what a mixture has drawn: opened once each, a few at a time."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec
import numpy as np
import numpy.typing as npt
import PIL.Image as PILImage

from vlit.data.images import ImageProblem, probe
from vlit.data.sample import Sample
from vlit.data.scene import Image
from vlit.data.score import Quarantined, shown
from vlit.formats.mix_plan import Mixture
from vlit.formats.mix_read import Reading
from vlit.formats.spool import Spool, SpoolReader

#: Photos that are opened at the same time, and those that are handed out at once.
_THREADS, _BATCH = 16, 4_096

#: In place of a number in the spool: the images are described already.
AS_THEY_ARE = -1


class Album:
    """What was found when images were opened.

    Args:
        readings: The sets.
        records: Their pieces.
        images: Takes the descriptions of a piece's images.
        lost: Takes the quarantine rows.
    """

    def __init__(
        self, readings: Sequence[Reading], where: Sequence[str], records: Spool, images: Spool, lost: Spool
    ) -> None:
        self.readings, self.where, self.records, self.images, self.lost = readings, where, records, images, lost
        self._known = np.zeros(0, np.uint64)  # hashes in order
        self._number = np.zeros(0, np.int64)  # of each, in the spool

    def numbers(self, photos: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
        """Where the descriptions of these images stand in the spool; ``AS_THEY_ARE`` where there are none."""
        if not len(self._known):
            return np.full(len(photos), AS_THEY_ARE)
        at = np.minimum(np.searchsorted(self._known, photos), len(self._known) - 1)
        return np.where(self._known[at] == photos, self._number[at], AS_THEY_ARE)

    def look(self, mixture: Mixture, gone: Sequence[npt.NDArray[np.bool_]]) -> int:
        """Open what the mixture has drawn and was not opened yet.

        Args:
            mixture: What was drawn.
            gone: For each set and piece, whether it is unusable; pieces that turn out so are marked.

        Returns:
            How many pieces turned out to be unusable.
        """
        photos, spans = self._new(mixture)
        problems: dict[int, tuple[str, str]] = {}
        numbers: list[int] = []
        self.records.flush()
        # Opening an image sets warnings aside, which is not made for threads: what one restores, another set.
        # Under this, all of them set and restore the same, and at the end comes back what was before.
        with (
            warnings.catch_warnings(category=PILImage.DecompressionBombWarning, action="ignore"),
            ThreadPoolExecutor(_THREADS) as pool,
            SpoolReader(self.records.path) as reader,
        ):
            for start in range(0, len(photos), _BATCH):
                batch = reader.read(spans[start : start + _BATCH])
                for photo, found in zip(photos[start:], pool.map(_opened, batch), strict=False):
                    if isinstance(found, bytes):
                        numbers.append(self.images.add(found) if found else AS_THEY_ARE)
                    else:
                        numbers.append(AS_THEY_ARE)
                        problems[int(photo)] = found
        known = np.concatenate([self._known, photos])
        order = np.argsort(known)
        self._known = known[order]
        self._number = np.concatenate([self._number, np.array(numbers, np.int64)])[order]
        self.images.flush()
        return self._mark(problems, gone) if problems else 0

    def _new(self, mixture: Mixture) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
        """Photos that were not opened yet, in the order of the mixture, and a piece that shows each."""
        photo, piece = np.zeros(len(mixture.piece), np.uint64), mixture.piece.copy()
        for number, reading in enumerate(self.readings):
            here = mixture.of_set == number
            photo[here] = reading.columns["photo"][piece[here]]
            piece[here] += reading.first
        found, first = np.unique(photo, return_index=True)
        new = first[(found != 0) & ~np.isin(found, self._known)]
        new.sort()
        return photo[new], self.records.spans(piece[new])

    def _mark(self, problems: dict[int, tuple[str, str]], gone: Sequence[npt.NDArray[np.bool_]]) -> int:
        """Mark all pieces that show a photo with a problem, drawn or not, and quarantine their records."""
        bad = np.array(sorted(problems), np.uint64)
        marked = 0
        with SpoolReader(self.records.path) as reader:
            for reading, where, mask in zip(self.readings, self.where, gone, strict=True):
                pieces = np.flatnonzero(np.isin(reading.columns["photo"], bad) & ~mask)
                mask[pieces] = True
                marked += len(pieces)
                _, first = np.unique(reading.columns["record"][pieces], return_index=True)
                photos = reading.columns["photo"][pieces[first]].tolist()
                spans = self.records.spans(pieces[first] + reading.first)
                for photo, raw in zip(photos, reader.read(spans), strict=True):
                    self.lost.add(_row(where, msgspec.msgpack.decode(raw, type=Sample), *problems[photo]))
        self.lost.flush()
        return marked


def _opened(raw: bytes) -> bytes | tuple[str, str]:
    """Descriptions of a piece's images, none where it has them; or the image that cannot be used, and why."""
    images = msgspec.msgpack.decode(raw, type=Sample).images
    if all(image.width for image in images):
        return b""
    found: list[Image] = []
    for image in images:
        try:
            found.append(image if image.width else probe(image.uri, decode=False))
        except ImageProblem as problem:
            return image.uri, str(problem)
    return msgspec.msgpack.encode(found)


def _row(where: str, sample: Sample, uri: str, reason: str) -> bytes:
    name, _, record = sample.provenance.parents[0].partition(":")
    row = Quarantined(
        stage="mix", file=where, record=f"{name}: {record}", field="image", value=shown(uri), reason=reason
    )
    return msgspec.msgpack.encode(row)
