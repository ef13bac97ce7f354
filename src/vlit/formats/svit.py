"""SVIT's own JSON: one array of ``{"image_id", "conversations": [{"content": [{"from", "value"}]}]}``.

A record is an image with its conversations; each becomes a sample. Roles are ``user`` and ``gpt``, the text
holds no ``<image>``, and the file of an image is ``<image_id>.jpg``. This is the layout of the first release;
the later one "for LLaVA" is read as LLaVA JSON.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from vlit.data.errors import VlitError
from vlit.data.sample import IMAGE_TOKEN, Sample, strip_image_tokens
from vlit.data.score import Quarantined
from vlit.data.store import atomic, read_part
from vlit.formats.format import Format
from vlit.formats.image_root import as_root, common_root
from vlit.formats.llava_read import LlavaRecords
from vlit.formats.records import Found, ImageFolder, Problem, Raw, array_records, object_of, read_records

#: SVIT's role to LLaVA's.
_ROLES = {"user": "human"}
_FROM = {"user": "user", "assistant": "gpt"}


def read_svit(path: Path, image_root: str, *, open_images: bool = True) -> Iterator[Sample | Quarantined]:
    """Read SVIT's JSON without holding its records in memory.

    A sample's id is ``<image_id>/<number of the conversation>``. Boxes stay in the text as they are: fractions
    of the image's width and height.

    Args:
        path: A JSON array of records.
        image_root: Folder (or fsspec URL) of the photos.
        open_images: Look at each image; if false, its size is 0 x 0.

    Yields:
        Samples, and a :class:`Quarantined` for each conversation, or record as a whole, that was dropped or
        repaired, in the file's order.

    Raises:
        VlitError: When the file as a whole is no JSON array.
    """
    layout = 'SVIT files are [{"image_id": …, "conversations": [{"content": …}, …]}, …]'
    found = (
        conversation
        for index, raw in enumerate(array_records(path, layout))
        for conversation in _conversations(f"record {index}", raw)
    )
    yield from read_records(path, found, LlavaRecords(path, ImageFolder(image_root, open_images)).sample)


def _conversations(place: str, raw: Raw) -> Iterator[Found]:
    """Each conversation of a record; the record as a whole where it has none that can be found."""
    try:
        parts = _parts(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        yield Found(place, raw, partial(_broken, raw))
        return
    for number, conversation in enumerate(parts.conversations):
        yield Found(
            f"{place}, conversation {number}",
            bytes(conversation),
            partial(_in_llava_layout, parts.image_id, number, conversation),
        )
    if not parts.conversations:
        yield Found(place, raw, partial(_broken, raw))


class _Record(msgspec.Struct):
    image_id: int | str
    conversations: list[msgspec.Raw]


def _parts(raw: Raw) -> _Record:
    return msgspec.json.decode(raw, type=_Record)


def _broken(raw: Raw) -> dict[str, Any]:
    """Tell what is wrong with a record."""
    record = object_of(raw)
    image, talks = record.get("image_id"), record.get("conversations")
    if isinstance(image, bool) or not isinstance(image, int | str):
        raise Problem("image_id", image, "there is no image_id" if image is None else "not the id of an image")
    if not isinstance(talks, list):
        raise Problem("conversations", talks, "there are no conversations" if talks is None else "not a list")
    raise Problem("conversations", talks, "there are no conversations")


def _in_llava_layout(image: int | str, number: int, conversation: msgspec.Raw) -> dict[str, Any]:
    """A conversation as a record in LLaVA's layout, whose reader tells what is wrong with its turns."""
    content = object_of(bytes(conversation)).get("content")
    if isinstance(content, list):
        content = [_turn(turn, first=place == 0) for place, turn in enumerate(content)]
    return {"id": f"{image}/{number}", "image": f"{image}.jpg", "conversations": content}


def _turn(turn: Any, first: bool) -> Any:
    if not isinstance(turn, dict):
        return turn
    said, text = turn.get("from"), turn.get("value")
    if first and isinstance(text, str) and text.strip() and IMAGE_TOKEN not in text:
        text = f"{IMAGE_TOKEN}\n{text}"
    return {"from": _ROLES.get(said, said) if isinstance(said, str) else said, "value": text}


def write_svit(
    parts: Sequence[Path], path: Path, *, image_root: str | None = None, metadata: bool = True
) -> int:
    """Write a samples table in SVIT's layout: samples of the same image that follow each other share a record.

    Args:
        parts: Parquet parts of samples, in order.
        path: The file to write; it is there whole or not at all.
        image_root: Folder of the images; by default the deepest that holds them all.
        metadata: Has no place in this layout; ids, tasks and provenance are not written.

    Returns:
        How many samples were written.

    Raises:
        VlitError: When a sample has no place in this layout, or the file cannot be written.
    """
    root = common_root(parts) if image_root is None else as_root(image_root)
    samples = (sample for part in parts for sample in read_part(part, Sample))
    count = 0
    with atomic(path) as temporary, temporary.open("wb") as out:
        opening = b"[\n"
        for image, group in groupby(samples, lambda sample: _image_id(sample, root)):
            talks = [{"content": _content(sample)} for sample in group]
            out.write(opening + msgspec.json.encode({"image_id": image, "conversations": talks}))
            opening, count = b",\n", count + len(talks)
        out.write(b"\n]\n" if count else b"[]\n")
    return count


def _image_id(sample: Sample, root: str) -> int | str:
    if len(sample.images) != 1:
        raise _no_place(sample, f"{len(sample.images)} images where SVIT has one")
    name = PurePosixPath(sample.images[0].uri.removeprefix(root))
    if name.suffix != ".jpg" or not sample.images[0].uri.startswith(root):
        raise _no_place(sample, f"the image {sample.images[0].uri} is no <image_id>.jpg below {root}")
    stem = str(name.with_suffix(""))
    return int(stem) if stem.isdecimal() and str(int(stem)) == stem else stem


def _content(sample: Sample) -> list[dict[str, str]]:
    if any(turn.role not in _FROM for turn in sample.turns):
        raise _no_place(sample, "a system turn")
    return [{"from": _FROM[turn.role], "value": strip_image_tokens(turn.text)} for turn in sample.turns]


def _no_place(sample: Sample, what: str) -> VlitError:
    return VlitError(
        f"a sample has no place in SVIT's layout: {what}",
        where=sample.id,
        todo="export it as llava, or leave such samples out",
    )


SVIT = Format(name="svit", suffix=".json", write=write_svit, read=read_svit)
