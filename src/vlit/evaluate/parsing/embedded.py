"""Photos that stand inside a file of questions: written to a folder once, where photos are read from."""

from __future__ import annotations

import base64
import binascii
import os
import re
from pathlib import Path

from vlit.data.errors import VlitError
from vlit.data.images import ImageProblem, opened, probe
from vlit.data.scene import Image


class Embedded:
    """Photos of a file, kept in a folder of their own.

    Args:
        folder: Made where it is missing; each photo is written once and is left as it is when it is there
        already.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: dict[str, Image] = {}

    @classmethod
    def beside(cls, file: Path, folder: str | None, base: Path) -> Embedded:
        """A folder of the config, or ``<file>.images`` beside the file."""
        if folder is not None:
            return cls((base / Path(folder).expanduser()).resolve())
        return cls(file.with_name(f"{file.name.split('.')[0]}.images"))

    def base64(self, name: str, text: str) -> Image:
        """A photo as base64, with or without ``data:...,`` before it.

        Raises:
            ImageProblem: When it is no base64, or no photo.
            VlitError: When the folder cannot be written.
        """
        try:
            data = base64.b64decode(
                "".join(text.rpartition(",")[2].split()), validate=True
            )  # lines may be broken
        except (binascii.Error, ValueError) as error:
            raise ImageProblem(f"no base64: {error}") from error
        return self.file(name, data)

    def file(self, name: str, data: bytes) -> Image:
        """A photo as the bytes of its file; see :meth:`base64`."""
        if name not in self._known:
            format = opened(data).format or "png"
            stem = re.sub(r"[^\w.-]", "_", name)
            path = self.folder / f"{stem}.{format.lower()}"
            self._write(path, data)
            self._known[name] = probe(str(path), decode=False)
        return self._known[name]

    def _write(self, path: Path, data: bytes) -> None:
        try:
            if path.is_file() and path.read_bytes() == data:
                return
            self.folder.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f"{path.name}.{os.getpid()}.part")
            part.write_bytes(data)
            part.replace(path)
        except OSError as error:
            raise VlitError(
                f"a photo cannot be written: {error.strerror or error}",
                where=str(path),
                todo="set images to a folder that can be written and has space",
            ) from error
