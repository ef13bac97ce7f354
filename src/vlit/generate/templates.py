"""Pools of templates: data files with the wordings of every task, checked when they are read.

A pool file is a YAML mapping: group → list of templates. A template is a text with slots such as ``{a_label}``,
or ``{text: ..., weight: 5}`` for one that is to come more often. Its id is made from its words, so that an id
always names one wording.
"""

from __future__ import annotations

import hashlib
import string
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import yaml

from vlit.data.errors import VlitError, nearest
from vlit.generate.fact import Task

#: Group → the slots that its templates may hold.
Slots = Mapping[str, tuple[str, ...]]
#: The pool of format instructions, which all tasks share; no slots.
FORMATS = "formats"


class Template(msgspec.Struct, frozen=True, gc=False):
    """One wording."""

    id: str  #: task/group/digest of the text
    text: str


class Pools(msgspec.Struct, frozen=True):
    """All wordings: task → group → templates; one with weight 5 stands five times."""

    groups: dict[str, dict[str, tuple[Template, ...]]]

    def pick(self, task: str, group: str, rng: Random) -> Template:
        """One template of a group."""
        found = self.groups[task][group]
        return found[int(rng.random() * len(found))]

    def has(self, task: str, group: str) -> bool:
        """Whether the pool has templates in that group."""
        return bool(self.groups.get(task, {}).get(group))

    def texts(self, task: str, group: str) -> list[str]:
        """The distinct wordings of a group."""
        return list(dict.fromkeys(t.text for t in self.groups[task][group]))

    def find(self, template: str) -> Template | None:
        """The template of an id, or ``None`` when the pools hold it no more."""
        task, group, _ = template.split("/")
        return next((t for t in self.groups.get(task, {}).get(group, ()) if t.id == template), None)


def load(tasks: Mapping[str, Task[Any]], folder: Path | None = None) -> Pools:
    """Read and check the pools of the tasks and the format instructions.

    Args:
        tasks: By name.
        folder: A user's pools: ``<task>.yaml`` with the groups that are to be replaced.

    Raises:
        VlitError: When a file, group or slot is not what the task declares.
    """
    formats = _read_builtin(FORMATS, Task.package, None)
    declared: dict[str, Slots] = {name: task.groups for name, task in tasks.items()}
    declared[FORMATS] = dict.fromkeys(formats, ())
    own = _read_folder(folder, declared) if folder else {}
    groups: dict[str, dict[str, tuple[Template, ...]]] = {}
    for task, slots in declared.items():
        built_in = formats if task == FORMATS else _read_builtin(task, tasks[task].package, slots)
        pool = built_in | own.get(task, {})
        missing = [group for group in slots if not pool.get(group)]
        if missing:
            raise VlitError(
                f"the task {task!r} needs templates in the group {missing[0]!r}", todo=f"add it to {task}.yaml"
            )
        groups[task] = pool
    return Pools(groups)


def _read_builtin(task: str, package: str, declared: Slots | None) -> dict[str, tuple[Template, ...]]:
    file = resources.files(package).joinpath("pools", f"{task}.yaml")
    return _parse(file.read_text(encoding="utf-8"), task, f"{task}.yaml", declared)


def _read_folder(folder: Path, declared: Mapping[str, Slots]) -> dict[str, dict[str, tuple[Template, ...]]]:
    if not folder.is_dir():
        raise VlitError("there is no folder of pools", where=str(folder), todo="create it, or remove `pools`")
    found: dict[str, dict[str, tuple[Template, ...]]] = {}
    for path in sorted(folder.glob("*.y*ml")):
        if path.stem not in declared:
            raise VlitError(
                f"no task is called {path.stem!r}", where=str(path), todo=nearest(path.stem, declared)
            )
        text = path.read_text(encoding="utf-8")
        found[path.stem] = _parse(text, path.stem, str(path), declared[path.stem])
    return found


def _parse(text: str, task: str, where: str, declared: Slots | None) -> dict[str, tuple[Template, ...]]:
    """Read and check one file; ``declared`` is None where any group without slots is right."""
    try:
        raw = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise VlitError(f"this is not YAML: {error}", where=where) from error
    if not isinstance(raw, dict) or not all(isinstance(v, list) for v in raw.values()):
        raise VlitError("a pool is a mapping of groups to lists of templates", where=where)
    pool: dict[str, tuple[Template, ...]] = {}
    for group, items in raw.items():
        if declared is not None and group not in declared:
            raise VlitError(
                f"{task!r} has no group {group!r}",
                where=f"{where}:{_line(text, f'{group}:')}",
                todo=nearest(str(group), declared),
            )
        templates = [t for item in items for t in _templates(item, task, group, where)]
        for template in templates:
            _check(template, declared[group] if declared else (), f"{where}:{_line(text, template.text)}")
        pool[group] = tuple(templates)
    return pool


def _check(template: Template, slots: tuple[str, ...], where: str) -> None:
    try:
        for _, slot, spec, conversion in string.Formatter().parse(template.text):
            if slot is None:
                continue
            if spec or conversion or not slot.isidentifier():
                raise ValueError(f"a slot is a plain name, not {{{slot}}}")
            if slot not in slots:
                raise VlitError(
                    f"there is no slot {{{slot}}} here: {template.text!r}",
                    where=where,
                    todo=nearest(slot, slots),
                )
    except ValueError as error:
        raise VlitError(
            f"{error}: {template.text!r}", where=where, todo="write {{ and }} for plain braces"
        ) from None


def _line(text: str, words: str) -> int:
    """Number of the first line that holds the words, or their beginning where they go over several lines."""
    start = words[:30].strip()
    return next((n for n, line in enumerate(text.splitlines(), 1) if start in line), 1)


def _templates(item: Any, task: str, group: str, where: str) -> list[Template]:
    weight = 1
    if isinstance(item, dict) and item.keys() <= {"text", "weight"}:
        item, weight = item.get("text"), item.get("weight", 1)
    if not isinstance(item, str) or not item.strip() or not isinstance(weight, int) or weight < 1:
        raise VlitError(
            f"a template is a text, or {{text: ..., weight: 2}}, not {item!r}",
            where=f"{where}: {group}",
            todo="put quotes around a text that begins with a slot or holds a colon",
        )
    return [template_of(task, group, item)] * weight


def template_of(task: str, group: str, text: str) -> Template:
    """The template of a wording."""
    digest = hashlib.blake2b(text.encode(), digest_size=4).hexdigest()
    return Template(f"{task}/{group}/{digest}", text.strip())
