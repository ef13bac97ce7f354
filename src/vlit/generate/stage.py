"""The stage "generate": scenes in, samples out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pydantic

from vlit.data.errors import VlitError
from vlit.data.scene import Scene
from vlit.data.score import Quarantined, commonest
from vlit.data.store import part_key, read_part
from vlit.generate import statistics as stats
from vlit.generate.adapt import Adapter, load_pools
from vlit.generate.config import AdaptConfig
from vlit.generate.statistics import Statistics
from vlit.generate.tasks import TASKS
from vlit.generate.templates import Pools
from vlit.run.folder import RunFolder
from vlit.run.stage import Config, Output, Shard, Stage


class GenerateConfig(Config):
    """How samples are made. Other ways to make them stand beside ``adapt``."""

    adapt: AdaptConfig = pydantic.Field(default_factory=AdaptConfig)


class GenerateStage(Stage[GenerateConfig]):
    """One part of samples for each part of scenes, in the order of the scenes."""

    name = "generate"
    reads = ("scenes",)
    writes = ("samples",)
    code = ("vlit.generate", "vlit.language", "vlit.data")
    Config = GenerateConfig

    def _adapt(self) -> AdaptConfig:
        config = self.config.adapt
        return (
            config.model_copy(update={"pools": self.setting.resolve(config.pools)}) if config.pools else config
        )

    def names(self) -> dict[str, list[str]]:
        """The tasks of its samples."""
        return {"samples": list(self.config.adapt.tasks)}

    def outside(self) -> Iterable[str]:
        """Digests of the user's own pools.

        Raises:
            VlitError: When there is no such folder.
        """
        pools = self._adapt().pools
        if pools and not Path(pools).is_dir():
            raise VlitError("there is no folder of pools", where=pools, todo="create it, or remove `pools`")
        for path in sorted(Path(pools).glob("*.y*ml")) if pools else ():
            yield f"{path.name}:{hashlib.sha256(path.read_bytes()).hexdigest()}"

    def plugins(self) -> Iterable[str]:
        """Packages of tasks that are not ours."""
        return TASKS.packages(self.config.adapt.tasks)

    def prepare(self, run: RunFolder) -> tuple[Statistics, Pools]:
        """Statistics of all scenes, and the pools, checked before any work starts."""
        config = self._adapt()
        pools = load_pools(config.make_tasks(), Path(config.pools) if config.pools else None)
        return stats.of_parts(run.scenes.parts()), pools

    def shards(self, run: RunFolder) -> list[Shard]:
        """One for each part of the scenes."""
        return [Shard(part_key(path), str(path)) for path in run.scenes.parts()]

    def work(self, shard: Shard, context: Any) -> Output:
        """Samples of one part."""
        statistics, pools = context
        adapter = Adapter(self._adapt(), statistics, self.setting.seed, pools)
        scenes = read_part(Path(shard.payload), Scene)
        lost: list[Quarantined] = []
        return Output({"samples": [s for scene in scenes for s in adapter.samples(scene, lost)]}, lost)

    def finish(self, run: RunFolder) -> Output:
        """Stop where no sample came of it, and say why.

        Raises:
            VlitError: When there is no sample.
        """
        if not len(run.samples):
            why = commonest(q for q in run.quarantine if q.stage == self.name)
            raise VlitError(
                f"no sample could be made of {len(run.scenes):,} scenes: {why}",
                where="generate",
                todo="give captions (English, five words or more), boxes with labels, or answered questions",
            )
        return Output()
