"""The forms `pairs` and `topics`: questions with their answers, in one conversation or one for each topic."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vlit.generate.instruct.replies.chatter import without_closing
from vlit.generate.instruct.replies.clean import IMAGE_TOKENS, without_tokens
from vlit.generate.instruct.replies.contract import Conversation, Flaws, Parsed
from vlit.generate.instruct.replies.judge import Problem
from vlit.generate.instruct.replies.pairs import Pair, Talk, find_pairs
from vlit.generate.instruct.replies.reading import BREAKS_OFF, Reading, repeated
from vlit.language.phrases import rules, search

_NO = re.compile(r"no\b", re.IGNORECASE)
#: ``**No**, it is not.``, ``**No,** it is not.``
_STRESSED = re.compile(r"(?P<mark>[*_]{1,3})(?P<word>no|yes)(?P<sign>[,.!:;]?)(?P=mark)(?=\W|$)", re.IGNORECASE)


def read_conversations(text: str, reading: Reading) -> Parsed | Flaws:
    """The conversations of a reply, or its flaws.

    Args:
        text: The reply without its wrapping.
        reading: Contract and repairs.
    """
    found = find_pairs(text)
    reading.repairs.update(found.repairs)
    if not found.talks:
        return reading.flaws(_nothing(text, reading))
    talks = found.talks
    if reading.reply.form == "pairs":
        talks = [Talk(None, [pair for talk in talks for pair in talk.pairs])]
    talks = _cleaned(talks, reading)
    return _chosen(talks, _problems(talks, reading), reading)


def _nothing(text: str, reading: Reading) -> Iterator[Problem]:
    """Why there may be no pair."""
    if reading.cut:
        yield BREAKS_OFF
    if said := search(rules("refusal"), text):
        yield Problem("refusal", "the reply", f'says "{said}"')
    elif not reading.cut:
        yield Problem("form", "", "no question with an answer was found")


def _cleaned(talks: list[Talk], reading: Reading) -> list[Talk]:
    cleaned = [Talk(talk.topic, [_pair(pair, reading) for pair in talk.pairs]) for talk in talks]
    question, answer = cleaned[-1].pairs[-1]
    if answer:
        answer, closed = without_closing(answer)
        reading.repairs.update(closed)
        cleaned[-1].pairs[-1] = Pair(question, answer)
    return cleaned


def _pair(pair: Pair, reading: Reading) -> Pair:
    question, answer = (None if text is None else reading.canonical(_bare(text, reading)) for text in pair)
    answer = answer and reading.allowed(answer)
    if question and "<" in question and (found := IMAGE_TOKENS.search(question)):
        at_an_end = found.start() == 0 or found.end() == len(question)
        if at_an_end and (rest := (question[: found.start()] + question[found.end() :]).strip()):
            question = rest
            reading.repairs.add("image_token")
    return Pair(question, answer)


def _bare(text: str, reading: Reading) -> str:
    """Without tokens at the ends, and without emphasis around the whole."""
    bare = without_tokens(text)
    if bare != text:
        reading.repairs.add("tokens")
    for mark in ("**", "__"):
        if bare.startswith(mark) and bare.endswith(mark) and bare.count(mark) == 2 and len(bare) > 4:
            reading.repairs.add("markdown")
            bare = bare[2:-2].strip()
    if found := _STRESSED.match(bare):
        reading.repairs.add("markdown")
        bare = found["word"] + found["sign"] + bare[found.end() :]
    return bare


def _problems(talks: list[Talk], reading: Reading) -> list[list[list[Problem]]]:
    """What is wrong with each pair of each conversation."""
    judge = reading.judge(text for talk in talks for pair in talk.pairs for text in pair if text)
    problems: list[list[list[Problem]]] = []
    flat: list[tuple[str, list[Problem]]] = []
    shifted = talks[0].pairs[0].question is None  # then the last question has not been cut off either
    for t, talk in enumerate(talks, 1):
        problems.append([])
        for n, pair in enumerate(talk.pairs, 1):
            place = f"pair {n}" + (f" of conversation {t}" if reading.reply.form == "topics" else "")
            last = t == len(talks) and n == len(talk.pairs)
            said = judge.pair(pair, place, last=last and not shifted)
            # Of JSON only values that are closed were read.
            open_ended = last and reading.cut and "json" not in reading.repairs
            if open_ended and not any(p.kind == "truncated" for p in said):
                said.append(BREAKS_OFF)
            problems[-1].append(said)
            flat.append((place, said))
    for n, first in repeated(pair.question or "" for talk in talks for pair in talk.pairs):
        place, said = flat[n]
        said.append(Problem("duplicate", f"the question of {place}", f"is that of {flat[first][0]} again"))
    return problems


def _chosen(talks: list[Talk], problems: list[list[list[Problem]]], reading: Reading) -> Parsed | Flaws:
    """The first good pairs, as many as are asked for, or what is wrong."""
    reply = reading.reply
    topics = reply.topics if reply.form == "topics" else 1
    good = [
        Talk(talk.topic, reading.good(talk.pairs, said, linked=True))
        for talk, said in zip(talks, problems, strict=True)
    ]
    full = [talk for talk in good if len(talk.pairs) >= (1 if reply.least else reply.count)]
    kept = [Talk(t.topic, reading.first(t.pairs, reply.count)) for t in reading.first(full, topics)]
    pairs = [pair for talk in kept for pair in talk.pairs]
    wanted = reply.count * topics
    if len(pairs) < min(reply.least or wanted, wanted):
        flat = [problem for row in problems for said in row for problem in said]
        if reading.cut and not any(p.kind == "truncated" for p in flat):
            flat.append(BREAKS_OFF)
        return reading.flaws([*flat, *_too_few(talks, wanted, reading)])
    negative = sum(bool(_NO.match(pair.answer or "")) for pair in pairs)
    if negative < reply.negative:
        return reading.flaws([Problem("negative", "", f"{negative} of at least {reply.negative}")])
    if len(full) < len(talks):
        reading.repairs.add("left_out")
    return reading.parsed(
        tuple(Conversation(tuple((p.question or "", p.answer or "") for p in t.pairs), t.topic) for t in kept)
    )


def _too_few(talks: list[Talk], wanted: int, reading: Reading) -> Iterator[Problem]:
    reply = reading.reply
    came = [len(talk.pairs) for talk in talks]
    if reply.form == "pairs" or reply.least:
        # More than were asked for of one conversation make up for no other.
        usable = sum(min(pairs, reply.count) for pairs in came[: wanted // reply.count])
        if usable < min(reply.least or wanted, wanted):
            yield Problem("too_few", "", f"only {usable} of {wanted} question-answer pairs came")
        return
    if len(talks) < reply.topics:
        said = f"only {len(talks)} of {reply.topics} conversations came, each below its topic"
        yield Problem("too_few", "", said)
    for n, pairs in enumerate(came, 1):
        if pairs < reply.count:
            said = f"has only {pairs} of {reply.count} question-answer pairs"
            yield Problem("too_few", f"conversation {n}", said)
