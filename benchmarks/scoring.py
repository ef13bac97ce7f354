"""Scoring 15,000 answers to SEED-Bench: read from JSONL, parsed, scored, aggregated; then with intervals.

    python -m benchmarks.scoring

Answers are in the forms that models give them (a letter, "B.", "B. dog", a statement, a paragraph). CPU seconds
of the process are told beside wall seconds, because machines are shared; the fastest of five runs counts.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import msgspec

from vlit.data.seeds import rng
from vlit.evaluate.benchmarks.seed import DIMENSIONS, Seed, SeedConfig
from vlit.evaluate.question import Answered, Question
from vlit.evaluate.statistics import with_intervals

N = 15_000
OPTIONS = ("One", "Two", "A red car beside the house", "None")
FORMS = (
    "{letter}",
    "{letter}.",
    "{letter}. {content}",
    "The answer is {letter}.",
    "{content}",
    "A photo of a street with several cars and people. In the middle there is a house. The answer is {letter}.",
)


def main() -> None:
    """Print a line for each part."""
    lines = [msgspec.json.encode(answered(i)) for i in range(N)]
    seed = Seed(SeedConfig())
    decoder = msgspec.json.Decoder(Answered)
    rows: list[Any] = []
    scored: list[Any] = []
    metrics: list[Any] = []
    parts: dict[str, Callable[[], Any]] = {
        "read from JSONL": lambda: rows.__setitem__(slice(None), [decoder.decode(line) for line in lines]),
        "parse and score": lambda: scored.__setitem__(slice(None), seed.scored(rows)),
        "aggregate, three rules": lambda: metrics.__setitem__(slice(None), seed.aggregate(scored)),
        "95 % intervals": lambda: with_intervals(metrics),
    }
    total = [0.0, 0.0]
    for name, part in parts.items():
        cpu, wall = fastest(part)
        if name != "95 % intervals":
            total = [total[0] + cpu, total[1] + wall]
        print(json.dumps({"part": name, "answers": N, "CPU seconds": round(cpu, 3), "seconds": round(wall, 3)}))
    print(
        json.dumps(
            {
                "part": "all without intervals",
                "answers": N,
                "CPU seconds": round(total[0], 3),
                "seconds": round(total[1], 3),
            }
        )
    )


def answered(number: int) -> Answered:
    """An answer in one of the forms, drawn from its number."""
    draw = rng(0, str(number))
    letter = draw.choice("ABCD")
    text = draw.choice(FORMS).format(letter=letter, content=OPTIONS[ord(letter) - ord("A")])
    question = Question(
        id=str(number),
        prompt="<image>\nHow many cars are there?",
        options=OPTIONS,
        references=(draw.choice("ABCD"),),
        groups={"dimension": draw.choice(DIMENSIONS)},
    )
    return Answered(question=question, text=text)


def fastest(part: Callable[[], Any], runs: int = 5) -> tuple[float, float]:
    """CPU and wall seconds of the fastest run."""
    found = []
    for _ in range(runs):
        cpu, wall = time.process_time(), time.perf_counter()
        part()
        found.append((time.process_time() - cpu, time.perf_counter() - wall))
    return min(found)


if __name__ == "__main__":
    main()
