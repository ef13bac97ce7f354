"""The architectures by name, and which of them loads a checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vlit.data.errors import VlitError, nearest
from vlit.data.registry import Registry
from vlit.data.seeds import draw
from vlit.tune import pocket
from vlit.tune.config import ModelConfig
from vlit.tune.models.architecture import Architecture
from vlit.weights.device import load
from vlit.weights.located import located

ARCHITECTURES = Registry(
    "vlit.architectures",
    {
        "llava": "vlit.tune.models.llava:Llava",
        "blip2": "vlit.tune.models.blip2:Blip2",
        "instructblip": "vlit.tune.models.instructblip:InstructBlip",
        "flamingo": "vlit.tune.models.flamingo:Flamingo",
        "auto": "vlit.tune.models.auto:Auto",
    },
)

#: Keys of ``connector`` that name weights.
PATHS = ("qformer", "weights")


def placed(name: str, base: Path) -> str:
    """Where a model is: a folder's absolute path, or its hub id. ``pocket`` is the model that vlit brings."""
    return str(pocket.folder()) if name == pocket.NAME else located(name, base)


def names_in(config: ModelConfig, base: Path) -> list[str]:
    """Hub ids and folders that the model is read from."""
    found = [config.checkpoint, config.vision, config.llm, *(config.connector.get(key) for key in PATHS)]
    return [placed(str(name), base) for name in found if name is not None]


def open_model(config: ModelConfig, base: Path, *, weights: bool = True, seed: int = 0) -> Architecture:
    """The model that a recipe names: a checkpoint, or assembled from its parts. In float32, on the CPU.

    Args:
        config: Its names of folders may be relative.
        base: Folder that they are relative to.
        weights: Without them the model is built on the meta device: tokenizer, processor and slots work.
        seed: Of new weights. The same seed gives the same; torch's own generator is left as it was.

    Raises:
        VlitError: When it cannot be loaded, or the checkpoint is of another architecture.
    """
    if config.checkpoint is not None:
        found = load_model(placed(config.checkpoint, base), config.architecture, weights=weights)
    else:
        assert config.architecture is not None and config.vision is not None and config.llm is not None
        connector = {k: located(v, base) if k in PATHS else v for k, v in config.connector.items()}
        here = {
            "vision": located(config.vision, base),
            "llm": located(config.llm, base),
            "connector": connector,
        }
        with _drawn_from(seed):
            found = _named(config.architecture).assemble(config.model_copy(update=here), weights=weights)
    if config.image is not None:
        found.make_square(config.image)
    return found


@contextmanager
def _drawn_from(seed: int) -> Iterator[None]:
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(draw(seed, "new weights") >> 1)
        yield


def load_model(name: str, architecture: str | None = None, *, weights: bool = True) -> Architecture:
    """A checkpoint, by the architecture that its config tells. In float32, on the CPU.

    Args:
        name: Hub id or folder.
        architecture: The one that is expected; any by default. ``auto`` takes any checkpoint.
        weights: As in ``open_model``.

    Raises:
        VlitError: When it cannot be loaded, or is of another architecture.
    """
    kind = model_type_of(name)
    found = _architecture_for(kind)
    if architecture not in (None, found, "auto"):
        raise VlitError(
            f"this checkpoint is a {kind}, and the recipe says {architecture}",
            where=name,
            todo=f"set tune.model.architecture to {found}, or leave it out",
        )
    return _named(architecture or found).load(name, weights=weights)


def architecture_of(name: str) -> str:
    """The architecture that loads a checkpoint; ``auto`` for models that have no file of their own here.

    Raises:
        VlitError: When there is no checkpoint of that name.
    """
    return _architecture_for(model_type_of(name))


def model_type_of(name: str) -> str:
    """What a checkpoint's config calls its kind, such as ``llava`` or ``qwen2_5_vl``.

    Raises:
        VlitError: When there is no checkpoint of that name.
    """
    from transformers import PretrainedConfig

    # The file itself is read: the class of a model type of our own is not known to transformers yet.
    about, _ = load(name, lambda: PretrainedConfig.get_config_dict(name))
    if about.get("model_type") is None:
        raise VlitError(
            "there is no config.json that tells a model_type",
            where=name,
            todo="name a folder that save_pretrained has written, or a hub id",
        )
    return str(about["model_type"])


def _architecture_for(kind: str) -> str:
    return next((n for n in ARCHITECTURES.names() if kind in ARCHITECTURES.load(n).model_types), "auto")


def _named(name: str) -> type[Architecture]:
    try:
        found: type[Architecture] = ARCHITECTURES.load(name)
    except VlitError:
        raise VlitError(
            f"there is no architecture {name!r}",
            where="tune.model.architecture",
            todo=nearest(name, ARCHITECTURES.names()),
        ) from None
    return found
