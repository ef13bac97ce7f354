"""What all scenes together tell: how frequent labels are, which occur together, which answers people gave.

Absent objects are drawn by it (a negative is harder when the object is common, or usual in such company), and
so are wrong options. One pass over the scenes, reading only the columns that are needed.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
import pyarrow.parquet as pq

from vlit.data.scene import Scene
from vlit.language import captions

#: Companions kept of each label, and answers kept of each kind of question: what is rarer is never drawn.
COMPANIONS = 24
ANSWERS = 40
#: Scenes whose captions and questions are read: more do not change which words are common.
ENOUGH = 20_000
_COLUMNS = ["objects", "questions", "captions", "searched"]


class Statistics(msgspec.Struct, frozen=True):
    """Compact: grows with the number of labels, not of scenes."""

    labels: tuple[str, ...] = ()  #: every label, most frequent first
    scenes: dict[str, int] = {}  #: label → scenes that it occurs in
    companions: dict[str, dict[str, float]] = {}  #: label → in which share of its scenes another one is
    answers: dict[str, tuple[str, ...]] = {}  #: kind of question (see ``question_kind``) → its answers
    words: frozenset[str] = frozenset()  #: words of captions in at least two scenes


def question_kind(text: str) -> str:
    """The words by which questions with like answers begin: "what color", "how many", "what is the man"."""
    tokens = re.findall(r"[a-z']+", text.lower())
    if tokens[:1] in (["what"], ["which"], ["how"]) and tokens[1:2] not in (["is"], ["are"], ["does"], ["do"]):
        return " ".join(tokens[:2])
    return " ".join(tokens[:4])


class Counting:
    """Counts scene by scene; :meth:`result` condenses."""

    def __init__(self) -> None:
        self._scenes: Counter[str] = Counter()
        self._together: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._answers: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._words: Counter[str] = Counter()
        self._searched: dict[str, None] = {}
        self._seen = 0

    def add(
        self,
        labels: Iterable[str],
        searched: Iterable[str],
        texts: Iterable[str],
        answered: Iterable[tuple[str, str]],
    ) -> None:
        """Count one scene.

        Args:
            labels: Of its objects.
            searched: Labels that annotators looked for.
            texts: Captions.
            answered: Questions, each with its most frequent answer.
        """
        present = sorted(set(labels))
        self._scenes.update(present)
        self._searched.update(dict.fromkeys(searched))
        for label in present:
            self._together[label].update(present)
        self._seen += 1
        if self._seen <= ENOUGH:
            self._words.update({word for text in texts for word in captions.words(text)})
            for question, answer in answered:
                self._answers[question_kind(question)][answer.strip().lower()] += 1

    def result(self) -> Statistics:
        """What is kept, in an order that does not depend on how ties were met."""
        labels = sorted(self._searched.keys() | self._scenes.keys(), key=lambda k: (-self._scenes[k], k))
        return Statistics(
            labels=tuple(labels),
            scenes={label: self._scenes[label] for label in labels},
            companions={
                label: {
                    other: round(found[other] / found[label], 4)
                    for other in _by_count(found)[: COMPANIONS + 1]
                    if other != label and found[other] > 1  # once is chance
                }
                for label, found in sorted(self._together.items())
            },
            answers={kind: tuple(_by_count(found)[:ANSWERS]) for kind, found in sorted(self._answers.items())},
            words=frozenset(word for word, n in self._words.items() if n > 1),
        )


def _by_count(counter: Counter[str]) -> list[str]:
    return sorted(counter, key=lambda k: (-counter[k], k))


def of_scenes(scenes: Iterable[Scene]) -> Statistics:
    """Statistics of scenes in memory."""
    counting = Counting()
    for scene in scenes:
        counting.add(
            (o.label for o in scene.objects),
            scene.searched,
            (c.text for c in scene.captions),
            ((q.text, q.answers[0].text) for q in scene.questions if q.answers),
        )
    return counting.result()


def of_parts(paths: Sequence[Path]) -> Statistics:
    """Statistics of scene tables on disk, one part in memory at a time."""
    counting = Counting()
    for path in paths:
        for row in pq.read_table(path, columns=_COLUMNS).to_pylist():
            counting.add(
                (o["label"] for o in row["objects"]),
                row["searched"],
                (c["text"] for c in row["captions"]),
                ((q["text"], q["answers"][0]["text"]) for q in row["questions"] if q["answers"]),
            )
    return counting.result()
