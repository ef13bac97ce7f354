"""Planted defects on the free photos: the machinery, and what surely is found."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import planted
from benchmarks.planted_defects import bases
from benchmarks.planted_defects.defect import Base, Defect, plant
from benchmarks.planted_defects.kinds import DEFECTS
from benchmarks.planted_defects.measure import auroc, recall, suspicions
from vlit.assess.registry import INDICATORS
from vlit.data.sample import Sample

BY_NAME = {d.name: d for d in DEFECTS}
N = 20


@pytest.fixture(scope="module")
def base() -> Base:
    return bases.free_photos()


@pytest.fixture(scope="module")
def watch() -> planted.Watch:
    return planted.Watch(0)


def text(sample: Sample) -> str:
    return sample.text_of("assistant")


@pytest.mark.parametrize("defect", [d for d in DEFECTS if not d.photos], ids=lambda d: d.name)
def test_a_defect_changes_its_hosts_and_no_other(base: Base, defect: Defect, tmp_path: Path) -> None:
    made = plant(base, defect, N, 0, tmp_path)
    assert made.samples == plant(base, defect, N, 0, tmp_path).samples
    changed = {old.id for old, new in zip(base.samples, made.samples, strict=True) if old != new}
    assert changed == made.hosts
    assert not made.hosts & made.aside
    if "nobody searched" not in defect.name:
        assert len(made.hosts) == N


#: Each with the indicator that finds it, without those that look at photos.
FOUND = [
    ("wrong object, searched for and absent", "grounded_correctness"),
    ("wrong object, searched for and absent", "hallucinated_objects"),
    ("wrong count", "grounded_correctness"),
    ("yes and no flipped", "grounded_correctness"),
    ("swapped image, without a thing that is named", "grounded_correctness"),
    ("swapped image, without a thing that is named", "annotated_matching"),
    ("swapped image, any other, nothing denied", "annotated_matching"),
    ("scrambled text", "text_readability"),
    ("duplicate answer", "repeated_answer"),
    ("leak phrase", "leak_phrase"),
]


@pytest.mark.parametrize(("name", "finder"), FOUND)
def test_the_named_defects_are_found(base: Base, watch: planted.Watch, name: str, finder: str) -> None:
    if finder not in INDICATORS.names():
        pytest.skip(f"{finder} is not registered")
    blind = replace(base, has_photos=False)  # nothing here is of the photos
    rows = list(planted.rows(blind, [BY_NAME[name]], N, 0, watch))
    (row,) = [r for r in rows if r["indicator"] == finder]
    assert float(row["AUROC"]) > 0.9
    assert row["n"] == N


def test_damaged_photos_are_found(base: Base, watch: planted.Watch) -> None:
    rows = list(planted.rows(base, [BY_NAME["blur"], BY_NAME["darkness"]], N, 0, watch))
    assert [r["defect"] for r in rows] == ["blur", "darkness"]
    assert all(float(r["AUROC"]) > 0.9 and r["goal"] == "met" for r in rows)


def test_what_no_indicator_is_meant_to_see_says_so(base: Base, watch: planted.Watch) -> None:
    blind = replace(base, has_photos=False)
    (row,) = planted.rows(blind, [BY_NAME["wrong object, of no known label"]], N, 0, watch)
    assert (row["indicator"], row["AUROC"], row["goal"]) == ("none", "-", "-")


def test_auroc_and_recall_by_hand() -> None:
    planted_, clean = [3.0, 1.0], [0.0, 1.0, 2.0, 3.0]
    # 3 is above three and ties with one: 3.5 of 4; 1 is above one and ties with one: 1.5 of 4
    assert auroc(planted_, clean) == pytest.approx((3.5 + 1.5) / 8)
    assert recall(planted_, clean, 0.25) == 0.5  # one of four may be flagged: the threshold is 2
    assert recall(planted_, clean, 0.05) == 0.0  # none may: nothing is above 3
    assert math.isnan(auroc([], clean)) and math.isnan(recall(planted_, []))


def test_no_value_is_no_suspicion() -> None:
    assert suspicions([0.2, None, 1.0], lower_is_better=False) == [-0.2, -1.0, -1.0]
    assert suspicions([0.2, None, 1.0], lower_is_better=True) == [0.2, 0.2, 1.0]
    assert suspicions([None], lower_is_better=True) == [0.0]
