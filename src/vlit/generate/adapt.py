"""Annotation adaption: scenes become samples by instruction pools and response rules, without any model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from vlit.data.sample import IMAGE_TOKEN, Mark, Provenance, Sample, Turn
from vlit.data.scene import Scene
from vlit.data.score import Quarantined, shown
from vlit.data.seeds import rng
from vlit.generate import statistics as stats
from vlit.generate.config import AdaptConfig
from vlit.generate.fact import Fact, Task
from vlit.generate.render import mode_of, render
from vlit.generate.statistics import Statistics
from vlit.generate.templates import Pools, load
from vlit.generate.view import Settings, View


def adapt(
    scenes: Sequence[Scene],
    config: AdaptConfig | None = None,
    seed: int = 0,
    lost: list[Quarantined] | None = None,
) -> Iterator[Sample]:
    """Samples of scenes in memory.

    Example:
        >>> samples = list(adapt(scenes, AdaptConfig(answers="sentence")))  # doctest: +SKIP

    Args:
        scenes: All scenes: absent objects and wrong options are drawn by what is frequent in them.
        config: Tasks and answer mode.
        seed: Equal seeds give equal samples, whatever the order or number of scenes asked for at once.
        lost: Takes captions that were passed over, and scenes that gave nothing.
    """
    adapter = Adapter(config or AdaptConfig(), stats.of_scenes(scenes), seed)
    for scene in scenes:
        yield from adapter.samples(scene, lost)


class Adapter:
    """Everything that turns one scene into its samples.

    Args:
        config: Tasks and answer mode.
        statistics: Of all scenes.
        seed: Of the run.
        pools: Read from the config's folder when not given.
    """

    def __init__(
        self, config: AdaptConfig, statistics: Statistics, seed: int, pools: Pools | None = None
    ) -> None:
        self.config, self.statistics, self.seed = config, statistics, seed
        self.tasks = config.make_tasks()
        self.pools = pools or load_pools(self.tasks, Path(config.pools) if config.pools else None)
        self._settings = Settings(config.min_area, config.box_format == "padded_square")

    def samples(self, scene: Scene, lost: list[Quarantined] | None = None) -> Iterator[Sample]:
        """The samples of one scene, task by task; ``lost`` takes what none of them could use."""
        view, made = View(scene, self.statistics, self._settings), 0
        for name, task in self.tasks.items():
            for n, facts in enumerate(task.rounds(view, rng(self.seed, scene.id, name))):
                yield self._sample(scene, name, f"{scene.id}/{name}/{n}", facts)
                made += 1
        if lost is not None:
            for caption, why in view.passed_over:
                record, reason = f"{scene.id} {caption.id}", f"no sentence for a reply: {why}"
                lost.append(_lost(scene, record, "caption", caption.text, reason))
            if not made:
                lost.append(_lost(scene, scene.id, "", "", "no task finds anything to say of this image"))

    def _sample(self, scene: Scene, task: str, id_: str, facts: tuple[Fact, ...]) -> Sample:
        random = rng(self.seed, id_)
        answers = self.config.answers
        if len(facts) > 1 and answers == "mixed":
            answers = "sentence"  # a format instruction in every round is no conversation
        turns: list[Turn] = []
        templates: list[str] = []
        for fact in facts:
            said = render(fact, self.pools, mode_of(fact, answers, random), random)
            question = said.question if turns else f"{IMAGE_TOKEN}\n{said.question}"
            turns += (Turn(role="user", text=question), Turn(role="assistant", text=said.answer))
            templates += said.templates
        return Sample(
            id=id_,
            turns=tuple(turns),
            images=(scene.image,),
            task=task,
            paradigm="annotation_adaption",
            marks=_marks(facts),
            provenance=Provenance(
                scenes=(scene.id,),
                annotations=tuple(dict.fromkeys(e for fact in facts for e in fact.evidence)),
                recipe=f"adapt/{task}",
                templates=tuple(templates),
                seed=self.seed,
                source=scene.source,
                licence=scene.licence,
            ),
        )


def load_pools(tasks: Mapping[str, Task[Any]], folder: Path | None) -> Pools:
    """The pools of these tasks, and of all built-in ones, from which a conversation draws.

    Raises:
        VlitError: When a pool does not fit its task.
    """
    return load({**AdaptConfig().make_tasks(), **tasks}, folder)


def _lost(scene: Scene, record: str, field: str, value: str, reason: str) -> Quarantined:
    file = scene.image.uri
    return Quarantined(
        stage="generate", file=file, record=record, field=field, value=shown(value), reason=reason
    )


def _marks(facts: tuple[Fact, ...]) -> tuple[Mark, ...]:
    if len(facts) == 1:
        return facts[0].marks
    seen: dict[tuple[str | None, str], Mark] = {}
    for fact in facts:
        for mark in fact.marks:
            seen.setdefault((mark.annotation, msgspec.json.encode(mark.box).decode()), mark)
    return tuple(seen.values())
