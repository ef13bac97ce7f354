"""What tuning needs to know of a model: its parts, its image slots, its hidden states and its head.

A new architecture is one file with one subclass, and a line in ``registry``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from vlit.data.scene import Image
from vlit.tune.config import ModelConfig
from vlit.tune.example import Batch

if TYPE_CHECKING:
    import PIL.Image as PILImage
    import torch

#: The parts of a multimodal model that are frozen, tuned whole, or tuned by LoRA.
Part = Literal["vision", "connector", "llm"]
PARTS: tuple[Part, ...] = ("vision", "connector", "llm")


class Architecture(ABC):
    """A multimodal model with its tokenizer and image processor.

    Attributes:
        model: The ``PreTrainedModel`` itself; ``generate`` and ``save_pretrained`` are its own.
        tokenizer: Fast tokenizer; its ``chat_template`` is what training and inference both use.
        processor: The model's processor where transformers has one, else the image processor.
    """

    name: ClassVar[str]  #: key in the recipe
    model_types: ClassVar[tuple[str, ...]] = ()  #: ``config.model_type`` of checkpoints that it loads
    packs: bool = True  #: whether several documents may share a row
    seq2seq: bool = False  #: whether the language model is an encoder-decoder
    #: Dotted prefixes of the parameters of each part, in ``model``. Every parameter belongs to exactly one.
    parts: ClassVar[Mapping[Part, tuple[str, ...]]]

    def __init__(self, model: Any, tokenizer: Any, processor: Any) -> None:
        self.model, self.tokenizer, self.processor = model, tokenizer, processor

    @classmethod
    @abstractmethod
    def assemble(cls, config: ModelConfig, *, weights: bool = True) -> Self:
        """A new model from the weights of a vision encoder and a language model; the connector starts anew.

        Args:
            config: Names both parts.
            weights: Without them it is built on the meta device; none are read or drawn. For encoding.

        Raises:
            VlitError: When a part cannot be loaded, or is of no use here.
        """

    @classmethod
    @abstractmethod
    def load(cls, name: str, *, weights: bool = True) -> Self:
        """A checkpoint with its tokenizer and processor, from a hub id or a folder, in float32.

        Args:
            name: Hub id or folder.
            weights: As in ``assemble``.

        Raises:
            VlitError: When it cannot be loaded, is of another architecture, or lacks the image token.
        """

    @abstractmethod
    def slot(self, image: Image) -> Sequence[int]:
        """The ids that stand for this image in the text: as many placeholders as it has features."""

    @abstractmethod
    def pixels(self, pictures: Sequence[PILImage.Image]) -> dict[str, torch.Tensor]:
        """What the vision part reads of at least one RGB picture, ready for ``Batch.images``.

        Those of several calls, put behind one another along the first dimension, are those of one call with all
        pictures.
        """

    @abstractmethod
    def inputs(self, batch: Batch) -> dict[str, Any]:
        """What ``model`` takes for a batch beside attention mask and positions: ids, pixels.

        ``generate`` gets the same, with ``attention_mask``; the batch is padded on the left then.
        """

    @abstractmethod
    def hidden(self, batch: Batch, mask: Any) -> torch.Tensor:
        """Last hidden states (rows, n, d) of the decoder; encoder-decoder: (rows, m, d) at the labels.

        Args:
            batch: On the model's device.
            mask: What ``attention.mask`` made of it for the attention in use. The decoder takes it as it is.
        """

    @property
    def head(self) -> torch.nn.Module:
        """Hidden states to logits; called on the places of labels alone."""
        found: torch.nn.Module = self.model.get_output_embeddings()
        return found

    @property
    @abstractmethod
    def decoder(self) -> Any:
        """The language model's body, a ``PreTrainedModel``: attention and checkpointing are set there."""

    def part_of(self, parameter: str) -> Part:
        """The part that a parameter belongs to, by its name in ``model``.

        Raises:
            KeyError: When it belongs to none; a mistake in ``parts``.
        """
        for part, starts in self.parts.items():
            if any(f"{parameter}.".startswith(f"{start}.") for start in starts):
                return part
        raise KeyError(parameter)

    def make_square(self, how: Literal["pad", "crop", "resize"]) -> None:
        """From now on photos become square in this way; it is saved with the processor.

        Args:
            how: pad: to a square, with the mean colour around the photo, then resized, as LLaVA-1.5 does;
                crop: the shorter side resized, then the middle; resize: both sides, whatever the shape.

        Raises:
            VlitError: When the image processor makes no squares.
        """
        from vlit.tune.models.pictures import square

        if hasattr(self.processor, "image_processor"):
            self.processor.image_processor = square(self.processor.image_processor, how)
        else:
            self.processor = square(self.processor, how)

    def save(self, folder: Path) -> None:
        """Write what ``from_pretrained`` reads: weights as safetensors, tokenizer, processor, chat template."""
        from vlit.tune.models.pictures import save_processor

        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        save_processor(self.processor, self.tokenizer, folder)
