"""How documents that share a row are kept apart in the decoder's attention, exactly.

A document attends to itself alone, causally. What tells the documents apart travels in the decoder's
``attention_mask`` as a 4-D tensor, which ``transformers.masking_utils`` hands through as it is; so
checkpointing recomputes with the same one. A 2-D mask of ones would let documents read each other in silence.

    dense     a mask of (n, n) for each row, for eager and sdpa: the reference, quadratic in memory
    segments  scaled dot-product attention on the slice of each document, without a mask
    flex      FlexAttention with a BlockMask; on a CPU forward only
    varlen    ``torch.nn.attention.varlen``: the kernels of FlashAttention, on a GPU in half precision
    padded    a plain 2-D mask, one document to a row: for models that do not pack
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Literal, cast

from vlit.data.errors import VlitError
from vlit.tune.example import IGNORE, Batch

if TYPE_CHECKING:
    import torch

    from vlit.tune.models.architecture import Architecture

Kind = Literal["dense", "segments", "flex", "varlen", "padded"]

SEGMENTS, VARLEN = "vlit_segments", "vlit_varlen"  #: names in transformers' AttentionInterface
_WHERE = "tune.attention"
#: Hidden states of packed and separate documents differ by less than this, as a share of the largest.
_TOLERANCE = {"float32": 1e-4, "bfloat16": 5e-2, "float16": 1e-2}


def resolve(kind: str, model: Architecture, device: torch.device, dtype: torch.dtype, longest: int) -> Kind:
    """The kind of attention that is used: ``auto`` made one, and checked against the model.

    Args:
        kind: As the recipe has it.
        model: Whose decoder attends.
        device: That it runs on.
        dtype: That it multiplies in.
        longest: Tokens of the longest document.

    Raises:
        VlitError: When the model or the device cannot do what was asked for.
    """
    if not model.packs:
        return "padded"
    if kind == "auto":
        quick: tuple[Kind, ...] = ("varlen", "segments") if device.type == "cuda" else ("segments",)
        return next((k for k in quick if not _why_not(k, model, device, dtype, longest)), "dense")
    if reason := _why_not(cast("Kind", kind), model, device, dtype, longest):
        raise VlitError(
            f"attention: {kind} is not for this model and device: {reason}", where=_WHERE, todo="use `auto`"
        )
    return cast("Kind", kind)


def set_attention(model: Architecture, kind: Kind, longest: int = 0) -> None:
    """Set the decoder's attention; the vision encoder and the Q-Former keep theirs. ``generate`` still works.

    Args:
        model: Changed in place. Nothing of it is saved with the model.
        kind: As resolved.
        longest: Tokens of the longest document.

    Raises:
        VlitError: When documents cannot be kept apart exactly in this model.
    """
    if kind != "padded" and (reason := _unpackable(model.decoder, kind, longest)):
        raise VlitError(f"documents cannot share rows: {reason}", where=_WHERE, todo="set tune.pack to false")
    decoder = model.decoder
    if kind in ("segments", "varlen"):
        _register()
        wanted = SEGMENTS if kind == "segments" else VARLEN
    elif kind == "flex":
        wanted = "flex_attention"
    elif _eager_only(decoder) or decoder.config._attn_implementation == "eager":
        wanted = "eager"
    else:
        wanted = "sdpa"
    if decoder.config._attn_implementation != wanted:
        decoder.set_attn_implementation(wanted)


def mask(batch: Batch, kind: Kind, dtype: torch.dtype) -> Any:
    """What the decoder takes as ``attention_mask``.

    Returns:
        dense: (rows, 1, n, n) of 0 and the lowest number of ``dtype``. segments: (rows, 1, 1, k) int32 on the
        CPU, lengths of a row's documents, filled up with 0. varlen: (1, 1, longest, documents + 1) int32, where
        each document ends, and the longest of them as a size that costs no memory. flex: a BlockMask. padded:
        (rows, n).
    """
    import torch

    documents = batch.documents
    if kind == "padded":
        return (documents > 0).long()
    if kind == "flex":
        return _block_mask(documents)
    if kind == "dense":
        places = torch.arange(documents.shape[1], device=documents.device)
        seen = (documents[:, :, None] == documents[:, None, :]) & (places[:, None] >= places)
        lowest = torch.finfo(dtype).min
        return torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill(~seen, lowest)[:, None]
    rows = lengths(documents)
    if kind == "segments":
        most = max(len(row) for row in rows)
        filled = [row + [0] * (most - len(row)) for row in rows]
        return torch.tensor(filled, dtype=torch.int32)[:, None, None, :]
    flat = [length for row in rows for length in row]
    ends = torch.tensor([0, *flat]).cumsum(0).to(torch.int32).to(documents.device)
    return ends[None, None, None, :].expand(1, 1, max(flat), -1)


def lengths(documents: torch.Tensor) -> list[list[int]]:
    """Tokens of each row's documents, in order; padding counts as one. (rows, n) -> rows of lengths."""
    import torch

    rows, n = documents.shape
    begins = torch.ones((rows, n), dtype=torch.bool, device=documents.device)
    begins[:, 1:] = documents[:, 1:] != documents[:, :-1]
    at = begins.cpu().numpy()
    return [[int(b - a) for a, b in zip(s, [*s[1:], n], strict=True)] for s in (r.nonzero()[0] for r in at)]


def verify(model: Architecture, kind: Kind, dtype: torch.dtype) -> float:
    """Compare hidden states of two short documents in one row and each alone.

    A check of what was set, on the model itself, for a forward pass of a few dozen tokens without images.

    Returns:
        The largest difference, as a share of the largest value.

    Raises:
        VlitError: When documents of a row read each other.
    """
    import torch

    body, device = model.model, next(model.model.parameters()).device
    first, second = torch.arange(9) % 7 + 5, torch.arange(14) % 11 + 4
    whole, alone = _texts([first, second]).to(device), [_texts([d]).to(device) for d in (first, second)]
    training = body.training
    body.eval()
    try:
        with torch.no_grad(), torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            packed = model.hidden(whole, mask(whole, kind, dtype))[0].float()
            apart = torch.cat([model.hidden(b, mask(b, kind, dtype))[0].float() for b in alone])
    finally:
        body.train(training)
    found = float((packed - apart).abs().max() / apart.abs().max())
    if not found <= _TOLERANCE[str(dtype).removeprefix("torch.")]:  # NaN too
        raise VlitError(
            f"documents of a row read each other: hidden states differ by {found:.2g} of the largest",
            where=_WHERE,
            todo="set tune.pack to false, and tell us which model this is",
        )
    return found


def segments(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Attention of each document on its slice: (rows, heads, n, d) -> (rows, n, heads, d).

    Called by transformers. Any other mask than that of ``mask``, such as generation makes, goes to plain sdpa.
    """
    import torch

    if not _is_ours(attention_mask):
        return _plain(module, query, key, value, attention_mask, dropout, scaling, kwargs)
    assert attention_mask is not None
    window = kwargs.get("sliding_window")
    groups = query.shape[1] // key.shape[1]
    if groups > 1 and query.device.type != "cuda":  # no kernel for grouped heads but on CUDA
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
        groups = 1

    def attended(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        band = _band(q, window)
        return torch.nn.functional.scaled_dot_product_attention(
            q, k, v, band, dropout, is_causal=band is None, scale=scaling, enable_gqa=groups > 1
        )

    done = []
    for row, filled in enumerate(attention_mask[:, 0, 0].tolist()):
        own = [
            length for length in filled if length
        ]  # split() is one copy in the backward pass, slices are many
        apart = (torch.split(whole[row : row + 1], own, dim=2) for whole in (query, key, value))
        done.append(torch.cat([attended(*piece) for piece in zip(*apart, strict=True)], dim=2))
    return torch.cat(done).transpose(1, 2).contiguous(), None


def varlen(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Attention of all documents in one kernel; shapes and fallback as for ``segments``."""
    if not _is_ours(attention_mask):
        return _plain(module, query, key, value, attention_mask, dropout, scaling, kwargs)
    from torch.nn.attention.varlen import varlen_attn

    assert attention_mask is not None
    rows, heads, n, _ = query.shape
    groups = heads // key.shape[1]
    accepted = inspect.signature(varlen_attn).parameters
    options: dict[str, Any] = {"scale": scaling} if "scale" in accepted else {}
    if not options and scaling is not None:  # torch 2.10 may know the default alone
        query = query * (scaling * query.shape[-1] ** 0.5)
    if groups > 1 and "enable_gqa" in accepted:
        options["enable_gqa"] = True
    elif groups > 1:
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    window = kwargs.get("sliding_window")
    if "window_size" in accepted:
        options["window_size"] = (-1 if window is None else window - 1, 0)
    else:
        options["is_causal"] = True
    q, k, v = (t.transpose(1, 2).reshape(rows * n, t.shape[1], -1).to(value.dtype) for t in (query, key, value))
    ends, longest = attention_mask[0, 0, 0], attention_mask.shape[2]
    found = varlen_attn(q, k, v, ends, ends, longest, longest, **options)
    return cast("torch.Tensor", found).reshape(rows, n, heads, -1), None


def _register() -> None:
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    for name, function in ((SEGMENTS, segments), (VARLEN, varlen)):
        AttentionInterface.register(name, function)
        AttentionMaskInterface.register(name, sdpa_mask)  # for generation; ours is handed through


def _is_ours(attention_mask: Any) -> bool:
    import torch

    return attention_mask is not None and attention_mask.dtype == torch.int32


def _plain(
    module: Any, query: Any, key: Any, value: Any, attention_mask: Any, dropout: float, scaling: Any, rest: Any
) -> tuple[torch.Tensor, None]:
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    found: tuple[torch.Tensor, None] = sdpa_attention_forward(
        module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **rest
    )
    return found


def _band(query: torch.Tensor, window: int | None) -> torch.Tensor | None:
    """The mask of a sliding window, where a document is longer than it."""
    import torch

    n = query.shape[2]
    if window is None or n <= window:
        return None
    ones = torch.ones((n, n), dtype=torch.bool, device=query.device)
    return ones.tril().triu(1 - window)


def _block_mask(documents: torch.Tensor) -> Any:
    from torch.nn.attention.flex_attention import create_block_mask

    def own(row: Any, head: Any, query: Any, key: Any) -> Any:
        return (query >= key) & (documents[row, query] == documents[row, key])

    rows, n = documents.shape
    return create_block_mask(own, rows, None, n, n, device=str(documents.device))


def _texts(documents: list[torch.Tensor]) -> Batch:
    import torch

    ids = torch.cat(documents)[None]
    return Batch(
        ids=ids,
        labels=torch.full_like(ids, IGNORE),
        positions=torch.cat([torch.arange(len(d)) for d in documents])[None],
        documents=torch.cat(
            [torch.full((len(d),), i, dtype=torch.int32) for i, d in enumerate(documents, start=1)]
        )[None],
    )


def _eager_only(decoder: Any) -> bool:
    """Whether scores are changed in a way that scaled dot-product attention has no argument for."""
    return _softcapped(decoder) or _has_sinks(decoder)


def _softcapped(decoder: Any) -> bool:
    return getattr(decoder.config, "attn_logit_softcapping", None) is not None


def _has_sinks(decoder: Any) -> bool:
    return any(name.endswith(".sinks") for name, _ in decoder.named_parameters())


def _window(config: Any) -> int | None:
    """Tokens that the narrowest layer sees."""
    kinds = getattr(config, "layer_types", None)
    window: int | None = getattr(config, "sliding_window", None)
    return None if kinds is not None and "sliding_attention" not in kinds else window


def _unpackable(decoder: Any, kind: Kind, longest: int) -> str:
    """Why documents cannot be kept apart in a row, by this kind; empty when they can."""
    config = decoder.config
    strange = set(getattr(config, "layer_types", None) or ()) - {"full_attention", "sliding_attention"}
    if strange:
        return f"layers of kind {', '.join(sorted(strange))} carry something from one document to the next"
    if not decoder._can_set_attn_implementation() or getattr(config, "alibi", False):
        return f"attention of {config.model_type} does not take a mask of our own"
    window = _window(config)
    if kind in ("dense", "flex") and window is not None and longest > window:
        return f"layers see {window} tokens, and documents have up to {longest}; segments can do that"
    if kind in ("segments", "varlen") and _eager_only(decoder):
        return "its scores are soft-capped or have sinks, which only `dense` reproduces"
    return ""


def _why_not(kind: Kind, model: Architecture, device: torch.device, dtype: torch.dtype, longest: int) -> str:
    """Why a kind cannot be used; empty when it can."""
    import torch

    dropout = getattr(model.decoder.config, "attention_dropout", 0.0)
    if reason := _unpackable(model.decoder, kind, longest):
        return reason
    if kind == "flex" and device.type == "cpu":
        return "FlexAttention has no backward pass on a CPU"
    if kind == "varlen" and (device.type != "cuda" or dtype == torch.float32 or not _varlen_there()):
        return "varlen needs a GPU, bf16, and torch from 2.10 on"
    if kind in ("flex", "varlen") and dropout:
        return f"the model drops {dropout:.0%} of the attention in training, which {kind} cannot"
    return ""


def _varlen_there() -> bool:
    from importlib.util import find_spec

    return find_spec("torch.nn.attention.varlen") is not None
