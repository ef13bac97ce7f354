"""The run folder: where the tables of a run lie."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from vlit.data.embedding import Embedding
from vlit.data.encoded import Encoded
from vlit.data.errors import VlitError
from vlit.data.exchange import Exchange
from vlit.data.ingredient import Ingredient
from vlit.data.picture import Picture
from vlit.data.sample import Sample
from vlit.data.scene import Row, Scene
from vlit.data.score import Quarantined, Score, SetScore, Verdict
from vlit.data.store import Table

#: Every table of a run: the folder's name and the noun that its rows are.
TABLES: Mapping[str, type[Row]] = {
    "scenes": Scene,
    "scene_pictures": Picture,
    "scene_verdicts": Verdict,
    "exchanges": Exchange,
    "ingredients": Ingredient,
    "samples": Sample,
    "pictures": Picture,
    "embeddings": Embedding,
    "scores": Score,
    "set_scores": SetScore,
    "verdicts": Verdict,
    "selected": Sample,
    "examples": Encoded,
    "quarantine": Quarantined,
}


def kind_of(table: str) -> type[Row]:
    """The noun that the rows of a table are; a table of a variant has the variant's folder before its name."""
    return TABLES[table.rpartition("/")[2]]


def counted(rows: Mapping[str, int]) -> str:
    """Rows of tables in words: ``"36 scenes, 2 quarantined"``; without empty tables and those of variants."""
    return ", ".join(f"{n:,} {_noun(table, n)}" for table, n in rows.items() if n and "/" not in table)


def outcome(rows: Mapping[str, int]) -> str:
    """What came of a stage, in words, also where that is nothing."""
    tables = [table for table in rows if table != "quarantine"]
    return counted(rows) or (f"no {_noun(tables[-1], 0)}" if tables else "files written")


def _noun(table: str, n: int) -> str:
    if table == "quarantine":
        return "quarantined"
    words = table.replace("_", " ")
    return words.removesuffix("s") if n == 1 else words


class RunFolder:
    """Paths and tables of one run.

    Args:
        path: The run's folder, ``runs/<name>``.
    """

    #: Files by which a run folder is known from its first moment on.
    MARKS: ClassVar[frozenset[str]] = frozenset({"recipe.yaml", "log.jsonl"})

    def __init__(self, path: Path) -> None:
        self.path = path

    def check(self) -> RunFolder:
        """This folder, if there is a run in it.

        Raises:
            VlitError: When there is none.
        """
        if not self.recipe.exists():
            raise VlitError(
                "there is no run in this folder",
                where=str(self.path),
                todo=f"correct the path, or make a run: vlit collect PHOTOS --name {self.path.name}",
            )
        return self

    @property
    def recipe(self) -> Path:
        """recipe.yaml: the recipe as it was run."""
        return self.path / "recipe.yaml"

    @property
    def log(self) -> Path:
        """log.jsonl: what happened."""
        return self.path / "log.jsonl"

    @property
    def record(self) -> Path:
        """run.json: which stages are complete."""
        return self.path / "run.json"

    def folder(self, table: str) -> Path:
        """Where the parts of a table lie."""
        return self.path / table

    def variant(self, name: str) -> RunFolder:
        """The verdicts and the selected samples of a variant of the selection, as if of a run of their own."""
        return RunFolder(self.path / "variants" / name)

    def variants(self) -> list[str]:
        """Names of the variants that were selected."""
        return sorted(p.parent.name for p in self.path.glob("variants/*/selected") if any(p.glob("*.parquet")))

    def table(self, name: str) -> Table[Any]:
        """A table of this run; its rows are the noun that ``TABLES`` declares."""
        return Table(self.folder(name), kind_of(name))

    @property
    def scenes(self) -> Table[Scene]:
        """Images with their annotations."""
        return self.table("scenes")

    def chosen_scenes(self) -> frozenset[str] | None:
        """Ids of the scenes that were chosen; ``None`` where all are, since nothing was to choose."""
        table = self.table("scene_verdicts")
        return frozenset(row.sample for row in table if row.keep) if table.parts() else None

    @property
    def exchanges(self) -> Table[Exchange]:
        """What a teacher was asked, and what came of it."""
        return self.table("exchanges")

    @property
    def samples(self) -> Table[Sample]:
        """All generated samples."""
        return self.table("samples")

    @property
    def pictures(self) -> Table[Picture]:
        """What was seen of each distinct photo of the samples."""
        return self.table("pictures")

    @property
    def embeddings(self) -> Table[Embedding]:
        """Vectors of the samples' texts."""
        return self.table("embeddings")

    @property
    def scores(self) -> Table[Score]:
        """Sample x indicator."""
        return self.table("scores")

    @property
    def set_scores(self) -> Table[SetScore]:
        """One number per set-level indicator."""
        return self.table("set_scores")

    @property
    def verdicts(self) -> Table[Verdict]:
        """Keep or drop, and why."""
        return self.table("verdicts")

    @property
    def selected(self) -> Table[Sample]:
        """The samples that were kept."""
        return self.table("selected")

    @property
    def quarantine(self) -> Table[Quarantined]:
        """What could not be used as it was, from all stages."""
        return self.table("quarantine")
