"""Hygiene: the same photo under another name.

Photos are alike where their perceptual hashes have at most ``max_distance`` of 256 bits unequal and their
descriptors a cosine of at least ``min_cosine`` (``vlit.assess.pictures.fingerprint`` says what that finds: with
15 bits a photo that was resized, recompressed or cut by one per cent, with 31 one that was cut by two or made
brighter). The value of a sample is the highest likeness of its photos to a photo that came up earlier in the
set under another URI:

    1 - unequal bits / 128          1 the same, 0 none; by chance half the bits are unequal

Many samples on one photo are no duplicates. Every pair within the distance is found
(``vlit.assess.pictures.matching``). Limits: a photo that was mirrored, turned, framed or cut to a square is
another photo to it; two shots of the same scene may be one. ``max_distance`` above 15 takes about ten times as
long.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import pydantic

from vlit.assess.hygiene.lookup import Lookup
from vlit.assess.indicator import Indicator, Need
from vlit.assess.pictures.fingerprint import HASH_BITS
from vlit.assess.pictures.matching import MOST_DISTANCE, closest_earlier
from vlit.assess.seen import Part, Seen
from vlit.data.sample import Sample
from vlit.data.score import Score
from vlit.data.seeds import hash64
from vlit.run.stage import Config


class NearDuplicateImageConfig(Config):
    """What counts as alike."""

    max_distance: int = pydantic.Field(15, ge=0, le=MOST_DISTANCE, description="unequal bits of 256")
    min_cosine: float = pydantic.Field(0.9, ge=-1, le=1, description="of the descriptors")


class NearDuplicateImage(Indicator[NearDuplicateImageConfig]):
    """Highest likeness of a sample's photos to an earlier photo of the set, 0 to 1."""

    name: ClassVar[str] = "near_duplicate_image"
    principle = "hygiene"
    direction = "lower is better"
    needs: ClassVar[tuple[Need, ...]] = ("pictures",)
    Config = NearDuplicateImageConfig

    def fit(self) -> _Pass:
        """Collect the photos in the order in which they come up."""
        return _Pass(self.config)

    def score(self, part: Part, state: Lookup) -> Iterator[Score]:
        """Look the photos up among those that are like an earlier one."""
        for sample in part.samples:
            uris = [image.uri for image in sample.images]
            good = [uri for uri in uris if uri in part.pictures and part.pictures[uri].hash]
            if not good:
                why = "none of its photos could be looked at" if uris else "the sample has no image"
                yield self.of(sample, None, why)
                continue
            found = zip(good, state.find([hash64(uri) for uri in good]), strict=True)
            like = [(value[0], value[1], uri) for uri, value in found if value is not None]
            if like:
                value, other, uri = max(like, key=lambda f: f[0])
                yield self.of(sample, value, f"{uri} is {value:.0%} like {other}")
            else:
                yield self.of(sample, 0.0)


class _Pass:
    """Distinct photos in the order of the set."""

    def __init__(self, config: NearDuplicateImageConfig) -> None:
        self._config = config
        self._uris: dict[str, None] = {}

    def add(self, sample: Sample) -> None:
        for image in sample.images:
            self._uris.setdefault(image.uri)

    def state(self, seen: Seen) -> Lookup:
        """Photos that are like an earlier one: hash of the URI -> (likeness, the other's URI)."""
        rows = [seen.pictures[uri] for uri in self._uris if uri in seen.pictures]
        rows = [row for row in rows if row.hash]
        found = closest_earlier(rows, self._config.max_distance, self._config.min_cosine)
        near = np.flatnonzero(found.other >= 0).tolist()
        return Lookup(
            np.array([hash64(rows[i].uri) for i in near], np.uint64),
            1 - found.distance[near] / (HASH_BITS / 2),
            [rows[i].uri for i in found.other[near].tolist()],
        )
