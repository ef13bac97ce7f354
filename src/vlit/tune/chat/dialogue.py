"""A sample as messages: contents stripped once, images at their places."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

from vlit.data.sample import IMAGE_TOKEN, Role, Sample
from vlit.data.scene import Image
from vlit.tune.example import Refused


@dataclass(frozen=True)
class Message:
    """One turn: texts, and ``None`` where an image stands."""

    role: Role
    parts: tuple[str | None, ...]

    @property
    def images(self) -> int:
        """How many images it shows."""
        return self.parts.count(None)


@dataclass(frozen=True)
class Dialogue:
    """Messages and the images that they show, in order."""

    messages: tuple[Message, ...]
    images: tuple[Image, ...] = ()

    @property
    def answers(self) -> tuple[int, ...]:
        """Places of the assistant's messages."""
        return tuple(i for i, message in enumerate(self.messages) if message.role == "assistant")

    @property
    def ends(self) -> tuple[int, ...]:
        """Where each question-answer pair ends, exclusive: behind an answer that no other answer follows."""
        places = [i + 1 for i in self.answers]
        return tuple(a for a, b in pairwise([*places, -1]) if b != a + 1)

    def first(self, messages: int) -> Dialogue:
        """The first messages, and the images that they show."""
        kept = self.messages[:messages]
        return replace(self, messages=kept, images=self.images[: sum(m.images for m in kept)])

    def question(self) -> Dialogue:
        """Up to the last turn of the user; what the assistant said after it is left out."""
        kept = len(self.messages)
        while kept and self.messages[kept - 1].role == "assistant":
            kept -= 1
        return self.first(kept)

    @property
    def instruction(self) -> str:
        """Text of the first question."""
        asked = next((m for m in self.messages if m.role == "user"), None)
        return "" if asked is None else "".join(part or "" for part in asked.parts).strip()


def dialogue_of(sample: Sample) -> Dialogue:
    """A sample as messages.

    ``<image>`` in the user's turns are the places of images when there are as many as the sample has images.
    Where the text has none, the images stand before the first question. In all other turns, and in a sample
    without images, it is text. White space around a turn, and next to images at either end of it, goes.

    Raises:
        Refused: When the numbers of places and images differ.
    """
    places = sum(t.text.count(IMAGE_TOKEN) for t in sample.turns if t.role == "user")
    count = len(sample.images)
    if count and places not in (0, count):
        raise Refused(f"the user's turns have {places} {IMAGE_TOKEN}, and the sample has {count} images")
    messages = [Message(t.role, _parts(t.text, shown=bool(count) and t.role == "user")) for t in sample.turns]
    if count and not places:
        messages = _shown_first(messages, count)
    return Dialogue(tuple(messages), sample.images)


def _parts(text: str, *, shown: bool) -> tuple[str | None, ...]:
    text = text.strip()
    if not shown or IMAGE_TOKEN not in text:
        return (text,)
    found: list[str | None] = []
    for piece in text.split(IMAGE_TOKEN):
        found += [piece, None] if piece.strip() else [None]
    del found[-1]  # behind the last piece there is no image
    texts = [i for i, part in enumerate(found) if part is not None]
    if texts:
        found[texts[0]] = str(found[texts[0]]).lstrip()
        found[texts[-1]] = str(found[texts[-1]]).rstrip()
    return tuple(found)


def _shown_first(messages: list[Message], count: int) -> list[Message]:
    shown: tuple[None, ...] = (None,) * count
    first = next((i for i, m in enumerate(messages) if m.role == "user"), None)
    if first is None:  # a caption alone: nobody asked
        place = sum(m.role == "system" for m in messages[:1])
        return [*messages[:place], Message("user", shown), *messages[place:]]
    said = messages[first].parts
    messages[first] = Message("user", shown + (said if said != ("",) else ()))
    return messages
