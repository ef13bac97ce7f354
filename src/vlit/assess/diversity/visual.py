"""Visual diversity: clusters of the photos' vectors, and the effective number of different photos.

The review counts the clusters that DBSCAN finds among CLIP embeddings of the images (its "visual semantic
diversity", 27 to 44), without naming the radius, the least number of points or the number of images. Here the
vectors are those of the vision model that ``observe.vision`` names, or, where none does, the descriptors of
colours and gradients (``vlit.assess.pictures.fingerprint``), which know the layout of a photo and not what it
is of.

    value   number of clusters: DBSCAN, cosine distance, ``eps``, ``min_points``, on a draw of ``at`` photos
    vendi   exp of the entropy of the eigenvalues of X'X / n (Friedman and Dieng 2023): 1 for copies of one
            photo, n for n photos that have nothing in common; it has no parameter but the vectors

The detail tells which vectors, eps, min_points and n, the share of noise, the largest cluster, and a curve of
the number of clusters over eps. Both figures depend on n and on the encoder: compare sets at equal n with the
same encoder. The number of clusters rises and falls again with eps, so it says little alone; a set without
any group of ``min_points`` photos alike has no value, for it may be most diverse: the detail has its vendi.
The default radii are ours: 0.35 for descriptors (1 in 1,000 pairs of COCO photos is nearer than 0.43), 0.2 for
models, not calibrated on any.

The group of a sample is the cluster of its first image, numbered by size: for photos outside the draw that of
the nearest core point within eps.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pydantic

from vlit.assess.indicator import Indicator, Need, Scope
from vlit.assess.seen import Part, Seen
from vlit.data.picture import Picture, unpacked
from vlit.data.sample import Sample
from vlit.data.scene import Image
from vlit.data.score import Score, SetScore
from vlit.data.seeds import draw
from vlit.run.stage import Config

F32 = npt.NDArray[np.float32]
Kind = Literal["descriptor", "vector"]

_RADIUS: dict[Kind, float] = {"descriptor": 0.35, "vector": 0.2}
_NAME: dict[Kind, str] = {"descriptor": "descriptors of colours and gradients", "vector": "a vision model"}
_BLOCK = 512


class VisualDiversityConfig(Config):
    """How photos are clustered."""

    eps: float | None = pydantic.Field(
        None, gt=0, lt=2, description="cosine distance; 0.35 for descriptors and 0.2 for models where left out"
    )
    min_points: int = pydantic.Field(5, ge=1, description="photos within eps, itself included, of a core point")
    at: int = pydantic.Field(20_000, ge=0, description="photos that are drawn for it; 0: all")
    curve: tuple[float, ...] = pydantic.Field(
        (0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45),
        description="cosine distances at which clusters are counted too",
    )


@dataclass(frozen=True)
class Clusters:
    """What every part needs to tell the cluster of a photo."""

    figures: dict[str, Any]  #: of the set
    kind: Kind
    eps: float  #: cosine distance
    core: npt.NDArray[np.float16]  #: unit vectors of the core points, shape (m, d)
    labels: npt.NDArray[np.int32]  #: clusters of the core points, shape (m,)

    def of(self, pictures: Sequence[Picture]) -> dict[str, int]:
        """Clusters of those photos that are near enough to one, by URI."""
        rows = [(p.uri, getattr(p, self.kind)) for p in pictures if getattr(p, self.kind)]
        found: dict[str, int] = {}
        for start in range(0, len(rows) if len(self.core) else 0, _BLOCK):
            block = rows[start : start + _BLOCK]
            near = unit(np.stack([unpacked(data) for _, data in block])) @ self.core.T.astype(np.float32)
            best = near.argmax(axis=1)
            for i, (uri, _) in enumerate(block):
                if 1 - near[i, best[i]] <= self.eps + 1e-3:  # vectors are kept as half floats
                    found[uri] = int(self.labels[best[i]])
        return found


class VisualDiversity(Indicator[VisualDiversityConfig]):
    """Number of clusters of photos that look alike."""

    name: ClassVar[str] = "visual_diversity"
    principle = "visual diversity"
    direction = "higher is better"
    scope: ClassVar[Scope] = "set"
    needs: ClassVar[tuple[Need, ...]] = ("pictures",)
    extra: ClassVar[str | None] = "assess"
    Config = VisualDiversityConfig

    def fit(self) -> _Pass:
        """Draw photos."""
        return _Pass(self.config, self.seed)

    def score(self, part: Part, state: Clusters) -> Iterator[Score]:
        """The cluster of each sample's first image as its group."""
        clusters = state.of(list(part.pictures.values()))
        for sample in part.samples:
            if not sample.images:
                yield self.of(sample, None, "the sample has no image")
                continue
            uri = sample.images[0].uri
            picture = part.pictures.get(uri)
            if picture is None or not getattr(picture, state.kind):
                problem = picture.problem if picture is not None else None
                yield self.of(sample, None, f"{uri}: {problem or 'it has no vector'}")
                continue
            group = f"cluster {clusters[uri]}" if uri in clusters else None
            yield self.of(sample, None, "a property of the set", group)

    def summarise(self, scores: Iterable[Score], state: Any = None) -> SetScore:
        """The figures of the draw."""
        figures = state.figures if state is not None else {}
        if not figures.get("drawn"):
            return self.of_set(None, 0, why="no photo could be looked at")
        if not figures["clusters"]:
            alike = f"no {self.config.min_points} of {figures['drawn']:,} photos are alike"
            return self.of_set(None, figures["drawn"], why=f"{alike}: there is no cluster", **figures)
        return self.of_set(float(figures["clusters"]), figures["drawn"], **figures)


class _Pass:
    """The photos with the lowest draws, whatever the samples and their order."""

    def __init__(self, config: VisualDiversityConfig, seed: int) -> None:
        self._config, self._seed = config, seed
        self._known: set[str] = set()
        self._drawn: list[tuple[int, str]] = []  # a heap, the highest draw first

    def add(self, sample: Sample) -> None:
        for image in sample.images:
            if image.uri not in self._known:
                self._known.add(image.uri)
                self._take(image)

    def _take(self, image: Image) -> None:
        at = self._config.at
        row = (-draw(self._seed, "photo", image.sha256 or image.uri), image.uri)
        if not at or len(self._drawn) < at:
            heapq.heappush(self._drawn, row)
        else:
            heapq.heappushpop(self._drawn, row)

    def state(self, seen: Seen) -> Clusters:
        rows = [seen.pictures[uri] for _, uri in sorted(self._drawn, reverse=True) if uri in seen.pictures]
        kind: Kind = "vector" if any(p.vector for p in rows) else "descriptor"
        data = [found for p in rows if (found := getattr(p, kind))]
        vectors = unit(np.stack([unpacked(d) for d in data])) if data else np.zeros((0, 1), np.float32)
        return clusters_of(vectors, kind, self._config, photos=len(self._known))


def clusters_of(vectors: F32, kind: Kind, config: VisualDiversityConfig, photos: int) -> Clusters:
    """Cluster the photos of a draw.

    Args:
        vectors: Unit rows, shape (n, d).
        kind: What they are.
        config: Radius, points, curve.
        photos: Of the whole set.
    """
    from vlit.assess.clustering.dbscan import dbscan, euclidean_from_cosine
    from vlit.assess.clustering.vendi import vendi_score

    distance = config.eps or _RADIUS[kind]
    found = dbscan(vectors, eps=euclidean_from_cosine(distance), min_points=config.min_points)
    sizes = np.bincount(found.labels[found.labels >= 0], minlength=found.n_clusters)
    by_size = np.argsort(np.argsort(-sizes, kind="stable"), kind="stable")  # new number of each cluster
    n = len(vectors)
    detail: dict[str, Any] = {
        "unit": "clusters of photos",
        "vectors": _NAME[kind],
        "eps": distance,
        "metric": "cosine distance",
        "method": found.method,
        "min_points": config.min_points,
        "drawn": n,
        "photos": photos,
        "clusters": found.n_clusters,
        "noise": found.noise / n if n else None,
        "largest": int(sizes.max(initial=0)),
        "vendi": vendi_score(vectors).score,
        "curve": {
            f"{d:g}": dbscan(vectors, eps=euclidean_from_cosine(d), min_points=config.min_points).n_clusters
            for d in config.curve
        },
    }
    return Clusters(
        detail,
        kind,
        distance,
        vectors[found.core].astype(np.float16),
        by_size[found.labels[found.core]].astype(np.int32),
    )


def unit(vectors: F32) -> F32:
    """Rows of length 1; half floats are a little off."""
    lengths = np.sqrt((vectors * vectors).sum(axis=1, keepdims=True))
    found: F32 = vectors / np.maximum(lengths, np.float32(1e-6))
    return found
