from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlit.data.errors import VlitError
from vlit.data.sample import Sample, Turn
from vlit.data.schema import to_table
from vlit.data.score import Score
from vlit.data.store import part_path, write_part
from vlit.run.folder import RunFolder
from vlit.run.stage import Setting
from vlit.select.gates import Gate
from vlit.select.rules import SelectConfig
from vlit.select.stage import SelectStage, select


def samples(n: int, task: str = "counting") -> list[Sample]:
    return [Sample(id=f"{task}{i}", task=task, turns=(Turn(role="user", text="How many?"),)) for i in range(n)]


def scores(given_samples: list[Sample], values: list[float | None], indicator: str = "x") -> list[Score]:
    return [
        Score(sample=s.id, indicator=indicator, value=v, reason=None if v is not None else "not applicable")
        for s, v in zip(given_samples, values, strict=True)
    ]


def kept(given_samples: list[Sample], given_scores: list[Score], seed: int = 0, **config: object) -> list[bool]:
    verdicts = select(given_samples, given_scores, SelectConfig.model_validate(config), seed)
    assert [v.sample for v in verdicts] == [s.id for s in given_samples]
    assert all(v.reason for v in verdicts)
    return [v.keep for v in verdicts]


def test_a_score_on_the_bound_passes() -> None:
    rows = samples(3)
    assert kept(rows, scores(rows, [0.1, 0.5, 0.9]), gates={"x": {"min": 0.5}}) == [False, True, True]
    assert kept(rows, scores(rows, [0.1, 0.5, 0.9]), gates={"x": {"max": 0.5}}) == [True, True, False]


def test_a_quantile_is_taken_over_the_samples_that_have_a_value() -> None:
    rows = samples(12)
    values = [None, None, *map(float, range(10))]
    assert kept(rows, scores(rows, values), gates={"x": {"min_quantile": 0.5}}).count(True) == 7


def test_the_reason_names_value_bound_and_what_the_indicator_said() -> None:
    rows = samples(1)
    said = [Score(sample=rows[0].id, indicator="x", value=0.25, reason="says 3 dogs, there are 2")]
    (verdict,) = select(rows, said, SelectConfig(gates={"x": Gate(min=1)}))
    assert verdict.rule == "x"
    assert verdict.reason == "x 0.25 is below 1: says 3 dogs, there are 2"


def test_all_objections_are_told_and_the_first_one_decides() -> None:
    rows = samples(1)
    both = scores(rows, [0.0], "a") + scores(rows, [0.0], "b")
    (verdict,) = select(rows, both, SelectConfig(gates={"b": Gate(min=1), "a": Gate(min=1)}))
    assert verdict.rule == "b"
    assert verdict.reason == "b 0 is below 1; a 0 is below 1"


def test_a_missing_value_is_kept_or_dropped_as_the_gate_says() -> None:
    rows = samples(2)
    values = scores(rows, [None, 1.0])
    assert kept(rows, values, gates={"x": {"min": 0.5}}) == [True, True]
    assert kept(rows, values, gates={"x": {"min": 0.5, "missing": "drop"}}) == [False, True]


def test_caps_hold_per_task_and_prefer_nobody() -> None:
    rows = samples(30, "counting") + samples(5, "presence")
    got = kept(rows, [], caps={"counting": 10})
    assert got[:30].count(True) == 10 and all(got[30:])
    assert got != kept(rows, [], seed=1, caps={"counting": 10})
    assert kept(rows, [], cap_per_task=3).count(True) == 6
    assert kept(rows, [], cap_per_task=0).count(True) == 0


def test_a_larger_cap_keeps_what_a_smaller_one_kept() -> None:
    rows = samples(50)
    small, large = kept(rows, [], cap_per_task=10), kept(rows, [], cap_per_task=20)
    assert all(b for a, b in zip(small, large, strict=True) if a)


def test_dropped_samples_take_no_place_under_a_cap() -> None:
    rows = samples(20)
    values = scores(rows, [float(i % 2) for i in range(20)])
    assert kept(rows, values, gates={"x": {"min": 1}}, cap_per_task=10).count(True) == 10


@given(st.permutations(range(20)))
def test_order_does_not_matter(order: list[int]) -> None:
    rows = samples(20)
    values = scores(rows, [float(i) for i in range(20)])
    config = SelectConfig(gates={"x": Gate(min_quantile=0.3)}, cap_per_task=8)
    straight = {v.sample: v for v in select(rows, values, config, 3)}
    shuffled = select([rows[i] for i in order], [values[i] for i in order], config, 3)
    assert {v.sample: v for v in shuffled} == straight


@pytest.mark.parametrize(
    "bounds", [{}, {"min": 1, "min_quantile": 0.1}, {"min_quantile": 2}, {"min": 2, "max": 1}]
)
def test_senseless_gates_are_refused(bounds: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        Gate.model_validate(bounds)


def test_a_gate_on_what_nobody_scored_is_refused() -> None:
    rows = samples(2)
    with pytest.raises(VlitError, match=r"gate on 'y'[\s\S]*did you mean|Known: x"):
        select(rows, scores(rows, [1.0, 2.0]), SelectConfig(gates={"y": Gate(min=1)}))
    assert select([], [], SelectConfig(gates={"y": Gate(min=1)})) == []


def test_a_cap_below_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        SelectConfig(caps={"counting": -1})


def test_the_stage_says_the_same_as_the_function_in_memory_also_if_parts_are_empty(tmp_path: Path) -> None:
    rows = samples(8) + samples(4, "presence")
    said = scores(rows, [float(i) if i % 5 else None for i in range(12)])
    config = SelectConfig(gates={"x": Gate(min_quantile=0.2)}, caps={"counting": 3})
    run = RunFolder(tmp_path)
    for key, start, end in (("0", 0, 0), ("1", 0, 7), ("2", 7, 7), ("3", 7, 12)):
        for table, kind, part in (("samples", Sample, rows[start:end]), ("scores", Score, said[start:end])):
            write_part(part_path(run.folder(table), key, "0" * 12), to_table(part, kind))
    stage = SelectStage(config, Setting(seed=5, base=tmp_path))
    rules = stage.prepare(run)
    outputs = [stage.work(shard, rules).tables for shard in stage.shards(run)]
    verdicts = [v for tables in outputs for v in tables["verdicts"]]
    assert verdicts == select(rows, said, config, 5)
    assert [s.id for tables in outputs for s in tables["selected"]] == [v.sample for v in verdicts if v.keep]
