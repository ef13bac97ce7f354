"""Which samples and photos the page shows: a stratified subset that depends on the ids alone."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq

from vlit.data.seeds import draw
from vlit.data.store import part_key
from vlit.run.folder import RunFolder

#: Task, and the rule that dropped the sample; "" for a kept one, None for one that nobody judged.
Stratum = tuple[str, str | None]


@dataclass(frozen=True)
class Choice:
    """Samples to show, and how many there are to choose from."""

    ids: frozenset[str] = frozenset()
    photos: frozenset[str] = frozenset()  #: URIs of the photos to embed
    strata: Mapping[str, Stratum] = field(default_factory=dict)  #: of each chosen sample
    samples: int = 0


def choose(run: RunFolder, *, samples: int, photos: int) -> Choice:
    """Choose at most ``samples`` samples, an even share of every task and of every reason to be dropped.

    Samples whose photo is among the at most ``photos`` embedded ones come first. Two passes over three columns;
    memory depends on the limits, not on the run.
    """
    shown_photos = _lowest_photos(run, photos)
    heaps: dict[Stratum, list[tuple[int, int, str]]] = {}
    sizes: Counter[Stratum] = Counter()
    for part, verdicts in _aligned(run):
        judged = _verdicts(verdicts)
        for name, task, uris in _columns(part):
            stratum = (task, judged.get(name))
            sizes[stratum] += 1
            hidden = bool(uris) and uris[0] not in shown_photos
            # Smallest first are wanted, and heapq keeps the largest: so both keys are negative.
            item = (-int(hidden), -draw(0, "report", name), name)
            heap = heaps.setdefault(stratum, [])
            if len(heap) < samples:
                heapq.heappush(heap, item)
            elif heap and item > heap[0]:
                heapq.heapreplace(heap, item)
    shares = fair_shares({s: len(h) for s, h in heaps.items()}, samples)
    strata = {name: s for s, heap in heaps.items() for _, _, name in heapq.nlargest(shares[s], heap)}
    return Choice(frozenset(strata), frozenset(shown_photos), strata, sizes.total())


def fair_shares(sizes: Mapping[Stratum, int], limit: int) -> dict[Stratum, int]:
    """Split ``limit`` evenly; what a small stratum cannot fill goes to the larger ones."""
    shares: dict[Stratum, int] = {}
    left = limit
    order = sorted(sizes, key=lambda s: (sizes[s], s[0], s[1] or ""))
    for place, stratum in enumerate(order):
        shares[stratum] = min(sizes[stratum], left // (len(order) - place))
        left -= shares[stratum]
    return shares


def in_turn(groups: Mapping[str, Sequence[tuple[str, str]]], limit: int) -> list[str]:
    """One sample of each group, then a second of each, and so on; photos that were not taken yet come first.

    The group of the cap comes last: what a gate dropped is of more interest.

    Args:
        groups: Sample ids with their photo's URI, in the order of preference.
        limit: How many samples to take.
    """
    queues = [list(groups[key]) for key in sorted(groups, key=lambda k: (k in ("cap", "keep"), k))]
    taken: list[str] = []
    seen: set[str] = set()
    while len(taken) < limit and any(queues):
        for queue in queues:
            if queue and len(taken) < limit:
                place = next((i for i, (_, photo) in enumerate(queue) if photo not in seen), 0)
                name, photo = queue.pop(place)
                seen.add(photo)
                taken.append(name)
    return taken


def _lowest_photos(run: RunFolder, limit: int) -> set[str]:
    best: dict[str, int] = {}
    worst = 0
    for part in run.samples.parts():
        for uri in dict.fromkeys(uris[0] for _, _, uris in _columns(part) if uris):
            if uri in best:
                continue
            key = draw(0, "photo", uri)
            if len(best) < limit or key < worst:
                best[uri] = key
                if len(best) > limit:
                    del best[max(best, key=lambda u: best[u])]
                worst = max(best.values(), default=0)
    return set(best)


def _columns(part: Path) -> Iterator[tuple[str, str, list[str]]]:
    """Id, task and image URIs of each sample of a part."""
    with pq.ParquetFile(part) as file:
        for batch in file.iter_batches(16_384, columns=["id", "task", "images.list.element.uri"]):
            for row in batch.to_pylist():
                yield row["id"], row["task"], [i["uri"] for i in row["images"]]


def _aligned(run: RunFolder) -> Iterator[tuple[Path, list[Path]]]:
    """Each part of the samples with the parts of the verdicts on the same samples."""
    verdicts: dict[str, list[Path]] = {}
    for path in run.verdicts.parts():
        verdicts.setdefault(part_key(path), []).append(path)
    for path in run.samples.parts():
        yield path, verdicts.get(part_key(path), [])


def _verdicts(parts: list[Path]) -> dict[str, str]:
    rows = (row for p in parts for row in pq.read_table(p, columns=["sample", "keep", "rule"]).to_pylist())
    return {r["sample"]: "" if r["keep"] else r["rule"] for r in rows}
