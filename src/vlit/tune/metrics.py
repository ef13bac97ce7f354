"""What a stage writes down while it tunes: metrics.jsonl, skipped.jsonl, and the trackers."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from vlit.data.errors import VlitError
from vlit.data.store import atomic, unwritable
from vlit.tune.config import StageConfig, TuneConfig
from vlit.tune.feed import Skipped
from vlit.tune.models.architecture import Part
from vlit.tune.team import Team

if TYPE_CHECKING:
    import torch

    from vlit.tune.flops import Counts, Flops
    from vlit.tune.step import Done

Tell = Callable[[Mapping[str, Any]], None]


class Lines:
    """A file of JSON lines, each with the step that it belongs to."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, row: Mapping[str, Any]) -> None:
        """Write one more line; it is in the file when this returns."""
        try:
            with self.path.open("ab") as file:
                file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
        except OSError as error:
            raise unwritable(error, self.path) from error

    def read(self) -> list[dict[str, Any]]:
        """All lines up to one that a killed process left half written, or a power cut as something else.

        Lines up to the last checkpoint are whole: they are on the disk before it is.
        """
        found: list[dict[str, Any]] = []
        for line in self.path.read_bytes().split(b"\n")[:-1] if self.path.exists() else ():
            try:
                found.append(orjson.loads(line))
            except orjson.JSONDecodeError:
                break
        return found

    def cut(self, step: int) -> None:
        """Drop what was written after a step."""
        kept = [row for row in self.read() if row["step"] <= step]
        with atomic(self.path) as temporary:
            temporary.write_bytes(b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in kept))

    def sync(self) -> None:
        """Have it on the disk."""
        if self.path.exists():
            with self.path.open("rb") as file:
                os.fsync(file.fileno())


def curves(path: Path) -> dict[str, list[tuple[int, float]]]:
    """Steps and losses of a stage, by its file of metrics: ``loss`` of training, and ``held_out``."""
    rows = Lines(path).read()
    keys = {"loss": "loss", "held_out": "held_out_loss"}
    return {
        name: [(row["step"], row[key]) for row in rows if row.get(key) is not None]
        for name, key in keys.items()
    }


class Journal:
    """The files of a stage. The first process writes; all know what was skipped.

    Args:
        folder: Of the stage.
        team: The processes.
        tell: Is told of every line.
        steps: Of the stage; in every line, so that who reads one knows how far it is.
        images: That its samples show; one that several show counts for each.
        most: Largest share of them that may be skipped.
    """

    def __init__(self, folder: Path, team: Team, tell: Tell, *, steps: int, images: int, most: float) -> None:
        self._team, self._tell, self._steps = team, tell, steps
        self._images, self._most = images, most
        self.metrics, self.skipped = Lines(folder / "metrics.jsonl"), Lines(folder / "skipped.jsonl")
        self._lost: dict[tuple[str, str], str] = {}

    @property
    def lost(self) -> int:
        """Images that were skipped so far; counted as in ``images``."""
        return len(self._lost)

    def begin(self, step: int, stage: StageConfig, config: TuneConfig) -> None:
        """Drop what a killed run wrote after the step that is gone on from; start the trackers."""
        if self._team.first:
            last = step or -1  # from the beginning, what was measured before it is measured anew
            self.metrics.cut(last)
            self.skipped.cut(last)
        self._team.wait()
        self._lost = {(row["id"], row["uri"]): row["reason"] for row in self.skipped.read()}
        if config.trackers:
            self._team.accelerator.init_trackers("vlit", {"stage": stage.name})

    def write(self, row: Mapping[str, Any]) -> None:
        """One line of metrics, for the file, the trackers and who is watching."""
        row = {**row, "steps": self._steps}
        if self._team.first:
            self.metrics.append(row)
            self._tell(row)
        if self._team.accelerator.trackers:
            self._team.accelerator.log(_flat(row), step=row["step"])

    def skip(self, step: int, found: Sequence[Skipped]) -> None:
        """Note what was left out of a step, once for each sample and image.

        Raises:
            VlitError: When more images were skipped than may be.
        """
        for one in (one for process in self._team.gathered(list(found)) for one in process):
            if (one.id, one.uri) in self._lost:
                continue
            self._lost[one.id, one.uri] = one.reason
            if self._team.first:
                self.skipped.append({"step": step, "id": one.id, "uri": one.uri, "reason": one.reason})
        if self.lost > self._most * self._images:
            first = [f"{uri}: {reason}" for (_, uri), reason in list(self._lost.items())[:3]]
            raise VlitError(
                f"{self.lost:,} of {self._images:,} images cannot be read, more than tune.unreadable allows",
                where="; ".join(first),
                todo="restore the photos, or raise tune.unreadable (a share of the images)",
            )

    def sync(self) -> None:
        """Have on the disk what was written so far."""
        if self._team.first:
            self.metrics.sync()
            self.skipped.sync()

    def end(self) -> None:
        """Close the trackers."""
        if self._team.accelerator.trackers:
            self._team.accelerator.end_training()


@dataclass(frozen=True)
class Meter:
    """Model FLOPs utilisation: the operations that a step needs, as a share of what the devices could do."""

    flops: Flops
    peak: float | None  #: operations a second of one device; ``None`` where nobody has published them

    def mfu(self, counts: Counts, seconds: float, team: Team) -> float | None:
        """Of a step in which this process has computed so much, in so many seconds.

        ``None`` also above 1, which is no share: the peak of a CPU was measured while others had the machine.
        """
        if self.peak is None:
            return None
        found = team.sums([self.flops.of(counts)])[0] / (seconds * self.peak * team.processes)
        return round(found, 6) if found <= 1 else None


def line(
    step: int,
    epoch: float,
    done: Done,
    rates: Mapping[Part, float],
    seconds: float,
    waited: float,
    mfu: float | None,
    team: Team,
) -> dict[str, Any]:
    """A step as a line of metrics.jsonl.

    Args:
        step: From 1.
        epoch: Passes over the data by then.
        done: What it came to.
        rates: By part.
        seconds: That it took, data and all.
        waited: Seconds of them in which this process waited for its data.
        mfu: See ``Meter``.
        team: The processes; the slowest wait is told.
    """
    return {
        "step": step,
        "epoch": epoch,
        "loss": done.loss,
        "lr": dict(rates),
        "grad_norm": done.norm,
        "tokens": done.tokens,
        "label_tokens": done.labels,
        "samples": done.samples,
        "seconds": round(seconds, 6),
        "label_tokens_per_second": round(done.labels / seconds, 3),
        "tokens_per_second": round(done.tokens / seconds, 3),
        "mfu": mfu,
        "waited": round(max(team.gathered(waited)) / seconds, 6),
        "memory_gb": round(memory(team.device) / 1e9, 3),
    }


def memory(device: torch.device) -> int:
    """Most bytes that this process has held at once so far: on its GPU, else in main memory."""
    import torch

    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    import resource
    import sys

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _flat(row: Mapping[str, Any]) -> dict[str, float]:
    """Numbers alone, ``lr`` by part."""
    found = {
        key: value
        for key, value in row.items()
        if isinstance(value, (int, float)) and key not in ("step", "steps")
    }
    return found | {f"lr/{part}": rate for part, rate in row.get("lr", {}).items()}
