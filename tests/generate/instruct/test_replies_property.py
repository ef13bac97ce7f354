"""Whatever a teacher writes: nothing crashes a parser, and what it lets through keeps the contract."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.generate.instruct.test_replies import CORPUS
from vlit.data.boxes import find_boxes
from vlit.generate.instruct.recipe import ReplyConfig
from vlit.generate.instruct.replies import KINDS, REPAIRS, Flaws, Parsed, feedback, parse, wording
from vlit.generate.instruct.replies.clean import CHAT_TOKEN, IMAGE_TOKENS, unwrap
from vlit.generate.instruct.replies.judge import word_count
from vlit.generate.instruct.tags import find_references
from vlit.language.phrases import rules, search

BOXES = ((0.1, 0.2, 0.3, 0.4), (0.5, 0.2, 0.7, 0.4))
CONTRACTS = (
    ReplyConfig(),
    ReplyConfig(count=3, least=1, negative=1),
    ReplyConfig(count=2, words=(2, 9), answers=("Yes", "No")),
    ReplyConfig(form="topics", topics=2, count=2, least=1),
    ReplyConfig(form="topics", topics=1, count=1),
    ReplyConfig(form="text"),
    ReplyConfig(form="text", words=(2, 9), leaks=True),
    ReplyConfig(form="list", count=1),
    ReplyConfig(form="list", count=3, least=1),
    ReplyConfig(count=2, least=1, boxes="tagged"),
)
PIECES = (
    *("Question:", "Answer:", "Topic:", "User:", "GPT:", "Q1.", "A1:", "A:", "B:", "**", "###", "===", "---"),
    *("1.", "2)", "- ", "```", "```json", "<think>", "</think>", "<|im_end|>", "</s>", "[INST]", "<image>"),
    *("<st>", "<ed>", "<st>cat<ed>", "[0.1, 0.2, 0.3, 0.4]", "[0.5, 0.2, 0.7, 0.4]", "[", "]", "{", "}"),
    *(
        '{"question": "Is it?", "answer": "Yes"}',
        '"question":',
        '"',
        "“",
        ":",
        ",",
        "?",
        ".",
        "...",
        "\n",
        "\n\n",
    ),
    *(
        " ",
        "\t",
        "\r",
        "\x00",
        "\ud800",
        "\u200b",
        "İ",
        "猫。",
        "🐈‍⬛",
        "Is it a cat",
        "What is it?",
        "No",
        "Yes",
    ),
    *("A cat sits here.", "no, none.", "the caption says", "bounding box", "I'm sorry, but", "Let me know if"),
    *("Let me think", "Sure! Here is the description:"),
)
TEXTS = st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
FINISHES = st.sampled_from([None, "stop", "length", "content_filter"])


def held(found: Parsed | Flaws, reply: ReplyConfig) -> None:
    """Every promise of the contract, looked at from outside."""
    if not isinstance(found, Parsed):
        assert found and len({flaw.kind for flaw in found}) == len(found)
        assert [flaw.kind for flaw in found] == [kind for kind in KINDS if kind in {f.kind for f in found}]
        assert all(flaw.said.strip() for flaw in found) and feedback(found)
        return
    assert set(found.repairs) <= set(REPAIRS)
    pairs = [pair for conversation in found.conversations for pair in conversation.pairs]
    texts = [*found.items, *(text for pair in pairs for text in pair)]
    if reply.form in ("pairs", "topics"):
        wanted = reply.topics if reply.form == "topics" else 1
        assert not found.items and len(found.conversations) <= wanted
        assert all(1 <= len(c.pairs) <= reply.count for c in found.conversations)
        assert len(pairs) >= (reply.least or reply.count * wanted)
        assert len({q for q, _ in pairs}) == len(pairs)
        assert sum(a.lower().startswith("no") for _, a in pairs) >= reply.negative
    else:
        most = reply.count if reply.form == "list" else 1
        assert not found.conversations and (reply.least or most) <= len(found.items) <= most
    for text in texts:
        text.encode()  # no halves of surrogate pairs
        assert text.strip() == text != ""
        assert not CHAT_TOKEN.search(text) and not IMAGE_TOKENS.search(text)
        assert reply.leaks or not search(rules("leak"), text)
        if reply.boxes == "none":
            assert not find_boxes(text) and "<st>" not in text.lower()
        else:
            boxes = [box for reference in find_references(text) for box in reference.boxes]
            assert boxes and len(boxes) == len(find_boxes(text))
            assert all(any(box == pytest.approx(known, abs=0.0021) for known in BOXES) for box in boxes)
    for answer in (*found.items, *(a for _, a in pairs)):
        assert not reply.answers or answer in reply.answers
        assert not reply.words or reply.words[0] <= word_count(answer) <= reply.words[1]


@given(TEXTS, FINISHES, st.sampled_from(CONTRACTS))
@example('["\\ud800"]', "stop", CONTRACTS[7])
@example('{"question": "Is it\\u0000?", "answer": 1e999}', "stop", CONTRACTS[0])
@example("[" * 5_000, "stop", CONTRACTS[0])
@example('{"a":' * 5_000, "stop", CONTRACTS[8])
def test_whatever_comes_the_contract_holds(text: str, finish: str | None, reply: ReplyConfig) -> None:
    held(parse(text, finish, reply, BOXES), reply)


@given(
    st.sampled_from(CORPUS), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 9), st.sampled_from(PIECES)))
)
def test_whatever_becomes_of_a_reply_the_contract_holds(
    case: dict[str, Any], changes: list[tuple[float, int, str]]
) -> None:
    text, reply = case["text"], ReplyConfig(**case["reply"])
    for place, lost, piece in changes:
        at = int(place * len(text))
        text = text[:at] + piece + text[at + lost :]
    held(parse(text, case.get("finish"), reply, BOXES), reply)


@given(TEXTS)
def test_unwrapping_twice_changes_nothing(text: str) -> None:
    once = unwrap(text)
    again = unwrap(once.text)
    assert again.text == once.text
    assert not again.repairs or once.unclosed


WORDS = st.sampled_from(["cat", "dog", "red", "two", "tall", "man", "bench", "near", "left", "runs", "light"])
SAID = st.lists(WORDS, min_size=2, max_size=9).map(lambda words: " ".join(words).capitalize())
PAIRS = st.lists(
    st.tuples(SAID.map("{}?".format), SAID.map("{}.".format)),
    min_size=1,
    max_size=6,
    unique_by=lambda pair: pair[0],
)
STYLES = (
    "Question: {q}\nAnswer: {a}",
    "Question:\n{q}\n===\nAnswer:\n{a}\n===",
    "**Question {n}:** {q}\n\n**Answer {n}:** {a}\n",
    "{n}. Q: {q}\n   A: {a}",
    "### Question {n}\n{q}\n### Answer {n}\n{a}",
    "User: {q}\nAssistant: {a}",
    "Q{n}. {q}\nA{n}. {a}",
)


@given(PAIRS, st.sampled_from(STYLES), st.sampled_from(["\n", "\n\n", "\n---\n"]))
def test_what_is_written_is_read(pairs: list[tuple[str, str]], style: str, between: str) -> None:
    text = between.join(style.format(n=n, q=q, a=a) for n, (q, a) in enumerate(pairs, 1))
    found = parse(text, "stop", ReplyConfig(count=len(pairs)))
    assert isinstance(found, Parsed), found
    assert list(found.conversations[0].pairs) == pairs


@given(PAIRS)
def test_json_is_read(pairs: list[tuple[str, str]]) -> None:
    text = json.dumps([{"question": q, "answer": a} for q, a in pairs], indent=1)
    found = parse(f"```json\n{text}\n```", "stop", ReplyConfig(count=len(pairs)))
    assert isinstance(found, Parsed), found
    assert list(found.conversations[0].pairs) == pairs


@given(PAIRS, st.data())
def test_a_reply_that_breaks_off_never_gives_half_a_pair(
    pairs: list[tuple[str, str]], data: st.DataObject
) -> None:
    text = "\n\n".join(f"Question: {q}\nAnswer: {a}" for q, a in pairs)
    at = data.draw(st.integers(0, len(text)))
    found = parse(text[:at], "length", ReplyConfig(count=len(pairs), least=1))
    if isinstance(found, Parsed):
        kept = list(found.conversations[0].pairs)
        assert kept == pairs[: len(kept)]


@given(
    st.lists(SAID, min_size=1, max_size=6, unique=True), st.sampled_from(["{n}. {t}", "- {t}", '{n}) "{t}"'])
)
def test_lists_are_read(items: list[str], style: str) -> None:
    text = "\n".join(style.format(n=n, t=t) for n, t in enumerate(items, 1))
    found = parse(text, "stop", ReplyConfig(form="list", count=len(items)))
    assert isinstance(found, Parsed), found
    assert list(found.items) == items


@pytest.mark.parametrize("reply", CONTRACTS, ids=lambda reply: f"{reply.form}-{reply.count}-{reply.boxes}")
def test_the_form_that_is_told_is_the_form_that_is_read(reply: ReplyConfig) -> None:
    told = wording(reply)
    assert "{" not in told
    # The form itself, copied, is found to be nothing but placeholders.
    if form := re.search(r"^(?:Topic|Question|1\.).*(?:\n(?:\w+: ).*)*", told, re.MULTILINE):
        found = parse(form.group(), "stop", reply, BOXES)
        assert not isinstance(found, Parsed) and "placeholder" in {flaw.kind for flaw in found}
        tag = "" if reply.boxes == "none" else " <st>cat<ed> [0.100, 0.200, 0.300, 0.400]"
        blocks = range(reply.count * reply.topics if reply.form != "list" else reply.count)
        filled = "\n".join(
            form.group()
            .replace("<your topic>", f"Part {n}")
            .replace("<your question>", f"What is number {n}{tag}?")
            .replace("<your answer>", reply.answers[-1] if reply.answers else f"No, it is number {n}{tag}.")
            .replace("<your text>", f"It is number {n}.")
            for n in blocks
        )
        if not reply.words and (reply.form != "topics" or reply.least or reply.count == 1):
            assert isinstance(parse(filled, "stop", reply, BOXES), Parsed), filled


LONG = (
    *("(", "[", "{", "[[", '{"a":', '["', "{}", "[],", '{"q":"a?"}', '"', "“", "'", ":", ",", "\\", "0.1, "),
    *(
        "Question:",
        "Question: \n",
        "Answer:",
        "Q: a\nA: b\n",
        "A:\nB:\n",
        "Topic: a\n",
        "Topic: a\nUser: b?\nGPT: c\n",
    ),
    *(
        "`",
        "```\n",
        "~",
        "*",
        "#",
        "**a**\n",
        "# a\n",
        " ",
        "\n",
        "\t\n",
        "\r",
        "=",
        "-",
        ".",
        "?",
        "1",
        "1.",
        "1.\n",
    ),
    *("<", "<st>", "<st>a<ed>", "[0.1, 0.2, 0.3, 0.4]", "<think>", "</think>", "<think></think>", "<image>"),
    *(
        "<|im_end|>",
        "</s>",
        "[INST]",
        "Sure!\n",
        "Sure, ",
        "Let me know if ",
        "I hope this ",
        "please provide ",
    ),
    *("the caption ", "the the ", "the image ", "provided ", "no mention of", "is not ", "as an ", "a", "a "),
    *("A cat. ", "A cat? ", "\x00", "\ud800", "İ", "猫"),
)


@pytest.mark.parametrize("piece", LONG)
def test_long_repetitions_are_read_in_time(piece: str) -> None:
    # With a pattern whose time grows with the square of the length, this would take minutes.
    text = piece * (100_000 // len(piece))
    for reply in (CONTRACTS[0], CONTRACTS[5], CONTRACTS[8], CONTRACTS[9]):
        held(parse(text, "stop", reply, BOXES), reply)
    held(parse(f"Question: a?\nAnswer: {text} x", "stop", CONTRACTS[0]), CONTRACTS[0])
