"""A plain folder of images with captions in CSV, TSV or JSON Lines: a file name and a caption a row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from vlit.collect.importer import Importer, Paths, Piece, existing, lost, origin_of
from vlit.collect.table import JSONL_SUFFIXES, MORE, read_lines, read_rows
from vlit.data.errors import VlitError
from vlit.data.scene import Caption
from vlit.data.score import Quarantined, legible
from vlit.run.stage import Setting

FILE = ("file_name", "filename", "file", "image", "image_name", "image_path", "path", "photo")
CAPTION = ("caption", "captions", "text", "description", "sentence", "comment")


def is_captions(columns: list[str]) -> bool:
    """Whether a table of these columns holds captions of photos."""
    return any(c in columns for c in FILE) and any(c in columns for c in CAPTION)


class Captions(Importer):
    """Captions by file name. An image may have several rows, a JSON Lines row several captions in a list."""

    kind: Literal["captions"] = "captions"
    path: Paths
    file_column: str = ""  #: where the file name stands, if under none of the usual names
    caption_column: str = ""

    def folders(self) -> Paths:
        """The given image folders, else those in which the tables lie."""
        return self.images or tuple(dict.fromkeys(str(Path(path).parent) for path in self.path))

    def files(self, setting: Setting) -> list[Path]:
        """The tables."""
        return [existing(setting, path) for path in self.path]

    def read(self, setting: Setting) -> Iterator[Piece | Quarantined]:
        """A piece for each row."""
        for file in self.files(setting):
            yield from self._read(file, origin_of(setting, file))

    def _read(self, path: Path, origin: str) -> Iterator[Piece | Quarantined]:
        lines = path.name.lower().endswith(JSONL_SUFFIXES)
        columns: tuple[str, str] | None = None
        for line, row in read_lines(path) if lines else read_rows(path):
            if isinstance(row, str):
                yield lost(origin, f"line {line}", "", "", row)
                continue
            if row.get(MORE):
                yield lost(
                    origin, f"line {line}", "", row[MORE], "more columns than the header has: quote commas"
                )
                continue
            columns = columns or self._columns(path, row)
            file, texts = row.get(columns[0]), row.get(columns[1])
            if not isinstance(file, str) or not file:
                yield lost(origin, f"line {line}", columns[0], file, "the row names no image file")
                continue
            found = texts if isinstance(texts, list) else [texts]
            captions = []
            for n, text in enumerate(found):
                ident = f"caption:{legible(path.name)}:{line}" + (f".{n + 1}" if len(found) > 1 else "")
                if isinstance(text, str):
                    captions.append(Caption(id=ident, text=" ".join(text.split())))
                else:
                    yield lost(origin, f"line {line}", columns[1], text, "the caption is no text")
            yield Piece(origin=origin, file=file.removeprefix("./"), captions=captions)

    def _columns(self, path: Path, row: Mapping[str, Any]) -> tuple[str, str]:
        lower = {key.lower(): key for key in row if key}
        file = next((lower[c] for c in (self.file_column.lower(), *FILE) if c in lower), None)
        caption = next((lower[c] for c in (self.caption_column.lower(), *CAPTION) if c in lower), None)
        if file is None or caption is None:
            missing = "file name" if file is None else "caption"
            raise VlitError(
                f"no column holds the {missing}; found: {', '.join(row)}",
                where=str(path),
                todo=f"name the column with `{'file' if file is None else 'caption'}_column:`",
            )
        return file, caption
