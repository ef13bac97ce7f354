"""Tuning beside transformers' Trainer and TRL's SFTTrainer: label tokens a second, memory, waiting for data.

    python -m benchmarks.tune_peers                       # 16 steps of 32 samples, 2 threads, 2 rounds
    python -m benchmarks.tune_peers --steps 5 --threads 1 --rounds 1

A LLaVA of 5 million random weights (12 x 12 features an image, vocabulary of 4,096), vision frozen,
connector and language model tuned, AdamW, float32. All see the same samples in the same steps, and the
losses of all steps are held to each other before anything is compared. Ours is ``vlit.tune.loop``:
documents packed into rows, the head on label tokens alone. Theirs pad 16 samples to the longest, twice a step:
as many as LLaVA's own script gives a device for this mixture; Trainer with 8, its default, has a row too.
``tune_peer.py`` says how TRL's environment is made, and its row is left out where it is absent. The first two
steps are not timed. On a machine that others use too, threads that wait for each other burn time:
run it alone, or with one thread, and look at CPU seconds.

Lengths are those of a mixture like LLaVA's of 665 thousand, at a quarter of the scale, so that a step of a
small model takes about a second: 144 tokens of a photo instead of 576, and of text, in tokens of the full
scale, log-normal by kind (share, median, spread; share of it that is answer):

    questions with short answers   50 %   110  0.6   15 %
    descriptions and talks         24 %   260  0.5   65 %
    regions and expressions        20 %   330  0.5   35 %
    text alone                      6 %   900  0.8   70 %

cut at 2,048 with the photo. No set of ours was measured for it; it stands for long tails and few labels.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PEER = Path(os.environ.get("VLIT_PEERS", "~/.cache/vlit-peers")).expanduser() / "trl/bin/python"
KINDS = ((0.50, 110, 0.6, 0.15), (0.24, 260, 0.5, 0.65), (0.20, 330, 0.5, 0.35), (0.06, 900, 0.8, 0.70))
SCALE, WORDS, LONGEST, PATCHES = 4, 4096, 512, 144
WARM = 2  # steps that are not timed
#: Largest difference of the losses of a step, in nats: theirs are rounded when they are logged.
EQUAL = 2e-3


def main() -> None:
    """Prepare, run all in turn, hold losses to each other, print a row each."""
    given = argparse.ArgumentParser()
    for name, default in (("steps", 16), ("rounds", 2), ("threads", 2), ("readers", 2)):
        given.add_argument(f"--{name}", type=int, default=default)
    given.add_argument("--ours", type=Path, help=argparse.SUPPRESS)
    asked = given.parse_args()
    if asked.ours:
        print(json.dumps(ours(asked.ours)))
        return
    settings = {**vars(asked), "ours": None, "batch": 32, "lr": 1e-3}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "settings.json").write_text(json.dumps(settings))
        samples = prepare(folder, settings)
        (folder / "samples.json").write_text(json.dumps(samples))
        runs = measured(folder, asked.rounds, asked.threads)
        report(runs, samples, settings)


def measured(folder: Path, rounds: int, threads: int) -> dict[str, list[dict[str, Any]]]:
    """What each of them tells, round after round, so that all meet the machine in the same moods."""
    commands = {
        "vlit": [sys.executable, "-m", "benchmarks.tune_peers", "--ours", str(folder)],
        "Trainer": [sys.executable, "benchmarks/tune_peer.py", str(folder), "trainer", "16"],
        "Trainer, 8 at a time": [sys.executable, "benchmarks/tune_peer.py", str(folder), "trainer", "8"],
    }
    if PEER.exists():
        commands["TRL"] = [str(PEER), "benchmarks/tune_peer.py", str(folder), "trl", "16"]
    else:
        print(f"TRL is left out: there is no {PEER}; see benchmarks/tune_peer.py", file=sys.stderr)
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            done = subprocess.run(command, capture_output=True, text=True, env=environment)
            if done.returncode:
                raise SystemExit(f"{name} failed:\n{done.stderr[-3000:]}")
            found[name].append(json.loads(done.stdout.splitlines()[-1]))
    return found


def report(runs: dict[str, list[dict[str, Any]]], samples: list[Any], settings: dict[str, Any]) -> None:
    """Equal losses first; then a row for each, the median of the rounds."""
    reference = runs["vlit"][0]["losses"]
    for name, own in runs.items():
        for run in own:
            apart = max(abs(a - b) for a, b in zip(run["losses"], reference, strict=True))
            if apart > EQUAL:
                raise SystemExit(f"{name}: losses differ by {apart:.4f}: {run['losses']} and {reference}")
    batch = settings["batch"]
    timed = samples[WARM * batch :]
    labels, tokens = sum(row["trained"] for row in timed), sum(len(row["ids"]) for row in timed)
    rates, thrift = {}, {}
    for name, own in runs.items():
        seconds = [run["ends"][-1] - run["ends"][WARM - 1] for run in own]
        cpu = [run["cpu"][-1] - run["cpu"][WARM - 1] for run in own]
        waited = [sum(run["waits"][WARM:]) / s for run, s in zip(own, seconds, strict=True)]
        rates[name], thrift[name] = labels / statistics.median(seconds), labels / statistics.median(cpu)
        who, comma, how = name.partition(",")
        row = {
            "tuned by": f"{who} {own[0]['version']}{comma}{how}",
            "label tokens/s": round(rates[name]),
            "tokens/s": round(tokens / statistics.median(seconds)),
            "vlit is faster": f"{rates['vlit'] / rates[name]:.2f}x",
            "label tokens/CPU s": round(thrift[name]),
            "by CPU s": f"{thrift['vlit'] / thrift[name]:.2f}x",
            "padding": f"{padding(timed, own[0].get('together', 0)):.0%}",
            "waits for data": f"{statistics.median(waited):.1%}",
            "peak MB": round(max(run["peak_mb"] for run in own)),
            "of it training MB": round(max(run["own_mb"] for run in own)),
            "last loss": f"{own[0]['losses'][-1]:.4f}",
        }
        print(json.dumps(row))


def padding(samples: list[Any], together: int) -> float:
    """Share of the computed places that hold no token, where so many samples are padded to the longest."""
    if not together:
        return 0.0
    lengths = [len(row["ids"]) for row in samples]
    groups = [lengths[i : i + together] for i in range(0, len(lengths), together)]
    return 1 - sum(lengths) / sum(len(group) * max(group) for group in groups)


def prepare(folder: Path, settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Model, photos and samples; the samples in the order in which our plan takes them."""
    import numpy as np

    from vlit.tune.plan import epoch_steps

    model(folder / "model")
    rng = random.Random(0)
    made = [sample(rng, i, folder) for i in range(settings["steps"] * settings["batch"])]
    lengths = np.array([len(row["ids"]) for row in made])
    plan = epoch_steps(
        lengths, seed=0, epoch=0, batch=settings["batch"], row=4 * LONGEST, processes=1, pack=True
    )
    return [made[index] for step in plan for index in sorted(step.samples)]


def sample(rng: random.Random, number: int, folder: Path) -> dict[str, Any]:
    """A sample as ids and as text: word ``w7`` is token 7."""
    import numpy as np
    import PIL.Image as PILImage

    kind = rng.choices(range(len(KINDS)), [share for share, *_ in KINDS])[0]
    _, median, spread, answer = KINDS[kind]
    shown = PATCHES if kind < 3 else 0
    words = int(rng.lognormvariate(np.log(median / SCALE), spread)) + 4
    words = min(words, LONGEST - shown)
    trained = max(1, round(words * answer))
    tokens = [rng.randrange(4, WORDS) for _ in range(words)]
    path = None
    if shown:
        path = str(folder / f"{number}.jpg")
        noise = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        PILImage.fromarray(noise).resize((224, 168)).save(path)
    said = [f"w{token}" for token in tokens]
    return {
        "id": str(number),
        "image": path,
        "ids": [3] * shown + tokens,
        "labels": [-100] * (shown + words - trained) + tokens[words - trained :],
        "trained": trained,
        "prompt": ("<image> " if shown else "") + " ".join(said[: words - trained]),
        "completion": " ".join(said[words - trained :]),
    }


def model(folder: Path) -> None:
    """A LLaVA of 5 million weights with its processor."""
    import tokenizers
    import torch
    import transformers

    names = ["<s>", "</s>", "<pad>", "<image>", *(f"w{i}" for i in range(4, WORDS))]
    core = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({name: i for i, name in enumerate(names)}, unk_token="<pad>")
    )
    core.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        additional_special_tokens=["<image>"],
    )
    text = transformers.LlamaConfig(
        vocab_size=WORDS, hidden_size=192, intermediate_size=512, num_hidden_layers=6, num_attention_heads=6,
        max_position_embeddings=LONGEST, bos_token_id=0, eos_token_id=1, pad_token_id=2,
    )  # fmt: skip
    vision = transformers.CLIPVisionConfig(
        hidden_size=128, intermediate_size=512, num_hidden_layers=4, num_attention_heads=4, image_size=168,
        patch_size=14,
    )  # fmt: skip
    torch.manual_seed(0)
    whole = transformers.LlavaForConditionalGeneration(
        transformers.LlavaConfig(
            vision_config=vision, text_config=text, image_token_index=3, image_seq_length=PATCHES
        )
    )
    whole.save_pretrained(folder)
    images = getattr(transformers, "CLIPImageProcessorPil", transformers.CLIPImageProcessor)
    transformers.LlavaProcessor(
        image_processor=images(size={"shortest_edge": 168}, crop_size={"height": 168, "width": 168}),
        tokenizer=tokenizer,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    ).save_pretrained(folder)


def ours(folder: Path) -> dict[str, Any]:
    """Our loop on the samples of a folder."""
    import numpy as np
    import torch

    from benchmarks.tune_peer import status
    from vlit import __version__
    from vlit.data.scene import Image
    from vlit.tune.config import StageConfig, TuneConfig
    from vlit.tune.example import Example
    from vlit.tune.loop import train
    from vlit.tune.models.registry import load_model
    from vlit.tune.source import Source

    settings = json.loads((folder / "settings.json").read_text())
    torch.set_num_threads(settings["threads"])
    examples = []
    for row in sorted(json.loads((folder / "samples.json").read_text()), key=lambda r: int(r["id"])):
        images = () if row["image"] is None else (Image(uri=row["image"], width=224, height=168),)
        ids, labels = (np.array(row[key], dtype=np.int32) for key in ("ids", "labels"))
        slots = ((0, PATCHES),) if images else ()
        examples.append(Example(row["id"], ids, labels, images, slots))
    stage = StageConfig.model_validate(
        {
            "trainable": {"vision": "frozen", "connector": "full", "llm": "full"},
            "lr": settings["lr"], "batch": settings["batch"], "steps": settings["steps"],
            "schedule": "constant", "warmup": 0,
        }
    )  # fmt: skip
    config = TuneConfig.model_validate(
        {
            "stages": [stage], "max_length": LONGEST, "row": 4 * LONGEST, "precision": "fp32", "device": "cpu",
            "readers": settings["readers"], "save_every": 10**6, "held_out": {"share": 0},
        }
    )  # fmt: skip
    found: dict[str, Any] = {key: [] for key in ("losses", "ends", "waits", "cpu")}

    def tell(row: Any) -> None:
        if "label_tokens" in row:
            found["losses"].append(row["loss"])
            found["ends"].append(time.perf_counter())
            found["waits"].append(row["waited"] * row["seconds"])
            found["cpu"].append(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]))

    model, source, nothing = load_model(str(folder / "model")), Source.of(examples), Source.of([])
    before = status("VmRSS")
    train(model, source, nothing, stage, config, folder / f"run-{os.getpid()}", seed=0, tell=tell)
    return {**found, "peak_mb": status("VmHWM"), "own_mb": status("VmHWM") - before, "version": __version__}


if __name__ == "__main__":
    main()
