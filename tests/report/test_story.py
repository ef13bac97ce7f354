"""The first words of the page are true of what the run holds."""

from __future__ import annotations

from vlit.report.quarantine import Group, Quarantine
from vlit.report.story import flow, lead, tiles
from vlit.report.totals import TaskCount, Totals

TASKS = (TaskCount("presence", 8, 6), TaskCount("counting", 2, 1))


def test_a_run_from_annotations() -> None:
    t = Totals(scenes=3, annotations={"captions": 5}, samples=10, kept=7, tasks=TASKS, rounds=12, photos=3)
    text = "10 instruction samples in 2 tasks, made from 3 annotated photos. 7 of them (70 %) passed selection."
    assert lead(t).startswith(text)
    assert [(s.what, s.count) for s in flow(t, Quarantine())] == [
        ("Photos", 3),
        ("Annotations", 5),
        ("Samples", 10),
        ("Kept", 7),
    ]


def test_a_loaded_set_is_not_said_to_come_from_annotations() -> None:
    tasks = (TaskCount("unknown", 10, None),)
    t = Totals(samples=10, tasks=tasks, rounds=10, photos=4, text_only=2)
    group = Group(stage="load", field="image", reason="missing", action="dropped", count=3)
    found = Quarantine(groups=(group,), dropped=3)
    assert lead(t) == (
        "10 instruction samples about 4 photos. Nothing has been selected yet. "
        "There are no annotations in this run to check the texts against."
    )
    photos, samples = flow(t, found)
    assert (photos.count, photos.note) == (4, "2 samples without one")
    assert samples.lost == 3
    assert tiles(t, found)["Samples per photo"] == "2.0"


def test_all_or_nothing_is_said_in_words() -> None:
    everything = Totals(scenes=1, samples=9, kept=9, tasks=TASKS)
    assert "All of them passed selection." in lead(everything)
    nothing = Totals(scenes=1, samples=9, kept=0, tasks=TASKS, rules=(("image_readability", 9),))
    assert "None of them passed selection: 9 were dropped by image readability." in lead(nothing)
    assert [s.tone for s in flow(nothing, Quarantine())][-1] == "none"


def test_an_empty_run() -> None:
    assert lead(Totals()) == "0 instruction samples in 0 tasks. Nothing has been selected yet."
    assert [s.count for s in flow(Totals(), Quarantine())] == [0, 0, 0]
