"""Registries: built-in components by name, and those that other packages add through entry points."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import entry_points
from typing import Any

from vlit.data.errors import VlitError, nearest


class Registry:
    """Names to ``"module:attribute"``. Nothing is imported before it is asked for.

    Args:
        group: Entry-point group in which other packages announce theirs, e.g. ``vlit.importers``.
        builtin: One line for each component of our own.
    """

    def __init__(self, group: str, builtin: Mapping[str, str]) -> None:
        self.group = group
        self._builtin = dict(builtin)

    @property
    def noun(self) -> str:
        """What one of them is called: "task" for ``vlit.tasks``."""
        return self.group.split(".")[-1].removesuffix("s")

    def targets(self) -> dict[str, str]:
        """All names, ours first; an entry point cannot replace one of ours."""
        found = {e.name: e.value for e in entry_points(group=self.group)}
        return {**found, **self._builtin}

    def names(self) -> list[str]:
        """All names, ours in the order they are declared in."""
        return [*self._builtin, *sorted(set(self.targets()) - set(self._builtin))]

    def packages(self, names: Iterable[str]) -> Iterator[str]:
        """Top-level packages of those of the named components that are not ours."""
        for name in names:
            if name not in self._builtin and (target := self.targets().get(name)):
                yield target.partition(":")[0].partition(".")[0]

    def load(self, name: str) -> Any:
        """Import the component.

        Raises:
            VlitError: When there is none of that name.
        """
        target = self._builtin.get(name) or self.targets().get(name)
        if target is None:
            raise VlitError(f"there is no {self.noun} {name!r}", todo=nearest(name, self.targets()))
        module, _, attribute = target.partition(":")
        return getattr(importlib.import_module(module), attribute)
