"""Gated blocks between the layers of any decoder. Nothing of vlit is imported here.

What is seen travels with the call, by keyword, and stays nowhere: recomputed activations, several threads and
copies of the model see what belongs to them.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from torch import nn

from .flamingo_layers import Seen

#: Keyword by which what is seen reaches the decoder's layers, also when they are recomputed.
SEEN = "flamingo_seen"
#: The same, for decoders that hand no keywords on. Set while a forward pass runs, never longer.
_SEEN: ContextVar[Seen | None] = ContextVar(SEEN, default=None)


def weave(owner: Any, model: Any, every: int) -> bool:
    """Let a block of ``owner.cross_attention`` see before every n-th layer of a decoder.

    Args:
        owner: The whole model.
        model: The decoder with its head.
        every: From 1 on.

    Returns:
        Whether the decoder hands ``SEEN`` on to its layers.
    """
    layers = decoder_layers(model)
    for number, layer in enumerate(layers):
        block = number // every if (number + 1) % every == 0 else None
        layer.register_forward_pre_hook(_Look(owner, block), with_kwargs=True)
    return all(_takes_keywords(module) for module in (model, model.base_model, *layers))


@contextmanager
def showing(seen: Seen) -> Iterator[None]:
    """While it lasts, layers see this that are told nothing by keyword."""
    before = _SEEN.set(seen)
    try:
        yield
    finally:
        _SEEN.reset(before)


def decoder_layers(model: Any) -> nn.ModuleList:
    """The layers of a decoder, whatever their name: the outermost list of as many modules as it has layers.

    Raises:
        ValueError: When there is none, or there are several.
    """
    count = model.config.get_text_config(decoder=True).num_hidden_layers
    found: dict[str, nn.ModuleList] = {}
    for name, module in model.named_modules():
        inner = any(name.startswith(f"{outer}.") for outer in found)
        if isinstance(module, nn.ModuleList) and len(module) == count and not inner:
            found[name] = module
    if len(found) != 1:
        raise ValueError(
            f"{type(model).__name__} must have one list of {count} layers; found {', '.join(found) or 'none'}"
        )
    return next(iter(found.values()))


def _takes_keywords(module: nn.Module) -> bool:
    """Whether a module takes keywords that it does not name."""
    return any(p.kind is p.VAR_KEYWORD for p in inspect.signature(module.forward).parameters.values())


class _Look:
    """Runs before a layer: takes what is seen out of its keywords, and lets a gated block see it."""

    def __init__(self, owner: Any, block: int | None) -> None:
        self.owner, self.block = owner, block

    def __call__(self, layer: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, Any]:
        told = dict(named)
        seen = told.pop(SEEN, None) or _SEEN.get()
        if seen is None:
            raise RuntimeError(
                f"{type(layer).__name__} was not told what is seen: call the Flamingo model, not its decoder; "
                "activation checkpointing of this decoder needs transformers 5.23 or later"
            )
        if self.block is None:
            return given, told
        # Looked up at each call: the block may have been replaced by one with adapters.
        block = self.owner.cross_attention[self.block]
        if given:
            return (block(given[0], *seen), *given[1:]), told
        return given, {**told, "hidden_states": block(told["hidden_states"], *seen)}
