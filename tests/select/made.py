"""Small sets for the tests of selection, in memory and in a run folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vlit.data.embedding import Embedding
from vlit.data.picture import Picture, packed
from vlit.data.sample import Provenance, Sample, Turn
from vlit.data.scene import Image
from vlit.data.schema import to_table
from vlit.data.score import Score, Verdict
from vlit.data.store import part_path, write_part
from vlit.run.folder import RunFolder
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


def write_run(
    folder: Path,
    samples: Sequence[Sample],
    scores: Sequence[Score],
    sizes: Sequence[int],
    vectors: Mapping[str, np.ndarray[Any, Any]] | None = None,
) -> RunFolder:
    """A run folder whose samples and scores lie in parts of the given sizes."""
    run = RunFolder(folder)
    by_sample: dict[str, list[Score]] = {}
    for score in scores:
        by_sample.setdefault(score.sample, []).append(score)
    start = 0
    for number, size in enumerate(sizes):
        part = samples[start : start + size]
        tables: dict[str, tuple[type[Any], list[Any]]] = {
            "samples": (Sample, list(part)),
            "scores": (Score, [score for s in part for score in by_sample.get(s.id, [])]),
        }
        if vectors and "response" in vectors:
            rows = [
                Embedding(
                    sample=s.id,
                    instruction=packed(vectors["instruction"][start + i]),
                    response=packed(vectors["response"][start + i]),
                    encoder="test",
                )
                for i, s in enumerate(part)
            ]
            tables["embeddings"] = (Embedding, rows)
        for table, (kind, found) in tables.items():
            write_part(part_path(run.folder(table), f"{number:05d}", "0" * 12), to_table(found, kind))
        start += size
    assert start == len(samples)
    if vectors and "picture" in vectors:
        pictures = [
            Picture(uri=s.images[0].uri, descriptor=packed(v))
            for s, v in zip(samples, vectors["picture"], strict=True)
        ]
        write_part(part_path(run.folder("pictures"), "photos-0", "0" * 12), to_table(pictures, Picture))
    return run
