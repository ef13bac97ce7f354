from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlit.tune.plan import Step, best_fit, count_steps, efficiency, epoch_steps, filled, shuffled, spread

LENGTHS = st.lists(st.integers(1, 40), max_size=60).map(np.array)
PLANS = {
    "seed": st.integers(0, 5),
    "epoch": st.integers(0, 3),
    "batch": st.integers(1, 20),
    "row": st.integers(40, 100),
    "processes": st.integers(1, 4),
    "pack": st.booleans(),
}


def plan(lengths: list[int], **settings: int | bool) -> list[Step]:
    whole = {"seed": 0, "epoch": 0, "batch": 8, "row": 40, "processes": 1, "pack": True} | settings
    return epoch_steps(np.array(lengths, dtype=np.int64), **whole)  # type: ignore[arg-type]


@given(LENGTHS, st.fixed_dictionaries(PLANS))
@settings(deadline=None, max_examples=200)
def test_every_sample_once_and_no_row_overfull(lengths: np.ndarray, options: dict[str, int]) -> None:
    steps = plan(lengths.tolist(), **options)
    batch, row, processes = options["batch"], options["row"], options["processes"]
    assert sorted(i for step in steps for i in step.samples) == list(range(len(lengths)))
    sizes = sorted((len(step.samples) for step in steps), reverse=True)
    assert all(size == batch for size in sizes[:-1])
    assert len(sizes) == -(-len(lengths) // batch)
    for step in steps:
        assert len(step.rows) == processes
        assert {len(own) for own in step.rows} == {step.micro_batches}
        for micro in (m for own in step.rows for m in own):
            tokens = [sum(int(lengths[i]) for i in r) for r in micro]
            assert all(r for r in micro)
            if options["pack"]:
                assert len(micro) <= 1 and all(t <= row for t in tokens)
            else:
                assert all(len(r) == 1 for r in micro)
                assert len(micro) * max(tokens, default=0) <= row


@given(st.lists(st.integers(1, 40), min_size=1, max_size=200), st.integers(1, 6))
def test_processes_differ_by_no_more_than_a_sample(lengths: list[int], processes: int) -> None:
    bins = spread(range(len(lengths)), lengths, processes)
    tokens = [sum(lengths[i] for i in own) for own in bins]
    assert max(tokens) - min(tokens) <= max(lengths)


@given(st.lists(st.integers(1, 40), max_size=100), st.integers(40, 120))
def test_no_two_rows_would_fit_into_one(lengths: list[int], row: int) -> None:
    rows = best_fit(range(len(lengths)), lengths, row)
    assert sorted(i for r in rows for i in r) == list(range(len(lengths)))
    tokens = sorted(sum(lengths[i] for i in r) for r in rows)
    assert all(t <= row for t in tokens)
    assert len(tokens) < 2 or tokens[0] + tokens[1] > row


def test_best_fit_by_hand() -> None:
    # 7 opens a row, 6 another; 4 fits the second exactly and not the first; 3 fills the first; 2 opens a third.
    assert best_fit(range(5), [3, 6, 4, 7, 2], 10) == [[3, 0], [1, 2], [4]]


def test_a_longer_sample_stands_alone() -> None:
    (step,) = plan([50, 10, 10], row=40)
    assert sorted(map(sorted, step.rows[0][0] + step.rows[0][1])) == [[0], [1, 2]]
    (step,) = plan([50, 10, 10], row=40, pack=False)
    assert step.rows[0] == ([[0]], [[1], [2]])


def test_rows_are_of_equal_length_where_they_fit() -> None:
    (step,) = plan([10] * 6, row=40)  # best fit: four and two
    assert [len(micro[0]) for micro in step.rows[0]] == [3, 3]


def test_no_process_is_idle_while_another_has_two_rows() -> None:
    (step,) = plan([20, 10, 10, 20, 10, 10, 10, 10], row=40, processes=2)  # three rows by best fit
    tokens = [[len(micro) for micro in own] for own in step.rows]
    assert tokens == [[1, 1], [1, 1]]


def test_too_few_samples_leave_empty_micro_batches() -> None:
    (step,) = plan([5], processes=3)
    assert sorted(len(own[0]) for own in step.rows) == [0, 0, 1]
    (step,) = plan([5], processes=3, pack=False)
    assert sorted(len(own[0]) for own in step.rows) == [0, 0, 1]


def test_the_heaviest_step_comes_first_in_the_first_epoch_alone() -> None:
    lengths = [1] * 99 + [40]
    assert 99 in plan(lengths, batch=10)[0].samples
    firsts = [99 in plan(lengths, batch=10, epoch=epoch)[0].samples for epoch in range(1, 9)]
    assert not all(firsts)


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    orders = {tuple(shuffled(50, seed, epoch)) for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9
    assert sorted(shuffled(50, 0, 0)) == list(range(50))


def test_the_order_never_changes() -> None:
    assert shuffled(8, 1, 2).tolist() == [7, 2, 1, 5, 3, 4, 6, 0]


def test_another_process_makes_the_same_plan() -> None:
    code = (
        "import numpy as np; from vlit.tune.plan import epoch_steps;"
        "print(epoch_steps(np.arange(1, 40), seed=3, epoch=1, batch=7, row=50, processes=2, pack=True))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    options = {"seed": 3, "epoch": 1, "batch": 7, "row": 50, "processes": 2}
    assert done.stdout.strip() == str(plan(list(range(1, 40)), **options))


def test_steps_of_a_stage() -> None:
    assert count_steps(100, batch=32, epochs=1) == 4
    assert count_steps(100, batch=32, epochs=3) == 12
    assert count_steps(100, batch=32, epochs=0.5) == 2
    assert count_steps(100, batch=32, epochs=0.01) == 1
    assert count_steps(100, batch=10, epochs=0.7) == 7  # 0.7 x 10 is a little more than 7 in binary
    assert count_steps(100, batch=32, epochs=1, steps=9) == 9
    assert count_steps(0, batch=32, epochs=1, steps=9) == 0


def test_what_is_padding() -> None:
    lengths = np.array([10, 5, 5])
    assert (
        efficiency(epoch_steps(lengths, seed=0, epoch=0, batch=3, row=40, processes=1, pack=True), lengths) == 1
    )
    padded = epoch_steps(lengths, seed=0, epoch=0, batch=3, row=40, processes=1, pack=False)
    assert efficiency(padded, lengths) == pytest.approx(20 / 30)
    assert filled(padded, lengths, 40) == pytest.approx(20 / 40)
    assert efficiency([], lengths) == filled([], lengths, 40) == 1


def test_no_samples_no_steps() -> None:
    assert plan([]) == []


@pytest.mark.parametrize("option", ["batch", "row", "processes"])
def test_sizes_are_at_least_one(option: str) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        plan([1], **{option: 0})
