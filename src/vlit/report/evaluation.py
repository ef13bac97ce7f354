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


@dataclass(frozen=True)
class Wrong:
    """An answer that is not right, and what would be."""

    id: str
    image: str | None  #: URI
    question: str
    answer: str
    read: str  #: what was understood of it; empty where nothing was
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


@dataclass(frozen=True)
class Evaluated:
    """A model on a benchmark."""

    model: str
    title: str
    protocol: str
    whole: str  #: of how many questions it is
    partial: bool
    rows: tuple[Row, ...]
    not_understood: int
    judge: str
    contaminated: int  #: questions that are among the training samples
    clean: str  #: the score without them; empty where there is none
    card: Mapping[str, str]
    prompt: str
    failures: tuple[Wrong, ...]  #: examples of answers that nothing could be made of
    wrong: tuple[Wrong, ...]

    @property
    def main(self) -> Row | None:
        """The number that papers quote."""
        return next((row for row in self.rows if row.main), None)


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
        not_understood=scores.failures,
        judge=scores.judge,
        contaminated=scores.contaminated or 0,
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
    )


def _card(card: Mapping[str, Any]) -> dict[str, str]:
    """The lines of a protocol card; what is empty is left out."""
    about, model, prompt = (_mapping(card.get(name)) for name in ("benchmark", "model", "prompt"))
    lines = {
        "Protocol": about.get("protocol"),
        "Source": about.get("source"),
        "Files": ", ".join(f"{name} {digest}" for name, digest in _mapping(about.get("files")).items()),
        "Model": model.get("name"),
        "Weights": model.get("weights"),
        "Chat template": model.get("template"),
        "Decoding": ", ".join(f"{key} {value}" for key, value in _mapping(model.get("decoding")).items()),
        "Judge": card.get("judge"),
        "Parser": prompt.get("parser"),
        "Contamination": _mapping(card.get("contamination")).get("said"),
        "Date": card.get("date"),
    }
    return {name: str(value) for name, value in lines.items() if value}


def _wrong(one: Mapping[str, Any]) -> Wrong:
    image, read = one.get("image"), one.get("understood")
    options = [str(option) for option in one.get("options") or ()]
    return Wrong(
        id=str(one.get("id", "")),
        image=str(image) if image else None,
        question="\n".join([str(one.get("question", "")), *_lettered(options, str(one.get("question", "")))]),
        answer=str(one.get("answer", "")),
        read="" if read is None else str(read),
        right=" / ".join(map(str, one.get("right") or ())),
    )


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
