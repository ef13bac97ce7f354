"""The model card: what the model was made of, how it learnt, how to load it, and what nobody has checked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypedDict

import yaml

from vlit.tune.config import StageConfig, TuneConfig
from vlit.tune.usage import loading, serving, vllm_lists

if TYPE_CHECKING:
    from vlit.tune.models.architecture import Architecture

Curve = Sequence[tuple[int, float]]


class DataAbout(TypedDict, total=False):
    """What the run knows of the samples."""

    fingerprint: str  #: equal for equal samples in equal order
    samples: int  #: trained on
    held_out: int
    images: int
    label_tokens: int
    licences: Mapping[str, int]  #: samples of each
    sources: Mapping[str, int]  #: samples of each


class About(TypedDict, total=False):
    """What the run knows when a stage has ended. What is left out is left out of the card."""

    seed: int
    precision: str  #: fp32 or bf16
    hardware: str
    chat_template: str  #: Jinja; by default that of the stage
    data: DataAbout
    loss: Mapping[str, Curve]  #: by stage: (step, training loss)
    held_out: Mapping[str, Curve]  #: by stage: (step, loss on held-out samples), first before the first step


_BARS = "▁▂▃▄▅▆▇█"
_HUB = re.compile(r"^[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*$")


def card(
    model: Architecture,
    config: TuneConfig,
    stage: StageConfig,
    about: Mapping[str, Any],
    *,
    base: str | None = None,
) -> str:
    """Markdown with the hub's YAML header. No path of the machine gets in, and no value of a secret.

    Args:
        model: As it was tuned.
        config: Of the tuning.
        stage: The last one that the model went through.
        about: See ``About``.
        base: Where the weights below adapters are, ``FOLDER/base`` or a hub id; ``None`` where there are none.
    """
    adapters = base is not None
    blocks = [
        _header(model, config, adapters),
        f"# {_title(config)}, tuned by vlit ({stage.name})",
        _summary(model, config),
        "## Data",
        _data(about.get("data", {})),
        "## How it learnt",
        *_learning(config, stage, about),
        "## How to load it",
        _loading(model, base),
        "## How to serve it",
        serving(model, adapters=adapters),
        "## Settings",
        f"```yaml\n{_settings(config, stage)}```",
        "## Limits",
        _limits(model, config, adapters),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def public(name: str) -> str:
    """A model's name as others may see it: a hub id as it is, of a folder the last name alone."""
    return name if _HUB.match(name) else PurePath(name).name or name


def sparkline(values: Sequence[float], width: int = 48) -> str:
    """A curve in one line of text, of means of equal stretches; the highest bar is the largest value."""
    finite = [v for v in values if v == v and abs(v) != float("inf")]
    if not finite:
        return ""
    columns = min(width, len(finite))
    means = []
    for i in range(columns):
        piece = finite[i * len(finite) // columns : (i + 1) * len(finite) // columns]
        means.append(sum(piece) / len(piece))
    low, span = min(means), max(means) - min(means)
    return "".join(_BARS[round((v - low) / span * 7) if span else 0] for v in means)


def _names(config: TuneConfig) -> list[str]:
    parts = config.model
    return [name for name in (parts.checkpoint, parts.vision, parts.llm) if name is not None]


def _title(config: TuneConfig) -> str:
    return " + ".join(public(name).rpartition("/")[2] for name in _names(config))


def _header(model: Architecture, config: TuneConfig, adapters: bool) -> str:
    header: dict[str, Any] = {
        "library_name": "peft" if adapters else "transformers",
        "pipeline_tag": "image-text-to-text",
        "tags": ["vlit", "visual-instruction-tuning", model.name],
    }
    if bases := [name for name in _names(config) if _HUB.match(name)]:
        header["base_model"] = bases
    return f"---\n{yaml.safe_dump(header, sort_keys=False)}---"


def _summary(model: Architecture, config: TuneConfig) -> str:
    whole = config.model.checkpoint is not None
    made = "tuned from" if whole else "assembled from"
    names = " and ".join(f"`{public(name)}`" for name in _names(config))
    kind = type(model.model).__name__
    return f"A `{kind}` ({model.name}), {made} {names}. It reads images and text, and answers in text."


def _data(data: Mapping[str, Any]) -> str:
    labels = {
        "samples": "samples trained on",
        "held_out": "samples held out",
        "images": "images",
        "label_tokens": "tokens that the loss was taken of",
    }
    lines = [f"- {label}: {data[key]:,}" for key, label in labels.items() if key in data]
    if "fingerprint" in data:
        lines.append(f"- fingerprint: `{data['fingerprint']}`")
    for key in ("sources", "licences"):
        if found := data.get(key):
            counts = sorted(found.items(), key=lambda item: (-item[1], item[0]))
            lines.append(f"- {key}: " + ", ".join(f"{public(str(name))} {n:,}" for name, n in counts))
    if not data.get("licences"):
        lines.append("- licences: not known to the run; those of the images and of the answers hold")
    return "\n".join(lines)


def _learning(config: TuneConfig, last: StageConfig, about: Mapping[str, Any]) -> Iterator[str]:
    rows = ["| stage | vision | connector | llm | batch | length | schedule |", "|---|---|---|---|---|---|---|"]
    done = stages_until(config, last)
    for own in done:
        cells = [_cell(own, part) for part in ("vision", "connector", "llm")]
        length = f"{own.steps:,} steps" if own.steps else f"{own.epochs:g} epoch{'s' * (own.epochs != 1)}"
        rows.append(f"| {own.name} | {' | '.join(cells)} | {own.batch} | {length} | {own.schedule} |")
    yield "\n".join(rows)
    for own in done:
        if block := _curves(own.name, about):
            yield block
    if hardware := about.get("hardware"):
        yield f"On {hardware}, {about.get('precision', config.precision)}."


def stages_until(config: TuneConfig, last: StageConfig) -> tuple[StageConfig, ...]:
    """The stages that a model went through when ``last`` has ended."""
    names = [own.name for own in config.stages]
    return config.stages[: names.index(last.name) + 1] if last.name in names else (last,)


def _cell(stage: StageConfig, part: str) -> str:
    how, rate = getattr(stage.trainable, part), getattr(stage.lr, part)
    return "frozen" if how == "frozen" else f"{how}, {rate:g}" if rate is not None else str(how)


def _curves(name: str, about: Mapping[str, Any]) -> str:
    lines = []
    if loss := about.get("loss", {}).get(name):
        values = [value for _, value in loss]
        lines.append(
            f"{name}, training loss, {loss[0][1]:.3f} to {loss[-1][1]:.3f}:\n\n    {sparkline(values)}"
        )
    if held := about.get("held_out", {}).get(name):
        lines.append(
            f"{name}, loss on held-out samples: {held[0][1]:.4f} before (step {held[0][0]}), "
            f"{held[-1][1]:.4f} after (step {held[-1][0]})."
        )
    return "\n\n".join(lines)


def _loading(model: Architecture, base: str | None) -> str:
    code = f"```python\n{loading(model, base=base)}\n```"
    if base is None:
        return code
    return f"These are adapters; the weights that they sit on are `{base}`.\n\n{code}"


def _settings(config: TuneConfig, last: StageConfig) -> str:
    given = config.model_dump(mode="json", exclude_defaults=True, exclude={"data"})
    keep = {own.name for own in stages_until(config, last)}
    if "stages" in given:
        given["stages"] = [own for own in given["stages"] if own.get("name", "instruct") in keep]
        for own in given["stages"]:
            own.pop("data", None)
    return yaml.safe_dump(_scrubbed({"tune": given}), sort_keys=False, allow_unicode=True)


def _scrubbed(value: Any) -> Any:
    """The same without folders of this machine."""
    if isinstance(value, Mapping):
        return {key: _scrubbed(found) for key, found in value.items()}
    if isinstance(value, (list, tuple)):
        return [_scrubbed(found) for found in value]
    if isinstance(value, str) and ("/" in value or "\\" in value):
        return public(value)
    return value


def _limits(model: Architecture, config: TuneConfig, adapters: bool) -> str:
    lines = [
        f"- Tuned on samples of at most {config.max_length} tokens; what it does beyond has not been measured.",
        "- It can name what is not in the picture. Its answers are no ground for decisions about people.",
        "- No benchmark has been run by the tuning itself: losses above are on samples of its own kind.",
    ]
    if vllm_lists(model) and not adapters:
        lines.append("- `vllm serve` has not been run on this checkpoint; the class is in vLLM's list.")
    return "\n".join(lines)
