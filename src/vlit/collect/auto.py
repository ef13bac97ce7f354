"""A folder as it lies on disk: annotation files are recognised by their keys, photos by their names."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from vlit.collect.caps_boxes import is_caps_boxes
from vlit.collect.captions import is_captions
from vlit.collect.credits import is_credits, read_credits
from vlit.collect.importer import Importer, Paths, Piece, folder_of, lost, origin_of
from vlit.collect.jsonfile import outline
from vlit.collect.recognise import Guess, recognise
from vlit.collect.registry import parse_source
from vlit.collect.table import CSV_SUFFIXES, JSONL_SUFFIXES, columns_of
from vlit.data.score import Quarantined
from vlit.run.inputs import files_below
from vlit.run.stage import Setting

_JSON_SUFFIXES = (".json", ".json.gz")
_CREDITS = Guess("licences of photos", "credits")
#: Options that a kind cannot be read without, and what is said where one is not here.
_NEEDED = {
    "vqa": ({"questions", "annotations"}, "VQA needs questions and annotations: only one is here"),
    "visual_genome": (
        {"image_data"},
        "Visual Genome needs its list of images (image_data.json): it is not here",
    ),
}


class Auto(Importer):
    """Everything that is recognised below a folder: COCO and its kin, Visual Genome, captions, licences."""

    kind: Literal["auto"] = "auto"
    path: str

    def title(self, setting: Setting) -> str:
        """The given name, else that of the folder."""
        return self.name or Path(setting.resolve(self.path)).name

    def folders(self) -> Paths:
        """The folder itself, where no other was given."""
        return self.images or (self.path,)

    def files(self, setting: Setting) -> list[Path]:
        """All files that could hold annotations, also those that are not recognised."""
        suffixes = (*_JSON_SUFFIXES, *CSV_SUFFIXES, *JSONL_SUFFIXES)
        folder = folder_of(setting, self.path)
        return sorted(path for path in files_below(folder) if path.name.lower().endswith(suffixes))

    def read(self, setting: Setting) -> Iterator[Piece | Quarantined]:
        """Pieces of all recognised files, and a row for each other one."""
        options: dict[str, dict[str, Any]] = {}
        for path in self.files(setting):
            origin, guess = origin_of(setting, path), look_at(path)
            if guess is _CREDITS:
                yield from read_credits(path, origin)
            elif guess.kind is not None and guess.option is not None:
                options.setdefault(guess.kind, {}).setdefault(guess.option, []).append(str(path))
            else:
                yield lost(origin, "", "", "", f"not read: it looks like {guess.what}")
        for kind, (needed, reason) in _NEEDED.items():
            if kind in options and not options[kind].keys() >= needed:
                for path in itertools.chain(*options.pop(kind).values()):
                    yield lost(origin_of(setting, Path(path)), "", "", "", reason)
        if "visual_genome" in options:
            options["visual_genome"]["join"] = "coco"  # its image ids are not to be taken for those of COCO
        for kind, given in options.items():
            yield from parse_source({"kind": kind, **given}).read(setting)


def look_at(path: Path) -> Guess:
    """What a file looks like.

    Raises:
        VlitError: When it is damaged.
    """
    about = path.stat()
    return _look_at(path, about.st_size, about.st_mtime_ns)


@functools.lru_cache(maxsize=256)
def _look_at(path: Path, size: int, changed: int) -> Guess:
    """Remembered for a file's size and time: a big file takes half a second."""
    if path.name.lower().endswith(_JSON_SUFFIXES):
        return recognise(outline(path))
    columns = columns_of(path)
    if path.name.lower().endswith(JSONL_SUFFIXES) and is_caps_boxes(columns):
        return Guess("captions and boxes", "caps_boxes", "path")
    if is_captions(columns):
        return Guess("captions", "captions", "path")
    if is_credits(columns):
        return _CREDITS
    return Guess(f"a table of {', '.join(columns) or 'nothing'}, without columns for a photo and a caption")
