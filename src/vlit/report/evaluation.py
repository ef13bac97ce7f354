"""What models reached on benchmarks: scores with their intervals, what was not understood, wrong answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from vlit.data.errors import VlitError
from vlit.data.images import ImageProblem, probe
from vlit.data.scene import Image
from vlit.evaluate.scores import Number, Scores, read_scores
from vlit.run.folder import RunFolder

#: Wrong answers of a model and benchmark that are shown.
WRONG = 6
#: Numbers of groups, such as tasks, that stand in the table itself; more are folded away.
GROUPS = 6


@dataclass(frozen=True)
class Wrong:
    """An answer that is not right, and what would be."""

    id: str
    image: str | None  #: URI
    question: str
    answer: str
    read: str  #: what was understood of it; empty where nothing was, or just what it says
    right: str


@dataclass(frozen=True)
class Row:
    """A number of the table."""

    name: str
    value: str
    interval: str
    n: int
    failures: int
    unasked: int
    main: bool  #: whether papers quote it
    group: str = ""  #: which questions; empty for all


@dataclass(frozen=True)
class Evaluated:
    """A model on a benchmark."""

    model: str
    title: str
    protocol: str
    whole: str  #: of how many questions it is
    partial: bool
    answered: int  #: questions, of those that are expected
    expected: int
    rows: tuple[Row, ...]
    not_understood: int
    unscored: int  #: answers that the judge gave no verdict on that can be read
    judge: str
    contaminated: int | None  #: questions that are among the training samples; ``None``: not looked for
    clean: str  #: the score without them; empty where there is none
    card: Mapping[str, str]
    prompt: str
    failures: tuple[Wrong, ...]  #: examples of answers that nothing could be made of
    wrong: tuple[Wrong, ...]

    @property
    def main(self) -> Row | None:
        """The number that papers quote."""
        return next((row for row in self.rows if row.main), None)

    @property
    def tiles(self) -> dict[str, str]:
        """What has to be seen at once: the score, how sure it is, of how much, and what is wrong with it."""
        main, leaked = self.main, self.contaminated
        failed = {"Judge not understood": self.unscored} if self.judge else {}
        return {
            "Score" if main is None else main.name: "–" if main is None else main.value,
            "95 % interval": "–" if main is None else main.interval,
            "Questions answered": f"{self.answered:,} of {self.expected:,}",
            **{name: f"{n:,}" for name, n in {"Answers not understood": self.not_understood, **failed}.items()},
            "Found in the training samples": "not looked for" if leaked is None else f"{leaked:,}",
        }

    @property
    def folded(self) -> tuple[Row, ...]:
        """Numbers of groups, where they are many."""
        of_groups = tuple(row for row in self.rows if row.group and not row.main)
        return of_groups if GROUPS < len(of_groups) < len(self.rows) else ()


def evaluation(run: RunFolder) -> tuple[Evaluated, ...]:
    """All that the run has evaluated, by benchmark and then by model; what cannot be read is left out."""
    found = []
    for path in sorted(run.path.glob("evaluation/*/*/scores.json"), key=lambda p: (p.parent.name, str(p))):
        try:
            scores = read_scores(path)
        except VlitError:  # it is half written, or of another version: the stage makes it anew
            continue
        found.append(_evaluated(scores, _json(path.with_name("card.json"))))
    return tuple(found)


def evaluated_photos(found: Sequence[Evaluated]) -> list[Image]:
    """Photos of the answers that are shown, each once; also those that cannot be opened any more."""
    images: dict[str, Image] = {}
    for answer in (answer for one in found for answer in one.wrong):
        if answer.image and answer.image not in images:
            try:
                images[answer.image] = probe(answer.image, decode=False)
            except ImageProblem:
                images[answer.image] = Image(uri=answer.image, width=4, height=3)
    return list(images.values())


def _evaluated(scores: Scores, card: Mapping[str, Any]) -> Evaluated:
    return Evaluated(
        model=scores.model,
        title=scores.title,
        protocol=scores.protocol,
        whole=scores.whole(),
        partial=scores.partial,
        rows=tuple(_row(one, scores) for one in scores.metrics),
        answered=scores.answered,
        expected=scores.expected,
        not_understood=scores.failures,
        unscored=scores.unscored,
        judge=scores.judge,
        contaminated=scores.contaminated,
        clean="" if scores.clean is None or scores.clean.value is None else f"{scores.clean.value:.1f}",
        card=_card(card),
        prompt=str(_mapping(card.get("prompt")).get("example", "")),
        failures=tuple(map(_wrong, _mappings(_mapping(card.get("failures")).get("examples")))),
        wrong=tuple(map(_wrong, _mappings(card.get("wrong"))[:WRONG])),
    )


def _row(one: Number, scores: Scores) -> Row:
    return Row(
        name=f"{one.name}, {one.group}" if one.group else one.name,
        value="–" if one.value is None else f"{one.value:.1f}",
        interval="–" if one.interval is None else f"{one.interval[0]:.1f} – {one.interval[1]:.1f}",
        n=one.n,
        failures=one.failures,
        unasked=one.unasked,
        main=(one.name, one.group) == scores.headline,
        group=one.group,
    )


def _card(card: Mapping[str, Any]) -> dict[str, str]:
    """The lines of a protocol card; what is empty is left out."""
    about, model, prompt = (_mapping(card.get(name)) for name in ("benchmark", "model", "prompt"))
    lines = {
        "Protocol": about.get("protocol"),
        "Settings": about.get("settings"),
        "Source": about.get("source"),
        "Licence of the questions": about.get("licence"),
        "Files": ", ".join(f"{name} {digest}" for name, digest in _mapping(about.get("files")).items()),
        "Model": model.get("name"),
        "Weights": model.get("weights"),
        "Chat template": model.get("template"),
        "Decoding": ", ".join(f"{key} {value}" for key, value in _mapping(model.get("decoding")).items()),
        "Judge": card.get("judge"),
        "Parser": prompt.get("parser"),
        "Not understood": _failed(_mapping(card.get("failures"))),
        "Contamination": _mapping(card.get("contamination")).get("said"),
        "Date": card.get("date"),
    }
    return {name: str(value) for name, value in lines.items() if value}


def _failed(failures: Mapping[str, Any]) -> str:
    """What became of answers that were not understood; empty where there are none."""
    number = failures.get("number")
    return f"{number:,}: {failures.get('meaning', '')}" if isinstance(number, int) and number else ""


def _wrong(one: Mapping[str, Any]) -> Wrong:
    image, read, answer = one.get("image"), one.get("understood"), str(one.get("answer", ""))
    options = [str(option) for option in one.get("options") or ()]
    return Wrong(
        id=str(one.get("id", "")),
        image=str(image) if image else None,
        question="\n".join([str(one.get("question", "")), *_lettered(options, str(one.get("question", "")))]),
        answer=answer,
        read="" if read is None or _plain(str(read)) == _plain(answer) else str(read),
        right=" / ".join(map(str, one.get("right") or ())),
    )


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).rstrip(".")


def _lettered(options: Sequence[str], question: str) -> list[str]:
    """Options that the question itself does not list, as of ranking."""
    listed = all(option in question for option in options)
    return [] if listed else [f"{chr(ord('A') + i)}. {option}" for i, option in enumerate(options)]


def _json(path: Path) -> Mapping[str, Any]:
    try:
        return _mapping(msgspec.json.decode(path.read_bytes()))
    except (OSError, msgspec.DecodeError):
        return {}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [v for v in value if isinstance(v, Mapping)] if isinstance(value, (list, tuple)) else []
