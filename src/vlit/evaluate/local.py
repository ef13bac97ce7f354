"""A model on this machine: any architecture of ``tune``, from a folder, a run, or the hub."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlit.evaluate.answerer import About, Answerer, sample_of
from vlit.evaluate.benchmark import RANKED_BY, AnyBenchmark
from vlit.evaluate.question import Answered, Question
from vlit.run.fingerprint import file_digest, fingerprint
from vlit.run.progress import Progress

if TYPE_CHECKING:
    import torch

    from vlit.tune.chat.encode import Encoder
    from vlit.tune.example import Example
    from vlit.tune.models.architecture import Architecture

#: Prompts at once, by the kind of device, where nobody says.
_BATCH = {"cpu": 8, "cuda": 32}
#: Batches that are encoded and put to the model together.
_BLOCK = 64
#: What of a model's folder makes no difference to its answers.
_ASIDE = (".md",)


class Local(Answerer):
    """A model that is loaded when the first question is put to it.

    It answers greedily, in float32 on a CPU and in bfloat16 on a GPU that has it, under the chat template that
    lies with the checkpoint.

    Args:
        model: Hub id or folder, or ``pocket``.
        base: Folder that a relative path starts from.
        name: For folders and tables; by default the last part of ``model``.
        label: What cards and answers call it; by default ``model``.
        template: One of vlit's chat templates or a .jinja file, for a checkpoint that has none.
        device: Where it runs.
        batch: Prompts at once; by default 8 on a CPU, 32 on a GPU.
    """

    def __init__(
        self,
        model: str,
        base: Path,
        *,
        name: str | None = None,
        label: str | None = None,
        template: str | None = None,
        device: str = "auto",
        batch: int | None = None,
    ) -> None:
        self.model, self.base, self.template = label or model, base, template
        self._source = model
        self.name = name or Path(model).name
        self._device, self._batch = device, batch

    def about(self, benchmark: AnyBenchmark, example: Question) -> About:
        """Digest of its weights, its template, and the example as it reads it."""
        from vlit.tune.chat.inspect import pieces
        from vlit.tune.example import Refused

        encoder = self._encoder
        text = encoder.template.text
        decoding: dict[str, Any] = {"precision": str(self._dtype).removeprefix("torch.")}
        if benchmark.ranks:
            decoding |= {"method": "ranking by likelihood", "option loss": RANKED_BY[benchmark.option_loss]}
        else:
            decoding |= {"method": "greedy", "max_new_tokens": self._room(benchmark)[1]}
        try:
            prompt = encoder.prompt(sample_of(example))
            shown = "".join(words for words, _ in pieces(encoder.model.tokenizer, prompt))
        except Refused as reason:
            shown = f"({example.id} cannot be asked: {reason})"
        return About(
            weights=self._weights,
            template=f"{encoder.template.name}, {fingerprint(text)[:16]}",
            decoding=decoding,
            prompt=shown,
        )

    def answers(
        self, benchmark: AnyBenchmark, questions: Sequence[Question], progress: Progress
    ) -> Iterator[Answered]:
        """Answers as they are made, in blocks; inside a block those of a length together."""
        size = self.batch * _BLOCK
        for start in range(0, len(questions), size):
            block = questions[start : start + size]
            yield from self._ranked(benchmark, block) if benchmark.ranks else self._generated(benchmark, block)

    @cached_property
    def device(self) -> torch.device:
        """Where it runs."""
        from vlit.weights.device import pick_device

        return pick_device(self._device)

    @property
    def batch(self) -> int:
        """Prompts at once."""
        return self._batch or _BATCH.get(self.device.type, 8)

    def _generated(self, benchmark: AnyBenchmark, questions: Sequence[Question]) -> Iterator[Answered]:
        from vlit.tune.answer import each_answer

        longest, new = self._room(benchmark)
        asked, prompts = [], []
        for question in questions:
            prompt = self._prompt(question, longest)
            if isinstance(prompt, str):
                yield Answered(question=question, problem=prompt)
            else:
                asked.append(question)
                prompts.append(prompt)
        said = each_answer(
            self._loaded, prompts, batch=self.batch, max_new_tokens=new, stops=self._encoder.stops
        )
        for answer in said:
            question = asked[answer.index]
            if answer.asked:
                yield Answered(question=question, text=answer.text, tokens=answer.tokens)
            else:
                yield Answered(question=question, problem=answer.problem)

    def _ranked(self, benchmark: AnyBenchmark, questions: Sequence[Question]) -> Iterator[Answered]:
        from vlit.evaluate.rank import losses

        of, _, without = benchmark.option_loss.partition("_")
        ranked = losses(
            self._loaded, self._encoder, questions, batch=self.batch, mean=of == "mean", end=not without
        )
        for index, found in ranked:
            if isinstance(found, str):
                yield Answered(question=questions[index], problem=found)
            elif not all(map(math.isfinite, found)):
                yield Answered(question=questions[index], problem="the loss of an option is no number")
            else:
                yield Answered(question=questions[index], losses=found)

    def _prompt(self, question: Question, longest: int | None) -> Example | str:
        """What the model reads, or why it cannot be asked."""
        from vlit.tune.example import Refused

        try:
            prompt = self._encoder.prompt(sample_of(question))
        except Refused as reason:
            return str(reason)
        if longest is not None and len(prompt.ids) > longest:
            return f"the prompt has {len(prompt.ids):,} tokens, and there is room for {longest:,}"
        return prompt

    def _room(self, benchmark: AnyBenchmark) -> tuple[int | None, int]:
        """The longest prompt, and the longest answer; models of fixed positions cannot go beyond."""
        model, new = self._encoder.model, benchmark.max_new_tokens
        limit = getattr(model.model.config.get_text_config(), "max_position_embeddings", None)
        if model.seq2seq or not isinstance(limit, int):
            return None, new
        new = min(new, max(limit // 2, 1))
        return limit - new, new

    @cached_property
    def _where(self) -> str:
        from vlit.tune.models.registry import placed

        return placed(self._source, self.base)

    @cached_property
    def _adapters(self) -> bool:
        return (Path(self._where) / "adapter_config.json").is_file()

    @cached_property
    def _encoder(self) -> Encoder:
        """Tokenizer, template and image slots, without weights."""
        from vlit.tune.chat.encode import Encoder
        from vlit.tune.chat.template import Template

        model = self._bare
        template = Template.of(model.tokenizer, self.template, base=self.base)
        return Encoder(model, template, max_length=2048)

    @cached_property
    def _bare(self) -> Architecture:
        from vlit.tune.config import ModelConfig
        from vlit.tune.models.registry import load_model, open_model

        if not self._adapters:
            return open_model(ModelConfig(checkpoint=self._source), self.base, weights=False)
        from vlit.tune.result import BASE

        folder = Path(self._where)
        about = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
        own = folder / BASE
        return load_model(str(own) if own.is_dir() else str(about["base_model_name_or_path"]), weights=False)

    @cached_property
    def _loaded(self) -> Architecture:
        """The model with its weights, on its device."""
        from vlit.tune.models.registry import load_model
        from vlit.tune.result import open_result

        found = open_result(Path(self._where)) if self._adapters else load_model(self._where)
        found.model.to(self.device, self._dtype)
        return found

    @cached_property
    def _dtype(self) -> torch.dtype:
        import torch

        from vlit.weights.device import pick_dtype

        return pick_dtype(self.device) if self.device.type == "cuda" else torch.float32

    @cached_property
    def _weights(self) -> str:
        folder = Path(self._where)
        if folder.is_dir():
            return digest_of(folder)
        return str(getattr(self._bare.model.config, "_commit_hash", None) or "")


def digest_of(folder: Path) -> str:
    """A hash of the content of a model's files; of a run's model those that tuning has published."""
    return fingerprint([(name, file_digest(folder / name)) for name in files_of(folder)])


def files_of(folder: Path) -> list[str]:
    """Names of the files of a model that lies in a folder with other things."""
    notes = folder / "vlit.json"
    if notes.is_file():
        names = [str(name) for name in json.loads(notes.read_text(encoding="utf-8")).get("files", [])]
    else:
        own = [path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]
        names = [path.name for path in own]
    return sorted(name for name in names if not name.endswith(_ASIDE) and (folder / name).is_file())
