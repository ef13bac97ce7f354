"""Any ``AutoModelForImageTextToText``, through its own processor: Qwen-VL, SmolVLM, Gemma and more.

Nothing here knows a model by name. Parts are told by the usual names of modules, slots and pixels come from the
processor as it is, and positions (such as M-RoPE) are left to the model; so documents do not share rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from vlit.data.errors import VlitError
from vlit.data.scene import Image
from vlit.tune.config import ModelConfig
from vlit.tune.example import Batch
from vlit.tune.models.architecture import Architecture, Part
from vlit.tune.models.decoders import head_is_all
from vlit.tune.models.parts import checkpoint, whole_processor
from vlit.weights.device import load, quiet

if TYPE_CHECKING:
    import PIL.Image as PILImage
    import torch

#: Last names of the modules that see, and of those between them and the language model.
VISION = (
    "visual",
    "vision_tower",
    "vision_model",
    "vision_encoder",
    "vision",
    "vit",
    "image_encoder",
    "image_tower",
)
CONNECTOR = (
    *(
        "multi_modal_projector",
        "connector",
        "merger",
        "deepstack_merger_list",
        "qformer",
        "resampler",
        "perceiver",
    ),
    *(
        "perceiver_resampler",
        "embed_vision",
        "aligner",
        "projector",
        "vision_projector",
        "image_projector",
        "mlp1",
    ),
    *(
        "image_projection",
        "vision_projection",
        "visual_projection",
        "language_projection",
        "modality_projection",
    ),
)
#: What a processor says of text, which is made here.
_OF_TEXT = ("input_ids", "attention_mask", "labels")
#: Marks of image tokens, under the names that models know them by.
_MARKS = ("mm_token_type_ids", "token_type_ids")


class Auto(Architecture):
    """A checkpoint with a processor of its own. Documents do not share rows; batches are padded."""

    name: ClassVar[str] = "auto"
    packs = False

    def __init__(self, model: Any, tokenizer: Any, processor: Any) -> None:
        super().__init__(model, tokenizer, processor)
        self.parts = told_apart(model)  # type: ignore[misc]  # each model has its own
        self._slots: dict[tuple[int, int], list[int]] = {}

    @classmethod
    def assemble(cls, config: ModelConfig, *, weights: bool = True) -> Self:
        """Always refused: there is nothing to assemble by."""
        raise VlitError(
            "`auto` loads checkpoints and assembles none",
            where="tune.model",
            todo="name a checkpoint, or the architecture that the parts are assembled to",
        )

    @classmethod
    def load(cls, name: str, *, weights: bool = True) -> Self:
        """See :class:`Architecture`."""
        from transformers import AutoConfig, AutoModelForImageTextToText

        quiet()
        config = load(name, lambda: AutoConfig.from_pretrained(name))
        if type(config) not in AutoModelForImageTextToText._model_mapping:
            raise VlitError(
                f"a {config.model_type} answers no questions on images",
                where=name,
                todo="name a model that sees images; a language model or a vision encoder is a part of one",
            )
        model = checkpoint(AutoModelForImageTextToText, name, weights=weights)
        processor = whole_processor(name)
        if model.base_model is model:
            raise VlitError(f"{type(model).__name__} has no head of its own", where=name, todo=_TODO)
        if weights and not head_is_all(model, model.base_model, model.get_output_embeddings()):
            raise VlitError(
                f"{type(model).__name__} does more to its logits than a linear head", where=name, todo=_TODO
            )
        found = cls(model, processor.tokenizer, processor)
        found._checked(name)
        return found

    @property
    def decoder(self) -> Any:
        """See :class:`Architecture`."""
        return self.model.get_decoder()

    def slot(self, image: Image) -> Sequence[int]:
        """What the processor writes for an image of this size."""
        size = (image.width, image.height)
        if size not in self._slots:
            import PIL.Image

            found = self._processed(PIL.Image.new("RGB", size, (127, 127, 127)))
            self._slots[size] = [int(i) for i in found["input_ids"][0]]
        return self._slots[size]

    def pixels(self, pictures: Sequence[PILImage.Image]) -> dict[str, torch.Tensor]:
        """What the processor makes of each picture, tiles and patches one after the other."""
        import torch

        found = [self._flat(self._processed(picture)) for picture in pictures]
        return {name: torch.cat([own[name] for own in found]) for name in found[0]}

    def inputs(self, batch: Batch) -> dict[str, Any]:
        """See :class:`Architecture`."""
        if hasattr(self.model.base_model, "rope_deltas"):
            self.model.base_model.rope_deltas = (
                None  # of the batch before: wrong positions in one without images
            )
        about = {
            name: tensor.unsqueeze(0) if name in self._made.nested else tensor
            for name, tensor in batch.images.items()
        }
        if self._made.mark:
            about[self._made.mark] = self._marks(batch.ids)
        return {"input_ids": batch.ids, **about}

    def hidden(self, batch: Batch, mask: Any) -> torch.Tensor:
        """See :class:`Architecture`; ``mask`` is 2-D, and positions are the model's own affair."""
        found: torch.Tensor = self.model.base_model(
            **self.inputs(batch), attention_mask=mask, use_cache=False
        ).last_hidden_state
        return found

    def make_square(self, how: Any) -> None:
        """Always refused: the processor has its own way with shapes."""
        raise VlitError(
            "this model's processor has its own way with the shapes of photos",
            where="tune.model.image",
            todo="leave it out",
        )

    def _processed(self, picture: PILImage.Image) -> Mapping[str, Any]:
        """One picture and its place in a text, through the processor."""
        found: Mapping[str, Any] = self.processor(
            text=[self.processor.image_token], images=[picture], return_tensors="pt", add_special_tokens=False
        )
        return found

    def _flat(self, found: Mapping[str, Any]) -> dict[str, torch.Tensor]:
        return {
            name: found[name][0] if name in self._made.tiled else found[name] for name in self._made.of_images
        }

    @cached_property
    def _made(self) -> _Made:
        import PIL.Image

        return _Made.of(self._processed(PIL.Image.new("RGB", (96, 64), (127, 127, 127))))

    def _marks(self, ids: torch.Tensor) -> torch.Tensor:
        import torch

        return torch.isin(ids, torch.tensor(self._image_ids, device=ids.device)).long()

    @property
    def _image_ids(self) -> list[int]:
        known = getattr(self.processor, "image_token_ids", None)
        if known:
            return [int(i) for i in known]
        found = _image_token_id(self.model.config)
        return [] if found is None else [found]

    def _checked(self, name: str) -> None:
        """Refuse what cannot be had from this processor, before the first batch does."""
        if not getattr(self.processor, "image_token", None):
            raise VlitError(f"{type(self.processor).__name__} has no image token", where=name, todo=_TODO)
        slot = self.slot(Image(uri="", width=96, height=64))
        token = _image_token_id(self.model.config)
        if token not in slot:
            raise VlitError(
                f"the processor writes no token {token}, which the model's config says images have",
                where=name,
                todo="save the processor that belongs to the model beside it",
            )
        if self._made.of_text:
            raise VlitError(
                f"its processor makes {' and '.join(self._made.of_text)} of text and images together",
                where=name,
                todo=_TODO,
            )
        if self.model.config.model_type.startswith("paligemma"):
            raise VlitError("paligemma reads its prompt in both directions", where=name, todo=_TODO)


_TODO = (
    "take another checkpoint; those of the kind of LLaVA, Qwen-VL, Idefics3, SmolVLM, InternVL and Gemma 3 fit"
)


@dataclass(frozen=True)
class _Made:
    """What a processor makes of an image in a text."""

    of_images: tuple[str, ...]
    tiled: frozenset[str]  #: of (1, tiles, ...), which become (tiles, ...)
    nested: frozenset[str]  #: those that the model wants as (1, tiles, ...) again
    of_text: tuple[str, ...]  #: as long as the text, which nobody but the processor can make
    mark: str  #: under which the model is told where image tokens are

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> _Made:
        length = len(found["input_ids"][0])
        known = (*_OF_TEXT, *_MARKS)
        rest = {name: np.shape(value) for name, value in found.items() if name not in known}
        of_text = tuple(name for name, shape in rest.items() if len(shape) > 1 and shape[1] == length)
        of_images = tuple(name for name in rest if name not in of_text)
        stacked = len(rest.get("pixel_values", ())) == 5
        tiled = frozenset({"pixel_values", "pixel_attention_mask"} & set(rest)) if stacked else frozenset()
        # Models that are told the sizes of images share out the tiles themselves (LLaVA-NeXT, -OneVision); the
        # others take all tiles as those of one text (Idefics3, SmolVLM).
        nested = frozenset() if "image_sizes" in rest else tiled
        return cls(of_images, tiled, nested, of_text, next((mark for mark in _MARKS if mark in found), ""))


def told_apart(model: Any) -> dict[Part, tuple[str, ...]]:
    """Prefixes of the parameters of each part; the connector first, as it may lie inside the vision part.

    Raises:
        VlitError: When the parts cannot be told.
    """
    names = {id(module): name for name, module in model.named_modules()}
    ends = (model.get_output_embeddings(), model.get_input_embeddings())
    llm = [names[id(module)] for module in (model.get_decoder(), *ends) if id(module) in names]
    connector = _topmost(model, CONNECTOR, llm)
    vision = _topmost(model, VISION, llm)
    lost = [name for name, _ in model.named_parameters() if not _below(name, (*llm, *connector, *vision))]
    # Parameters that stand alone beside the parts, such as the sign for a new line of an image.
    alone = [name for name in lost if name.rpartition(".")[0] in ("", model.base_model_prefix)]
    if "" in llm or not vision or not connector or len(lost) > len(alone):
        top = ", ".join(name for name, module in _top(model) if _holds(module))
        raise VlitError(
            f"it cannot be told which modules of {type(model).__name__} see, and which connect",
            where=f"its modules {top}",
            todo="take another checkpoint, or give this one an architecture of its own",
        )
    return {"connector": (*connector, *alone), "vision": tuple(vision), "llm": tuple(llm)}


def _topmost(model: Any, wanted: Sequence[str], llm: Sequence[str]) -> list[str]:
    """Modules of these last names that hold parameters, outside the language model and each other."""
    found: list[str] = []
    for name, module in model.named_modules():
        if name.rpartition(".")[2] in wanted and not _below(name, (*llm, *found)) and _holds(module):
            found.append(name)
    return found


def _below(name: str, starts: Sequence[str]) -> bool:
    return any(f"{name}.".startswith(f"{start}.") for start in starts)


def _top(model: Any) -> Iterator[tuple[str, Any]]:
    for name, module in model.named_children():
        yield name, module
        yield from ((f"{name}.{own}", inner) for own, inner in module.named_children() if not own.isdigit())


def _holds(module: Any) -> bool:
    return next(module.parameters(), None) is not None


def _image_token_id(config: Any) -> int | None:
    for name in ("image_token_id", "image_token_index"):
        if (found := getattr(config, name, None)) is not None:
            return int(found)
    return None
