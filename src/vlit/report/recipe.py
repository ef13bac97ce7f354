"""What the run's own files say of it: the recipe, its gates, the seed and the versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlit.run.folder import RunFolder
from vlit.run.recipe import parse_recipe
from vlit.run.record import read_record


@dataclass(frozen=True)
class Origin:
    """What it takes to make the run again."""

    recipe: str | None = None
    seed: int | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    stages: tuple[tuple[str, str, str], ...] = ()  #: name, fingerprint, rows of its tables; before the report
    gates: Mapping[str, Any] = field(default_factory=dict)  #: indicator -> gate of the stage ``select``


def origin(run: RunFolder) -> Origin:
    """Read recipe.yaml and run.json; both may be absent."""
    record = read_record(run.record)
    path = run.path / "recipe.yaml"
    text = path.read_text(encoding="utf-8") if path.exists() else None
    stages = [
        (name, done.fingerprint[:12], ", ".join(f"{n:,} {table}" for table, n in done.rows.items() if n))
        for name, done in record.stages.items()
        if name != "report"  # it is not complete yet when it is written, and it is when it is written again
    ]
    return Origin(
        recipe=text,
        seed=record.seed if record.stages else None,
        versions=record.versions,
        stages=tuple(stages),
        gates=_gates(text, Path(record.base or run.path)) if text else {},
    )


def _gates(text: str, base: Path) -> Mapping[str, Any]:
    recipe = parse_recipe(text, base=base, where="recipe.yaml")
    for stage in recipe.stages:
        if stage.name == "select":
            return stage.config.gates  # type: ignore[no-any-return]
    return {}
