"""Small sets for the tests of selection, in memory and in a run folder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from vlit.data.embedding import Embedding
from vlit.data.picture import Picture, packed
from vlit.data.sample import Provenance, Sample, Turn
from vlit.data.scene import Image
from vlit.data.score import Score, Verdict
from vlit.run.folder import RunFolder
from vlit.run.stage import Config, Output, Shard, Stage
from vlit.select.rules import SelectConfig
from vlit.select.stage import select


def sample(
    id: str, task: str = "counting", source: str | None = "coco", asked: str = "How many?", said: str = "Three."
) -> Sample:
    return Sample(
        id=id,
        task=task,
        turns=(Turn(role="user", text=asked), Turn(role="assistant", text=said)),
        images=(Image(uri=f"/{id}.jpg", width=8, height=8),),
        provenance=Provenance(source=source),
    )


def scores_of(
    samples: Sequence[Sample],
    indicator: str,
    values: Sequence[float | None] | None = None,
    groups: Sequence[str | None] | None = None,
) -> list[Score]:
    return [
        Score(
            sample=s.id,
            indicator=indicator,
            value=None if values is None else values[i],
            reason="said so",
            group=None if groups is None else groups[i],
        )
        for i, s in enumerate(samples)
    ]


def verdicts(
    samples: Sequence[Sample], scores: Sequence[Score] = (), seed: int = 0, vectors: Any = None, **config: Any
) -> list[Verdict]:
    found = select(samples, scores, SelectConfig.model_validate(config), seed, vectors=vectors)
    assert [v.sample for v in found] == [s.id for s in samples]
    assert all(v.reason for v in found)
    return found


def kept(
    samples: Sequence[Sample], scores: Sequence[Score] = (), seed: int = 0, vectors: Any = None, **config: Any
) -> set[str]:
    return {v.sample for v in verdicts(samples, scores, seed, vectors, **config) if v.keep}


class MadeConfig(Config):
    """Where the samples are cut into parts, and which tables are left out."""

    sizes: tuple[int, ...]
    without: tuple[str, ...] = ()


class Made(Stage[MadeConfig]):
    """Writes the samples, scores and vectors of ``some`` as the tables of a run."""

    name: ClassVar[str] = "made"
    writes: ClassVar[tuple[str, ...]] = ("pictures", "embeddings", "scores", "samples")
    code: ClassVar[tuple[str, ...]] = ("vlit.data",)
    Config = MadeConfig

    def shards(self, run: RunFolder) -> list[Shard]:
        starts = np.cumsum([0, *self.config.sizes]).tolist()
        return [Shard(f"{n:05d}", (starts[n], starts[n + 1])) for n in range(len(self.config.sizes))]

    def work(self, shard: Shard, context: Any) -> Output:
        samples, scores, vectors = some(sum(self.config.sizes))
        part = slice(*shard.payload)
        here = {s.id for s in samples[part]}
        rows = list(zip(samples, vectors["instruction"], vectors["response"], vectors["picture"], strict=True))
        tables = {
            "samples": samples[part],
            "scores": [score for score in scores if score.sample in here],
            "embeddings": [
                Embedding(sample=s.id, instruction=packed(i), response=packed(r), encoder="test")
                for s, i, r, _ in rows[part]
            ],
            "pictures": [Picture(uri=s.images[0].uri, descriptor=packed(p)) for s, _, _, p in rows[part]],
        }
        return Output({name: found for name, found in tables.items() if name not in self.config.without})


TASKS = ("counting", "presence", "colour")
WORDS = ("dog", "cat", "bus", "red bus", "zebra", "nothing")


def some(n: int) -> tuple[list[Sample], list[Score], dict[str, Any]]:
    """Samples with two values, a cluster and vectors; some of each are missing."""
    rng = np.random.default_rng(n)
    samples = [
        sample(
            f"s{i}",
            TASKS[int(rng.integers(3)) if i % 4 else 0],
            (None, "coco", "vg")[int(rng.integers(3))],
            said=f"{('Yes', 'No', 'There is')[i % 3]}, a {WORDS[int(rng.integers(6))]} and a {WORDS[i % 6]}.",
        )
        for i in range(n)
    ]
    values = [None if i % 7 == 3 else float(v) for i, v in enumerate(rng.random(n))]
    groups = [None if i % 5 == 2 else f"c{int(g)}" for i, g in enumerate(rng.integers(0, 4, n))]
    found = scores_of(samples, "a", values) + scores_of(samples, "b", [1.0 * (i % 10) for i in range(n)])
    found += scores_of(samples, "clusters", groups=groups)
    vectors = rng.normal(size=(n, 8)).astype(np.float32)
    vectors[::9] = 0
    return samples, found, {"response": vectors, "instruction": vectors[::-1], "picture": vectors}
