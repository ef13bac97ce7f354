"""The keys of ``mix``: which sets, how much of each, and what happens to their conversations."""

from __future__ import annotations

import re
from math import ceil
from typing import Literal

import pydantic

from vlit.formats.registry import FormatName
from vlit.run.stage import Config


class MixSet(Config):
    """One set, and how it enters the mixture."""

    name: str = pydantic.Field(description="first part of its samples' ids, and their source")
    run: str | None = pydantic.Field(
        None, description="a run folder: its selected samples, or all of them where nothing was selected"
    )
    path: str | None = pydantic.Field(None, description="a file, instead of a run")
    format: FormatName = pydantic.Field("llava", description="the file's format")
    image_root: str = pydantic.Field(".", description="folder that the file's image paths are relative to")
    text_only: bool = pydantic.Field(False, description="quarantine records that have an image")
    licence: str | None = pydantic.Field(None, description="of records that name none")
    task: str | None = pydantic.Field(None, description="of records that name none")

    weight: float = pydantic.Field(
        1.0,
        gt=0,
        allow_inf_nan=False,
        description="times its size; with total, its share relative to the other sets",
    )
    cap: int | None = pydantic.Field(None, ge=1, description="at most so many samples")
    floor: int = pydantic.Field(0, ge=0, description="at least so many samples")
    copies: int | None = pydantic.Field(
        None,
        ge=1,
        description="how often a sample may be used; by default as the weight asks for, with total once",
    )

    choices: Literal["once", "repeat"] = pydantic.Field(
        "once", description="repeat: a multiple-choice question as often as it has choices, each time turned on"
    )
    per_image: int | None = pydantic.Field(None, ge=1, description="at most so many records of one image")
    join: Literal["image"] | None = pydantic.Field(None, description="image: its records become a conversation")
    max_rounds: int | None = pydantic.Field(None, ge=1, description="rounds of a conversation; longer: split")
    max_words: int | None = pydantic.Field(None, ge=1, description="words of a conversation; longer: cut off")

    @pydantic.field_validator("name")
    @classmethod
    def _begins_ids(cls, name: str) -> str:
        if not re.fullmatch(r"\w[\w.-]*", name):
            raise ValueError("it begins ids: letters, digits, '_', '-' and '.', a letter or digit first")
        return name

    @pydantic.model_validator(mode="after")
    def _is_whole(self) -> MixSet:
        if (self.run is None) == (self.path is None):
            raise ValueError("name either `run`, a run folder, or `path`, a file")
        if self.run is not None and (given := {"format", "image_root"} & self.model_fields_set):
            raise ValueError(f"`{min(given)}` belongs to a file; the images of a run are known")
        if self.cap is not None and self.floor > self.cap:
            raise ValueError(f"floor {self.floor:,} is above cap {self.cap:,}")
        return self

    def allowed_copies(self, total: int | None) -> int:
        """How often each of its samples may be used."""
        return self.copies or (ceil(self.weight) if total is None else 1)


class MixConfig(Config):
    """Sets that become one, instead of ``generate`` or ``load``."""

    sets: tuple[MixSet, ...] = pydantic.Field(min_length=1, description="a list")
    total: int | None = pydantic.Field(None, ge=1, description="samples of the mixture; weights share it out")
    order: Literal["shuffled", "sets"] = pydantic.Field("shuffled", description="sets: one after another")
    join: Literal["image"] | None = pydantic.Field(
        None, description="image: what was drawn about an image becomes a conversation, also across sets"
    )
    max_rounds: int | None = pydantic.Field(None, ge=1, description="of a conversation joined across sets")
    max_words: int | None = pydantic.Field(None, ge=1, description="of a conversation joined across sets")
    images: Literal["check", "skip"] = pydantic.Field(
        "check",
        description="check: a record whose image is not there is quarantined; skip: images may be absent",
    )
    shard_size: int = pydantic.Field(10_000, ge=1, description="samples a shard")

    @pydantic.model_validator(mode="after")
    def _is_sound(self) -> MixConfig:
        names = [s.name for s in self.sets]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two sets are named {name!r}; their samples would have the same ids")
        if self.join is None and (given := [k for k in ("max_rounds", "max_words") if getattr(self, k)]):
            raise ValueError(f"`{given[0]}` here is for `join: image` across sets; else set it in a set")
        floors = sum(s.floor for s in self.sets)
        if self.total is not None and floors > self.total:
            raise ValueError(f"the floors add up to {floors:,}, more than the total of {self.total:,}")
        return self
