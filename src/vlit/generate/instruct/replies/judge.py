"""The strict side: what is wrong with a single question, answer, item or text."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import NamedTuple

from vlit.generate.instruct.recipe import ReplyConfig
from vlit.generate.instruct.replies.box_checks import coordinates, tag_problems
from vlit.generate.instruct.replies.clean import CHAT_TOKEN, IMAGE_TOKENS
from vlit.generate.instruct.replies.contract import FlawKind
from vlit.generate.instruct.replies.pairs import Pair
from vlit.generate.instruct.tags import REFERENCE, BoxValues
from vlit.language.endings import ends_open
from vlit.language.phrases import Rule, likely, search
from vlit.language.tokens import sentences

_LABEL_INSIDE = re.compile(
    r"(?<![\w\"“'])(?:USER|User|HUMAN|Human|GPT|ChatGPT|ASSISTANT|Assistant|SYSTEM|Question|QUESTION|Answer|ANSWER)"
    r"[ \t]?\d{0,3}[*_]{0,2}:|^(?:Q|A)\d{0,3}:|^(?:user|human|gpt|assistant|question|answer)\d{0,3}:"
)
_PLACEHOLDER = re.compile(
    r"\W*(?:tbd|todo)?\W*"
    r"|[<\[{(]+ ?(?:(?:the|your|an?|insert|write|fill in|user|next|corresponding|detailed|short|first) )*"
    r"(?:questions?|answers?|texts?|topics?|descriptions?|items?|instructions?|responses?|names?)"
    r"(?: ?(?:\d{1,2}|here|about[^\n]{0,60}|goes here|text))?[ .]?[>\]})]+"
    r"|(?:(?:insert|write|add|put|fill in) )?(?:your|the|an?|another|next) (?:question|answer|text|topic|item)"
    r" (?:\d{1,2}|here|goes here|text)\W*"
    r"|(?:your|insert|question|answer|topic|item) ?(?:question|answer|text|topic|\d{1,2})\W*",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"\"[^\"\n]{1,120}\"|“[^”\n]{1,120}”")
#: Characters of what may be a placeholder, or a question in the place of an answer.
_SHORT = 400


class Problem(NamedTuple):
    """One thing that is wrong: where, and what, as words that follow the place: "leaks …"."""

    kind: FlawKind
    where: str
    said: str


class Judge:
    """Holds single texts to a contract.

    Args:
        reply: The contract.
        boxes: Those that the teacher was shown.
        whole: All of the reply: what it does not hold, none of its parts is searched for.
    """

    def __init__(self, reply: ReplyConfig, boxes: Collection[BoxValues], whole: str) -> None:
        self.reply, self.boxes = reply, boxes
        self.leaks: tuple[Rule, ...] = () if reply.leaks else likely("leak", whole)
        self.refusals = likely("refusal", whole)
        self.thinking = likely("thinking", whole) if reply.form != "list" else ()
        self.odd = "<" in whole or "[" in whole

    def pair(self, pair: Pair, place: str, *, last: bool) -> list[Problem]:
        """What is wrong with a pair; the last one may be cut off."""
        question, answer = pair
        if question is None:
            return [Problem("roles", place, "is an answer without a question")]
        if not answer and last:
            return [Problem("truncated", place, "has a question and no answer")]
        if answer is None:
            return [Problem("roles", place, "is a question without an answer")]
        return [
            *self._question(question, f"the question of {place}"),
            *self.answer(answer, f"the answer of {place}", last=last),
        ]

    def answer(self, text: str, place: str, *, last: bool = False) -> Iterator[Problem]:
        """What is wrong with an answer, an item or a text."""
        yield from self._any(text, place)
        if said := search(self.refusals, text):
            yield Problem("refusal", place, f'says "{_short(said)}"')
        if said := search(self.thinking, text):
            yield Problem("reasoning", place, f'begins with "{_short(said)}"')
        if last and ends_open(text):
            yield Problem("truncated", place, f'ends in the middle of a sentence: "… {_end(text)}"')
        if self.reply.answers and text not in self.reply.answers:
            yield Problem("answers", place, f'is "{_short(text)}"')
        if self.reply.words:
            count = word_count(text)
            if not self.reply.words[0] <= count <= self.reply.words[1]:
                yield Problem("words", place, f"has {count} words")
        asks = text.endswith("?") and len(text) <= _SHORT and len(sentences(text)) == 1
        if asks and self.reply.form in ("pairs", "topics"):
            yield Problem("roles", place, f'is a question: "{_short(text)}"')

    def _question(self, text: str, place: str) -> Iterator[Problem]:
        yield from self._any(text, place)

    def _any(self, text: str, place: str) -> Iterator[Problem]:
        """What neither a question nor an answer may have."""
        if not text:
            yield Problem("empty", place, "is empty")
            return
        if len(text) <= _SHORT and _PLACEHOLDER.fullmatch(text) and text not in self.reply.answers:
            yield Problem("placeholder", place, f'is "{_short(text)}"')
            return
        if self.odd and (token := CHAT_TOKEN.search(text) or IMAGE_TOKENS.search(text)):
            yield Problem("tokens", place, f"holds {token.group().strip()}")
        if ":" in text and (label := _LABEL_INSIDE.search(_QUOTED.sub("", text))):
            yield Problem("roles", place, f'holds the label "{label.group()}"')
        if said := search(self.leaks, text):
            yield Problem("leak", place, f'says "{_short(said)}"')
        if self.reply.boxes == "tagged":
            yield from (Problem("tags", place, said) for said in tag_problems(text, self.boxes))
        elif found := coordinates(text):
            yield Problem("boxes", place, f"holds {_short(found)}")


def word_count(text: str) -> int:
    """Words of a text between white space; of a reference to an object only its name counts."""
    if "<" in text:
        text = REFERENCE.sub(lambda found: found["name"], text)
    return len(text.split())


def _short(text: str, most: int = 80) -> str:
    text = " ".join(text[: most * 4].split())
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def _end(text: str) -> str:
    return " ".join(text[-60:].split()[-6:])
