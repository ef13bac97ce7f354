"""Pools of templates: data files with the wordings of every task, checked when they are read.

A pool file is a YAML mapping: group → list of templates. A template is a text with slots such as ``{a_label}``,
or ``{text: ..., weight: 5}`` for one that is to come more often. Its id is made from its words, so that an id in a
sample's provenance always names one wording.
"""

from __future__ import annotations

import hashlib
import string
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import yaml

from vlit.data.errors import VlitError, nearest
from vlit.generate.fact import Task

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
    declared = {name: task.groups for name, task in tasks.items()}
    formats = _read_builtin(FORMATS)
    declared[FORMATS] = dict.fromkeys(formats, ())
    own = _read_folder(folder, declared) if folder else {}
    groups: dict[str, dict[str, tuple[Template, ...]]] = {}
    for task, slots in declared.items():
        pool = (formats if task == FORMATS else _read_builtin(task)) | own.get(task, {})
        for group in slots:
            if not pool.get(group):
                raise VlitError(
                    f"the task {task!r} needs templates in the group {group!r}", todo=f"add it to {task}.yaml"
                )
        groups[task] = pool
        _check(task, pool, slots, f"{task}.yaml")
    return Pools(groups)


def _check(
    task: str, pool: Mapping[str, tuple[Template, ...]], declared: Mapping[str, tuple[str, ...]], where: str
) -> None:
    for group, templates in pool.items():
        if group not in declared:
            raise VlitError(f"{task!r} has no group {group!r}", where=where, todo=nearest(group, declared))
        for template in templates:
            for slot in _slots(template.text, where):
                if slot not in declared[group]:
                    raise VlitError(
                        f"there is no slot {{{slot}}} in the group {group!r}: {template.text!r}",
                        where=where,
                        todo=nearest(slot, declared[group]),
                    )


def _slots(text: str, where: str) -> Iterator[str]:
    try:
        for _, slot, spec, conversion in string.Formatter().parse(text):
            if slot is not None:
                if spec or conversion or not slot.isidentifier():
                    raise ValueError(f"a slot is a plain name, not {{{slot}}}")
                yield slot
    except ValueError as error:
        raise VlitError(f"{error}: {text!r}", where=where, todo="write {{ and }} for plain braces") from None


def _read_builtin(task: str) -> dict[str, tuple[Template, ...]]:
    file = resources.files("vlit.generate").joinpath("pools", f"{task}.yaml")
    return _parse(file.read_text(encoding="utf-8"), task, f"{task}.yaml")


def _read_folder(
    folder: Path, declared: Mapping[str, Mapping[str, tuple[str, ...]]]
) -> dict[str, dict[str, tuple[Template, ...]]]:
    if not folder.is_dir():
        raise VlitError("there is no folder of pools", where=str(folder), todo="create it, or remove `pools`")
    found: dict[str, dict[str, tuple[Template, ...]]] = {}
    for path in sorted(folder.glob("*.y*ml")):
        if path.stem not in declared:
            raise VlitError(
                f"no task is called {path.stem!r}", where=str(path), todo=nearest(path.stem, declared)
            )
        pool = _parse(path.read_text(encoding="utf-8"), path.stem, str(path))
        _check(path.stem, pool, declared[path.stem], str(path))
        found[path.stem] = pool
    return found


def _parse(text: str, task: str, where: str) -> dict[str, tuple[Template, ...]]:
    try:
        raw = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise VlitError(f"this is not YAML: {error}", where=where) from error
    if not isinstance(raw, dict) or not all(isinstance(v, list) for v in raw.values()):
        raise VlitError("a pool is a mapping of groups to lists of templates", where=where)
    return {
        str(group): tuple(t for item in items for t in _templates(item, task, str(group), where))
        for group, items in raw.items()
    }


def _templates(item: Any, task: str, group: str, where: str) -> list[Template]:
    weight = 1
    if isinstance(item, dict) and item.keys() <= {"text", "weight"}:
        item, weight = item.get("text"), item.get("weight", 1)
    if not isinstance(item, str) or not item.strip() or not isinstance(weight, int) or weight < 1:
        raise VlitError(
            f"a template is a text, or {{text: ..., weight: 2}}, not {item!r}", where=f"{where}: {group}"
        )
    digest = hashlib.blake2b(item.encode(), digest_size=4).hexdigest()
    return [Template(f"{task}/{group}/{digest}", item.strip())] * weight
