"""What a model reads of a sample, to be looked at: trained tokens in colour, images as one word, ends seen."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal

from vlit.tune.example import IGNORE, Example

if TYPE_CHECKING:
    from rich.text import Text

Look = Literal["head", "trained", "untrained", "image", "note"]
_STYLES: dict[Look, str] = {
    "head": "bold",
    "trained": "bold green",
    "untrained": "dim",
    "image": "cyan",
    "note": "yellow",
}


def coloured(tokenizer: Any, example: Example) -> Text:
    """An example as text; trained tokens also stand in ⟦ ⟧, for terminals without colours.

    Line breaks show as ↵, tabs as ⇥, spaces at the borders of trained text as ·. Of an encoder-decoder the
    trained answer follows an arrow.

    Args:
        tokenizer: Of the model.
        example: As the encoder made it, or as it was stored.
    """
    from rich.text import Text

    text = Text()
    for words, look in _pieces(tokenizer, example):
        text.append(words, style=_STYLES[look])
    return text


def pieces(tokenizer: Any, example: Example) -> list[tuple[str, Look]]:
    """The same as text and kinds, for a page: trained, untrained and image alone."""
    found = [(words, look) for words, look in _pieces(tokenizer, example) if look not in ("head", "note")]
    return [(words[1:-1] if look == "trained" else words, look) for words, look in found]


def _pieces(tokenizer: Any, example: Example) -> Iterator[tuple[str, Look]]:
    images = len(example.images)
    yield (
        f"{example.id}: {len(example.ids)} tokens, {example.trained} trained, "
        f"{images} {'image' if images == 1 else 'images'}\n",
        "head",
    )
    for note in example.notes:
        yield f"! {note}\n", "note"
    ids, labels = example.ids.tolist(), example.labels.tolist()
    if len(labels) == len(ids) and not _apart(ids, labels):
        yield from _runs(tokenizer, ids, [label != IGNORE for label in labels], example.slots)
    else:
        yield from _runs(tokenizer, ids, [False] * len(ids), example.slots)
        yield "\n→ ", "head"
        yield from _runs(tokenizer, labels, [True] * len(labels), ())
    yield "\n", "head"


def _apart(ids: list[int], labels: list[int]) -> bool:
    """Whether the labels are a text of their own, as those of an encoder-decoder are."""
    return any(label not in (IGNORE, i) for i, label in zip(ids, labels, strict=True))


def _runs(
    tokenizer: Any, ids: list[int], trained: list[bool], slots: tuple[tuple[int, int], ...]
) -> Iterator[tuple[str, Look]]:
    """Runs of tokens that are alike."""
    of_image = [0] * len(ids)
    for number, (begin, end) in enumerate(slots, start=1):
        of_image[begin:end] = [number] * (end - begin)
    at = 0
    for (image, label), run in groupby(zip(of_image, trained, strict=True)):
        length = len(list(run))
        if image:
            yield f"<image x{length}>", "image"
        else:
            words = _shown(_text(tokenizer, ids, at, at + length))
            yield (_bordered(words), "trained") if label else (words, "untrained")
        at += length


def _text(tokenizer: Any, ids: list[int], begin: int, end: int) -> str:
    """Text of ids as it reads behind the one in front of them: decoders drop a space at the very beginning."""
    before = _decoded(tokenizer, ids[max(begin - 1, 0) : begin])
    whole = _decoded(tokenizer, ids[max(begin - 1, 0) : end])
    return whole[len(before) :] if whole.startswith(before) else _decoded(tokenizer, ids[begin:end])


def _decoded(tokenizer: Any, ids: list[int]) -> str:
    return str(tokenizer.decode(ids, clean_up_tokenization_spaces=False)) if ids else ""


def _shown(text: str) -> str:
    """White space made visible, and no sign that a terminal would obey."""
    text = text.replace("\r", "␍").replace("\t", "⇥").replace("\n", "↵\n")
    return "".join(sign if sign == "\n" or sign.isprintable() else "�" for sign in text)


def _bordered(text: str) -> str:
    front = len(text) - len(text.lstrip(" "))
    back = len(text) - len(text.rstrip(" ")) if text.strip(" ") else 0
    return "⟦" + "·" * front + text[front : len(text) - back] + "·" * back + "⟧"
