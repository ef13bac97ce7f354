"""The stage "generate": scenes in, samples out, by annotation adaption, by a teacher, or by both."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import pydantic

from vlit.data.errors import VlitError
from vlit.data.exchange import Exchange
from vlit.data.sample import Sample
from vlit.data.scene import Scene
from vlit.data.score import Quarantined, commonest
from vlit.data.store import part_key, read_part
from vlit.generate import statistics as stats
from vlit.generate.adapt import Adapter, load_pools
from vlit.generate.config import AdaptConfig
from vlit.generate.instruct.config import InstructConfig
from vlit.generate.instruct.exchange import Exchanging
from vlit.generate.instruct.instructor import Instructor, load_prompts
from vlit.generate.instruct.marked import with_marked_image
from vlit.generate.instruct.preview import Rewriting
from vlit.generate.instruct.recipe import load_prompt
from vlit.generate.instruct.rewrite import REWRITE, Rewriter
from vlit.generate.instruct.unit import Asker
from vlit.generate.statistics import Statistics
from vlit.generate.tasks import TASKS
from vlit.generate.templates import Pools
from vlit.run.folder import RunFolder, counted
from vlit.run.progress import Progress
from vlit.run.stage import Config, Output, Setting, Shard, Stage
from vlit.teacher.journal import Journal, JournalView


class GenerateConfig(Config):
    """How samples are made: by annotation adaption where nothing is said, else by what is named."""

    adapt: AdaptConfig | None = None
    instruct: InstructConfig | None = None

    @pydantic.model_validator(mode="before")
    @classmethod
    def _adapts_by_default(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and (values.get("instruct") is None or "adapt" in values):
            return {**values, "adapt": {} if values.get("adapt") is None else values["adapt"]}
        return values

    @pydantic.model_validator(mode="after")
    def _rewrites_what_is_used(self) -> Self:
        made = self.adapt.tasks if self.adapt else {}
        unused = [task for task in (self.instruct.rewrite if self.instruct else ()) if task not in made]
        if unused:
            raise ValueError(
                f"instruct.rewrite names {unused[0]!r}, which adapt does not make: add it to `adapt.tasks`"
            )
        return self


@dataclass(frozen=True)
class _Context:
    """What all shards need."""

    journal: Path
    marked: Path
    adapting: tuple[Statistics, Pools] | None
    instructor: Instructor | None
    threshold: int | None  #: of scenes that are asked about
    rewriter: Rewriter | None
    chosen: frozenset[str] | None  #: scenes to make samples of; all for ``None``

    @cached_property
    def reworded(self) -> Pools | None:
        """The pools with what the teacher reworded; looked up once in each worker, not for each shard."""
        if self.adapting is None or self.rewriter is None:
            return self.adapting and self.adapting[1]
        pools, *_ = self.rewriter.richer(self.adapting[1], JournalView(self.journal))
        return pools


def _wanted(scene: Scene, context: _Context) -> bool:
    return context.chosen is None or scene.id in context.chosen


#: What to do where most exchanges ended like this.
_REMEDIES = {
    "no_clues": "give the annotations that the recipes need, or name others: vision_detail needs none",
    "not_asked": "raise teacher.budget and run again: what was answered is kept",
    "unreachable": "see to the server and run again: what was answered is kept",
}


class GenerateStage(Stage[GenerateConfig]):
    """One part of samples for each part of scenes, in the order of the scenes."""

    name = "generate"
    reads = ("scenes", "scene_verdicts")
    optional = ("scene_verdicts",)
    writes = ("exchanges", "samples")
    code = ("vlit.generate", "vlit.teacher", "vlit.language", "vlit.data")
    Config = GenerateConfig

    def __init__(self, config: GenerateConfig, setting: Setting) -> None:
        super().__init__(config, setting)
        self._adapt, self._instruct = config.adapt, config.instruct
        if self._instruct is not None and setting.teacher is None:
            raise VlitError(
                "generate.instruct needs a teacher, and the recipe names none",
                where="generate.instruct",
                todo="add `teacher: {model: NAME, endpoints: [{url: ...}]}`, or `teacher: none` to go without",
            )
        if self._instruct is not None and setting.teacher == "none":
            self._instruct, self._adapt = None, self._adapt or AdaptConfig()
        if self._adapt is not None and self._adapt.pools:
            pools = setting.resolve(self._adapt.pools)
            self._adapt = self._adapt.model_copy(update={"pools": pools})

    def instructor(self) -> Instructor | None:
        """All instruction recipes, read and checked; ``None`` where no teacher is asked."""
        if self._instruct is None:
            return None
        return Instructor(self._instruct, self.setting.teacher, self.setting.seed, self.setting.base)

    def journal(self, run: RunFolder) -> Path:
        """Folder of the teacher's journal."""
        named = None if self._instruct is None else self.setting.teacher.journal
        return run.path / "journal" if named is None else Path(self.setting.resolve(named))

    def names(self) -> dict[str, list[str]]:
        """The tasks of its samples."""
        instructor = self.instructor()
        asked = [prompt.recipe.task for prompt in instructor.prompts] if instructor else []
        return {"samples": [*(self._adapt.tasks if self._adapt else ()), *asked]}

    def untaught(self) -> dict[str, list[str]]:
        """The tasks of the instruction recipes."""
        named = self.config.instruct
        if named is None or self._instruct is not None:
            return {}
        return {"samples": [prompt.recipe.task for prompt in load_prompts(named, self.setting.base)]}

    def outside(self) -> Iterator[str]:
        """Digests of the user's own pools and of the instruction recipes; whom to ask and for how much.

        How fast a teacher is asked, and where, makes no difference to the samples.

        Raises:
            VlitError: When there is no such folder or recipe.
        """
        pools = self._adapt.pools if self._adapt else None
        if pools and not Path(pools).is_dir():
            raise VlitError("there is no folder of pools", where=pools, todo="create it, or remove `pools`")
        for path in sorted(Path(pools).glob("*.y*ml")) if pools else ():
            yield f"{path.name}:{hashlib.sha256(path.read_bytes()).hexdigest()}"
        if instructor := self.instructor():
            for asker in instructor.askers:
                asker.read_files()
            prompts = instructor.prompts + ([rewriter.asker.prompt] if (rewriter := self._rewriter()) else [])
            yield from (f"{prompt.name}:{prompt.version}" for prompt in prompts)
            yield self.setting.teacher.model_dump_json(
                include={"model", "budget", "extra", "journal", "longest_side", "structured"}
            )
        elif self.config.instruct is not None:
            yield "teacher: none"

    def remark(self) -> str:
        """Whom it asks, by which recipes, and for how much at most."""
        if self.config.instruct is None:
            return ""
        from vlit.teacher.wire import shown as without_secrets

        recipes = ", ".join(
            [*self.config.instruct.recipes, *(["rewrite"] if self.config.instruct.rewrite else ())]
        )
        if self._instruct is None:
            return f"without a teacher: by annotation adaption in place of {recipes}"
        teacher = self.setting.teacher
        budget = teacher.budget
        most = [f"{budget.tokens:,} tokens"] if budget.tokens is not None else []
        most += [f"{budget.money:,g} in money"] if budget.money is not None else []
        limit = f"with a budget of {' and '.join(most)}" if most else "without a budget"
        urls = ", ".join(without_secrets(endpoint.url) for endpoint in teacher.endpoints)
        return f"asks {teacher.model} at {urls} {limit}: {recipes}; --preview 1 shows messages and cost"

    def plugins(self) -> Iterable[str]:
        """Packages of tasks that are not ours."""
        return TASKS.packages(self._adapt.tasks if self._adapt else ())

    def prepare(self, run: RunFolder) -> _Context:
        """Statistics of all scenes, pools and recipes, checked before any work starts."""
        adapting = None
        if self._adapt is not None:
            pools = self._pools()
            adapting = stats.of_parts(run.scenes.parts()), pools
        instructor = self.instructor()
        chosen = run.chosen_scenes()
        ids = (scene for scene in run.scenes.ids() if chosen is None or scene in chosen)
        threshold = instructor.threshold(ids) if instructor else None
        marked = run.path / "marked"
        return _Context(self.journal(run), marked, adapting, instructor, threshold, self._rewriter(), chosen)

    def expect(self, run: RunFolder) -> str:
        """Scenes to make samples of."""
        chosen = run.chosen_scenes()
        return counted({"scenes": len(run.scenes)}) if chosen is None else f"{len(chosen):,} chosen scenes"

    def rewriting(self) -> Rewriting | None:
        """What the teacher is asked to reword, for a preview."""
        rewriter = self._rewriter()
        return None if rewriter is None else (rewriter.asker, tuple(rewriter.scenes(self._pools())))

    def _pools(self) -> Pools:
        """Of the tasks of adaption, ours and the user's."""
        config = self._adapt or AdaptConfig()
        return load_pools(config.make_tasks(), Path(config.pools) if config.pools else None)

    def _rewriter(self) -> Rewriter | None:
        """Of the pools, where the recipe asks for it."""
        if self._instruct is None or not self._instruct.rewrite:
            return None
        prompt = load_prompt(REWRITE, self.setting.base)
        return Rewriter(Asker(prompt, self.setting.teacher, self.setting.seed), self._instruct.rewrite)

    def again(self, run: RunFolder) -> None:
        """Let the journal forget what the teacher gave no reply to."""
        if self._instruct is not None:
            with Journal(self.journal(run)) as journal:
                journal.retry()

    def ask(self, run: RunFolder, context: _Context, progress: Progress) -> None:
        """Fill the journal with what the recipes want to know of all scenes."""
        instructor, rewriter = context.instructor, context.rewriter
        if instructor is None:
            return
        from vlit.teacher.ask import ask

        def exchanges() -> Iterator[Exchanging]:
            scenes = len(run.scenes) if context.chosen is None else len(context.chosen)
            progress.total(min(scenes, instructor.config.scenes or scenes))
            if rewriter is not None and context.adapting is not None:
                yield from rewriter.exchanges(context.adapting[1])
            for scene in run.scenes:
                if _wanted(scene, context) and instructor.chosen(scene, context.threshold):
                    yield from instructor.exchanges(scene)
                    progress.advanced()

        ask(self.setting.teacher, exchanges, context.journal, progress)

    def shards(self, run: RunFolder) -> list[Shard]:
        """One for each part of the scenes."""
        return [Shard(part_key(path), str(path)) for path in run.scenes.parts()]

    def work(self, shard: Shard, context: _Context) -> Output:
        """Samples of one part."""
        scenes = [scene for scene in read_part(Path(shard.payload), Scene) if _wanted(scene, context)]
        samples: list[Sample] = []
        exchanges: list[Exchange] = []
        lost: list[Quarantined] = []
        adapter = None
        if context.adapting is not None and self._adapt is not None:
            adapter = Adapter(self._adapt, context.adapting[0], self.setting.seed, context.reworded)
        instructor, journal = context.instructor, JournalView(context.journal)
        for scene in scenes:
            if adapter is not None:
                samples += adapter.samples(scene, lost)
            if instructor is not None and instructor.chosen(scene, context.threshold):
                for outcome in instructor.outcomes(scene, journal):
                    exchanges += outcome.exchanges
                    marked = (with_marked_image(s, context.marked, lost) for s in outcome.samples)
                    samples += [sample for sample in marked if sample is not None]
                    lost += outcome.quarantine
        tables: dict[str, Any] = {"samples": samples}
        if instructor is not None:
            tables["exchanges"] = exchanges
        return Output(tables, lost)

    def finish(self, run: RunFolder) -> Output:
        """Stop where no sample came of it, and say why.

        Raises:
            VlitError: When there is no sample.
        """
        if not len(run.samples):
            raise self._nothing(run)
        rewriter = self._rewriter()
        if rewriter is None or self._adapt is None:
            return Output()
        _, rows, lost = rewriter.richer(self._pools(), JournalView(self.journal(run)))
        return Output({"exchanges": rows}, lost)

    def _nothing(self, run: RunFolder) -> VlitError:
        """Why there is no sample at all."""
        why = commonest(q for q in run.quarantine if q.stage == self.name)
        todo = "give captions (English, five words or more), boxes with labels, or answered questions"
        if self._instruct is not None:
            ended = Counter(row.outcome for row in run.exchanges).most_common(3)
            why = ", ".join(f"{n:,} x {outcome}" for outcome, n in ended) or why
            for most, _ in ended[:1]:
                first = next(row.id for row in run.exchanges if row.outcome == most)
                look = f"look at what was asked and answered: vlit show {first} --run {run.path}"
                todo = _REMEDIES.get(most, look)
        return VlitError(
            f"no sample could be made of {len(run.scenes):,} scenes: {why}", where="generate", todo=todo
        )
