"""A view of one scene: what all tasks want to know of it, computed once, and what may be said without risk."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence

import msgspec

from vlit.data.boxes import Box, format_box, to_normalised, to_padded_square
from vlit.data.sample import Mark
from vlit.data.scene import Caption, Object, Scene
from vlit.generate.statistics import Statistics
from vlit.generate.told import Told, told_of
from vlit.language import captions, nouns
from vlit.language.mentions import Mention, lexicon

#: Mirrors and pictures show things twice: nothing is counted or called the only one there.
_DOUBLED = re.compile(
    r"\b(?:mirrors?|reflect\w*|illusion|collage|posters?|statues?|paintings?|photos? of|pictures? of)\b",
    re.IGNORECASE,
)
#: These show one thing again.
_MIRRORED = re.compile(r"\b(?:mirrors?|reflect\w*)\b", re.IGNORECASE)
_REPEATED = re.compile(r"\b(?:illusion|collage)\b", re.IGNORECASE)
#: Shares of the image below which an object is easily overlooked, and easily taken for another.
TINY, SMALL = 0.0024, 0.01
#: An animal that takes less, and that no caption tells of, may be a toy.
_FAR = 0.02
#: So many people are a crowd, in which small things are not seen.
_CROWD = 6
#: Boxes of one label that lie on each other so far (share of the smaller): there may be more behind them.
_OVERLAP = 0.3
#: Boxes of two labels that overlap so far are of one thing, unless they are large (a pizza on a table).
_SAME_BOX, _SAME_BOX_SHARE = 0.6, 0.3


class Line(msgspec.Struct, frozen=True):
    """A caption that may be used, cleaned."""

    id: str
    text: str
    loose: bool


class Settings(msgspec.Struct, frozen=True):
    """The parts of the config that the view needs."""

    min_area: float = 0.005  #: share of the image that an object needs to be pointed at
    padded_square: bool = False


class View:
    """One scene as the tasks see it.

    Args:
        scene: The scene.
        statistics: Of all scenes.
        settings: From the config.
    """

    def __init__(self, scene: Scene, statistics: Statistics, settings: Settings) -> None:
        self.scene, self.statistics, self.settings = scene, statistics, settings
        self.width, self.height = scene.image.width, scene.image.height
        self._area = float(self.width * self.height) or 1.0
        self.by_label: dict[str, list[Object]] = {}
        self.crowded: set[str] = set()
        for o in scene.objects:
            self.by_label.setdefault(o.label, []).append(o)
            if o.crowd:
                self.crowded.add(o.label)
        self._searched = _searched(scene.searched)
        self.passed_over: list[tuple[Caption, str]] = []  #: captions that are no ``lines``, and why

    # What is there

    def share(self, o: Object) -> float:
        """Share of the image that the object's box takes, 0 to 1."""
        return o.box.area / self._area

    @functools.cached_property
    def lines(self) -> list[Line]:
        """Usable captions, the one that the others agree with most first."""
        kept: list[tuple[Caption, str]] = []
        outvoted = captions.outvoted([caption.text for caption in self.scene.captions])
        for i, caption in enumerate(self.scene.captions):
            text = captions.clean(caption.text)
            if any(text == other for _, other in kept):
                continue  # two people said the same
            problem = "the other captions disagree" if i in outvoted else captions.problem(text)
            if problem is None and self._sees_wrong(caption.text):
                problem = "the boxes disagree"
            if problem is None:
                kept.append((caption, text))
            else:
                self.passed_over.append((caption, problem))
        order = captions.ranked([text for _, text in kept], self.statistics.words)
        return [Line(kept[i][0].id, kept[i][1], captions.is_loose(kept[i][1])) for i in order]

    def _sees_wrong(self, text: str) -> bool:
        """Whether a caption names what annotators would have boxed and did not: giraffes where zebras are."""
        known = (nouns.words().told | nouns.words().animals) & self._searched
        return any(
            m.label in known and m.label not in self.by_label and m.relation != "broader"
            for m in self.mentions(text)
        )

    @functools.cached_property
    def visible(self) -> list[str]:
        """Labels with at least one object that is not easily overlooked, by the area that they take."""
        areas = {
            label: sum(map(self.share, found))
            for label, found in self.by_label.items()
            if self._is_visible(label, found)
        }
        return sorted(areas, key=lambda k: (-areas[k], k))

    def _is_visible(self, label: str, found: Sequence[Object]) -> bool:
        """Whether a reader surely sees one of them, and would call it that."""
        words = nouns.words()
        if not self._told(label) and (
            label in words.told or (label in words.animals and self._largest(label) < _FAR)
        ):
            return False
        named = self._mentions.named
        rivals = self._rivals(label)
        if self._called_otherwise(label) or (label not in named and rivals & named):
            return False
        if rivals and label not in named and any(self._largest(label) < self._largest(k) for k in rivals):
            return False
        plain = label in named or (not rivals and self._told(label))
        seen = [self.share(o) for o in found if label in named or not self._named_twice(o)]
        return max(seen, default=0.0) >= (TINY if plain else SMALL)

    def _largest(self, label: str) -> float:
        return max(map(self.share, self.by_label[label]))

    def mentions(self, text: str) -> list[Mention]:
        """Places of a text that speak of labels of the corpus."""
        return lexicon(self.statistics.labels).find(text)

    @functools.cached_property
    def _in_captions(self) -> list[tuple[Caption, list[Mention]]]:
        return [(caption, self.mentions(caption.text)) for caption in self.scene.captions]

    @functools.cached_property
    def _mentions(self) -> Told:
        return told_of(self.scene, self._in_captions, self.mentions)

    @property
    def mentioned(self) -> set[str]:
        """Labels that a caption, region or question may speak of."""
        return self._mentions.maybe

    @functools.cached_property
    def doubled(self) -> bool:
        """Whether a caption speaks of a mirror, a picture or the like."""
        return any(_DOUBLED.search(c.text) for c in self.scene.captions)

    def is_one(self, label: str) -> bool:
        """Whether one speaks of a single thing: one box, or more that may be the same thing again."""
        boxes = len(self.by_label[label])
        if self.doubled and boxes > 1:
            again = _REPEATED if boxes > 3 else _MIRRORED
            return any(again.search(c.text) or _REPEATED.search(c.text) for c in self.scene.captions)
        heap = label in self._mentions.many and label in nouns.words().seldom_counted  # one box around carrots
        return boxes == 1 and label not in self.crowded and not heap

    @functools.cached_property
    def crowd(self) -> bool:
        """Whether there are so many people that small things are not seen."""
        return "person" in self.crowded or len(self.by_label.get("person", ())) >= _CROWD

    # What is known for sure

    @functools.cached_property
    def counts(self) -> dict[str, int]:
        """Exact numbers of labels that are there; none where anything puts them in doubt."""
        return {} if self.doubled else {k: len(v) for k, v in self.by_label.items() if self._is_sure(k, v)}

    @functools.cached_property
    def numbers(self) -> dict[str, int]:
        """Numbers that may be asked for: not of tables, where annotators looked for dining tables only."""
        return {label: n for label, n in self.counts.items() if self.said(label) == label}

    def _is_sure(self, label: str, found: Sequence[Object]) -> bool:
        """Whether annotators surely boxed each one, and a reader would count the same."""
        if label not in self._searched or label in self.crowded or not nouns.countable(label):
            return False
        if min(map(self.share, found)) < (SMALL if self.crowd and len(found) > 1 else TINY):
            return False
        told, n, words = self._mentions, len(found), nouns.words()
        if label in told.numbers:
            return n in told.numbers[label]
        if not self._is_visible(label, found):
            return False
        if n == 1 and label in told.many:
            return False
        if self._rivals(label) or (self.crowd and label in words.in_crowds):
            return False
        if any(map(self._named_twice, found)):
            return False
        return n == 1 or not (
            label in words.seldom_counted or not self._told(label) or (n > 2 and _hidden(found))
        )

    def _named_twice(self, o: Object) -> bool:
        """Whether another label has the same box: annotators did not agree on what it is."""
        return self.share(o) < _SAME_BOX_SHARE and any(
            other.label != o.label and o.box.iou(other.box) > _SAME_BOX for other in self.scene.objects
        )

    def _told(self, label: str) -> bool:
        """Whether captions may speak of it; yes where there are none."""
        return not self.scene.captions or label in self.mentioned

    def _called_otherwise(self, label: str) -> bool:
        beside = nouns.words().called_otherwise.get(label, frozenset())
        return not beside.isdisjoint(self.by_label) and label not in self._mentions.named

    def by_name(self, labels: Iterable[str]) -> list[str]:
        """Those that may be asked for by their own name: a "dining table" only where captions call it so."""
        return [label for label in labels if self.said(label) == label]

    def _rivals(self, label: str) -> set[str]:
        """Labels that are there and that annotators give to the like of it: the truck beside a car."""
        rows = [row for row in nouns.words().mixed_up if label in row]
        return {other for row in rows for other in row if other != label and other in self.by_label}

    @functools.cached_property
    def unique(self) -> list[Object]:
        """Objects that are the only one of their label and large enough to be pointed at, largest first."""
        found = [
            self.by_label[label][0]
            for label, n in self.counts.items()
            if n == 1 and self.share(self.by_label[label][0]) >= self._least(label)
        ]
        return sorted(found, key=lambda o: (-o.box.area, o.id))

    def _least(self, label: str) -> float:
        """Share of the image that a thing needs to be pointed at; more where no text speaks of it."""
        return self.settings.min_area if self._told(label) else max(self.settings.min_area, SMALL)

    @functools.cached_property
    def absent(self) -> list[str]:
        """Labels that are surely not there, most frequent in the corpus first.

        Searched for by annotators, spoken of in no text, and not easily taken for something that is there.
        """
        blocked = set(self.mentioned)
        if self.crowd:
            blocked |= nouns.words().in_crowds
        for label in self.by_label:
            blocked |= nouns.words().overlooked.get(label, frozenset())
        for row in nouns.words().confusable:
            if any(label in row for label in self.by_label):
                blocked |= row
        return [
            label
            for label in self.statistics.labels
            if label in self._searched and label not in self.by_label and label not in blocked
        ]

    @functools.cached_property
    def expected(self) -> list[str]:
        """Absent labels that often occur together with what is there, the most usual first."""
        company: dict[str, float] = {}
        for label in sorted(self.by_label):
            for other, share in self.statistics.companions.get(label, {}).items():
                company[other] = company.get(other, 0.0) + share
        return sorted((c for c in self.absent if c in company), key=lambda c: (-company[c], c))

    # Names

    @functools.cached_property
    def _called(self) -> dict[str, tuple[str, tuple[str, ...]]]:
        """What most captions call the only person: ("man", ids of those captions)."""
        if self.counts.get("person") != 1:
            return {}
        used: dict[str, list[str]] = {}
        for caption, found in self._in_captions:
            words = [
                m.text.lower()
                for m in found
                if m.label == "person" and m.relation == "narrower" and not m.plural
            ]
            word = next((w for w in words if w in nouns.words().people), None)
            if word is not None:
                used.setdefault(word, []).append(caption.id)
        if not used:
            return {}
        word = min(used, key=lambda w: (-len(used[w]), w))
        if len(used[word]) < 2 or 2 * len(used[word]) <= sum(map(len, used.values())):
            return {}
        return {"person": (word, tuple(used[word]))}

    def said(self, label: str) -> str:
        """The label itself where captions name it, else the wider name that is surely right: "table"."""
        return label if label in self._mentions.named else nouns.loosely(label)

    def bare(self, label: str) -> str:
        """What to call one that is there, without article: "dog", "man" where captions agree on it."""
        called = self._called.get(label)
        return called[0] if called else nouns.bare(self.said(label))

    def the(self, label: str) -> str:
        """With the definite article: "the dog"."""
        return f"the {self.bare(label)}"

    def a(self, label: str) -> str:
        """With the indefinite article: "a dog", "some broccoli"."""
        called = self._called.get(label)
        return nouns.singular(called[0] if called else self.said(label))

    # Making facts

    def mark(self, o: Object) -> Mark:
        """The object as a box that the text speaks of."""
        return Mark(label=o.label, box=o.box, annotation=o.id)

    def marks(self, label: str) -> tuple[Mark, ...]:
        """All objects of the label."""
        return tuple(map(self.mark, self.by_label[label]))

    def evidence(self, label: str) -> tuple[str, ...]:
        """Ids of all objects of the label, and of the captions that it is named after."""
        ids = tuple(o.id for o in self.by_label[label])
        called = self._called.get(label)
        return ids + called[1] if called else ids

    def box_text(self, box: Box) -> str:
        """A box as it stands in a text."""
        form = to_padded_square if self.settings.padded_square else to_normalised
        return format_box(form(box, self.width, self.height))

    @property
    def box_form(self) -> str:
        """Name of the box convention, the last part of the groups that explain it."""
        return "padded_square" if self.settings.padded_square else "normalised"


def _hidden(objects: Sequence[Object]) -> bool:
    """Whether boxes lie on each other, so that more things may be behind."""
    boxes = [o.box for o in objects]
    return any(
        overlap(a, b) > _OVERLAP * min(a.area, b.area) for i, a in enumerate(boxes) for b in boxes[i + 1 :]
    )


def overlap(a: Box, b: Box) -> float:
    """Area that two boxes share, in square pixels."""
    return max(0.0, min(a.x2, b.x2) - max(a.x1, b.x1)) * max(0.0, min(a.y2, b.y2) - max(a.y1, b.y1))


@functools.lru_cache(maxsize=256)
def _searched(labels: Sequence[str]) -> frozenset[str]:
    return frozenset(labels)
