"""Chat records as JSON Lines or one JSON array, in the layouts that sets are passed around in.

A record has its turns in one of these forms:

    {"conversations": [{"from": "human", "value": …}, …]}                   LLaVA, ShareGPT
    {"messages": [{"role": "user", "content": … or [{"type": "text", …}]}]}  OpenAI, Hugging Face
    {"instruction": …, "input": …, "output": …}                             Alpaca, early LLaVA
    {"question": …, "answer": …}

and its images under ``image``, ``images`` or ``image_path`` (a path, or a list of them), else in the parts of a
message: ``{"type": "image", "image": PATH}``, ``{"type": "image_url", "image_url": {"url": PATH}}``. ``task``,
``type`` or ``category`` is taken as the task. Where the text names no image, the images come first.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from vlit.data.sample import IMAGE_TOKEN, Sample
from vlit.data.score import Quarantined
from vlit.formats.format import Format
from vlit.formats.llava_read import LlavaRecords
from vlit.formats.records import (
    Found,
    ImageFolder,
    Problem,
    Raw,
    Repaired,
    array_records,
    mapped,
    object_of,
    read_records,
)

_IMAGES = ("image", "images", "image_path", "image_paths")
_TASKS = ("task", "type", "category")
_ASKED = ("instruction", "question", "prompt", "query")
_ANSWERED = ("output", "answer", "response", "caption")


def read_chat(path: Path, image_root: str, *, open_images: bool = True) -> Iterator[Sample | Quarantined]:
    """Read chat records without holding them in memory.

    Args:
        path: A ``.jsonl`` file, or a JSON array of records.
        image_root: Folder (or fsspec URL) that the images' paths are relative to; ``""`` if they are absolute.
        open_images: Look at each image; if false, its size is 0 x 0.

    Yields:
        Samples, and a :class:`Quarantined` for each record that was dropped or repaired, in the file's order.

    Raises:
        VlitError: When the file as a whole cannot be read.
    """
    records = LlavaRecords(path, ImageFolder(image_root, open_images))

    def sample(record: dict[str, Any], repaired: Repaired) -> Sample:
        made = records.sample(_as_llava(record), repaired)
        task = next((t for key in _TASKS if isinstance(t := record.get(key), str) and t), made.task)
        return msgspec.structs.replace(made, task=task)

    yield from read_records(path, _found(path), sample)


def _found(path: Path) -> Iterator[Found]:
    if _is_array(path):
        for index, raw in enumerate(array_records(path, 'chat records are [{"messages": …}, …]')):
            yield Found(f"record {index}", raw, partial(object_of, raw))
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            text: Raw = line.removeprefix(b"\xef\xbb\xbf")
            if line.strip():
                yield Found(f"line {number}", text, partial(object_of, text))


def _is_array(path: Path) -> bool:
    return bytes(mapped(path)[:256]).lstrip().startswith(b"[")


def _as_llava(record: dict[str, Any]) -> dict[str, Any]:
    """The record in LLaVA's layout, with an ``<image>`` for each image where the text has none."""
    inside: list[Any] = []
    turns = _turns(record, inside)
    images = next((v for key in _IMAGES if (v := record.get(key)) is not None), inside)
    names = images if isinstance(images, list) else [images]
    texts = [turn["value"] for turn in turns if isinstance(turn["value"], str)]
    if names and not any(IMAGE_TOKEN in text for text in texts):
        asked = next((t for t in turns if t["from"] == "human" and isinstance(t["value"], str)), None)
        if asked is not None and asked["value"].strip():  # what is no text, or empty, is told as such
            asked["value"] = f"{IMAGE_TOKEN}\n" * len(names) + asked["value"]
    return {"id": record["id"], "conversations": turns, "image": names or None}


def _turns(record: dict[str, Any], inside: list[Any]) -> list[dict[str, Any]]:
    """Turns in LLaVA's layout; ``inside`` takes the images that parts of them name."""
    for key, speaker, said in (("conversations", "from", "value"), ("messages", "role", "content")):
        if isinstance(record.get(key), list):
            return [_turn(item, speaker, said, f"{key}[{i}]", inside) for i, item in enumerate(record[key])]
    asked = next((v for key in _ASKED if isinstance(v := record.get(key), str)), None)
    answered = next((v for key in _ANSWERED if isinstance(v := record.get(key), str)), None)
    if asked is None or answered is None:
        keys = ", ".join(sorted(map(str, record)))
        raise Problem(
            "", keys, "no turns: messages, conversations, instruction and output, or question and answer"
        )
    context = record.get("input")
    if isinstance(context, str) and context.strip():
        asked = f"{asked}\n{context}"
    return [{"from": "human", "value": asked}, {"from": "gpt", "value": answered}]


def _turn(item: Any, speaker: str, said: str, field: str, inside: list[Any]) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise Problem(field, item, f"a turn has to be an object with {speaker!r} and {said!r}")
    role = item.get(speaker)
    role = {"user": "human", "assistant": "gpt"}.get(str(role).strip().lower(), role)
    text = item.get(said)
    if isinstance(text, list):  # parts: texts, and places of images
        text = "".join(_part(part, f"{field}.{said}", inside) for part in text)
    return {"from": role, "value": text}


def _part(part: Any, field: str, inside: list[Any]) -> str:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text" and isinstance(part.get("text"), str):
        return str(part["text"])
    if kind in ("image", "image_url"):
        named = part.get(kind)
        named = named.get("url") if isinstance(named, dict) else named
        if isinstance(named, str) and named.startswith("data:"):
            raise Problem(field, named, "an image inside the text is not read; save it as a file and name that")
        if named is not None:
            inside.append(named)
        return f"{IMAGE_TOKEN}\n"
    raise Problem(field, part, "a part is a text or an image")


CHAT = Format(name="chat", suffix=".jsonl", write=None, read=read_chat)
