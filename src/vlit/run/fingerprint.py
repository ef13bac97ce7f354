"""Fingerprints: a stage is done when its config, code and inputs are the same as when it ran."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson


def fingerprint(*parts: Any) -> str:
    """A hash of JSON-like values, 32 hex digits. Equal values give equal hashes in every process."""
    data = orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(data, digest_size=16).hexdigest()


@functools.cache
def code_digest(package: str) -> str:
    """A hash of all source and data files of a package.

    The source itself is the version: a forgotten version bump cannot keep stale results alive.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"no package {package!r} to take the version of")
    origin = Path(spec.origin)
    files: Iterable[Path] = [origin]
    if spec.submodule_search_locations:
        files = (p for p in origin.parent.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(files):
        digest.update(path.relative_to(origin.parent).as_posix().encode() + b"\0")
        digest.update(hashlib.blake2b(path.read_bytes()).digest())
    return digest.hexdigest()


def file_digest(path: Path) -> str:
    """A hash of a file's content, read in pieces."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
