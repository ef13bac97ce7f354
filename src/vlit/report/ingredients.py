"""What came from where: the sets of a mixture, and the sum of them."""

from __future__ import annotations

from dataclasses import dataclass

from vlit.data.ingredient import Ingredient
from vlit.run.folder import RunFolder

#: Numbers that add up, in the order in which a record meets them: column, heading, what it counts.
COLUMNS = (
    ("read", "read", "records of the set"),
    ("quarantined", "quarantined", "records that could not be used"),
    ("left_out", "left out", "usable records that were not drawn"),
    ("kept", "kept", "records that are in the mixture"),
    ("split", "+ split", "further parts of kept records"),
    ("repeated", "+ repeated", "further uses of kept records"),
    ("joined", "− joined", "uses that continue the conversation of another record"),
    ("samples", "samples", "samples of the mixture"),
)

#: Those that are left out where they are 0 for every set.
_IF_ANY = frozenset({"split", "repeated", "joined"})


@dataclass(frozen=True)
class Ingredients:
    """The table of the page; empty where nothing was mixed."""

    rows: tuple[Ingredient, ...] = ()
    columns: tuple[tuple[str, str, str], ...] = ()

    @property
    def total(self) -> dict[str, int]:
        """The sum of each column."""
        return {name: sum(getattr(row, name) for row in self.rows) for name, _, _ in self.columns}


def ingredients(run: RunFolder) -> Ingredients:
    """The sets of a run's mixture, in the order of its recipe."""
    rows = tuple(run.table("ingredients"))
    columns = (c for c in COLUMNS if c[0] not in _IF_ANY or any(getattr(row, c[0]) for row in rows))
    return Ingredients(rows, tuple(columns) if rows else ())
