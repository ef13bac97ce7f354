"""Examples as rows of a table, and back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from vlit.data.encoded import Encoded
from vlit.data.scene import Image
from vlit.data.schema import to_table
from vlit.tune.example import IGNORE, Example
from vlit.tune.source import Source, to_row

PHOTO = Image(uri="a.jpg", width=4, height=3)


def example(name: str, ids: list[int], trained: int) -> Example:
    labels = [IGNORE] * (len(ids) - trained) + ids[len(ids) - trained :]
    return Example(
        id=name,
        ids=np.array(ids, dtype=np.int32),
        labels=np.array(labels, dtype=np.int32),
        images=(PHOTO,),
        slots=((1, 3),),
        instruction="What?",
        notes=("cut",),
    )


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    made = [example("a", [1, 9, 9, 4, 5], 2), example("b", [1, 9, 9, 7], 1)]
    rows = [to_row(made[0], "align", "train"), to_row(made[1], "align", "held_out")]
    pq.write_table(to_table(rows, Encoded), tmp_path / "x.parquet")
    (read,) = Source.read([tmp_path / "x.parquet"], "align", "train")
    assert read.ids.tolist() == [1, 9, 9, 4, 5] and read.labels.tolist() == [IGNORE, IGNORE, IGNORE, 4, 5]
    assert (read.id, read.images, read.slots, read.instruction, read.notes) == (
        "a",
        (PHOTO,),
        ((1, 3),),
        "What?",
        ("cut",),
    )
    assert not len(Source.read([tmp_path / "x.parquet"], "instruct", "train"))


def test_a_source_knows_lengths_labels_and_what_it_holds() -> None:
    source = Source.of([example("a", [1, 9, 9, 4, 5], 2), example("b", [1, 9, 9, 7], 1)])
    assert (source.lengths.tolist(), source.trained.tolist(), source.images) == ([5, 4], [2, 1], 2)
    assert source.digest() == Source.of(list(source)).digest()
    assert source.digest() != Source.of(list(source)[::-1]).digest()
    assert Source.of([]).images == 0


def test_a_photo_or_an_instruction_that_was_corrected_makes_other_data() -> None:
    one = example("a", [1, 9, 9, 4, 5], 2)
    seen = {
        Source.of([found]).digest()
        for found in (
            one,
            replace(one, images=(Image(uri="b.jpg", width=4, height=3),)),
            replace(one, images=(Image(uri="a.jpg", width=4, height=3, sha256="0a"),)),
            replace(one, instruction="Where?"),
        )
    }
    assert len(seen) == 4
    moved = replace(one, images=(Image(uri="elsewhere/a.jpg", width=4, height=3, sha256="0a"),))
    assert Source.of([moved]).digest() in seen  # the same bytes in another folder
