"""Records that questions are scored by, and that are none themselves: annotations, captions, references."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from vlit.evaluate.parsing.reading import Needs, Reading, Record


def evidence(reading: Reading, records: Iterable[Record], id: str, needs: Needs) -> list[Record]:
    """As ``Reading.usable``, but what cannot be used is told as left out, and not as a question that is lost.

    A photo with one odd box among twenty is still asked, and its score is whole; a question that has no
    evidence at all is lost on its own account.

    Args:
        reading: Told of what is left out.
        records: As they were read.
        id: Field of the id.
        needs: Fields that have to be there, and of which type.
    """
    before = len(reading.lost)
    found = list(reading.usable(records, id, needs))
    reading.lost[before:] = [
        msgspec.structs.replace(row, action="repaired", reason=f"{row.reason}; it is left out")
        for row in reading.lost[before:]
    ]
    return found
