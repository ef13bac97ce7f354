"""Ranking four options by their likelihood: the prompt computed once, against one pass for each option.

    python -m benchmarks.ranking [questions]

Real photos, four options of two to eight words each, 8 questions at once, float32, one thread. Both read the
same photos and texts and give the same losses, or the script fails. The pocket model shows an image as 64
tokens; the others, of random weights, as LLaVA-1.5 does, with 576, or as BLIP-2 does, with 32 behind a vision
encoder of 256. ``auto`` is the checkpoint of the LLaVA, opened as a model that nobody knows. Times are the
least of three runs, without the one question that is asked in both ways for proof.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

import vlit
from tests.tune.tiny import TEMPLATE
from vlit.data.images import probe
from vlit.evaluate import likelihood, rank
from vlit.evaluate.question import Question
from vlit.tune import pocket
from vlit.tune.chat.encode import Encoder
from vlit.tune.chat.template import Template
from vlit.tune.config import ModelConfig
from vlit.tune.models.architecture import Architecture
from vlit.tune.models.auto import Auto
from vlit.tune.models.registry import load_model, open_model

BATCH, RUNS = 8, 3
WORDS = ("dog", "runs", "over", "wet", "grass", "while", "two", "men", "look", "at", "red", "cars")


def main(count: int = 24) -> None:
    """Print a row for each model."""
    import torch

    torch.set_num_threads(1)  # the machine is shared
    for name, model, asked in models(count):
        encoder = Encoder(model, Template.of(model.tokenizer), max_length=2048)
        own = questions(asked)
        ways = {"shared": likelihood.sharing, "apart": one_by_one}
        found: dict[str, dict[int, Any]] = {}
        least = {way: (float("inf"), float("inf")) for way in ways}
        for _ in range(RUNS):
            for way, sharing in ways.items():
                begun = time.perf_counter(), time.process_time()
                with mock.patch.multiple(likelihood, sharing=sharing, proved=unproved):
                    found[way] = dict(rank.losses(model, encoder, own, batch=BATCH))
                spent = time.perf_counter() - begun[0], time.process_time() - begun[1]
                least[way] = min(least[way][0], spent[0]), min(least[way][1], spent[1])
        off = max(float(np.abs(np.subtract(found["shared"][i], found["apart"][i])).max()) for i in range(asked))
        if not off < 1e-4:
            raise SystemExit(f"{name}: losses differ by {off}")
        row = {
            "model": name,
            "tokens of a prompt": len(rank.asked_of(encoder, own[0]).prompt.ids),
            "questions/s": round(asked / least["shared"][0], 1),
            "one pass for each option": round(asked / least["apart"][0], 1),
            "speed-up": round(least["apart"][0] / least["shared"][0], 2),
            "speed-up, CPU time": round(least["apart"][1] / least["shared"][1], 2),
            "largest difference": f"{off:.0e}",
        }
        print(json.dumps(row), flush=True)


@contextmanager
def one_by_one(model: Architecture, longest: int) -> Iterator[Any]:
    """No prompt is shared."""
    yield likelihood.apart


def unproved(model: Architecture, way: Any, ready: Any) -> Any:
    """The way as it is."""
    return way


def questions(count: int) -> list[Question]:
    """A photo and four options each."""
    photos = [probe(str(p)) for p in sorted((Path(vlit.__file__).parent / "demo").rglob("*.jpg"))]
    generator = np.random.default_rng(0)
    found = []
    for number in range(count):
        options = tuple(" ".join(generator.choice(WORDS, generator.integers(2, 9))) for _ in range(4))
        shown = (photos[number % len(photos)],)
        text = "<image>\nWhat can be seen in the middle of this photo?"
        found.append(Question(id=str(number), prompt=text, images=shown, options=options))
    return found


def models(count: int) -> Iterator[tuple[str, Architecture, int]]:
    """Name, model, and how many questions it is asked."""
    yield "pocket", load_model(str(pocket.folder())), count
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        large = llava(folder)
        yield "LLaVA, 576 tokens an image", large, max(count // 3, BATCH)
        large.save(folder / "saved")
        yield "auto, the same", Auto.load(str(folder / "saved")), max(count // 3, BATCH)
        yield "BLIP-2 T5", blip2(folder), count


def llava(folder: Path) -> Architecture:
    """A LLaVA of 576 tokens an image."""
    import transformers as t

    vision = {"hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 4, "num_attention_heads": 4}
    t.CLIPVisionModel(t.CLIPVisionConfig(image_size=336, patch_size=14, **vision)).save_pretrained(folder / "v")
    images = getattr(t, "CLIPImageProcessorPil", t.CLIPImageProcessor)
    images(size={"shortest_edge": 336}, crop_size={"height": 336, "width": 336}).save_pretrained(folder / "v")
    shape = {"hidden_size": 256, "intermediate_size": 704, "num_hidden_layers": 6, "num_attention_heads": 8}
    written(t.LlamaForCausalLM(t.LlamaConfig(vocab_size=32000, max_position_embeddings=4096, **shape)), folder)
    return assembled("llava", folder, {})


def blip2(folder: Path) -> Architecture:
    """A BLIP-2 of 32 queries over a T5."""
    import transformers as t

    vision = {"hidden_size": 256, "intermediate_size": 1024, "num_hidden_layers": 6, "num_attention_heads": 4}
    t.Blip2VisionModel(t.Blip2VisionConfig(image_size=224, patch_size=14, **vision)).save_pretrained(
        folder / "v"
    )
    images = getattr(t, "BlipImageProcessorPil", t.BlipImageProcessor)
    images(size={"height": 224, "width": 224}).save_pretrained(folder / "v")
    (folder / "v" / "processor_config.json").unlink(missing_ok=True)
    shape = {"d_model": 256, "d_kv": 32, "d_ff": 704, "num_layers": 6, "num_heads": 8}
    ids = {"decoder_start_token_id": 4, "eos_token_id": 2, "pad_token_id": 4}
    written(t.T5ForConditionalGeneration(t.T5Config(vocab_size=32000, **shape, **ids)), folder)
    return assembled("blip2", folder, {"queries": 32, "layers": 4, "hidden": 128, "heads": 4})


def written(model: Any, folder: Path) -> None:
    """A language model beside the pocket model's tokenizer."""
    from transformers import AutoTokenizer

    model.save_pretrained(folder / "l")
    AutoTokenizer.from_pretrained(str(pocket.folder())).save_pretrained(folder / "l")


def assembled(architecture: str, folder: Path, connector: dict[str, Any]) -> Architecture:
    """Both parts as one model."""
    parts = {"vision": str(folder / "v"), "llm": str(folder / "l"), "connector": connector}
    found = open_model(ModelConfig(architecture=architecture, **parts), folder)
    found.tokenizer.chat_template = TEMPLATE
    return found


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
