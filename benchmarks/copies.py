"""A stage for benchmarks: the shipped photos' scenes again and again, each copy with an id of its own.

Copies of a scene give different samples: each draws its own facts and templates, because randomness comes from
the ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import msgspec

import vlit
from vlit.collect.stage import collect_folder
from vlit.data.scene import Scene
from vlit.run.folder import RunFolder
from vlit.run.stage import Config, Output, Shard, Stage

DEMO = Path(vlit.__file__).parent / "demo"


class CopiesConfig(Config):
    """How many."""

    scenes: int
    part: int = 500


class Copies(Stage[CopiesConfig]):
    """Writes the table of scenes."""

    name: ClassVar[str] = "copies"
    writes: ClassVar[tuple[str, ...]] = ("scenes",)
    Config = CopiesConfig

    def prepare(self, run: RunFolder) -> list[Scene]:
        """The shipped scenes."""
        return collect_folder(DEMO)[0]

    def shards(self, run: RunFolder) -> Iterator[Shard]:
        """The numbers of each part's copies."""
        for start in range(0, self.config.scenes, self.config.part):
            numbers = range(start, min(start + self.config.part, self.config.scenes))
            yield Shard(f"{start // self.config.part:06d}", numbers)

    def work(self, shard: Shard, context: Any) -> Output:
        """The copies of one part."""
        scenes = [
            msgspec.structs.replace(context[n % len(context)], id=f"scene-{n:08d}") for n in shard.payload
        ]
        return Output({"scenes": scenes})
