"""Matching degree without a vision model: is a sample about its own image, or might it be about any other?

The words that a sample affirms (``affirmed``) are held against the annotations of its image, and against
how many other images of the set have them. For a word let p be the share of the *other* images whose
annotations have it, and q the larger of p and ``expected``, the share of the words of a fitting text that are
in the annotations. What a word tells is the logarithm of how much likelier it is to be met, or missed, in its
own image than in another one:

    evidence = sum over distinct words of   ln q/p               where the annotations of its image have it
                                            ln (1 - q)/(1 - p)   where they lack it
    value    = 1 / (1 + exp(-evidence))                          0 to 1

0.5 says that nothing tells its image from another one, 0 that it is about another one. Words are the stems of
content words, and beside them the labels that they mean (``language.mentions``: a puppy is a dog); of an image,
those of its captions, phrases, labels, attributes, relations, texts, questions and their usual answers. A label
that annotators searched for is expected with 0.9. Words that no image of the set has ("cosy", "coordinates")
tell nothing. p is smoothed: (other images with the word + 1/2) / (other images + 1).

Limits: it sees the swapped image, hardly the single wrong word, and no word order, number or side. Words are
counted as if they were independent: rank by the value, do not read it as a probability. A text about what most
images have ("a person") stays near 0.5, and so does one about what the annotators left out. A sample that only
denies ("No, there is no dog.") has no value. Of several images it cannot tell which one a word is about. Where
all images of a set show the same, there is nothing to contrast with.
"""

from __future__ import annotations

import functools
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar

import pydantic

from vlit.assess.correctness.affirmed import affirmed
from vlit.assess.correctness.claims import is_plain_word
from vlit.assess.correctness.judged import scene_of
from vlit.assess.diversity.stop_words import stop_words
from vlit.assess.indicator import Indicator, Need
from vlit.assess.seen import Part, Seen
from vlit.data.sample import Sample
from vlit.data.scene import Scene
from vlit.data.score import Score
from vlit.language.mentions import lexicon
from vlit.language.stems import stem
from vlit.run.stage import Config

_WORD = re.compile(r"[^\W\d_]{2,}")
#: Of pictures, boxes and forms of answers: captions of other images have some of them by chance.
_OF_PICTURES = frozenset((
    "left", "right", "top", "bottom", "center", "centre", "middle", "side", "upper", "lower", "corner", "edge",
    "background", "foreground", "area", "region", "box", "position", "located", "coordinate", "coordinates",
    "width", "height", "size", "scaled", "relative", "value", "values", "letter",
))  # fmt: skip
_LABEL = "="  #: before a label, so that it is no word
_SEARCHED = 0.9  #: expected of a label that annotators searched for
_LABELS, _LABELLED = 1000, 2000  #: labels that are found by other names, and images that they are counted in
_USUAL = 3  #: people who gave an answer
_NAMED = 3  #: words that a reason names of each kind


class AnnotatedMatchingConfig(Config):
    """What is expected of a fitting text."""

    expected: float = pydantic.Field(default=0.3, gt=0, lt=1)  #: share of its words that annotations have
    min_images: int = pydantic.Field(default=8, ge=2)  #: of fewer it is not known what is rare


@dataclass(frozen=True)
class Vocabulary:
    """In how many images of the set each word and label is: all that is kept of it."""

    images: int
    counts: Mapping[str, int]
    labels: tuple[str, ...]  #: the commonest ones, sorted


class AnnotatedMatching(Indicator[AnnotatedMatchingConfig]):
    """How surely a sample is about its own image and not about another one of the set, by their annotations."""

    name: ClassVar[str] = "annotated_matching"
    principle = "correctness"
    direction = "higher is better"
    needs: ClassVar[tuple[Need, ...]] = ("text", "scenes")
    Config = AnnotatedMatchingConfig

    def fit(self) -> _Pass:
        """Note which images the set shows."""
        return _Pass()

    def score(self, part: Part, state: Vocabulary) -> Iterator[Score]:
        """Hold each sample against the one scene that it shows."""
        reader = _reader(state.labels)
        known: dict[str, frozenset[str]] = {}
        for sample in part.samples:
            scene, why = scene_of(sample, part.scenes)
            if scene is None:
                yield self.of(sample, None, why)
                continue
            if scene.id not in known:
                known[scene.id] = reader.of_scene(scene)
            yield self._judged(sample, scene, known[scene.id], reader, state)

    def _judged(
        self, sample: Sample, scene: Scene, has: frozenset[str], reader: _Reader, state: Vocabulary
    ) -> Score:
        if state.images < self.config.min_images:
            return self.of(sample, None, f"the set has only {state.images} annotated images to compare with")
        if not has:
            return self.of(sample, None, "no annotation says what its image shows")
        met: dict[str, float] = {}  # evidence by word
        missed: dict[str, float] = {}
        for concept, word in reader.words(affirmed(sample)).items():
            own = concept in has
            others = max(state.counts.get(concept, 0) - own, 0)
            if own or others:
                side = met if own else missed
                side[word] = side.get(word, 0.0) + self._evidence(concept, own, others, scene, state.images)
        if not met and not missed:
            return self.of(sample, None, "names nothing that the annotations of any image have")
        evidence = math.fsum((*met.values(), *missed.values()))
        return self.of(sample, 1 / (1 + math.exp(min(-evidence, 700))), _reason(met, missed))

    def _evidence(self, concept: str, own: bool, others: int, scene: Scene, images: int) -> float:
        chance = (others + 0.5) / images
        searched = concept[0] == _LABEL and concept[1:] in scene.searched
        expected = max(_SEARCHED if searched else self.config.expected, chance)
        return math.log(expected / chance) if own else math.log((1 - expected) / (1 - chance))


def _reason(met: Mapping[str, float], missed: Mapping[str, float]) -> str:
    """The words that tell most, for and against."""
    named = ", ".join(sorted(met, key=lambda w: (-met[w], w))[:_NAMED])
    lacking = ", ".join(sorted(missed.keys() - met.keys(), key=lambda w: (missed[w], w))[:_NAMED])
    if not lacking:
        return f"its annotations name {named}"
    return f"its annotations name {named}, not {lacking}" if named else f"its annotations do not name {lacking}"


class _Pass:
    """Which images are shown while samples pass by; then the words of their annotations."""

    def __init__(self) -> None:
        self._shown: set[str] = set()

    def add(self, sample: Sample) -> None:
        self._shown.update(sample.provenance.scenes)

    def state(self, seen: Seen) -> Vocabulary:
        return vocabulary(scene for scene in seen.scenes if scene.id in self._shown)


def vocabulary(scenes: Iterable[Scene]) -> Vocabulary:
    """Count in how many scenes each word and label is; few scenes are held at a time."""
    rest = iter(scenes)
    first = list(islice(rest, _LABELLED))
    labels: Counter[str] = Counter()
    for scene in first:
        labels.update({*scene.searched, *(o.label for o in scene.objects)})
    common = sorted(labels, key=lambda label: (-labels[label], label))[:_LABELS]
    reader = _reader(tuple(sorted(common)))
    counts: Counter[str] = Counter()
    images = 0
    for some in (first, rest):
        for scene in some:
            images += 1
            counts.update(reader.of_scene(scene))
    return Vocabulary(images, dict(sorted(counts.items())), tuple(sorted(common)))


class _Reader:
    """What words mean: stems, and labels that they are other names of. Each word is looked up once."""

    def __init__(self, labels: tuple[str, ...]) -> None:
        self._lexicon = lexicon(labels)
        self._known: dict[str, tuple[str, ...]] = {}

    def words(self, text: str) -> dict[str, str]:
        """What a text speaks of, in its order, each with the first word that says so."""
        found: dict[str, str] = {}
        known = self._known
        for word in _WORD.findall(text.lower()):
            concepts = known.get(word)
            if concepts is None:
                concepts = known[word] = self._concepts(word)
            for concept in concepts:
                found.setdefault(concept, word)
        return found

    def of_scene(self, scene: Scene) -> frozenset[str]:
        """What the annotations of an image speak of."""
        return frozenset((*self.words("\n".join(_texts(scene))), *(_LABEL + o.label for o in scene.objects)))

    def _concepts(self, word: str) -> tuple[str, ...]:
        if word in stop_words() or word in _OF_PICTURES or is_plain_word(word, asking=True):
            return ()
        meant = (_LABEL + m.label for m in self._lexicon.find(word) if m.relation != "broader")
        return (stem(word), *meant)


@functools.lru_cache(maxsize=4)
def _reader(labels: tuple[str, ...]) -> _Reader:
    return _Reader(labels)


def _texts(scene: Scene) -> Iterator[str]:
    """All that annotations say of an image in words."""
    yield from (caption.text for caption in scene.captions)
    yield from (region.phrase for region in scene.regions)
    for thing in scene.objects:
        yield thing.label.replace("_", " ")
        yield from thing.attributes
    yield from (relation.predicate for relation in scene.relations)
    yield from (text.text for text in scene.texts)
    for question in scene.questions:
        yield question.text
        yield from (answer.text for answer in question.answers if answer.count >= _USUAL)
