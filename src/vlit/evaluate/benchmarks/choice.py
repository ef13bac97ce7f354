"""What all benchmarks of multiple choice share: options in the prompt, letters, published rules beside ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, TypeVar

from vlit.evaluate.benchmark import Benchmark, BenchmarkConfig
from vlit.evaluate.metric import Metric, accuracies, accuracy, by_group
from vlit.evaluate.parsing import letters
from vlit.evaluate.question import Answered, Parsed, Question, Scored

C = TypeVar("C", bound=BenchmarkConfig)

#: What LLaVA asks of every benchmark of multiple choice. Defines the protocol: not to be changed.
LETTER = "Answer with the option's letter from the given choices directly."


def lettered(options: Iterable[str], form: str = "{}. {}", between: str = "\n") -> str:
    """Options with their letters, e.g. "A. cat" and "B. dog", one a line."""
    return between.join(
        form.format(letter, option) for letter, option in zip("ABCDEFGHIJ", options, strict=False)
    )


class Choice(Benchmark[C]):
    """A benchmark whose answers are letters. Questions without a reference are asked and not scored.

    Attributes:
        rules: Published rules that are told beside ours, by the name of their metric.
        group: Key of ``Question.groups`` that scores are told for, with its values in the official order.
    """

    rules: ClassVar[Mapping[str, letters.Rule]] = {}
    group: ClassVar[tuple[str, Sequence[str]]] = ("", ())

    def parse(self, question: Question, text: str) -> Parsed:
        """The letter that the answer states, or whose whole content it repeats; nothing is guessed.

        See :func:`vlit.evaluate.parsing.stated.decided`.
        """
        return letters.decided(text, question.options)

    def scored(self, rows: Sequence[Answered]) -> list[Scored]:
        """Each answer parsed and scored; no value where the right option is not public."""
        found = super().scored(rows)
        return [row if row.question.references else Scored(row.answered, row.parsed, None) for row in found]

    def aggregate(self, rows: Sequence[Scored]) -> list[Metric]:
        """Accuracy of all and of each group; then by the published rules, where answers were generated."""
        key, order = self.group
        found = [accuracy(rows), *(accuracies(rows, key, order) if key else ())]
        if not self.ranks:
            for name, rule in self.rules.items():
                others = letters.rescored(rows, rule)
                found.append(accuracy(others, name))
                found += accuracies_by(others, key, order, name) if key else []
        return found


def accuracies_by(rows: Sequence[Scored], key: str, order: Sequence[str], name: str) -> list[Metric]:
    """An accuracy of another name for each value of a group."""
    return [accuracy(own, name, f"{key}: {value}") for value, own in by_group(rows, key, order).items()]
