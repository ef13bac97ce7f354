"""Whether a server that reads a dialogue as one text reads what training reads; what differs is a remark."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vlit.data.scene import Image
from vlit.tune.chat.dialogue import Message
from vlit.tune.chat.layout import Piece
from vlit.tune.example import Refused

if TYPE_CHECKING:
    from vlit.tune.chat.encode import Encoder

#: Architectures whose processors put images in front of the text themselves.
_IMAGES_FIRST = ("blip2", "instructblip")

_ASKED = [Message("user", (None, "What is it? Is it red?"))]
_TALK = [
    *_ASKED,
    Message("assistant", ("A red dog. It sits.",)),
    Message("user", ("Where?",)),
    Message("assistant", ("On a bench.",)),
]
_ANY = Image(uri="", width=1, height=1)


def differences(encoder: Encoder) -> tuple[str, ...]:
    """Remarks on a tokenizer and template, a sentence each; none where training and serving agree."""
    found = [
        _on_ends(encoder),
        _on_images(encoder),
        _on_prompt(encoder),
        "" if encoder.model.seq2seq else _on_tokens(encoder),
        _on_clues(encoder),
    ]
    if encoder.tokens.lost:
        signs = ", ".join(repr(piece) for piece in encoder.tokens.lost)
        found.append(f"the tokenizer cannot give back all texts as they were; it fails on {signs}")
    return tuple(remark for remark in found if remark)


def _on_ends(encoder: Encoder) -> str:
    layout, tokens = encoder.layout, encoder.tokens
    if not layout.end:
        return (
            f"the chat template writes no end after an answer: {layout.variables['eos_token']} is added there "
            "and trained"
        )
    ids = tokens.read([(layout.end, True)], -1)
    if len(ids) > 1 and not tokens.special(ids[-1]) and not encoder.model.seq2seq:
        return f"an answer ends with {len(ids)} tokens; give {layout.end.strip()!r} to servers as a stop string"
    return ""


def _on_images(encoder: Encoder) -> str:
    first = getattr(encoder.model, "name", "") in _IMAGES_FIRST
    if encoder.layout.front and not first:
        return "the chat template leaves images to a processor that puts them first, as this model's does not"
    if first and not encoder.layout.front:
        return (
            "the model's processor puts images in front of everything, and the chat template writes them where "
            "they stand: servers will read them twice; take the template blip2"
        )
    return ""


def _on_prompt(encoder: Encoder) -> str:
    trained = _text(encoder.layout.prompt(_ASKED), encoder)
    served = encoder.layout.render(_ASKED, prompt=True)
    if served.rstrip(" ") != trained.rstrip(" "):
        return (
            f"asked for an answer, the chat template ends with {served[-40:]!r}; in training answers follow "
            f"{trained[-40:]!r}"
        )
    if served.endswith(" "):
        return (
            "the chat template asks for an answer with a space at its end, which servers read as a token; in "
            "training it belongs to the answer's first word"
        )
    return ""


def _on_tokens(encoder: Encoder) -> str:
    from vlit.tune.chat.encode import build

    layout, tokens, tokenizer = encoder.layout, encoder.tokens, encoder.model.tokenizer
    image = tokenizer.get_vocab().get(layout.image)
    try:
        pieces = layout.pieces(_TALK if image is not None else _without_image())
    except Refused:  # a template of one round
        pieces = layout.pieces(_TALK[:2])
    if layout.front or image is None:
        pieces = [piece for piece in pieces if piece.kind != "image"]
    ours = build(tokens, pieces, [_ANY], lambda _: [int(image or 0)]).ids
    whole = [int(i) for i in tokenizer.encode(_text(pieces, encoder).rstrip(" "), add_special_tokens=False)]
    if tuple(whole[: len(tokens.before)]) != tokens.before:
        whole = [*tokens.before, *whole]
    if ours == whole:
        return ""
    at = next(
        (i for i, (a, b) in enumerate(zip(ours, whole, strict=False)) if a != b), min(len(ours), len(whole))
    )
    here, there = (tokenizer.convert_ids_to_tokens(ids[max(at - 2, 0) : at + 3]) for ids in (ours, whole))
    return f"read as one text, the tokens of a dialogue differ: {there} where training has {here}"


def _without_image() -> list[Message]:
    return [Message(m.role, tuple(part for part in m.parts if part is not None)) for m in _TALK]


def _on_clues(encoder: Encoder) -> str:
    layout = encoder.layout
    found = []
    if layout.render(_ASKED, prompt=True) != layout.render(_ASKED, prompt=True, enable_thinking=True):
        found.append("answers are trained without thinking: serve with enable_thinking false")
    if "strftime_now" in layout.text or "date_string" in layout.text:
        found.append("the chat template writes the date; in training it is always 26 Jul 2024")
    if hasattr(encoder.model, "instruct"):
        found.append(
            "the Q-Former reads the first question alone; the model's processor gives it the whole prompt, "
            "so replace that as the model card shows"
        )
    return "; ".join(found)


def _text(pieces: Sequence[Piece], encoder: Encoder) -> str:
    """The pieces as one text."""
    image = "" if encoder.layout.front else encoder.layout.image
    return "".join(image if piece.kind == "image" else piece.text for piece in pieces)
