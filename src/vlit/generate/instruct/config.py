"""``generate.instruct`` of a recipe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import pydantic

from vlit.run.stage import Config


class InstructConfig(Config):
    """What a teacher writes."""

    recipes: Mapping[str, Mapping[str, Any]] = pydantic.Field(
        {},
        description="instruction recipes, by name or by the path of a YAML file; each with keys to change",
    )
    scenes: int | None = pydantic.Field(
        None, ge=1, description="ask about this many scenes, drawn by the seed; by default about all"
    )

    rewrite: tuple[str, ...] = pydantic.Field(
        (), description="tasks of `adapt` whose instructions are reworded, so that their pools grow"
    )

    @pydantic.model_validator(mode="after")
    def _something(self) -> Self:
        if not self.recipes and not self.rewrite:
            raise ValueError("name at least one recipe: `recipes: [llava_conversation]`; or tasks to `rewrite`")
        return self

    @pydantic.field_validator("recipes", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = [value]
        if isinstance(value, list | tuple):
            entries = [entry for item in value for entry in _entries(item)]
            value = dict(entries)
            if len(value) < len(entries):
                raise ValueError("a recipe stands twice: name each once")
        if isinstance(value, Mapping):
            value = {name: changes or {} for name, changes in value.items()}
        return value


def _entries(item: Any) -> list[tuple[Any, Any]]:
    """An item of a list of recipes: a name, or names with changes."""
    if isinstance(item, Mapping):
        return list(item.items())
    if not isinstance(item, str):
        raise ValueError(f"an entry is the name of a recipe, or `name: {{key: value}}`, not {item!r}")
    return [(item, None)]
