"""What is asked about: a scene, or one marked region of it; and the messages that ask."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import msgspec
import orjson

from vlit.data.boxes import Box
from vlit.data.errors import VlitError
from vlit.data.scene import Image, Scene
from vlit.data.seeds import rng
from vlit.generate.instruct.clue_blocks import cleaned
from vlit.generate.instruct.clue_words import Wordings, load_wordings
from vlit.generate.instruct.clues import Clues, check, render
from vlit.generate.instruct.pools import Example, load_examples, load_instructions
from vlit.generate.instruct.recipe import Prompt
from vlit.generate.instruct.replies import Parsed, parse, wording
from vlit.generate.instruct.replies.schema import schema, shape
from vlit.teacher.config import TeacherConfig
from vlit.teacher.message import Message, Picture, Request, Sampling

#: Flaws that a recipe may have been given on purpose by changed counts.
_AMOUNTS = ("too_few", "words", "negative")

#: Share of the image that a region may cover: a smaller one is not seen, a bigger one is the image.
_REGION = (0.01, 0.8)


#: Characters of a caption that two images will hardly share.
_TELLING = 25


@dataclass(frozen=True)
class Unit:
    """One thing to ask about."""

    id: str  #: ``scene/recipe``; ``scene/recipe/r0`` for a region, ``q0`` for a question
    scene: Scene
    region: Box | None = None
    evidence: str | None = None  #: id of the annotation that the region comes from


class Asker:
    """Everything that turns scenes into requests by one prompt.

    Args:
        prompt: The recipe.
        teacher: Whom to ask; the model is part of a request.
        seed: Of the run.
    """

    def __init__(self, prompt: Prompt, teacher: TeacherConfig, seed: int) -> None:
        self.prompt, self.recipe, self.teacher, self.seed = prompt, prompt.recipe, teacher, seed
        self._extra = orjson.dumps(dict(teacher.extra), option=orjson.OPT_SORT_KEYS).decode()
        check(prompt.recipe.clues, f"the instruction recipe {prompt.name}")
        self._format, self._schema = wording(self.recipe.reply), None
        if teacher.structured:
            self._schema = schema(self.recipe.reply)
            self._format += f"\n\nWrite it as JSON in place of plain text:\n\n{shape(self.recipe.reply)}"

    @cached_property
    def _examples(self) -> list[Example]:
        wanted = self.recipe.examples
        if wanted is None:
            return []
        path = self.prompt.find(wanted.pool)
        examples = load_examples(path)
        for number, example in enumerate(examples, start=1):
            self._hold(example, f"{path}, entry {number}")
        return examples

    def _hold(self, example: Example, where: str) -> None:
        """An example that breaks the contract would teach to break it; how much it says is left to it.

        Raises:
            VlitError: With what is wrong in it.
        """
        parsed = parse(example.reply, None, self.recipe.reply)
        flaws = [] if isinstance(parsed, Parsed) else [f for f in parsed if f.kind not in _AMOUNTS]
        if flaws:
            raise VlitError(
                f"the reply of this example breaks the contract of {self.prompt.name!r}: {flaws[0].said}",
                where=where,
                todo="write it as the recipe asks for it; `vlit run RECIPE --preview 1` prints the form",
            )

    @cached_property
    def instructions(self) -> list[str]:
        """The pool that the question of a ``text`` reply is drawn from."""
        wanted = self.recipe.instructions
        return load_instructions(self.prompt.find(wanted)) if wanted else []

    @cached_property
    def _wordings(self) -> Wordings:
        return load_wordings(self.prompt.folder)

    def read_files(self) -> None:
        """Read all files that the recipe names, so that a mistake in them is told before anything is done.

        Raises:
            VlitError: With the file, and the entry in it.
        """
        _ = self._examples, self.instructions, self._wordings

    @property
    def draws_examples(self) -> bool:
        """Whether each call has examples of its own."""
        return self.recipe.examples is not None and self.recipe.examples.draw is not None

    def units(self, scene: Scene) -> Iterator[Unit]:
        """The scene, or each of a few regions or questions of it."""
        name = f"{scene.id}/{self.prompt.name}"
        if self.recipe.unit == "scene":
            yield Unit(name, scene)
        elif self.recipe.unit == "region":
            yield from self._regions(scene, name)
        else:
            chosen = scene.questions[: self.recipe.units_per_scene]
            for n, question in enumerate(chosen):
                yield Unit(f"{name}/q{n}", msgspec.structs.replace(scene, questions=(question,)))

    def _regions(self, scene: Scene, name: str) -> Iterator[Unit]:
        area = max(scene.image.width * scene.image.height, 1)
        places = [(r.box, r.id) for r in scene.regions] + [(o.box, o.id) for o in scene.objects if not o.crowd]
        found = [place for place in places if _REGION[0] <= place[0].area / area <= _REGION[1]]
        random = rng(self.seed, name)
        chosen = random.sample(found, min(len(found), self.recipe.units_per_scene))
        for n, (box, evidence) in enumerate(chosen):
            yield Unit(f"{name}/r{n}", scene, box, evidence)

    def clues(self, unit: Unit, most: int | None = None) -> Clues:
        """What the teacher is told of the scene; ``most`` characters where a server wants it shorter."""
        return render(
            unit.scene,
            self.recipe.clues,
            rng(self.seed, unit.id, "clues"),
            most=most,
            region=unit.region,
            wordings=self._wordings,
        )

    def instruction(self, unit: Unit, generation: int) -> str:
        """The instruction that a ``text`` reply answers, drawn from the pool; empty where there is none."""
        pool = self.instructions
        return rng(self.seed, unit.id, str(generation), "instruction").choice(pool) if pool else ""

    def messages(self, unit: Unit, generation: int, clues: Clues) -> tuple[Message, ...]:
        """System message, examples, and what is asked."""
        instruction = self.instruction(unit, generation)
        system = self._filled(self.recipe.system, "", instruction)
        asked = self._filled(self.recipe.ask, clues.text, instruction)
        shown: list[Message] = []
        for example in self._drawn(unit, generation):
            shown.append(Message.of("user", self._filled(self.recipe.ask, example.clues, instruction)))
            shown.append(Message.of("assistant", example.reply))
        return (Message.of("system", system), *shown, Message.of("user", asked, *self._pictures(unit)))

    def request(self, messages: tuple[Message, ...]) -> Request:
        """The messages with model and sampling."""
        drawn = self.recipe.sampling
        return Request(
            model=self.teacher.model,
            messages=messages,
            sampling=Sampling(temperature=drawn.temperature, top_p=drawn.top_p, max_tokens=drawn.max_tokens),
            schema=self._schema,
            extra="" if self._extra == "{}" else self._extra,
        )

    def _drawn(self, unit: Unit, generation: int) -> list[Example]:
        wanted = self.recipe.examples
        # An example about this very image would be its reply. Only what people wrote tells images apart:
        # headings and sentences like "It is in the center of the picture." are in the clues of many.
        written = [*(c.text for c in unit.scene.captions), *(r.phrase for r in unit.scene.regions)]
        told = {line for line in map(cleaned, written) if len(line) >= _TELLING}
        pool = [example for example in self._examples if not told & set(example.clues.splitlines())]
        if wanted is None or wanted.draw is None:
            return pool
        return rng(self.seed, unit.id, str(generation), "examples").sample(pool, min(wanted.draw, len(pool)))

    def _filled(self, template: str, clues: str, instruction: str) -> str:
        slots = {
            "clues": clues,
            "format": self._format,
            "instruction": instruction,
            "count": str(self.recipe.reply.count),
        }
        return fill(template, slots)

    def _pictures(self, unit: Unit) -> tuple[Picture, ...]:
        if self.recipe.picture == "none":
            return ()
        mark = unit.region if self.recipe.picture == "region" else None
        return (picture_of(unit.scene.image, self.teacher.longest_side, mark),)


def fill(template: str, slots: dict[str, str]) -> str:
    """A template with its slots filled, in one pass: what a slot brings is not searched for slots."""
    return re.sub(r"\{(\w+)\}", lambda m: slots.get(m[1], m[0]), template).strip()


def picture_of(image: Image, longest_side: int | None, mark: Box | None) -> Picture:
    """The picture of a message."""
    return Picture(image.uri, image.sha256 or image.uri, longest_side, mark)
