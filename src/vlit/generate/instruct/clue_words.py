"""The wordings of clues: ``clues.yaml``, ours or a user's beside a recipe, checked when it is read."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from vlit.data.errors import VlitError, nearest

#: Name of the file, ours and a user's.
FILE = "clues.yaml"

#: Part → wording → the slots that it may hold. ``head`` stands above the lines.
SLOTS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "captions": {"head": (), "line": ("text",)},
    "objects": {"head": (), "line": ("label", "box")},
    "counts": {"head": (), "line": ("things",)},
    "attributes": {"head": (), "line": ("things", "are", "attributes")},
    "relations": {"head": (), "line": ("subject", "predicate", "object")},
    "regions": {"head": (), "line": ("phrase",), "boxed": ("phrase", "box")},
    "texts": {"head": (), "line": ("text",)},
    "questions": {
        "head": (),
        "line": ("question", "votes"),
        "vote": ("count", "all", "answer"),
        "next_vote": ("count", "all", "answer"),
        "single": ("question", "answer"),
        "choice": ("choices", "answer"),
        "reason": ("text",),
    },
    "absent": {"head": (), "line": ("things",)},
    "region": {
        "head": (),
        "line": ("thing",),
        "place": ("where",),
        "share": ("percent",),
        "attributes": ("attributes",),
        "phrase": ("text",),
        "relation": ("subject", "predicate", "object"),
        "inside": ("things",),
        "smaller": ("text",),
        "text": ("text",),
    },
}

_SLOT = re.compile(r"\{(\w*)\}")


class Wordings:
    """How each line of clues is worded.

    Args:
        texts: Part → wording → template.
    """

    def __init__(self, texts: Mapping[str, Mapping[str, str]]) -> None:
        self._texts = texts

    def head(self, part: str) -> str:
        """What stands above the lines of a part; may be empty."""
        return self._texts[part]["head"]

    def say(self, part: str, wording: str, **slots: object) -> str:
        """One wording with its slots filled; what a slot brings is not searched for slots."""
        return _SLOT.sub(lambda m: str(slots[m[1]]), self._texts[part][wording])


@functools.cache
def built_in() -> Wordings:
    """Ours."""
    return Wordings(_read(Path(__file__).parent / FILE))


def load_wordings(folder: Path) -> Wordings:
    """Ours, with what a ``clues.yaml`` in the folder words otherwise.

    Raises:
        VlitError: When that file has mistakes.
    """
    path = folder / FILE
    if not path.is_file():
        return built_in()
    own, ours = _read(path), built_in()._texts
    return Wordings({part: {**texts, **own.get(part, {})} for part, texts in ours.items()})


def _read(path: Path) -> dict[str, dict[str, str]]:
    try:
        raw: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise VlitError(f"this is not YAML in UTF-8: {error}", where=str(path)) from error
    if not isinstance(raw, dict) or not all(isinstance(texts, dict) for texts in raw.values()):
        raise VlitError("wordings of clues are a mapping: part, then wording, then text", where=str(path))
    for part, texts in raw.items():
        if part not in SLOTS:
            raise VlitError(
                f"there is no part {part!r} of clues", where=str(path), todo=nearest(str(part), SLOTS)
            )
        for name, text in texts.items():
            _check(part, name, text, str(path))
    return raw


def _check(part: str, name: str, text: Any, path: str) -> None:
    known, where = SLOTS[part], f"{path}: {part}"
    if name not in known:
        raise VlitError(f"{part!r} has no wording {name!r}", where=where, todo=nearest(str(name), known))
    if not isinstance(text, str) or "\n" in text or (name != "head" and not text.strip()):
        raise VlitError(
            f"the wording {name!r} has to be a text on one line, not {text!r}",
            where=where,
            todo="put quotes around a text that begins with a slot or holds a colon",
        )
    for slot in _SLOT.findall(text):
        if slot not in known[name]:
            raise VlitError(
                f"there is no slot {{{slot}}} in {part}.{name}: {text!r}",
                where=where,
                todo=nearest(slot, known[name]),
            )
