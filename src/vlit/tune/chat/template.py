r"""The chat template of a model: its tokenizer's own, one of vlit's by name, or a file.

It is a Jinja template as transformers knows it, and it is stored with the checkpoint, so training and inference
read the same one. A template may say itself what ends an answer, by a line ``{%- set end = "\n" -%}``, and that
images stand in front of everything, as the processor of BLIP-2 puts them: ``{%- set images = "first" -%}``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from vlit.data.errors import VlitError, nearest
from vlit.data.sample import IMAGE_TOKEN
from vlit.tune.chat.layout import Layout, fitted

#: Special tokens that templates of vlit write, and that a tokenizer must have.
_NEEDS = {
    "chatml": ("<|im_start|>", "<|im_end|>"),
    "flamingo": ("<|endofchunk|>",),
    "otter": ("<answer>", "<|endofchunk|>"),
}
_SET = re.compile(r"""\{%-?\s*set (end|images) = ("(?:[^"\\]|\\.)*")\s*-?%\}""")


@dataclass(frozen=True)
class Template:
    """A chat template and the special tokens that it may write."""

    text: str  #: Jinja; what is stored with the checkpoint
    name: str  #: for messages
    variables: Mapping[str, str] = field(default_factory=dict)  #: such as ``eos_token``
    specials: tuple[str, ...] = ()  #: texts of the tokenizer's special tokens

    @classmethod
    def of(cls, tokenizer: Any, name_or_path: str | None = None, *, base: Path | None = None) -> Template:
        """The template of a tokenizer, or another one for it.

        Args:
            tokenizer: Whose special tokens it writes.
            name_or_path: One of :func:`names`, or a ``.jinja`` file; by default the tokenizer's own.
            base: Folder that a relative path starts from; by default the current one.

        Raises:
            VlitError: When there is no such template, or the tokenizer lacks special tokens that it writes.
        """
        if name_or_path is None:
            text, name = _own(tokenizer), "the tokenizer's own"
        elif name_or_path in names():
            text, name = _for(tokenizer, name_or_path), name_or_path
        else:
            text, name = _file(name_or_path, base), name_or_path
        specials = {str(t.content) for t in tokenizer.added_tokens_decoder.values() if t.special}
        variables = {key: str(value) for key, value in tokenizer.special_tokens_map.items()}
        return cls(
            text=text,
            name=name,
            variables={k: v for k, v in variables.items() if k.endswith("_token")},
            specials=tuple(sorted(specials | set(tokenizer.all_special_tokens), key=lambda t: (-len(t), t))),
        )

    @property
    def declared(self) -> dict[str, str]:
        """What the template says of itself: ``end``, ``images``."""
        return {name: str(json.loads(value)) for name, value in _SET.findall(self.text)}

    def fit(self, images: Sequence[str] = (IMAGE_TOKEN,)) -> Layout:
        """How the template lays out a dialogue, found out by a rehearsal.

        Args:
            images: Texts that may stand for an image, most likely first.

        Raises:
            VlitError: When it fails, leaves out images, drops, repeats or reorders answers.
        """
        return fitted(self.text, self.name, self.variables, self.specials, self.declared, images)


def names() -> list[str]:
    """Names of vlit's own templates."""
    files = (Path(file.name) for file in _folder().iterdir())
    return sorted(file.stem for file in files if file.suffix == ".jinja" and file.stem != "said")


def named(name: str) -> str:
    """The Jinja text of one of vlit's own templates.

    Raises:
        VlitError: When there is none of that name.
    """
    if name not in names():
        raise VlitError(
            f"there is no chat template {name!r}",
            where="template",
            todo=f"name a .jinja file, or one of vlit's own; {nearest(name, names())}",
        )
    text = (_folder() / f"{name}.jinja").read_text(encoding="utf-8")
    macro = (_folder() / "said.jinja").read_text(encoding="utf-8")
    return str(text).replace('{%- include "said.jinja" -%}', macro.rstrip("\n"))


def _folder() -> Any:
    return resources.files("vlit.tune.chat") / "templates"


def _for(tokenizer: Any, name: str) -> str:
    """One of vlit's templates as a tokenizer needs it: with its BOS, and its image token."""
    if missing := [token for token in _NEEDS.get(name, ()) if token not in tokenizer.get_vocab()]:
        raise VlitError(
            f"the chat template {name} needs special tokens that the tokenizer lacks: {', '.join(missing)}",
            where="template",
            todo=f"take another one: {', '.join(n for n in names() if n not in _NEEDS)}",
        )
    text = named(name)
    token = getattr(tokenizer, "image_token", None)
    if IMAGE_TOKEN not in tokenizer.get_vocab() and isinstance(token, str):
        text = text.replace(IMAGE_TOKEN, token)
    begins = tokenizer.encode("a", add_special_tokens=True)[:1] == [tokenizer.bos_token_id]
    return "{{- bos_token -}}\n" + text if begins and "bos_token" not in text else text


def _own(tokenizer: Any) -> str:
    if tokenizer.chat_template is None:
        raise VlitError(
            "the model's tokenizer has no chat template",
            where=str(getattr(tokenizer, "name_or_path", "") or "tune.model"),
            todo="set tune.model.template, to `dialogue` for a base model; known: " + ", ".join(names()),
        )
    try:
        return str(tokenizer.get_chat_template())
    except ValueError as error:
        raise VlitError(
            f"the tokenizer's chat template cannot be had: {error}", where="template", todo="name a template"
        ) from None


def _file(path: str, base: Path | None) -> str:
    file = Path(path) if base is None else base / path
    if not file.is_file():
        if file.suffix == ".jinja":
            raise VlitError(
                "there is no such template file", where=str(file), todo=f"known names: {', '.join(names())}"
            )
        named(path)  # raises, with the nearest name
    return file.read_text(encoding="utf-8")
