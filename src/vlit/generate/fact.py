"""A fact: what a task found in a scene, before it is put into words; and what a task is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from random import Random
from typing import ClassVar, Generic, TypeVar, cast

import msgspec
import pydantic

from vlit.data.sample import Mark
from vlit.generate.view import View
from vlit.run.stage import Config


class Part(msgspec.Struct, frozen=True):
    """One sentence of a reply: a group of templates, and slots of its own."""

    group: str
    slots: Mapping[str, str] = {}


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """One question and its answer as data: which groups of templates say it, and what stands in their slots."""

    task: str  #: whose pool holds the groups
    ask: str  #: group of instructions
    say: tuple[Part, ...] = ()  #: the full-sentence reply; empty where only the short answer is natural
    short: str | None = None  #: the short answer; None where only sentences are natural
    form: str | None = None  #: group of format instructions that goes with the short answer
    note: str | None = None  #: group of format instructions that the question needs in both modes
    stiff: bool = False  #: the sentence is correct but stiff: mixed answers take the short form
    options: tuple[str, ...] = ()  #: lettered under the question
    slots: Mapping[str, str] = {}  #: of the instruction, and of every part of the reply
    evidence: tuple[str, ...] = ()  #: ids of annotations
    marks: tuple[Mark, ...] = ()
    about: tuple[str, ...] = ()  #: labels that the answer speaks of


class TaskConfig(Config):
    """What every task takes."""

    per_scene: int = 2  #: samples that one scene gives at most

    @pydantic.field_validator("per_scene")
    @classmethod
    def _not_negative(cls, value: int) -> int:
        if value < 0:
            raise ValueError("it has to be 0 or more")
        return value


C = TypeVar("C", bound=TaskConfig)


class Task(ABC, Generic[C]):
    """One kind of instruction. A new task is one file like those in ``tasks/``, a pool, and a registry line.

    Args:
        config: Of the task's own type.
    """

    name: ClassVar[str]
    Config: ClassVar[type[TaskConfig]] = TaskConfig
    #: Groups of templates in the task's pool and the slots that may stand in each.
    groups: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    #: Package whose folder ``pools`` holds ``<name>.yaml``; a task of another package names its own.
    package: ClassVar[str] = "vlit.generate"

    def __init__(self, config: C | None = None) -> None:
        self.config = config if config is not None else cast(C, self.Config())

    @abstractmethod
    def facts(self, view: View, rng: Random) -> Iterable[Fact]:
        """Facts of this kind, best first; at most ``per_scene`` of them are used."""

    def rounds(self, view: View, rng: Random) -> Iterator[tuple[Fact, ...]]:
        """The facts of each sample; several where a sample has several rounds."""
        for n, fact in enumerate(self.facts(view, rng)):
            if n == self.config.per_scene:
                return
            yield (fact,)
