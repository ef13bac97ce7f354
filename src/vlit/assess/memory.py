"""Assessing samples that are in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlit.assess.asking import ask_in_rounds
from vlit.assess.observe import ObserveConfig, observe
from vlit.assess.registry import make
from vlit.assess.seen import Part, Pictures, Seen
from vlit.assess.stage import fit, needs_of, score_part
from vlit.data.errors import VlitError
from vlit.data.sample import Sample
from vlit.data.scene import Scene
from vlit.data.score import Score, SetScore
from vlit.run.progress import Progress

if TYPE_CHECKING:
    from vlit.teacher.config import TeacherConfig

_PART = 10_000


def assess(
    samples: Sequence[Sample],
    scenes: Iterable[Scene] = (),
    indicators: Mapping[str, Mapping[str, Any] | None] | None = None,
    seed: int = 0,
    *,
    observing: ObserveConfig | None = None,
    teacher: TeacherConfig | None = None,
    journal: Path | None = None,
) -> tuple[list[Score], list[SetScore]]:
    """Scores for samples in memory, in their order and then by indicator.

    Args:
        samples: The whole set.
        scenes: Annotations of its images.
        indicators: Names and options; ``None`` for all that need no model weights.
        seed: Seed of the run.
        observing: How texts and photos are observed; by default as the indicators need it.
        teacher: Whom indicators ask that need a teacher.
        journal: Folder of the teacher's journal.

    Raises:
        VlitError: For an unknown indicator or option, and for a teacher that is needed and not named.
    """
    chosen = make(indicators, seed)
    needs = needs_of(chosen)
    if "teacher" in needs and (teacher is None or journal is None):
        name = next(i.name for i in chosen if "teacher" in i.needs)
        raise VlitError(f"{name} needs a teacher", where=name, todo="give `teacher` and `journal`")
    for indicator in chosen:
        if "teacher" in indicator.needs:
            indicator.teacher = teacher
    known = {s.id: s for s in scenes}
    seen = observe(samples, observing or _observing(needs), known.values())
    parts = list(_parts(samples, known, seen, needs))
    states = fit(chosen, samples, seen)
    if teacher is not None and journal is not None:
        ask_in_rounds(chosen, lambda: parts, states, teacher, journal, Progress())
    scores = [score for part in parts for score in score_part(chosen, _fresh(part, journal), states)]
    of_set = [i.summarise((s for s in scores if s.indicator == i.name), states.get(i.name)) for i in chosen]
    return scores, [found for found in of_set if found is not None]


def _observing(needs: set[str]) -> ObserveConfig:
    return ObserveConfig(sentences="static" if "sentences" in needs else "none", pictures="pictures" in needs)


def _parts(
    samples: Sequence[Sample], scenes: Mapping[str, Scene], seen: Seen, needs: set[str]
) -> Iterator[Part]:
    for start in range(0, len(samples), _PART):
        piece = samples[start : start + _PART]
        uris = {image.uri for sample in piece for image in sample.images}
        yield Part(
            piece,
            scenes,
            seen.sentences.rows(range(start, start + len(piece))) if "sentences" in needs else None,
            Pictures(seen.pictures[uri] for uri in uris if uri in seen.pictures),
        )


def _fresh(part: Part, journal: Path | None) -> Part:
    """The part with the journal as it is now."""
    if journal is None:
        return part
    from vlit.teacher.journal import JournalView

    return Part(part.samples, part.scenes, part.sentences, part.pictures, JournalView(journal))
