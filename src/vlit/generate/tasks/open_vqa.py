"""Open questions that people asked and answered."""

from __future__ import annotations

import re
from collections.abc import Iterable
from random import Random
from typing import ClassVar

from vlit.data.scene import Question
from vlit.generate.declarative import sentence, thing
from vlit.generate.fact import Fact, Part, Task, TaskConfig
from vlit.generate.view import View
from vlit.language import nouns
from vlit.language.captions import clean, misspelt

_ANSWER = re.compile(r"^[A-Za-z0-9][A-Za-z0-9 .,:'&/%$-]*$")
_EMPTY = frozenset(
    (
        "unknown",
        "can't tell",
        "cant tell",
        "not sure",
        "unsure",
        "nothing",
        "n/a",
        "na",
        "idk",
        "i don't know",
        "don't know",
    )
)


class OpenVqaConfig(TaskConfig):
    """Open questions."""

    per_scene: int = 3
    agreement: float = 0.6  #: share of the annotators that have to give the same answer


class OpenVqa(Task[OpenVqaConfig]):
    """Questions on whose answer people agree."""

    name = "open_vqa"
    Config = OpenVqaConfig
    groups: ClassVar = {
        **dict.fromkeys(("ask", "ask_next"), ("question", "question_small")),
        **dict.fromkeys(("say", "say_any", "say_yes", "say_no"), ("sentence", "answer")),
    }

    def facts(self, view: View, rng: Random) -> Iterable[Fact]:
        """In the order of the annotations."""
        for question in view.scene.questions:
            answer = agreed(question, self.config.agreement)
            text = asked(question.text)
            if answer is None or text is None:
                continue
            said = sentence(text, answer)
            group = (
                "say" if said else (f"say_{answer.lower()}" if answer.lower() in ("yes", "no") else "say_any")
            )
            yield Fact(
                task=self.name,
                ask="ask",
                say=(Part(group),),
                short=answer,
                stiff=said is None,
                form={"yes/no": "yes_no", "number": "number"}.get(form_of(answer), "phrase"),
                slots={
                    "question": text,
                    "question_small": text[0].lower() + text[1:],
                    "answer": _alone(text, answer),
                    "sentence": said or "",
                },
                evidence=(question.id,),
            )


def _alone(question: str, answer: str) -> str:
    """The answer as a reply of its own, where no rule makes it a sentence."""
    if answer.isdigit() and question.lower().startswith("how many"):
        return nouns.number_word(int(answer))
    return nouns.capital(thing(question, answer))


def asked(text: str) -> str | None:
    """The question as a careful writer would put it, or ``None`` for something else than one question."""
    text = clean(text).rstrip(".?! ") + "?"
    if len(text.split()) < 3 or not text.isascii() or text.count("?") != 1 or "_" in text or misspelt(text):
        return None
    first, *others = text.split()
    return " ".join([first.capitalize(), *(nouns.words().proper.get(word, word) for word in others)])


def agreed(question: Question, agreement: float) -> str | None:
    """The answer that enough annotators gave, with its proper nouns capitalised, or ``None``."""
    total = sum(a.count for a in question.answers)
    if not total or question.answers[0].count < agreement * total:
        return None
    answer = " ".join(question.answers[0].text.split())
    if answer.lower() in _EMPTY or len(answer) > 40 or not _ANSWER.match(answer):
        return None
    return nouns.proper(answer)


def form_of(answer: str) -> str:
    """The kind of an answer, as VQA names it."""
    if answer.lower() in ("yes", "no"):
        return "yes/no"
    return "number" if answer.isdigit() else "other"
