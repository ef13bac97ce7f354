"""One stage of tuning as a file: what every process that carries it out has to know."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from vlit.data.errors import VlitError
from vlit.data.store import atomic
from vlit.run import stage
from vlit.tune.config import ModelConfig, StageConfig, TuneConfig
from vlit.tune.metrics import Tell, curves
from vlit.tune.source import Source

if TYPE_CHECKING:
    import torch

    from vlit.tune.loop import Outcome
    from vlit.tune.models.architecture import Architecture
    from vlit.tune.team import Team


#: In the folder of a stage: what it came to, written when the result is whole.
OUTCOME = "outcome.json"


class Job(stage.Config):
    """One stage: what it begins with, and where everything is."""

    config: TuneConfig
    stage: str  #: name of one of its stages
    model: ModelConfig  #: what the stage begins with: as the recipe says, or the result of the stage before
    base: Path  #: that names of folders in ``model`` are relative to
    examples: tuple[Path, ...]  #: parts of the table of examples
    seed: int
    folder: Path  #: gets the job, its metrics, checkpoints, and ``result/``
    about: Mapping[str, Any] = {}  #: for the model card; see ``card.About``

    @property
    def own(self) -> StageConfig:
        """Settings of the stage."""
        return next(own for own in self.config.stages if own.name == self.stage)

    @property
    def result(self) -> Path:
        """Where the tuned model will be."""
        return self.folder / "result"

    def write(self) -> Path:
        """Write it to its folder."""
        path = self.folder / "job.json"
        with atomic(path) as temporary:
            temporary.write_bytes(orjson.dumps(self.model_dump(mode="json"), option=orjson.OPT_INDENT_2))
        return path

    @classmethod
    def read(cls, path: Path) -> Job:
        """The job in a file."""
        return cls.model_validate_json(path.read_bytes())


def is_finished(job: Job) -> bool:
    """Whether the result is there, whole. Another version of vlit may have written what the stage came to."""
    from vlit.tune.result import NOTES

    return (job.folder / OUTCOME).is_file() and (job.result / NOTES).is_file()


def outcome_of(job: Job) -> Outcome:
    """What a finished stage came to.

    Raises:
        VlitError: When the file is not one of this version of vlit.
    """
    from vlit.tune.loop import Outcome

    path = job.folder / OUTCOME
    try:
        return msgspec.json.decode(path.read_bytes(), type=Outcome)
    except (OSError, msgspec.DecodeError) as error:
        raise VlitError(
            f"what this stage came to cannot be read: {error}",
            where=str(path),
            todo="remove this file to have the stage tuned again; its result is in result/ beside it",
        ) from error


def work(job: Job, tell: Tell = lambda row: None) -> Outcome:
    """Carry a job out in this process, alone or as one of a team; a killed one is gone on with.

    Args:
        job: Its folder gets the result; the checkpoints go when that is whole.
        tell: See ``loop.train``.

    Raises:
        VlitError: When the model cannot be opened, training has to stop, or the result cannot be written.
    """
    from vlit.tune.loop import seed_all, train
    from vlit.tune.result import write_result
    from vlit.tune.team import Team
    from vlit.weights.device import spent

    own = job.own
    team = Team(job.config, job.folder)
    seed_all(job.seed, own.name, "new weights")  # what is drawn anew when the model is put together
    model = _opened(job)
    source, held_out = (Source.read(job.examples, own.name, split) for split in ("train", "held_out"))
    try:
        outcome = train(
            model, source, held_out, own, job.config, job.folder, seed=job.seed, tell=tell, team=team
        )
    except (MemoryError, RuntimeError) as error:
        if not spent(error):
            raise
        raise VlitError(
            f"memory runs out: {str(error).splitlines()[0]}",
            where=f"tune.stages, {own.name}",
            todo="lower tune.row, set tune.checkpointing, or tune less: llm: lora",
        ) from error
    state = _gathered(model, team) if team.sharded else None
    problem = None
    if team.first:
        try:
            about = _about(job, source, held_out, outcome, team)
            write_result(model, job.result, config=job.config, stage=own, about=about, state=state)
            with atomic(job.folder / OUTCOME) as temporary:
                temporary.write_bytes(orjson.dumps(dataclasses.asdict(outcome), option=orjson.OPT_INDENT_2))
            shutil.rmtree(job.folder / "checkpoints", ignore_errors=True)
        except VlitError as error:
            problem = error
    team.together(problem)
    return outcome


def _opened(job: Job) -> Architecture:
    from vlit.tune.models.registry import open_model
    from vlit.tune.result import NOTES, open_result
    from vlit.weights.located import located

    named = job.model.checkpoint
    if named is not None:
        folder = Path(located(named, job.base))
        if (folder / NOTES).is_file():
            return open_result(folder)  # of an earlier stage or run; adapters are merged
    return open_model(job.model, job.base, seed=job.seed)


def _gathered(model: Architecture, team: Team) -> dict[str, torch.Tensor]:
    """The whole weights of a sharded model, on the CPU of the first process."""
    from vlit.tune.checkpoint import whole

    found = {}
    for name, tensor in model.model.state_dict().items():
        full = whole(tensor)
        if team.first:
            found[name] = full.cpu()
    return found


def _about(job: Job, source: Source, held_out: Source, outcome: Outcome, team: Team) -> dict[str, Any]:
    own = curves(job.folder / "metrics.jsonl")
    data = {
        "fingerprint": source.digest(),
        "samples": len(source),
        "held_out": len(held_out),
        "images": source.images,
        "label_tokens": outcome.label_tokens,
    }
    given = job.about
    return {
        "seed": job.seed,
        "precision": "bf16" if team.bf16 else "fp32",
        **given,
        "data": {**data, **given.get("data", {})},
        **{name: {**given.get(name, {}), job.stage: line} for name, line in own.items()},
    }
