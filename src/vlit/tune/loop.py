"""The loop: one stage of tuning, from the weights as they are to the weights as they should be."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vlit.data.seeds import draw
from vlit.tune.checkpoint import Checkpoints
from vlit.tune.config import StageConfig, TuneConfig
from vlit.tune.feed import Ready
from vlit.tune.metrics import Journal, Meter, Tell, line
from vlit.tune.models.architecture import Architecture
from vlit.tune.optimiser import adamw, set_rates
from vlit.tune.pause import Pause
from vlit.tune.source import Source
from vlit.tune.task import Task
from vlit.tune.team import Team
from vlit.tune.trainable import (
    Group,
    checkpoint_activations,
    compile_layers,
    groups_of,
    layers,
    make_trainable,
    new_rows,
    set_modes,
)

if TYPE_CHECKING:
    from vlit.tune.objective import Objective


@dataclass(frozen=True)
class Outcome:
    """What a stage came to; all figures over all runs that it took."""

    steps: int
    epochs: float
    samples: int  #: trained on; those of each epoch counted
    label_tokens: int  #: likewise
    seconds: float  #: of the steps
    loss: float | None  #: mean over the last tenth of the steps
    held_out_before: float | None
    held_out_after: float | None
    skipped: int  #: images that could not be opened
    resumed_at: int  #: step that the last run went on from; 0 for the beginning


def train(
    model: Architecture,
    source: Source,
    held_out: Source,
    stage: StageConfig,
    config: TuneConfig,
    folder: Path,
    *,
    seed: int,
    tell: Tell = lambda row: None,
    team: Team | None = None,
) -> Outcome:
    """Tune a model in place. Where the folder holds a checkpoint of this stage, training goes on from there.

    Args:
        model: In float32; parts are frozen, adapted and moved to the device here.
        source: What is trained on.
        held_out: What is measured only, at both ends and between; may be empty.
        stage: What is tuned, how long, at which rates.
        config: How the work is done.
        folder: Gets ``metrics.jsonl``, ``skipped.jsonl`` and ``checkpoints/``.
        seed: Of the run.
        tell: Is told of every line of metrics as it is written, in the first process.
        team: The processes that tune together; found out by default.

    Raises:
        VlitError: When a loss or a gradient is not finite, too many images cannot be opened, a disk is full, or
            a checkpoint is of other settings or data. The last checkpoint stays.
        KeyboardInterrupt: On Ctrl-C, once a checkpoint of the step is written.
    """
    from vlit.tune.step import update

    folder.mkdir(parents=True, exist_ok=True)
    team = team or Team(config, folder)
    task = Task(model, source, held_out, stage, config, seed, team)
    groups, objective, meter = ready(task)
    optimiser, rows = adamw(groups, stage), new_rows(model, stage)
    saver = Checkpoints(folder / "checkpoints", task.identity(), team, config.keep)
    start = saver.resume(groups, optimiser)
    journal = Journal(folder, team, tell, steps=task.steps, images=task.images, most=config.unreadable)
    journal.begin(start, stage, config)
    if start == 0:
        measure(task, objective, journal, 0)
    with Pause(team.processes == 1) as pause:
        for step, (batches, begun, waited) in enumerate(_timed(task.feed(start)), start=start + 1):
            journal.skip(step, batches.skipped)
            rates = set_rates(optimiser, groups, stage, step - 1, task.steps)
            done = update(objective, batches, optimiser, clip=stage.clip, rows=rows, team=team)
            seconds = time.perf_counter() - begun
            mfu = meter.mfu(batches.counts, seconds, team)
            journal.write(line(step, task.epochs(step), done, rates, seconds, waited, mfu, team))
            if step % config.held_out.every == 0 or step == task.steps:
                measure(task, objective, journal, step)
            if step % config.save_every == 0 or step == task.steps or pause.asked:
                journal.sync()
                saver.save(step, groups, optimiser)
            pause.leave()
    journal.end()
    return _outcome(task, journal, start)


def ready(task: Task) -> tuple[list[Group], Objective, Meter]:
    """The model frozen, adapted, packed and sharded on its device; what is tuned, its loss, its cost."""
    import torch

    from vlit.tune.attention import resolve, set_attention, verify
    from vlit.tune.flops import flops_of
    from vlit.tune.objective import Objective
    from vlit.tune.peak import peak_flops

    model, stage, config, team = task.model, task.stage, task.config, task.team
    dtype = torch.bfloat16 if team.bf16 else torch.float32
    seed_all(task.seed, stage.name)  # adapters are drawn alike in all processes
    make_trainable(model, stage, config.lora, bf16=team.bf16)
    kind = resolve(config.attention, model, team.device, dtype, task.longest)
    set_attention(model, kind, task.longest)
    model.model.to(team.device)
    if kind != "padded":
        verify(model, kind, dtype)
    set_modes(model, stage)
    meter = Meter(flops_of(model, kind, dtype), peak_flops(team.device, "bf16" if team.bf16 else "fp32"))
    if config.compile:
        compile_layers(model)
    if config.checkpointing:
        checkpoint_activations(model)
    objective = Objective(model, kind, dtype)
    if team.sharded:
        team.shard(objective, layers(model.model))
    seed_all(task.seed, stage.name, str(team.place))
    return groups_of(model, stage), objective, meter


def measure(task: Task, objective: Objective, journal: Journal, step: int) -> None:
    """The loss over what is held out, as a line of metrics.

    Raises:
        VlitError: When it is not finite.
    """
    import torch

    from vlit.tune.step import no_number

    total, labels, strange = 0.0, 0, list[str]()
    task.model.model.eval()
    with torch.no_grad():
        for batches in task.held_out_feed():
            journal.skip(step, batches.skipped)
            labels += batches.labels
            for batch in batches.micros:
                found = float(objective(batch.to(task.team.device)))
                total += found
                strange += () if math.isfinite(found) else batch.samples
    set_modes(task.model, task.stage)
    loss, count = task.team.sums([total, labels])
    if not math.isfinite(loss):
        samples = [s for own in task.team.gathered(strange) for s in own]
        raise no_number(f"the loss of held-out samples is {loss}", samples)
    if count:
        journal.write({"step": step, "held_out_loss": loss / count, "held_out_label_tokens": int(count)})


def _timed(feed: Iterable[Ready]) -> Iterator[tuple[Ready, float, float]]:
    """Each step's batches with the time at which the wait for them began, and how long it was in seconds."""
    waiting = iter(feed)
    while True:
        begun = time.perf_counter()
        if (batches := next(waiting, None)) is None:
            return
        yield batches, begun, time.perf_counter() - begun


def seed_all(seed: int, *keys: str) -> None:
    """Set every generator that dropout and new weights are drawn from."""
    import numpy as np
    import torch

    number = draw(seed, *keys)
    random.seed(number)
    np.random.seed(number % 2**32)
    torch.manual_seed(number % 2**63)


def _outcome(task: Task, journal: Journal, start: int) -> Outcome:
    rows = journal.metrics.read()
    steps = [row for row in rows if "samples" in row]
    losses = [row["loss"] for row in steps[-max(1, len(steps) // 10) :] if row["loss"] is not None]
    measured = [row["held_out_loss"] for row in rows if "held_out_loss" in row]
    return Outcome(
        steps=task.steps,
        epochs=task.epochs(task.steps),
        samples=sum(row["samples"] for row in steps),
        label_tokens=sum(row["label_tokens"] for row in steps),
        seconds=sum(row["seconds"] for row in steps),
        loss=sum(losses) / len(losses) if losses else None,
        held_out_before=measured[0] if measured else None,
        held_out_after=measured[-1] if measured else None,
        skipped=journal.lost,
        resumed_at=start,
    )
