"""Low-rank adapters and the weights that they sit on, told apart by their names; merged, or kept.

Adapters are expected to be injected (``peft.inject_adapter_in_model``): a tuned linear layer ``q_proj`` then
holds ``q_proj.base_layer.weight``, ``q_proj.lora_A.default.weight`` and ``q_proj.lora_B.default.weight``;
nothing here changes the model: training can go on, and no copy of it is made but of the weights written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from vlit.data.errors import VlitError

if TYPE_CHECKING:
    import torch

    State = Mapping[str, torch.Tensor]

_BASE = ".base_layer."
_BUFFERS_OF_4BIT = (".absmax", ".quant_map", ".nested_absmax", ".nested_quant_map")


def adapted(model: torch.nn.Module) -> dict[str, Any]:
    """The layers that have adapters, by name, in the model's order; empty without LoRA."""
    try:
        from peft.tuners.lora import LoraLayer
    except ImportError:  # no adapters without peft
        return {}
    return {name: module for name, module in model.named_modules() if isinstance(module, LoraLayer)}


def base_state(model: torch.nn.Module, state: State | None = None) -> dict[str, torch.Tensor]:
    """The weights below the adapters under the names of the model as it was; adapters are left out.

    Args:
        model: With or without adapters.
        state: Its state dict where that has been gathered from several processes; by default its own.
    """
    given = model.state_dict() if state is None else state
    found = {
        name.replace(_BASE, "."): tensor
        for name, tensor in given.items()
        if not is_adapter(name) and not _is_about_4bit(name)
    }
    return found | dict(_unpacked(model))


def merged_state(model: torch.nn.Module, state: State | None = None) -> dict[str, torch.Tensor]:
    """The weights with their adapters added, under the names of the model as it was.

    Sums are taken in float32 and rounded once to the format of the weight. W + s B A, where s is alpha / rank;
    DoRA (Liu et al. 2024, eq. 5) then gives each row the length that was learnt.

    Args:
        model: See ``base_state``.
        state: See ``base_state``.

    Raises:
        VlitError: For an adapted layer that is neither a linear one nor an embedding.
    """
    given = model.state_dict() if state is None else state
    found = base_state(model, state)
    for name, layer in adapted(model).items():
        for adapter in layer.active_adapters:
            key = f"{name}.weight"
            found[key] = _merged(found[key], name, layer, adapter, given).to(found[key].dtype)
    return found


def adapter_state(model: torch.nn.Module, state: State | None = None) -> dict[str, torch.Tensor]:
    """The adapters alone, under the names of peft's files.

    Args:
        model: See ``base_state``.
        state: See ``base_state``.
    """
    given = model.state_dict() if state is None else state
    found = {}
    for name, layer in adapted(model).items():
        for adapter in layer.active_adapters:
            for key in (k for k in given if k.startswith(f"{name}.lora_")):
                plain = key.replace(f".{adapter}.", ".").removesuffix(f".{adapter}")
                plain = plain.replace("lora_magnitude_vector.weight", "lora_magnitude_vector")
                found[f"base_model.model.{plain}"] = given[key]
    return found


def is_adapter(name: str) -> bool:
    """Whether a parameter of that name is part of an adapter."""
    return any(piece.startswith("lora_") for piece in name.split("."))


def _merged(weight: torch.Tensor, name: str, layer: Any, adapter: str, given: State) -> torch.Tensor:
    import torch

    base = weight.float()
    scale = float(layer.scaling[adapter])
    down, up = f"{name}.lora_A.{adapter}.weight", f"{name}.lora_B.{adapter}.weight"
    embedded = f"{name}.lora_embedding_A.{adapter}"
    if embedded in given:
        a, b = given[embedded].float(), given[f"{name}.lora_embedding_B.{adapter}"].float()
        return base + scale * (b @ a).T
    if down not in given or given[down].ndim != 2:
        raise VlitError(
            f"adapters of a {type(layer.get_base_layer()).__name__} cannot be merged",
            where=name,
            todo="set lora.merge to false, or name linear layers alone in lora.targets",
        )
    delta = scale * (given[up].float() @ given[down].float())
    whole = base + (delta.T if getattr(layer, "fan_in_fan_out", False) else delta)
    length = given.get(f"{name}.lora_magnitude_vector.{adapter}.weight")
    if length is None:
        return whole
    lengths: torch.Tensor = length.float() / torch.linalg.norm(whole, dim=1)
    return whole * lengths.unsqueeze(1)


def _is_about_4bit(name: str) -> bool:
    return ".quant_state." in name or name.endswith(_BUFFERS_OF_4BIT)


def _unpacked(model: torch.nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Weights that bitsandbytes holds in 4 bits, as numbers."""
    for name, module in model.named_modules():
        if type(getattr(module, "weight", None)).__name__ == "Params4bit":
            from peft.utils.integrations import dequantize_module_weight

            yield f"{name}.weight".replace(_BASE, "."), dequantize_module_weight(module)
