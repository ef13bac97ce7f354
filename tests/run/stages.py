"""Two small real stages: numbers and their doubles, as scenes and samples."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

from vlit.data.errors import VlitError
from vlit.data.sample import Sample, Turn
from vlit.data.scene import Image, Scene
from vlit.data.score import Quarantined
from vlit.data.seeds import rng
from vlit.data.store import part_key, read_part
from vlit.run.folder import RunFolder
from vlit.run.recipe import Recipe
from vlit.run.stage import Config, Output, Setting, Shard, Stage


class NumbersConfig(Config):
    shards: int = 4
    fail_at: int | None = None


class Numbers(Stage[NumbersConfig]):
    name: ClassVar[str] = "numbers"
    writes: ClassVar[tuple[str, ...]] = ("scenes",)
    code: ClassVar[tuple[str, ...]] = ("vlit.data",)
    Config = NumbersConfig

    def shards(self, run: RunFolder) -> list[Shard]:
        return [Shard(f"{i:05d}", i) for i in range(self.config.shards)]

    def work(self, shard: Shard, context: Any) -> Output:
        if shard.payload == self.config.fail_at:
            raise VlitError(f"shard {shard.payload} cannot be made")
        number = rng(self.setting.seed, shard.key).randrange(1000)
        image = Image(uri=f"{number}.jpg", width=1, height=1)
        odd = Quarantined(
            stage="numbers", file="f", record=shard.key, field="n", value=str(number), reason="odd"
        )
        return Output(
            {"scenes": [Scene(id=shard.key, image=image, source="test")]}, [odd] if number % 2 else []
        )


class DoubleConfig(Config):
    factor: int = 2


class Double(Stage[DoubleConfig]):
    name: ClassVar[str] = "double"
    reads: ClassVar[tuple[str, ...]] = ("scenes",)
    writes: ClassVar[tuple[str, ...]] = ("samples",)
    code: ClassVar[tuple[str, ...]] = ("vlit.data",)
    Config = DoubleConfig

    def prepare(self, run: RunFolder) -> int:
        return len(run.scenes)

    def shards(self, run: RunFolder) -> Iterable[Shard]:
        return (Shard(part_key(p), p) for p in run.scenes.parts())

    def work(self, shard: Shard, context: int) -> Output:
        rows = []
        for scene in read_part(shard.payload, Scene):
            number = int(scene.image.uri.removesuffix(".jpg")) * self.config.factor
            rows.append(Sample(id=scene.id, turns=(Turn(role="user", text=f"{number} of {context}"),)))
        return Output({"samples": rows})

    def finish(self, run: RunFolder) -> Output:
        (run.path / "double.txt").write_text(str(len(run.samples)))
        return Output()

    def files(self, run: RunFolder) -> list[Path]:
        return [run.path / "double.txt"]


def recipe(seed: int = 1, shards: int = 4, factor: int = 2, fail_at: int | None = None) -> Recipe:
    setting = Setting(seed=seed, base=Path.cwd())
    numbers = Numbers(NumbersConfig(shards=shards, fail_at=fail_at), setting)
    double = Double(DoubleConfig(factor=factor), setting)
    return Recipe(name="test", seed=seed, text="name: test\n", base=setting.base, stages=[numbers, double])
