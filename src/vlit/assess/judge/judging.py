"""What all indicators that ask a judge share: whom they ask, about which samples, and how a request is made."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import orjson
import pydantic

from vlit.assess.indicator import Form, Indicator, Need
from vlit.assess.judge.drawn import Drawing, Drawn
from vlit.assess.judge.prompt import Prompt
from vlit.assess.seen import Part
from vlit.data.sample import Sample
from vlit.data.score import Score
from vlit.run.inputs import content_line
from vlit.run.stage import Config
from vlit.teacher.exchange import Conversation
from vlit.teacher.journal import JournalView
from vlit.teacher.message import Picture, Request, Sampling

#: Characters of a text that is judged; a longer one would cost more than its judgement is worth.
LONGEST = 24_000

NO_TEACHER = "there is no teacher to ask: `teacher:` of the recipe names one"


class JudgingConfig(Config):
    """How many samples are judged, and by which examples."""

    at: int = pydantic.Field(
        1000, ge=0, description="how many samples are judged, drawn by the seed; 0: all of them"
    )
    examples: str | None = pydantic.Field(
        None, description="path of a YAML file of guiding examples in place of ours"
    )


J = TypeVar("J", bound=JudgingConfig)


class Judging(Indicator[J]):
    """An indicator that asks a teacher. Subclasses name their prompt, and say what a reply has to be like."""

    form: ClassVar[Form] = "faithful"
    needs: ClassVar[tuple[Need, ...]] = ("text", "teacher")
    by_default: ClassVar[bool] = False
    prompt_name: ClassVar[str]  #: of the file of the prompt

    @cached_property
    def prompt(self) -> Prompt:
        """The prompt with its examples."""
        return Prompt(self.prompt_name, self._own, self.flaw)

    @abstractmethod
    def flaw(self, reply: str) -> str | None:
        """What is wrong with a reply; ``None`` where it can be read."""

    @property
    def _own(self) -> Path | None:
        """The user's file of examples."""
        return self.base / Path(self.config.examples).expanduser() if self.config.examples else None

    def outside(self) -> Iterator[str]:
        """Examples of the user's own."""
        if self._own is not None:
            yield content_line(self._own)

    def request(
        self, slots: Mapping[str, str], sampling: Sampling, *pictures: Picture, prompt: Prompt | None = None
    ) -> Request:
        """A request to the teacher, by the prompt or by another one."""
        assert self.teacher is not None, "nothing is asked without a teacher"
        return Request(
            model=self.teacher.model,
            messages=(prompt or self.prompt).messages(slots, *pictures),
            sampling=sampling,
            extra=self._extra,
        )

    @cached_property
    def _extra(self) -> str:
        extra = dict(self.teacher.extra) if self.teacher else {}
        return orjson.dumps(extra, option=orjson.OPT_SORT_KEYS).decode() if extra else ""

    def told(self) -> dict[str, Any]:
        """Who judged and by which prompt, for the detail of the set."""
        model = self.teacher.model if self.teacher else None
        return {"judge": model, "prompt": f"{self.prompt.name} {self.prompt.version}"}


class JudgingSamples(Judging[J]):
    """One that asks about single samples. Subclasses say what they ask, and what the replies mean."""

    def fit(self) -> Drawing:
        """Draw the samples that are judged."""
        return Drawing(self.seed, self.config.at)

    def asks(self, part: Part, state: Drawn) -> Iterator[Conversation[Any]]:
        """What is asked about the drawn samples of a part."""
        if self.teacher is None:
            return
        for sample in part.samples:
            if sample in state:
                yield from self.about(sample, part)

    def score(self, part: Part, state: Drawn) -> Iterator[Score]:
        """One score for each sample: what the judge said, or why nothing was said."""
        for sample in part.samples:
            if sample not in state:
                yield self.of(sample, None, f"not drawn: {self.config.at:,} of {state.n:,} samples are judged")
            elif self.teacher is None or part.replies is None:
                yield self.of(sample, None, NO_TEACHER)
            else:
                yield self.judged(sample, part, part.replies)

    @abstractmethod
    def about(self, sample: Sample, part: Part) -> Iterator[Conversation[Any]]:
        """What is asked about one sample; nothing where it needs no judge."""

    @abstractmethod
    def judged(self, sample: Sample, part: Part, replies: JournalView) -> Score:
        """The score of one sample from the replies to what was asked about it."""
