"""The protocol card: everything by which a score can be trusted, repeated, or refused; Markdown and JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from vlit.data.sample import IMAGE_TOKEN
from vlit.data.score import shown
from vlit.evaluate.question import Scored
from vlit.evaluate.scores import Evaluated, Number, Scores, told_settings

#: Answers that nothing could be made of, shown as examples.
_FAILURES = 5
#: Wrong answers that a card holds, for a page that shows their photos.
_WRONG_ONES = 12
_WRONG = "nothing could be made of these answers, and nothing is guessed"
_LEFT_OUT = "the judge gave no verdict that can be read: left out of the score"


def card(own: Evaluated, scores: Scores) -> dict[str, Any]:
    """The card as values; JSON can hold them.

    Args:
        own: The answers, scored.
        scores: Their numbers.
    """
    header, benchmark = own.answers.header, own.benchmark
    failed = [row for row in own.rows if row.parsed.failed and not row.answered.problem]
    wrong = [row for row in own.rows if row.value == 0 and not row.parsed.failed and not row.answered.problem]
    lost = [row for row in own.rows if row.answered.problem]
    main = scores.main()
    return {
        "benchmark": {
            "name": benchmark.title,
            "source": benchmark.source,
            "licence": benchmark.licence,
            "protocol": header.protocol,
            "settings": told_settings(header.settings, header.files),
            "files": dict(header.files),
            "remarks": list(header.remarks),
        },
        "model": {
            "name": header.model,
            "weights": header.weights,
            "template": header.template,
            "decoding": dict(header.decoding),
        },
        "judge": scores.judge,
        "prompt": {"example": header.prompt, "parser": _rule(own)},
        "score": None if main is None else _told(main),
        "metrics": [_told(one) for one in scores.metrics],
        "questions": {
            "whole": not scores.partial,
            "said": scores.whole(),
            "expected": scores.expected,
            "answered": scores.answered,
            "could not be asked": scores.unasked,
            "cannot be asked": dict(header.lost),
            "repeated ids": scores.repeated,
            "unknown ids": scores.unknown,
            "damaged lines": scores.damaged,
        },
        "contamination": {
            "said": scores.contamination or "not looked for: no training samples are known",
            "questions": scores.contaminated,
            "score without them": None if scores.clean is None else _told(scores.clean),
        },
        "failures": {
            "number": scores.unscored if benchmark.judged else scores.failures,
            "meaning": _LEFT_OUT if benchmark.judged else f"{_WRONG}: {benchmark.unread}",
            "examples": [_example(row) for row in _spread(failed)],
        },
        "wrong": [_example(row) for row in _spread(wrong, _WRONG_ONES)],
        "not asked": [
            {"id": row.question.id, "why": row.answered.problem} for row in lost[:_FAILURES]
        ],
        "seed": header.seed,
        "vlit": header.vlit,
        "date": header.date,
    }  # fmt: skip


def markdown(card: dict[str, Any]) -> str:
    """A card as a page."""
    about, model, questions = card["benchmark"], card["model"], card["questions"]
    score, clean = card["score"], card["contamination"]["score without them"]
    lines = [
        f"# {about['name']}: {model['name']}",
        "",
        f"**{_named(score)}: {_value(score)}** on {questions['said']}"
        if score
        else f"No score: {questions['said']}",
        "",
        "| | |",
        "|---|---|",
        *_rows(
            {
                "Protocol": about["protocol"],
                "Settings": about["settings"],
                "Source": about["source"],
                "Licence of the questions": about["licence"],
                "Files": ", ".join(f"`{name}` {digest}" for name, digest in about["files"].items()),
                "Remarks": "; ".join(about["remarks"]),
                "Model": model["name"],
                "Weights": model["weights"] or "not known",
                "Chat template": model["template"],
                "Decoding": ", ".join(f"{key} {value}" for key, value in model["decoding"].items()),
                "Judge": card["judge"],
                "Parser": card["prompt"]["parser"],
                "Questions": questions["said"],
                "Not among them": "; ".join(
                    f"{n:,} x {why}" for why, n in questions["cannot be asked"].items()
                ),
                "Answers left out": ", ".join(
                    f"{questions[key]:,} {key}"
                    for key in ("repeated ids", "unknown ids", "damaged lines")
                    if questions[key]
                ),
                "Not understood": _failed(card["failures"]),
                "Contamination": card["contamination"]["said"],
                "Score without them": _value(clean) if clean else "",
                "Seed": str(card["seed"]),
                "Date": card["date"],
                "vlit": card["vlit"],
            }
        ),
        "",
        "## Scores",
        "",
        "Intervals are 95 %: bootstrap over questions that stand or fall together; exact where nothing or all "
        "is right; – where none can be told.",
        "",
        "| metric | of | score | 95 % | n | not understood | not asked |",
        "|---|---|---:|---:|---:|---:|---:|",
        *(
            f"| {_cell(one['name'])} | {_cell(one['group'] or 'all')} | {_number(one['value'])} | "
            f"{_interval(one)} | {one['n']:,} | {one['failures']:,} | {one['unasked']:,} |"
            for one in card["metrics"]
        ),
        "",
        "## A prompt as the model reads it",
        "",
        *_fenced(card["prompt"]["example"]),
    ]
    if card["failures"]["examples"]:
        lines += ["", "## Answers that nothing could be made of", ""]
        for one in card["failures"]["examples"]:
            lines += [
                f"- `{one['id']}`: {_cell(one['why'])}",
                "",
                *(f"  {x}" for x in _fenced(one["answer"])),
                "",
            ]
    if card["not asked"]:
        lines += ["", "## Questions that could not be asked", ""]
        lines += [f"- `{one['id']}`: {_cell(one['why'])}" for one in card["not asked"]]
    return "\n".join(lines).rstrip() + "\n"


def as_json(card: dict[str, Any]) -> bytes:
    """A card as JSON, readable."""
    return msgspec.json.format(msgspec.json.encode(card), indent=2) + b"\n"


def _rule(own: Evaluated) -> str:
    """How answers are read: what the benchmark says of it, in a sentence."""
    told = (type(own.benchmark).parse.__doc__ or "").strip().split("\n\n")[0]
    if own.benchmark.ranks:
        told = "none: the option of the lowest loss is the answer"
    return " ".join(told.split())


def _spread(rows: Sequence[Scored], most: int = _FAILURES) -> Iterable[Scored]:
    """A few of the rows, from all over the file."""
    step = max(len(rows) // most, 1)
    return list(rows[::step])[:most]


def _example(row: Scored) -> dict[str, Any]:
    question = row.question
    return {
        "id": question.id,
        "image": question.images[0].uri if question.images else None,
        "question": shown(question.prompt.replace(IMAGE_TOKEN, ""), 500),
        "options": list(question.options),
        "answer": shown(row.answered.text or "", 500),
        "understood": row.parsed.value,
        "why": row.parsed.rule,
        "right": [shown(reference, 200) for reference in dict.fromkeys(question.references)][:5],
    }


def _failed(failures: dict[str, Any]) -> str:
    number = failures["number"]
    return f"{number:,}: {failures['meaning']}" if number else "0"


def _told(one: Number) -> dict[str, Any]:
    return dict(msgspec.structs.asdict(one))


def _named(one: dict[str, Any]) -> str:
    return f"{one['name']}, {one['group']}" if one["group"] else str(one["name"])


def _value(one: dict[str, Any]) -> str:
    told = _interval(one)
    return _number(one["value"]) + (f" (95 %: {told})" if told != "–" else "")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _interval(one: dict[str, Any]) -> str:
    found = one["interval"]
    return "–" if found is None else f"{found[0]:.2f} to {found[1]:.2f}"


def _rows(values: dict[str, str]) -> list[str]:
    return [f"| {name} | {_cell(value)} |" for name, value in values.items() if value]


def _cell(text: str) -> str:
    return " ".join(str(text).split()).replace("|", "\\|")


def _fenced(text: str) -> list[str]:
    """Text as it is, behind a fence that it does not hold itself."""
    fence = "```"
    while fence in text:
        fence += "`"
    return [fence, *text.rstrip().split("\n"), fence]
