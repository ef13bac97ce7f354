"""Recipes: YAML, checked whole before anything starts; errors name the line, the key and the nearest key."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydantic
import yaml

from vlit.data.errors import VlitError, nearest
from vlit.data.registry import Registry
from vlit.data.score import shown
from vlit.run.folder import RunFolder
from vlit.run.record import read_record
from vlit.run.stage import Config, Setting, Stage

#: The stages in the order in which data flows through them.
STAGES = Registry(
    "vlit.stages",
    {
        "collect": "vlit.collect.stage:CollectStage",
        "load": "vlit.formats.load:LoadStage",
        "generate": "vlit.generate.stage:GenerateStage",
        "assess": "vlit.assess.stage:AssessStage",
        "select": "vlit.select.stage:SelectStage",
        "export": "vlit.formats.stage:ExportStage",
        "report": "vlit.report.stage:ReportStage",
    },
)

Location = tuple[int | str, ...]


class Head(Config):
    """Keys of a recipe that belong to no stage."""

    name: str = pydantic.Field(pattern=r"^\w[\w.-]*$", description="the run's folder name")
    seed: int = pydantic.Field(
        default=0, ge=0, lt=2**63, description="all randomness is drawn from it and the ids"
    )


@dataclass(frozen=True)
class Recipe:
    """A checked recipe: its stages are ready to run."""

    name: str
    seed: int
    text: str
    base: Path  #: folder that relative paths refer to
    stages: Sequence[Stage[Any]]


def load_recipe(path: Path, overrides: Iterable[str] = ()) -> Recipe:
    """Read and check a recipe file.

    Args:
        path: The YAML file; relative paths in it are relative to its folder.
        overrides: ``"collect.sources.0.path=photos"``: keys to set before the check.

    Raises:
        VlitError: With every mistake at once, each with line, key and what is known.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise VlitError(f"cannot read the recipe: {error}", where=str(path)) from error
    return parse_recipe(text, base=path.parent.resolve(), where=str(path), overrides=overrides)


def parse_recipe(text: str, *, base: Path, where: str = "recipe", overrides: Iterable[str] = ()) -> Recipe:
    """Check a recipe's text; see :func:`load_recipe`."""
    tree, values = _parse(text, where)
    overrides = list(overrides)
    for override in overrides:
        _override(values, override)
    if overrides:  # the run keeps the recipe as it was run, not as it was written
        text = f"# changed by --set {' --set '.join(map(shown, overrides))}\n" + dump(values)
    stages = {name: values.pop(name) for name in STAGES.names() if name in values}
    mistakes: list[str] = []

    def check(model: type[Config], given: Any, at: Location, extra: Iterable[str] = ()) -> Any:
        try:
            return model.model_validate({} if given is None else given)
        except pydantic.ValidationError as error:
            mistakes.extend(_mistake(item, model, at, tree, where, extra) for item in error.errors())
            return None

    head = check(Head, values, (), extra=STAGES.names())
    configs = {name: check(STAGES.load(name).Config, given, (name,)) for name, given in stages.items()}
    if mistakes:
        raise VlitError(
            f"the recipe has {len(mistakes)} mistake{'s' * (len(mistakes) > 1)}:\n  " + "\n  ".join(mistakes),
            todo="correct them; nothing was started",
        )
    setting = Setting(seed=head.seed, base=base)
    ready = [STAGES.load(name)(config, setting) for name, config in configs.items()]
    _check_flow(ready, where)
    return Recipe(name=head.name, seed=head.seed, text=text, base=base, stages=ready)


def kept_recipe(run: RunFolder) -> tuple[dict[str, Any], Path]:
    """The recipe that a run folder keeps, as values, and the folder that its relative paths start at.

    Raises:
        VlitError: When there is no run, or its recipe was damaged.
    """
    run.check()
    _, values = _parse(run.recipe.read_text(encoding="utf-8"), str(run.recipe))
    return values, Path(read_record(run.record).base or run.path)


def dump(values: Mapping[str, Any]) -> str:
    """A recipe as YAML text, keys in the order given."""
    return yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True)


def _parse(text: str, where: str) -> tuple[yaml.Node, dict[str, Any]]:
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise VlitError(f"this is not YAML: {error}", where=where) from error
    if not isinstance(tree, yaml.MappingNode) or not isinstance(values, dict):
        raise VlitError(
            "a recipe is a mapping of keys to values",
            where=where,
            todo=f"start with `name: my-run`, then stages: {', '.join(STAGES.names())}",
        )
    _refuse_repeats(tree, where)
    return tree, values


def _refuse_repeats(node: yaml.Node, where: str) -> None:
    """YAML keeps the last of two equal keys and says nothing; here that is a mistake."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_repeats(item, where)
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.value in seen:
                raise VlitError(
                    f"the key {key.value!r} stands twice (lines {seen[key.value]} and {line})",
                    where=f"{where}:{line}",
                    todo="keep one of them",
                )
            seen[key.value] = line
            _refuse_repeats(value, where)


def _override(values: dict[str, Any], override: str) -> None:
    path, equals, text = override.partition("=")
    if not equals:
        raise VlitError(f"--set needs KEY=VALUE, not {override!r}", todo="e.g. --set seed=7")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise VlitError(f"--set {path}: {text!r} is not YAML: {shown(str(error))}", todo="quote it") from error
    *parents, last = path.split(".")
    at: Any = values
    for key in parents:
        if isinstance(at, list):
            at = at[_index(key, at, override)]
        elif isinstance(at, dict):
            if at.get(key) is None:
                at[key] = {}
            at = at[key]
        else:
            raise VlitError(f"--set {override}: {key!r} lies below a plain value")
    if isinstance(at, list):
        at[_index(last, at, override)] = value
    elif isinstance(at, dict):
        at[last] = value
    else:
        raise VlitError(f"--set {override}: {last!r} lies below a plain value")


def _index(key: str, items: list[Any], override: str) -> int:
    if not key.isdigit() or int(key) >= len(items):
        raise VlitError(f"--set {override}: {key!r} is no position in a list of {len(items)}")
    return int(key)


def _mistake(
    item: Any, model: type[Config], at: Location, tree: yaml.Node, where: str, extra: Iterable[str]
) -> str:
    location: Location = (*at, *item["loc"])
    dotted = ".".join(map(str, location)) or "(top)"
    message = item["msg"].removeprefix("Value error, ")
    if item["type"] == "extra_forbidden":
        known = [*_known_keys(model, item["loc"][:-1]), *extra]
        message = f"unknown key; {nearest(str(location[-1]), known)}"
    elif item["type"] != "missing":
        message += f" (found {shown(repr(item['input']))})"
    return f"{where}:{_line(tree, location)}: {dotted}: {message}"


def _line(node: yaml.Node, location: Location) -> int:
    """Line of the deepest key of ``location`` that the text holds."""
    line = node.start_mark.line + 1
    for key in location:
        if isinstance(node, yaml.MappingNode):
            for name, value in node.value:
                if name.value == str(key):
                    line, node = name.start_mark.line + 1, value
                    break
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            node = node.value[key]
            line = node.start_mark.line + 1
        # else: a tag of a union, which stands nowhere in the text
    return line


def _known_keys(model: type[Config], location: Location) -> set[str]:
    """Keys that the model at ``location`` takes; of all variants where it is a union."""
    models: set[type[pydantic.BaseModel]] = {model}
    for key in location:
        below = {
            found
            for m in models
            if key in m.model_fields
            for found in _models_in(m.model_fields[str(key)].annotation)
        }
        models = below or models  # an index or a union's tag: the same models still hold
    return {name for m in models for name in m.model_fields}


def _models_in(hint: Any) -> set[type[pydantic.BaseModel]]:
    if isinstance(hint, type) and issubclass(hint, pydantic.BaseModel):
        return {hint}
    return {found for inner in typing.get_args(hint) for found in _models_in(inner)}


def _check_flow(stages: Sequence[Stage[Any]], where: str) -> None:
    if not stages:
        raise VlitError(
            "the recipe names no stage", where=where, todo=f"add one of: {', '.join(STAGES.names())}"
        )
    made: set[str] = {"quarantine"}
    for stage in stages:
        for table in stage.reads:
            if table not in made and table not in stage.optional:
                raise VlitError(
                    f"the stage {stage.name!r} reads the table {table!r}, which no stage before it writes",
                    where=where,
                    todo=f"add the stage that writes {table!r} to the recipe",
                )
        for table in stage.writes:
            if table in made:
                raise VlitError(
                    f"{stage.name!r} and a stage before it both write the table {table!r}",
                    where=where,
                    todo="keep one of them, or make two runs",
                )
        made.update(stage.writes)
