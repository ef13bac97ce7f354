"""LLaVA: a vision encoder, a projector, a decoder. Patch features stand in the text as tokens of their own.

Source: Visual Instruction Tuning; Improved Baselines with Visual Instruction Tuning. In memory and on disk it
is transformers' own ``LlavaForConditionalGeneration``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from vlit.data.errors import VlitError
from vlit.data.scene import Image
from vlit.run.recipe import checked
from vlit.tune.config import ModelConfig
from vlit.tune.example import Batch
from vlit.tune.models.architecture import Architecture, Part
from vlit.tune.models.decoders import fits, take_apart
from vlit.tune.models.parts import (
    IMAGE_PLACEHOLDER,
    add_token,
    checkpoint,
    language_model,
    on_meta,
    vision_encoder,
    whole_processor,
)
from vlit.tune.models.projector import (
    MODEL_TYPE,
    WHERE,
    ProjectorConfig,
    classes,
    new_projector,
    recognise,
    shape,
)
from vlit.weights.device import load

if TYPE_CHECKING:
    import PIL.Image as PILImage
    import torch


class Llava(Architecture):
    """``LlavaForConditionalGeneration`` with its processor."""

    name: ClassVar[str] = "llava"
    model_types: ClassVar[tuple[str, ...]] = ("llava", MODEL_TYPE)
    parts: ClassVar[Mapping[Part, tuple[str, ...]]] = {
        "vision": ("model.vision_tower",),
        "connector": ("model.multi_modal_projector",),
        "llm": ("model.language_model", "lm_head"),
    }

    def __init__(self, model: Any, tokenizer: Any, processor: Any) -> None:
        super().__init__(model, tokenizer, processor)
        config = model.config
        self._features = _View.of(config.vision_config, config.vision_feature_layer).features(
            config.vision_feature_select_strategy
        )

    @classmethod
    def assemble(cls, config: ModelConfig, *, weights: bool = True) -> Self:
        """See :class:`Architecture`; ``ProjectorConfig`` tells what ``connector`` takes."""
        from transformers import LlavaProcessor

        assert config.vision is not None and config.llm is not None  # the config asks for both
        asked = checked(ProjectorConfig, config.connector, WHERE)
        tower, images = vision_encoder(config.vision, weights=weights)
        llm, tokenizer = language_model(config.llm, weights=weights)
        fits(llm, config.llm)
        token = add_token(llm, tokenizer, IMAGE_PLACEHOLDER)
        layer = asked.vision_feature_layer
        view = _View.of(tower.config, layer if isinstance(layer, int) else list(layer))
        strategy = asked.vision_feature_select_strategy or ("default" if view.extra else "full")
        decoder = take_apart(llm)
        kind, whole_kind = classes(asked.kind)
        settings = kind(
            vision_config=tower.config,
            text_config=decoder.body.config,
            image_token_index=token,
            image_seq_length=view.features(strategy),
            **shape(asked.kind),
            vision_feature_layer=view.layer,
            vision_feature_select_strategy=strategy,
            tie_word_embeddings=decoder.tied,
        )
        whole = on_meta(whole_kind, settings)
        projector = new_projector(asked.kind, settings)
        whole.model.multi_modal_projector = projector if weights else projector.to("meta")
        whole.model.vision_tower, whole.model.language_model = tower, decoder.body
        whole.lm_head = decoder.head
        whole.generation_config = llm.generation_config
        whole.generation_config.pad_token_id = tokenizer.pad_token_id
        processor = LlavaProcessor(
            image_processor=images,
            tokenizer=tokenizer,
            patch_size=view.patch,
            vision_feature_select_strategy=strategy,
            num_additional_image_tokens=view.extra,
            chat_template=tokenizer.chat_template,
        )
        return cls(whole.eval(), tokenizer, processor)._checked(config.vision)

    @classmethod
    def load(cls, name: str, *, weights: bool = True) -> Self:
        """See :class:`Architecture`."""
        from transformers import AutoConfig

        classes(MODEL_TYPE)  # or transformers would not know it
        config = load(name, lambda: AutoConfig.from_pretrained(name))
        if config.model_type not in cls.model_types or not hasattr(config, "vision_config"):
            raise VlitError(
                f"this is a {config.model_type}, no llava", where=name, todo="leave out the architecture"
            )
        view = _View.of(config.vision_config, config.vision_feature_layer)
        model = checkpoint(classes(config.model_type)[1], name, weights=weights)
        recognise(model.model.multi_modal_projector, config.projector_hidden_act)
        processor = whole_processor(name)
        # Old checkpoints leave these to the caller; a count that is off is what they end in.
        processor.patch_size, processor.num_additional_image_tokens = view.patch, view.extra
        processor.vision_feature_select_strategy = config.vision_feature_select_strategy
        return cls(model, processor.tokenizer, processor)._checked(name)

    @property
    def decoder(self) -> Any:
        """See :class:`Architecture`."""
        return self.model.model.language_model

    def slot(self, image: Image) -> Sequence[int]:
        """As many placeholders as the image has features."""
        return [self.model.config.image_token_id] * self._features

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

    def _checked(self, name: str) -> Self:
        """Refuse a tokenizer or an image processor that the model was not made for."""
        import PIL.Image

        config, vocabulary = self.model.config, self.tokenizer.get_vocab()
        known = vocabulary.get(self.processor.image_token)
        if known is None:
            raise VlitError(
                f"the tokenizer has no image token {self.processor.image_token!r}",
                where=name,
                todo="save the processor that belongs to the model beside it",
            )
        if known != config.image_token_id:
            raise VlitError(
                f"the tokenizer says {known} for {self.processor.image_token!r}, and the model's config "
                f"{config.image_token_id}: features would find no place",
                where=name,
                todo="save the processor that belongs to the model beside it",
            )
        side = config.vision_config.image_size
        height, width = self.pixels([PIL.Image.new("RGB", (side + 9, side + 5))])["pixel_values"].shape[-2:]
        if (height, width) != (side, side):
            raise VlitError(
                f"the image processor makes {width} x {height} pixels, the encoder reads {side} x {side}",
                where=name,
                todo="set size and crop_size in preprocessor_config.json to what the encoder reads",
            )
        return self


@dataclass(frozen=True)
class _View:
    """What a vision encoder makes of an image."""

    patch: int  #: pixels of a patch's side
    patches: int
    extra: int  #: features beside those of patches, such as CLS
    layer: int | list[int]

    @classmethod
    def of(cls, config: Any, layer: int | list[int]) -> _View:
        """Seen on the meta device, so that no rule of thumb on classes is needed.

        Raises:
            VlitError: When there is no such layer, or the number of features is not the same for all images.
        """
        import torch
        from transformers import AutoModel

        side, patch = getattr(config, "image_size", None), getattr(config, "patch_size", None)
        if not isinstance(side, int) or not isinstance(patch, int) or config.model_type == "pixtral":
            raise VlitError(
                f"{config.model_type} has no fixed image size",
                where="the vision encoder of a llava",
                todo="assemble with a CLIP or SigLIP; load such a checkpoint with `architecture: auto`",
            )
        model = on_meta(AutoModel, config)
        blank = torch.empty(1, getattr(config, "num_channels", 3), side, side, device="meta")
        states = model(pixel_values=blank, output_hidden_states=True).hidden_states
        for one in layer if isinstance(layer, list) else [layer]:
            if not -len(states) <= one < len(states):
                raise VlitError(
                    f"there is no layer {one}: the vision encoder has {len(states) - 1} and its input",
                    where=f"{WHERE}.vision_feature_layer",
                    todo="-2 is what LLaVA takes",
                )
        patches = (side // patch) ** 2
        return cls(patch, patches, states[0].shape[1] - patches, layer)

    def features(self, strategy: str) -> int:
        """How many the language model reads of an image; ``default`` leaves out the first."""
        return self.patches + self.extra - (strategy == "default")
