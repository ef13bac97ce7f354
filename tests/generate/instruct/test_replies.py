"""Ugly replies and what is to come of them; whatever comes, the contract holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from vlit.generate.instruct.recipe import ReplyConfig
from vlit.generate.instruct.replies import KINDS, REPAIRS, Parsed, feedback, parse

CORPUS: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parents[2] / "golden" / "replies.yaml").read_text(encoding="utf-8")
)


def read(case: dict[str, Any]) -> Any:
    boxes = [tuple(map(float, box)) for box in case.get("boxes", ())]
    return parse(case["text"], case.get("finish", "stop"), ReplyConfig(**case["reply"]), boxes)


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: case["name"])
def test_corpus(case: dict[str, Any]) -> None:
    found = read(case)
    if "flaws" in case:
        assert not isinstance(found, Parsed), found
        assert [flaw.kind for flaw in found] == case["flaws"], found
        return
    assert isinstance(found, Parsed), found
    conversations = case.get("topics", [{"pairs": case["pairs"]}] if "pairs" in case else [])
    assert [c.topic for c in found.conversations] == [c.get("topic") for c in conversations]
    assert [[list(pair) for pair in c.pairs] for c in found.conversations] == [
        c["pairs"] for c in conversations
    ]
    assert list(found.items) == case.get("items", [])
    assert set(found.repairs) == set(case.get("repairs", ()))


def test_corpus_is_broad() -> None:
    names = [case["name"] for case in CORPUS]
    assert len(names) == len(set(names)) >= 80
    assert {kind for case in CORPUS for kind in case.get("flaws", ())} == set(KINDS)
    assert {repair for case in CORPUS for repair in case.get("repairs", ())} == set(REPAIRS)
    assert {case["reply"].get("form", "pairs") for case in CORPUS} == {"pairs", "topics", "text", "list"}
    assert all(set(case) & {"pairs", "topics", "items", "flaws"} and case["after"] for case in CORPUS)


def test_feedback_says_what_is_wrong() -> None:
    case = next(case for case in CORPUS if case["name"] == "everything at once")
    said = feedback(read(case))
    for words in (
        "only 3 of 4",
        '"the captions"',
        "[0.1, 0.2, 0.3, 0.4]",
        '"..."',
        "pair 3 has a question and no",
    ):
        assert words in said, said
    assert "{" not in said


@pytest.mark.parametrize("case", [c for c in CORPUS if "flaws" in c], ids=lambda case: case["name"])
def test_feedback_is_short(case: dict[str, Any]) -> None:
    assert len(feedback(read(case))) < 2_000
