"""QLoRA: the linear layers of what is frozen, held in 4 bits (NF4), multiplied in bfloat16.

Source: QLoRA (double quantisation, 4-bit NormalFloat). Needs bitsandbytes and an NVIDIA GPU.
"""

from __future__ import annotations

import importlib.util

from vlit.data.errors import VlitError
from vlit.tune.config import StageConfig
from vlit.tune.models.architecture import Architecture


def to_4bit(model: Architecture, stage: StageConfig) -> None:
    """Replace the language model's linear layers in place; weights are quantised on the way to the GPU.

    Raises:
        VlitError: Without bitsandbytes or a GPU, and where the language model is tuned whole.
    """
    import torch

    from vlit.tune.trainable import linear_layers

    if stage.trainable.llm == "full":
        raise VlitError(
            "a language model that is tuned whole cannot be held in 4 bits",
            where="tune.lora.quantise",
            todo=f"set trainable.llm of stage {stage.name} to lora or frozen, or leave quantise out",
        )
    if not torch.cuda.is_available() or importlib.util.find_spec("bitsandbytes") is None:
        raise VlitError(
            "4-bit weights need bitsandbytes and an NVIDIA GPU",
            where="tune.lora.quantise",
            todo="pip install bitsandbytes on a machine with a GPU, or leave quantise out",
        )
    from bitsandbytes.nn import Linear4bit, Params4bit

    for name in linear_layers(model, "llm"):
        old = model.model.get_submodule(name)
        new = Linear4bit(
            old.in_features,
            old.out_features,
            bias=old.bias is not None,
            compute_dtype=torch.bfloat16,
            compress_statistics=True,
            quant_type="nf4",
        )
        new.weight = Params4bit(
            old.weight.data, requires_grad=False, quant_type="nf4", compress_statistics=True
        )
        if old.bias is not None:
            new.bias = old.bias
        model.model.set_submodule(name, new)
