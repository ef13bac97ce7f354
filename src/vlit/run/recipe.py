"""Recipes: YAML, checked whole before anything starts; errors name the line, the key and the nearest key."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pydantic
import yaml

from vlit.data.errors import VlitError, nearest
from vlit.data.registry import Registry
from vlit.data.score import shown
from vlit.run.folder import RunFolder
from vlit.run.named import worded
from vlit.run.recipe_text import dump, line_of, parse, read_values, set_key, text_of
from vlit.run.record import read_record
from vlit.run.stage import Config, Setting, Stage

#: The stages in the order in which data flows through them.
STAGES = Registry(
    "vlit.stages",
    {
        "collect": "vlit.collect.stage:CollectStage",
        "load": "vlit.formats.load:LoadStage",
        "mix": "vlit.formats.mix:MixStage",
        "look": "vlit.select.look:LookStage",
        "choose": "vlit.select.choose:ChooseStage",
        "generate": "vlit.generate.stage:GenerateStage",
        "observe": "vlit.assess.observe:ObserveStage",
        "assess": "vlit.assess.stage:AssessStage",
        "select": "vlit.select.stage:SelectStage",
        "export": "vlit.formats.stage:ExportStage",
        "tune": "vlit.tune.stage:TuneStage",
        "evaluate": "vlit.evaluate.stage:EvaluateStage",
        "report": "vlit.report.stage:ReportStage",
    },
)

#: Keys of a recipe that several stages share.
SHARED = Registry("vlit.shared", {"teacher": "vlit.teacher.config:TeacherConfig"})

Location = tuple[int | str, ...]


class Head(Config):
    """Keys of a recipe that belong to no stage."""

    name: str = pydantic.Field(description="the run's folder name")
    seed: int = pydantic.Field(
        default=0, ge=0, lt=2**63, description="all randomness is drawn from it and the ids"
    )

    @pydantic.field_validator("name")
    @classmethod
    def _names_a_folder(cls, name: str) -> str:
        if not re.fullmatch(r"\w[\w.-]*", name):
            raise ValueError(
                "it names the run's folder: letters, digits, '_', '-' and '.', a letter or digit first"
            )
        return name


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
    return parse_recipe(text_of(path), base=path.parent.resolve(), where=str(path), overrides=overrides)


def parse_recipe(text: str, *, base: Path, where: str = "recipe", overrides: Iterable[str] = ()) -> Recipe:
    """Check a recipe's text; see :func:`load_recipe`."""
    tree, values = parse(text, where)
    overrides = list(overrides)
    for override in overrides:
        set_key(values, override)
    if overrides:  # the run keeps the recipe as it was run, not as it was written
        text = f"# changed by --set {' --set '.join(map(shown, overrides))}\n" + dump(values)
    source = _Source(tree, where, [override.partition("=")[0] for override in overrides])
    stages = {name: values.pop(name) for name in STAGES.names() if name in values}
    teacher = values.pop("teacher", None)
    mistakes: list[tuple[int, str]] = []

    def check(model: type[Config], given: Any, at: Location, extra: Iterable[str] = ()) -> Any:
        try:
            return model.model_validate({} if given is None else given)
        except pydantic.ValidationError as error:
            mistakes.extend(_mistake(item, model, at, source, extra) for item in error.errors())
            return None

    head = check(Head, values, (), extra=[*STAGES.names(), *SHARED.names()])
    if teacher not in (None, "none"):
        teacher = check(SHARED.load("teacher"), teacher, ("teacher",))
    configs = {name: check(STAGES.load(name).Config, given, (name,)) for name, given in stages.items()}
    _refuse(mistakes)
    for config in list(configs.values()):
        for name, settings in config.implies().items():
            configs.setdefault(name, STAGES.load(name).Config.model_validate(settings))
    setting = Setting(seed=head.seed, base=base, teacher=teacher)
    ready = [STAGES.load(name)(configs[name], setting) for name in STAGES.names() if name in configs]
    _check_flow(ready, where)
    _refuse(list(_unknown_names(ready, source)))
    return Recipe(name=head.name, seed=head.seed, text=text, base=base, stages=ready)


def kept_recipe(run: RunFolder) -> tuple[dict[str, Any], Path]:
    """The recipe that a run folder keeps, as values, and the folder that its relative paths start at.

    Raises:
        VlitError: When there is no run, or its recipe was damaged.
    """
    run.check()
    return read_values(run.recipe), Path(read_record(run.record).base or run.path)


def _refuse(mistakes: list[tuple[int, str]]) -> None:
    if mistakes:
        told = "\n  ".join(text for _, text in sorted(mistakes))
        raise VlitError(
            f"the recipe has {len(mistakes)} mistake{'s' * (len(mistakes) > 1)}:\n  {told}",
            todo="correct them; nothing was started",
        )


@dataclass(frozen=True)
class _Source:
    """Where the recipe's values come from."""

    tree: yaml.Node
    where: str
    overrides: Sequence[str]  #: dotted keys that were set on the command line

    def mistake(self, location: Location, message: str) -> tuple[int, str]:
        """A mistake with its line, or with the ``--set`` that it came by; sorts by line."""
        dotted = ".".join(map(str, location))
        line = line_of(self.tree, location)
        ours = any(f"{dotted}.".startswith(f"{key}.") for key in self.overrides)
        return line, f"{'--set' if ours else f'{self.where}:{line}:'} {_placed(location, message)}"


def _placed(location: Location, message: str) -> str:
    """A message behind its key; one about the whole has none."""
    return f"{'.'.join(map(str, location))}: {message}" if location else message


def _mistake(
    item: Any, model: type[Config], at: Location, source: _Source, extra: Iterable[str]
) -> tuple[int, str]:
    location: Location = (*at, *item["loc"])
    return source.mistake(location, _explained(item, model, extra))


def _explained(item: Any, model: type[Config], extra: Iterable[str] = ()) -> str:
    """What is wrong with one value, and what was probably meant."""
    message = worded(item)
    if item["type"] == "extra_forbidden":
        return f"unknown key; {nearest(str(item['loc'][-1]), [*_known_keys(model, item['loc'][:-1]), *extra])}"
    if item["type"] not in ("missing", "unknown_name", "secret") and not isinstance(item["input"], Mapping):
        message += f" (found {shown(repr(item['input']))})"
    return message


M = TypeVar("M", bound=Config)


def checked(model: type[M], values: Mapping[str, Any], where: str) -> M:
    """A config from Python values, with the errors of a recipe.

    Raises:
        VlitError: With every mistake at once.
    """
    try:
        return model.model_validate(values)
    except pydantic.ValidationError as error:
        said = [_placed(item["loc"], _explained(item, model)) for item in error.errors()]
        raise VlitError("; ".join(said), where=where) from None


def checked_file(model: type[M], path: Path, start: str) -> M:
    """A config from a YAML file of its own, such as an instruction recipe, with the errors of a recipe.

    Args:
        model: Of the config.
        path: The file.
        start: What to do where it is no mapping.

    Raises:
        VlitError: With every mistake at once, each with line and key.
    """
    tree, values = parse(text_of(path), str(path), start)
    try:
        return model.model_validate(values)
    except pydantic.ValidationError as error:
        source = _Source(tree, str(path), ())
        _refuse([_mistake(item, model, (), source, ()) for item in error.errors()])
        raise  # there is no error without mistakes


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


def _unknown_names(stages: Sequence[Stage[Any]], source: _Source) -> Iterator[tuple[int, str]]:
    """Names that a stage asks for and no stage before it brings, such as a gate on an unknown indicator."""
    known: dict[str, list[str]] = {}
    untaught: dict[str, list[str]] = {}
    made: set[str] = set()
    for stage in stages:
        for table, name, place in stage.asks():
            if table not in made and table not in known:
                said = f"no stage before it makes {table}; add the one that does"
            elif name in untaught.get(table, ()) and name not in known.get(table, ()):
                said = f"no {table} of that name are made with `teacher: none`; name a teacher, or remove this"
            elif table in known and name not in known[table]:
                said = f"no {table} of that name are made; {nearest(name, known[table])}"
            else:
                continue
            yield source.mistake((stage.name, *place), said)
        made.update(stage.writes)
        for table, names in stage.names().items():
            known.setdefault(table, []).extend(names)
        for table, names in stage.untaught().items():
            untaught.setdefault(table, []).extend(names)


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
