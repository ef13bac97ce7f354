from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import orjson
import pytest

from tests.assess.pictures.drawn import tiles
from tests.assess.small import sample
from vlit.assess.diversity.visual import VisualDiversity, VisualDiversityConfig
from vlit.assess.pictures.look import look_all
from vlit.assess.seen import Part, Pictures, Seen
from vlit.assess.stage import fit
from vlit.data.picture import Picture, packed
from vlit.data.scene import Image
from vlit.data.score import Score, SetScore

pytest.importorskip("numba")
Rows = Sequence[tuple[str, Sequence[float] | None]]


def pictures_of(rows: Rows, what: str = "vector") -> Pictures:
    """Photos with the given vectors, made to length 1; ``None`` for one that could not be opened."""
    found = []
    for uri, vector in rows:
        if vector is None:
            found.append(Picture(uri=uri, problem="the file is missing"))
        else:
            unit = np.array(vector) / np.linalg.norm(vector)
            found.append(Picture(uri=uri, hash="0" * 64, **{what: packed(unit)}))
    return Pictures(found)


def run(rows: Rows, what: str = "vector", **config: object) -> tuple[list[Score], SetScore]:
    """One sample a photo."""
    pictures = pictures_of(rows, what)
    samples = [
        sample("a", "b", id=str(i), images=(Image(uri=uri, width=1, height=1),))
        for i, (uri, _) in enumerate(rows)
    ]
    indicator = VisualDiversity(VisualDiversityConfig.model_validate(config), seed=3)
    seen = Seen(len(samples), pictures=lambda: pictures)
    state = pickle.loads(pickle.dumps(fit([indicator], samples, seen)[indicator.name]))
    scores = list(indicator.score(Part(samples, pictures=pictures), state))
    return scores, indicator.summarise(scores, state)


def fan(centre: Sequence[float], count: int, name: str) -> list[tuple[str, Sequence[float]]]:
    """Photos in a narrow fan around a direction."""
    return [(f"{name}{i}", [c + 0.01 * i * (k == 3) for k, c in enumerate(centre)]) for i in range(count)]


TWO = [*fan([1, 0, 0, 0], 6, "a"), *fan([0, 1, 0, 0], 5, "b"), ("alone", [0, 0, 1, 0])]


def test_two_clusters_and_one_photo_alone() -> None:
    scores, found = run(TWO)
    detail = orjson.loads(found.detail)
    assert (found.value, found.n) == (2, 12)
    assert [s.group for s in scores] == ["cluster 0"] * 6 + ["cluster 1"] * 5 + [None]
    assert all(s.value is None for s in scores)
    assert (detail["eps"], detail["min_points"], detail["drawn"], detail["photos"]) == (0.2, 5, 12, 12)
    assert detail["vectors"] == "a vision model" and detail["form"] == "embedded"
    assert detail["noise"] == pytest.approx(1 / 12) and detail["largest"] == 6
    assert detail["method"] == "exact" and detail["metric"] == "cosine distance"
    assert set(detail["curve"]) == {"0.15", "0.2", "0.25", "0.3", "0.35", "0.4", "0.45"}


def test_the_radius_and_the_least_number_decide() -> None:
    assert run(TWO, min_points=6)[1].value == 1
    none = run(TWO, min_points=7)[1]
    assert none.value is None and "no 7 of 12 photos are alike" in none.detail
    assert run(TWO, eps=1.1)[1].value == 1  # wider than a right angle: all are one
    assert run([*TWO, ("near", [0.75, 0, 0.66, 0])], eps=0.3)[0][12].group == "cluster 0"
    assert run([*TWO, ("near", [0.75, 0, 0.66, 0])], eps=0.2)[0][12].group is None


def test_descriptors_stand_in_where_there_is_no_model() -> None:
    _, found = run(TWO, "descriptor")
    detail = orjson.loads(found.detail)
    assert (found.value, detail["eps"]) == (2, 0.35)
    assert detail["vectors"] == "descriptors of colours and gradients"


def test_a_draw_bounds_the_number_of_photos_and_the_others_find_their_cluster() -> None:
    rows = [*fan([1, 0, 0, 0], 40, "a"), *fan([0, 1, 0, 0], 40, "b")]
    scores, found = run(rows, at=30)
    detail = orjson.loads(found.detail)
    assert (found.n, detail["drawn"], detail["photos"]) == (30, 30, 80)
    groups = [s.group for s in scores]
    assert len(set(groups[:40])) == len(set(groups[40:])) == 1 and groups[0] != groups[40]
    again = run(list(reversed(rows)), at=30)[1]
    assert again == found  # the draw does not depend on the order


def test_bad_photos_have_a_reason_and_do_not_count() -> None:
    scores, found = run([*TWO, ("gone", None)])
    assert (scores[12].value, scores[12].group) == (None, None)
    assert scores[12].reason == "gone: the file is missing"
    assert (found.value, found.n) == (2, 12)


@pytest.mark.parametrize("rows", [[], [("gone", None)]])
def test_nothing_to_see(rows: Rows) -> None:
    _, found = run(rows)
    assert (found.value, found.n) == (None, 0)


def test_one_photo_and_copies_of_one() -> None:
    assert run([("one", [1, 0])])[1].value is None
    scores, found = run([(f"copy{i}", [1, 0]) for i in range(9)])
    assert found.value == 1 and orjson.loads(found.detail)["vendi"] == pytest.approx(1)
    assert {s.group for s in scores} == {"cluster 0"}


def test_a_sample_without_an_image_and_one_with_several() -> None:
    pictures = pictures_of(TWO)
    images = [Image(uri=uri, width=1, height=1) for uri in ("b0", "a0")]
    samples = [sample("a", "b", id="none", images=()), sample("a", "b", id="two", images=tuple(images))]
    samples += [sample("a", "b", id=u, images=(Image(uri=u, width=1, height=1),)) for u in pictures]
    indicator = VisualDiversity(VisualDiversityConfig())
    state = fit([indicator], samples, Seen(len(samples), pictures=lambda: pictures))[indicator.name]
    none, two, *rest = indicator.score(Part(samples, pictures=pictures), state)
    assert none.reason == "the sample has no image"
    assert two.group == next(s.group for s in rest if s.sample == "b0")


def test_photos_of_one_kind_are_one_cluster(tmp_path: Path) -> None:
    """Real pictures: three scenes, each recompressed and moved a little."""
    images = []
    for scene in range(3):
        whole = tiles((200, 160), seed=scene, tile=40)
        for shift in range(6):
            path = tmp_path / f"{scene}-{shift}.jpg"
            whole.crop((shift, shift, 190 + shift, 150 + shift)).save(path, quality=90 - 10 * shift)
            images.append(Image(uri=str(path), width=190, height=150))
    pictures = Pictures(look_all(images))
    samples = [sample("a", "b", id=image.uri, images=(image,)) for image in images]
    indicator = VisualDiversity(VisualDiversityConfig(eps=0.1))
    state = fit([indicator], samples, Seen(len(samples), pictures=lambda: pictures))[indicator.name]
    scores = list(indicator.score(Part(samples, pictures=pictures), state))
    assert [s.group for s in scores] == [s.group for s in scores[::6] for _ in range(6)]
    assert indicator.summarise(scores, state).value == 3


def test_another_process_with_one_thread_gets_the_same() -> None:
    code = (
        "import sys, json; from tests.assess.diversity.test_visual import TWO, run\n"
        "scores, found = run(TWO); print(json.dumps([found.detail, [s.group for s in scores]]))"
    )
    scores, found = run(TWO)
    environment = {**os.environ, "PYTHONHASHSEED": "1", "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    said = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert json.loads(said.stdout) == [found.detail, [s.group for s in scores]]
