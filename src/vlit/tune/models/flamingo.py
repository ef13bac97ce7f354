"""Flamingo: an image is one token of the text, and gated layers within the decoder look at it.

Source: Flamingo: a Visual Language Model for Few-Shot Learning, in the shape of OpenFlamingo. The checkpoint
brings its own code: transformers loads it with ``trust_remote_code`` where vlit is not installed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from vlit.data.errors import VlitError, nearest
from vlit.data.scene import Image
from vlit.tune.config import ModelConfig
from vlit.tune.example import Batch
from vlit.tune.models.architecture import Architecture, Part
from vlit.tune.models.open_flamingo import read_open_flamingo
from vlit.tune.models.parts import (
    IMAGE_PLACEHOLDER,
    add_token,
    image_processor,
    language_model,
    on_meta,
    vision_encoder,
)
from vlit.weights.device import load, quiet

if TYPE_CHECKING:
    import PIL.Image as PILImage
    import torch

#: Ends what is said of an image; generation ends with it.
END_OF_CHUNK = "<|endofchunk|>"
#: Added to tokenizers that lack one, as OpenFlamingo does.
PAD = "<PAD>"


class Flamingo(Architecture):
    """``FlamingoForConditionalGeneration`` with a tokenizer and an image processor."""

    name: ClassVar[str] = "flamingo"
    model_types: ClassVar[tuple[str, ...]] = ("vlit_flamingo",)
    parts: ClassVar[Mapping[Part, tuple[str, ...]]] = {
        "vision": ("vision_tower",),
        "connector": ("resampler", "cross_attention"),
        "llm": ("language_model",),
    }

    @classmethod
    def assemble(cls, config: ModelConfig, *, weights: bool = True) -> Self:
        """See :class:`Architecture`.

        ``connector`` takes ``cross_attention_every`` (1: a gated block before every layer of the decoder), of
        the resampler ``layers`` (6), ``latents`` (64), ``heads`` (8), ``head_dim`` (64), ``feed_forward`` (4),
        and as ``weights`` an OpenFlamingo checkpoint of these parts, by file, folder or hub id.
        """
        settings, whole = _classes()
        assert config.vision is not None and config.llm is not None  # the config asks for both
        connector = dict(config.connector)
        trained = connector.pop("weights", None)
        resampler, every = _connector(connector)
        tower, images = vision_encoder(config.vision, weights=weights)
        llm, tokenizer = language_model(config.llm, weights=weights)
        _suits(llm.config, config.llm)
        known = tokenizer.get_vocab()
        end, image = (add_token(llm, tokenizer, token) for token in (END_OF_CHUNK, IMAGE_PLACEHOLDER))
        if tokenizer.pad_token_id is None:
            add_token(llm, tokenizer, PAD)
            tokenizer.pad_token = PAD
        try:
            shape = settings(
                vision_config=tower.config,
                text_config=llm.config,
                resampler=resampler,
                cross_attention_every=every,
                skipped_features=_skipped(tower.config),
                image_token_id=image,
                end_of_chunk_token_id=end,
                new_token_ids=[
                    i for t, i in ((END_OF_CHUNK, end), (IMAGE_PLACEHOLDER, image)) if t not in known
                ],
            )
            model = whole(shape, tower, llm) if weights else on_meta(whole, shape)
        except ValueError as error:
            raise VlitError(
                f"no Flamingo can be made of these parts: {error}",
                where=f"{config.vision} and {config.llm}",
                todo="see tune.model.connector, or take another decoder, e.g. a Llama, Qwen, OPT or Pythia",
            ) from error
        model.generation_config = _generation(llm.generation_config, tokenizer, end, image)
        found = cls(model, tokenizer, images)
        if trained is not None and weights:
            read_open_flamingo(found, str(trained))
        return found

    @classmethod
    def load(cls, name: str, *, weights: bool = True) -> Self:
        """See :class:`Architecture`."""
        import torch
        from transformers import AutoTokenizer

        quiet()
        settings, whole = _classes()
        config = load(name, lambda: settings.from_pretrained(name))
        if config.model_type not in cls.model_types:
            raise VlitError(f"this checkpoint is {config.model_type}, not a Flamingo of vlit", where=name)
        tokenizer = load(name, lambda: AutoTokenizer.from_pretrained(name))
        if tokenizer.get_vocab().get(IMAGE_PLACEHOLDER) != config.image_token_id:
            raise VlitError(
                f"the tokenizer does not know {IMAGE_PLACEHOLDER} as token {config.image_token_id}",
                where=name,
                todo="save beside the model the tokenizer that it was assembled with",
            )
        images = image_processor(name)
        if not weights:
            return cls(on_meta(whole, config), tokenizer, images)
        return cls(load(name, lambda: whole.from_pretrained(name, dtype=torch.float32)), tokenizer, images)

    @property
    def new_tokens(self) -> tuple[int, ...]:
        """Tokens that the decoder did not know before it was assembled."""
        return tuple(self.model.config.new_token_ids)

    @property
    def decoder(self) -> Any:
        """See :class:`Architecture`."""
        return self.model.language_model.base_model

    def slot(self, image: Image) -> Sequence[int]:
        """One token, whatever the image."""
        return [self.model.config.image_token_id]

    def pixels(self, pictures: Sequence[PILImage.Image]) -> dict[str, torch.Tensor]:
        """``pixel_values`` (images, 3, height, width)."""
        return {"pixel_values": self.processor(list(pictures), return_tensors="pt")["pixel_values"]}

    def inputs(self, batch: Batch) -> dict[str, Any]:
        """See :class:`Architecture`."""
        return {"input_ids": batch.ids, "documents": batch.documents, **batch.images}

    def hidden(self, batch: Batch, mask: Any) -> torch.Tensor:
        """See :class:`Architecture`."""
        found: torch.Tensor = self.model.body(
            **self.inputs(batch), attention_mask=mask, position_ids=batch.positions, use_cache=False
        )
        return found


def _classes() -> tuple[Any, Any]:
    """Config and model, made known to transformers. What ``save_pretrained`` writes brings their code along."""
    from transformers import AutoConfig, AutoModelForImageTextToText

    from vlit.tune.models import flamingo_config, flamingo_model

    settings: Any = flamingo_config.FlamingoConfig
    whole: Any = flamingo_model.FlamingoForConditionalGeneration
    AutoConfig.register(settings.model_type, settings, exist_ok=True)
    AutoModelForImageTextToText.register(settings, whole, exist_ok=True)
    settings.register_for_auto_class()
    whole.register_for_auto_class("AutoModelForImageTextToText")
    return settings, whole


def _connector(given: Mapping[str, Any]) -> tuple[dict[str, Any], Any]:
    """What the recipe says of the resampler, and how often the decoder looks."""
    from vlit.tune.models.flamingo_config import RESAMPLER

    names = ("cross_attention_every", *RESAMPLER, "weights")
    for name, value in given.items():
        if name not in names:
            raise VlitError(
                f"a Flamingo's connector has no {name!r}",
                where="tune.model.connector",
                todo=nearest(name, names),
            )
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise VlitError(
                f"{name} must be a whole number from 1 on; found {value!r}", where="tune.model.connector"
            )
    return {n: v for n, v in given.items() if n in RESAMPLER}, given.get("cross_attention_every", 1)


def _suits(config: Any, name: str) -> None:
    """Refuse decoders whose logits are more than their head's product: the loss is taken of that alone."""
    if config.is_encoder_decoder:
        raise VlitError(
            "this is an encoder-decoder, and a Flamingo needs a decoder",
            where=name,
            todo="take e.g. an OPT or Llama",
        )
    scales = ("final_logit_softcapping", "logit_scale", "logits_scaling")
    if found := [n for n in scales if getattr(config, n, None) not in (None, 1, 1.0)]:
        raise VlitError(
            f"this decoder changes its logits after the head ({', '.join(found)})",
            where=name,
            todo="take another decoder",
        )


def _skipped(config: Any) -> int:
    """Features of a vision encoder that are no patches; by its shapes alone, without computing."""
    import torch
    from transformers import AutoModel

    with torch.device("meta"):
        model = AutoModel.from_config(config)
        pixels = torch.zeros(1, getattr(config, "num_channels", 3), config.image_size, config.image_size)
        features = model(pixel_values=pixels).last_hidden_state.shape[1]
    patches: int = (config.image_size // config.patch_size) ** 2
    return max(0, int(features) - patches)


def _generation(config: Any, tokenizer: Any, end: int, image: int) -> Any:
    """A decoder's settings of generation; it ends with a chunk too, and makes no images."""
    from transformers import GenerationConfig

    known = None if config is None else config.eos_token_id
    ends = [*(known if isinstance(known, list) else [known]), tokenizer.eos_token_id]
    fields = {} if config is None else config.to_diff_dict()
    return GenerationConfig.from_dict(
        {
            **fields,
            "eos_token_id": list(dict.fromkeys([*(i for i in ends if i is not None), end])),
            "pad_token_id": tokenizer.pad_token_id,
            "suppress_tokens": [image],
        }
    )
