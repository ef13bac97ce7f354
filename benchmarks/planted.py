"""Planted defects: which indicator sees them, and how well.

    python -m benchmarks.planted [--n 200] [--seed 0]

Each kind of defect is planted into up to 200 samples of a set (``benchmarks.planted_defects``), and the whole
set is assessed. AUROC: how surely a planted sample has a worse score than a sound one. Recall: share of the
planted samples found where 5 % of the sound ones are flagged. Sound are all samples of the set that nothing
was done to, whatever their task; one without a value accuses nobody. "Valued" is the share of planted
samples that have a value at all. "Others" names any other indicator with an AUROC of at least 0.7.

Sets: the 44 free photos with samples of every task; a LLaVA file of 80 COCO photos, read without provenance and
tied to COCO's annotations; a LLaVA file of GPT-4's answers and people's captions where the annotations were
searched by nobody, so that nothing can be proved absent, and no photos are there; 1,000 captions of which only
the four others of their photo are known.

What to know of the figures: refusals and empty talk are drawn from 8 and 5 sentences, so that indicators of
repetition see the repeating, not the talk. An image that is swapped at random may be as good as the old one for
"No, there is no dog": such samples are in "any other", and not in "any other, nothing denied". In the first
three sets a text that describes a photo is one of its annotations, or made from them; in the last it is not.
The parameters of image readability were set on the free photos, of which 26 are among the 80 COCO photos too.
Wrong colours stay unseen where no colours are annotated and no two captions agree on one.

The goal is an AUROC of 0.95 where COCO's annotations are known; a defect without any indicator says "none".
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.planted_defects import bases
from benchmarks.planted_defects.defect import Base, Defect, Planted, plant
from benchmarks.planted_defects.kinds import DEFECTS
from benchmarks.planted_defects.measure import auroc, recall, suspicions
from vlit.assess.indicator import AnyIndicator
from vlit.assess.pictures.look import look_all
from vlit.assess.registry import INDICATORS, make
from vlit.assess.seen import Part, Pictures, Seen
from vlit.assess.stage import fit, score_part
from vlit.data.picture import Picture
from vlit.data.sample import Sample
from vlit.data.score import Score

GOAL, WORTH_NAMING = 0.95, 0.7
#: Those of which some defect might be seen; the others judge the set, or need a model.
WATCHED = (
    "text_readability", "image_readability", "annotated_matching", "grounded_correctness",
    "hallucinated_objects", "exact_duplicate", "near_duplicate", "repeated_answer", "collapsed_opening",
    "leak_phrase", "refusal", "truncated_answer",
)  # fmt: skip


class Watch:
    """Indicators, and the photos that they have seen."""

    def __init__(self, seed: int) -> None:
        known = set(INDICATORS.names())
        self.indicators = make({name: None for name in WATCHED if name in known}, seed)
        self._seen: dict[str, Picture] = {}

    def scores(self, samples: Sequence[Sample], base: Base) -> dict[str, dict[str, Score]]:
        """Indicator -> sample -> score, of a whole set."""
        if base.has_photos:
            new = {i.uri: i for s in samples for i in s.images if i.uri not in self._seen}
            self._seen.update((p.uri, p) for p in look_all(list(new.values())))
        part = Part(samples, base.scenes, pictures=Pictures(self._seen.values()))
        seen = Seen(len(samples), pictures=lambda: part.pictures, scenes=base.scenes.values())
        states = fit(self.indicators, samples, seen)
        found: dict[str, dict[str, Score]] = {i.name: {} for i in self.indicators}
        for score in score_part(self.indicators, part, states):
            found[score.indicator][score.sample] = score
        return found


def rows(base: Base, defects: Sequence[Defect], n: int, seed: int, watch: Watch) -> Iterator[dict[str, Any]]:
    """A row for each defect that the set can have, and each indicator that should see it."""
    for defect in defects:
        if defect.photos and not base.has_photos:
            continue
        with tempfile.TemporaryDirectory() as folder:
            planted = plant(base, defect, n, seed, Path(folder))
            if not planted.hosts:
                continue
            scores = watch.scores(planted.samples, base)
        told = {i.name: _told(i, planted, scores[i.name]) for i in watch.indicators}
        others = [
            f"{name} {found[0]:.2f}"
            for name, found in told.items()
            if name not in defect.finders and found[0] >= WORTH_NAMING
        ]
        for finder in [name for name in defect.finders if name in told] or ["none"]:
            yield {
                "set": base.name,
                "defect": defect.name,
                "n": len(planted.hosts),
                "indicator": finder,
                **_numbers(told.get(finder)),
                "goal": _goal(defect, finder, base, told),
                "others": ", ".join(others) or "-",
            }


def _told(indicator: AnyIndicator, planted: Planted, scores: Mapping[str, Score]) -> tuple[float, float, float]:
    """AUROC, recall, share of planted samples with a value."""
    ids = [*sorted(planted.hosts), *planted.clean()]
    lower = indicator.direction == "lower is better"
    found = suspicions([scores[i].value for i in ids], lower_is_better=lower)
    bad, good = found[: len(planted.hosts)], found[len(planted.hosts) :]
    valued = sum(scores[i].value is not None for i in planted.hosts) / len(planted.hosts)
    return auroc(bad, good), recall(bad, good), valued


def _numbers(found: tuple[float, float, float] | None) -> dict[str, str]:
    names = ("AUROC", "recall at 5 %", "valued")
    shown = ["-"] * 3 if found is None else [f"{found[0]:.3f}", f"{found[1]:.0%}", f"{found[2]:.0%}"]
    return dict(zip(names, shown, strict=True))


def _goal(defect: Defect, finder: str, base: Base, told: Mapping[str, tuple[float, float, float]]) -> str:
    """Whether the best of the finders reaches the goal, told at the first of them."""
    known = [name for name in defect.finders if name in told]
    if not defect.goal or not known or finder != known[0]:
        return "-"
    best = max(told[name][0] for name in known)
    return "met" if best >= GOAL and not math.isnan(best) else "missed"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    watch = Watch(options.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = [
            bases.free_photos(),
            bases.llava_annotated(folder),
            bases.llava_open(folder),
            bases.held_out(folder),
        ]
        for base in made:
            if base is None:
                print(f"a set was skipped: set VLIT_DATA, {bases.DATA} is not there", file=sys.stderr)
                continue
            print(f"{base.name}: {len(base.samples)} samples", file=sys.stderr)
            for row in rows(base, DEFECTS, options.n, options.seed, watch):
                print(json.dumps(row), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
