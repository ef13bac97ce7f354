"""What is known of a scene as lines of plain language, one function for each part."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from random import Random

from vlit.data.boxes import Box, format_box, to_normalised
from vlit.data.scene import Object, Question, Relation, Scene
from vlit.generate import things
from vlit.generate.instruct.clue_blocks import BoxValues, Line, cleaned
from vlit.generate.instruct.clue_words import Wordings
from vlit.generate.places import place_of
from vlit.generate.statistics import Statistics
from vlit.generate.view import Settings, View, overlap
from vlit.language import nouns

#: So many absent things are told: enough to ask about, without making a catalogue of the picture.
ABSENT = 24
#: Share of a box that has to lie within the marked region.
_WITHIN = 0.7
#: Intersection over union from which a phrase is about the marked region itself.
_SAME = 0.7


class SceneLines:
    """The lines of one scene.

    Args:
        scene: The scene.
        wordings: Of the lines.
        random: Chooses among absent things.
        region: The marked region in pixels, where there is one.
    """

    def __init__(self, scene: Scene, wordings: Wordings, random: Random, region: Box | None) -> None:
        self.scene, self.say, self.random, self.region = scene, wordings.say, random, region

    @cached_property
    def view(self) -> View:
        """The scene as the annotation tasks see it: what may be counted, and what is surely not there."""
        labels = tuple(sorted({*self.scene.searched, *(o.label for o in self.scene.objects)}))
        return View(self.scene, Statistics(labels=labels), Settings())

    def of(self, part: str, region_boxes: bool) -> list[Line]:
        """The lines of a part."""
        if part == "regions":
            return list(self.regions(region_boxes))
        makers: Mapping[str, Callable[[], Iterable[Line]]] = {
            "captions": self.captions,
            "objects": self.objects,
            "counts": self.counts,
            "attributes": self.attributes,
            "relations": self.relations,
            "texts": self.texts,
            "questions": self.questions,
            "absent": self.absent,
            "region": self.marked,
        }
        return list(makers[part]())

    def captions(self) -> Iterator[Line]:
        """One line for each caption."""
        for caption in self.scene.captions:
            if text := cleaned(caption.text):
                yield Line(self.say("captions", "line", text=text), evidence=(caption.id,))

    def objects(self) -> Iterator[Line]:
        """Label and box of each object."""
        for o in self.scene.objects:
            yield self.with_box(o.box, o.id, "objects", "line", label=label_of(o))

    def with_box(self, box: Box, evidence: str, part: str, wording: str, **slots: str) -> Line:
        """A line that shows a box, normalised."""
        values = self.normalised(box)
        return Line(self.say(part, wording, box=format_box(values), **slots), (values,), (evidence,))

    def normalised(self, box: Box) -> BoxValues:
        """The box in fractions of the image, which needs a size."""
        width, height = self.scene.image.width, self.scene.image.height
        return to_normalised(box.clipped(width, height), width, height)

    def counts(self) -> Iterator[Line]:
        """All objects in one sentence, what takes up most of the image first."""
        by_label = self.view.by_label
        if not by_label:
            return
        area = {label: sum(o.box.area for o in found) for label, found in by_label.items()}
        labels = sorted(by_label, key=lambda label: (-area[label], label))
        evidence = dict.fromkeys(id for label in labels for id in self.view.evidence(label))
        amounts = dict.fromkeys(self._amount(label) for label in labels)  # two labels may be said alike
        text = self.say("counts", "line", things=nouns.join(list(amounts)))
        yield Line(text, evidence=tuple(evidence))

    def _amount(self, label: str) -> str:
        """How many there are: a number where it is sure, else "some", "several", or "many"."""
        said = self.view.said(label)
        if not nouns.countable(said) or self.view.is_one(label):
            return things.amount(self.view, label)
        if (n := self.view.counts.get(label)) is not None:
            return nouns.counted(n, said)
        if label in self.view.crowded and len(self.view.by_label[label]) < 3:
            return f"several {nouns.plural(said)}"
        return things.amount(self.view, label)

    def attributes(self) -> Iterator[Line]:
        """What objects are like; those of one label that are alike share a line."""
        alike: dict[tuple[str, tuple[str, ...]], list[Object]] = {}
        for o in self.scene.objects:
            if words := tuple(filter(None, map(cleaned, o.attributes))):
                alike.setdefault((o.label, words), []).append(o)
        for (label, words), found in alike.items():
            several = len(found) > 1 or found[0].crowd
            if several and label in self.view.counts:
                subject, are = nouns.counted(len(found), label), "are"
            elif several:
                subject, are = f"some {nouns.kind(label)}", nouns.kind_is(label)
            else:
                alone = self.view.is_one(label) and nouns.countable(label)
                subject = f"the {nouns.bare(label)}" if alone else nouns.singular(label)
                are = nouns.kind_is(label) if subject.startswith("some ") else "is"
            text = self.say(
                "attributes", "line", things=nouns.capital(subject), are=are, attributes=nouns.join(words)
            )
            yield Line(text, evidence=tuple(o.id for o in found))

    def relations(self) -> Iterator[Line]:
        """How objects stand to each other; what is said twice shares a line."""
        yield from self._related("relations", "line", self.scene.relations)

    def _related(self, part: str, wording: str, relations: Iterable[Relation]) -> Iterator[Line]:
        objects = {o.id: o for o in self.scene.objects}
        alike: dict[str, list[str]] = {}
        for relation in relations:
            ends = [nouns.singular(objects[end].label) for end in (relation.subject, relation.object)]
            text = self.say(
                part,
                wording,
                subject=nouns.capital(ends[0]),
                predicate=cleaned(relation.predicate).lower(),
                object=ends[1],
            )
            alike.setdefault(text, []).extend((relation.id, relation.subject, relation.object))
        for text, evidence in alike.items():
            yield Line(text, evidence=tuple(dict.fromkeys(evidence)))

    def regions(self, boxes: bool) -> Iterator[Line]:
        """Phrases about parts of the image."""
        for region in self.scene.regions:
            phrase = cleaned(region.phrase)
            if phrase and boxes:
                yield self.with_box(region.box, region.id, "regions", "boxed", phrase=phrase)
            elif phrase:
                yield Line(self.say("regions", "line", phrase=phrase), evidence=(region.id,))

    def texts(self) -> Iterator[Line]:
        """Recognised characters; the same again shares a line."""
        alike: dict[str, list[str]] = {}
        for read in self.scene.texts:
            if text := cleaned(read.text):
                alike.setdefault(text, []).append(read.id)
        for text, evidence in alike.items():
            yield Line(self.say("texts", "line", text=text), evidence=tuple(evidence))

    def questions(self) -> Iterator[Line]:
        """What people were asked, how many gave which answer, and why."""
        for question in self.scene.questions:
            if said := " ".join(self._answered(question)):
                yield Line(said, evidence=(question.id,))

    def _answered(self, question: Question) -> Iterator[str]:
        asked = cleaned(question.text)
        answers = [(cleaned(a.text), a.count) for a in question.answers if cleaned(a.text)]
        choices = [cleaned(choice) for choice in question.choices]
        total = sum(count for _, count in answers)
        if not asked or not (answers or choices):
            return
        if total > 1:
            votes = [
                self.say("questions", "next_vote" if i else "vote", count=count, all=total, answer=answer)
                for i, (answer, count) in enumerate(answers)
            ]
            yield self.say("questions", "line", question=asked, votes=nouns.join(votes))
        elif answers:
            yield self.say("questions", "single", question=asked, answer=answers[0][0])
        if choices and question.correct is not None:
            if not answers:
                yield self.say("questions", "single", question=asked, answer=choices[question.correct])
            quoted = nouns.join([f'"{choice}"' for choice in choices])
            yield self.say("questions", "choice", choices=quoted, answer=choices[question.correct])
        for reason in filter(None, map(cleaned, question.rationales)):
            yield self.say("questions", "reason", text=_ended(reason))

    def absent(self) -> Iterator[Line]:
        """Some of what annotators looked for and did not find; no annotation shows it."""
        found = sorted(self.view.absent)
        if chosen := self.random.sample(found, min(len(found), ABSENT)):
            yield Line(
                self.say("absent", "line", things=nouns.join([nouns.kind(label) for label in chosen], "or"))
            )

    def marked(self) -> Iterator[Line]:
        """What is marked, where it is, and what lies in it."""
        box = self.region
        if box is None:
            return
        objects = [o for o in self.scene.objects if o.box == box]
        names = dict.fromkeys(_one_of(o) for o in objects)
        if names:
            text = self.say("region", "line", thing=nouns.join(list(names), "or"))
            yield Line(text, evidence=tuple(o.id for o in objects))
        for region in self.scene.regions:
            if region.box.iou(box) >= _SAME and (phrase := cleaned(region.phrase)):
                yield Line(self.say("region", "phrase", text=phrase), evidence=(region.id,))
        for o in objects:
            if words := [word for word in map(cleaned, o.attributes) if word]:
                yield Line(self.say("region", "attributes", attributes=nouns.join(words)), evidence=(o.id,))
        ids = {o.id for o in objects}
        touching = [r for r in self.scene.relations if r.subject in ids or r.object in ids]
        yield from self._related("region", "relation", touching)
        yield from self._placed(box)
        yield from self._within(box)

    def _found(self, objects: list[Object]) -> str:
        """An amount of things within a region; a number only where all of the label can be counted."""
        label = objects[0].label
        if len(objects) == 1:
            return _one_of(objects[0])
        if label in self.view.counts:
            return nouns.counted(len(objects), label)
        return f"{'several' if any(o.crowd for o in objects) else 'some'} {nouns.kind(label)}"

    def _placed(self, box: Box) -> Iterator[Line]:
        area = self.scene.image.width * self.scene.image.height
        if not area:
            return
        if place := place_of(self.view, Object(id="", label="", box=box)):
            yield Line(self.say("region", "place", where=place.where))
        yield Line(self.say("region", "share", percent=max(1, round(100 * box.area / area))))

    def _within(self, box: Box) -> Iterator[Line]:
        inside: dict[str, list[Object]] = {}
        for o in self.scene.objects:
            if o.box != box and _lies_in(o.box, box):
                inside.setdefault(o.label, []).append(o)
        if inside:
            amounts = [self._found(found) for found in inside.values()]
            evidence = tuple(o.id for found in inside.values() for o in found)
            yield Line(self.say("region", "inside", things=nouns.join(amounts)), evidence=evidence)
        for region in self.scene.regions:
            other = region.box.iou(box) < _SAME and _lies_in(region.box, box)
            if other and (phrase := cleaned(region.phrase)):
                yield Line(self.say("region", "smaller", text=phrase), evidence=(region.id,))
        for read in self.scene.texts:
            if read.box is not None and _lies_in(read.box, box) and (text := cleaned(read.text)):
                yield Line(self.say("region", "text", text=text), evidence=(read.id,))


def label_of(o: Object) -> str:
    """The label as it was given; a crowd in words, so that nobody takes it for one."""
    return f"several {nouns.plural(o.label)}" if o.crowd else cleaned(o.label)


def _one_of(o: Object) -> str:
    return f"several {nouns.plural(o.label)}" if o.crowd else nouns.singular(o.label)


def _ended(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _lies_in(inner: Box, outer: Box) -> bool:
    return inner.area < outer.area and overlap(inner, outer) >= _WITHIN * inner.area
