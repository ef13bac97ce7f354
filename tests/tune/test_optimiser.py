"""The learning rate over the steps, and AdamW by hand."""

from __future__ import annotations

import pytest

from vlit.tune.config import StageConfig
from vlit.tune.optimiser import adamw, scheduled, set_rates, warmup_steps
from vlit.tune.trainable import Group

torch = pytest.importorskip("torch")


def test_warmup_rises_in_a_line_and_is_a_share_or_a_number_of_steps() -> None:
    share, number = StageConfig(warmup=0.25), StageConfig(warmup=3)
    assert warmup_steps(share, 10) == 3  # a quarter of 10, rounded up
    assert warmup_steps(number, 10) == 3
    assert [scheduled(number, step, 10) for step in range(4)] == [0.25, 0.5, 0.75, 1.0]
    assert warmup_steps(StageConfig(warmup=50), 10) == 9  # never all of them
    assert warmup_steps(StageConfig(warmup=0), 10) == 0
    assert warmup_steps(StageConfig(warmup=0.07), 100) == 7  # 0.07 * 100 is a little above 7


def test_schedules_by_hand() -> None:
    # Without a rise: 4 steps are at 0, 1/4, 1/2, 3/4 of the way.
    cosine = StageConfig(schedule="cosine", warmup=0)
    assert [scheduled(cosine, s, 4) for s in range(4)] == pytest.approx([1, 0.853553, 0.5, 0.146447], abs=1e-6)
    linear = StageConfig(schedule="linear", warmup=0, lr_min=0.2)
    assert [scheduled(linear, s, 4) for s in range(4)] == pytest.approx([1, 0.8, 0.6, 0.4])
    constant = StageConfig(schedule="constant", warmup=0)
    assert [scheduled(constant, s, 4) for s in range(4)] == [1, 1, 1, 1]


@pytest.mark.parametrize("steps", [1, 2, 7, 100])
@pytest.mark.parametrize("warmup", [0, 0.03, 0.9, 5, 200])
@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
def test_a_rate_is_never_zero_nor_above_its_own(schedule: str, warmup: float, steps: int) -> None:
    stage = StageConfig.model_validate({"schedule": schedule, "warmup": warmup})
    assert all(0 < scheduled(stage, step, steps) <= 1 for step in range(steps))


def test_every_part_has_its_rate() -> None:
    a, b = torch.nn.Parameter(torch.ones(2, 2)), torch.nn.Parameter(torch.ones(2))
    groups = [Group("connector", 1e-3, 0.1, ("a",), (a,)), Group("llm", 1e-5, 0.0, ("b",), (b,))]
    stage = StageConfig(schedule="linear", warmup=0)
    optimiser = adamw(groups, stage)
    assert set_rates(optimiser, groups, stage, 5, 10) == pytest.approx({"connector": 5e-4, "llm": 5e-6})
    assert [g["lr"] for g in optimiser.param_groups] == pytest.approx([5e-4, 5e-6])


def test_the_first_step_of_adamw_by_hand() -> None:
    # Loshchilov and Hutter: the first step moves by the rate against the gradient's sign, after the decay.
    weight = torch.nn.Parameter(torch.tensor([[2.0]]))
    groups = [Group("llm", 0.1, 0.5, ("w",), (weight,))]
    stage = StageConfig(warmup=0)
    optimiser = adamw(groups, stage)
    set_rates(optimiser, groups, stage, 0, 10)
    weight.grad = torch.tensor([[3.0]])
    optimiser.step()
    assert weight.item() == pytest.approx(2.0 * (1 - 0.1 * 0.5) - 0.1, abs=1e-6)
