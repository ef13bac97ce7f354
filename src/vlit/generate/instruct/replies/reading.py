"""What the readers of all forms share: the contract, what was put right, and how good parts are chosen."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from vlit.generate.instruct.recipe import ReplyConfig
from vlit.generate.instruct.replies.contract import REPAIRS, Conversation, Flaws, Parsed, Repair
from vlit.generate.instruct.replies.flaws import flaws_of
from vlit.generate.instruct.replies.judge import Judge, Problem
from vlit.generate.instruct.tags import BoxValues, canonical

T = TypeVar("T")

_SIGNS = re.compile(r"[\W_]+")
#: Added to the last part of a reply that reached the limit of tokens.
BREAKS_OFF = Problem("truncated", "", "it reached the limit of tokens")


class Reading:
    """One reply on its way through.

    Args:
        reply: The contract.
        boxes: Those that the teacher was shown.
        cut: Whether the server says that the reply reached the limit of tokens.
    """

    def __init__(self, reply: ReplyConfig, boxes: set[BoxValues], cut: bool) -> None:
        self.reply, self.boxes, self.cut = reply, boxes, cut
        self.repairs: set[Repair] = set()

    def judge(self, parts: Iterable[str]) -> Judge:
        """Who judges single texts.

        Args:
            parts: All texts of the reply.
        """
        return Judge(self.reply, self.boxes, "\n".join(parts))

    def canonical(self, text: str) -> str:
        """The text with its references spelt in the one way."""
        if self.reply.boxes == "none" or ("<" not in text and "&lt;" not in text):
            return text
        spelt = canonical(text)
        if spelt != text:
            self.repairs.add("tags")
        return spelt

    def allowed(self, answer: str) -> str:
        """The answer in the spelling of the contract, where only capitals and the full stop differ."""
        key = answer.strip(" .").casefold()
        return next((known for known in self.reply.answers if known.strip(" .").casefold() == key), answer)

    def good(self, parts: Sequence[T], problems: Sequence[list[Problem]], *, linked: bool) -> list[T]:
        """Parts without a problem; that others are left out is noted.

        Args:
            parts: Pairs or items.
            problems: Of each.
            linked: Whether a part may take up those before it. Then all ends before the first flawed one, but
                for one that only repeats another.
        """
        good: list[T] = []
        for part, said in zip(parts, problems, strict=True):
            if not said:
                good.append(part)
                continue
            kinds = {problem.kind for problem in said}
            self.repairs.add("tail" if kinds == {"truncated"} else "left_out")
            if linked and kinds != {"duplicate"}:
                break
        return good

    def first(self, parts: list[T], most: int) -> list[T]:
        """The first parts; that others are left out is noted."""
        if len(parts) > most:
            self.repairs.add("surplus")
        return parts[:most]

    def flaws(self, problems: Iterable[Problem]) -> Flaws:
        """What the reply comes to where it cannot be used."""
        return flaws_of(problems, self.reply)

    def parsed(self, conversations: tuple[Conversation, ...] = (), items: tuple[str, ...] = ()) -> Parsed:
        """What the reply comes to where it can."""
        return Parsed(conversations, items, tuple(r for r in REPAIRS if r in self.repairs))


def repeated(texts: Iterable[str]) -> Iterator[tuple[int, int]]:
    """Places of texts that came before, but for signs and capitals, each with the first place."""
    seen: dict[str, int] = {}
    for n, text in enumerate(texts):
        key = _SIGNS.sub("", text.casefold())
        if key and seen.setdefault(key, n) != n:
            yield n, seen[key]
