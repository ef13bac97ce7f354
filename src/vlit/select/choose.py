"""The choose stage: which photos are worth making samples of, before any token is paid.

It looks at the scenes alone: their annotations, sizes and, where it has to, pixels. Photos that are not chosen
stay in the scenes, with a verdict and its reason; ``generate`` passes over them.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pydantic

from vlit.data.errors import VlitError
from vlit.data.score import Verdict
from vlit.run.folder import RunFolder, counted
from vlit.run.stage import Config, Output, Shard, Stage
from vlit.select.method import Choice, Method
from vlit.select.methods.concepts import covered
from vlit.select.methods.farthest import Farthest, FarthestConfig
from vlit.select.methods.random import Random, RandomConfig
from vlit.select.methods.stratified import Stratified, StratifiedConfig
from vlit.select.pool import Pool
from vlit.select.quotas import Shares
from vlit.select.scenes import SceneSet, read_scenes
from vlit.select.told import lack, told_of

Annotations = Literal["captions", "objects", "regions", "relations", "texts", "questions"]


class ChooseConfig(Config):
    """How many photos, and which."""

    by: Literal["random", "stratified", "objects", "farthest"] = pydantic.Field(
        "stratified",
        description="random; stratified by source; objects: the greatest variety; farthest: unlike each other",
    )
    n: int | None = pydantic.Field(None, ge=1, description="photos to choose")
    share: float | None = pydantic.Field(None, gt=0, le=1, description="instead of n: share of all photos")
    needs: tuple[Annotations, ...] = pydantic.Field(
        (), description="annotations without which a photo is left out: captions, objects, regions ..."
    )
    min_side: int = pydantic.Field(0, ge=0, description="pixels that the shorter side has at least")
    distinct: bool = pydantic.Field(True, description="leave out photos whose file equals that of another one")
    shares: Shares = pydantic.Field(
        "equal", description="with stratified: equal as far as sources have enough, or proportional"
    )
    labels: tuple[str, ...] = pydantic.Field((), description="with objects: labels that count; by default all")
    quota: int | None = pydantic.Field(
        None, ge=1, description="with objects: photos of a label after which it counts no more"
    )
    reach: int | None = pydantic.Field(None, ge=1, description="with farthest: as in select.keep")

    @pydantic.model_validator(mode="after")
    def _is_whole(self) -> ChooseConfig:
        if (self.n is None) == (self.share is None):
            raise ValueError("say how many to choose: either `n`, a number, or `share`, of all photos")
        owners = {"shares": "stratified", "labels": "objects", "quota": "objects", "reach": "farthest"}
        for key, method in owners.items():
            if key in self.model_fields_set and self.by != method:
                raise ValueError(f"`{key}` belongs to `by: {method}`, and this is by {self.by}")
        return self

    def implies(self) -> dict[str, dict[str, Any]]:
        """What photos look like comes from the stage that looks at them."""
        return {"look": {}} if self.by == "farthest" else {}


class ChooseStage(Stage[ChooseConfig]):
    """One verdict for each scene."""

    name: ClassVar[str] = "choose"
    reads: ClassVar[tuple[str, ...]] = ("scenes", "scene_pictures")
    optional: ClassVar[tuple[str, ...]] = ("scene_pictures",)
    writes: ClassVar[tuple[str, ...]] = ("scene_verdicts",)
    code: ClassVar[tuple[str, ...]] = ("vlit.select", "vlit.data")
    Config = ChooseConfig

    def shards(self, run: RunFolder) -> list[Shard]:
        """None: a choice needs all scenes at once."""
        return []

    def expect(self, run: RunFolder) -> str:
        """All scenes."""
        return counted({"scenes": len(run.scenes)})

    def finish(self, run: RunFolder) -> Output:
        """Choose.

        Raises:
            VlitError: When no photo can be chosen.
        """
        scenes = read_scenes(run.scenes.parts(), run.table("scene_pictures").parts(), self.setting.seed)
        verdicts = self.verdicts(scenes)
        if len(scenes) and not any(verdict.keep for verdict in verdicts):
            raise VlitError(
                f"none of {len(scenes):,} photos can be chosen: {verdicts[0].reason}",
                where="choose",
                todo="lower min_side, or ask for other annotations",
            )
        return Output({"scene_verdicts": verdicts})

    def verdicts(self, scenes: SceneSet) -> list[Verdict]:
        """Keep or drop each scene, and why, in their order."""
        config = self.config
        objections = _objections(scenes, config)
        rows = np.flatnonzero([said is None for said in objections])
        number = config.n or max(1, int((config.share or 0) * len(scenes) + 0.5))
        chosen = np.zeros(len(scenes), bool)
        if len(rows) <= number:
            chosen[rows] = True
            told = lack(number, len(rows), config.by)
        else:
            choice = self._choice(scenes, Pool(scenes.columns, rows), number)
            chosen[rows] = choice.chosen
            told = told_of(choice, rows, len(scenes), config.by)
        verdicts = []
        for place, (id, said) in enumerate(zip(scenes.ids(), objections, strict=True)):
            keep = bool(chosen[place])
            rule = "kept" if keep else "choose" if said is None else "unfit"
            why = said or f"{'chosen' if keep else 'not chosen'} by {told.why(place)}"
            verdicts.append(Verdict(sample=id, keep=keep, rule=rule, reason=why))
        return verdicts

    def remark(self) -> str:
        """How many are to be chosen."""
        number = f"{self.config.n:,} photos" if self.config.n else f"{self.config.share:.4g} of the photos"
        return f"chooses {number} by {self.config.by}; no samples are made of the others"

    def _choice(self, scenes: SceneSet, pool: Pool, n: int) -> Choice:
        config = self.config
        if config.by == "objects":
            return _by_objects(scenes, pool, n, config)
        methods: dict[str, Method[Any]] = {
            "random": Random(RandomConfig(n=n), self.setting),
            "stratified": Stratified(
                StratifiedConfig(n=n, over=("source",), shares=config.shares), self.setting
            ),
            "farthest": Farthest(FarthestConfig(n=n, of="picture", reach=config.reach), self.setting),
        }
        return methods[config.by].choose(pool, n)


def _objections(scenes: SceneSet, config: ChooseConfig) -> list[str | None]:
    """Why a scene cannot be chosen, whatever there is to choose from."""
    found: list[str | None] = [None] * len(scenes)
    for place in np.flatnonzero(scenes.shorter < config.min_side).tolist():
        found[place] = f"its shorter side has {scenes.shorter[place]} of {config.min_side} pixels"
    for name in config.needs:
        for place in np.flatnonzero(scenes.counts[name] == 0).tolist():
            found[place] = f"it has no {name}"
    left = np.flatnonzero([said is None for said in found])
    for place, other in scenes.copies(left) if config.distinct else ():
        found[place] = f"its photo is that of {other}"
    return found


def _by_objects(scenes: SceneSet, pool: Pool, n: int, config: ChooseConfig) -> Choice:
    """The photos that together show most kinds of things: a label that was shown already counts less."""
    starts, items = _labels(scenes, pool, config)
    by_draw = np.argsort(pool.draws, kind="stable")
    taken, gains = covered(starts, items, len(scenes.labels), n, by_draw, quota=config.quota)
    chosen = np.zeros(len(pool), bool)
    chosen[taken] = True
    rest = by_draw[~chosen[by_draw]]
    chosen[rest[: n - len(taken)]] = True
    label = "gain in kinds of things"
    remark = "" if len(taken) == n else f"only {len(taken):,} add a kind of thing; the lowest draws fill up"
    return Choice(chosen, values=gains, label=label, remark=remark)


def _labels(
    scenes: SceneSet, pool: Pool, config: ChooseConfig
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """The labels of each photo of the pool that count, as starts and items.

    Raises:
        VlitError: When a label is on no photo.
    """
    counting = np.ones(len(scenes.labels), bool)
    if config.labels:
        unknown = [label for label in config.labels if label not in scenes.labels]
        if unknown:
            raise VlitError(
                f"no photo shows {unknown[0]!r}", where="choose.labels", todo="name labels of the annotations"
            )
        counting = np.isin(scenes.labels, config.labels)
    keep = counting[scenes.items]
    per_scene = np.add.reduceat(np.append(keep, False), scenes.starts[:-1]) if len(scenes) else np.zeros(0)
    per_scene = np.where(np.diff(scenes.starts) > 0, per_scene, 0)
    mine = np.zeros(len(scenes), bool)
    mine[pool.rows] = True
    items = scenes.items[keep & np.repeat(mine, np.diff(scenes.starts))]
    return np.concatenate([[0], np.cumsum(per_scene[pool.rows])]).astype(np.int64), items
