"""MIMIC-IT's instructions: ``{"meta", "data": {id: {"instruction", "answer", "image_ids", "rel_ins_ids"}}}``.

Each instruction is a sample of one round. Its images are files of a folder, named by their ids; the release
packs them as base64 in Parquet or JSON, so write them out first. ``rel_ins_ids``, other instructions that go
with it, are passed over: ``join: image`` of a mixture joins instructions about the same images.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import msgspec

from vlit.data.errors import VlitError
from vlit.data.sample import IMAGE_TOKEN, Sample
from vlit.data.score import Quarantined
from vlit.formats.format import Format
from vlit.formats.image_root import as_root
from vlit.formats.llava_read import LlavaRecords
from vlit.formats.records import Found, ImageFolder, Problem, Raw, mapped, object_of, read_records

#: What a photo's file may end in, most usual first; the first is taken where none is there.
_SUFFIXES = (".jpg", ".png", ".jpeg", ".webp", "")


class _File(msgspec.Struct):
    data: dict[str, msgspec.Raw]


def read_mimicit(path: Path, image_root: str, *, open_images: bool = True) -> Iterator[Sample | Quarantined]:
    """Read a file of instructions without decoding it whole.

    Args:
        path: An ``XX_instructions.json``.
        image_root: Folder (or fsspec URL) of the images, ``<image id>.jpg`` or another suffix.
        open_images: Look at each image; if false, its size is 0 x 0.

    Yields:
        Samples, and a :class:`Quarantined` for each instruction that was dropped, in the file's order.

    Raises:
        VlitError: When the file as a whole has another layout.
    """
    try:
        data = msgspec.json.decode(mapped(path), type=_File).data
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise VlitError(
            f"this is no file of MIMIC-IT instructions: {error}",
            where=str(path),
            todo='such files are {"meta": …, "data": {"XX_INS_…": {"instruction": …}}}; name another format',
        ) from None
    file_of = lru_cache(4_096)(partial(_file, as_root(image_root)))
    found = (
        Found(
            f"instruction {index}", memoryview(raw), partial(_in_llava_layout, name, memoryview(raw), file_of)
        )
        for index, (name, raw) in enumerate(data.items())
    )
    yield from read_records(path, found, LlavaRecords(path, ImageFolder(image_root, open_images)).sample)


def _in_llava_layout(name: str, raw: Raw, file_of: Any) -> dict[str, Any]:
    """An instruction as a record in LLaVA's layout."""
    record = object_of(raw)
    images, asked, answered = (record.get(key) for key in ("image_ids", "instruction", "answer"))
    if not isinstance(images, list) or not all(isinstance(i, str) and i.strip() for i in images):
        raise Problem("image_ids", images, "not a list of image ids")
    for field, text in (("instruction", asked), ("answer", answered)):
        if not isinstance(text, str) or not text.strip():
            raise Problem(field, text, "it is empty" if isinstance(text, str) else "not text")
    if IMAGE_TOKEN not in str(asked):
        asked = f"{IMAGE_TOKEN}\n" * len(images) + str(asked)
    turns = [{"from": "human", "value": asked}, {"from": "gpt", "value": answered}]
    return {"id": name, "image": [file_of(image) for image in images] or None, "conversations": turns}


def _file(root: str, image: str) -> str:
    """The file of an image: the first that is there."""
    if "://" in root:
        return image + _SUFFIXES[0]
    return image + next((s for s in _SUFFIXES if Path(root + image + s).is_file()), _SUFFIXES[0])


MIMICIT = Format(name="mimicit", suffix=".json", write=None, read=read_mimicit)
