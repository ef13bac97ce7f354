"""run.json: which stages of a run are complete, with what fingerprint, rows and files."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pyarrow as pa

import vlit
from vlit.data.errors import VlitError
from vlit.data.store import atomic


class StageRecord(msgspec.Struct, frozen=True):
    """A complete stage. ``files`` are relative to the run's folder; while all are there, it is done."""

    fingerprint: str
    rows: dict[str, int]
    files: list[str]


class RunRecord(msgspec.Struct):
    """The content of run.json. It holds no times, so that equal runs have equal records."""

    name: str = ""
    seed: int = 0
    base: str = ""  #: folder that the recipe's relative paths refer to
    versions: dict[str, str] = {}
    stages: dict[str, StageRecord] = {}


def read_record(path: Path) -> RunRecord:
    """The record; an empty one where there is none yet.

    Raises:
        VlitError: When the file is damaged.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=RunRecord)
    except FileNotFoundError:
        return RunRecord()
    except OSError as error:
        raise VlitError(
            f"cannot read the run's record: {error.strerror or error}",
            where=str(path),
            todo="name another folder with --runs, or another run with --set name=...",
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise VlitError(
            f"the run's record is damaged: {error}",
            where=str(path),
            todo="delete it and run again: parts that are there are kept",
        ) from error


def write_record(path: Path, name: str, seed: int, base: Path, stages: Mapping[str, StageRecord]) -> None:
    """Write the record atomically, with the versions that made it."""
    versions = {"vlit": vlit.__version__, "python": platform.python_version(), "pyarrow": pa.__version__}
    record = RunRecord(name, seed, str(base), versions, dict(stages))
    with atomic(path) as temporary:
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n")
