"""Task diversity by tags: a language model names tasks of drawn samples, and the tags that cover them remain.

    T = number of tags that remain,  group = the tag of a sample,  value = its similarity to the tag

The steps are those of TagGPT (Li et al. 2023), which the review uses: up to three tags are proposed for
each of ``at`` drawn samples; tags that mean the same by their sentence vectors are merged into the more
frequent one; tags are kept while each covers a share of the drawn samples that no other covers; then every
sample of the set is assigned. With ``assign: embedding`` that is the tag whose drawn samples have the
nearest mean vector, of instruction and response together, and nothing more is asked. With ``assign: llm``
the judge chooses from the list, one call for each sample of the set.

Limits: T depends on ``at``, ``merge``, ``least`` and the judge, so compare sets only where these are the
same. Vectors tell subjects as well as tasks, and they take opposites ("short answer", "long answer") for
the same; ``agreement`` in the detail says how often a drawn sample is assigned a tag that the judge had
named for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np
import pydantic

from vlit.assess.encoders.sentences import sentence_encoder
from vlit.assess.indicator import Direction, Need, Principle, Scope
from vlit.assess.judge.hearing import Flaw, Heard, hear
from vlit.assess.judge.judging import NO_TEACHER, Judging, JudgingConfig
from vlit.assess.judge.prompt import Prompt
from vlit.assess.judge.tag_draw import TagDrawing, TagState, joined, shown_of
from vlit.assess.judge.tag_system import Vectors, is_tag, kept, merged, prototypes, read_choice, read_tags
from vlit.assess.seen import Part
from vlit.data.sample import Sample
from vlit.data.score import Score, SetScore
from vlit.teacher.drive import replay
from vlit.teacher.exchange import Conversation
from vlit.teacher.journal import JournalView
from vlit.teacher.message import Sampling
from vlit.teacher.reply import Choice
from vlit.weights.located import folder_lines, located

_SAID = "the judge named: "


class TaskTagsConfig(JudgingConfig):
    """How tags are found, and how samples get one."""

    assign: Literal["embedding", "llm"] = pydantic.Field(
        "embedding",
        description="by vectors, at no cost; llm: the judge chooses, a call for each sample of the set",
    )
    encoder: str = pydantic.Field(
        "static",
        description="encoder that tells which tags mean the same: static, minilm, a hub id or a folder",
    )
    merge: float = pydantic.Field(0.75, gt=0, le=1, description="cosine from which two tags are the same")
    least: float = pydantic.Field(
        0.01, ge=0, lt=1, description="share of the drawn samples that a tag has to cover beside the others"
    )
    most: int = pydantic.Field(50, ge=1, description="tags that are kept at most")
    max_tokens: int = pydantic.Field(48, ge=8, description="of one reply; more for models that think first")


class TaskTags(Judging[TaskTagsConfig]):
    """Number of tasks that a language model tells apart in the set."""

    name: ClassVar[str] = "task_tags"
    principle: ClassVar[Principle] = "task diversity"
    direction: ClassVar[Direction] = "higher is better"
    scope: ClassVar[Scope] = "set"
    needs: ClassVar[tuple[Need, ...]] = ("text", "sentences", "teacher")
    extra: ClassVar[str | None] = "assess"
    prompt_name: ClassVar[str] = "task_tags"
    Config = TaskTagsConfig

    @property
    def rounds(self) -> int:
        """Two where the judge assigns: it chooses from tags that have to be known."""
        return 2 if self.config.assign == "llm" else 1

    @cached_property
    def assigning(self) -> Prompt:
        """The prompt by which the judge chooses."""
        return Prompt("task_assign", None, _no_tag)

    def fit(self) -> TagDrawing:
        """Draw the samples that tags are proposed for, and keep their texts."""
        return TagDrawing(self.seed, self.config.at)

    def asks(self, part: Part, state: TagState) -> Iterator[Conversation[Any]]:
        """First tags for the drawn samples; in a second round a choice for every sample."""
        if self.teacher is None:
            return
        if state.tags is None:
            yield from (self._propose(*shown_of(s)) for s in part.samples if s in state and _why_not(s) is None)
        elif self.config.assign == "llm" and state.tags:
            yield from (self._choose(s, state.tags) for s in part.samples if _why_not(s) is None)

    def concluded(self, state: TagState, replies: JournalView) -> TagState:
        """The tags of the set; they do not change once they are known."""
        if state.tags is not None or self.teacher is None:
            return state
        heard = [replay(self._propose(*text), replies) for text in state.texts]
        proposed = [each.found[0] if each.found else () for each in heard]
        counts = Counter(tag for tags in proposed for tag in tags)
        if not counts:
            why = Counter(each.why_not for each in heard).most_common(1)
            return replace(state.small(), tags=(), why_none=why[0][0] if why else "there is nothing to name")
        vectors = sentence_encoder(self._encoder).encode(list(counts))
        into = merged(counts, vectors, self.config.merge)
        own = [tuple(dict.fromkeys(into[tag] for tag in tags)) for tags in proposed]
        tags = kept(own, self.config.least, self.config.most)
        assert state.vectors is not None, "the vectors are there until tags were concluded"
        named = {i: tuple(t for t in names if t in tags) for i, names in zip(state.ids, own, strict=True)}
        return replace(state.small(), tags=tags, prototypes=prototypes(own, tags, state.vectors), named=named)

    def score(self, part: Part, state: TagState) -> Iterator[Score]:
        """The tag of each sample as its group, and how similar it is to the tag."""
        if self.teacher is None or part.replies is None or state.tags is None:
            yield from (self.of(sample, None, NO_TEACHER) for sample in part.samples)
            return
        if not state.tags or state.prototypes is None:
            yield from (
                self.of(sample, None, f"there are no tags: {state.why_none}") for sample in part.samples
            )
            return
        cosines = _cosines(part, state.prototypes)
        for row, sample in enumerate(part.samples):
            yield self._assigned(sample, None if cosines is None else cosines[row], state, part.replies)

    def flaw(self, reply: str) -> str | None:
        """What keeps a reply from being tags."""
        found = read_tags(Choice(reply))
        return found.said if isinstance(found, Flaw) else None

    def summarise(self, scores: Iterable[Score], state: Any = None) -> SetScore:
        """The number of tags that samples were assigned to, how many each, and how often the judge agrees."""
        counts: Counter[str] = Counter()
        named = agreed = 0
        for score in scores:
            if score.group is None:
                continue
            counts[score.group] += 1
            if (score.reason or "").startswith(_SAID):
                named += 1
                agreed += score.group in (score.reason or "").removeprefix(_SAID).split(", ")
        tags = dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
        detail = {**self.told(), "tags": tags, "agreement": agreed / named if named else None}
        return self.of_set(float(len(tags)) if tags else None, counts.total(), **detail)

    def told(self) -> dict[str, Any]:
        """Judge and prompts."""
        own = super().told()
        second = f", {self.assigning.name} {self.assigning.version}" if self.config.assign == "llm" else ""
        return {**own, "prompt": own["prompt"] + second}

    def _assigned(
        self, sample: Sample, cosines: Vectors | None, state: TagState, replies: JournalView
    ) -> Score:
        """The score of one sample; the reason tells what the judge had named for it, where it was drawn."""
        tags, named = state.tags or (), (state.named or {}).get(sample.id)
        if why := _why_not(sample):
            return self.of(sample, None, why)
        reason = f"{_SAID}{', '.join(named)}" if named else None
        if self.config.assign == "llm":
            heard = replay(self._choose(sample, tags), replies)
            if not heard.found:
                return self.of(sample, None, heard.why_not)
            place = tags.index(heard.found[0])
            if cosines is None:
                return self.of(sample, None, reason or "it has no vector to be compared", tags[place])
            return self.of(sample, round(float(cosines[place]), 5), reason, tags[place])
        if cosines is None or not np.any(cosines):
            return self.of(sample, None, "its text has no vector")
        place = int(np.argmax(cosines))
        return self.of(sample, round(float(cosines[place]), 5), reason, tags[place])

    def outside(self) -> Iterator[str]:
        """Examples of the user's own, and the files of an encoder that lies in a folder."""
        yield from super().outside()
        yield from folder_lines(self.config.encoder, self.base)

    def loads(self) -> Iterator[str]:
        """The encoder, where it is not one of ours."""
        if self.config.encoder not in ("static", "minilm"):
            yield self._encoder

    @property
    def _encoder(self) -> str:
        """The encoder's name, a folder as a whole path."""
        return located(self.config.encoder, self.base)

    def _propose(self, instruction: str, response: str) -> Conversation[Heard[tuple[str, ...]]]:
        request = self.request({"instruction": instruction, "response": response}, self._sampling)
        return hear(request, 1, read_tags, self.prompt.again)

    def _choose(self, sample: Sample, tags: tuple[str, ...]) -> Conversation[Heard[str]]:
        instruction, response = shown_of(sample)
        slots = {"tags": "\n".join(f"- {t}" for t in tags), "instruction": instruction, "response": response}
        request = self.request(slots, self._sampling, prompt=self.assigning)
        return hear(request, 1, lambda choice: read_choice(choice, tags), self.assigning.again)

    @property
    def _sampling(self) -> Sampling:
        return Sampling(temperature=0.0, max_tokens=self.config.max_tokens)


def _cosines(part: Part, prototypes: Vectors) -> Vectors | None:
    """Of each sample with each tag, shape (n, tags)."""
    return None if part.sentences is None else joined(part.sentences) @ prototypes.T


def _no_tag(reply: str) -> str | None:
    return None if is_tag(reply) else "it is no tag"


def _why_not(sample: Sample) -> str | None:
    return None if any(shown_of(sample)) else "it has no text"
