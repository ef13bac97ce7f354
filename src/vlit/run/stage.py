"""What a stage is: typed config, a plan of shards, work on one shard, and a finish over all of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import pydantic

from vlit.data.scene import Row
from vlit.data.score import Quarantined
from vlit.run.folder import RunFolder, counted
from vlit.run.progress import Progress


class Config(pydantic.BaseModel):
    """Base of all configs: unknown keys are errors, an empty value takes its default, values do not change."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    @pydantic.model_validator(mode="before")
    @classmethod
    def _empty_is_left_out(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        fields = cls.model_fields
        return {k: v for k, v in values.items() if v is not None or k not in fields or fields[k].is_required()}

    def implies(self) -> Mapping[str, Mapping[str, Any]]:
        """Stages that have to run before this one, with their settings, where the recipe does not name them."""
        return {}


C = TypeVar("C", bound=Config)


@dataclass(frozen=True)
class Shard:
    """A piece of work. Equal inputs give equal shards, whatever the number of workers.

    ``key`` orders the parts and names them; ``payload`` is sent to the worker and so must pickle.
    """

    key: str
    payload: Any


@dataclass
class Output:
    """What a stage made of one shard: rows for each table that it writes, and what it quarantined."""

    tables: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    quarantine: Sequence[Quarantined] = ()


@dataclass(frozen=True)
class Setting:
    """What a stage knows of the recipe beside its own config."""

    seed: int
    base: Path  #: folder of the recipe; relative paths of the config are relative to it
    teacher: Any = None  #: ``teacher:`` of the recipe; "none" where it says so, ``None`` where it says nothing

    def resolve(self, path: str) -> str:
        """A path of the config as an absolute path; URLs stay as they are."""
        return path if "://" in path else str((self.base / Path(path).expanduser()).resolve())


class Stage(ABC, Generic[C]):
    """One step of a run. Subclasses declare the class variables and write ``shards`` and ``work``.

    The engine calls ``prepare``, ``ask`` and ``shards`` once in the parent process, ``work`` for each shard in
    a worker process, and ``drive`` and ``finish`` once at the end. Everything must depend on config, seed and
    input tables alone: a killed run is continued at the first missing part and has to end with the same bytes.
    """

    name: ClassVar[str]  #: key in the recipe
    reads: ClassVar[tuple[str, ...]] = ()  #: tables it needs
    optional: ClassVar[tuple[str, ...]] = ()  #: those of ``reads`` that it can do without
    writes: ClassVar[tuple[str, ...]] = ()  #: tables it makes; the last one gets a part for every shard
    code: ClassVar[tuple[str, ...]] = ()  #: packages whose source is the stage's version
    free: ClassVar[frozenset[str]] = frozenset()  #: keys of the config that change nothing of what it makes
    Config: ClassVar[type[Config]]
    workers: int = 1  #: processes that it may use; set by the engine before ``prepare``

    def __init__(self, config: C, setting: Setting) -> None:
        self.config, self.setting = config, setting

    def outside(self) -> Iterable[str]:
        """Fingerprints of what it reads from outside the run (files); part of the stage's fingerprint."""
        return ()

    def plugins(self) -> Iterable[str]:
        """Packages of components that are not ours; their source is part of the stage's version as well."""
        return ()

    def check(self) -> None:
        """Refuse what would stop it later, such as a model that is not there. Called before any stage runs.

        Raises:
            VlitError: When it cannot run.
        """

    def names(self) -> Mapping[str, Collection[str]]:
        """Names that its rows will carry, by table, where the config tells: tasks, indicators."""
        return {}

    def untaught(self) -> Mapping[str, Collection[str]]:
        """Names that are not among ``names`` only because the recipe says ``teacher: none``."""
        return {}

    def asks(self) -> Iterable[tuple[str, str, tuple[str, ...]]]:
        """Names in the config that rows of a table have to carry: table, name, place in the config."""
        return ()

    def expect(self, run: RunFolder) -> str:
        """What there is to do, as far as a dry run can know it."""
        return counted({table: len(run.table(table)) for table in self.reads})

    def remark(self) -> str:
        """What a dry run should say besides, such as whom it would ask for money."""
        return ""

    def prepare(self, run: RunFolder) -> Any:
        """Global knowledge that all shards need; must pickle. Called again when a killed run goes on."""
        return None

    def ask(self, run: RunFolder, context: Any, progress: Progress) -> None:
        """Put questions to the world outside, before the work on them starts. Once, in the parent process.

        What it is told has to be kept in a journal, where ``work`` finds it: so that ``work`` depends on what
        is on the disk alone, and a killed run pays for nothing twice.
        """

    def again(self, run: RunFolder) -> None:
        """Forget failures that were kept outside the tables, since a user wants to try again."""

    @abstractmethod
    def shards(self, run: RunFolder) -> Iterable[Shard]:
        """The pieces of work, in order."""

    def work(self, shard: Shard, context: Any) -> Output:
        """Turn one shard into rows. Runs in a worker process; ``context`` is what ``prepare`` returned."""
        raise NotImplementedError(f"{self.name} has shards but no work")

    def drive(self, run: RunFolder, progress: Progress) -> None:
        """Long work that needs all parts, once, in the parent process: tuning a model.

        It keeps what it has done in files of its own, and goes on from them when it is called again.
        """

    def finish(self, run: RunFolder) -> Output:
        """Rows that need all parts, e.g. one number per set; or files, written through ``store.atomic``."""
        return Output()

    def processes(self, most: int) -> int:
        """How many worker processes make sense, of the ``most`` that there may be."""
        return most

    def files(self, run: RunFolder) -> Iterable[Path]:
        """Files that ``finish`` writes; the stage is done only while they are there."""
        return ()
