"""Ids of pieces of text: special tokens are read in template text alone, and no piece gains a space."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from vlit.data.errors import VlitError
from vlit.data.score import shown
from vlit.tune.example import Refused

#: A text, and whether special tokens in it are meant: those of a template are, those of contents are not.
Part = tuple[str, bool]

#: What a piece may be set behind, so that the tokenizer does not take it for the beginning of a text.
_ANCHORS = ("", "\n", ":", "a", ".", "!")

#: Pieces that must read the same behind an anchor as inside a text. An anchor may fuse with the later ones.
_WORDS = ("Hello", " Hello", "two words", "Yes.")
_OTHERS = ("1", "漢字", "🙂", "\n", "\nx", " (a)", "a  b")


class Tokens:
    """A tokenizer that reads a dialogue piece by piece.

    Args:
        tokenizer: A tokenizer of transformers.
        also: Texts whose added tokens count as special, whatever the tokenizer says: the end of an answer, the
            image. Others that it does not call special, such as ``<think>``, are words that contents may use.
        lenient: Go on where pieces cannot be set behind one another without a space coming in.

    Attributes:
        before: Ids that the tokenizer puts in front of every text, such as BOS.
        after: Ids that it puts behind, such as T5's end of text.
        lost: Signs that it cannot give back, for a remark.

    Raises:
        VlitError: When pieces do not join to the text that they are of; never if lenient.
    """

    def __init__(self, tokenizer: Any, *, also: Sequence[str] = (), lenient: bool = False) -> None:
        self.tokenizer = tokenizer
        self._by_id = _control_tokens(tokenizer, also)
        self._counted = frozenset(self._by_id) - {tokenizer.unk_token_id}
        texts = sorted((t for t in self._by_id.values() if len(t) > 1), key=lambda t: (-len(t), t))
        either = "|".join(
            [*map(re.escape, texts), "<0x[0-9A-F]{2}>"]
        )  # spelt bytes are tokens of SentencePiece
        self._special, self._overlapping = re.compile(either), re.compile(f"(?=({either}))")
        core = self._ids("a")
        whole = [int(i) for i in tokenizer.encode("a", add_special_tokens=True)]
        at = next((i for i in range(len(whole)) if whole[i : i + len(core)] == core), 0)
        self.before, self.after = tuple(whole[:at]), tuple(whole[at + len(core) :])
        self._anchors = [(a, self._ids(a)) for a in _ANCHORS if self._holds(a)]
        self.lost = tuple(p for p in (*_WORDS, *_OTHERS) if self.text(self._ids("a:" + p)) != "a:" + p)
        if not self._anchors and not lenient:
            raise VlitError(
                "this tokenizer does not read pieces of text as they stand in it: answers cannot be told apart",
                where=str(getattr(tokenizer, "name_or_path", "") or type(tokenizer).__name__),
                todo="take a model whose tokenizer is byte-level BPE or SentencePiece",
            )
        self._anchors = self._anchors or [("", [])]

    def read(self, parts: Sequence[Part], previous: int | None) -> list[int]:
        """Ids of texts that stand together.

        Args:
            parts: Texts in order.
            previous: The id in front of them; ``None`` at the beginning of everything.

        Raises:
            Refused: When text would be read as a special token, and for text that fuses with all that it is set
                behind.
        """
        found: list[int] = []
        meant = 0
        for number, fragment in enumerate(self._fragments(parts)):
            found += self._behind(fragment, previous if not number else -1)
            meant += sum(1 for _ in self._special.finditer(fragment))
        if sum(i in self._counted for i in found) > meant:
            raise Refused("the tokenizer reads special tokens in a text that has none")
        return found

    def special(self, token: int) -> bool:
        """Whether an id is that of a special token."""
        return token in self._counted

    def text(self, ids: Sequence[int]) -> str:
        """The text of ids, special tokens included."""
        return str(self.tokenizer.decode(list(ids), clean_up_tokenization_spaces=False))

    def _ids(self, text: str) -> list[int]:
        return [int(i) for i in self.tokenizer.encode(text, add_special_tokens=False)] if text else []

    def _behind(self, text: str, previous: int | None) -> list[int]:
        """Ids of a text behind an id; behind a special token as the tokenizer itself does it."""
        if previous is None:
            return self._ids(text)
        special = self._by_id[previous] if self.special(previous) else None
        for anchor, head in ([] if special is None else [(special, [previous])]) + self._anchors:
            ids = self._ids(anchor + text) if text else head
            if ids[: len(head)] == head:
                return ids[len(head) :]
        raise Refused("the tokenizer cannot read a piece of the text on its own", shown(text, 40))

    def _fragments(self, parts: Sequence[Part]) -> Iterator[str]:
        """The texts as one, cut inside whatever only looks like a special token."""
        text = "".join(part for part, _ in parts)
        if self._special.search(text) is None:
            yield text
            return
        start, meant = 0, []
        for part, trusted in parts:
            if trusted:
                meant.append((start, start + len(part)))
            start += len(part)
        begun = 0
        for match in self._overlapping.finditer(text):
            if not any(a <= match.start() and match.end(1) <= b for a, b in meant):
                yield text[begun : match.start() + 1]
                begun = match.start() + 1
        yield text[begun:]

    def _holds(self, anchor: str) -> bool:
        """Whether pieces read the same behind an anchor as in the middle of a text."""
        head, front = self._ids(anchor), self._ids("a:")
        told = 0  # words that the tokenizer knows
        for piece in (*_WORDS, *_OTHERS):
            ids, inside = self._ids(anchor + piece), self._ids("a:" + piece)
            if ids[: len(head)] != head:
                if piece in _WORDS:
                    return False
            elif self.text(front + ids[len(head) :]) != self.text(inside):
                return False
            told += piece in _WORDS and self.tokenizer.unk_token_id not in inside
        return told > 0


def _control_tokens(tokenizer: Any, also: Sequence[str]) -> dict[int, str]:
    """Special tokens by id, and added tokens in further texts."""
    added = {int(i): token for i, token in tokenizer.added_tokens_decoder.items()}
    found = {
        i: str(token.content)
        for i, token in added.items()
        if token.special or (token.content.strip() and any(token.content in text for text in also))
    }
    for text in tokenizer.all_special_tokens:
        found.setdefault(int(tokenizer.convert_tokens_to_ids(text)), str(text))
    return found
