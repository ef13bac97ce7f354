"""Presets: settings of published models, each a small YAML file that says how it differs from its parent.

A preset lies under the recipe: whatever the recipe says itself wins. Presets name no data, and nothing that
changes no weight (checkpointing, sharding, readers). What a paper leaves open, or what cannot be expressed,
their comments tell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from vlit.data.errors import VlitError, nearest

if TYPE_CHECKING:
    from rich.text import Text

_FOLDER = Path(__file__).parent / "presets"
_PARTS = ("vision", "connector", "llm")
#: What a model is assembled from; a recipe that names a checkpoint has no use for it, and the other way round.
_PIECES = ("architecture", "vision", "llm", "connector")


@dataclass(frozen=True)
class Preset:
    """Settings of a published model."""

    name: str
    values: Mapping[str, Any]  #: as under ``tune:`` in a recipe
    model: str  #: what was tuned
    source: str  #: where the settings were read
    data: Mapping[str, str]  #: by stage: what it was tuned on, and how much
    pattern: bool  #: only which parts are tuned


def preset_names() -> list[str]:
    """All presets, those of whole models first."""
    names = sorted(path.stem for path in _FOLDER.glob("*.yaml"))
    return sorted(names, key=lambda name: (load_preset(name).pattern, name))


@cache
def load_preset(name: str) -> Preset:
    """A preset, its parents below it.

    Raises:
        VlitError: When there is no preset of that name.
    """
    path = _FOLDER / f"{name}.yaml"
    if path.parent != _FOLDER or not path.is_file():
        known = (found.stem for found in _FOLDER.glob("*.yaml"))
        raise VlitError(f"there is no preset {name!r}", where="tune.preset", todo=nearest(name, known))
    own = yaml.safe_load(path.read_text(encoding="utf-8"))
    about, parent = own.pop("about"), own.pop("parent", None)
    below = load_preset(parent) if parent else None
    values = merged(below.values, own) if below else own
    sizes = {**(below.data if below else {}), **about.get("data", {})}
    data = {stage["name"]: sizes[stage["name"]] for stage in values["stages"] if stage["name"] in sizes}
    return Preset(name, values, about["model"], about["source"], data, about.get("pattern", False))


def fill(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """What stands under ``tune:``, with the preset below it.

    Mappings are joined, lists replaced; stages are joined by their names. Where the recipe lists stages, those
    are the ones that run, each over the preset's stage of its name; else all of the preset's.

    Args:
        values: As the recipe has them.

    Raises:
        VlitError: When there is no such preset, or it is not told which of its stages are meant.
    """
    name = values.get("preset")
    if not isinstance(name, str):
        return values
    below = dict(load_preset(name).values)
    _refuse_unnamed(name, below["stages"], values.get("stages"))
    model = values.get("model")
    if isinstance(model, Mapping):
        below["model"] = _fitting(below.get("model", {}), model)
    return merged(below, values)


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """One over the other; a value that is ``None`` is left out, as everywhere in a recipe."""
    found = dict(below)
    for key, value in above.items():
        if value is None:
            continue
        under = found.get(key)
        if key == "stages" and isinstance(value, (list, tuple)):
            found[key] = [_stage(under or [], own) for own in value]
        elif isinstance(value, Mapping) and (isinstance(under, Mapping) or (key == "lr" and under is not None)):
            found[key] = merged(under if isinstance(under, Mapping) else dict.fromkeys(_PARTS, under), value)
        else:
            found[key] = value
    return found


def _refuse_unnamed(name: str, below: Sequence[Mapping[str, Any]], own: Any) -> None:
    """A stage without a name is `instruct`: over a preset of several, the others would go unseen."""
    if len(below) < 2 or not isinstance(own, (list, tuple)):
        return
    if any(isinstance(stage, Mapping) and stage.get("name") is None for stage in own):
        names = [stage["name"] for stage in below]
        raise VlitError(
            f"{name} has the stages {' and '.join(names)}, and a stage of the recipe has no name",
            where="tune.stages",
            todo=f"list those that shall run: stages: [{', '.join(f'{{name: {one}}}' for one in names)}]",
        )


def _stage(below: list[Mapping[str, Any]], own: Any) -> Any:
    if not isinstance(own, Mapping):
        return own
    name = own.get("name", "instruct")
    under = dict(next((stage for stage in below if stage.get("name", "instruct") == name), {}))
    if own.get("epochs") is not None:
        under.pop("steps", None)  # which would win over epochs
    return merged(under, own)


def _fitting(below: Mapping[str, Any], own: Mapping[str, Any]) -> Mapping[str, Any]:
    """The preset's model without what the recipe's own choice of a model rules out."""
    if own.get("checkpoint") is not None:
        return {key: value for key, value in below.items() if key not in _PIECES}
    if any(own.get(key) is not None for key in ("vision", "llm")):
        return {key: value for key, value in below.items() if key != "checkpoint"}
    return below


def presets_text() -> Text:
    """What ``vlit tune --presets`` prints: name and model of each, where that was read, and its stages."""
    from rich.text import Text

    text = Text()
    for name in preset_names():
        preset = load_preset(name)
        text.append(name, style="bold").append(f"  {preset.model}\n")
        for stage, data, tuned, rate, batch, length in _rows(preset):
            told = {"tunes": tuned, "lr": rate, "batch": batch, "for": length, "on": data}
            text.append(f"    {stage}: " + ", ".join(f"{k} {v}" for k, v in told.items() if v != "-") + "\n")
        text.append(f"    from {preset.source}\n", style="dim")
    return text


def _rows(preset: Preset) -> list[tuple[str, str, str, str, str, str]]:
    """Of each stage: name, data, tuned parts, rates, batch, length; ``-`` where the recipe has to say it."""
    rows = []
    for stage in preset.values["stages"]:
        trainable = stage["trainable"]
        tuned = [
            part if how == "full" else f"{part} ({how})" for part, how in trainable.items() if how != "frozen"
        ]
        rows.append(
            (
                stage["name"],
                preset.data.get(stage["name"], "-"),
                ", ".join(tuned),
                _rate(stage),
                str(stage.get("batch", "-")),
                _length(stage),
            )
        )
    return rows


def _length(stage: Mapping[str, Any]) -> str:
    if "steps" in stage:
        return f"{stage['steps']:,} steps"
    if "epochs" not in stage:
        return "-"
    return f"{stage['epochs']} epoch{'s' if stage['epochs'] != 1 else ''}"


def _rate(stage: Mapping[str, Any]) -> str:
    given = stage.get("lr")
    if given is None:
        return "-"
    if not isinstance(given, Mapping):
        return f"{float(given):g}"
    own = {part: f"{float(rate):g}" for part, rate in given.items() if stage["trainable"][part] != "frozen"}
    return own.popitem()[1] if len(set(own.values())) == 1 else ", ".join(f"{k} {v}" for k, v in own.items())
