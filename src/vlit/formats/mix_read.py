"""Reading the sets of a mixture: each record once, into a spool; what the plan needs of it into columns."""

from __future__ import annotations

import os
import re
from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from vlit.data.errors import VlitError
from vlit.data.sample import Sample
from vlit.data.score import Quarantined, shown
from vlit.data.seeds import draw, hash64
from vlit.data.store import read_part
from vlit.formats.choices import times
from vlit.formats.format import Format
from vlit.formats.join import cut, rounds_of, split, subject, words_of
from vlit.formats.load import tied
from vlit.formats.mix_config import MixSet
from vlit.formats.registry import FORMATS
from vlit.formats.spool import Spool
from vlit.run.folder import RunFolder
from vlit.run.record import read_record
from vlit.run.stage import Setting

#: Ends that ids of parts and copies get. An id that ends so by nature is marked, so that all stay different.
_TAIL = re.compile(r"#(?:part|turned)?\d+$")


@dataclass
class Columns:
    """What stays in memory of each piece, which is a record or a part of one: 33 bytes.

    The n-th piece is the n-th record of the spool after those of the sets before it.
    """

    draw: array[int] = field(default_factory=lambda: array("Q"))  #: uniform, from seed, set and id alone
    photo: array[int] = field(default_factory=lambda: array("Q"))  #: hash of its images; 0 without
    subject: array[int] = field(default_factory=lambda: array("Q"))  #: equal where they can be joined; 0: never
    record: array[int] = field(default_factory=lambda: array("i"))  #: number of the usable record
    rounds: array[int] = field(default_factory=lambda: array("i"))
    words: array[int] = field(default_factory=lambda: array("i"))
    times: array[int] = field(default_factory=lambda: array("B"))  #: as often as its choices ask for

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        """A column as numpy sees it."""
        found = getattr(self, name)
        return np.frombuffer(found, found.typecode) if len(found) else np.zeros(0, found.typecode)

    def __len__(self) -> int:
        return len(self.draw)


@dataclass
class Reading:
    """A set as it was read."""

    config: MixSet
    table: str  #: format of the file, or table of the run
    first: int  #: number of its first piece in the spool
    usable: int = 0  #: records
    dropped: int = 0  #: records that cannot be used
    columns: Columns = field(default_factory=Columns)


@dataclass
class _Unusable(Exception):
    """Why a record cannot enter the mixture."""

    field: str
    value: object
    reason: str


class SetReader:
    """Reads sets into spools.

    Args:
        setting: Of the run.
        look: Whether local images have to exist.
        joins: Whether records are joined across sets.
        records: Takes the usable pieces.
        lost: Takes the quarantine rows.
        scenes: Image URI -> id of the scene in this run.
    """

    def __init__(
        self, setting: Setting, look: bool, joins: bool, records: Spool, lost: Spool, scenes: Mapping[str, str]
    ) -> None:
        self.setting, self.records, self.lost, self.scenes = setting, records, lost, scenes
        self._joins = joins
        self._there: Callable[[str], bool] = lru_cache(4_096)(os.path.isfile) if look else lambda uri: True

    def read(self, config: MixSet) -> Reading:
        """One set, from its beginning to its end.

        Raises:
            VlitError: When it cannot be read at all.
        """
        where, table, rows = self._source(config)
        found = Reading(config, table, first=len(self.records))
        for row in rows:
            if isinstance(row, Quarantined):
                found.dropped += row.action == "dropped"
                self._put_away(config, row)
                continue
            try:
                pieces, cut_off = self._pieces(config, row)
            except _Unusable as p:
                found.dropped += 1
                self._put_away(config, _quarantined(where, row, p.field, p.value, p.reason, "dropped"))
                continue
            if cut_off:
                self._put_away(config, _quarantined(where, row, "conversations", "", cut_off, "repaired"))
            for number, piece in enumerate(pieces, start=1):
                self._take(found, row.id, number, piece)
            found.usable += 1
        draws = found.columns["draw"]
        if len(np.unique(draws)) < len(draws):
            raise VlitError(
                "two records of this set have the same id", where=where, todo="give each an id of its own"
            )
        return found

    def _source(self, config: MixSet) -> tuple[str, str, Iterator[Sample | Quarantined]]:
        """Where a set comes from, what it is there, and its records."""
        if config.run is not None:
            where = self.setting.resolve(config.run)
            table = finished_table(RunFolder(Path(where)))
            parts = RunFolder(Path(where)).table(table).parts()
            return where, table, (sample for part in parts for sample in read_part(part, Sample))
        where = self.setting.resolve(str(config.path))
        kind: Format = FORMATS.load(config.format)
        root = self.setting.resolve(config.image_root)
        return where, config.format, kind.read(Path(where), root, open_images=False)

    def _pieces(self, config: MixSet, row: Sample) -> tuple[list[Sample], str]:
        """What of a record can be used, and what was cut off."""
        if config.text_only and row.images:
            reason = "the set is text_only, and this record has an image"
            raise _Unusable("image", row.images[0].uri, reason)
        for image in row.images:
            if "://" not in image.uri and not self._there(image.uri):
                raise _Unusable("image", image.uri, "the file is missing")
        try:
            whole = rounds_of(row)[1]
            kept = row if config.max_words is None else cut(row, config.max_words)
            pieces = [kept] if config.max_rounds is None else split(kept, config.max_rounds)
        except ValueError as error:
            raise _Unusable("conversations", row.turns[0].text if row.turns else "", str(error)) from None
        rounds = len(rounds_of(kept)[1])
        if rounds == len(whole):
            return pieces, ""
        cut_off = f"cut off after round {rounds} of {len(whole)}: more than {config.max_words:,} words"
        return pieces, cut_off

    def _take(self, found: Reading, name: str, number: int, piece: Sample) -> None:
        """Put one piece into the spool, and what the plan needs of it into the columns."""
        config, columns, origin = found.config, found.columns, piece.provenance
        id_ = f"{config.name}:{name}#0" if _TAIL.search(name) else f"{config.name}:{name}"
        if number > 1:
            id_ += f"#part{number}"
        origin = msgspec.structs.replace(
            origin,
            source=config.name,
            licence=origin.licence or config.licence,
            parents=(f"{config.name}:{name}",),
        )
        task = config.task if config.task and piece.task == "unknown" else piece.task
        piece = tied(msgspec.structs.replace(piece, id=id_, task=task, provenance=origin), self.scenes)
        self.records.add(msgspec.msgpack.encode(piece))
        uris = "\x1f".join(image.uri for image in piece.images)
        columns.draw.append(draw(self.setting.seed, "mix", id_))
        columns.photo.append(hash64(uris) or 1 if uris else 0)
        columns.subject.append(subject(piece) if config.join or self._joins else 0)
        columns.record.append(found.usable)
        columns.rounds.append(sum(turn.role == "user" for turn in piece.turns))
        columns.words.append(words_of(piece.turns))
        columns.times.append(times(piece.turns) if config.choices == "repeat" else 1)

    def _put_away(self, config: MixSet, row: Quarantined) -> None:
        row = msgspec.structs.replace(row, stage="mix", record=f"{config.name}: {row.record}")
        self.lost.add(msgspec.msgpack.encode(row))


def finished_table(run: RunFolder) -> str:
    """The table of another run that a mixture takes: ``selected``, or ``samples`` where nothing was selected.

    Raises:
        VlitError: When there is no run, or it is not finished.
    """
    done = read_record(run.check().record).stages.values()
    for table in ("selected", "samples"):
        if any(table in stage.rows for stage in done):
            return table
    raise VlitError("this run has made no samples yet", where=str(run.path), todo="run its recipe to the end")


def _quarantined(where: str, row: Sample, field: str, value: object, reason: str, action: Any) -> Quarantined:
    return Quarantined(
        stage="mix", file=where, record=row.id, field=field, value=shown(value), reason=reason, action=action
    )
