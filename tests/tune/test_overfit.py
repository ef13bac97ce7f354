"""Each architecture learns 32 real photos by heart, through the encoder, the loop and greedy answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from tests.tune import tiny, tiny_blip2, tiny_flamingo
from tests.tune.photos import photos
from vlit.data.sample import Sample, Turn
from vlit.tune.answer import answers
from vlit.tune.chat.encode import Encoder
from vlit.tune.chat.template import Template
from vlit.tune.config import StageConfig, TuneConfig
from vlit.tune.loop import train
from vlit.tune.models.architecture import Architecture
from vlit.tune.source import Source

pytest.importorskip("torch")
MODELS: dict[str, Callable[[Path], Architecture]] = {
    "llava": tiny.llava,
    "blip2": lambda folder: tiny_blip2.blip2(folder, connector={**tiny_blip2.CONNECTOR, "queries": 8}),
    "flamingo": tiny_flamingo.flamingo,
}

#: Rate and steps; about 15 s each on one core.
RUNS = [("llava", 4e-3, 220), ("blip2", 1e-2, 250), ("flamingo", 4e-3, 250)]


def samples() -> list[Sample]:
    """One question on each photo; the answer is the beginning of its caption."""
    path = Path(str(files("vlit") / "demo" / "annotations" / "captions_free.json"))
    found = json.loads(path.read_text(encoding="utf-8"))
    names = {image["id"]: image["file_name"] for image in found["images"]}
    said = {names[a["image_id"]]: " ".join(a["caption"].split()[:4]) for a in found["annotations"]}
    return [
        Sample(
            id=Path(photo.uri).stem,
            images=(photo,),
            turns=(
                Turn(role="user", text="<image>\nWhat is it?"),
                Turn(role="assistant", text=said[Path(photo.uri).name]),
            ),
        )
        for photo in photos()[:32]
    ]


def without_dropout(model: Architecture) -> Architecture:
    """To learn by heart is what dropout is there to prevent."""
    for module in model.model.modules():
        for name in ("p", "dropout", "attention_dropout"):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.0)
    return model


@pytest.mark.slow
@pytest.mark.parametrize(("name", "lr", "steps"), RUNS)
def test_32_photos_by_heart(name: str, lr: float, steps: int, tmp_path: Path) -> None:
    model = without_dropout(MODELS[name](tmp_path))
    own = samples()
    encoder = Encoder(model, Template.of(model.tokenizer, "plain"), max_length=128, overlong="refuse")
    source = Source.of([example for sample in own for example in encoder.examples(sample)])
    assert len(source) == 32
    given: dict[str, Any] = {"vision": "full", "connector": "full", "llm": "full"}
    stage = StageConfig.model_validate({"trainable": given, "lr": lr, "batch": 32, "steps": steps})
    config = TuneConfig(stages=(stage,), max_length=128, row=2048, save_every=10_000, precision="fp32")
    outcome = train(model, source, Source.of([]), stage, config, tmp_path / "stage", seed=1)
    assert outcome.loss is not None and outcome.loss < 0.05
    prompts = [encoder.prompt(sample) for sample in own]
    said = answers(model, prompts, batch=8, max_new_tokens=64, stops=encoder.stops)
    assert said == [sample.text_of("assistant") for sample in own]
