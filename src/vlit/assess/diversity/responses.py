"""Diversity of the responses: clusters of what they mean, and their effective number.

The review's R is the logarithm of the number of clusters that DBSCAN finds among SimCSE embeddings of the
responses (2.2 to 2.5 in its table; which logarithm, radius, least number of points and number of responses is
not told). Here:

    value   ln(number of clusters): DBSCAN, cosine distance, ``eps``, ``min_points``, on ``at`` drawn samples
    vendi   exp of the entropy of the eigenvalues of X'X / n (Friedman and Dieng 2023): 1 for copies of one
            response, n for n that have nothing in common; it has no parameter but the vectors

The vectors are those of ``observe.sentences``; ``princeton-nlp/unsup-simcse-bert-base-uncased#cls`` is what the
review used. The detail names the encoder, eps, min_points, n, the share of noise, the largest cluster, and a
curve of the number of clusters over eps.

eps is frozen, so that sets can be compared: 0.13 for ``static`` and 0.2 for ``minilm``. It is where a
reference, 20,000 of the 25,014 captions of COCO val2017 (so four of an image, as sets of instructions have
several responses to one), falls into the most clusters with min_points 5: 159 for ``static`` (150 to 159 from
0.10 to 0.15) and 180 for ``minilm`` (158 to 180 from 0.17 to 0.24). Beyond that they grow into one: at the knee
of the curve of 5th-neighbour distances (0.41, 0.48) the reference is a single cluster of 97 %. For other
encoders nothing is frozen: without ``eps`` it is the first quartile of the 5th-neighbour distances of the set
itself (on the reference that gives 0.15 and 0.21), the detail says so, and two sets can be compared only with
one eps.

Both figures depend on n and on the encoder. The number of clusters falls again where a set is so diverse that
few responses have neighbours: read it with the noise and with Vendi. Equal answers ("Yes.") are a cluster.

The group of a sample is the cluster of the nearest core point within eps, of at most 1,024 that are kept.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt
import pydantic

from vlit.assess.diversity.visual import unit
from vlit.assess.indicator import Indicator, Need, Scope
from vlit.assess.seen import Part, Seen
from vlit.data.sample import Sample
from vlit.data.score import Score, SetScore
from vlit.data.seeds import draw
from vlit.run.stage import Config

F32: TypeAlias = npt.NDArray[np.float32]
I32: TypeAlias = npt.NDArray[np.int32]

#: Cosine distances by the first word of the encoder's description.
FROZEN = {"static": 0.13, "minilm": 0.2}
_KEPT, _LEAST = 1024, 5  #: core points that are kept: of all clusters, of each
_BLOCK = 1024
_PROBES = 2048  #: responses whose neighbours are looked at where nothing is frozen
_ROUNDING = 1e-3  #: vectors are kept as half floats


class ResponseDiversityConfig(Config):
    """How responses are clustered."""

    eps: float | None = pydantic.Field(
        None, gt=0, lt=2, description="cosine distance; 0.13 for static and 0.2 for minilm where left out"
    )
    min_points: int = pydantic.Field(
        5, ge=1, description="responses within eps, itself included, of a core point"
    )
    at: int = pydantic.Field(20_000, ge=0, description="samples that are drawn for it; 0: all")
    curve: tuple[float, ...] = pydantic.Field(
        (0.7, 0.85, 1.2, 1.5), description="times eps: distances at which clusters are counted too"
    )


@dataclass(frozen=True)
class Clusters:
    """What every part needs to tell the cluster of a response."""

    figures: dict[str, Any]  #: of the set
    eps: float  #: cosine distance
    core: npt.NDArray[np.float16]  #: unit vectors of core points, shape (m, d)
    labels: I32  #: their clusters, shape (m,)

    def of(self, vectors: npt.NDArray[np.float16]) -> list[int]:
        """The cluster of each row; -1 where no core point is near enough."""
        found = np.full(len(vectors), -1, np.int32)
        core = self.core.astype(np.float32).T
        for start in range(0, len(vectors) if len(self.core) else 0, _BLOCK):
            near = vectors[start : start + _BLOCK].astype(np.float32) @ core
            best = near.argmax(axis=1)
            inside = near[np.arange(len(near)), best] >= 1 - self.eps - _ROUNDING
            found[start : start + _BLOCK][inside] = self.labels[best[inside]]
        places: list[int] = found.tolist()
        return places


class ResponseDiversity(Indicator[ResponseDiversityConfig]):
    """Logarithm of the number of clusters of responses that mean the same."""

    name: ClassVar[str] = "response_diversity"
    principle = "response diversity"
    direction = "higher is better"
    scope: ClassVar[Scope] = "set"
    needs: ClassVar[tuple[Need, ...]] = ("text", "sentences")
    extra: ClassVar[str | None] = "assess"
    Config = ResponseDiversityConfig

    def fit(self) -> _Pass:
        """Draw samples."""
        return _Pass(self.config, self.seed)

    def score(self, part: Part, state: Clusters) -> Iterator[Score]:
        """The cluster of each response as the group; samples of the draw and others alike."""
        assert part.sentences is not None
        vectors = part.sentences.responses
        there: list[bool] = usable(vectors).tolist()
        for sample, cluster, has in zip(part.samples, state.of(vectors), there, strict=True):
            if has:
                yield self.of(
                    sample, None, "a property of the set", None if cluster < 0 else f"cluster {cluster}"
                )
            else:
                yield self.of(sample, None, "the response has no vector")

    def summarise(self, scores: Iterable[Score], state: Any = None) -> SetScore:
        """The figures of the draw."""
        figures = state.figures if state is not None else {}
        if not figures.get("drawn"):
            return self.of_set(None, 0, why="no response has a vector")
        if not figures["clusters"]:
            why = (
                f"no {self.config.min_points} of {figures['drawn']:,} responses are alike: there is no cluster"
            )
            return self.of_set(None, figures["drawn"], why=why, **figures)
        return self.of_set(math.log(figures["clusters"]), figures["drawn"], **figures)


class _Pass:
    """Draws of all samples, 8 bytes each: the vectors come at the end."""

    def __init__(self, config: ResponseDiversityConfig, seed: int) -> None:
        self._config, self._seed = config, seed
        self._draws = array("Q")

    def add(self, sample: Sample) -> None:
        self._draws.append(draw(self._seed, sample.id))

    def state(self, seen: Seen) -> Clusters:
        rows = lowest(self._draws, self._config.at)
        drawn = seen.sentences_of(rows)
        vectors = drawn.responses.astype(np.float32)
        return clusters_of(unit(vectors[usable(vectors)]), drawn.encoder, self._config)


def usable(vectors: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Which rows are neither zero nor spoiled."""
    found: npt.NDArray[np.bool_] = vectors.any(axis=1) & np.isfinite(vectors).all(axis=1)
    return found


def lowest(draws: array[int], at: int) -> npt.NDArray[np.int64]:
    """Rows of the ``at`` lowest draws, ascending; all for 0. Equal draws: the first rows."""
    found = np.array(draws, np.uint64)
    if not at or at >= len(found):
        return np.arange(len(found))
    return np.sort(np.argsort(found, kind="stable")[:at])


def clusters_of(vectors: F32, encoder: str, config: ResponseDiversityConfig) -> Clusters:
    """Cluster the responses of a draw.

    Args:
        vectors: Unit rows, shape (n, d).
        encoder: Name and parameters of what made them.
        config: Radius, points, curve.
    """
    from vlit.assess.clustering.dbscan import dbscan, euclidean_from_cosine
    from vlit.assess.clustering.vendi import vendi_score

    eps, origin = radius(vectors, encoder, config)

    def clustered(distance: float) -> Any:
        return dbscan(vectors, eps=euclidean_from_cosine(distance), min_points=config.min_points)

    found = clustered(eps)
    n, sizes = len(vectors), np.bincount(found.labels[found.labels >= 0], minlength=found.n_clusters)
    by_size = np.argsort(np.argsort(-sizes, kind="stable"), kind="stable")  # new number of each cluster
    curve = sorted({round(min(eps * factor, 1.999), 4) for factor in config.curve})
    detail: dict[str, Any] = {
        "unit": "ln of the number of clusters of responses",
        "encoder": encoder,
        "eps": round(eps, 6),
        "eps_from": origin,
        "metric": "cosine distance",
        "method": found.method,
        "min_points": config.min_points,
        "drawn": n,
        "clusters": found.n_clusters,
        "noise": found.noise / n if n else None,
        "largest": int(sizes.max(initial=0)),
        "vendi": vendi_score(vectors).score,
        "curve": {f"{distance:g}": clustered(distance).n_clusters for distance in curve} if n else {},
    }
    kept = spread_out(found.labels, found.core)
    return Clusters(detail, eps, vectors[kept].astype(np.float16), by_size[found.labels[kept]].astype(np.int32))


def radius(vectors: F32, encoder: str, config: ResponseDiversityConfig) -> tuple[float, str]:
    """The cosine distance, and where it comes from."""
    if config.eps is not None:
        return config.eps, "the recipe"
    frozen = FROZEN.get(encoder.partition(" ")[0])
    if frozen is not None:
        return frozen, "20,000 captions of COCO"
    origin = f"first quartile of the distances within which {config.min_points} responses of the set itself lie"
    if len(vectors) < config.min_points:
        return 0.2, origin
    probes = vectors[np.linspace(0, len(vectors) - 1, min(_PROBES, len(vectors))).astype(np.int64)]
    near = np.concatenate(
        [_kth(probes[i : i + 256] @ vectors.T, config.min_points) for i in range(0, len(probes), 256)]
    )
    return max(1e-3, 1 - float(np.quantile(near, 0.75))), origin


def _kth(cosines: F32, k: int) -> F32:
    """The k-th highest cosine of each row, its own among them."""
    found: F32 = np.partition(cosines, cosines.shape[1] - k, axis=1)[:, cosines.shape[1] - k]
    return found


def spread_out(labels: I32, core: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Rows of core points, at most some 1,024: of each cluster in proportion, and at least 5."""
    places = np.flatnonzero(core)
    if len(places) <= _KEPT:
        return places
    kept = []
    for label in range(int(labels.max()) + 1):
        mine = places[labels[places] == label]
        count = min(len(mine), max(_LEAST, len(mine) * _KEPT // len(places)))
        kept.append(mine[np.linspace(0, len(mine) - 1, count).astype(np.int64)])
    return np.sort(np.concatenate(kept))
