"""BLIP-2: a vision encoder, a Q-Former, a projection, and a language model: OPT, any other decoder, or T5.

A Q-Former's queries stand in the text as tokens of their own, 32 to an image. Source: BLIP-2, its second stage.
Saved as a standard ``Blip2ForConditionalGeneration``.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

from vlit.data.errors import VlitError
from vlit.data.scene import Image
from vlit.tune.config import ModelConfig
from vlit.tune.example import Batch
from vlit.tune.models.architecture import Architecture, Part
from vlit.tune.models.blip_vision import blip_vision, check_size
from vlit.tune.models.decoders import head_is_all
from vlit.tune.models.parts import IMAGE_PLACEHOLDER, add_token, checkpoint, language_model, on_meta
from vlit.tune.models.qformer import Plan, fill, planned
from vlit.weights.device import load

if TYPE_CHECKING:
    import PIL.Image as PILImage
    import torch


class Kinds(NamedTuple):
    """The classes of transformers that make up one model."""

    model: Any
    config: Any
    vision: Any
    qformer: Any
    processor: Any


class Blip2(Architecture):
    """``Blip2ForConditionalGeneration`` with its processor."""

    name: ClassVar[str] = "blip2"
    model_types: ClassVar[tuple[str, ...]] = ("blip-2",)
    parts: ClassVar[Mapping[Part, tuple[str, ...]]] = {
        "vision": ("vision_model",),
        "connector": ("query_tokens", "qformer", "language_projection"),
        "llm": ("language_model",),
    }

    def __init__(self, model: Any, tokenizer: Any, processor: Any) -> None:
        super().__init__(model, tokenizer, processor)
        self.seq2seq = bool(model.language_model.config.is_encoder_decoder)
        # A decoder that counts its positions itself cannot start anew in the middle of a row.
        self.packs = not self.seq2seq and "position_ids" in inspect.signature(self.decoder.forward).parameters

    @classmethod
    def kinds(cls) -> Kinds:
        """Its classes; imported when they are needed."""
        import transformers as t

        return Kinds(
            t.Blip2ForConditionalGeneration, t.Blip2Config, t.Blip2VisionConfig, t.Blip2QFormerConfig,
            t.Blip2Processor,
        )  # fmt: skip

    @classmethod
    def assemble(cls, config: ModelConfig, *, weights: bool = True) -> Self:
        """See :class:`Architecture`; the connector takes the settings of ``QFormerConfig``."""
        import torch

        assert config.vision is not None and config.llm is not None  # the config asks for both
        sizes, state, images = blip_vision(config.vision, weights=weights)
        plan = planned(config.connector, sizes["hidden_size"])
        llm, tokenizer = language_model(config.llm, weights=weights)
        _check_language_model(llm, config.llm)
        token = add_token(llm, tokenizer, IMAGE_PLACEHOLDER)
        kinds = cls.kinds()
        settings = kinds.config(
            vision_config=kinds.vision(**sizes),
            qformer_config=kinds.qformer(**plan.sizes),
            text_config=llm.config,
            num_query_tokens=plan.queries,
            image_token_index=token,
        )
        whole = on_meta(kinds.model, settings)
        if weights:
            # What is drawn or read here takes the place of shapes: the language model is in memory only once.
            whole.vision_model = _filled(type(whole.vision_model), settings.vision_config, state, config.vision)
            whole.qformer = type(whole.qformer)._from_config(settings.qformer_config)
            whole.query_tokens = torch.nn.Parameter(torch.empty(whole.query_tokens.shape))
            whole.language_projection = torch.nn.Linear(
                settings.qformer_config.hidden_size, llm.config.hidden_size
            )
            fill(whole, plan)
            whole.language_model = llm
        whole.generation_config = llm.generation_config
        whole.generation_config.pad_token_id = tokenizer.pad_token_id
        processor = cls.processor_of(images, tokenizer, plan)
        return cls(whole.eval(), tokenizer, processor)

    @classmethod
    def processor_of(cls, images: Any, tokenizer: Any, plan: Plan) -> Any:
        """The processor of an assembled model.

        Raises:
            VlitError: When the plan does not bring what it needs.
        """
        return cls.kinds().processor(images, tokenizer, num_query_tokens=plan.queries)

    @classmethod
    def load(cls, name: str, *, weights: bool = True) -> Self:
        """See :class:`Architecture`; a checkpoint from before there were image tokens gets one."""
        from transformers import AutoProcessor

        model = checkpoint(cls.kinds().model, name, weights=weights)
        if (
            model.language_model.generation_config is not None
            and model.generation_config.eos_token_id is not None
        ):
            model.language_model.generation_config = model.generation_config  # generate asks the inner one
        processor = load(name, lambda: AutoProcessor.from_pretrained(name))
        _settle_image_token(model, processor, name)
        check_size(processor.image_processor, model.config.vision_config.image_size, name)
        return cls(model, processor.tokenizer, processor)

    @property
    def decoder(self) -> Any:
        """See :class:`Architecture`; of T5 both halves."""
        return self.model.language_model if self.seq2seq else self.model.language_model.base_model

    def slot(self, image: Image) -> Sequence[int]:
        """As many placeholders as there are queries."""
        config = self.model.config
        return [config.image_token_index] * config.num_query_tokens

    def pixels(self, pictures: Sequence[PILImage.Image]) -> dict[str, torch.Tensor]:
        """``pixel_values`` (images, 3, height, width)."""
        found = self.processor.image_processor(list(pictures), return_tensors="pt")
        return {"pixel_values": found["pixel_values"]}

    def inputs(self, batch: Batch) -> dict[str, Any]:
        """See :class:`Architecture`.

        A batch of text alone brings a blank picture, for which no token stands: ``forward`` and ``generate`` of
        the model ask for pictures.
        """
        return {"input_ids": batch.ids, **(self.seen(batch) if batch.images else self.blank(batch.ids.device))}

    def seen(self, batch: Batch) -> dict[str, Any]:
        """What vision encoder and Q-Former read, a row for each image."""
        return dict(batch.images)

    def blank(self, device: torch.device) -> dict[str, Any]:
        """The same of one picture without content."""
        import torch

        size = self.model.config.vision_config.image_size
        return {"pixel_values": torch.zeros(1, 3, size, size, device=device)}

    def hidden(self, batch: Batch, mask: Any) -> torch.Tensor:
        """See :class:`Architecture`; those of T5 are scaled, so that its head makes the model's own logits."""
        told = self.model.language_model.get_input_embeddings()(batch.ids)
        if batch.images:
            features = self.model.get_image_features(**self.seen(batch), return_dict=True).pooler_output
            slots = (batch.ids == self.model.config.image_token_index).unsqueeze(-1)
            told = told.masked_scatter(slots, features.to(told.dtype))
        if self.seq2seq:
            return self._decoded(told, mask, batch.labels)
        where = {"position_ids": batch.positions} if self.packs else {}
        found: torch.Tensor = self.decoder(
            inputs_embeds=told, attention_mask=mask, use_cache=False, **where
        ).last_hidden_state
        return found

    def _decoded(self, told: torch.Tensor, mask: Any, labels: torch.Tensor) -> torch.Tensor:
        """States of T5's decoder that foretell the labels (rows, m): it reads them shifted by one."""
        llm = self.model.language_model
        read = llm.get_encoder()(inputs_embeds=told, attention_mask=mask).last_hidden_state
        found: torch.Tensor = llm.get_decoder()(
            input_ids=llm.prepare_decoder_input_ids_from_labels(labels),
            encoder_hidden_states=read,
            encoder_attention_mask=mask,
            use_cache=False,
        ).last_hidden_state
        scaled = getattr(llm.config, "scale_decoder_outputs", llm.config.tie_word_embeddings)
        return found * llm.config.d_model**-0.5 if scaled else found


def _filled(kind: Any, config: Any, state: Mapping[str, torch.Tensor], name: str) -> Any:
    """A vision encoder with these weights."""
    model = kind._from_config(config)
    if missing := sorted(model.state_dict().keys() - state.keys()):
        raise VlitError(
            f"{len(missing)} weights of its vision encoder are missing, such as {missing[0]}",
            where=name,
            todo="name a checkpoint that save_pretrained has written whole",
        )
    model.load_state_dict({key: state[key] for key in model.state_dict()})
    return model


def _check_language_model(llm: Any, name: str) -> None:
    """Refuse a language model that the class cannot hold."""
    if llm.config.is_encoder_decoder and llm.config.model_type != "t5":
        raise VlitError(
            f"of encoder-decoders BLIP-2 holds T5 alone, and this is {llm.config.model_type}",
            where=name,
            todo="take a T5, such as Flan-T5, or a decoder",
        )
    told, inner = llm.get_input_embeddings().embedding_dim, llm.config.hidden_size
    if told != inner:
        raise VlitError(
            f"its token embeddings have width {told} and its layers {inner}, and BLIP-2 projects to the latter",
            where=name,
            todo="take a language model of one width; of OPT that is any but opt-350m",
        )
    head = llm.get_output_embeddings()
    if not (llm.config.is_encoder_decoder or head.weight.is_meta or head_is_all(llm, llm.get_decoder(), head)):
        raise VlitError(
            f"{llm.config.model_type} does more to its logits than a linear head, which tuning would leave out",
            where=name,
            todo="take a decoder such as OPT, Llama, Qwen or Mistral",
        )


def _settle_image_token(model: Any, processor: Any, name: str) -> None:
    """See to it that config, tokenizer, embeddings and processor agree on the image token.

    Checkpoints from before transformers 4.46 have none. They get one as the documentation of BLIP-2 tells: a
    special token, a row in the embeddings, ``image_token_index`` and ``num_query_tokens``.
    """
    tokenizer = getattr(processor, "tokenizer", None)
    if tokenizer is None or not tokenizer.is_fast or not hasattr(processor, "image_processor"):
        raise VlitError(
            "there is no processor with an image processor and a fast tokenizer",
            where=name,
            todo="save the processor beside the model",
        )
    if model.config.image_token_index is None:
        model.config.image_token_index = add_token(model.language_model, tokenizer, IMAGE_PLACEHOLDER)
        model.config.text_config.vocab_size = model.language_model.config.vocab_size
    processor.num_query_tokens = model.config.num_query_tokens
    own = tokenizer.get_vocab().get(IMAGE_PLACEHOLDER)
    if own != model.config.image_token_index:
        raise VlitError(
            f"{IMAGE_PLACEHOLDER} is token {own} of the tokenizer, and {model.config.image_token_index} in the "
            "model's config",
            where=name,
            todo="save the tokenizer that belongs to the model beside it",
        )
