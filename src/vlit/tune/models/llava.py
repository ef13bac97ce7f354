"""LLaVA: a vision encoder, a projector, a decoder. Patch features stand in the text as tokens of their own.

Source: Visual Instruction Tuning (linear projector); Improved Baselines (two-layer MLP). Saved as a standard
``LlavaForConditionalGeneration``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from vlit.data.errors import VlitError
from vlit.data.scene import Image
from vlit.tune.config import ModelConfig
from vlit.tune.example import Batch
from vlit.tune.models.architecture import Architecture, Part
from vlit.tune.models.parts import (
    IMAGE_PLACEHOLDER,
    add_token,
    language_model,
    on_meta,
    vision_encoder,
)
from vlit.weights.device import load, quiet

if TYPE_CHECKING:
    import PIL.Image as PILImage
    import torch


class Llava(Architecture):
    """``LlavaForConditionalGeneration`` with its processor."""

    name: ClassVar[str] = "llava"
    model_types: ClassVar[tuple[str, ...]] = ("llava",)
    parts: ClassVar[Mapping[Part, tuple[str, ...]]] = {
        "vision": ("model.vision_tower",),
        "connector": ("model.multi_modal_projector",),
        "llm": ("model.language_model", "lm_head"),
    }

    @classmethod
    def assemble(cls, config: ModelConfig, *, weights: bool = True) -> Self:
        """See :class:`Architecture`; features are those of the last layer but one, without the CLS token."""
        from transformers import LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor

        assert config.vision is not None and config.llm is not None  # the config asks for both
        tower, images = vision_encoder(config.vision, weights=weights)
        llm, tokenizer = language_model(config.llm, weights=weights)
        token = add_token(llm, tokenizer, IMAGE_PLACEHOLDER)
        settings = LlavaConfig(
            vision_config=tower.config,
            text_config=llm.config,
            image_token_index=token,
            image_seq_length=(tower.config.image_size // tower.config.patch_size) ** 2,
        )
        if weights:
            whole = LlavaForConditionalGeneration(settings)
            whole.model.vision_tower.load_state_dict(tower.state_dict())
            whole.model.language_model.load_state_dict(llm.model.state_dict())
            whole.lm_head.load_state_dict(llm.lm_head.state_dict())
        else:
            whole = on_meta(LlavaForConditionalGeneration, settings)
        whole.generation_config = llm.generation_config
        processor = LlavaProcessor(
            image_processor=images,
            tokenizer=tokenizer,
            patch_size=tower.config.patch_size,
            vision_feature_select_strategy="default",
            num_additional_image_tokens=1,
            chat_template=tokenizer.chat_template,
        )
        return cls(whole, tokenizer, processor)

    @classmethod
    def load(cls, name: str, *, weights: bool = True) -> Self:
        """See :class:`Architecture`."""
        import torch
        from transformers import AutoConfig, AutoProcessor, LlavaForConditionalGeneration

        def opened() -> Any:
            if weights:
                return LlavaForConditionalGeneration.from_pretrained(name, dtype=torch.float32)
            return on_meta(LlavaForConditionalGeneration, AutoConfig.from_pretrained(name))

        quiet()
        model = load(name, opened)
        processor = load(name, lambda: AutoProcessor.from_pretrained(name))
        if IMAGE_PLACEHOLDER not in processor.tokenizer.get_vocab():
            raise VlitError(
                "the tokenizer has no image token", where=name, todo="save the processor beside the model"
            )
        return cls(model, processor.tokenizer, processor)

    @property
    def decoder(self) -> Any:
        """See :class:`Architecture`."""
        return self.model.model.language_model

    def slot(self, image: Image) -> Sequence[int]:
        """As many placeholders as there are patches."""
        config = self.model.config
        return [config.image_token_id] * config.image_seq_length

    def pixels(self, pictures: Sequence[PILImage.Image]) -> dict[str, torch.Tensor]:
        """``pixel_values`` (images, 3, height, width)."""
        found = self.processor.image_processor(list(pictures), return_tensors="pt")
        return {"pixel_values": found["pixel_values"]}

    def inputs(self, batch: Batch) -> dict[str, Any]:
        """See :class:`Architecture`."""
        return {"input_ids": batch.ids, **batch.images}

    def hidden(self, batch: Batch, mask: Any) -> torch.Tensor:
        """See :class:`Architecture`."""
        found: torch.Tensor = self.model.model(
            **self.inputs(batch), attention_mask=mask, position_ids=batch.positions, use_cache=False
        ).last_hidden_state
        return found

    def save(self, folder: Any) -> None:
        """The processor brings the tokenizer along."""
        self.model.save_pretrained(folder)
        self.processor.save_pretrained(folder)
