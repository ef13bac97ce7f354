"""An OpenAI-compatible server that answers a benchmark: vLLM, SGLang, llama.cpp, OpenAI and others.

Questions go through the teacher engine: many at once, within limits and budget, each reply in a journal before
it is used, so that nothing is paid twice. Chat template and image processing are the server's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import orjson

from vlit.data.errors import VlitError
from vlit.data.sample import IMAGE_TOKEN
from vlit.data.score import shown
from vlit.data.seeds import hash64
from vlit.evaluate.answerer import About, Answerer
from vlit.evaluate.benchmark import AnyBenchmark
from vlit.evaluate.question import Answered, Question
from vlit.run.progress import Progress
from vlit.teacher.ask import ask
from vlit.teacher.config import TeacherConfig
from vlit.teacher.drive import replay
from vlit.teacher.exchange import Conversation, Told, Wanted
from vlit.teacher.journal import JournalView
from vlit.teacher.message import Message, Part, Picture, Request, Sampling, Text
from vlit.teacher.reply import Failure

#: Questions whose replies are written to the answers together; between them nothing waits for nothing.
_BLOCK = 2_000


class Endpoint(Answerer):
    """A model behind a server.

    Args:
        server: Model, servers, limits and budget.
        journal: Folder of its journal.
        name: For folders and tables; by default the last part of the model's name.
    """

    def __init__(self, server: TeacherConfig, journal: Path, *, name: str | None = None) -> None:
        self.server, self.journal = server, journal
        self.model = server.model
        self.name = name or server.model.rpartition("/")[2]

    def about(self, benchmark: AnyBenchmark, example: Question) -> About:
        """What is sent of a question. Weights and template are the server's own, and not told.

        Raises:
            VlitError: When options are to be ranked: chat completions tell no likelihood of a given text.
        """
        if benchmark.ranks:
            raise VlitError(
                f"{benchmark.name}: a server cannot rank options by their likelihood",
                where=f"evaluate.models, {self.model}",
                todo="take another protocol of the benchmark, or load the model on this machine",
            )
        request = self.request(benchmark, example)
        sent = [f"{m.role}: " + "".join(_words(p) for p in m.parts) for m in request.messages]
        decoding = {"method": "temperature 0", "max_new_tokens": benchmark.max_new_tokens}
        if self.server.longest_side is not None:
            decoding["longest side of photos"] = self.server.longest_side
        if self.server.extra:
            decoding["extra"] = dict(self.server.extra)
        return About(template="the server's own", decoding=decoding, prompt="\n".join(sent))

    def answers(
        self, benchmark: AnyBenchmark, questions: Sequence[Question], progress: Progress
    ) -> Iterator[Answered]:
        """Answers, from the journal after all of a block were asked."""
        for start in range(0, len(questions), _BLOCK):
            block = questions[start : start + _BLOCK]

            def exchanges(block: Sequence[Question] = block) -> Iterator[Conversation[Answered]]:
                return (self._exchange(benchmark, question) for question in block)

            ask(self.server, exchanges, self.journal, progress)
            view = JournalView(self.journal)
            yield from (replay(exchange, view) for exchange in exchanges())

    def request(self, benchmark: AnyBenchmark, question: Question) -> Request:
        """What the server is sent."""
        system = question.extra.get("system")
        first = (Message.of("system", str(system)),) if system else ()
        extra = self.server.extra
        return Request(
            model=self.server.model,
            messages=(*first, Message("user", _parts(question, self.server.longest_side))),
            sampling=Sampling(temperature=0.0, max_tokens=benchmark.max_new_tokens),
            extra=orjson.dumps(dict(extra), option=orjson.OPT_SORT_KEYS).decode() if extra else "",
        )

    def _exchange(self, benchmark: AnyBenchmark, question: Question) -> Conversation[Answered]:
        count = question.prompt.count(IMAGE_TOKEN)
        if question.images and count not in (0, len(question.images)):
            why = f"the prompt has {count} {IMAGE_TOKEN}, and there are {len(question.images)} images"
            return Answered(question=question, problem=why)
        told: Told = yield Wanted(self.request(benchmark, question), 1)
        if isinstance(told, tuple):
            return Answered(question=question, text=told[0].text.strip())
        if isinstance(told, Failure):
            return Answered(question=question, problem=f"{told.kind}: {shown(told.reason, 200)}")
        return Answered(question=question, problem="the budget was spent before")


def _parts(question: Question, longest_side: int | None) -> tuple[Part, ...]:
    """Text and photos in the order of the prompt; where it places none, photos stand first."""
    pictures: list[Part] = [
        Picture(uri=i.uri, sha256=i.sha256 or f"{hash64(i.uri):016x}", longest_side=longest_side)
        for i in question.images
    ]
    if not pictures or IMAGE_TOKEN not in question.prompt:
        return (*pictures, Text(question.prompt.strip()))
    found: list[Part] = []
    for number, text in enumerate(question.prompt.split(IMAGE_TOKEN)):
        found += [pictures[number - 1]] if number else []
        found += [Text(text.strip())] if text.strip() else []
    return tuple(found)


def _words(part: Part) -> str:
    return part.text if isinstance(part, Text) else f"{IMAGE_TOKEN}\n"
