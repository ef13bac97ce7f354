"""Answers of a model to prompts, in batches, greedily: the same text whatever shares the batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from vlit.data.images import ImageProblem, open_rgb
from vlit.data.scene import Image
from vlit.tune.example import IGNORE, Batch, Example
from vlit.tune.models.architecture import Architecture

if TYPE_CHECKING:
    import torch

#: Batches of a window. Inside a window prompts are taken by length, so that little is padded.
_WINDOW = 16
#: Threads that open the photos of the next batch while the model answers this one.
READERS = 2
#: The most likely token, whatever sampling and penalties the checkpoint recommends.
_GREEDY: Mapping[str, Any] = {
    "do_sample": False,
    "num_beams": 1,
    "repetition_penalty": 1.0,
    "no_repeat_ngram_size": 0,
}

_Pixels = Mapping[str, "torch.Tensor"]


@dataclass(frozen=True)
class Answer:
    """What a model says to one prompt, or why it was not asked."""

    index: int  #: of the prompt
    text: str = ""  #: without special tokens and white space around it
    tokens: int = 0  #: that the model said, the one that ends the answer included
    ended: bool = False  #: False: cut after ``max_new_tokens``
    problem: str = ""  #: why the prompt could not be asked; empty where it was

    @property
    def asked(self) -> bool:
        """Whether the text is the model's: a photo that cannot be opened leaves none."""
        return not self.problem


def answers(
    model: Architecture,
    prompts: Sequence[Example],
    *,
    batch: int,
    max_new_tokens: int,
    most_tokens: int | None = None,
    stops: Sequence[int] | None = None,
) -> list[str]:
    """The model's answer to each prompt, in order. See :func:`each_answer`.

    Raises:
        ImageProblem: When a photo cannot be opened; all other prompts have been answered by then. Take
            :func:`each_answer` where that may happen.
        VlitError: When memory runs out for a single prompt.
    """
    found = sorted(
        each_answer(
            model,
            prompts,
            batch=batch,
            max_new_tokens=max_new_tokens,
            most_tokens=most_tokens,
            stops=stops,
        ),
        key=lambda answer: answer.index,
    )
    if lost := [answer for answer in found if not answer.asked]:
        first = lost[0]
        raise ImageProblem(f"prompt {first.index} ({prompts[first.index].id}): {first.problem}")
    return [answer.text for answer in found]


def each_answer(
    model: Architecture,
    prompts: Sequence[Example],
    *,
    batch: int,
    max_new_tokens: int,
    most_tokens: int | None = None,
    stops: Sequence[int] | None = None,
) -> Iterator[Answer]:
    """Answers as they are made: each prompt once, those of a window by length. Photos are opened ahead.

    In float32 the text is the same for every ``batch``; in bfloat16 sums are rounded by shape, and where two
    tokens are as good as equal one batch may take the other. Where memory runs out the batch is halved.

    Args:
        model: On its device; put into evaluation while it answers.
        prompts: As ``Encoder.prompt`` makes them; with several images, one or none.
        batch: Prompts at once, at most.
        max_new_tokens: Length of an answer, at most.
        most_tokens: Tokens of a batch, padding and answers counted, at most; one prompt is always taken.
        stops: Ids that end an answer, as ``Encoder.stops``; by default those of the checkpoint and of its own
            chat template.

    Raises:
        VlitError: When memory runs out for a single prompt, or the checkpoint's chat template is of no use.
    """
    from vlit.weights.device import in_batches

    ends = list(stops_of(model) if stops is None else stops)

    def run(chunk: Sequence[_Ready]) -> list[Answer]:
        return _generated(model, chunk, max_new_tokens, ends)

    with evaluating(model), ThreadPoolExecutor(READERS) as readers:
        for opened in ahead(model, chunks(prompts, batch, max_new_tokens, most_tokens), readers):
            yield from (Answer(index, problem=why) for index, _, why in opened if isinstance(why, str))
            ready = [(i, prompt, pixels) for i, prompt, pixels in opened if not isinstance(pixels, str)]
            yield from in_batches(ready, max(len(ready), 1), run, model.name)


def stops_of(model: Architecture) -> tuple[int, ...]:
    """Ids that end an answer: what the checkpoint names, and the end of a turn in its chat template.

    Raises:
        VlitError: When the chat template cannot be used.
    """
    from vlit.tune.chat.encode import Encoder
    from vlit.tune.chat.template import Template

    found: list[int] = []
    for place in (model.model.generation_config, model.tokenizer):
        own = getattr(place, "eos_token_id", None)
        found += own if isinstance(own, (list, tuple)) else [] if own is None else [own]
    if model.tokenizer.chat_template is not None:
        found += Encoder(model, Template.of(model.tokenizer), max_length=8).stops
    return tuple(dict.fromkeys(int(i) for i in found))


_Chunk = list[tuple[int, Example]]
_Ready = tuple[int, Example, Sequence[_Pixels]]
_Opened = list[tuple[int, Example, "Sequence[_Pixels] | str"]]


def chunks(prompts: Sequence[Example], batch: int, new: int, most: int | None) -> Iterator[_Chunk]:
    """Prompts of a batch each; in a window the longest first, so that memory runs out early or not at all."""
    for start in range(0, len(prompts), batch * _WINDOW):
        window = sorted(
            enumerate(prompts[start : start + batch * _WINDOW], start),
            key=lambda item: (-len(item[1].ids), item[0]),
        )
        while window:
            longest = len(window[0][1].ids) + new
            size = batch if most is None else min(batch, max(most // longest, 1))
            yield window[:size]
            window = window[size:]


def ahead(model: Architecture, chunks: Iterator[_Chunk], readers: ThreadPoolExecutor) -> Iterator[_Opened]:
    """Chunks with their photos opened, those of the next one while this one is used."""
    waiting: list[tuple[_Chunk, dict[str, Future[_Pixels | str]]]] = []

    def start() -> None:
        if (chunk := next(chunks, None)) is not None:
            images = {image.uri: image for _, prompt in chunk for image in prompt.images}
            waiting.append((chunk, {uri: readers.submit(_open, model, image) for uri, image in images.items()}))

    start()
    while waiting:
        chunk, futures = waiting.pop()
        found = {uri: future.result() for uri, future in futures.items()}
        start()
        opened: _Opened = []
        for index, prompt in chunk:
            own = [found[image.uri] for image in prompt.images]
            lost = next(
                (f"{i.uri}: {p}" for i, p in zip(prompt.images, own, strict=True) if isinstance(p, str)), ""
            )
            opened.append((index, prompt, lost or [pixels for pixels in own if not isinstance(pixels, str)]))
        yield opened


def _open(model: Architecture, image: Image) -> _Pixels | str:
    """What the vision part reads of a photo, or why there is none."""
    try:
        picture = open_rgb(image)
    except ImageProblem as problem:
        return str(problem)
    if picture.size != (image.width, image.height):
        was = f"{image.width}x{image.height}"
        return f"is {picture.width}x{picture.height} now and was {was} when it was encoded"
    return model.pixels([picture])


def _generated(
    model: Architecture, chunk: Sequence[_Ready], max_new_tokens: int, stops: list[int]
) -> list[Answer]:
    import torch

    batch = _left_padded(model, chunk).to(model.model.device)
    pad = _pad(model)
    settings = {"eos_token_id": stops} if stops else {}
    with torch.no_grad():
        found = model.model.generate(
            **model.inputs(batch),
            attention_mask=(batch.documents > 0).long(),
            max_new_tokens=max_new_tokens,
            pad_token_id=pad,
            **settings,
            **_GREEDY,
        )
    length = batch.ids.shape[1]
    # Some models give the prompt back in front of what they say, some do not.
    if not model.seq2seq and torch.equal(found[:, :length], batch.ids):
        found = found[:, length:]
    elif model.seq2seq:
        found = found[:, 1:]  # what the decoder starts with
    return [_answer(model, index, row, stops) for (index, _, _), row in zip(chunk, found.tolist(), strict=True)]


def _answer(model: Architecture, index: int, said: list[int], stops: Sequence[int]) -> Answer:
    end = next((place for place, token in enumerate(said) if token in stops), None)
    kept = said if end is None else said[:end]
    text = model.tokenizer.decode(kept, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return Answer(index, text.strip(), len(kept) + (end is not None), end is not None)


def _left_padded(model: Architecture, chunk: Sequence[_Ready]) -> Batch:
    """Prompts that end at the same place, each a document of its own."""
    import torch

    from vlit.tune.collate import stacked

    prompts = [prompt for _, prompt, _ in chunk]
    longest = max(len(prompt.ids) for prompt in prompts)
    ids = np.full((len(prompts), longest), _pad(model), dtype=np.int64)
    documents = np.zeros((len(prompts), longest), dtype=np.int32)
    positions = np.zeros((len(prompts), longest), dtype=np.int64)
    for row, prompt in enumerate(prompts):
        start = longest - len(prompt.ids)
        ids[row, start:], documents[row, start:] = prompt.ids, 1
        positions[row, start:] = np.arange(len(prompt.ids))
    batch = Batch(
        ids=torch.from_numpy(ids),
        labels=torch.full(ids.shape, IGNORE),
        positions=torch.from_numpy(positions),
        documents=torch.from_numpy(documents),
        images=stacked([pixels for _, _, own in chunk for pixels in own]),
        samples=tuple(prompt.id for prompt in prompts),
    )
    instruct = getattr(model, "instruct", None)  # of architectures with a Q-Former that reads
    told = [prompt.instruction for prompt in prompts for _ in prompt.images]
    return replace(batch, instructions=dict(instruct(told))) if told and instruct is not None else batch


def _pad(model: Architecture) -> int:
    tokenizer = model.tokenizer
    known = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    return 0 if known is None else int(known)


@contextmanager
def evaluating(model: Architecture) -> Iterator[None]:
    """A model in evaluation; afterwards its modules are as they were."""
    training = [module for module in model.model.modules() if module.training]
    model.model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
