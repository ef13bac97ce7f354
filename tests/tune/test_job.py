"""A job: from a file to a result that loads, stage after stage."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.tune.jobs import job
from vlit.data.errors import VlitError
from vlit.tune.config import ModelConfig, TuneConfig
from vlit.tune.job import OUTCOME, Job, is_finished, outcome_of
from vlit.tune.launch import _news, _raise_error, launch
from vlit.tune.models.registry import load_model
from vlit.tune.team import _refuse_fewer_gpus

torch = pytest.importorskip("torch")


def test_a_job_survives_its_file(tmp_path: Path) -> None:
    own = job(tmp_path)
    own.folder.mkdir()
    assert Job.read(own.write()) == own


def test_a_result_loads_and_the_checkpoints_are_gone(tmp_path: Path) -> None:
    own = job(tmp_path, save_every=1)
    told: list[dict[str, object]] = []
    outcome = launch(own, lambda row: told.append(dict(row)))
    assert is_finished(own) and outcome_of(own) == outcome
    assert outcome.steps == 6 and told[-1]["step"] == 6
    assert not (own.folder / "checkpoints").exists()
    before, after = load_model(str(tmp_path / "model")), load_model(str(own.result))
    changed = {
        before.part_of(n)
        for (n, p), q in zip(before.model.named_parameters(), after.model.parameters(), strict=True)
        if not torch.equal(p, q)
    }
    assert changed == {"connector", "llm"}
    assert json.loads((own.result / "vlit.json").read_bytes())["data"]["samples"] == 20


def test_what_another_version_wrote_of_a_finished_stage_is_read_or_told(tmp_path: Path) -> None:
    own = job(tmp_path)
    own.result.mkdir(parents=True)
    (own.result / "vlit.json").write_text("{}")
    known = {
        "steps": 6, "epochs": 2, "samples": 40, "label_tokens": 9, "seconds": 1.5, "loss": None,
        "held_out_before": 3.5, "held_out_after": 2, "skipped": 0, "resumed_at": 0,
    }  # fmt: skip
    outcome = own.folder / OUTCOME
    assert not is_finished(own)
    outcome.write_text(json.dumps({**known, "of_a_later_version": 1}))
    assert is_finished(own) and outcome_of(own).held_out_before == 3.5
    for odd in (json.dumps({"steps": 6}), "{", "[]"):
        outcome.write_text(odd)
        assert is_finished(own)  # days of work are not thrown away for it
        with pytest.raises(VlitError, match="cannot be read") as error:
            outcome_of(own)
        assert error.value.where == str(outcome)
    (own.result / "vlit.json").unlink()
    assert not is_finished(own)


@pytest.mark.parametrize("merge", [True, False])
def test_a_stage_begins_with_the_result_of_the_one_before(merge: bool, tmp_path: Path) -> None:
    lora = {"rank": 4, "alpha": 8, "merge": merge}
    first = job(tmp_path, stage={"trainable": {"connector": "full", "llm": "lora"}}, lora=lora)
    ended = launch(first).held_out_after
    second = first.model_copy(
        update={
            "model": ModelConfig(checkpoint=str(first.result)),
            "folder": tmp_path / "more",
        }
    )
    assert launch(second).held_out_before == pytest.approx(ended, rel=1e-5)


def test_new_lines_are_read_once_and_half_ones_later(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    news = _news(path)
    assert next(news) == []
    path.write_text('{"step": 1}\n{"st')
    assert next(news) == [{"step": 1}]
    with path.open("a") as file:
        file.write('ep": 2}\n')
    assert next(news) == [{"step": 2}]


def test_a_worker_that_ends_without_a_word_is_named_by_its_error(tmp_path: Path) -> None:
    log = tmp_path / "workers.log"
    log.write_text("E1121 12:00 Error in agent\nTraceback ...\nKeyError: 'x'\n")
    with pytest.raises(VlitError, match="ended with 1: KeyError: 'x'") as error:
        _raise_error(tmp_path, 1, log)
    assert error.value.where == str(log)
    _raise_error(tmp_path, 0, log)


#: As torchrun writes it: both fail, the second since it waits for the first.
LOG = """[rank0]: Traceback (most recent call last):
[rank0]: RuntimeError: [gloo/pair.cc:537] Connection reset by peer
[rank1]: Traceback (most recent call last):
[rank1]: KeyError: 'x'
torch.distributed.elastic.multiprocessing.errors.ChildFailedError:
Failures:
[1]:
  rank      : 0 (local_rank: 0)
  exitcode  : 1 (pid: 11251)
Root Cause (first observed failure):
[0]:
  time      : 2026-11-21_07:59:15
  rank      : 1 (local_rank: 1)
  exitcode  : {code} (pid: 11252)
"""


@pytest.mark.parametrize(
    ("code", "said"),
    [(1, "a process of tuning ended with 1: KeyError: 'x'"), (-9, "was killed.*memory"), (-11, "by SIGSEGV")],
)
def test_of_several_that_fail_the_first_is_named(code: int, said: str, tmp_path: Path) -> None:
    log = tmp_path / "workers.log"
    log.write_text(LOG.format(code=code))
    with pytest.raises(VlitError, match=said):
        _raise_error(tmp_path, 1, log)


def test_each_process_needs_a_gpu() -> None:
    found = torch.cuda.device_count()
    with pytest.raises(VlitError, match=f"{found + 1} processes need a GPU each, and there are {found}"):
        _refuse_fewer_gpus(torch.device("cuda"), TuneConfig(processes=found + 1))
