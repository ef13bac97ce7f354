"""How a chat template lays out a dialogue: as pieces, each known for what it is.

The template is rendered with a stand-in for every text, and the result is taken apart at the stand-ins. What
users and assistants say never passes through Jinja, so nothing that they say can be taken for a turn or an end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from vlit.data.errors import VlitError
from vlit.tune.chat.dialogue import Message
from vlit.tune.example import Refused

Kind = Literal["template", "system", "user", "answer", "end", "image"]

#: How contents are given: as lists, as lists for users alone, as plain strings with image tokens in them.
Form = Literal["lists", "users' lists", "strings"]
FORMS: tuple[Form, ...] = ("lists", "users' lists", "strings")

_IN, _OUT = "\ue000", "\ue001"  # private-use characters; stand-ins hold nothing that templates look for
_DAY = datetime(2024, 7, 26)  # what day it is, for templates that write it: results depend on no clock
_CLUES = {"enable_thinking": False, "date_string": _DAY.strftime("%d %b %Y")}


class Lost(Refused):
    """A template leaves out, repeats or reorders what has to be trained."""


@dataclass(frozen=True)
class Piece:
    """A piece of a dialogue as the model reads it."""

    text: str
    kind: Kind
    added: bool = False  #: an end that the template lacks


@dataclass(frozen=True)
class Layout:
    """A chat template with what a rehearsal has shown of it."""

    text: str
    name: str
    variables: Mapping[str, str]
    form: Form
    image: str  #: what the template writes for an image, wrapping tokens aside
    front: bool = False  #: the template writes no images: they stand in front of everything
    end: str = ""  #: what ends an answer; where it is empty, EOS is added

    def pieces(self, messages: Sequence[Message]) -> list[Piece]:
        """The pieces of a dialogue, each answer followed by its end.

        Raises:
            Refused: When the template refuses it, leaves out images, drops, repeats or reorders answers.
        """
        found = self._checked(messages)
        out: list[Piece] = []
        for place, piece in enumerate(found):
            out.append(piece)
            if piece.kind == "answer":
                then = found[place + 1] if place + 1 < len(found) else Piece("", "template")
                if self.end and then.kind == "template" and then.text.startswith(self.end):
                    out.append(Piece(self.end, "end"))
                    found[place + 1] = replace(then, text=then.text[len(self.end) :])
                else:
                    out.append(Piece(self.variables.get("eos_token", ""), "end", added=True))
        return [piece for piece in out if piece.text or piece.kind in ("image", "answer", "end")]

    def prompt(self, messages: Sequence[Message]) -> list[Piece]:
        """The pieces up to where an answer to these messages begins.

        Raises:
            Refused: As :meth:`pieces`.
        """
        found = self.pieces([*messages, Message("assistant", ("",))])
        last = max(i for i, piece in enumerate(found) if piece.kind == "answer")
        return found[:last]

    def render(self, messages: Sequence[Message], *, prompt: bool = False, **more: Any) -> str:
        """The text that a server makes of messages.

        Args:
            messages: Their texts as they are.
            prompt: Ask for the beginning of an answer.
            more: Further variables of the template.
        """
        return _rendered(self, [m.parts for m in messages], messages, prompt=prompt, **more)

    def _checked(self, messages: Sequence[Message]) -> list[Piece]:
        texts: list[str] = []
        stand_ins: list[tuple[str | None, ...]] = []
        kinds: list[Kind] = []
        for message in messages:
            kind: Kind = "answer" if message.role == "assistant" else message.role
            row: list[str | None] = []
            for part in message.parts:
                row.append(None if part is None else f"{_IN}{len(texts)}{_OUT}")
                if part is not None:
                    texts.append(part)
                    kinds.append(kind)
            stand_ins.append(tuple(row))
        rendered = _rendered(self, stand_ins, messages)
        answers = [i for i, kind in enumerate(kinds) if kind == "answer"]
        seen = [int(i) for i in re.findall(f"{_IN}([0-9]+){_OUT}", rendered) if int(i) in set(answers)]
        if seen != answers:
            raise Lost(f"the chat template ({self.name}) drops, repeats or reorders answers")
        found = list(self._apart(rendered, texts, kinds))
        wanted = sum(message.images for message in messages)
        if self.front:
            if any(self.image in piece.text for piece in found if piece.kind == "template"):
                raise Lost(f"the chat template ({self.name}) says that images come first, and writes them too")
            return [Piece("", "image")] * wanted + found
        if (written := sum(piece.kind == "image" for piece in found)) != wanted:
            raise Lost(f"the chat template ({self.name}) writes {written} images of {wanted}")
        return found

    def _apart(self, rendered: str, texts: Sequence[str], kinds: Sequence[Kind]) -> Iterator[Piece]:
        mark = "" if self.front else f"|{re.escape(self.image)}"
        begun = 0
        for match in re.finditer(f"{_IN}([0-9]+){_OUT}{mark}", rendered):
            if match.start() > begun:
                yield Piece(rendered[begun : match.start()], "template")
            begun = match.end()
            number = match.group(1)
            yield Piece("", "image") if number is None else Piece(texts[int(number)], kinds[int(number)])
        if begun < len(rendered):
            yield Piece(rendered[begun:], "template")


def fitted(
    text: str,
    name: str,
    variables: Mapping[str, str],
    specials: Sequence[str],
    declared: Mapping[str, str],
    images: Sequence[str],
) -> Layout:
    """A template with what a rehearsal shows of it. See ``Template.fit``."""
    front = declared.get("images") == "first"
    reasons: list[str] = []
    for form in FORMS:
        for image in images:
            layout = Layout(text, name, variables, form, image, front, declared.get("end", ""))
            try:
                found = layout.pieces(_rehearsal(image=True))
            except Refused as reason:
                reasons.append(str(reason))
                continue
            if not layout.end:
                layout = replace(layout, end=_end(found, variables, specials))
            return _proved(layout)
    raise VlitError(
        f"this chat template cannot be used: {reasons[-1]}",
        where=name,
        todo="name another one in tune.model.template, or let it write images and answers once and in order",
    )


def _proved(layout: Layout) -> Layout:
    """The layout, when two rounds keep both answers."""
    try:
        layout.pieces(_rehearsal(image=True) + _rehearsal(image=False))
    except Lost as reason:
        raise VlitError(
            f"of two questions and answers, {reason}",
            where=layout.name,
            todo="correct the template, or name another one in tune.model.template",
        ) from None
    except Refused:  # a template for one question; it will say so of every longer dialogue
        pass
    if not layout.end and not layout.variables.get("eos_token"):
        raise VlitError(
            "neither the chat template nor the tokenizer has a token that ends an answer",
            where=layout.name,
            todo='give the tokenizer an eos_token, or the template a line {%- set end = "..." -%}',
        )
    return layout


def _rehearsal(*, image: bool) -> list[Message]:
    shown: tuple[str | None, ...] = (None, "What is it?") if image else ("Is it red?",)
    return [Message("user", shown), Message("assistant", ("A dog.",))]


def _end(found: Sequence[Piece], variables: Mapping[str, str], specials: Sequence[str]) -> str:
    """What follows the last answer: a special token, and white space in front of it."""
    last = max(i for i, piece in enumerate(found) if piece.kind == "answer")
    tail = "".join(piece.text for piece in found[last + 2 :] if piece.kind == "template")
    begins = {variables.get("bos_token")} - {variables.get("eos_token")}
    either = "|".join(re.escape(token) for token in specials if token not in begins)
    match = re.match(rf"\s*(?:{either})", tail) if either else None
    return "" if match is None else match.group()


def _rendered(
    layout: Layout,
    contents: Sequence[tuple[str | None, ...]],
    messages: Sequence[Message],
    *,
    prompt: bool = False,
    **more: Any,
) -> str:
    import jinja2
    from transformers.utils.chat_template_utils import _compile_jinja_template

    turns = [
        {"role": m.role, "content": _content(parts, m.role, layout)}
        for m, parts in zip(messages, contents, strict=True)
    ]
    settings = {"strftime_now": _DAY.strftime, "tools": None, "documents": None, **_CLUES, **layout.variables}
    try:
        return str(
            _compile_jinja_template(layout.text).render(
                messages=turns, add_generation_prompt=prompt, **(settings | more)
            )
        )
    except jinja2.TemplateSyntaxError as error:
        raise VlitError(
            f"this chat template is no valid Jinja: {error}", where=layout.name, todo="correct it"
        ) from None
    except (jinja2.TemplateError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
        raise Refused(f"the chat template ({layout.name}) refuses this dialogue: {error}") from None


def _content(parts: Sequence[str | None], role: str, layout: Layout) -> Any:
    if layout.form == "lists" or (layout.form == "users' lists" and role == "user"):
        return [{"type": "image"} if part is None else {"type": "text", "text": part} for part in parts]
    if layout.front:
        return "".join(part or "" for part in parts)
    said = ["" if part is None else part for part in parts]
    led = next((i for i, part in enumerate(parts) if part is not None), len(parts))
    return (layout.image + "\n") * led + "".join(
        layout.image if part is None else text for part, text in zip(parts[led:], said[led:], strict=True)
    )
