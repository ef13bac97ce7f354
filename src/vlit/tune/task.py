"""What a stage has to do, and in which order: its steps, and what is held out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from vlit.tune.config import StageConfig, TuneConfig
from vlit.tune.feed import Feed
from vlit.tune.models.architecture import Architecture
from vlit.tune.plan import MicroBatch, Step, count_steps, epoch_steps
from vlit.tune.source import Source
from vlit.tune.team import Team

#: Settings that may differ between a killed run and the one that goes on: they change no weight.
FREE = {
    "data", "device", "held_out", "keep", "precision", "preset", "processes", "readers", "save_every", "stages",
    "trackers", "unreadable",
}  # fmt: skip


@dataclass(frozen=True)
class Task:
    """One stage, as one of its processes sees it."""

    model: Architecture
    source: Source
    held_out: Source
    stage: StageConfig
    config: TuneConfig
    seed: int
    team: Team

    @property
    def steps(self) -> int:
        """Optimiser steps."""
        stage = self.stage
        return count_steps(len(self.source), batch=stage.batch, epochs=stage.epochs, steps=stage.steps)

    @property
    def images(self) -> int:
        """That are opened; one that several samples show counts for each."""
        return self.source.images + self.held_out.images

    @property
    def longest(self) -> int:
        """Tokens of the longest document."""
        return max((int(own.lengths.max()) for own in (self.source, self.held_out) if len(own)), default=0)

    def epochs(self, steps: int) -> float:
        """Passes over the data after so many steps."""
        return round(steps / self._per_epoch, 4)

    def feed(self, start: int) -> Feed:
        """The share of this process in the steps from ``start`` on."""
        return self._feed(self.source, self._plan(start))

    def held_out_feed(self) -> Feed:
        """Its share in what is held out, always in the same order."""
        return self._feed(self.held_out, self._shares(self.held_out, 1) if len(self.held_out) else iter(()))

    def identity(self) -> dict[str, Any]:
        """What has to be the same to go on from a checkpoint."""
        settings = self.config.model_dump(mode="json", exclude=FREE)
        return {
            "stage": self.stage.model_dump(mode="json", exclude={"data"}),
            "settings": settings,
            "seed": self.seed,
            "processes": self.team.processes,
            "device": self.team.device.type,
            "bf16": self.team.bf16,
            "samples": len(self.source),
            "data": self.source.digest(),
        }

    @property
    def _per_epoch(self) -> int:
        return -(-len(self.source) // self.stage.batch)

    def _plan(self, start: int) -> Iterator[tuple[MicroBatch, ...]]:
        epoch, skipped = divmod(start, self._per_epoch)
        left = self.steps - start
        while left > 0:
            for number, share in enumerate(self._shares(self.source, epoch)):
                if number >= skipped and left > 0:
                    left -= 1
                    yield share
            epoch, skipped = epoch + 1, 0

    def _shares(self, source: Source, epoch: int) -> Iterator[tuple[MicroBatch, ...]]:
        steps = self._steps(source, epoch, self.team.processes)
        if epoch == 0 and self.team.processes > 1:
            # Which step is the heaviest depends on how it is split. The order is that of one process, so that
            # any number of them has the same curve.
            known = {min(step.samples): step for step in steps}
            steps = [known[min(step.samples)] for step in self._steps(source, epoch, 1)]
        return (step.rows[self.team.place] for step in steps)

    def _steps(self, source: Source, epoch: int, processes: int) -> list[Step]:
        return epoch_steps(
            source.lengths,
            seed=self.seed,
            epoch=epoch,
            batch=self.stage.batch,
            row=self.config.row or 4 * self.config.max_length,
            processes=processes,
            pack=self.config.pack and self.model.packs,
        )

    def _feed(self, source: Source, plan: Iterator[tuple[MicroBatch, ...]]) -> Feed:
        return Feed(
            plan,
            source,
            self.model,
            readers=self.config.readers,
            together=self.team.processes > 1,
            pinned=self.team.device.type == "cuda",
        )
