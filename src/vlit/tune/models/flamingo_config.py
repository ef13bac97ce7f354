"""Configuration of Flamingo. It travels with the weights: nothing of vlit is imported here."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from transformers import AutoConfig, PreTrainedConfig

#: The perceiver resampler of the paper: what leaves something out takes it from here.
RESAMPLER = {"layers": 6, "latents": 64, "heads": 8, "head_dim": 64, "feed_forward": 4}


class FlamingoConfig(PreTrainedConfig):
    """A vision encoder, a perceiver resampler, and a decoder with gated cross-attention.

    Args:
        vision_config: Config of the vision encoder, or its fields with ``model_type``.
        text_config: Config of the decoder, likewise. Any causal language model.
        resampler: ``layers``, ``latents`` (tokens of an image), and for the gated blocks too ``heads``,
            ``head_dim`` and ``feed_forward`` (inner width over width).
        cross_attention_every: A gated block runs before every n-th layer of the decoder.
        skipped_features: Leading features of the vision encoder that are not patches, such as the class token.
        image_token_id: The one token that stands for an image.
        end_of_chunk_token_id: The token that ends what belongs to an image; ``None`` where there is none.
        new_token_ids: Tokens that the decoder did not know; their embeddings start anew.
    """

    model_type = "vlit_flamingo"
    sub_configs: ClassVar[dict[str, Any]] = {"vision_config": AutoConfig, "text_config": AutoConfig}

    def __init__(
        self,
        vision_config: Any = None,
        text_config: Any = None,
        resampler: Mapping[str, int] | None = None,
        cross_attention_every: int = 1,
        skipped_features: int = 1,
        image_token_id: int = 0,
        end_of_chunk_token_id: int | None = None,
        new_token_ids: Sequence[int] = (),
        **others: Any,
    ) -> None:
        self.vision_config = _config(vision_config, "clip_vision_model")
        self.text_config = _config(text_config, "llama")
        self.resampler = {**RESAMPLER, **(resampler or {})}
        self.cross_attention_every = cross_attention_every
        self.skipped_features = skipped_features
        self.image_token_id = image_token_id
        self.end_of_chunk_token_id = end_of_chunk_token_id
        self.new_token_ids = list(new_token_ids)
        if unknown := set(self.resampler) - set(RESAMPLER):
            raise ValueError(
                f"the resampler has no {', '.join(sorted(unknown))}; it has {', '.join(RESAMPLER)}"
            )
        if small := [n for n, v in self.resampler.items() if not isinstance(v, int) or v < 1]:
            raise ValueError(f"the resampler's {', '.join(small)} must be a whole number from 1 on")
        # Tying is the decoder's own affair; weights are tied below it, not here.
        others["tie_word_embeddings"] = False
        super().__init__(**others)


def _config(given: Any, default: str) -> Any:
    if isinstance(given, PreTrainedConfig):
        # A copy: a config below another loses its kind of attention, and the model that has it its causality.
        return copy.deepcopy(given)
    fields = dict(given or {})
    return AutoConfig.for_model(fields.pop("model_type", default), **fields)
