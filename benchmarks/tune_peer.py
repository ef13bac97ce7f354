"""Tuning by transformers' Trainer or TRL's SFTTrainer; runs in an environment of its own, without vlit.

    <environment>/bin/python benchmarks/tune_peer.py FOLDER trainer|trl SAMPLES_AT_A_TIME

The environment of TRL lies outside the repository, under $VLIT_PEERS (by default ~/.cache/vlit-peers):

    cd $VLIT_PEERS
    python3.11 -m venv trl && trl/bin/pip install torch==2.13.0 'transformers==5.23.*' trl pillow

with the same build of torch as vlit's own (CPU). Both take what is in FOLDER: ``model`` (a LLaVA with its
processor), ``samples.json`` (in the order of the steps) and ``settings.json``. Trainer is given ids and labels
that are made already, TRL prompts and completions, which is the only form in which it masks the prompt of a
sample with a photo; it refuses to pack photos. Prints JSON on the last line.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}

import torch
import transformers
from PIL import Image


def main(folder: Path, who: str, together: int) -> None:
    """Train, and tell what each step took."""
    settings = {**json.loads((folder / "settings.json").read_text()), "device_batch": together}
    samples = json.loads((folder / "samples.json").read_text())
    torch.set_num_threads(settings["threads"])
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    model = transformers.LlavaForConditionalGeneration.from_pretrained(folder / "model", dtype=torch.float32)
    model.config.use_cache = False
    processor = transformers.AutoProcessor.from_pretrained(folder / "model")
    for parameter in model.model.vision_tower.parameters():
        parameter.requires_grad_(False)
    watch = Watch()
    if who == "trl":
        trainer = _trl(model, processor, samples, settings, folder, watch)
    else:
        trainer = _trainer(model, processor, samples, settings, folder, watch)
    before = status("VmRSS")
    trainer.train()
    found = {
        "losses": [row["loss"] for row in trainer.state.log_history if "loss" in row],
        "ends": watch.ends,
        "waits": watch.waits,
        "together": together,
        "cpu": watch.cpu,
        "peak_mb": status("VmHWM"),
        "own_mb": status("VmHWM") - before,
        "version": sys.modules["trl"].__version__ if who == "trl" else transformers.__version__,
    }
    print(json.dumps(found))


class Watch(transformers.TrainerCallback):
    """Notes when each step ended, and how long it had waited for data."""

    def __init__(self) -> None:
        self.ends: list[float] = []
        self.waits: list[float] = []
        self.cpu: list[float] = []
        self.waited = 0.0

    def on_step_end(self, *given: Any, **more: Any) -> None:
        """A step is over."""
        self.ends.append(time.perf_counter())
        self.waits.append(self.waited)
        self.cpu.append(sum(sum(resource.getrusage(who)[:2]) for who in (0, resource.RUSAGE_CHILDREN)))
        self.waited = 0.0


def in_order(kind: Any, watch: Watch) -> Any:
    """The trainer with samples in their order, and a clock on its data."""

    class InOrder(kind):  # type: ignore[misc]
        def _get_train_sampler(self, *given: Any) -> Any:
            return torch.utils.data.SequentialSampler(self.train_dataset)

        def get_batch_samples(self, *given: Any, **more: Any) -> Any:
            started = time.perf_counter()
            found = super().get_batch_samples(*given, **more)
            watch.waited += time.perf_counter() - started
            return found

    return InOrder


def options(settings: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What both trainers are told."""
    return {
        "output_dir": str(folder / "out"),
        "per_device_train_batch_size": settings["device_batch"],
        "gradient_accumulation_steps": settings["batch"] // settings["device_batch"],
        "max_steps": settings["steps"],
        "learning_rate": settings["lr"],
        "lr_scheduler_type": "constant",
        "optim": "adamw_torch",
        "adam_beta2": 0.999,
        "weight_decay": 0.0,
        "max_grad_norm": 1.0,
        "dataloader_num_workers": settings["readers"],
        "gradient_checkpointing": False,
        "bf16": False,
        "use_cpu": True,
        "logging_steps": 1,
        "disable_tqdm": True,
        "save_strategy": "no",
        "report_to": "none",
        "remove_unused_columns": False,
    }


def _trainer(
    model: Any, processor: Any, samples: list[Any], settings: dict[str, Any], folder: Path, watch: Watch
) -> Any:
    pad = processor.tokenizer.pad_token_id

    def collate(rows: list[Any]) -> dict[str, torch.Tensor]:
        width = max(len(row["ids"]) for row in rows)
        ids = torch.full((len(rows), width), pad)
        labels, seen = torch.full_like(ids, -100), torch.zeros_like(ids)
        for place, row in enumerate(rows):
            n = len(row["ids"])
            ids[place, :n], seen[place, :n] = torch.tensor(row["ids"]), 1
            labels[place, :n] = torch.tensor(row["labels"])
        photos = [Image.open(row["image"]).convert("RGB") for row in rows if row["image"]]
        found = {"input_ids": ids, "labels": labels, "attention_mask": seen}
        if photos:
            found["pixel_values"] = processor.image_processor(photos, return_tensors="pt")["pixel_values"]
        return found

    return in_order(transformers.Trainer, watch)(
        model=model,
        args=transformers.TrainingArguments(**options(settings, folder)),
        train_dataset=samples,
        data_collator=collate,
        callbacks=[watch],
    )


def _trl(
    model: Any, processor: Any, samples: list[Any], settings: dict[str, Any], folder: Path, watch: Watch
) -> Any:
    import datasets  # type: ignore[import-not-found]
    import trl  # type: ignore[import-not-found]

    rows = [
        {
            "images": [row["image"]] if row["image"] else [],
            "prompt": row["prompt"],
            "completion": row["completion"],
        }
        for row in samples
    ]
    table = datasets.Dataset.from_list(rows).cast_column("images", datasets.Sequence(datasets.Image()))
    return in_order(trl.SFTTrainer, watch)(
        model=model,
        args=trl.SFTConfig(
            **options(settings, folder), max_length=None, packing=False, completion_only_loss=True
        ),
        train_dataset=table,
        processing_class=processor,
        callbacks=[watch],
    )


def status(key: str) -> float:
    """A line of /proc/self/status in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key)) / 1e3


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
