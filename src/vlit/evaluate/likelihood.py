"""-log P of the options of questions, with images and question computed once for all options of one.

    together   decoders that can share a row: all options behind one prompt, each sees the prompt and itself
    read once  encoder-decoders: one pass of the encoder, and a row of the decoder for each option
    cached     ``auto``: keys and values of the prompt, which the options go on from; a question at a time
    apart      one pass for each option, where none of these gives the same

One question is asked in both ways first; a way that does not give what ``apart`` gives is not used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vlit.data.errors import VlitError
from vlit.tune.collate import Pixels, collate
from vlit.tune.example import IGNORE, Batch, Example
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
class Ready:
    """A question with its photos opened."""

    asked: Asked
    pixels: Sequence[Pixels]  #: what the vision part reads of each photo of the prompt


#: Gives for each question the sum of -log P over the tokens of each option, in nats.
Way = Callable[[Architecture, Sequence[Ready]], list[list[float]]]


@contextmanager
def sharing(model: Architecture, longest: int) -> Iterator[Way]:
    """The way that fits a model; its attention is set for it, and set back."""
    from vlit.tune.attention import set_attention
    from vlit.tune.models.auto import Auto

    if model.seq2seq or not model.packs:
        yield read_once if model.seq2seq else cached if isinstance(model, Auto) else apart
        return
    was = model.decoder.config._attn_implementation
    try:
        set_attention(model, "dense", longest)
    except VlitError:  # a window, or a mask of its own
        yield apart
        return
    try:
        yield together
    finally:
        if model.decoder.config._attn_implementation != was:
            model.decoder.set_attn_implementation(was)


def proved(model: Architecture, way: Way, ready: Ready) -> Way:
    """The way, when it gives what one pass for each option gives."""
    from vlit.weights.device import spent

    if way is apart:
        return way
    counts = np.array([len(option) for option in ready.asked.options])
    expected = np.array(apart(model, [ready])[0]) / counts
    try:
        found = np.array(way(model, [ready])[0]) / counts
    except (TypeError, ValueError, AttributeError, NotImplementedError, IndexError, RuntimeError) as error:
        if way is not cached or spent(error):
            raise
        return apart  # this model's cache cannot be gone on from
    tolerance = _TOLERANCE.get(str(_dtype(model)).removeprefix("torch."), 1e-3)
    return way if np.allclose(found, expected, rtol=tolerance, atol=tolerance) else apart


def together(model: Architecture, chunk: Sequence[Ready]) -> list[list[float]]:
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


def read_once(model: Architecture, chunk: Sequence[Ready]) -> list[list[float]]:
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


def cached(model: Architecture, chunk: Sequence[Ready]) -> list[list[float]]:
    """One question after the other: the prompt, then its options as rows that go on from it."""
    return [_going_on_from_cache(model, ready) for ready in chunk]


def _going_on_from_cache(model: Architecture, ready: Ready) -> list[float]:
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


def apart(model: Architecture, chunk: Sequence[Ready]) -> list[list[float]]:
    """One pass for each option, as the official script does; of several questions at once."""
    import torch

    from vlit.tune.attention import mask

    found: list[list[float]] = [[] for _ in chunk]
    for number in range(max(len(ready.asked.options) for ready in chunk)):
        rows = [row for row, ready in enumerate(chunk) if number < len(ready.asked.options)]
        own = [
            Ready(Asked(chunk[row].asked.prompt, (chunk[row].asked.options[number],)), chunk[row].pixels)
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
    model: Architecture, states: torch.Tensor, at: Sequence[_Ints], chunk: Sequence[Ready]
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


def _collated(model: Architecture, examples: Sequence[Example], chunk: Sequence[Ready]) -> Batch:
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
