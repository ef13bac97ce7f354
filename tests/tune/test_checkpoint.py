"""Checkpoints: whole or not there, kept to the last few, refused where they are of something else."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.tune import tiny
from tests.tune.photos import examples
from vlit.data.errors import VlitError
from vlit.tune.checkpoint import Checkpoints, refused
from vlit.tune.config import StageConfig, TuneConfig
from vlit.tune.loop import Outcome, train
from vlit.tune.optimiser import adamw
from vlit.tune.source import Source
from vlit.tune.team import Team
from vlit.tune.trainable import Group, groups_of, make_trainable

torch = pytest.importorskip("torch")


def run(
    folder: Path, *, count: int = 16, seed: int = 1, lr: float = 1e-3, steps: int = 4, **settings: Any
) -> Outcome:
    model = tiny.llava(folder / "parts")
    own = StageConfig.model_validate(
        {"trainable": {"connector": "full", "llm": "full"}, "lr": lr, "batch": 8, "steps": steps}
    )
    config = TuneConfig(stages=(own,), **{"max_length": 256, "row": 256, "save_every": 1, **settings})
    source = Source.of(examples(model, count))
    return train(model, source, Source.of([]), own, config, folder / "stage", seed=seed)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "stage/checkpoints").iterdir())


def test_the_last_ones_are_kept(tmp_path: Path) -> None:
    run(tmp_path, keep=3)
    assert names(tmp_path) == ["step-00000002", "step-00000003", "step-00000004"]


def test_a_finished_stage_has_nothing_left_to_do(tmp_path: Path) -> None:
    run(tmp_path)
    assert run(tmp_path).resumed_at == 4


def test_how_often_is_saved_may_change(tmp_path: Path) -> None:
    run(tmp_path)
    assert run(tmp_path, save_every=3, keep=1, readers=0).resumed_at == 4


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"lr": 2e-3}, "stage.lr.connector was 0.001 and is 0.002"),
        ({"seed": 2}, "seed was 1 and is 2"),
        ({"row": 512}, "settings.row was 256 and is 512"),
        ({"count": 15}, "samples was 16 and is 15"),
        ({"steps": 5}, "stage.steps was 4 and is 5"),
    ],
)
def test_other_settings_or_data_are_refused_by_name(change: dict[str, Any], said: str, tmp_path: Path) -> None:
    run(tmp_path)
    with pytest.raises(VlitError, match="began with other settings or data") as error:
        run(tmp_path, **change)
    assert said in error.value.what


def test_what_a_killed_writer_left_is_no_checkpoint(tmp_path: Path) -> None:
    run(tmp_path, steps=4)
    (tmp_path / "stage/checkpoints/.step-00000009.tmp").mkdir()
    assert run(tmp_path).resumed_at == 4


def test_one_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    run(tmp_path)
    state = tmp_path / "stage/checkpoints/step-00000004/state.safetensors"
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(VlitError, match="cannot be read") as error:
        run(tmp_path)
    assert "step-00000004" in error.value.where


@pytest.mark.slow
def test_killed_between_any_two_lines_of_saving_there_is_a_whole_one(tmp_path: Path) -> None:
    """A child ends at its first line of saving, the next at its second, until one comes to the end."""
    weight = torch.nn.Parameter(torch.ones(3))
    groups = [Group("llm", 1.0, 0.0, ("weight",), (weight,))]
    optimiser = adamw(groups, StageConfig())
    team = Team(TuneConfig(), tmp_path)

    def saver(name: str) -> Checkpoints:
        return Checkpoints(tmp_path / name / "checkpoints", {"a": 1}, team, keep=1)

    def saved(line: int) -> bool:
        """Whether a child came to the end: it saves at step 2, and at step 4 it ends before this line."""
        name = str(line)
        child = os.fork()
        if child:
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        saver(name).save(2, groups, optimiser)
        weight.data += 1
        passed = 0

        def count(frame: Any, event: str, _: Any) -> Any:
            nonlocal passed
            if not frame.f_code.co_filename.endswith("tune/checkpoint.py"):
                return None
            passed += event == "line"
            if passed > line:
                os._exit(1)
            return count

        sys.settrace(count)
        try:
            saver(name).save(4, groups, optimiser)
        finally:
            sys.settrace(None)
            os._exit(0)

    line, steps = 0, []
    while not saved(line):
        steps.append(saver(str(line)).resume(groups, optimiser))
        assert weight.tolist() == [steps[-1] / 2] * 3
        saver(str(line)).save(6, groups, optimiser)
        assert [path.name for path in (tmp_path / f"{line}/checkpoints").iterdir()] == ["step-00000006"]
        weight.data.fill_(1)
        line += 1
    assert steps == sorted(steps) and set(steps) == {2, 4} and len(steps) > 50


@pytest.mark.parametrize("most", [100_000, 10_000, 100])  # in the weights, the generators, the cursor
def test_when_it_cannot_be_written_the_old_one_survives(most: int, tmp_path: Path) -> None:
    model, own, config = tiny.llava(tmp_path / "parts"), StageConfig(), TuneConfig()
    make_trainable(model, own, config.lora)
    groups = groups_of(model, own)
    optimiser = adamw(groups, own)
    for group in groups:
        for parameter in group.parameters:
            parameter.grad = torch.zeros_like(parameter)
    optimiser.step()
    filling = [torch.nn.Parameter(torch.zeros(30_000))]  # so that the limits lie where they are meant to
    optimiser.state[filling[0]] = {k: torch.zeros(1) for k in ("exp_avg", "exp_avg_sq", "step")}
    groups.append(Group("llm", 1.0, 0.0, ("filling",), tuple(filling)))
    saver = Checkpoints(tmp_path / "checkpoints", {"long": "x" * 1000}, Team(config, tmp_path), keep=1)
    saver.save(2, groups, optimiser)
    before = {path: path.read_bytes() for path in tmp_path.glob("checkpoints/*/*")}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))  # the system refuses what goes beyond in a file
    try:
        with pytest.raises(VlitError, match="cannot write here") as error:
            saver.save(7, groups, optimiser)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert error.value.todo
    assert {path: path.read_bytes() for path in tmp_path.glob("checkpoints/*/*")} == before
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-00000002"]
    saver.save(7, groups, optimiser)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-00000007"]


def test_a_full_disk_is_called_one() -> None:
    from safetensors import SafetensorError

    told = refused(SafetensorError("I/O error: No space left on device (os error 28)"), Path("there"))
    assert told is not None and told.what == "the disk is full" and told.todo
    assert refused(Exception("No space left on device (os error 28)"), Path("there")) is not None  # tokenizers
    assert refused(OSError(28, "No space left on device"), Path("there")) is not None
    assert refused(KeyError("a mistake of ours"), Path("there")) is None
