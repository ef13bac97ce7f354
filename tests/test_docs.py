"""The documentation, held against the code: every key with its default, every column, every command."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pydantic
import pytest
import yaml

from tests.conftest import REPOSITORY
from vlit.assess.registry import INDICATORS
from vlit.cli import COMMANDS, group
from vlit.collect.importer import Importer
from vlit.collect.registry import IMPORTERS
from vlit.evaluate.config import EvaluatedModel
from vlit.evaluate.registry import BENCHMARKS
from vlit.formats.mix_config import MixSet
from vlit.formats.stage import FileConfig
from vlit.generate.config import AdaptConfig
from vlit.generate.instruct.config import InstructConfig
from vlit.generate.instruct.recipe import (
    CluesConfig,
    ExamplesConfig,
    PromptRecipe,
    ReplyConfig,
    SamplingConfig,
)
from vlit.generate.tasks import TASKS
from vlit.run.folder import TABLES
from vlit.run.recipe import STAGES, Head, parse_recipe
from vlit.run.stage import Config
from vlit.select.gates import Gate
from vlit.select.method import BalanceConfig, KeepConfig
from vlit.select.rules import VariantsConfig
from vlit.teacher.config import BatchConfig, BudgetConfig, EndpointConfig, PriceConfig, TeacherConfig
from vlit.tune.config import DataConfig, HeldOut, LoraConfig, ModelConfig, StageConfig, Trainable

DOCS = REPOSITORY / "docs"
PAGES = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]
KEYS = (DOCS / "keys.md").read_text()

#: Heading in keys.md -> the config that it lists.
LISTED: dict[str, type[pydantic.BaseModel]] = {
    "All keys of a recipe": Head,
    "Every source": Importer,
    "adapt": AdaptConfig,
    "teacher": TeacherConfig,
    "An endpoint": EndpointConfig,
    "A price": PriceConfig,
    "A budget": BudgetConfig,
    "Batch files": BatchConfig,
    "instruct": InstructConfig,
    "An instruction recipe": PromptRecipe,
    "Clues": CluesConfig,
    "Examples": ExamplesConfig,
    "A reply": ReplyConfig,
    "Sampling": SamplingConfig,
    "A set": MixSet,
    "A gate": Gate,
    "Keep": KeepConfig,
    "A balance": BalanceConfig,
    "Variants": VariantsConfig,
    "A file": FileConfig,
    "A model": ModelConfig,
    "A model that answers": EvaluatedModel,
    "A stage of tuning": StageConfig,
    "Trainable": Trainable,
    "Data of a stage": DataConfig,
    "LoRA": LoraConfig,
    "Held out": HeldOut,
    **{
        n: STAGES.load(n).Config
        for n in (
            "collect",
            "load",
            "mix",
            "choose",
            "observe",
            "assess",
            "select",
            "tune",
            "evaluate",
            "report",
        )
    },
    **{n: BENCHMARKS.load(n).Config for n in BENCHMARKS.names()},
    **{n: IMPORTERS.load(n) for n in IMPORTERS.names()},
    **{n: INDICATORS.load(n).Config for n in INDICATORS.names() if INDICATORS.load(n).Config.model_fields},
}


#: Tables with the same columns are listed once.
SHARED_HEADINGS = {
    **dict.fromkeys(("samples", "selected"), "samples, selected"),
    **dict.fromkeys(("pictures", "scene_pictures"), "pictures, scene_pictures"),
}


def section(text: str, heading: str) -> str:
    """What stands under a heading, up to the next one of any level."""
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"no heading {heading!r}"
    return found[1]


def rows(text: str) -> list[list[str]]:
    """Cells of the tables' rows that begin with code."""
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def written(field: pydantic.fields.FieldInfo) -> str:
    if field.is_required():
        return "required"
    value: Any = field.get_default(call_default_factory=True)
    if isinstance(value, tuple) and value and isinstance(value[0], Config):
        value = None
    if value in (None, "", ()) or value == {} or isinstance(value, Config):
        return "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


@pytest.mark.parametrize("heading", LISTED)
def test_every_key_is_listed_with_its_default(heading: str) -> None:
    model = LISTED[heading]
    base = set() if model is Importer or not issubclass(model, Importer) else set(Importer.model_fields)
    fields = {n: f for n, f in model.model_fields.items() if n not in base}
    listed = {row[0].strip("`"): row[1] for row in rows(section(KEYS, heading))}
    assert set(listed) == set(fields)
    for name, default in listed.items():
        if default != "all":  # all tasks
            assert default == written(fields[name]), f"{heading}.{name} in docs/keys.md"


def test_every_setting_of_a_task_is_listed() -> None:
    listed = {row[0].strip("`"): row for row in rows(section(KEYS, "Settings of the tasks"))}
    assert list(listed) == TASKS.names()
    for name, (_, per_scene, others) in listed.items():
        fields = TASKS.load(name).Config.model_fields
        told = dict(re.findall(r"`(\w+): ([\w.]+)`", others)) | {"per_scene": per_scene.strip("`")}
        assert told == {n: str(f.default).lower() for n, f in fields.items()}, f"{name} in docs/keys.md"


@pytest.mark.parametrize("table", TABLES)
def test_every_column_is_listed(table: str) -> None:
    heading = SHARED_HEADINGS.get(table, table)
    found = rows(section((DOCS / "tables.md").read_text(), heading))
    listed = [name for row in found for name in re.findall(r"`(\w+)`", row[0])]
    assert sorted(listed) == sorted(TABLES[table].__struct_fields__)


def blocks(language: str) -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for number, text in enumerate(re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)):
            yield f"{page.name}:{number}", text


@pytest.mark.parametrize(("where", "text"), [b for b in blocks("yaml") if "# Slots" not in b[1]])
def test_recipes_in_the_documentation_are_right(where: str, text: str, tmp_path: Path) -> None:
    values = yaml.safe_load(text)
    # A page that shows one stage leaves out those before it.
    before: dict[str, Any] = {
        "collect": {"sources": [{"kind": "auto", "path": "."}]},
        "generate": None,
        "assess": None,
    }
    if "tune" in values:
        before["select"] = None
    needed = {k: v for k, v in before.items() if not {"load", "mix"} & set(values) or k == "assess"}
    parse_recipe(yaml.safe_dump({"name": "x", **needed, **values}), base=tmp_path, where=where)


@pytest.mark.parametrize(("where", "text"), list(blocks("bash")))
def test_commands_in_the_documentation_exist(where: str, text: str) -> None:
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line.split()[:1]]
    for line in lines:
        program, *arguments = shlex.split(line, comments=True)
        if Path(program).name == "make":
            assert re.search(rf"^{arguments[0]}:", (REPOSITORY / "Makefile").read_text(), re.MULTILINE), line
        if Path(program).name == "vlit":
            assert arguments[0] in COMMANDS, line
            command = group.get_command(click.Context(group), arguments[0])
            assert command is not None
            known = {option for parameter in command.params for option in parameter.opts}
            assert {a for a in arguments if a.startswith("--")} <= known, line


def test_every_page_is_in_the_navigation() -> None:
    text = (REPOSITORY / "mkdocs.yml").read_text()
    named = re.findall(r"^  - [^:]+: (\S+\.md)$", text, re.MULTILINE)
    assert sorted(named) == sorted(page.name for page in DOCS.glob("*.md"))


def test_the_python_of_the_documentation_runs(
    tmp_path: Path, demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "photos").symlink_to(demo)
    (tmp_path / "recipes").symlink_to(REPOSITORY / "recipes")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "__main__"}
    for where, text in blocks("python"):
        if where.startswith(("README", "python")):
            exec(compile(text.replace("(recipe, run)", "(recipe, run, workers=1)"), where, "exec"), names)
    assert len(names["kept"]) > 500
    assert len(names["run"].selected) > 500
