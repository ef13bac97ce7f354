"""The course of a tuning: its stages one after the other, each from the result of the one before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from vlit.data.seeds import draw
from vlit.data.store import atomic
from vlit.run.progress import Progress
from vlit.run.stage import Setting
from vlit.tune.checkpoint import last_step
from vlit.tune.config import ModelConfig, TuneConfig
from vlit.tune.encoding import encoder_of
from vlit.tune.job import Job
from vlit.tune.launch import launch
from vlit.tune.leg import Leg, beginning, key_of, make_room, mark
from vlit.tune.metrics import curves
from vlit.tune.plan import count_steps
from vlit.tune.result import open_result, publish
from vlit.tune.source import Source
from vlit.tune.trial import drawn, read_trials, tried, write_trials

#: Samples of which the report shows the mask.
_SHOWN = 4
_ANSWERS = "answers.jsonl"
#: Generated at once on a CPU and on a GPU.
_BATCH = {"cpu": 8, "cuda": 32}


def carry_out(
    config: TuneConfig,
    setting: Setting,
    folder: Path,
    parts: Sequence[Path],
    tables: Mapping[str, Any],
    progress: Progress,
) -> None:
    """Tune stage after stage and show the last result in ``folder`` itself.

    A stage that is finished is kept while its settings, examples and beginning stay the same; one that was
    begun with others is put aside, and taken up again when they are back.

    Args:
        config: Of the tuning.
        setting: Of the run.
        folder: ``model/`` of the run.
        parts: Of the table of examples.
        tables: By stage, the samples' parts that licences and sources are counted in.
        progress: Is told of every step.

    Raises:
        VlitError: What stopped a stage; see ``job.work``.
    """
    legs = _legs(config, setting, folder, parts, tables)
    for leg in legs:
        if not leg.done:
            make_room(leg, progress)
    if config.sharding != "none" and config.processes == 1:
        progress.warned(
            f"tune.sharding: {config.sharding} spreads nothing over one process: set tune.processes"
        )
    if left := sum(_steps_left(leg) for leg in legs):
        progress.total(left)
    for leg in legs:
        if not leg.done:
            _check_memory(leg, config, setting, progress)
            (leg.job.folder / _ANSWERS).unlink(missing_ok=True)
            mark(leg.job.folder, leg.key)
            _write_masks(leg, config, setting)
            launch(_with_curves(leg.job, legs), _Teller(leg.own.name, progress))
        _try_out(leg, config, setting, parts, progress)
    publish(legs[-1].job.result, folder)


def _steps_left(leg: Leg) -> int:
    """Optimiser steps that a stage has still to make, from its last checkpoint on."""
    if leg.done:
        return 0
    own = leg.own
    steps = count_steps(len(leg.source), batch=own.batch, epochs=own.epochs, steps=own.steps)
    return max(steps - last_step(leg.job.folder / "checkpoints"), 0)


def _legs(
    config: TuneConfig, setting: Setting, folder: Path, parts: Sequence[Path], tables: Mapping[str, Any]
) -> list[Leg]:
    found: list[Leg] = []
    before = beginning(config, setting)
    for own in config.stages:
        source = Source.read(parts, own.name, "train")
        job = Job(
            config=config,
            stage=own.name,
            model=ModelConfig(checkpoint=str(found[-1].job.result)) if found else config.model,
            base=setting.base,
            examples=tuple(parts),
            seed=setting.seed,
            folder=folder / "stages" / own.name,
            about={
                "chat_template": encoder_of(config, own, setting.base).template.text,
                "data": _origins(tables.get(own.name, ())),
            },
        )
        before = key_of(config, own, source, before, setting.seed)
        found.append(Leg(own, job, source, before))
    return found


def _with_curves(job: Job, legs: Sequence[Leg]) -> Job:
    """The job with the curves of the stages before it, for the card of the model that went through all."""
    found: dict[str, dict[str, Any]] = {}
    for leg in legs:
        if leg.job.stage == job.stage:
            break
        for name, line in curves(leg.job.folder / "metrics.jsonl").items():
            found.setdefault(name, {})[leg.job.stage] = line
    return job.model_copy(update={"about": {**job.about, **found}})


class _Teller:
    """Turns lines of metrics into progress."""

    def __init__(self, stage: str, progress: Progress) -> None:
        self._stage, self._progress, self._held_out = stage, progress, ""

    def __call__(self, row: Mapping[str, Any]) -> None:
        if "held_out_loss" in row:
            self._held_out = f", held out {row['held_out_loss']:.3f}"
            return
        self._progress.advanced()
        if row.get("loss") is None:
            return
        mfu = f", MFU {row['mfu']:.0%}" if row.get("mfu") is not None else ""
        rate = f"{row['label_tokens_per_second']:,.0f} label tokens/s"
        self._progress.said(
            f"{self._stage} {row['step']:,}: loss {row['loss']:.3f}{self._held_out}, {rate}{mfu}"
        )


def _check_memory(leg: Leg, config: TuneConfig, setting: Setting, progress: Progress) -> None:
    """Refuse what cannot fit before the weights are read; say where it comes near."""
    from vlit.tune.memory import Load, check, circumstances

    bf16, gpu, free = circumstances(config)
    if free is None:
        return
    model = encoder_of(config, leg.own, setting.base).model
    load = Load(leg.source.lengths, leg.source.trained, leg.source.images)
    _, warning = check(model, leg.own, config, load, bf16=bf16, gpu=gpu, free=free)
    if warning:
        progress.warned(warning)


def _write_masks(leg: Leg, config: TuneConfig, setting: Setting) -> None:
    """What is trained of a few samples, for the report."""
    from vlit.tune.chat.inspect import pieces

    tokenizer = encoder_of(config, leg.own, setting.base).model.tokenizer
    drawn = sorted(range(len(leg.source)), key=lambda i: draw(setting.seed, "mask", str(i)))[:_SHOWN]
    shown = [leg.source[i] for i in sorted(drawn)]
    found = [{"id": example.id, "pieces": pieces(tokenizer, example)} for example in shown]
    with atomic(leg.job.folder / "inspect.json") as temporary:
        temporary.write_bytes(orjson.dumps(found))


def _try_out(leg: Leg, config: TuneConfig, setting: Setting, parts: Sequence[Path], progress: Progress) -> None:
    """Let the result answer what was held out; where it has answered as many as are wanted, these stay."""
    from vlit.weights.device import pick_device, pick_dtype

    path = leg.job.folder / _ANSWERS
    held_out = Source.read(parts, leg.own.name, "held_out")
    wanted = {held_out[place].id for place in drawn(held_out, config.held_out.answers, setting.seed)}
    if path.exists() and {trial.id for trial in read_trials(path)} == wanted:
        return
    if not wanted:
        write_trials(path, [])
        return
    progress.said(f"{leg.own.name}: answers to what was held out")
    model, device = open_result(leg.job.result), pick_device(config.device)
    model.model.to(device, pick_dtype(device) if device.type == "cuda" else None)
    stops = encoder_of(config, leg.own, setting.base).stops
    batch = _BATCH.get(device.type, 8)
    found = tried(model, held_out, config.held_out.answers, seed=setting.seed, batch=batch, stops=stops)
    write_trials(path, list(found))


def _origins(parts: Sequence[Path]) -> dict[str, dict[str, int]]:
    """Licences and sources of the samples, each with how many have it, most first."""
    counts: dict[str, Counter[str]] = {"licences": Counter(), "sources": Counter()}
    for part in parts:
        column = pq.read_table(part, columns=["provenance"])["provenance"]
        for name, key in (("licence", "licences"), ("source", "sources")):
            values = pc.struct_field(pa.chunked_array(column), name).to_pylist()
            counts[key].update(value for value in values if value)
    return {key: dict(found.most_common()) for key, found in counts.items()}
