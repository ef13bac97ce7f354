"""Decoders of any family, taken apart into body and head: found by what they do, not by names of attributes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vlit.data.errors import VlitError


@dataclass(frozen=True)
class Decoder:
    """A language model in two."""

    body: Any  #: ``PreTrainedModel``: embeddings to last hidden states
    head: Any  #: linear, without bias: hidden states to logits
    tied: bool  #: whether the head's matrix is that of the embeddings


def fits(llm: Any, name: str) -> None:
    """Refuse a language model that is more than embeddings, a body, and a linear head without bias.

    Raises:
        VlitError: With what is in the way.
    """
    todo = "take a decoder such as Llama, Qwen, Mistral, Gemma, OPT or GPT-NeoX"
    config = llm.config
    if config.is_encoder_decoder:
        raise VlitError(f"{config.model_type} is an encoder-decoder", where=name, todo=f"{todo}; or blip2")
    head, embeddings = llm.get_output_embeddings(), llm.get_input_embeddings()
    if embeddings.embedding_dim != config.hidden_size or head.in_features != config.hidden_size:
        raise VlitError(
            f"embeddings have {embeddings.embedding_dim} numbers, and hidden states {config.hidden_size}",
            where=name,
            todo=todo,
        )
    if not embeddings.weight.is_meta and not head_is_all(llm, llm.get_decoder(), head):
        raise VlitError(
            f"{config.model_type} does more to its logits than a linear head (a bias, a scale, a cap), which "
            "this architecture would leave out",
            where=name,
            todo=todo,
        )


def take_apart(llm: Any) -> Decoder:
    """Body and head. Tied embeddings stay tied where the composite class can tell where they are.

    Those classes look for ``embed_tokens`` at the top of the body. For others (OPT, GPT-2) the head gets a
    matrix of its own, with the same numbers.
    """
    import copy

    import torch

    body, head = llm.base_model, llm.get_output_embeddings()
    embeddings = llm.get_input_embeddings()
    tied = head.weight is embeddings.weight
    found = getattr(body, "embed_tokens", None) is embeddings
    if tied and not found:
        head = copy.copy(head)
        head._parameters = dict(head._parameters)
        head.weight = torch.nn.Parameter(head.weight.detach().clone())
    body.config.tie_word_embeddings = tied and found
    return Decoder(body, head, tied and found)


def head_is_all(model: Any, body: Any, head: Any) -> bool:
    """Whether logits are the body's last hidden states times the head's matrix; seen on three tokens.

    Args:
        model: The whole; it takes ``input_ids``.
        body: The module in it whose output has the last hidden states first.
        head: The linear layer.
    """
    import torch

    kept: list[torch.Tensor] = []

    def keep(_: Any, __: Any, output: Any) -> None:
        kept.append(output[0])

    hook = body.register_forward_hook(keep)
    try:
        with torch.no_grad():
            logits = model.eval()(input_ids=torch.tensor([[3, 4, 5]]), use_cache=False).logits
    finally:
        hook.remove()
    plain = torch.nn.functional.linear(kept[0], head.weight.detach())
    return torch.allclose(logits, plain, rtol=1e-4, atol=1e-4 * float(plain.abs().max()))
