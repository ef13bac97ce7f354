"""What the page says first: the run in one sentence or two, and its way from photos to kept samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from vlit.report.charts import percent, plural, rule_words
from vlit.report.quarantine import Quarantine
from vlit.report.totals import ANNOTATIONS, Totals


@dataclass(frozen=True)
class Step:
    """One stop on the way, with its count."""

    what: str
    count: int
    note: str
    lost: int = 0  #: rows that were quarantined on the way to it
    tone: str = ""  #: class of the count


def lead(t: Totals) -> str:
    """The run in a few sentences."""
    samples = plural(t.samples, "instruction sample")
    tasks = f" in {plural(len(t.tasks), 'task')}" if [x.task for x in t.tasks] != ["unknown"] else ""
    if t.scenes:
        made = f", made from {plural(t.scenes, 'annotated photo')}"
        trace = "Every sample can be traced to the annotations it came from."
    else:
        made = f" about {plural(t.photos, 'photo')}" if t.photos else ""
        trace = "There are no annotations in this run to check the texts against."
    return f"{samples}{tasks}{made}. {_selected(t)} {trace if t.samples else ''}".strip()


def _selected(t: Totals) -> str:
    if t.kept is None:
        return "Nothing has been selected yet."
    if not t.samples:
        return ""
    if t.kept == t.samples:
        return "All of them passed selection."
    if t.kept:
        return f"{t.kept:,} of them ({percent(t.kept, t.samples)}) passed selection."
    rule, dropped = t.rules[0] if t.rules else ("", 0)
    return f"None of them passed selection: {dropped:,} were dropped by {rule_words(rule)}."


def flow(t: Totals, quarantine: Quarantine) -> Iterator[Step]:
    """The way from photos to kept samples; a set that was loaded has no annotations on it."""
    if t.scenes or not t.samples:
        yield Step("Photos", t.scenes, "")
        kinds = ", ".join(plural(n, ANNOTATIONS[kind]) for kind, n in t.annotations.items())
        yield Step("Annotations", sum(t.annotations.values()), kinds, lost=_lost(quarantine, "collect"))
    else:
        yield Step("Photos", t.photos, f"{plural(t.text_only, 'sample')} without one" if t.text_only else "")
    others = quarantine.dropped - (_lost(quarantine, "collect") if t.scenes or not t.samples else 0)
    note = f"{plural(len(t.tasks), 'task')}, {plural(t.rounds, 'answer')}"
    yield Step("Samples", t.samples, note, lost=others)
    if t.kept is not None:
        dropped = f"{percent(t.kept, t.samples)} of the samples, {t.samples - t.kept:,} dropped"
        yield Step("Kept", t.kept, dropped, tone="kept" if t.kept else "none")


def tiles(t: Totals, quarantine: Quarantine) -> Mapping[str, str]:
    """Further numbers by what they are; those that say nothing here are left out."""
    photos = t.scenes or t.photos
    found = {
        "Samples per photo": f"{(t.samples - t.text_only) / photos:.1f}" if photos else "",
        "Answers per sample": f"{t.rounds / t.samples:.1f}" if t.samples else "",
        "Words per answer": f"{t.words / t.rounds:.1f}" if t.rounds else "",
        "Samples with boxes": percent(t.marked, t.samples) if t.samples else "",
        "Text-only samples": percent(t.text_only, t.samples) if t.text_only else "",
        "Quarantined": plural(quarantine.dropped, "row"),
        "Put right": plural(quarantine.repaired, "row") if quarantine.repaired else "",
    }
    return {what: number for what, number in found.items() if number}


def _lost(quarantine: Quarantine, stage: str) -> int:
    return sum(g.count for g in quarantine.groups if g.action == "dropped" and g.stage == stage)
