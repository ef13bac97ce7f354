"""Flamingo: a decoder that looks at images through gated cross-attention between its layers.

A resampler (perceiver) makes a fixed number of latents of each image. Before every n-th layer of the decoder a
block attends to the latents of the image that precedes the token in its document; its gates start at 0, where
the decoder is what it was. This file travels with the weights: nothing of vlit is imported here.

Source: Flamingo: a Visual Language Model for Few-Shot Learning (Alayrac and others, 2022), sections 2.1 to 2.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModel, AutoModelForCausalLM, GenerationMixin, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutputWithPast

from .flamingo_config import FlamingoConfig
from .flamingo_decoder import SEEN, decoder_layers, showing, weave
from .flamingo_layers import GatedCrossAttention, Resampler, Seen, among


@dataclass
class FlamingoOutput(CausalLMOutputWithPast):
    """What the decoder gives, and what the tokens to come will see."""

    image_latents: Tensor | None = None  #: (rows, latents, width): of the last image of each row
    image_present: Tensor | None = None  #: (rows,) bool: whether there is one


class FlamingoForConditionalGeneration(PreTrainedModel, GenerationMixin):
    """Flamingo over any decoder of transformers.

    Args:
        config: Its parts.
        vision_tower: The vision encoder, with weights; by default a new one.
        language_model: The decoder with its head, likewise.

    Raises:
        ValueError: When the layers of the decoder cannot be told, or are fewer than ``cross_attention_every``.
    """

    config_class = FlamingoConfig
    supports_gradient_checkpointing = True
    _supports_sdpa = _supports_flash_attn = _supports_flex_attn = _supports_attention_backend = True
    _no_split_modules = ["GatedCrossAttention", "ResamplerLayer"]  # noqa: RUF012

    def __init__(self, config: FlamingoConfig, vision_tower: Any = None, language_model: Any = None) -> None:
        super().__init__(config)
        shape = {**config.resampler}
        layers, latents = shape.pop("layers"), shape.pop("latents")
        seen, width = config.vision_config.hidden_size, config.text_config.hidden_size
        self.vision_tower = vision_tower or AutoModel.from_config(config.vision_config)
        self.resampler = Resampler(seen, layers, latents, **shape)
        self.language_model = language_model or AutoModelForCausalLM.from_config(config.text_config)
        every, deep = config.cross_attention_every, len(decoder_layers(self.language_model))
        if not 1 <= every <= deep:
            raise ValueError(f"cross_attention_every is {every}, and the decoder has {deep} layers")
        self.cross_attention = nn.ModuleList(
            GatedCrossAttention(width, seen, **shape) for _ in range(deep // every)
        )
        self._by_keyword = weave(self, self.language_model, every)
        for name, part in (("vision_config", vision_tower), ("text_config", language_model)):
            if part is not None:
                setattr(config, name, part.config)  # its own, which says how it attends
                for module in part.modules():
                    module._is_hf_initialized = True  # it brought its weights
        self.post_init()  # type: ignore[no-untyped-call]

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, (nn.Linear, nn.LayerNorm)):
            module.reset_parameters()
        elif isinstance(module, Resampler):
            nn.init.normal_(module.latents)
        elif isinstance(module, GatedCrossAttention):
            nn.init.zeros_(module.gate)
            nn.init.zeros_(module.feed_forward_gate)

    def get_input_embeddings(self) -> nn.Module:
        """The decoder's."""
        found: nn.Module = self.language_model.get_input_embeddings()
        return found

    def set_input_embeddings(self, value: nn.Module) -> None:
        """The decoder's."""
        self.language_model.set_input_embeddings(value)

    def get_output_embeddings(self) -> nn.Module:
        """The decoder's head."""
        found: nn.Module = self.language_model.get_output_embeddings()
        return found

    def set_output_embeddings(self, new_embeddings: nn.Module) -> None:
        """The decoder's head."""
        self.language_model.set_output_embeddings(new_embeddings)

    def forward(
        self,
        input_ids: Tensor,
        pixel_values: Tensor | None = None,
        attention_mask: Any = None,
        documents: Tensor | None = None,
        image_latents: Tensor | None = None,
        image_present: Tensor | None = None,
        **kwargs: Any,
    ) -> FlamingoOutput:
        """Logits of the decoder.

        Args:
            input_ids: (rows, n), with one image token for each image.
            pixel_values: (images, channels, height, width): of all rows, in the order of their tokens.
            attention_mask: The decoder's; it is handed on as it is.
            documents: (rows, n): the number of each token's document, where rows hold several. Images are seen
                in their own document alone.
            image_latents: (rows, latents, width): seen by all tokens of a row, instead of ``pixel_values``.
            image_present: (rows,) bool: which rows see them.
            kwargs: What else the decoder takes: positions, cache, labels.

        Raises:
            ValueError: When image tokens and images do not match.
        """
        seen = self._seen(input_ids, pixel_values, documents, image_latents, image_present)
        found = self._decode(self.language_model, seen, input_ids, attention_mask=attention_mask, **kwargs)
        last, present = self._last(seen)
        return FlamingoOutput(**found, image_latents=last, image_present=present)

    def body(
        self,
        input_ids: Tensor,
        pixel_values: Tensor | None = None,
        attention_mask: Any = None,
        documents: Tensor | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """Last hidden states (rows, n, width) of the decoder, which its head takes. Arguments as above."""
        seen = self._seen(input_ids, pixel_values, documents)
        body = self.language_model.base_model
        found = self._decode(body, seen, input_ids, attention_mask=attention_mask, **kwargs)
        states: Tensor = found.last_hidden_state
        return states

    def _decode(self, decoder: nn.Module, seen: Seen, input_ids: Tensor, **kwargs: Any) -> Any:
        if self._by_keyword:
            kwargs[SEEN] = seen
        with showing(seen):
            return decoder(input_ids=input_ids, **kwargs)

    def latents(self, pixel_values: Tensor) -> Tensor:
        """(images, channels, height, width) to (images, latents, width)."""
        features = self.vision_tower(pixel_values.to(next(self.vision_tower.parameters()).dtype))
        found: Tensor = self.resampler(features.last_hidden_state[:, self.config.skipped_features :])
        return found

    def _seen(
        self,
        ids: Tensor,
        pixels: Tensor | None,
        documents: Tensor | None = None,
        latents: Tensor | None = None,
        present: Tensor | None = None,
    ) -> Seen:
        if latents is not None and present is not None:
            return Seen(latents[:, None], present[:, None].expand(ids.shape))
        marks = ids == self.config.image_token_id
        counts = marks.sum(dim=1)
        images = 0 if pixels is None else len(pixels)
        if images != int(counts.sum()):
            raise ValueError(f"there are {int(counts.sum())} image tokens for {images} images")
        if pixels is None or not images:
            return self._blank(ids) if _all_take_part() else Seen()
        order = marks.cumsum(dim=1)
        place = marks.nonzero(as_tuple=True)
        found = self.latents(pixels)
        most = int(counts.max())
        media = found.new_zeros(len(ids), most, *found.shape[1:])
        media[place[0], order[place] - 1] = found
        if documents is not None:
            owner = documents.new_full((len(ids), most + 1), -1)
            owner[place[0], order[place]] = documents[place]
            order = torch.where(owner.gather(1, order) == documents, order, 0)
        return Seen(media, order > 0, among(order, most, found.shape[1]))

    def _blank(self, ids: Tensor) -> Seen:
        """An image that nobody sees: processes that work together must all use all parts, images or not."""
        config, weight = self.config.vision_config, next(self.vision_tower.parameters())
        pixels = weight.new_zeros(1, getattr(config, "num_channels", 3), config.image_size, config.image_size)
        media = self.latents(pixels)[None].expand(len(ids), -1, -1, -1)
        return Seen(media, torch.zeros_like(ids, dtype=torch.bool))

    def _last(self, seen: Seen) -> tuple[Tensor | None, Tensor | None]:
        """The last image of each row, and whether it has one: what tokens that follow the row see."""
        if seen.media is None or seen.sees is None:
            return None, None
        if seen.mask is None:
            return seen.media[:, 0], seen.sees[:, -1]
        last = seen.mask[:, 0, -1, :: seen.media.shape[2]].long().argmax(dim=1)
        return seen.media[torch.arange(len(last), device=last.device), last], seen.sees[:, -1]

    def prepare_inputs_for_generation(  # type: ignore[override]
        self,
        input_ids: Tensor,
        pixel_values: Tensor | None = None,
        documents: Tensor | None = None,
        image_latents: Tensor | None = None,
        image_present: Tensor | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Pixels at first, then the latents that they gave."""
        above: Any = super()
        inputs: dict[str, Any] = above.prepare_inputs_for_generation(input_ids, **kwargs)
        if image_latents is not None:
            return {**inputs, "image_latents": image_latents, "image_present": image_present}
        if documents is not None:  # what is new belongs to the last
            new = input_ids.shape[1] - documents.shape[1]
            documents = torch.cat([documents, documents[:, -1:].expand(-1, new)], dim=1)
        return {**inputs, "pixel_values": pixel_values, "documents": documents}

    def _update_model_kwargs_for_generation(
        self, outputs: Any, model_kwargs: dict[str, Any], *args: Any, **kwargs: Any
    ) -> dict[str, Any]:
        above: Any = super()
        found: dict[str, Any] = above._update_model_kwargs_for_generation(
            outputs, model_kwargs, *args, **kwargs
        )
        if found.get("use_cache", True) and outputs.image_latents is not None:
            found |= {"image_latents": outputs.image_latents, "image_present": outputs.image_present}
        return found

    def _expand_inputs_for_generation(
        self, expand_size: int = 1, is_encoder_decoder: bool = False, input_ids: Any = None, **kwargs: Any
    ) -> tuple[Any, dict[str, Any]]:
        """Each row so many times, with all its images: they are counted by image, not by row."""
        above: Any = super()
        pixels = kwargs.pop("pixel_values", None)
        if pixels is not None and expand_size > 1:
            counts = (input_ids == self.config.image_token_id).sum(dim=1).tolist()
            pixels = torch.cat([own for own in pixels.split(counts) for _ in range(expand_size)])
        ids, found = above._expand_inputs_for_generation(
            expand_size=expand_size, is_encoder_decoder=is_encoder_decoder, input_ids=input_ids, **kwargs
        )
        return ids, found if pixels is None else {**found, "pixel_values": pixels}


def _all_take_part() -> bool:
    return torch.is_grad_enabled() or (torch.distributed.is_available() and torch.distributed.is_initialized())
