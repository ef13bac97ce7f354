"""The course of a tuning: its stages one after the other, each from the result of the one before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from vlit.data.seeds import draw
from vlit.data.store import atomic
from vlit.run.fingerprint import fingerprint
from vlit.run.progress import Progress
from vlit.run.stage import Setting
from vlit.tune.config import ModelConfig, StageConfig, TuneConfig
from vlit.tune.encoding import encoder_of
from vlit.tune.job import Job, finished
from vlit.tune.launch import launch
from vlit.tune.plan import count_steps
from vlit.tune.result import open_result, publish
from vlit.tune.source import Source
from vlit.tune.task import FREE
from vlit.tune.trial import tried, write_trials

#: Samples of which the report shows the mask.
_SHOWN = 4
_ANSWERS = "answers.jsonl"
#: Generated at once on a CPU and on a GPU.
_BATCH = {"cpu": 8, "cuda": 32}


@dataclass(frozen=True)
class Leg:
    """One stage on its way: what it is, what it begins with, and by what it is known."""

    own: StageConfig
    job: Job
    source: Source
    key: str  #: equal for equal settings, data and beginnings: what is tuned already is not tuned again

    @property
    def done(self) -> bool:
        """Whether its result is there, and is of this key."""
        return finished(self.job) is not None and _key_in(self.job.folder) == self.key


def carry_out(
    config: TuneConfig,
    setting: Setting,
    folder: Path,
    parts: Sequence[Path],
    tables: Mapping[str, Any],
    progress: Progress,
) -> None:
    """Tune stage after stage and show the last result in ``folder`` itself.

    A stage that is finished is kept while its settings and examples stay the same; one that was begun with
    others is put aside, never removed: it may have taken days.

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
    total = sum(count_steps(len(leg.source), batch=leg.own.batch, epochs=leg.own.epochs, steps=leg.own.steps)
                for leg in legs if not leg.done)  # fmt: skip
    if total:
        progress.total(total)
    for leg in legs:
        if not leg.done:
            _check_memory(leg, config, setting, progress)
            _put_aside(leg, progress)
            _write_masks(leg, config, setting)
            launch(leg.job, _Teller(leg.own.name, progress))
        if not (leg.job.folder / _ANSWERS).exists():
            _try_out(leg, config, setting, parts, progress)
    publish(legs[-1].job.result, folder)


def _legs(
    config: TuneConfig, setting: Setting, folder: Path, parts: Sequence[Path], tables: Mapping[str, Any]
) -> list[Leg]:
    found: list[Leg] = []
    settings = config.model_dump(mode="json", exclude={*FREE, "stages", "model"})
    for own in config.stages:
        source = Source.read(parts, own.name, "train")
        before: Any = found[-1].key if found else config.model.model_dump(mode="json")
        stage = own.model_dump(mode="json", exclude={"data"})
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
        key = fingerprint(stage, settings, before, setting.seed, source.digest())
        found.append(Leg(own, job, source, key))
    return found


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
    from vlit.tune.memory import Load, check, free_memory
    from vlit.weights.device import pick_device

    device = pick_device(config.device)
    free = free_memory(device)
    if free is None:
        return
    gpu = device.type == "cuda"
    bf16 = config.precision == "bf16" or (config.precision == "auto" and gpu)
    model = encoder_of(config, leg.own, setting.base).model
    load = Load(leg.source.lengths, leg.source.trained, leg.source.images)
    _, warning = check(model, leg.own, config, load, bf16=bf16, gpu=gpu, free=free)
    if warning:
        progress.warned(warning)


def _put_aside(leg: Leg, progress: Progress) -> None:
    folder = leg.job.folder
    known = _key_in(folder)
    if known is not None and known != leg.key:
        aside = folder.with_name(f"{folder.name}-{known[:8]}")
        number = 1
        while aside.exists():
            number += 1
            aside = folder.with_name(f"{folder.name}-{known[:8]}-{number}")
        folder.rename(aside)
        progress.warned(f"{folder.name} was tuned with other settings or samples before: kept as {aside.name}")
    (folder / _ANSWERS).unlink(missing_ok=True)
    _write_key(folder, leg.key)


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
    """Let the result answer what was held out."""
    from vlit.weights.device import pick_device, pick_dtype

    path = leg.job.folder / _ANSWERS
    held_out = Source.read(parts, leg.own.name, "held_out")
    if not len(held_out) or not config.held_out.answers:
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


def _key_in(folder: Path) -> str | None:
    path = folder / "key"
    return path.read_text(encoding="utf-8").strip() if path.is_file() else None


def _write_key(folder: Path, key: str) -> None:
    with atomic(folder / "key") as temporary:
        temporary.write_text(key + "\n", encoding="utf-8")
