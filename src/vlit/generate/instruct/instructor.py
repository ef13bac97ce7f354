"""All instruction recipes of a run: what they ask of a scene, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from vlit.data.errors import VlitError
from vlit.data.exchange import Exchange
from vlit.data.sample import Sample
from vlit.data.scene import Scene
from vlit.data.score import Quarantined
from vlit.data.seeds import draw
from vlit.generate.instruct.config import InstructConfig
from vlit.generate.instruct.exchange import Exchanging, Outcome, exchange
from vlit.generate.instruct.recipe import Prompt, PromptRecipe, load_prompt
from vlit.generate.instruct.unit import Asker
from vlit.run.progress import Progress
from vlit.run.recipe import checked
from vlit.teacher.config import TeacherConfig
from vlit.teacher.drive import replay
from vlit.teacher.journal import JournalView


class Instructor:
    """All instruction recipes of a run.

    Args:
        config: Which recipes, and about how many scenes.
        teacher: Whom to ask.
        seed: Of the run.
        base: Folder that paths of recipes are relative to.
    """

    def __init__(self, config: InstructConfig, teacher: TeacherConfig, seed: int, base: Path) -> None:
        self.config, self.teacher, self.seed = config, teacher, seed
        self.prompts = load_prompts(config, base)
        self.askers = [Asker(prompt, teacher, seed) for prompt in self.prompts]

    def exchanges(self, scene: Scene) -> Iterator[Exchanging]:
        """What is to be asked about one scene, recipe by recipe."""
        for asker in self.askers:
            for unit in asker.units(scene):
                yield exchange(asker, unit)

    def outcomes(self, scene: Scene, journal: JournalView) -> Iterator[Outcome]:
        """What came of each exchange about one scene, with the tokens that it took."""
        seen: set[str] = set()  # exchanges share requests: tokens are counted with the first
        for asker in self.askers:
            units = list(asker.units(scene))
            if not units:
                yield Outcome(exchanges=[_passed_over(asker, scene)])
            for unit in units:
                outcome = replay(exchange(asker, unit), journal)
                outcome.exchanges = [_with_tokens(row, journal, seen) for row in outcome.exchanges]
                yield outcome

    def threshold(self, ids: Iterable[str], most: int | None = None) -> int | None:
        """Scenes whose draw is not above it are asked about; ``None`` for all.

        Args:
            ids: Of all scenes.
            most: As many of them at most, where the config allows more.
        """
        limits = [limit for limit in (self.config.scenes, most) if limit is not None]
        if not limits:
            return None
        drawn = sorted(self._draw(scene) for scene in ids)
        return drawn[min(*limits, len(drawn)) - 1] if drawn else None

    def chosen(self, scene: Scene, threshold: int | None) -> bool:
        """Whether a scene is asked about."""
        return threshold is None or self._draw(scene.id) <= threshold

    def _draw(self, scene: str) -> int:
        return draw(self.seed, scene, "instruct")


def load_prompts(config: InstructConfig, base: Path) -> list[Prompt]:
    """The recipes with their changes.

    Raises:
        VlitError: When there is none of a name, a key or value of one is wrong, two have the same name, or one
            makes no samples.
    """
    prompts: dict[str, Prompt] = {}
    for name, changes in config.recipes.items():
        prompt = _changed(load_prompt(name, base), changes)
        where = f"generate.instruct.recipes.{name}"
        if prompt.name in prompts:
            raise VlitError(
                f"two recipes are called {prompt.name!r}, and the ids of their samples would be the same",
                where=where,
                todo="give one of the files another name",
            )
        if prompt.recipe.reply.form == "list":
            raise VlitError(
                "a `list` is no instruction and answer: no sample comes of it",
                where=where,
                todo="give `reply` another form; to reword pools, name tasks in generate.instruct.rewrite",
            )
        prompts[prompt.name] = prompt
    return list(prompts.values())


def _changed(prompt: Prompt, changes: Mapping[str, Any]) -> Prompt:
    if not changes:
        return prompt
    values = _merged(prompt.recipe.model_dump(exclude_unset=True), changes)
    recipe = checked(PromptRecipe, values, f"generate.instruct.recipes.{prompt.name}")
    return Prompt(prompt.name, recipe, prompt.folder)


def _merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Values with changes at any depth."""
    merged = dict(values)
    for key, change in changes.items():
        old = merged.get(key)
        merged[key] = (
            _merged(old, change) if isinstance(old, Mapping) and isinstance(change, Mapping) else change
        )
    return merged


def _passed_over(asker: Asker, scene: Scene) -> Exchange:
    """The row about a scene that has nothing of what a recipe asks about: regions, or questions."""
    return Exchange(
        id=f"{scene.id}/{asker.prompt.name}",
        scene=scene.id,
        recipe=asker.prompt.name,
        prompt=asker.prompt.version,
        teacher=asker.teacher.model,
        requests=(),
        flaws=(),
        repairs=(),
        cut=(f"{asker.recipe.unit}s: missing",),
        outcome="no_clues",
        samples=0,
        prompt_tokens=0,
        completion_tokens=0,
    )


def _with_tokens(row: Exchange, journal: JournalView, seen: set[str]) -> Exchange:
    new = [key for key in dict.fromkeys(row.requests) if key not in seen]
    seen.update(new)
    # What failed calls cost depends on accidents, on a kill for one; the journal's totals have it.
    usages = [journal.usage(key, failed=False) for key in new]
    return msgspec.structs.replace(
        row,
        prompt_tokens=sum(usage.prompt for usage in usages),
        completion_tokens=sum(usage.completion for usage in usages),
    )


def instruct(
    scenes: Sequence[Scene], config: InstructConfig, teacher: TeacherConfig, journal: Path, seed: int
) -> tuple[list[Sample], Sequence[Scene], list[Quarantined]]:
    """Ask about scenes in memory; returns samples, the scenes, and what gave nothing, with the reason.

    Raises:
        VlitError: When no more can be asked of this teacher.
    """
    from vlit.teacher.ask import ask

    instructor = Instructor(config, teacher, seed, Path.cwd())
    threshold = instructor.threshold(scene.id for scene in scenes)
    chosen = [scene for scene in scenes if instructor.chosen(scene, threshold)]
    ask(teacher, lambda: (e for scene in chosen for e in instructor.exchanges(scene)), journal, Progress())
    view = JournalView(journal)
    outcomes = [outcome for scene in chosen for outcome in instructor.outcomes(scene, view)]
    return (
        [sample for outcome in outcomes for sample in outcome.samples],
        scenes,
        [row for outcome in outcomes for row in outcome.quarantine],
    )
