"""An instruction recipe: one YAML file that says what a teacher is told, asked, and held to."""

from __future__ import annotations

import difflib
import hashlib
import re
from functools import cached_property
from pathlib import Path
from typing import Literal, Self

import pydantic

from vlit.data.errors import VlitError, nearest
from vlit.generate.instruct.clue_words import SLOTS as PARTS
from vlit.run.recipe import checked_file
from vlit.run.stage import Config

#: Where our own recipes lie; each has the name of its file.
PROMPTS = Path(__file__).parent / "prompts"

#: Slots of ``system`` and ``ask``.
SLOTS = ("clues", "format", "instruction", "count")


class CluesConfig(Config):
    """Which annotations the teacher is shown, and how."""

    layout: Literal["llava", "svit", "plain"] = pydantic.Field(
        "plain", description="how they are set: as LLaVA, as SVIT, or in sentences as the review"
    )
    parts: tuple[str, ...] = pydantic.Field((), description="kinds of clues, in order; none: the image alone")
    needs: tuple[str, ...] = pydantic.Field((), description="parts without which a scene is passed over")
    region_boxes: bool = False
    most: int = pydantic.Field(24_000, ge=100, description="characters of all clues; longer ones are cut")
    cut: tuple[str, ...] = pydantic.Field((), description="which part goes first; by default the last one")


class ExamplesConfig(Config):
    """Few-shot examples: pairs of clues and reply."""

    pool: str = pydantic.Field(description="name of a file of examples, ours or beside the recipe")
    draw: int | None = pydantic.Field(
        None, ge=1, description="how many are drawn each time; by default all, in order"
    )


class ReplyConfig(Config):
    """The contract that a reply is held to."""

    form: Literal["pairs", "topics", "text", "list"] = "pairs"
    count: int = pydantic.Field(1, ge=1, description="pairs (of a topic, with `topics`), or items, asked for")
    topics: int = pydantic.Field(1, ge=1, description="conversations asked for, with `topics`")
    least: int | None = pydantic.Field(
        None, ge=1, description="how many pairs in all are enough; by default all"
    )
    boxes: Literal["none", "tagged"] = pydantic.Field(
        "none",
        description="tagged: each question and answer has <st>name<ed> [x1, y1, x2, y2]; none: no boxes",
    )
    words: tuple[int, int] | None = pydantic.Field(None, description="fewest and most words of an answer")
    answers: tuple[str, ...] = pydantic.Field(
        (), description="the answers, where they are the only ones allowed"
    )
    negative: int = pydantic.Field(0, ge=0, description="fewest answers that begin with No")
    leaks: bool = pydantic.Field(False, description="true: the reply may speak of captions and boxes")

    @pydantic.model_validator(mode="after")
    def _can_be_kept(self) -> Self:
        """No reply could keep a contract that contradicts itself, and each would be paid for."""
        most = self.count * self.topics
        if self.topics > 1 and self.form != "topics":
            raise ValueError(f"`topics: {self.topics}` needs `form: topics`, not {self.form}")
        if self.least is not None and self.least > most:
            raise ValueError(f"`least: {self.least}` is more than the {most} that are asked for")
        if self.negative > most:
            raise ValueError(f"`negative: {self.negative}` is more than the {most} answers that are asked for")
        fewest, longest = self.words or (1, 1)
        if not 0 <= fewest <= longest or longest < 1:
            raise ValueError("`words` are the fewest and the most of an answer: [1, 150]")
        return self


class SamplingConfig(Config):
    """How the teacher draws."""

    temperature: float | None = pydantic.Field(None, ge=0, le=2)
    top_p: float | None = pydantic.Field(None, gt=0, le=1)
    max_tokens: int = pydantic.Field(2048, ge=1)


class PromptRecipe(Config):
    """A recipe; see ``docs/instruct.md``."""

    task: str = pydantic.Field(min_length=1, description="task of its samples")
    about: str = pydantic.Field(description="one line: what it makes, and after which source")
    system: str
    ask: str = "{clues}"
    clues: CluesConfig = CluesConfig()
    picture: Literal["none", "whole", "region"] = pydantic.Field(
        "none", description="whether the teacher sees the image; region: with a square drawn on it"
    )
    unit: Literal["scene", "region", "question"] = pydantic.Field(
        "scene",
        description="what one exchange is about; a region is marked on the image of its samples",
    )
    units_per_scene: int = pydantic.Field(3, ge=1, description="most regions or questions of a scene")
    instructions: str | None = pydantic.Field(
        None,
        description="file of instructions, drawn as the question of a `text` reply and for {instruction}",
    )
    examples: ExamplesConfig | None = None
    reply: ReplyConfig = ReplyConfig()
    sampling: SamplingConfig = SamplingConfig()
    generations: int = pydantic.Field(1, ge=1, description="replies asked for each scene")
    rounds: int = pydantic.Field(
        3, ge=0, description="times that a reply is sent back with what is wrong in it"
    )
    sample: Literal["conversation", "each"] = pydantic.Field(
        "conversation", description="the pairs of a reply as one conversation, or each as a sample of its own"
    )

    @pydantic.model_validator(mode="after")
    def _slots_are_known(self) -> Self:
        for key, text in (("system", self.system), ("ask", self.ask)):
            for slot in _BRACES.finditer(text):
                if slot[0][1:-1] not in SLOTS and (meant := _meant(slot[1])):
                    raise ValueError(f"there is no slot {slot[0]} in `{key}`; did you mean {{{meant}}}?")
        if "{clues}" not in self.system + self.ask and self.clues.parts:
            raise ValueError("the slot {clues} stands neither in `system` nor in `ask`")
        if "{format}" not in self.system + self.ask:
            raise ValueError(
                "the slot {format}, where the reply's form is told, stands neither in `system` nor in `ask`"
            )
        if self.reply.form == "text" and self.instructions is None:
            raise ValueError("a `text` reply needs `instructions:`, from which its question is drawn")
        if self.picture == "region" and self.unit != "region":
            raise ValueError(
                "`picture: region` needs `unit: region`: there is no region to draw a square around"
            )
        drawn = self.examples is not None and self.examples.draw is not None
        if self.generations > 1 and self.sampling.temperature == 0 and not drawn:
            raise ValueError(
                f"`generations: {self.generations}` of one request with `temperature: 0` are the same reply"
            )
        return self


#: A word in braces; others, such as ``{name}``, are left to the text.
_BRACES = re.compile(r"\{\s*(\w+)\s*\}")


def _meant(word: str) -> str | None:
    """The slot that a word in braces was probably meant to be."""
    if difflib.get_close_matches(word.lower(), PARTS, n=1, cutoff=0.8):
        return "clues"
    return next(iter(difflib.get_close_matches(word.lower(), SLOTS, n=1, cutoff=0.6)), None)


class Prompt:
    """A recipe with its name and version.

    Args:
        name: e.g. ``svit_conversation``.
        recipe: As it was read.
        folder: Where files that it names are looked for first.
    """

    def __init__(self, name: str, recipe: PromptRecipe, folder: Path) -> None:
        self.name, self.recipe, self.folder = name, recipe, folder

    @cached_property
    def version(self) -> str:
        """12 hexadecimal digits of the recipe and of the files that it names."""
        digest = hashlib.sha256(self.recipe.model_dump_json().encode())
        for file in self.files():
            digest.update(file.read_bytes())
        return digest.hexdigest()[:12]

    def files(self) -> list[Path]:
        """Files that the recipe names: examples and instructions; and wordings of clues beside it."""
        names = (self.recipe.examples and self.recipe.examples.pool, self.recipe.instructions)
        wordings = self.folder / "clues.yaml"
        return [self.find(name) for name in names if name] + ([wordings] if wordings.is_file() else [])

    def find(self, name: str) -> Path:
        """A file of examples or instructions, beside the recipe or among ours.

        Raises:
            VlitError: When there is none of that name.
        """
        for folder in (self.folder, PROMPTS.parent / "examples"):
            if (path := folder / f"{name}.yaml").is_file():
                return path
        known = {p.stem for place in (self.folder, PROMPTS.parent / "examples") for p in place.glob("*.yaml")}
        raise VlitError(f"there is no file {name}.yaml", where=str(self.folder), todo=nearest(name, known))


def prompt_names() -> list[str]:
    """Names of our own recipes."""
    return sorted(path.stem for path in PROMPTS.glob("*.yaml"))


def load_prompt(name: str, folder: Path) -> Prompt:
    """A recipe by its name, or by the path of a YAML file.

    Args:
        name: One of ours, or a path that ends in ``.yaml``.
        folder: Where a relative path starts.

    Raises:
        VlitError: When there is none, or it has mistakes.
    """
    own = name.endswith((".yaml", ".yml"))
    path = folder / name if own else PROMPTS / f"{name}.yaml"
    if not own and not path.is_file():
        raise VlitError(
            f"there is no instruction recipe {name!r}",
            where="generate.instruct.recipes",
            todo=f"{nearest(name, prompt_names())}; or give the path of a YAML file",
        )
    start = "start with `task:`, `about:` and `system: |`, then the keys that docs/instruct.md tells of"
    return Prompt(path.stem, checked_file(PromptRecipe, path, start), path.parent)
