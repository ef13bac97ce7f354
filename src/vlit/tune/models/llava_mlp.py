"""LLaVA with a projector of more than two layers. It travels with the weights: nothing of vlit is imported."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import LlavaConfig, LlavaForConditionalGeneration


class LlavaMlpConfig(LlavaConfig):
    """``LlavaConfig`` with ``projector_layers``: linear layers of the projector, with GELU between them."""

    model_type = "vlit_llava_mlp"
    projector_layers = 3


class Projector(nn.Module):
    """Linear layers with GELU between them: image features to the width of the language model.

    Args:
        config: Its widths, and how many layers.
    """

    def __init__(self, config: Any) -> None:
        super().__init__()
        layer, width = config.vision_feature_layer, config.text_config.hidden_size
        seen = config.vision_config.hidden_size * (1 if isinstance(layer, int) else len(layer))
        self.layers = config.projector_layers
        for number in range(1, self.layers + 1):
            linear = nn.Linear(seen if number == 1 else width, width, bias=config.multimodal_projector_bias)
            self.add_module(f"linear_{number}", linear)

    def forward(self, image_features: torch.Tensor) -> torch.Tensor:
        """(images, n, width of the encoder) to (images, n, width of the language model)."""
        found: torch.Tensor = self.get_submodule("linear_1")(image_features)
        for number in range(2, self.layers + 1):
            found = self.get_submodule(f"linear_{number}")(nn.functional.gelu(found))
        return found


class LlavaMlpForConditionalGeneration(LlavaForConditionalGeneration):
    """``LlavaForConditionalGeneration`` with another projector."""

    config_class = LlavaMlpConfig

    def __init__(self, config: LlavaMlpConfig) -> None:
        super().__init__(config)
        self.model.multi_modal_projector = Projector(config)
        self.post_init()  # type: ignore[no-untyped-call]
