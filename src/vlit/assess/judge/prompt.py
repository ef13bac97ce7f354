"""What a judge is told: a prompt and guiding examples, from YAML files, with a version by their content."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Self

import pydantic
import yaml

from vlit.data.errors import VlitError
from vlit.run.recipe import checked_file
from vlit.run.stage import Config
from vlit.teacher.message import Message, Picture

#: Where our own prompts lie.
PROMPTS = Path(__file__).parent / "prompts"

_SLOT = re.compile(r"\{(\w+)\}")


class PromptText(Config):
    """The texts of a prompt. ``ask`` has slots; ``again`` has the slot ``{flaw}``."""

    about: str
    system: str
    ask: str
    again: str = pydantic.Field(description="what is said to a reply that cannot be read")

    @pydantic.model_validator(mode="after")
    def _says_what_is_wrong(self) -> Self:
        if "{flaw}" not in self.again:
            raise ValueError("the slot {flaw} does not stand in `again`")
        return self


class Prompt:
    """A prompt with its examples.

    Args:
        name: Of our own prompt.
        examples: Path of a YAML list of examples in place of ours: the slots of ``ask``, and ``reply``.
        flaw: Says what is wrong with the reply of an example; ``None`` where nothing is.

    Raises:
        VlitError: When a file cannot be read, or an example has other keys, or a reply that breaks the form.
    """

    def __init__(self, name: str, examples: Path | None, flaw: Callable[[str], str | None]) -> None:
        self.name, self._flaw = name, flaw
        self._file = PROMPTS / f"{name}.yaml"
        self._examples = PROMPTS / f"{name}_examples.yaml" if examples is None else examples
        self.text: PromptText = checked_file(PromptText, self._file, "see the prompts that ship with vlit")
        self.slots = frozenset(_SLOT.findall(self.text.ask))

    @cached_property
    def version(self) -> str:
        """12 hexadecimal digits of the prompt and its examples."""
        digest = hashlib.sha256(self._file.read_bytes())
        digest.update(_read(self._examples))
        return digest.hexdigest()[:12]

    @cached_property
    def _shown(self) -> tuple[Message, ...]:
        """System message and examples, which are the same for all that is asked."""
        shown = [Message.of("system", self.text.system.strip())]
        for example in self._load():
            shown.append(Message.of("user", self._asked(example)))
            shown.append(Message.of("assistant", example["reply"]))
        return tuple(shown)

    def messages(self, slots: Mapping[str, str], *pictures: Picture) -> tuple[Message, ...]:
        """System message, examples, and what is asked.

        Args:
            slots: Texts for the slots of ``ask``.
            pictures: Those that the judge sees.
        """
        return (*self._shown, Message.of("user", self._asked(slots), *pictures))

    def again(self, flaw: str) -> str:
        """What is said to a reply that cannot be read."""
        return self.text.again.replace("{flaw}", flaw).strip()

    def _asked(self, slots: Mapping[str, str]) -> str:
        # In one pass: what a slot brings is not searched for slots.
        return _SLOT.sub(lambda found: slots.get(found[1], found[0]), self.text.ask).strip()

    def _load(self) -> list[dict[str, str]]:
        where = str(self._examples)
        try:
            raw = yaml.safe_load(_read(self._examples))
        except yaml.YAMLError as error:
            raise VlitError(f"this is no YAML: {error}", where=where) from error
        if not isinstance(raw, list):
            raise VlitError("a list of examples is needed", where=where, todo="begin each one with `- `")
        return [self._checked(item, f"{where}: entry {n}") for n, item in enumerate(raw, 1)]

    def _checked(self, item: object, where: str) -> dict[str, str]:
        keys = sorted(self.slots | {"reply"})
        if not isinstance(item, dict) or sorted(map(str, item)) != keys:
            raise VlitError(
                f"an example has the keys {', '.join(keys)}", where=where, todo=f"not {item!r:.120}"
            )
        for key, text in item.items():
            if not isinstance(text, str) or not text.strip():
                raise VlitError(
                    f"{key!r} has to be a text", where=where, todo=f"not {text!r:.120}; use `|` or quotes"
                )
        example = {key: text.strip() for key, text in item.items()}
        if flaw := self._flaw(example["reply"]):
            raise VlitError(
                f"the reply of this example breaks the form that it is to teach: {flaw}",
                where=where,
                todo=f"write it as our own examples in {PROMPTS.name}/{self.name}_examples.yaml",
            )
        return example


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise VlitError(
            f"the examples of the judge cannot be read: {error.strerror or error}",
            where=str(path),
            todo="give the path of a YAML file, or leave `examples` out to use ours",
        ) from error
