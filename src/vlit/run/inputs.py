"""What a run reads from outside, and the lines by which a fingerprint sees that it changed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from vlit.data.errors import VlitError
from vlit.run.fingerprint import file_digest
from vlit.run.folder import RunFolder

#: Suffixes of photos, in lower case.
PHOTOS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"})


def content_line(file: Path) -> str:
    """A line that tells a file's path and content.

    Raises:
        VlitError: When it cannot be read.
    """
    try:
        return f"{file} {file_digest(file)}"
    except OSError as error:
        raise VlitError(f"cannot read the file: {error.strerror or error}", where=str(file)) from error


def photo_lines(root: Path) -> Iterator[str]:
    """A line for each photo below a folder: path, size and time; reading them all would take too long."""
    for path in sorted(photos_below(root)):
        about = path.stat() if path.exists() else path.lstat()  # a link may lead nowhere
        yield f"{path} {about.st_size} {about.st_mtime_ns}"


def photos_below(root: Path) -> Iterator[Path]:
    """Photos in a folder and its sub folders, in no order; see :func:`files_below`."""
    yield from (path for path in files_below(root) if path.suffix.lower() in PHOTOS)


def files_below(root: Path) -> Iterator[Path]:
    """All files in a folder and its sub folders in no order, links followed.

    Hidden ones are left out, and so are run folders: what a run writes must not become its own input.
    """
    seen: set[str] = set()
    for folder, folders, names in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        is_run = real != os.path.realpath(root) and RunFolder.MARKS.issubset(names)
        if real in seen or is_run:  # a link may lead back up
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        here = Path(folder)
        yield from (here / name for name in names if not name.startswith("."))
