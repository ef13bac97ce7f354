"""What tuning did: loss curves, speed, what was trained, masks of a few samples, answers on held-out photos."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import yaml

from vlit.data.images import ImageProblem, probe
from vlit.data.scene import Image
from vlit.report.charts import percent, plural, short
from vlit.report.curve import Curve, Point, curve
from vlit.run.folder import RunFolder

#: Samples of which the mask is shown, and answers, at most.
MASKS, ANSWERS = 4, 24

#: The name of a stage that the recipe does not name.
_UNNAMED = "instruct"

#: Settings of a stage that are shown, with their labels.
_SETTINGS = {
    "batch": "batch", "epochs": "epochs", "steps": "steps", "schedule": "schedule", "warmup": "warm-up",
    "weight_decay": "weight decay", "clip": "clip", "template": "template",
}  # fmt: skip

#: Settings of the whole tuning.
_WHOLE = {
    "preset": "preset", "max_length": "longest sample", "precision": "precision", "attention": "attention",
    "device": "device", "processes": "processes", "sharding": "sharding",
}  # fmt: skip

_PARTS = {"vision": "vision encoder", "connector": "connector", "llm": "language model"}


@dataclass(frozen=True)
class Part:
    """What was done to a part of the model, and at which rate."""

    name: str
    how: str  #: frozen, full, lora
    rate: str


@dataclass(frozen=True)
class Answered:
    """A held-out sample that the tuned model answered."""

    id: str
    image: str | None  #: URI
    question: str
    answer: str
    reference: str
    task: str = ""

    @property
    def same(self) -> bool:
        """Whether it is the reference, but for case, spaces and the full stop."""
        return _plain(self.answer) == _plain(self.reference)


@dataclass(frozen=True)
class Masked:
    """A sample as pieces of text and their kinds: trained, untrained, image."""

    id: str
    pieces: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Tuned:
    """One stage."""

    name: str
    lead: str
    parts: tuple[Part, ...]
    settings: Mapping[str, str]
    curve: Curve | None
    tiles: Mapping[str, str]
    skipped: tuple[tuple[str, int], ...]  #: reasons, most first
    masks: tuple[Masked, ...]
    answers: tuple[Answered, ...]
    same: int  #: of all answers, those that are the reference
    answered: int
    by_task: tuple[tuple[str, int, int], ...] = ()  #: task, answers that are the reference, all answers


def tuning(run: RunFolder) -> tuple[Tuned, ...]:
    """The stages in the order in which they were tuned; empty where nothing was."""
    folders = {p.parent.name: p.parent for p in sorted(run.path.glob("model/stages/*/metrics.jsonl"))}
    told = {name: _told(run, folder) for name, folder in folders.items()}
    order = [str(s.get("name", _UNNAMED)) for s in _mappings(_recipe(run).get("stages"))]
    if not order:  # of a preset, or left out
        order = [str(s.get("name")) for config, _ in told.values() for s in _mappings(config.get("stages"))]
    # A stage that was tuned with other settings before was put aside under another name.
    names = [name for name in dict.fromkeys(order) if name in folders] if order else list(folders)
    return tuple(_tuned(folders[name], *told[name]) for name in names)


def photos_of(stages: Sequence[Tuned]) -> list[Image]:
    """The photos of the answers that are shown, each once; also those that cannot be opened any more."""
    found: dict[str, Image] = {}
    for one in stages:
        for answer in one.answers:
            if answer.image and answer.image not in found:
                try:
                    found[answer.image] = probe(answer.image, decode=False)
                except ImageProblem:
                    found[answer.image] = Image(uri=answer.image, width=4, height=3)
    return list(found.values())


def _tuned(folder: Path, config: Mapping[str, Any], stage: Mapping[str, Any]) -> Tuned:
    lines = rows(folder / "metrics.jsonl")
    steps = [line for line in lines if "loss" in line]
    held = [line for line in lines if "held_out_loss" in line]
    answers = [_answered(row) for row in rows(folder / "answers.jsonl")]
    training = [Point(int(s["step"]), _number(s["loss"]), _number(s.get("label_tokens", 1))) for s in steps]
    held_out = [Point(int(h["step"]), _number(h["held_out_loss"])) for h in held]
    return Tuned(
        name=folder.name,
        lead=_lead(steps, held_out),
        parts=_parts(stage, steps),
        settings=_settings(config, stage),
        curve=curve(training, held_out),
        tiles=tiles(steps),
        skipped=tuple(Counter(str(r.get("reason", "")) for r in rows(folder / "skipped.jsonl")).most_common()),
        masks=_masks(folder / "inspect.json"),
        answers=tuple(answers[:ANSWERS]),
        same=sum(a.same for a in answers),
        answered=len(answers),
        by_task=_by_task(answers),
    )


def tiles(steps: Sequence[Mapping[str, Any]]) -> Mapping[str, str]:
    """Speed and memory in numbers, over all steps; those that were not measured are left out."""
    seconds = _sum(steps, "seconds")
    labels, tokens = _sum(steps, "label_tokens"), _sum(steps, "tokens")
    memory = max((_number(s["memory_gb"]) for s in steps if s.get("memory_gb") is not None), default=None)
    mfu, waited = _mean(steps, "mfu"), _mean(steps, "waited")
    found = {
        "Time of the steps": _time(seconds) if seconds else "",
        "Label tokens per second": short(labels / seconds) if seconds else "",
        "Tokens per second": short(tokens / seconds) if seconds else "",
        "Model FLOPs utilisation": "" if mfu is None else percent(mfu, 1),
        "Waited for data": "" if waited is None else percent(waited, 1),
        "Peak memory": "" if memory is None else f"{short(memory)} GB",
    }
    return {what: number for what, number in found.items() if number}


def rows(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON Lines file; none where there is no file, and without a last line that is torn."""
    if not path.is_file():
        return []
    found = []
    for line in path.read_bytes().splitlines():
        try:
            row = msgspec.json.decode(line)
        except msgspec.DecodeError:
            continue
        if isinstance(row, dict):
            found.append(row)
    return found


def _lead(steps: Sequence[Mapping[str, Any]], held_out: Sequence[Point]) -> str:
    if not steps:
        return "No step has been taken yet."
    samples, labels = round(_sum(steps, "samples")), round(_sum(steps, "label_tokens"))
    said = f"{plural(len(steps), 'step')} over {plural(samples, 'sample')} with {labels:,} label tokens."
    if len(held_out) > 1:
        before, after = held_out[0].loss, held_out[-1].loss
        said += f" The loss on held-out photos went from {short(before)} to {short(after)}."
    return said


def _parts(stage: Mapping[str, Any], steps: Sequence[Mapping[str, Any]]) -> tuple[Part, ...]:
    """As the recipe says; the rates as they were at their highest."""
    from vlit.tune.config import Trainable

    how = {"vision": "frozen", "connector": "full", "llm": "frozen"}
    assert set(how) == set(Trainable.model_fields)
    how |= {k: str(v) for k, v in _mapping(stage.get("trainable")).items() if k in how}
    rates: dict[str, float] = {}
    for step in steps:
        for part, rate in _mapping(step.get("lr")).items():
            rates[part] = max(rates.get(part, 0.0), _number(rate))
    return tuple(
        Part(label, how[name], short(rates[name]) if name in rates and how[name] != "frozen" else "")
        for name, label in _PARTS.items()
    )


def _settings(config: Mapping[str, Any], stage: Mapping[str, Any]) -> dict[str, str]:
    model = _mapping(config.get("model"))
    found = {"model": str(model.get("checkpoint") or "")}
    if not found["model"]:
        found["model"] = " + ".join(str(model[k]) for k in ("vision", "llm") if model.get(k))
    for of, labels in ((stage, _SETTINGS), (config, _WHOLE)):
        for key, label in labels.items():
            if (value := of.get(key)) is not None:
                found[label] = short(value) if isinstance(value, (int, float)) else str(value)
    return {label: value for label, value in found.items() if value}


def _masks(path: Path) -> tuple[Masked, ...]:
    return tuple(
        Masked(str(one.get("id", "")), tuple((str(text), str(kind)) for text, kind in one.get("pieces", ())))
        for one in _mappings(_json(path))[:MASKS]
    )


def _answered(row: Mapping[str, Any]) -> Answered:
    image = row.get("image")
    return Answered(
        id=str(row.get("id", "")),
        image=str(image) if image else None,
        question=str(row.get("question", "")),
        answer=str(row.get("answer", "")),
        reference=str(row.get("reference", "")),
        task=str(row.get("task", "")),
    )


def _by_task(answers: Sequence[Answered]) -> tuple[tuple[str, int, int], ...]:
    """The tasks with most answers first; none where the answers do not tell their tasks."""
    counts = Counter(a.task for a in answers if a.task)
    same = Counter(a.task for a in answers if a.task and a.same)
    return tuple((task, same[task], n) for task, n in sorted(counts.items(), key=lambda c: (-c[1], c[0])))


def _told(run: RunFolder, folder: Path) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The settings of the tuning and of this stage, from its job, else from the recipe."""
    job = _mapping(_json(folder / "job.json"))
    config, stage = _mapping(job.get("config")), _mapping(job.get("stage"))
    config = config or _recipe(run)
    named = (s for s in _mappings(config.get("stages")) if s.get("name", _UNNAMED) == folder.name)
    return config, stage or next(named, {})


def _recipe(run: RunFolder) -> Mapping[str, Any]:
    """The recipe's ``tune``."""
    if run.recipe.exists():
        with contextlib.suppress(yaml.YAMLError):
            return _mapping(_mapping(yaml.safe_load(run.recipe.read_text(encoding="utf-8"))).get("tune"))
    return {}


def _json(path: Path) -> Any:
    """What a file holds; ``None`` where there is none, or it is no JSON."""
    if not path.is_file():
        return None
    try:
        return msgspec.json.decode(path.read_bytes())
    except msgspec.DecodeError:
        return None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [v for v in value if isinstance(v, Mapping)] if isinstance(value, (list, tuple)) else []


def _plain(text: str) -> str:
    return " ".join(text.lower().split()).removesuffix(".")


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else float("nan")


def _sum(steps: Sequence[Mapping[str, Any]], key: str) -> float:
    return sum(float(s[key]) for s in steps if isinstance(s.get(key), (int, float)))


def _mean(steps: Sequence[Mapping[str, Any]], key: str) -> float | None:
    """Mean over the time of the steps; ``None`` where it was not measured."""
    measured = [(float(s[key]), float(s.get("seconds") or 0)) for s in steps if s.get(key) is not None]
    total = sum(seconds for _, seconds in measured)
    return sum(value * seconds for value, seconds in measured) / total if total else None


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{short(seconds)} s"
    return f"{short(seconds / 60)} min" if seconds < 7200 else f"{short(seconds / 3600)} h"
