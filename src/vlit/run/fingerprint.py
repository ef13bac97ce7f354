"""Fingerprints: a stage is done when its config, code and inputs are the same as when it ran."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
from pathlib import Path
from typing import Any


def fingerprint(*parts: Any) -> str:
    """A hash of JSON-like values, 32 hex digits. Equal values give equal hashes in every process."""
    data = json.dumps(parts, sort_keys=True)  # not orjson: paths may hold what is no Unicode
    return hashlib.blake2b(data.encode(), digest_size=16).hexdigest()


@functools.cache
def code_digest(package: str) -> str:
    """A hash of all source and data files of a package, or of a module.

    The source itself is the version: a forgotten version bump cannot keep stale results alive.
    """
    spec = importlib.util.find_spec(package)
    if spec is None:
        raise ModuleNotFoundError(f"no package {package!r} to take the version of")
    roots = [Path(folder) for folder in spec.submodule_search_locations or ()]  # several of a namespace
    files = [(p.relative_to(r).as_posix(), p) for r in roots for p in r.rglob("*") if _is_source(p)]
    if not roots and spec.origin is not None:
        files = [(Path(spec.origin).name, Path(spec.origin))]
    digest = hashlib.blake2b(digest_size=16)
    for name, path in sorted(files):
        digest.update(name.encode() + b"\0")
        digest.update(hashlib.blake2b(path.read_bytes()).digest())
    return digest.hexdigest()


def _is_source(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts


def file_digest(path: Path) -> str:
    """A hash of a file's content, read in pieces."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
