"""The Q-Former of BLIP-2 and InstructBLIP: its size, and the weights that a new one starts from.

A Q-Former is a BERT whose learned queries look at image features through cross-attention in every second layer.
A new one starts from BERT: the queries' feed-forward layers are copies of those for text, cross-attention and
queries are drawn. Source: BLIP-2, section 3.1; its first stage (contrast, matching and captions on image-text
pairs) is not done here, so take the Q-Former of a published BLIP-2 where the result of that stage is wanted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import Field

from vlit.data.errors import VlitError
from vlit.run.recipe import checked
from vlit.run.stage import Config
from vlit.tune.models.stored import tensors
from vlit.weights.device import load

if TYPE_CHECKING:
    import torch

#: ``model_type`` of checkpoints whose Q-Former can be taken whole.
FAMILY = ("blip-2", "instructblip")
#: Spread of weights that are drawn, as in BERT.
SPREAD = 0.02
#: BERT-base, which the published models start from.
_BASE = {"num_hidden_layers": 12, "hidden_size": 768, "num_attention_heads": 12}
#: What is taken over from a BERT's config as it is.
_LIKE_BERT = (
    *("num_hidden_layers", "hidden_size", "num_attention_heads", "intermediate_size", "hidden_act"),
    *("vocab_size", "max_position_embeddings", "layer_norm_eps", "pad_token_id"),
    *("hidden_dropout_prob", "attention_probs_dropout_prob"),
)
#: Settings that come with the weights, and so cannot be chosen beside them.
_FIXED = {"": (), "bert": ("hidden", "heads")} | dict.fromkeys(
    FAMILY, ("queries", "layers", "hidden", "heads", "cross_attention_every")
)


class QFormerConfig(Config):
    """``tune.model.connector`` of BLIP-2 and InstructBLIP."""

    queries: int | None = Field(None, ge=1, description="learned queries, each a feature of the image; 32")
    layers: int | None = Field(None, ge=1, description="12; of a BERT that it starts from, its first ones")
    hidden: int | None = Field(None, ge=1, description="width; 768")
    heads: int | None = Field(None, ge=1, description="attention heads; 12")
    cross_attention_every: int | None = Field(None, ge=1, description="each so many layers; 2")
    qformer: str | None = Field(
        None, description="weights that it starts from: a BERT, a BLIP-2 or an InstructBLIP; drawn by default"
    )


@dataclass(frozen=True)
class Plan:
    """How large a Q-Former is, and where its weights come from."""

    queries: int
    sizes: Mapping[str, Any]  #: keyword arguments of its config class
    source: str = ""  #: hub id or folder; empty: all weights are drawn
    kind: str = ""  #: ``model_type`` of the source


def planned(connector: Mapping[str, Any], vision: int) -> Plan:
    """The Q-Former that a recipe asks for.

    Args:
        connector: As ``QFormerConfig`` tells.
        vision: Width of the image features that it reads.

    Raises:
        VlitError: For unknown settings, and for those that do not fit each other or the source.
    """
    where = "tune.model.connector"
    asked = checked(QFormerConfig, connector, where)
    source, queries, sizes = asked.qformer or "", asked.queries or 32, dict(_BASE)
    kind = ""
    if source:
        kind, queries, sizes = _sizes_of(source, queries)
        if given := [key for key in _FIXED[kind] if getattr(asked, key) is not None]:
            raise VlitError(
                f"{' and '.join(given)} come with the weights of {source}", where=where, todo="leave them out"
            )
        if sizes.get("encoder_hidden_size", vision) != vision:
            raise VlitError(
                f"its Q-Former reads image features of width {sizes['encoder_hidden_size']}, and those of the "
                f"vision encoder have {vision}",
                where=source,
                todo="take the vision encoder of that checkpoint, or a Q-Former from BERT",
            )
    sizes["cross_attention_frequency"] = asked.cross_attention_every or sizes.get(
        "cross_attention_frequency", 2
    )
    if (layers := asked.layers or sizes["num_hidden_layers"]) > sizes["num_hidden_layers"] and source:
        raise VlitError(f"it has {sizes['num_hidden_layers']} layers", where=source, todo=f"set {where}.layers")
    sizes["num_hidden_layers"] = layers
    sizes["hidden_size"] = asked.hidden or sizes["hidden_size"]
    sizes["num_attention_heads"] = asked.heads or sizes["num_attention_heads"]
    sizes.setdefault("intermediate_size", 4 * sizes["hidden_size"])
    if sizes["hidden_size"] % sizes["num_attention_heads"]:
        raise VlitError(
            f"hidden: {sizes['hidden_size']} is no multiple of heads: {sizes['num_attention_heads']}",
            where=where,
        )
    return Plan(queries, sizes, source, kind)


def fill(model: Any, plan: Plan) -> None:
    """Give ``model.qformer``, ``model.query_tokens`` and ``model.language_projection`` their first weights.

    Queries are drawn, never left at zero: equal queries would get equal gradients and stay equal.

    Raises:
        VlitError: When the source lacks weights, or they have other shapes.
    """
    import torch

    torch.nn.init.normal_(model.query_tokens, std=SPREAD)
    torch.nn.init.normal_(model.language_projection.weight, std=SPREAD)
    torch.nn.init.zeros_(model.language_projection.bias)
    if not plan.source:
        return
    found = _from_bert(plan.source) if plan.kind == "bert" else _from_family(plan.source)
    wanted = dict(model.qformer.named_parameters())
    if plan.kind in FAMILY:
        wanted["query_tokens"] = model.query_tokens
    with torch.no_grad():
        for name, parameter in wanted.items():
            own = re.sub(r"^layernorm\.", "embeddings.layernorm.", name)
            if own not in found and plan.kind == "bert" and "crossattention" in own:
                continue
            if own not in found or found[own].shape != parameter.shape:
                raise VlitError(
                    f"its Q-Former has no {own} of shape {tuple(parameter.shape)}",
                    where=plan.source,
                    todo="take another; one that reads instructions comes from a BERT, an InstructBLIP, or a "
                    "BLIP-2 of image-text matching",
                )
            parameter.copy_(found[own])


def _sizes_of(source: str, queries: int) -> tuple[str, int, dict[str, Any]]:
    """Kind, number of queries and sizes of what a Q-Former starts from."""
    from transformers import AutoConfig

    config = load(source, lambda: AutoConfig.from_pretrained(source))
    if config.model_type == "bert":
        return "bert", queries, {key: getattr(config, key) for key in _LIKE_BERT}
    if config.model_type not in FAMILY:
        raise VlitError(
            f"a Q-Former cannot start from a model of type {config.model_type}",
            where=source,
            todo="name a BERT, a BLIP-2 or an InstructBLIP",
        )
    own = config.qformer_config
    more = ("cross_attention_frequency", "encoder_hidden_size")
    return config.model_type, config.num_query_tokens, {key: getattr(own, key) for key in (*_LIKE_BERT, *more)}


def _from_family(source: str) -> dict[str, torch.Tensor]:
    """Weights of a published Q-Former, under the names of ``InstructBlipQFormerModel``; and its queries."""
    found = tensors(source, ("qformer.", "embeddings.", "query_tokens"))
    names = ((re.sub(r"^qformer\.", "", name), weights) for name, weights in found.items())
    return {re.sub(r"^layernorm\.", "embeddings.layernorm.", name): weights for name, weights in names}


def _from_bert(source: str) -> dict[str, torch.Tensor]:
    """Weights of a BERT under the names of ``InstructBlipQFormerModel``; no token types, as in LAVIS."""
    import torch
    from transformers import AutoModel

    bert = load(source, lambda: AutoModel.from_pretrained(source, dtype=torch.float32))
    found = {}
    for name, weights in bert.state_dict().items():
        own = name.replace("embeddings.LayerNorm.", "embeddings.layernorm.").replace(".self.", ".attention.")
        found[own] = weights
        twin = re.sub(r"^(encoder\.layer\.\d+\.)(intermediate|output)\.", r"\1\2_query.", own)
        found[twin] = weights
    return found
