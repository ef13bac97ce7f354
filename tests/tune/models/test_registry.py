"""Which architecture loads a checkpoint, and what is said where none does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.tune import tiny
from vlit.data.errors import VlitError
from vlit.tune.config import ModelConfig
from vlit.tune.models.architecture import PARTS, Architecture
from vlit.tune.models.registry import ARCHITECTURES, architecture_of, model_type_of, open_model

pytest.importorskip("transformers")


def config(folder: Path, kind: str) -> str:
    (folder / "config.json").write_text(json.dumps({"model_type": kind}), encoding="utf-8")
    return str(folder)


@pytest.mark.parametrize(
    ("kind", "architecture"),
    [
        ("llava", "llava"),
        ("blip-2", "blip2"),
        ("instructblip", "instructblip"),
        ("vlit_flamingo", "flamingo"),
        ("qwen2_5_vl", "auto"),
        ("something_new", "auto"),
    ],
)
def test_the_config_tells_the_architecture(tmp_path: Path, kind: str, architecture: str) -> None:
    assert architecture_of(config(tmp_path, kind)) == architecture
    assert model_type_of(str(tmp_path)) == kind


def test_each_architecture_keeps_the_interface() -> None:
    kinds: set[str] = set()
    for name in ARCHITECTURES.names():
        found = ARCHITECTURES.load(name)
        assert issubclass(found, Architecture) and found.name == name
        assert not kinds & set(found.model_types)
        kinds |= set(found.model_types)
        assert name == "auto" or set(found.parts) == set(PARTS)


def test_an_unknown_architecture_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(VlitError, match="did you mean 'llava'"):
        open_model(ModelConfig(architecture="lava", vision="a", llm="b"), tmp_path)


def test_paths_are_relative_to_the_recipe(tmp_path: Path) -> None:
    tiny.llava(tmp_path).save(tmp_path / "out")
    found = open_model(ModelConfig(checkpoint="out"), tmp_path)
    parts = open_model(ModelConfig(architecture="llava", vision="clip", llm="llama", image="pad"), tmp_path)
    assert found.name == parts.name == "llava"
    assert parts.processor.image_processor.do_pad
