"""Ctrl-C waits for the end of a step, and costs none."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.tune import tiny
from tests.tune.photos import examples
from vlit.tune.config import StageConfig, TuneConfig
from vlit.tune.loop import Outcome, train
from vlit.tune.pause import Pause
from vlit.tune.source import Source

torch = pytest.importorskip("torch")


def tuned(folder: Path, stop_at: int | None = None) -> tuple[Outcome, dict[str, Any]]:
    """Six steps; while the line of a step is told, Ctrl-C comes."""
    model = tiny.llava(folder)
    stage = StageConfig.model_validate(
        {"trainable": {"connector": "full", "llm": "full"}, "lr": 1e-2, "batch": 8, "epochs": 2}
    )
    config = TuneConfig(stages=(stage,), max_length=256, row=256)

    def tell(row: dict[str, Any]) -> None:
        if "loss" in row and row["step"] == stop_at:
            os.kill(os.getpid(), signal.SIGINT)

    source = Source.of(examples(model, 20))
    done = train(model, source, Source.of([]), stage, config, folder / "stage", seed=3, tell=tell)  # type: ignore[arg-type]
    return done, {name: p.detach().clone() for name, p in model.model.named_parameters()}


def test_a_stage_that_was_stopped_goes_on_behind_its_last_step(tmp_path: Path) -> None:
    (tmp_path / "peace").mkdir()
    _, wanted = tuned(tmp_path / "peace")
    with pytest.raises(KeyboardInterrupt):
        tuned(tmp_path, stop_at=3)
    assert [path.name for path in (tmp_path / "stage/checkpoints").iterdir()] == ["step-00000003"]
    done, found = tuned(tmp_path)
    assert done.resumed_at == 3
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_a_second_one_stops_at_once_and_all_is_as_before() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), Pause(on=True) as pause:
        os.kill(os.getpid(), signal.SIGINT)
        assert pause.asked
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("the second one was waited for")
    assert signal.getsignal(signal.SIGINT) is before


def test_one_that_comes_behind_the_last_step_is_not_lost() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), Pause(on=True):
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_signal_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Pause(on=True) as pause:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not pause.asked
    finally:
        signal.signal(signal.SIGHUP, before)


def test_other_threads_leave_signals_alone() -> None:
    found = []

    def look() -> None:
        with Pause(on=True):
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [signal.getsignal(signal.SIGINT)]
