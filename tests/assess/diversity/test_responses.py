import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.assess.judging import summarised
from tests.assess.small import sample
from vlit.assess.diversity.responses import (
    FROZEN,
    ResponseDiversity,
    ResponseDiversityConfig,
    lowest,
    radius,
    spread_out,
)
from vlit.assess.seen import Sentences

pytest.importorskip("numba")


def sentences(rows, encoder="static v1 (test)"):
    vectors = np.array(rows, np.float16)
    return Sentences(np.zeros_like(vectors), vectors, encoder)


def diversity(rows, encoder="static v1 (test)", seed=0, **config):
    indicator = ResponseDiversity(ResponseDiversityConfig(**config), seed)
    samples = [sample("?", f"text {i}", id=str(i)) for i in range(len(rows))]
    return summarised(indicator, samples, sentences=sentences(rows, encoder))


def around(axis, angles, d=4):
    """Unit vectors at these angles (degrees) from an axis, towards the next one."""
    rows = np.zeros((len(angles), d))
    rows[:, axis] = np.cos(np.radians(angles))
    rows[:, (axis + 1) % d] = np.sin(np.radians(angles))
    return rows.tolist()


def test_clusters_by_hand():
    # Five at 0 to 8 degrees, five equal ones, and two apart; 20 degrees are a cosine distance of 0.06.
    rows = around(0, [0, 2, 4, 6, 8]) + around(2, [0] * 5) + around(1, [0]) + [[-1, 0, 0, 0]]
    scores, whole = diversity(rows, eps=0.06)
    detail = json.loads(whole.detail)
    assert whole.value == pytest.approx(math.log(2)) and whole.n == 12
    assert [s.group for s in scores] == ["cluster 0"] * 5 + ["cluster 1"] * 5 + [None, None]
    assert all(s.value is None for s in scores)
    assert (detail["clusters"], detail["largest"], detail["drawn"]) == (2, 5, 12)
    assert (detail["eps"], detail["eps_from"], detail["min_points"]) == (0.06, "the recipe", 5)
    assert detail["noise"] == pytest.approx(2 / 12)
    assert detail["encoder"] == "static v1 (test)" and detail["form"] == "embedded"


def test_one_cluster_has_the_logarithm_0_and_none_has_no_value():
    _, whole = diversity(around(0, [0] * 6))
    detail = json.loads(whole.detail)
    assert whole.value == 0 and detail["vendi"] == pytest.approx(1, abs=1e-3)
    _, whole = diversity(np.eye(6).tolist())
    detail = json.loads(whole.detail)
    assert whole.value is None and detail["clusters"] == 0 and detail["noise"] == 1
    assert detail["vendi"] == pytest.approx(6, rel=1e-3)


def test_the_radius_is_frozen_by_encoder():
    rows = np.array(around(0, [0, 1, 2, 3, 50]), np.float32)
    config = ResponseDiversityConfig()
    assert radius(rows, "static v1 (x)", config) == (FROZEN["static"], "20,000 captions of COCO")
    assert radius(rows, "minilm (384 d)", config)[0] == FROZEN["minilm"]
    # Of another encoder: distances to the second neighbour are those of 1 degree, four times, and of 47, once.
    found, origin = radius(rows, "simcse (768 d)", ResponseDiversityConfig(min_points=2))
    assert found == pytest.approx(1e-3) and "2 responses of the set itself" in origin
    assert radius(rows[:1], "simcse", config)[0] == 0.2


def test_the_curve_counts_clusters_at_other_radii():
    rows = around(0, [0] * 5) + around(0, [30] * 5)  # 30 degrees: a cosine distance of 0.134
    _, whole = diversity(rows, eps=0.1, curve=(0.5, 2))
    assert json.loads(whole.detail)["curve"] == {"0.05": 2, "0.2": 1}


def test_only_the_draw_makes_the_figures_and_all_get_a_cluster():
    rows = around(0, list(np.linspace(0, 5, 40))) + around(2, list(np.linspace(0, 5, 40)))
    scores, whole = diversity(rows, at=30)
    assert whole.n == 30 and whole.value == pytest.approx(math.log(2))
    assert {s.group for s in scores[:40]} != {s.group for s in scores[40:]}
    assert all(len({s.group for s in half}) == 1 for half in (scores[:40], scores[40:]))
    assert diversity(rows, at=30)[0] == scores
    assert diversity(rows, at=0)[1].n == 80


def test_empty_and_spoiled_vectors():
    rows = [*around(0, [0] * 5), [0, 0, 0, 0], [math.nan, 0, 0, 0]]
    scores, whole = diversity(rows)
    assert [s.reason for s in scores[5:]] == ["the response has no vector"] * 2
    assert (whole.value, whole.n) == (0, 5)
    scores, whole = diversity([[0, 0, 0, 0]])
    assert scores[0].group is None and (whole.value, whole.n) == (None, 0)
    assert json.loads(whole.detail)["why"] == "no response has a vector"


def test_one_sample():
    scores, whole = diversity([[1, 0, 0, 0]])
    assert scores[0].group is None and (whole.value, whole.n) == (None, 1)


def test_kept_core_points_are_of_all_clusters():
    labels = np.repeat(np.arange(3, dtype=np.int32), [9000, 3, 900])
    kept = spread_out(labels, np.ones(len(labels), bool))
    counts = np.bincount(labels[kept])
    assert counts[1] == 3 and counts[0] == 9000 * 1024 // 9903 and len(kept) <= 1024 + 15
    assert len(set(kept.tolist())) == len(kept)
    assert spread_out(labels[:5], np.zeros(5, bool)).tolist() == []


@given(st.lists(st.integers(0, 2**64 - 1), max_size=30), st.integers(0, 12))
def test_the_lowest_draws(draws, at):
    from array import array

    found = lowest(array("Q", draws), at).tolist()
    assert found == sorted(found) and len(found) == (min(at, len(draws)) if at else len(draws))
    assert sorted(draws[i] for i in found) == sorted(draws)[: len(found)]
