"""What a stage leaves behind: a standard checkpoint that ``from_pretrained`` loads, whole or not at all."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlit.data.store import atomic, unwritable
from vlit.tune import merge
from vlit.tune.checkpoint import refused
from vlit.tune.config import StageConfig, TuneConfig
from vlit.tune.models.architecture import Architecture
from vlit.weights.device import quiet

if TYPE_CHECKING:
    import torch

FORMAT = 1  #: of ``vlit.json``; raised when a key changes its meaning
NOTES = "vlit.json"
_RECORD = ".publishing"  #: while a result is published: all files that it or the one before it may have left
BASE = "base"  #: folder of the weights below adapters, where no checkpoint of the hub has them


def write_result(
    model: Architecture,
    folder: Path,
    *,
    config: TuneConfig,
    stage: StageConfig,
    about: Mapping[str, Any],
    state: Mapping[str, torch.Tensor] | None = None,
) -> None:
    """Write the model as it is now. It is not changed, and an earlier result stays until this one is whole.

    ``folder`` holds weights as safetensors (adapters merged, or with ``lora.merge: false`` as a plain peft
    folder with ``base/`` below it where the base is no checkpoint of the hub), tokenizer with chat template,
    processor, ``generation_config.json``, a model card, and ``vlit.json``. Weights are written in one format:
    float32, or bfloat16 where training multiplied in it.

    Args:
        model: With its adapters injected, if any.
        folder: Where it lies in the end.
        config: Of the tuning.
        stage: The stage that has just ended.
        about: What the run knows; ``card.About`` names the keys, all of which may be missing.
        state: The model's state dict where it had to be gathered from several processes.

    Raises:
        VlitError: When the disk is full or the folder cannot be written; nothing is left of this result then.
    """
    quiet()
    layers = merge.adapted(model.model)
    with _replacing(folder) as new:
        if layers and not config.lora.merge:
            _write_adapters(model, new, config, stage, layers, state, about)
        else:
            weights = merge.merged_state(model.model, state)
            _write_whole(model, new, _rounded(weights, _dtype(model, config, about)))
        _write_template(model, new, config, stage, about)
        _write_notes(model, new, config, stage, about)


def open_result(folder: Path) -> Architecture:
    """A model that ``write_result`` wrote, adapters merged; in float32, on the CPU.

    Raises:
        VlitError: When the folder holds no such model.
    """
    from vlit.tune.models.registry import load_model

    named = _base_of(folder)
    if named is None:
        return load_model(str(folder))
    from peft import PeftModel

    model = load_model(str(folder / BASE) if named == BASE else named)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of what peft calls in transformers
        model.model = PeftModel.from_pretrained(model.model, str(folder)).merge_and_unload()
    _read_as_tuned(model, folder)
    return model


def _read_as_tuned(model: Architecture, folder: Path) -> None:
    """Give a model the chat template and the image processor of the stage whose adapters it has got.

    Those beside the weights below are of the stage before, or of the hub.
    """
    from vlit.tune.models.parts import image_processor

    model.tokenizer.chat_template = (folder / "chat_template.jinja").read_text(encoding="utf-8")
    if hasattr(model.processor, "image_processor"):
        model.processor.image_processor = image_processor(str(folder))
        model.processor.chat_template = model.tokenizer.chat_template
    else:
        model.processor = image_processor(str(folder))


def _base_of(folder: Path) -> str | None:
    """What the adapters in a folder sit on, as peft's file says; ``None`` where there are no adapters."""
    path = folder / "adapter_config.json"
    if not path.is_file():
        return None
    return str(json.loads(path.read_text(encoding="utf-8"))["base_model_name_or_path"])


def publish(result: Path, folder: Path) -> None:
    """Show a result in a folder that holds other things too; ``vlit.json`` comes last, as the sign of the end.

    Files are linked where the file system can, so that they take no room twice, else copied.

    Args:
        result: What ``write_result`` wrote.
        folder: Keeps what else it holds; files of an earlier result are removed.

    Raises:
        VlitError: When the folder cannot be written.
    """
    notes, record = folder / NOTES, folder / _RECORD
    try:
        folder.mkdir(parents=True, exist_ok=True)
        new, old = _files(result), {*_listed(notes), *_listed(record)}
        # Whoever goes on after a kill has to know what may lie here: weights of another result beside new ones
        # would be loaded instead of them.
        with atomic(record) as temporary:
            temporary.write_text(json.dumps({"files": sorted(old.union(new))}), encoding="utf-8")
        notes.unlink(missing_ok=True)
        for name in sorted(old.difference(new)):
            (folder / name).unlink(missing_ok=True)
        for name in [*new, NOTES]:
            there = folder / name
            there.parent.mkdir(parents=True, exist_ok=True)
            there.unlink(missing_ok=True)
            try:
                os.link(result / name, there)
            except OSError:
                shutil.copy2(result / name, there)
        record.unlink()
    except OSError as error:
        notes.unlink(missing_ok=True)
        raise unwritable(error, folder) from error


def _listed(path: Path) -> list[str]:
    """Files that notes or a record name."""
    return list(json.loads(path.read_text(encoding="utf-8")).get("files", [])) if path.is_file() else []


def _write_whole(model: Architecture, folder: Path, weights: dict[str, torch.Tensor]) -> None:
    """The model by its own way of saving, with these weights instead of those that it holds."""
    own = model.model
    own.save_pretrained = functools.partial(own.save_pretrained, state_dict=weights)
    dtype = next(str(t.dtype) for t in weights.values() if t.is_floating_point()).removeprefix("torch.")
    kept = own.generation_config
    own.generation_config = _valid(kept)
    try:
        model.save(folder)
    finally:
        del own.save_pretrained
        own.generation_config = kept
    _correct(folder / "config.json", dtype)


def _write_adapters(
    model: Architecture,
    folder: Path,
    config: TuneConfig,
    stage: StageConfig,
    layers: Mapping[str, Any],
    state: Mapping[str, torch.Tensor] | None,
    about: Mapping[str, Any],
) -> None:
    from safetensors.torch import save_file

    from vlit.tune.models.pictures import save_processor

    name = str(model.model.name_or_path)
    if not _base_is_on_the_hub(model, config, stage):
        name = BASE
        weights = merge.base_state(model.model, state)
        _write_whole(model, folder / BASE, _rounded(weights, _dtype(model, config, about)))
    adapters = merge.adapter_state(model.model, state)
    save_file(
        {key: tensor.detach().cpu().contiguous() for key, tensor in adapters.items()},
        folder / "adapter_model.safetensors",
        metadata={"format": "pt"},
    )
    _peft_config(layers, config, name).save_pretrained(folder)
    model.tokenizer.save_pretrained(folder)
    save_processor(model.processor, model.tokenizer, folder)


def _peft_config(layers: Mapping[str, Any], config: TuneConfig, base: str) -> Any:
    """What peft needs to put the adapters back where they were, by the full names of the layers."""
    from peft import LoraConfig

    ranks = {name: layer.r[layer.active_adapters[0]] for name, layer in layers.items()}
    return LoraConfig(
        r=config.lora.rank,
        lora_alpha=config.lora.alpha,  # type: ignore[arg-type]  # peft takes fractions too
        lora_dropout=config.lora.dropout,
        use_dora=config.lora.dora,
        target_modules=sorted(layers),
        rank_pattern={name: rank for name, rank in ranks.items() if rank != config.lora.rank},
        base_model_name_or_path=base,
        inference_mode=True,
    )


def _base_is_on_the_hub(model: Architecture, config: TuneConfig, stage: StageConfig) -> bool:
    """Whether the weights below the adapters are those of a checkpoint that others can have by its name."""
    if config.model.checkpoint is None or Path(model.model.name_or_path).is_dir():
        return False
    if stage.name != config.stages[0].name:
        return False  # what earlier stages have tuned is in them
    return not any(p.requires_grad and not merge.is_adapter(n) for n, p in model.model.named_parameters())


def _dtype(model: Architecture, config: TuneConfig, about: Mapping[str, Any]) -> torch.dtype:
    import torch

    precision = about.get("precision", config.precision)
    if precision == "auto":
        held = {p.dtype for p in model.model.parameters()}
        precision = "bf16" if torch.bfloat16 in held else "fp32"
    return torch.bfloat16 if precision == "bf16" else torch.float32


def _rounded(weights: Mapping[str, torch.Tensor], dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """In one format, on the CPU. Tensors that share memory (tied embeddings) still do."""
    made: dict[tuple[int, tuple[int, ...], tuple[int, ...]], torch.Tensor] = {}
    found = {}
    for name, tensor in weights.items():
        key = (tensor.data_ptr(), tuple(tensor.shape), tuple(tensor.stride()))
        if key not in made or not tensor.numel():
            made[key] = tensor.detach().to("cpu", dtype if tensor.is_floating_point() else tensor.dtype)
        found[name] = made[key]
    return found


def _valid(config: Any) -> Any:
    """One that can be saved: hub models name a temperature, yet no sampling (Vicuna, Llama 2)."""
    import copy

    try:
        config.validate(strict=True)
    except ValueError:
        config = copy.deepcopy(config)
        config.do_sample = True
    return config


def _correct(path: Path, dtype: str) -> None:
    """Tell in ``config.json`` the format that all weights have, not that of one; and no local folder."""
    config = json.loads(path.read_text(encoding="utf-8"))
    for part in (config, *(v for k, v in config.items() if k.endswith("_config") and isinstance(v, dict))):
        part.pop("_name_or_path", None)
        part["dtype"] = dtype
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _write_template(
    model: Architecture, folder: Path, config: TuneConfig, stage: StageConfig, about: Mapping[str, Any]
) -> None:
    """The chat template beside the tokenizer: what training used is what any server uses.

    Transformers' tokenizers and processors both read ``chat_template.jinja``.
    """
    text = about.get("chat_template")
    if text is None:
        from vlit.tune.chat.template import Template

        text = Template.of(model.tokenizer, stage.template or config.model.template).text
    (folder / "chat_template.jinja").write_text(str(text), encoding="utf-8")


def _write_notes(
    model: Architecture, folder: Path, config: TuneConfig, stage: StageConfig, about: Mapping[str, Any]
) -> None:
    from vlit import __version__
    from vlit.tune.card import card

    base = _base_of(folder)
    shown = f"FOLDER/{BASE}" if base == BASE else base
    (folder / "README.md").write_text(card(model, config, stage, about, base=shown), encoding="utf-8")
    notes = {
        "format": FORMAT,
        "vlit": __version__,
        "architecture": model.name,
        "template": stage.template or config.model.template,
        "image": config.model.image,
        "max_length": config.max_length,
        "adapters": base is not None,
        "stages": _stages(config, stage),
        "data": dict(about.get("data", {})),
        "files": _files(folder),
    }
    text = json.dumps(notes, indent=2, ensure_ascii=False, sort_keys=True)
    (folder / NOTES).write_text(text + "\n", encoding="utf-8")


def _stages(config: TuneConfig, last: StageConfig) -> list[dict[str, Any]]:
    """The settings of the stages that the model went through, without where their data lay."""
    names = [stage.name for stage in config.stages]
    done = config.stages[: names.index(last.name) + 1] if last.name in names else (last,)
    return [stage.model_dump(mode="json", exclude={"data"}) for stage in done]


def _files(folder: Path) -> list[str]:
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in found if name != NOTES)


@contextlib.contextmanager
def _replacing(folder: Path) -> Iterator[Path]:
    """Fill a folder beside this one that takes its name when all of it is on the disk."""
    # Names without a process's number: what a killed one has left is as large as the model, and is found again.
    new, old = folder.with_name(f".{folder.name}.tmp"), folder.with_name(f".{folder.name}.old")
    try:
        if old.exists() and not folder.exists():
            old.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        yield new
        _sync(new)
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
        _sync_one(folder.parent)
    except Exception as error:
        if (told := refused(error, folder)) is None:
            raise
        raise told from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
        if old.exists() and not folder.exists():
            old.rename(folder)
        shutil.rmtree(old, ignore_errors=True)


def _sync(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(path.stat().st_mode | ((folder / NOTES).stat().st_mode & 0o666))  # safetensors: 0600
        _sync_one(path)
    _sync_one(folder)


def _sync_one(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
