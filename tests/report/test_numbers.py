"""Totals, distributions, choice of samples and quarantine groups, against counts made the plain way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.report.conftest import TASKS, write
from vlit.data.score import Quarantined, Score
from vlit.report.choose import Choice, choose, fair_shares, in_turn
from vlit.report.distributions import BINS, STEPS, distributions, set_rows
from vlit.report.quarantine import pattern, quarantine
from vlit.report.recipe import origin
from vlit.report.shown import gather
from vlit.report.totals import totals
from vlit.run.folder import RunFolder
from vlit.select.gates import Gate


def test_totals_are_those_of_the_rows(run: RunFolder) -> None:
    found = totals(run)
    samples, selected = list(run.samples), list(run.selected)
    assert (found.scenes, found.samples, found.kept) == (11, len(samples), len(selected))
    assert found.annotations == {"captions": 22, "objects": 22, "questions": 11}
    assert {t.task: (t.generated, t.kept) for t in found.tasks} == {
        task: (sum(s.task == task for s in samples), sum(s.task == task for s in selected)) for task in TASKS
    }
    assert dict(found.rules) == Counter(v.rule for v in run.verdicts if not v.keep)
    answers = [t.text for s in samples for t in s.turns if t.role == "assistant"]
    assert (found.rounds, found.words) == (len(answers), sum(len(a.split()) for a in answers))
    assert found.marked == sum(bool(s.marks) for s in samples)
    assert found.text_only == 0


def test_totals_of_an_empty_run(new_run: Callable[[], RunFolder]) -> None:
    found = totals(new_run())
    assert (found.samples, found.kept, found.tasks) == (0, None, ())


def write_scores(run: RunFolder, values: list[float | None], parts: int = 3) -> None:
    rows = [Score(sample=str(n), indicator="x", value=v) for n, v in enumerate(values)]
    for part in range(parts):
        write(run, "scores", f"{part:05d}", rows[part::parts])


def test_distribution_counts_every_value_once(new_run: Callable[[], RunFolder]) -> None:
    values = np.random.default_rng(0).gamma(2.0, size=5_000)
    run = new_run()
    write_scores(run, [*values.tolist(), None, None, float("nan")])
    (found,) = distributions(run, {"x": Gate(min_quantile=0.1, max=3.0)})
    assert (found.scored, found.missing, sum(found.counts)) == (5_000, 3, 5_000)
    assert len(found.counts) == BINS
    assert (found.low, found.high) == (values.min(), values.max())
    span = values.max() - values.min()
    assert found.median == pytest.approx(np.median(values), abs=span / 1_000)
    assert found.bounds.low == pytest.approx(np.quantile(values, 0.1), abs=span / 1_000)
    assert found.bounds.high == 3.0
    assert found.steps == ()


def test_a_gate_by_quantile_is_where_selection_puts_it(new_run: Callable[[], RunFolder]) -> None:
    values = np.array([0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.5, 0.6, 0.7, 0.9, 1.0])
    run = new_run()
    write_scores(run, values.tolist())
    (found,) = distributions(run, {"x": Gate(min_quantile=0.13, max_quantile=0.97)})
    resolved = Gate(min_quantile=0.13, max_quantile=0.97).resolved(values)
    assert (found.bounds.low, found.bounds.high) == (
        pytest.approx(resolved.min, abs=1e-4),
        pytest.approx(resolved.max, abs=1e-4),
    )


def test_few_values_are_counted_one_by_one(new_run: Callable[[], RunFolder]) -> None:
    run = new_run()
    write_scores(run, [0.0] * 7 + [1.0] * 2 + [None])
    (found,) = distributions(run, {})
    assert found.steps == ((0.0, 7), (1.0, 2))
    assert found.missing == 1


def test_a_far_value_does_not_squeeze_the_rest(new_run: Callable[[], RunFolder]) -> None:
    run = new_run()
    write_scores(run, [n / 1_000 for n in range(1_000)] + [100.0])
    (found,) = distributions(run, {})
    assert found.high == 100.0
    assert found.end < 1.1
    assert sum(found.counts) == 1_001


@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=40))
def test_any_values_are_counted(tmp_path_factory: pytest.TempPathFactory, values: list[float]) -> None:
    run = RunFolder(tmp_path_factory.mktemp("run"))
    write_scores(run, list(values), parts=1)
    (found,) = distributions(run, {})
    assert sum(found.counts) == found.scored == len(values)
    slack = 1e-9 * (found.high - found.low)
    assert found.low - slack <= found.median <= found.high + slack
    if found.steps:
        assert sum(n for _, n in found.steps) == len(values)
    else:
        assert len(set(values)) > STEPS


def test_set_scores_carry_their_parameters(run: RunFolder) -> None:
    (row,) = set_rows(run)
    assert (row.indicator, row.n, row.detail["tasks"]) == ("task_balance", 88, 4)


def test_gates_come_from_the_recipe(run: RunFolder) -> None:
    gates = origin(run).gates
    assert (gates["text_readability"].min, gates["exact_duplicate"].max) == (0.3, 0)


def test_choice_is_stratified_and_depends_on_ids_alone(run: RunFolder) -> None:
    found = choose(run, samples=20, photos=4)
    assert (len(found.ids), len(found.photos), found.samples) == (20, 4, len(run.samples))
    assert found == choose(run, samples=20, photos=4)
    assert {task for task, _ in found.strata.values()} == set(TASKS)
    kept = {v.sample: v for v in run.verdicts}
    for name, (_, rule) in found.strata.items():
        assert rule == ("" if kept[name].keep else kept[name].rule)
    assert {r for _, r in found.strata.values()} == {"", *(v.rule for v in kept.values() if not v.keep)}


def test_choice_prefers_samples_whose_photo_is_embedded(run: RunFolder) -> None:
    found = choose(run, samples=8, photos=6)
    shown = gather(run, found.ids).samples
    assert all(s.sample.images[0].uri in found.photos for s in shown if s.verdict and s.verdict.keep)


def test_everything_is_chosen_where_there_is_room(run: RunFolder) -> None:
    assert choose(run, samples=10_000, photos=100).ids == {s.id for s in run.samples}
    assert choose(run, samples=0, photos=0) == Choice(samples=len(run.samples))


@given(
    st.dictionaries(st.tuples(st.text(max_size=2), st.none() | st.text(max_size=2)), st.integers(1, 50)),
    st.integers(0, 100),
)
def test_fair_shares(sizes: dict[tuple[str, str | None], int], limit: int) -> None:
    shares = fair_shares(sizes, limit)
    assert sum(shares.values()) == min(limit, sum(sizes.values()))
    assert all(shares[s] <= sizes[s] for s in sizes)
    open_ = [shares[s] for s in sizes if shares[s] < sizes[s]]  # those that were cut differ by at most one
    assert not open_ or max(open_) - min(open_) <= 1


def test_examples_are_taken_in_turn_with_new_photos_first() -> None:
    groups = {"a": [("a1", "x"), ("a2", "y"), ("a3", "z")], "b": [("b1", "x"), ("b2", "z")]}
    assert in_turn(groups, 4) == ["a1", "b2", "a2", "b1"]
    assert in_turn(groups, 9) == ["a1", "b2", "a2", "b1", "a3"]


def test_shown_samples_know_their_annotations(run: RunFolder) -> None:
    name = next(s.id for s in run.samples if s.task == "presence")
    (shown,) = gather(run, {name}).samples
    kinds = [a.kind for a in shown.annotations]
    assert kinds == ["caption", "object", "object", "question"]
    assert shown.annotations[2].text == "ball (blue)"
    assert shown.annotations[3].text == "What colour is the ball?\nanswered: blue × 9, navy × 1"
    assert shown.lost == ()
    assert len(shown.scores) == 5
    assert shown.verdict is not None


def test_annotations_that_no_scene_has_are_told(run: RunFolder, tmp_path: Path) -> None:
    for part in run.scenes.parts():
        part.unlink()
    name = next(s.id for s in run.samples)
    (shown,) = gather(run, {name}).samples
    assert shown.annotations == ()
    assert len(shown.lost) == 4


def test_quarantine_is_grouped_by_reason(run: RunFolder) -> None:
    found = quarantine(run)
    assert [(g.count, g.reason, g.action) for g in found.groups] == [
        (5, "the box … has no area", "dropped"),
        (1, "spaces were collapsed", "repaired"),
    ]
    assert (found.dropped, found.repaired, len(found.rows)) == (5, 1, 6)


def test_quarantine_rows_are_limited_but_counts_are_not(new_run: Callable[[], RunFolder]) -> None:
    run = new_run()
    rows = [
        Quarantined(
            stage="collect", file="f", record=str(n), field="x", value="", reason=f"reason {'ab'[n % 2]}"
        )
        for n in range(300)
    ]
    write(run, "quarantine", "collect", rows)
    found = quarantine(run, per_group=10)
    assert [g.count for g in found.groups] == [150, 150]
    assert len(found.rows) == 20


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("the file is missing (looked for /a/b c.jpg)", "the file is missing …"),
        ("unknown role 'bing'", "unknown role …"),
        ("640x480 is more than 100,000 pixels", "…x… is more than … pixels"),
        ("no such image in /photos/train", "no such image in …"),
    ],
)
def test_reasons_are_grouped_by_their_constant_part(reason: str, expected: str) -> None:
    assert pattern(reason) == expected
