"""Contamination: what a model was asked that it was tuned on. A score on such questions is no score.

Each question of a benchmark is held against all training samples:

* *photo*: a sample shows the very file, by its SHA-256 or its address;
* *near photo*: a sample shows a photo whose perceptual hash has at most 56 of 256 bits unequal: the same one
  scaled, stored anew, brighter, or cut. Different photos of COCO, and parts of them, are at least 86 bits apart
  (2.7 million pairs). Of photos cut to 95 % of their sides 96 in 100 are found where the middle is kept, 60
  where one side is cut;
* *question*: at least 0.8 of the question's runs of eight words stand in one sample's instructions.

Runs that more than three questions share are how a benchmark asks, not what, and are left out. A question of
which fewer than three runs remain (ten words in a line) is everybody's: "What time does the clock say it is?"
is asked of many clocks, and is held against the samples by its photo alone. Rotations ("#1") are one question.

Limits: photos that were mirrored, or cut by more, are not recognised; blank pictures are not compared by look,
and pages that are mostly blank may be taken for one another; paraphrases and translations are not seen. A
question without findings is one in which these rules found nothing, which is not proof. Photos that cannot be
opened are counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from vlit.data.errors import VlitError
from vlit.data.images import ImageProblem, open_rgb
from vlit.data.perceptual import HASH_BITS, perceptual_hash
from vlit.data.sample import Sample, strip_image_tokens
from vlit.data.scene import Image
from vlit.data.seeds import draw
from vlit.evaluate.question import Answered, Question, Scored
from vlit.language.tokens import spoken

Kind = Literal["photo", "near photo", "question"]
Run = tuple[str, ...]
U64 = npt.NDArray[np.uint64]
R = TypeVar("R", Answered, Scored)

#: Of the file beside the answers.
NAME = "contamination.json"

KINDS: tuple[Kind, ...] = ("photo", "near photo", "question")
#: Training photos that are opened to be compared by look, drawn where there are more.
MOST_PHOTOS = 20_000

_WORDS = 8  #: of a run
_SHARE = 0.8  #: of a question's runs
_LEAST = 3  #: runs that a question needs to be told by its words
_ONES_OWN = 3  #: questions that may share a run
_NEAR = 56  #: bits
_BLOCK = 256  #: hashes of ours that are compared at once
_SIDE = 384  #: pixels of the longest side of a photo that is hashed
_PLAIN = HASH_BITS // 4  #: bits that a hash has to have set: that of a blank picture has none


class Finding(NamedTuple):
    """Why a question is contaminated."""

    kind: Kind
    sample: str  #: id of the first training sample that it was found in
    told: str


@dataclass(frozen=True)
class Contamination:
    """What was found, and what was compared."""

    found: Mapping[str, tuple[Finding, ...]]  #: by the question's id
    questions: int
    samples: int
    short: int = 0  #: questions with too few words of their own: compared by photo alone
    words: bool = True  #: whether questions were compared by their words
    photos: int = 0  #: different photos of the benchmark
    trained: int = 0  #: different photos of the training samples
    looked: int = 0  #: of these, how many were compared by look
    unseen: int = 0  #: photos of both that cannot be opened, or are too plain to be told by look

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of the contaminated questions, in the order of the benchmark."""
        return tuple(self.found)

    def counts(self) -> Mapping[str, int]:
        """Contaminated questions for each kind, and in all; a question may count for several kinds."""
        kinds = Counter(kind for of in self.found.values() for kind in {one.kind for one in of})
        return {**{kind: kinds[kind] for kind in KINDS}, "in all": len(self.found)}

    def clean(self, rows: Iterable[R]) -> list[R]:
        """The rows whose question is not contaminated."""
        return [row for row in rows if row.question.id not in self.found]

    def told(self) -> str:
        """What a card says, in one or two sentences."""
        counts = self.counts()
        kinds = KINDS if self.words else KINDS[:2]
        which = ", ".join(f"{counts[kind]:,} by {kind}" for kind in kinds)
        looked = f"{self.looked:,} of {self.trained:,} training photos by look"
        unseen = f", {self.unseen:,} photos are blank or cannot be opened" if self.unseen else ""
        words = f"{self.short:,} questions are too short for words" if self.words else "words are not compared"
        return (
            f"{len(self.found):,} of {self.questions:,} questions are in the {self.samples:,} training samples "
            f"({which}). Compared: {looked}{unseen}; {words}."
        )

    def record(self) -> Mapping[str, Any]:
        """All of it as JSON values."""
        return {
            "counts": dict(self.counts()),
            "questions": self.questions,
            "samples": self.samples,
            "short": self.short,
            "words": self.words,
            "photos": self.photos,
            "trained": self.trained,
            "looked": self.looked,
            "unseen": self.unseen,
            "found": {id: [one._asdict() for one in of] for id, of in self.found.items()},
        }


def read_contamination(path: Path) -> Contamination | None:
    """What was found before, of the file that holds :meth:`Contamination.record`; ``None`` where there is none.

    Raises:
        VlitError: When the file holds something else.
    """
    if not path.is_file():
        return None
    try:
        told = msgspec.json.decode(path.read_bytes())
        found = {id: tuple(Finding(**one) for one in of) for id, of in told.pop("found").items()}
        del told["counts"]
        return Contamination(found=found, **told)
    except (msgspec.DecodeError, UnicodeDecodeError, AttributeError, KeyError, TypeError) as error:
        todo = "evaluate again, or remove the file"
        raise VlitError(f"this is no record of contamination: {error}", where=str(path), todo=todo) from error


def contaminated(
    questions: Sequence[Question],
    samples: Iterable[Sample],
    *,
    hashes: Mapping[str, str] | None = None,
    most_photos: int = MOST_PHOTOS,
    seed: int = 0,
    words: bool = True,
) -> Contamination:
    """Hold the questions of a benchmark against training samples, which are gone through once.

    Args:
        questions: Of the benchmark.
        samples: That the model was tuned on.
        hashes: Perceptual hashes that are known, by the photo's address; other photos are opened.
        most_photos: Training photos that are opened at most; those of known hashes are compared in any case.
        seed: Of the drawing where there are more.
        words: Whether words are compared: not where both are made by the same templates.
    """
    texts, photos = _Texts(questions if words else ()), _Photos(questions)
    count = 0
    for sample in samples:
        count += 1
        texts.take(sample)
        photos.take(sample)
    photos.look(hashes or {}, most_photos, seed)
    found = {q.id: (*photos.of(q), *texts.of(q)) for q in questions}
    return Contamination(
        found={id: of for id, of in found.items() if of},
        questions=len(questions),
        samples=count,
        short=texts.short,
        words=words,
        photos=len(photos.asked),
        trained=len(photos.trained),
        looked=photos.looked,
        unseen=photos.unseen,
    )


class _Texts:
    """Questions by the runs of words that are their own."""

    def __init__(self, questions: Sequence[Question]) -> None:
        self._runs: dict[str, int] = {}
        self._found: dict[str, Finding] = {}
        of: dict[str, set[Run]] = {}
        for question in questions:
            of.setdefault(_base(question.id), set()).update(runs(question.prompt))
        often = Counter(run for own in of.values() for run in own)
        self._asked: dict[Run, list[str]] = {}
        for id, own in of.items():
            kept = [run for run in own if often[run] <= _ONES_OWN]
            if len(kept) < _LEAST:
                continue
            self._runs[id] = len(kept)
            for run in kept:
                self._asked.setdefault(run, []).append(id)
        self.short = sum(_base(question.id) not in self._runs for question in questions)

    def take(self, sample: Sample) -> None:
        """Look for all questions in the instructions of a sample."""
        hits: Counter[str] = Counter()
        for run in {run for turn in sample.turns if turn.role == "user" for run in runs(turn.text)}:
            hits.update(self._asked.get(run, ()))
        for id, n in hits.items():
            if n >= _SHARE * self._runs[id] and id not in self._found:
                told = f"{n} of its {self._runs[id]} runs of {_WORDS} words are asked in {sample.id}"
                self._found[id] = Finding("question", sample.id, told)

    def of(self, question: Question) -> Iterator[Finding]:
        """What was found of a question."""
        if (found := self._found.get(_base(question.id))) is not None:
            yield found


@dataclass
class _Photos:
    """Photos of the benchmark, and those of the training samples."""

    questions: Sequence[Question]
    asked: dict[str, Image] = field(default_factory=dict)  #: by SHA-256, or address where there is none
    trained: dict[str, tuple[Image, str]] = field(default_factory=dict)  #: with the first sample
    looked: int = 0
    unseen: int = 0

    def __post_init__(self) -> None:
        for question in self.questions:
            self.asked.update({_name(image): image for image in question.images})
        self._places = {image.uri: name for name, image in self.asked.items()}
        self._found: dict[str, Finding] = {}

    def take(self, sample: Sample) -> None:
        """Note the photos of a sample."""
        for image in sample.images:
            name = _name(image)
            self.trained.setdefault(name, (image, sample.id))
            same = name if name in self.asked else self._places.get(image.uri)
            if same is not None and same not in self._found:
                self._found[same] = Finding("photo", sample.id, f"its photo is in {sample.id}: the same file")

    def look(self, hashes: Mapping[str, str], most: int, seed: int) -> None:
        """Compare photos that are not the same file by look."""
        ours = {name: image for name, image in self.asked.items() if name not in self._found}
        others = [name for name in self.trained if name not in self.asked]
        names = [name for name in others if self.trained[name][0].uri in hashes]
        opened = [name for name in others if self.trained[name][0].uri not in hashes]
        names += sorted(opened, key=lambda name: draw(seed, "contamination", name))[:most]
        if not ours or not names:
            return
        own = self._hashed(ours, hashes)
        theirs = self._hashed({name: self.trained[name][0] for name in names}, hashes)
        self.looked = len(theirs)
        if not own or not theirs:
            return
        known = list(theirs)
        at, bits = nearest(np.stack(list(own.values())), np.stack(list(theirs.values())))
        for name, place, n in zip(own, at.tolist(), bits.tolist(), strict=True):
            if n <= _NEAR:
                image, sample = self.trained[known[place]]
                told = f"its photo is like one in {sample}: {n} of {HASH_BITS} bits unequal, {image.uri}"
                self._found[name] = Finding("near photo", sample, told)

    def of(self, question: Question) -> Iterator[Finding]:
        """What was found of a question's photos."""
        for name in dict.fromkeys(map(_name, question.images)):
            if (found := self._found.get(name)) is not None:
                yield found

    def _hashed(self, photos: Mapping[str, Image], hashes: Mapping[str, str]) -> dict[str, U64]:
        """The hashes of photos, shape (4,) each, without those that say nothing."""
        found: dict[str, U64] = {}
        for name, image in photos.items():
            digits = hashes.get(image.uri) or hash_of(image)
            if digits is None or int(digits, 16).bit_count() < _PLAIN:
                self.unseen += 1
            else:
                found[name] = np.frombuffer(bytes.fromhex(digits), np.uint64)
        return found


def runs(text: str) -> Iterator[Run]:
    """Runs of eight words inside the lines of a text; none of a line that is shorter."""
    for line in strip_image_tokens(text).splitlines():
        words = spoken(line)
        for i in range(len(words) - _WORDS + 1):
            yield tuple(words[i : i + _WORDS])


def nearest(ours: U64, theirs: U64) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """For each of our hashes (n, 4) the nearest of theirs (m, 4), and its distance; of equals the first."""
    place, best = np.empty(len(ours), np.int64), np.empty(len(ours), np.int64)
    own, their = (np.unpackbits(x.view(np.uint8), axis=1).astype(np.float32) * 2 - 1 for x in (ours, theirs))
    for start in range(0, len(own), _BLOCK):  # equal bits less unequal ones: exact in float32
        alike = own[start : start + _BLOCK] @ their.T
        at = place[start : start + _BLOCK] = alike.argmax(axis=1)
        best[start : start + _BLOCK] = (HASH_BITS - alike[np.arange(len(at)), at]) // 2
    return place, best


def hash_of(image: Image) -> str | None:
    """The perceptual hash of a photo, as observed photos have it; ``None`` for one that cannot be opened."""
    import PIL.Image as PILImage

    try:
        photo = open_rgb(image)
    except ImageProblem:
        return None
    scale = _SIDE / max(photo.size)
    if scale < 1:
        size = max(1, round(photo.width * scale)), max(1, round(photo.height * scale))
        photo = photo.resize(size, PILImage.Resampling.BOX)
    return perceptual_hash(photo)


def _name(image: Image) -> str:
    return image.sha256 or image.uri


def _base(id: str) -> str:
    """A question's id without the rotation."""
    return id.partition("#")[0]
