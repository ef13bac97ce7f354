"""Judging small sets in tests: a real scripted server, a real journal."""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Photo

from tests.teacher.asking import config
from tests.teacher.judging import words_of
from vlit.assess.indicator import AnyIndicator
from vlit.assess.judge.judging import Judging
from vlit.assess.seen import Part, Seen, Sentences
from vlit.data.sample import Provenance, Sample, Turn
from vlit.data.scene import Image, Scene
from vlit.data.score import Score
from vlit.run.progress import Progress
from vlit.teacher.ask import ask
from vlit.teacher.config import TeacherConfig
from vlit.teacher.journal import JournalView

NOBODY = "http://127.0.0.1:1/v1"


def photo(folder: Path, name: str = "1.png") -> Image:
    """A small photo on the disk."""
    path = folder / name
    Photo.new("RGB", (8, 8), (len(name), 40, 90)).save(path)
    return Image(uri=str(path), width=8, height=8, sha256=name)


def sample(
    *texts: str, id: str = "1", images: tuple[Image, ...] = (), scenes: tuple[str, ...] = (), task: str = "t"
) -> Sample:
    """A sample of questions and answers in turn."""
    roles = ("user", "assistant") * len(texts)
    turns = tuple(Turn(role=role, text=text) for role, text in zip(roles, texts, strict=False))  # type: ignore[arg-type]
    return Sample(id=id, turns=turns, images=images, task=task, provenance=Provenance(scenes=scenes))


def asked_of(body: Mapping[str, Any]) -> str:
    """What the last message asks, without the words for a reply that could not be read."""
    users = [words_of(m) for m in body["messages"] if m["role"] == "user"]
    return next(text for text in reversed(users) if not text.startswith("Your last reply could not be used"))


def sent_back(body: Mapping[str, Any]) -> bool:
    """Whether a reply was sent back."""
    return bool(re.search(r"Your last reply could not be used", words_of(body["messages"][-1])))


def part_of(
    samples: Sequence[Sample], scenes: Sequence[Scene] = (), sentences: Sentences | None = None
) -> Part:
    """Samples as one part."""
    return Part(samples, {s.id: s for s in scenes}, sentences)


def state_of(indicator: AnyIndicator, part: Part) -> Any:
    """The state after the pass over the set."""
    drawing = indicator.fit()
    assert drawing is not None
    for each in part.samples:
        drawing.add(each)
    nothing = Sentences(np.zeros((0, 0), np.float16), np.zeros((0, 0), np.float16), "")
    return drawing.state(Seen(len(part.samples), lambda: part.sentences or nothing))


def judge(
    indicator: Judging[Any], part: Part, teacher: TeacherConfig, folder: Path, *, asking: bool = True
) -> list[Score]:
    """Scores of a part, as the stage would get them: asked round by round, concluded, then replayed."""
    indicator.teacher = teacher
    state = state_of(indicator, part)
    for _ in range(indicator.rounds):
        if asking:
            known = state
            ask(teacher, lambda: indicator.asks(part, known), folder, Progress())  # noqa: B023 - called at once
        state = indicator.concluded(state, JournalView(folder))
    indicator = pickle.loads(pickle.dumps(indicator))  # as it goes to the workers
    state = pickle.loads(pickle.dumps(state))
    whole = Part(part.samples, part.scenes, part.sentences, part.pictures, JournalView(folder))
    return list(indicator.score(whole, state))


def teacher_at(url: str = NOBODY, **more: Any) -> TeacherConfig:
    """A teacher's configuration."""
    return config(url, **more)
