"""Sets side by side at equal size, as the review's Table 3: a number that grows with n compares nothing else.

Of each set the ``n`` samples with the lowest draws are taken, and everything that needs neither weights nor a
teacher is measured anew on them: diversity, repeats and language models see these ``n`` samples alone. Scores
of models and teachers are those of the run, over the same samples.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import orjson
import pyarrow.parquet as pq

from vlit.assess.indicator import AnyIndicator, Principle
from vlit.assess.parts import Ranges, whole
from vlit.assess.registry import make
from vlit.assess.seen import Part, Pictures, Seen
from vlit.assess.stage import fit, needs_of, score_part
from vlit.data.errors import VlitError
from vlit.data.sample import Sample
from vlit.data.scene import Scene
from vlit.data.schema import from_table
from vlit.data.score import Score, commonest_reason
from vlit.data.seeds import draw
from vlit.data.store import read_part
from vlit.run.folder import RunFolder

#: Samples of each set where nothing else is said.
AT = 20_000

_ORDER = {principle: place for place, principle in enumerate(get_args(Principle))}


@dataclass(frozen=True)
class Cell:
    """What one indicator says of one set."""

    value: float | None
    n: int  #: samples that have a value
    margin: float | None = None  #: half the 95 % interval; ``None`` where the value is no mean over samples
    why: str = ""  #: why there is no value
    detail: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Line:
    """One indicator over all sets."""

    principle: str
    indicator: str
    form: str
    direction: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Comparison:
    """Sets side by side."""

    names: tuple[str, ...]
    sizes: tuple[int, ...]  #: samples of each whole set
    n: int  #: samples that were taken of each
    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()  #: what does not compare


def compare(
    runs: Sequence[RunFolder],
    indicators: Mapping[str, Mapping[str, Any] | None] | None = None,
    n: int | None = None,
    seed: int = 0,
) -> Comparison:
    """Measure sets at equal size.

    Args:
        runs: Runs that were assessed.
        indicators: Names and options; by default all that need no model weights.
        n: Samples of each; by default the size of the smallest set, at most ``AT``.
        seed: Of the draw.

    Raises:
        VlitError: For a run without scores, and for ``n`` above the size of a set.
    """
    sizes = [_size(run) for run in runs]
    names = _names([run.path.resolve() for run in runs])
    taken = min([*sizes, AT]) if n is None else n
    for run, size in zip(runs, sizes, strict=True):
        if size < taken:
            raise VlitError(
                f"the set has {size:,} samples, fewer than {taken:,}", where=str(run.path), todo="lower --n"
            )
    chosen = make(indicators, seed)
    measured = [_measured(run, chosen, taken, seed) for run in runs]
    kinds = {i.name: i for i in chosen} | {i.name: i for found in measured for i in found[1]}
    lines = [
        Line(
            kind.principle,
            name,
            kind.form,
            kind.direction,
            tuple(cells.get(name, _ABSENT) for cells, _ in measured),
        )
        for name, kind in kinds.items()
    ]
    lines.sort(key=lambda line: (_ORDER[line.principle], line.indicator))
    return Comparison(names, tuple(sizes), taken, tuple(lines), tuple(_notes(names, runs)))


_ABSENT = Cell(None, 0, why="not measured in this run")


def _size(run: RunFolder) -> int:
    run.check()
    if not len(run.set_scores) and not run.scores.parts():
        raise VlitError("this run was not assessed", where=str(run.path), todo=f"vlit assess {run.path}")
    return len(run.samples)


def _names(paths: Sequence[Path]) -> tuple[str, ...]:
    """Names of the folders, with as many of the folders above them as tell them apart."""
    deepest = max((len(path.parts) for path in paths), default=0)
    for depth in range(1, deepest):
        names = tuple("/".join(path.parts[-depth:]) for path in paths)
        if len(set(names)) == len(set(paths)):
            return names
    return tuple(map(str, paths))


def _notes(names: Sequence[str], runs: Sequence[RunFolder]) -> Iterator[str]:
    encoders = {name: _encoder(run) for name, run in zip(names, runs, strict=True)}
    if len(set(encoders.values())) > 1:
        told = "; ".join(f"{name}: {encoder or 'none'}" for name, encoder in encoders.items())
        yield f"texts were embedded in different ways, so that diversity does not compare ({told})"


def _encoder(run: RunFolder) -> str:
    for path in run.embeddings.parts():
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(1, columns=["encoder"]):
                return str(batch["encoder"][0].as_py())
    return ""


def _measured(
    run: RunFolder, chosen: Sequence[AnyIndicator], n: int, seed: int
) -> tuple[dict[str, Cell], list[AnyIndicator]]:
    """Cells by indicator, and the indicators of the run that were taken over from it."""
    places, samples = _drawn(run, n, seed)
    part, seen = _observed(run, chosen, places, samples)
    states = fit(chosen, samples, seen)
    scores = score_part(chosen, part, states)
    cells = {i.name: _cell(i, [s for s in scores if s.indicator == i.name], states.get(i.name)) for i in chosen}
    others = _others(run, {i.name for i in chosen})
    ids = {sample.id for sample in samples}
    for other in others:
        found = [s for path in run.scores.parts() for s in _scores(path, other.name) if s.sample in ids]
        cells[other.name] = _cell(other, found)
    return cells, others


def _drawn(run: RunFolder, n: int, seed: int) -> tuple[list[int], list[Sample]]:
    """Places and samples of the ``n`` lowest draws, in the order of the set."""
    draws = np.fromiter((draw(seed, "compare", name) for name in run.samples.ids()), np.uint64)
    chosen = np.sort(np.argpartition(draws, n - 1)[:n]) if n < len(draws) else np.arange(len(draws))
    wanted, start, rows = set(chosen.tolist()), 0, []
    for path in run.samples.parts():
        part = read_part(path, Sample)
        rows += [sample for place, sample in enumerate(part, start=start) if place in wanted]
        start += len(part)
    return chosen.tolist(), rows


def _observed(
    run: RunFolder, chosen: Sequence[AnyIndicator], places: Sequence[int], samples: Sequence[Sample]
) -> tuple[Part, Seen]:
    needs = needs_of(chosen)
    everything = whole(run)
    uris = {image.uri for sample in samples for image in sample.images}
    pictures = (
        Pictures(p for p in everything.pictures.values() if p.uri in uris)
        if "pictures" in needs
        else Pictures()
    )
    sentences = everything.sentences.rows(places) if "sentences" in needs else None
    scenes: dict[str, Scene] = {}
    if "scenes" in needs:
        ids = {scene for sample in samples for scene in sample.provenance.scenes}
        scenes = {s.id: s for s in Ranges.of(run.scenes.parts(), "id").read(ids, Scene)}
    read = None if sentences is None else lambda: sentences
    seen = Seen(len(samples), read, lambda: pictures, scenes.values())
    return Part(samples, scenes, sentences, pictures), seen


def _others(run: RunFolder, known: set[str]) -> list[AnyIndicator]:
    """Indicators that the run has scores of and that are not measured anew: those with models or a teacher."""
    names = sorted({score.indicator for score in run.set_scores} - known)
    found = []
    for score in run.set_scores:
        if score.indicator in names:
            config = orjson.loads(score.detail)
            kind = _kind(score.indicator)
            if kind is not None and kind.scope == "sample":
                fields = kind.Config.model_fields
                found.append(kind(kind.Config.model_validate({k: v for k, v in config.items() if k in fields})))
    return found


def _kind(name: str) -> Any:
    from vlit.assess.registry import INDICATORS

    return INDICATORS.load(name) if name in INDICATORS.targets() else None


def _scores(path: Path, name: str) -> list[Score]:
    return from_table(pq.read_table(path, filters=[("indicator", "==", name)]), Score)


def _cell(indicator: AnyIndicator, scores: Sequence[Score], state: Any = None) -> Cell:
    values = [s.value for s in scores if s.value is not None]
    found = indicator.summarise(scores, state)
    if found is None or found.value is None:
        why = orjson.loads(found.detail).get("why") if found is not None else None
        return Cell(None, len(values), why=why or commonest_reason(scores))
    margin = None
    mean = math.fsum(values) / len(values) if values else None
    # A number that is another one than the mean, such as a share of all mentions, does not have its interval.
    is_mean = mean is not None and math.isclose(found.value, mean, abs_tol=1e-12)
    if indicator.scope == "sample" and len(values) > 1 and is_mean:
        margin = 1.96 * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return Cell(found.value, found.n, margin, detail=orjson.loads(found.detail))
