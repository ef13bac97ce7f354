"""Likelihood ranking: the loss of each option's content, given images and question; the lowest answers.

The model need not follow any instruction, so it is how SEED-Bench's script (2023) asks. Neither letters nor the
other options are in the prompt. What it takes of an option differs by its interfaces:

    InstructBLIP, from LAVIS          sum over the option's tokens, its end included
    InstructBLIP, from transformers   mean over them, its end included
    LLaVA-1.5, in the second version  mean over them, its end included

Hence the defaults here. By the sum without the end, an option that begins another one never loses to it. The
script makes a pass for each option, prompt and all; here images and question are computed once:

    together   decoders that can share a row: all options behind one prompt, each sees the prompt and itself
    read once  encoder-decoders: one pass of the encoder, and a row of the decoder for each option
    cached     ``auto``: keys and values of the prompt, which the options go on from; a question at a time
    apart      one pass for each option, where none of these gives the same

The first question is asked in both ways; one that does not give what ``apart`` gives is not used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vlit.data.errors import VlitError
from vlit.data.sample import Sample, Turn
from vlit.evaluate.question import Question
from vlit.tune.answer import _READERS, _ahead, _chunks, _evaluating
from vlit.tune.chat.dialogue import Message, dialogue_of
from vlit.tune.chat.encode import Encoder, build
from vlit.tune.collate import Pixels, collate
from vlit.tune.example import IGNORE, Batch, Example, Refused
from vlit.tune.loss import SLICE
from vlit.tune.models.architecture import Architecture

if TYPE_CHECKING:
    import torch

#: Losses per token of two ways differ by less than this, absolutely or as a share; else one of them is wrong.
_TOLERANCE = {"float32": 1e-3, "bfloat16": 5e-2, "float16": 1e-2}

_Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Asked:
    """A question and its options as a model reads them."""

    prompt: Example  #: up to where an answer begins
    options: tuple[tuple[int, ...], ...]  #: ids of each

    @property
    def length(self) -> int:
        """Tokens of the prompt with the longest option."""
        return len(self.prompt.ids) + max(map(len, self.options))


@dataclass(frozen=True)
class _Ready:
    asked: Asked
    pixels: Sequence[Pixels]


#: Gives for each question the sum of -log P over the tokens of each option, in nats.
_Way = Callable[[Architecture, Sequence[_Ready]], list[list[float]]]


def losses(
    model: Architecture,
    encoder: Encoder,
    questions: Sequence[Question],
    *,
    batch: int,
    mean: bool = True,
    end: bool = True,
) -> Iterator[tuple[int, tuple[float, ...] | str]]:
    """The loss of each option of each question, as they are made; each question once.

    Where memory runs out the batch is halved. In bfloat16 sums are rounded by shape: where two options are as
    good as equal, another batch may prefer the other.

    Args:
        model: On its device; put into evaluation while it answers.
        encoder: Lays out prompt and options as those of training.
        questions: With options; the prompt does not have to name them.
        batch: Questions at once, at most.
        mean: Over the option's tokens; else their sum, which favours short options.
        end: Whether the end of the answer is among the tokens.

    Yields:
        Place of the question, and nats for each option, or the reason why it could not be asked.

    Raises:
        VlitError: When memory runs out for a single question.
    """
    from vlit.weights.device import in_batches

    kept: dict[int, Asked] = {}
    for place, question in enumerate(questions):
        try:
            kept[place] = _fitting(model, asked_of(encoder, question, end=end))
        except Refused as reason:
            yield place, str(reason)
    places = list(kept)
    prompts = [kept[place].prompt for place in places]
    longest = max((asked.length for asked in kept.values()), default=0)
    with _evaluating(model), _sharing(model, longest) as way, ThreadPoolExecutor(_READERS) as readers:
        proved = False
        for opened in _ahead(model, _chunks(prompts, batch, 0, None), readers):
            yield from ((places[index], why) for index, _, why in opened if isinstance(why, str))
            own = [places[index] for index, _, pixels in opened if not isinstance(pixels, str)]
            ready = [_Ready(kept[places[i]], pixels) for i, _, pixels in opened if not isinstance(pixels, str)]
            if ready and not proved:
                way, proved = _proved(model, way, min(ready, key=lambda one: one.asked.length)), True
            found = in_batches(ready, max(len(ready), 1), lambda chunk: way(model, chunk), model.name)  # noqa: B023
            for place, sums in zip(own, found, strict=True):
                counts = [len(option) if mean else 1 for option in kept[place].options]
                yield place, tuple(total / n for total, n in zip(sums, counts, strict=True))


def asked_of(encoder: Encoder, question: Question, *, end: bool = True) -> Asked:
    """A question, and each option as the answer of the chat template would be, spaces in front included.

    Raises:
        Refused: When there is no option, one is empty, or something cannot be read.
    """
    if not question.options:
        raise Refused("there are no options to rank")
    turn = Turn(role="user", text=question.prompt)
    sample = Sample(id=question.id, turns=(turn,), images=question.images)
    prompt = encoder.prompt(sample)
    said = _answer_of(encoder, sample, end=end)
    found = []
    for number, option in enumerate(question.options):
        name = chr(ord("A") + number)
        if not option.strip():
            raise Refused(f"option {name} is empty")
        try:
            ids = said(option.strip())
        except Refused as reason:
            raise Refused(f"option {name}: {reason}") from None
        if not ids:
            raise Refused(f"option {name} has no token")
        found.append(tuple(ids))
    return Asked(prompt, tuple(found))


def _answer_of(encoder: Encoder, sample: Sample, *, end: bool) -> Callable[[str], Sequence[int]]:
    """Text to the ids that it has as an answer to a sample."""
    if encoder.model.seq2seq:
        eos = encoder.model.tokenizer.eos_token_id
        tail = [int(eos)] if end and eos is not None else []
        return lambda text: [*encoder.tokens.read([(text, False)], None), *tail]
    dialogue = dialogue_of(sample)
    pieces = encoder.layout.pieces([*dialogue.messages, Message("assistant", ("",))])
    at = max(place for place, piece in enumerate(pieces) if piece.kind == "answer")
    behind = pieces[at + 1 : at + 2] if end else []  # an answer's end is the next piece, always

    def read(text: str) -> Sequence[int]:
        own = [*pieces[:at], replace(pieces[at], text=text), *behind]
        draft = build(encoder.tokens, own, dialogue.images, encoder.model.slot, front=encoder.layout.front)
        return draft.ids[draft.answer[0] :]

    return read


def _fitting(model: Architecture, asked: Asked) -> Asked:
    most = getattr(model.decoder.config, "max_position_embeddings", None)
    if isinstance(most, int) and asked.length > most:
        raise Refused(f"{asked.length} tokens, and the model has positions for {most}")
    return asked


@contextmanager
def _sharing(model: Architecture, longest: int) -> Iterator[_Way]:
    """The way that fits a model; its attention is set for it, and set back."""
    from vlit.tune.attention import set_attention
    from vlit.tune.models.auto import Auto

    if model.seq2seq or not model.packs:
        yield _read_once if model.seq2seq else _cached if isinstance(model, Auto) else _apart
        return
    was = model.decoder.config._attn_implementation
    try:
        set_attention(model, "dense", longest)
    except VlitError:  # a window, or a mask of its own
        yield _apart
        return
    try:
        yield _together
    finally:
        if model.decoder.config._attn_implementation != was:
            model.decoder.set_attn_implementation(was)


def _proved(model: Architecture, way: _Way, ready: _Ready) -> _Way:
    """The way, when it gives what one pass for each option gives."""
    from vlit.weights.device import spent

    if way is _apart:
        return way
    counts = np.array([len(option) for option in ready.asked.options])
    expected = np.array(_apart(model, [ready])[0]) / counts
    try:
        found = np.array(way(model, [ready])[0]) / counts
    except (TypeError, ValueError, AttributeError, NotImplementedError, IndexError, RuntimeError) as error:
        if way is not _cached or spent(error):
            raise
        return _apart  # this model's cache cannot be gone on from
    tolerance = _TOLERANCE.get(str(_dtype(model)).removeprefix("torch."), 1e-3)
    return way if np.allclose(found, expected, rtol=tolerance, atol=tolerance) else _apart


def _together(model: Architecture, chunk: Sequence[_Ready]) -> list[list[float]]:
    """A row for each question: its prompt, then all options but their last tokens, which foretell nothing."""
    import torch

    examples, parts, positions, places = [], [], [], []
    for ready in chunk:
        prompt, tails = ready.asked.prompt, [option[:-1] for option in ready.asked.options]
        length, counts = len(prompt.ids), [len(tail) for tail in tails]
        begins = length + np.cumsum([0, *counts[:-1]])
        examples.append(_going_on(prompt, [token for tail in tails for token in tail]))
        parts.append(np.repeat(np.arange(len(tails) + 1), [length, *counts]))
        positions.append(np.concatenate([np.arange(length), *(length + np.arange(n) for n in counts)]))
        places.append([np.array([length - 1, *range(a, a + n)]) for a, n in zip(begins, counts, strict=True)])
    batch = _collated(model, examples, chunk)
    n = batch.ids.shape[1]
    batch = replace(batch, positions=torch.from_numpy(_padded(positions, 0))).to(model.model.device)
    part = torch.from_numpy(_padded(parts, -1)).to(model.model.device)
    order = torch.arange(n, device=part.device)
    seen = (part[:, None, :] == 0) | (part[:, None, :] == part[:, :, None])
    hidden = torch.full(seen.shape, torch.finfo(_dtype(model)).min, dtype=_dtype(model), device=part.device)
    mask = hidden.masked_fill(seen & (order[:, None] >= order), 0)[:, None]
    with torch.no_grad():
        states = model.hidden(batch, mask).flatten(0, 1)
    at = [row * n + place for row, own in enumerate(places) for place in own]
    return _summed(model, states, at, chunk)


def _read_once(model: Architecture, chunk: Sequence[_Ready]) -> list[list[float]]:
    """The encoder reads each question once; the decoder has a row for each option."""
    import torch

    from vlit.tune.attention import mask

    options = [np.array(option) for ready in chunk for option in ready.asked.options]
    examples = [replace(ready.asked.prompt, labels=np.zeros(1, dtype=np.int32)) for ready in chunk]
    labels = torch.from_numpy(_padded(options, IGNORE))
    batch = replace(_collated(model, examples, chunk), labels=labels).to(model.model.device)
    counts = torch.tensor([len(ready.asked.options) for ready in chunk])
    of = torch.arange(len(chunk)).repeat_interleave(counts).to(model.model.device)

    def repeat(module: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        read = {name: kwargs[name][of] for name in ("encoder_hidden_states", "encoder_attention_mask")}
        return args, {**kwargs, **read}

    hook = model.decoder.get_decoder().register_forward_pre_hook(repeat, with_kwargs=True)
    try:
        with torch.no_grad():
            states = model.hidden(batch, mask(batch, "padded", _dtype(model))).flatten(0, 1)
    finally:
        hook.remove()
    at = [row * labels.shape[1] + np.arange(len(option)) for row, option in enumerate(options)]
    return _summed(model, states, at, chunk)


def _cached(model: Architecture, chunk: Sequence[_Ready]) -> list[list[float]]:
    """One question after the other: the prompt, then its options as rows that go on from it."""
    return [_going_on_from_cache(model, ready) for ready in chunk]


def _going_on_from_cache(model: Architecture, ready: _Ready) -> list[float]:
    import torch

    prompt, options = ready.asked.prompt, ready.asked.options
    batch = _collated(model, [_going_on(prompt, ())], [ready]).to(model.model.device)
    body = model.model.base_model
    with torch.no_grad():
        read = body(**model.inputs(batch), attention_mask=torch.ones_like(batch.ids), use_cache=True)
        last = read.last_hidden_state[:, -1]
        states, wide = last, max(map(len, options)) - 1
        if wide:
            tails = _padded([np.array(option[:-1], dtype=np.int64) for option in options], 0)
            ids = torch.from_numpy(tails).to(batch.ids.device)
            cache = read.past_key_values
            cache.batch_repeat_interleave(len(options))
            # Without a mask: what fills a short option up stands behind it, where nothing of it looks.
            said = body(input_ids=ids, past_key_values=cache, use_cache=True).last_hidden_state
            states = torch.cat([last, said.flatten(0, 1)])
    at = [np.array([0, *range(1 + r * wide, r * wide + len(o))]) for r, o in enumerate(options)]
    return _summed(model, states, at, [ready])[0]


def _apart(model: Architecture, chunk: Sequence[_Ready]) -> list[list[float]]:
    """One pass for each option, as the official script does; of several questions at once."""
    import torch

    from vlit.tune.attention import mask

    found: list[list[float]] = [[] for _ in chunk]
    for number in range(max(len(ready.asked.options) for ready in chunk)):
        rows = [row for row, ready in enumerate(chunk) if number < len(ready.asked.options)]
        own = [
            _Ready(Asked(chunk[row].asked.prompt, (chunk[row].asked.options[number],)), chunk[row].pixels)
            for row in rows
        ]
        said = [ready.asked.options[0] for ready in own]
        if model.seq2seq:
            told = [
                replace(r.asked.prompt, labels=np.array(o, dtype=np.int32))
                for r, o in zip(own, said, strict=True)
            ]
        else:
            told = [_going_on(r.asked.prompt, o[:-1]) for r, o in zip(own, said, strict=True)]
        batch = _collated(model, told, own).to(model.model.device)
        with torch.no_grad():
            states = model.hidden(batch, mask(batch, "padded", _dtype(model)))
        starts = [0 if model.seq2seq else len(ready.asked.prompt.ids) - 1 for ready in own]
        at = [
            row * states.shape[1] + start + np.arange(len(o))
            for row, (start, o) in enumerate(zip(starts, said, strict=True))
        ]
        sums = _summed(model, states.flatten(0, 1), at, own)
        for row, (total,) in zip(rows, sums, strict=True):
            found[row].append(total)
    return found


def _summed(
    model: Architecture, states: torch.Tensor, at: Sequence[_Ints], chunk: Sequence[_Ready]
) -> list[list[float]]:
    """-log P of each option, in nats. The head sees the states that foretell its tokens, each once.

    Args:
        model: Whose head it is.
        states: (k, d).
        at: For each option the states that foretell its tokens.
        chunk: The questions, whose options these are in order.
    """
    import torch

    wanted = np.concatenate([option for ready in chunk for option in ready.asked.options])
    used, which = np.unique(np.concatenate(at), return_inverse=True)
    found = np.zeros(len(wanted))
    with torch.no_grad():
        for begin in range(0, len(used), SLICE):
            logits = model.head(states[torch.from_numpy(used[begin : begin + SLICE])]).float()
            own = np.flatnonzero((which >= begin) & (which < begin + SLICE))
            row = torch.from_numpy(which[own] - begin).to(logits.device)
            token = torch.from_numpy(wanted[own]).to(logits.device)
            found[own] = (logits.logsumexp(-1)[row] - logits[row, token]).double().cpu().numpy()
    sums = iter(np.add.reduceat(found, np.cumsum([0, *(len(own) for own in at[:-1])])))
    return [[float(next(sums)) for _ in ready.asked.options] for ready in chunk]


def _going_on(prompt: Example, tokens: Sequence[int]) -> Example:
    ids = np.concatenate([prompt.ids, np.array(tokens, dtype=np.int32)])
    return replace(prompt, ids=ids, labels=np.full(len(ids), IGNORE, dtype=np.int32))


def _collated(model: Architecture, examples: Sequence[Example], chunk: Sequence[_Ready]) -> Batch:
    pixels = {
        image.uri: own
        for ready in chunk
        for image, own in zip(ready.asked.prompt.images, ready.pixels, strict=True)
    }
    return collate([[example] for example in examples], model, pixels)


def _padded(rows: Sequence[_Ints], value: int) -> _Ints:
    whole = np.full((len(rows), max(len(row) for row in rows)), value, dtype=np.int64)
    for to, row in zip(whole, rows, strict=True):
        to[: len(row)] = row
    return whole


def _dtype(model: Architecture) -> torch.dtype:
    found: torch.dtype = model.decoder.dtype
    return found
