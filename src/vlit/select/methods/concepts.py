"""Concepts: the samples that together name most of a list of words, in the spirit of SVIT-core.

SVIT-core-150K was chosen, by what is published of it, from concepts of two benchmarks' sub-tasks: samples that
name most of them, with yes/no questions sampled again since nearly all answers were "Yes". Its keywords and
code were never released. This is a method of the same shape, not that method:

    gain of a sample = sum over its concepts of 1 / (1 + samples taken before that name it)   (rule: coverage)
                     = number of its concepts                                                 (rule: overlap)

The highest gains are taken first (greedy, within a tenth of the best gain), samples without any concept last,
by the lowest draws. ``yes_no`` is the share of "yes" among the answers yes and no; it gives way only where
nothing else is left. More keeps all that fewer kept.

Limits: words from a benchmark's questions select for the benchmark; say so where results on it are told. A
concept is a word or phrase as it is written, in the singular or plural; it knows no synonyms, and no language
but English.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pydantic

from vlit.data.errors import VlitError
from vlit.select.concept_list import ConceptList, concepts_of_questions, read_concepts
from vlit.select.method import Choice, IsGone, KeepConfig, Method
from vlit.select.methods.random import RandomConfig
from vlit.select.pool import Pool
from vlit.select.quotas import Ints
from vlit.select.reading import F32

_YES_OR_NO = re.compile(r"\W*(?:(yes)|no)\b", re.IGNORECASE)


class ConceptsConfig(KeepConfig):
    """Where the concepts come from, and what they count."""

    by: str = "concepts"
    concepts: str | None = pydantic.Field(
        None, description="file of words and phrases: one a line, or YAML or JSON"
    )
    questions: tuple[str, ...] = pydantic.Field(
        (), description="question files of benchmarks, whose words are concepts"
    )
    words: int = pydantic.Field(500, ge=1, description="so many words of the question files at most")
    text: Literal["both", "instruction", "response"] = pydantic.Field(
        "both", description="where concepts are looked for"
    )
    rule: Literal["coverage", "overlap"] = pydantic.Field(
        "coverage", description="coverage: what is named already counts less; overlap: it does not"
    )
    yes_no: float | None = pydantic.Field(
        None, ge=0, le=1, description="share of yes among the answers yes and no"
    )

    @pydantic.field_validator("questions", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @pydantic.model_validator(mode="after")
    def _has_concepts(self) -> ConceptsConfig:
        if self.concepts is None and not self.questions:
            raise ValueError("name `concepts`, a file of words, or `questions`, files of benchmarks")
        return self

    def without(self, group: str, gone: IsGone) -> KeepConfig:
        """Covering concepts is diversity; without it, by chance."""
        return self.instead(RandomConfig) if group == "diversity" else self


class Concepts(Method[ConceptsConfig]):
    """Greedy coverage of concepts."""

    Config = ConceptsConfig

    def files(self) -> Iterable[Path]:
        """The list and the question files."""
        named = [*([self.config.concepts] if self.config.concepts else []), *self.config.questions]
        return [Path(self.setting.resolve(name)) for name in named]

    def concept_list(self) -> ConceptList:
        """All concepts, the user's first."""
        files = list(self.files())
        own = read_concepts(files.pop(0)) if self.config.concepts else []
        return ConceptList([*own, *(concepts_of_questions(files, self.config.words) if files else ())])

    def choose(self, pool: Pool, n: int) -> Choice:
        """The first n in greedy order."""
        concepts = self.concept_list()
        starts, items, kind = self._found(pool, concepts)
        by_draw = np.argsort(pool.draws, kind="stable")
        chosen = np.zeros(len(pool), bool)
        share = -1.0 if self.config.yes_no is None else self.config.yes_no
        diminishing = self.config.rule == "coverage"
        taken, gains = covered(starts, items, len(concepts), n, by_draw, diminishing, kind, share)
        chosen[taken] = True
        filled = self._fill(by_draw[~chosen[by_draw]], kind, n - len(taken), chosen)
        names = f"{len(concepts):,} concepts"
        remark = f"only {len(taken):,} add to the {names} as asked; the lowest draws fill up" if filled else ""
        if self.config.questions:
            files = ", ".join(Path(name).name for name in self.config.questions)
            remark = "; ".join(filter(None, [f"concepts are words of {files}", remark]))
        return Choice(chosen, values=gains, label=f"gain in {names}", remark=remark)

    def _found(self, pool: Pool, concepts: ConceptList) -> tuple[Any, Any, Any]:
        """Concepts of each sample as starts and items, and whether it answers yes or no."""
        items, lengths, kind = array("i"), array("q"), np.zeros(len(pool), np.int8)
        for place, (instruction, response) in enumerate(pool.texts()):
            texts = {"instruction": instruction, "response": response}
            where = texts.values() if self.config.text == "both" else [texts[self.config.text]]
            found = sorted(set().union(*(concepts.found(text) for text in where)))
            items.extend(found)
            lengths.append(len(found))
            if said := _YES_OR_NO.match(response):
                kind[place] = 1 if said[1] else 2
        starts = np.concatenate([[0], np.cumsum(np.frombuffer(lengths, np.int64))]).astype(np.int64)
        return starts, np.frombuffer(items, np.int32) if items else np.zeros(0, np.int32), kind

    def _fill(self, rest: Any, kind: Any, missing: int, chosen: Any) -> bool:
        """Fill up by the lowest draws; answers of yes and no last, since their share was asked for."""
        if self.config.yes_no is not None:
            rest = np.concatenate([rest[kind[rest] == 0], rest[kind[rest] != 0]])
        chosen[rest[:missing]] = True
        return missing > 0


def covered(
    starts: Any,
    items: Any,
    concepts: int,
    count: int,
    by_draw: Any,
    diminishing: bool = True,
    kind: Any = None,
    share: float = -1.0,
    quota: int | None = None,
) -> tuple[Ints, F32]:
    """Greedy coverage: at most ``count`` rows that add something, in order, and the gain of every row.

    The gain is that of the moment when the row was taken; of others what they would still add at the end.

    Args:
        starts: Where the items of each row start, and the end, shape (n + 1,).
        items: Numbers below ``concepts``.
        concepts: How many there are.
        count: Rows to take.
        by_draw: All rows in the order in which equals are taken.
        diminishing: Whether an item counts less the oftener it was taken.
        kind: 1 for yes, 2 for no, 0 for others.
        share: Of yes among yes and no; below 0 for any.
        quota: How often an item counts; ``None`` for always.

    Raises:
        VlitError: When numba is not installed.
    """
    try:
        from vlit.select.methods.coverage_kernel import covered as kernel
    except ImportError as error:
        raise VlitError(
            f"covering concepts needs numba: {error}",
            where="by",
            todo='pip install "vlit[assess]", or choose by stratified',
        ) from None
    lengths = np.diff(starts)[by_draw]
    moved = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    source = np.repeat(starts[:-1][by_draw] - moved[:-1], lengths) + np.arange(len(items))
    kinds = np.zeros(len(by_draw), np.int8) if kind is None else kind[by_draw]
    limit = np.iinfo(np.int64).max - 1 if quota is None else quota
    taken, gains = kernel(
        moved,
        items[source].astype(np.int32),
        concepts,
        count,
        limit,
        diminishing,
        kinds,
        share,
    )
    taken = by_draw[taken]
    chosen = np.isin(np.repeat(np.arange(len(by_draw)), np.diff(starts)), taken)
    named = np.bincount(items[chosen], minlength=concepts)
    adds = np.where(named < limit, 1 / (1 + named) if diminishing else 1.0, 0.0)
    total = np.concatenate([[0.0], np.cumsum(adds[items])])
    found = (total[starts[1:]] - total[starts[:-1]]).astype(np.float32)
    found[taken] = gains
    return taken, found
