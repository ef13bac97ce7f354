"""InstructBLIP: a BLIP-2 whose Q-Former reads the instruction too, so that it looks for what is asked.

Source: InstructBLIP. Saved as a standard ``InstructBlipForConditionalGeneration``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from vlit.data.errors import VlitError
from vlit.tune.example import Batch
from vlit.tune.models.blip2 import Blip2, Kinds
from vlit.tune.models.qformer import FAMILY, Plan
from vlit.weights.device import load

if TYPE_CHECKING:
    import torch

#: Tokens of an instruction that the Q-Former reads: the last ones, as LAVIS cuts.
LONGEST = 128


class InstructBlip(Blip2):
    """``InstructBlipForConditionalGeneration`` with its processor, which holds the Q-Former's tokenizer."""

    name: ClassVar[str] = "instructblip"
    model_types: ClassVar[tuple[str, ...]] = ("instructblip",)

    @classmethod
    def kinds(cls) -> Kinds:
        """See :class:`Blip2`."""
        import transformers as t

        return Kinds(
            t.InstructBlipForConditionalGeneration, t.InstructBlipConfig, t.InstructBlipVisionConfig,
            t.InstructBlipQFormerConfig, t.InstructBlipProcessor,
        )  # fmt: skip

    @classmethod
    def processor_of(cls, images: Any, tokenizer: Any, plan: Plan) -> Any:
        """See :class:`Blip2`; the Q-Former reads with the tokenizer of what it starts from."""
        from transformers import AutoTokenizer

        if not plan.source:
            raise VlitError(
                "InstructBLIP's Q-Former reads text, and there is no tokenizer for it",
                where="tune.model.connector.qformer",
                todo="name a BERT, such as google-bert/bert-base-uncased, or an InstructBLIP",
            )
        folder = {"subfolder": "qformer_tokenizer"} if plan.kind == FAMILY[1] else {}
        reader = load(plan.source, lambda: AutoTokenizer.from_pretrained(plan.source, **folder))
        return cls.kinds().processor(images, tokenizer, reader, num_query_tokens=plan.queries)

    def instruct(self, texts: Sequence[str]) -> dict[str, torch.Tensor]:
        """What the Q-Former reads of the instruction to each image, ready for ``Batch.instructions``.

        Args:
            texts: One for each image, in the order of the slots; longer ones lose their beginning.

        Returns:
            ``qformer_input_ids`` and ``qformer_attention_mask``, both (images, t).
        """
        reader = self.processor.qformer_tokenizer
        reader.truncation_side, reader.padding_side = "left", "right"
        longest = min(LONGEST, self.model.config.qformer_config.max_position_embeddings)
        found = reader(list(texts), padding=True, truncation=True, max_length=longest, return_tensors="pt")
        return {f"qformer_{key}": found[key] for key in ("input_ids", "attention_mask")}

    def seen(self, batch: Batch) -> dict[str, Any]:
        """See :class:`Blip2`; an instruction beside each picture."""
        return {**batch.images, **batch.instructions}

    def blank(self, device: torch.device) -> dict[str, Any]:
        """See :class:`Blip2`; with an empty instruction."""
        told = {key: tensor.to(device) for key, tensor in self.instruct([""]).items()}
        return super().blank(device) | told
