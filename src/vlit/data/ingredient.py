"""Ingredient: one set of a mixture, with the account of where its records went."""

from __future__ import annotations

from vlit.data.scene import Row


class Ingredient(Row, frozen=True, kw_only=True):
    """What one set brought into a mixture.

    Two sums hold exactly:

    ``read == quarantined + left_out + kept`` and ``samples == kept + split + repeated - joined``.

    ``split`` and ``joined`` speak of conversations: a record with more rounds than allowed becomes several, and
    several records about one image become one. A conversation of records of several sets counts for the set of
    its first record.
    """

    name: str
    path: str  #: file or run folder, as in the recipe
    format: str  #: of the file; ``selected`` or ``samples`` of a run folder
    licence: str | None = None  #: that the recipe names
    weight: float
    read: int  #: records of the set
    quarantined: int  #: records that could not be used
    left_out: int  #: usable records that were not drawn
    kept: int  #: records that are in the mixture, each counted once
    size: int  #: samples that the set gives when everything in it is taken once
    split: int  #: further parts of kept records
    repeated: int  #: further uses of kept records: copies that the weight asks for, choices in another order
    joined: int  #: uses that continue the conversation of another record
    samples: int  #: samples of the mixture
    share: float  #: of all samples of the mixture
