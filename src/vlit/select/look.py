"""The look stage: the photos of the scenes are looked at once, for a choice that depends on that.

It is a stage of its own, so that another choice does not look at all photos again. Recipes need not name it:
``choose`` brings it along where it needs it.
"""

from __future__ import annotations

from typing import Any, ClassVar

from vlit.data.scene import Scene
from vlit.data.store import part_key, read_part
from vlit.run.folder import RunFolder
from vlit.run.stage import Config, Output, Shard, Stage


class LookConfig(Config):
    """No options."""


class LookStage(Stage[LookConfig]):
    """One picture for each scene; a photo that cannot be opened has a problem instead."""

    name: ClassVar[str] = "look"
    reads: ClassVar[tuple[str, ...]] = ("scenes",)
    writes: ClassVar[tuple[str, ...]] = ("scene_pictures",)
    code: ClassVar[tuple[str, ...]] = ("vlit.select.look", "vlit.assess.pictures", "vlit.data")
    Config = LookConfig

    def shards(self, run: RunFolder) -> list[Shard]:
        """One for each part of the scenes."""
        return [Shard(part_key(path), path) for path in run.scenes.parts()]

    def work(self, shard: Shard, context: Any) -> Output:
        """Look at the photos of one part."""
        from vlit.assess.pictures.look import look_all

        return Output({"scene_pictures": look_all([s.image for s in read_part(shard.payload, Scene)])})
