"""The judge: a language model that is asked about answers, through the teacher engine.

What is asked is a pure function of an answer, and the score a pure function of the replies. These stand in
``judged.jsonl`` beside the answers, under a header with the judge's model, the version of the prompt and the
dates of its replies. Each reply is in the journal before it is used: what was paid is not paid twice.

A reply without a score is sent back once, with what is wrong with it. One that still has none is a failure: it
is counted, and no score is made of it. (Public harnesses put -1 into the mean, LLaVA and lmms-eval among them.)
"""

from __future__ import annotations

import hashlib
import re
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import msgspec
import orjson
import pydantic

from vlit.data.errors import VlitError
from vlit.data.score import shown
from vlit.data.seeds import hash64
from vlit.data.store import atomic
from vlit.evaluate.benchmark import Benchmark, BenchmarkConfig
from vlit.evaluate.question import Answered, Parsed, Question, Scored
from vlit.run.progress import Progress
from vlit.teacher.ask import ask as ask_teacher
from vlit.teacher.config import TeacherConfig
from vlit.teacher.drive import replay
from vlit.teacher.exchange import Conversation, Wanted
from vlit.teacher.journal import JournalView
from vlit.teacher.message import Message, Request, Sampling
from vlit.teacher.records import Reply
from vlit.teacher.reply import Choice, Failure

NAME = "judged.jsonl"


class JudgedConfig(BenchmarkConfig):
    """What all judged benchmarks are told."""

    rounds: int = pydantic.Field(
        1, ge=1, description="replies to each question of the judge; their mean counts"
    )
    judge_seed: int = pydantic.Field(1, description="of the judge's drawing in the first round")
    judge_temperature: float = pydantic.Field(0.2, ge=0)
    judge_tokens: int = pydantic.Field(1024, ge=16, description="that a reply may take")


class JudgePrompt(NamedTuple):
    """What a judge is told: all of it, but for the slots of ``ask``."""

    name: str
    system: str
    ask: str
    again: str  #: to a reply that cannot be read; ``{flaw}`` stands for what is wrong

    @property
    def version(self) -> str:
        """12 hexadecimal digits of the texts."""
        return hashlib.sha256("\x1f".join(self[1:]).encode()).hexdigest()[:12]


class Ask(NamedTuple):
    """One thing that the judge is asked about an answer."""

    name: str  #: e.g. "reference first"
    text: str  #: the user's message
    round: int = 0


class Said(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the judge said to one thing that it was asked."""

    ask: str  #: name of the :class:`Ask`
    round: int = 0
    text: str | None = None  #: the reply that counts; of one that was cut at its length, without its last word
    first: str | None = None  #: the one before, which was sent back
    problem: str = ""  #: why there is no reply


class Judgement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the judge said of one answer: a line of ``judged.jsonl``."""

    id: str  #: of the question
    answer: str  #: 16 hexadecimal digits of the answer that was judged
    said: tuple[Said, ...] = ()


class JudgeHeader(msgspec.Struct, frozen=True, kw_only=True):
    """Who judged, how and when; all of it is written, also what is as by default."""

    benchmark: str
    protocol: str
    judge: str  #: model, as it was asked for
    prompt: str  #: name and version
    rounds: int = 1
    seed: int = 1
    temperature: float = 0.2
    dates: tuple[str, ...] = ()  #: days of the first and the last reply, ISO 8601, UTC
    told: Mapping[str, int] = {}  #: see :func:`counts`


@dataclass(frozen=True)
class Judged:
    """What the judge said of all answers."""

    header: JudgeHeader
    judgements: Mapping[str, Judgement]  #: by the question's id


J = TypeVar("J", bound=JudgedConfig)


class JudgedBenchmark(Benchmark[J], Generic[J]):
    """A benchmark that a judge scores. Its ``parse`` reads a reply of the judge, not an answer.

    Attributes:
        judge_prompt: What the judge is told.
    """

    judged: ClassVar[bool] = True
    judge_prompt: ClassVar[JudgePrompt]
    max_new_tokens: ClassVar[int] = 1024

    @abstractmethod
    def asks(self, row: Answered) -> Sequence[Ask]:
        """What the judge is asked about an answer; nothing where that needs no judge."""

    @abstractmethod
    def verdict(self, row: Answered, said: Sequence[tuple[Said, Parsed]]) -> Scored:
        """An answer with what was understood of the replies; without a value where no judge could tell.

        Args:
            row: The answer, which was asked.
            said: The replies in the order of ``asks``, as ``parse`` reads them.
        """

    def scored(self, rows: Sequence[Answered]) -> list[Scored]:
        """Not without the judge's replies: see :meth:`scored_by`."""
        raise VlitError(
            f"{self.name}: these answers are scored by a judge",
            where=f"evaluate.benchmarks.{self.name}",
            todo=f"name a judge, or put the {NAME} of the run beside the answers",
        )

    def scored_by(self, rows: Sequence[Answered], judged: Judged | None) -> list[Scored]:
        """Each answer scored by what the judge said of it.

        An answer that was not judged, or was another one when it was, has no value and is told as a failure.
        """
        if judged is None:
            return self.scored(rows)
        return [self._scored_by(row, judged.judgements.get(row.question.id)) for row in rows]

    def _scored_by(self, row: Answered, judgement: Judgement | None) -> Scored:
        if row.problem:
            return self.unasked(row)
        wanted = self.asks(row)
        if not wanted:
            return self.verdict(row, ())
        if judgement is None:
            return Scored(row, Parsed(None, "it was not judged"), None)
        if judgement.answer != digest(row):
            return Scored(row, Parsed(None, "the judge saw another answer"), None)
        found = {(said.ask, said.round): said for said in judgement.said}
        said = [found.get((a.name, a.round), Said(ask=a.name, round=a.round)) for a in wanted]
        read = [self.understood(row.question, a, one) for a, one in zip(wanted, said, strict=True)]
        return self.verdict(row, list(zip(said, read, strict=True)))

    def read(self, question: Question, one: Ask, text: str) -> Parsed:
        """A reply to what was asked; another than ``parse`` where the reply may repeat numbers of it."""
        return self.parse(question, text)

    def unasked(self, row: Answered) -> Scored:
        """A question that was not put to the model: without a value, as nothing could be judged."""
        return Scored(row, Parsed(None, f"not asked: {row.problem}"), None)

    def understood(self, question: Question, one: Ask, said: Said) -> Parsed:
        """A reply, read; the reason where there is none."""
        if said.text is None:
            return Parsed(None, f"judge: {said.problem or 'it was not asked'}")
        parsed = self.read(question, one, said.text)
        return Parsed(None, f"judge: {parsed.rule}") if parsed.failed else parsed


AnyJudged = JudgedBenchmark[Any]


def judge(
    benchmark: AnyJudged,
    rows: Sequence[Answered],
    teacher: TeacherConfig,
    journal: Path,
    progress: Progress | None = None,
) -> Judged:
    """Have answers judged. Replies that the journal has are not asked again.

    Args:
        benchmark: What is asked, and how replies are read.
        rows: Answers.
        teacher: The judge.
        journal: Folder of its journal.
        progress: Told of calls, tokens and money.

    Raises:
        VlitError: When no more can be asked of this judge.
    """
    asked = [row for row in rows if not row.problem]

    def exchanges() -> Iterator[Conversation[Said]]:
        for row in asked:
            for one in benchmark.asks(row):
                yield hear(benchmark, row.question, one, teacher)

    ask_teacher(teacher, exchanges, journal, progress or Progress())
    view, keys = JournalView(journal), set[str]()
    found = {row.question.id: _judgement(benchmark, row, teacher, view, keys) for row in asked}
    config: JudgedConfig = benchmark.config
    header = JudgeHeader(
        benchmark=benchmark.name,
        protocol=benchmark.protocol,
        judge=teacher.model,
        prompt=f"{benchmark.judge_prompt.name} {benchmark.judge_prompt.version}",
        rounds=config.rounds,
        seed=config.judge_seed,
        temperature=config.judge_temperature,
        dates=_dates(view, keys),
        told=counts(benchmark, rows, found),
    )
    return Judged(header, found)


def hear(
    benchmark: AnyJudged, question: Question, one: Ask, teacher: TeacherConfig, keys: set[str] | None = None
) -> Conversation[Said]:
    """Ask one thing; a reply that cannot be read is sent back once.

    Args:
        benchmark: Reads replies.
        question: That the answer is to.
        one: What is asked.
        teacher: The judge.
        keys: Takes the keys of all requests.
    """
    request = _request(benchmark, one, teacher)
    reply = yield from _one(request, keys)
    if isinstance(reply, str):
        return Said(ask=one.name, round=one.round, problem=reply)
    first = _whole(reply)
    parsed = benchmark.read(question, one, first)
    if not parsed.failed:
        return Said(ask=one.name, round=one.round, text=first)
    second = yield from _one(_sent_back(request, first, benchmark.judge_prompt, parsed.rule), keys)
    if isinstance(second, str):
        return Said(ask=one.name, round=one.round, text=first)
    return Said(ask=one.name, round=one.round, text=_whole(second), first=first)


def counts(benchmark: AnyJudged, rows: Sequence[Answered], found: Mapping[str, Judgement]) -> Mapping[str, int]:
    """Replies: how many were wanted, how many were sent back, cannot be read, or are missing."""
    judged = [(row, found[row.question.id].said) for row in rows if row.question.id in found]
    said = [reply for _, replies in judged for reply in replies]
    missing = sum(reply.text is None for reply in said)
    sent_back = sum(reply.first is not None for reply in said)
    unread = sum(
        reply.text is not None and benchmark.read(row.question, one, reply.text).failed
        for row, replies in judged
        for one, reply in zip(benchmark.asks(row), replies, strict=True)
    )
    return {"replies": len(said), "sent back": sent_back, "unreadable": unread, "missing": missing}


def digest(row: Answered) -> str:
    """16 hexadecimal digits of an answer."""
    return f"{hash64(row.text or ''):016x}"


def write_judged(path: Path, judged: Judged) -> None:
    """Write what the judge said, in the order of the answers.

    Raises:
        VlitError: When it cannot be written.
    """
    lines = [_encode({"header": judged.header}), *map(_encode, judged.judgements.values())]
    with atomic(path) as temporary:
        temporary.write_bytes(b"".join(line + b"\n" for line in lines))


def read_judged(path: Path) -> Judged:
    """Read what the judge said.

    Raises:
        VlitError: When there is no such file, or a line of it is of another kind.
    """
    number = 1
    try:
        first, *lines = path.read_bytes().split(b"\n")[:-1] or [b""]
        header = msgspec.json.decode(first, type=_First).header
        found: dict[str, Judgement] = {}
        for line in lines:
            number += 1
            one = msgspec.json.decode(line, type=Judgement)
            if one.id in found:
                raise ValueError(f"the id {shown(one.id)} stands twice")
            found[one.id] = one
    except (OSError, ValueError) as error:  # errors of msgspec are ValueErrors
        raise VlitError(
            f"what the judge said cannot be read: {error}",
            where=f"{path}, line {number}",
            todo=f"name a {NAME} that `vlit evaluate` has written",
        ) from error
    return Judged(header, found)


class _First(msgspec.Struct):
    header: JudgeHeader


_encode = msgspec.json.Encoder().encode


def _judgement(
    benchmark: AnyJudged, row: Answered, teacher: TeacherConfig, view: JournalView, keys: set[str]
) -> Judgement:
    said = [replay(hear(benchmark, row.question, one, teacher, keys), view) for one in benchmark.asks(row)]
    return Judgement(id=row.question.id, answer=digest(row), said=tuple(said))


def _request(benchmark: AnyJudged, one: Ask, teacher: TeacherConfig) -> Request:
    config: JudgedConfig = benchmark.config
    extra = orjson.dumps(dict(teacher.extra), option=orjson.OPT_SORT_KEYS).decode() if teacher.extra else ""
    return Request(
        model=teacher.model,
        messages=(Message.of("system", benchmark.judge_prompt.system), Message.of("user", one.text)),
        sampling=Sampling(
            temperature=config.judge_temperature,
            max_tokens=config.judge_tokens,
            seed=config.judge_seed + one.round,
        ),
        extra=extra,
    )


def _sent_back(request: Request, reply: str, prompt: JudgePrompt, flaw: str) -> Request:
    """The request with the reply, and what is wrong with it, behind."""
    again = prompt.again.replace("{flaw}", flaw)
    said = reply if reply.strip() else "(empty)"  # servers refuse an empty message
    messages = (*request.messages, Message.of("assistant", said), Message.of("user", again))
    return msgspec.structs.replace(request, messages=messages)


def _whole(reply: Choice) -> str:
    """A reply; of one that was cut at its length all but the last word: "Score: 0." might have become 0.5."""
    return re.sub(r"\S+\Z", "", reply.text) if reply.finish == "length" else reply.text


def _one(request: Request, keys: set[str] | None) -> Conversation[Choice | str]:
    """The first reply to a request, or why there is none."""
    if keys is not None:
        keys.add(request.key)
    told = yield Wanted(request, 1)
    if isinstance(told, tuple):
        return told[0]
    if isinstance(told, Failure):
        return f"no reply ({told.kind}): {shown(told.reason, 200)}"
    return "it was not asked: the budget was spent before"


def _dates(view: JournalView, keys: set[str]) -> tuple[str, ...]:
    """Days of the first and the last reply to these requests."""
    times = [r.at for r in view.records() if isinstance(r, Reply) and r.key in keys]
    return (
        tuple(datetime.fromtimestamp(t, UTC).date().isoformat() for t in (min(times), max(times)))
        if times
        else ()
    )
