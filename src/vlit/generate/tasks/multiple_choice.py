"""Multiple choice: people's questions, and questions about objects with options drawn from the corpus."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, zip_longest
from random import Random
from typing import ClassVar

from vlit.data.sample import Mark
from vlit.data.scene import Question
from vlit.generate.fact import Fact, Part, Task, TaskConfig
from vlit.generate.places import place_of, wrong_places
from vlit.generate.render import LETTERS
from vlit.generate.statistics import question_kind
from vlit.generate.tasks.open_vqa import agreed, asked, form_of
from vlit.generate.tasks.presence import absent
from vlit.generate.view import View
from vlit.language import nouns


class MultipleChoiceConfig(TaskConfig):
    """Multiple choice."""

    per_scene: int = 8
    options: int = 4


class MultipleChoice(Task[MultipleChoiceConfig]):
    """Wrong options are of the same kind as the right one, and surely wrong."""

    name = "multiple_choice"
    Config = MultipleChoiceConfig
    groups: ClassVar = {
        **dict.fromkeys(("ask_present", "ask_absent", "ask_question"), ("question",)),
        **dict.fromkeys(("ask_count", "ask_place"), ("labels", "the_label")),
        "say": ("letter", "option", "option_small"),
    }

    def facts(self, view: View, rng: Random) -> Iterable[Fact]:
        """People's questions first, then the kinds of object questions in turn."""
        yield from self._questions(view, rng)
        kinds = [
            self._present(view, rng),
            self._absent(view, rng),
            self._count(view, rng),
            self._place(view, rng),
        ]
        rng.shuffle(kinds)
        for fact in chain.from_iterable(zip_longest(*kinds)):
            if fact is not None:
                yield fact

    def _questions(self, view: View, rng: Random) -> Iterator[Fact]:
        for question in view.scene.questions:
            text = asked(question.text)
            options, right = self._choices(view, question, rng)
            if text is not None and len(options) > 1:
                yield self._fact("ask_question", right, options, rng, {"question": text}, (question.id,))

    def _choices(self, view: View, question: Question, rng: Random) -> tuple[list[str], str]:
        """Options without the right one, and the right one; none where they cannot be had."""
        if question.choices and question.correct is not None:
            choices = [nouns.proper(c.strip()) for c in question.choices]
            return [c for i, c in enumerate(choices) if i != question.correct], choices[question.correct]
        answer = agreed(question, 0.6)
        if answer is None or form_of(answer) == "yes/no":
            return [], ""
        given = {a.text.strip().lower() for a in question.answers}
        if answer.isdigit():
            near = [str(n) for n in range(max(0, int(answer) - 3), int(answer) + 4)]
            wrong = [n for n in near if n not in given]
        else:
            same = view.statistics.answers.get(question_kind(question.text), ())
            wrong = [
                nouns.proper(a)
                for a in same
                if a not in given and form_of(a) == "other" and not _alike(a, given)
            ]
        rng.shuffle(wrong)
        if len(wrong) < self.config.options - 1:
            return [], ""
        return wrong[: self.config.options - 1], answer

    def _present(self, view: View, rng: Random) -> Iterator[Fact]:
        labels = view.by_name(view.visible)
        rng.shuffle(labels)
        for label in labels:
            wrong = _take(absent(view, rng), self.config.options - 1)
            if len(wrong) == self.config.options - 1:
                yield self._fact(
                    "ask_present", nouns.singular(label), [nouns.singular(w) for w in wrong], rng, {},
                    view.evidence(label), view.marks(label), (label,),
                )  # fmt: skip

    def _absent(self, view: View, rng: Random) -> Iterator[Fact]:
        there = view.by_name(view.visible)
        if len(there) < self.config.options - 1:
            return
        for missing in _take(absent(view, rng), 2):
            labels = rng.sample(there, self.config.options - 1)
            yield self._fact(
                "ask_absent", nouns.singular(missing), [nouns.singular(label) for label in labels], rng, {},
                tuple(e for label in labels for e in view.evidence(label)),
                tuple(m for label in labels for m in view.marks(label)), (missing, *labels),
            )  # fmt: skip

    def _count(self, view: View, rng: Random) -> Iterator[Fact]:
        labels = [label for label, n in view.numbers.items() if 2 <= n <= 8]
        rng.shuffle(labels)
        # Two of a kind is by far the most frequent number: other numbers first, one about as often as two, and
        # both always offered. Else "two" would be right whenever it is offered.
        labels.sort(key=lambda label: view.numbers[label] == 2)
        singles = [label for label, n in view.numbers.items() if n == 1]
        labels += rng.sample(singles, 1) if singles and rng.random() < 0.4 else []
        for label in labels:
            n = view.numbers[label]
            wrong = [m for m in (1, 2) if m != n]
            near = [m for m in range(max(3, n - 2), n + 5) if m != n]
            wrong += rng.sample(near, self.config.options - 1 - len(wrong))
            words = {"labels": nouns.plural(view.said(label))}
            yield self._fact(
                "ask_count", str(n), [str(m) for m in wrong], rng, words,
                view.evidence(label), view.marks(label), (label,),
            )  # fmt: skip

    def _place(self, view: View, rng: Random) -> Iterator[Fact]:
        objects = list(view.unique)
        rng.shuffle(objects)
        for o in objects:
            place = place_of(view, o)
            if place is None:
                continue
            wrong = [p.where for p in wrong_places(place, self.config.options - 1, rng)]
            yield self._fact(
                "ask_place", place.where, wrong, rng, {"the_label": view.the(o.label)},
                view.evidence(o.label), (view.mark(o),), (o.label,),
            )  # fmt: skip

    def _fact(
        self,
        ask: str,
        right: str,
        wrong: Sequence[str],
        rng: Random,
        slots: dict[str, str],
        evidence: tuple[str, ...],
        marks: tuple[Mark, ...] = (),
        about: tuple[str, ...] = (),
    ) -> Fact:
        options = [right, *wrong]
        rng.shuffle(options)
        letter = LETTERS[options.index(right)]
        return Fact(
            task=self.name,
            ask=ask,
            say=(Part("say"),),
            short=letter,
            form="letter",
            options=tuple(nouns.capital(o) for o in options),
            slots={**slots, "letter": letter, "option": nouns.capital(right), "option_small": right},
            evidence=evidence,
            marks=marks,
            about=about,
        )


def _take(items: Iterable[str], n: int) -> list[str]:
    return [item for item, _ in zip(items, range(n), strict=False)]


def _alike(answer: str, given: set[str]) -> bool:
    """Whether an answer shares a word with one that an annotator gave: "tennis racket" and "racket"."""
    return any(set(answer.split()) & set(other.split()) for other in given)
