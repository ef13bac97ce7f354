"""Published scores: figures of papers and model zoos, each with its source and with how it was asked.

A file of ``published`` is one table of one source. A published column says what it takes for another number to
stand in it: benchmark, protocol, which questions, how many of them the number is over, and who judged.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Column(_Strict):
    """A column of a published table."""

    benchmark: str  #: name in the registry
    protocol: str  #: one of the benchmark's, or "not stated"
    of: str  #: which questions, in words
    metric: str
    group: str = ""
    #: Questions that the number is over. Without it no other number stands in the column: photos and videos
    #: together, or a server's own way to read answers, cannot be had here.
    n: int | None = None
    judge: str = ""


class PublishedRow(_Strict):
    """A model and its scores, by column, in the unit of the benchmark."""

    model: str
    scores: Mapping[str, float]


class Table(_Strict):
    """A table of a source."""

    source: Annotated[str, Field(min_length=1)]
    url: str
    read: datetime.date
    remarks: tuple[str, ...] = ()
    columns: Mapping[str, Column]
    rows: tuple[PublishedRow, ...]

    @model_validator(mode="after")
    def _known(self) -> Table:
        for row in self.rows:
            if unknown := sorted(set(row.scores) - set(self.columns)):
                raise ValueError(f"{row.model}: no column {', '.join(unknown)}")
        return self


@cache
def published() -> tuple[Table, ...]:
    """All tables, by the names of their files."""
    folder = resources.files("vlit.evaluate") / "published"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".yaml")), key=lambda f: f.name)
    return tuple(Table.model_validate(yaml.safe_load(file.read_text(encoding="utf-8"))) for file in files)
