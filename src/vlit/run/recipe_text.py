"""The text of a recipe: YAML with lines for its keys, and keys that the command line sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from vlit.data.errors import VlitError
from vlit.data.score import shown


def dump(values: Mapping[str, Any]) -> str:
    """A recipe as YAML text, keys in the order given."""
    return yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True)


def read_values(path: Path) -> dict[str, Any]:
    """A recipe file as plain values, not checked beyond being a mapping."""
    return parse(text_of(path), str(path))[1]


def text_of(path: Path) -> str:
    """The text of a recipe file.

    Raises:
        VlitError: When it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise VlitError(f"cannot read the recipe: {error.strerror or error}", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise VlitError(
            f"the recipe is not UTF-8: {error}", where=str(path), todo="save it as UTF-8"
        ) from error


#: How a recipe begins, for who gave something else.
_START = "start with `name: my-run`, then a key for each stage, such as `collect:`"


def parse(text: str, where: str, start: str = _START) -> tuple[yaml.Node, dict[str, Any]]:
    """The tree of a recipe, which knows the lines, and its values.

    Args:
        text: YAML.
        where: Its file, for errors.
        start: What to do where it is no mapping.

    Raises:
        VlitError: When it is no YAML, no mapping, or gives a key twice.
    """
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        _refuse_repeats(tree, where)
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise _not_yaml(error, where) from error
    except RecursionError as error:
        raise VlitError("an alias (*name) in it stands for itself", where=where) from error
    if not isinstance(tree, yaml.MappingNode) or not isinstance(values, dict):
        raise VlitError(
            "a recipe is a mapping of keys to values",
            where=where,
            todo=start,
        )
    return tree, values


def _not_yaml(error: yaml.YAMLError, where: str) -> VlitError:
    mark, said = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    tab = said is not None and "'\\t'" in said
    return VlitError(
        f"this is not YAML: {said or error}",
        where=f"{where}:{mark.line + 1}" if mark else where,
        todo="indent with spaces, not with tabs" if tab else "look at that place, and at the line before it",
    )


def _refuse_repeats(node: yaml.Node | None, where: str) -> None:
    """YAML keeps the last of two equal keys and says nothing; here that is a mistake."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_repeats(item, where)
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                continue  # YAML itself will refuse it
            if key.value in seen:
                raise VlitError(
                    f"the key {key.value!r} stands twice (lines {seen[key.value]} and {line})",
                    where=f"{where}:{line}",
                    todo="keep one of them",
                )
            seen[key.value] = line
            _refuse_repeats(value, where)


def set_key(values: dict[str, Any], override: str) -> None:
    """Set one key in place: ``collect.sources.0.path=photos``.

    What lies on the way and is not there is made: a mapping, or in front of a number a list.

    Raises:
        VlitError: When it has not this form, or leads nowhere.
    """
    path, equals, value = override.partition("=")
    if not equals:
        raise VlitError(f"--set needs KEY=VALUE, not {override!r}", todo="e.g. --set seed=7")
    try:
        given = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise VlitError(
            f"--set {shown(override)}: the value is not YAML: {getattr(error, 'problem', None) or error}",
            todo=f"put it in quotes, for example --set '{path}=\"text\"'",
        ) from error
    at: Any = values
    keys = path.split(".")
    for key, below in pairwise(keys):
        place = _place(key, at, override)
        if at[place] is None:
            at[place] = [] if below.isdigit() else {}
        at = at[place]
    at[_place(keys[-1], at, override)] = given


def _place(key: str, at: Any, override: str) -> Any:
    """Where a key stands in a mapping or a list; made there where it is new, in a list only as its first."""
    if isinstance(at, dict):
        at.setdefault(key, None)
        return key
    if not isinstance(at, list):
        raise VlitError(f"--set {override}: {key!r} lies below a plain value")
    if key == "0" and not at:
        at.append(None)
    if not key.isdigit() or int(key) >= len(at):
        raise VlitError(f"--set {override}: {key!r} is no position in a list of {len(at)}")
    return int(key)


def line_of(node: yaml.Node, location: Sequence[int | str]) -> int:
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
