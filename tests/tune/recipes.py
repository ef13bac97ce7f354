"""Recipes that tune: a tiny LLaVA of parts, on a set of four photos, in two stages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vlit.run.recipe import Recipe, parse_recipe

PHOTOS = ("000000000790.jpg", "000000078499.jpg", "000000084284.jpg", "000000107438.jpg")


def recipe(parts: Path, path: Path, demo: Path, **changes: Any) -> Recipe:
    """The recipe, with other values under `tune`."""
    tune: dict[str, Any] = {
        "model": {
            "architecture": "llava",
            "vision": str(parts / "clip"),
            "llm": str(parts / "llama"),
            "template": "vicuna",
        },
        "data": {"path": str(path), "images": str(demo / "images")},
        "stages": [
            {"name": "align", "trainable": {"connector": "full"}, "batch": 4, "template": "plain"},
            {"name": "instruct", "trainable": {"connector": "full", "llm": "full"}, "batch": 4},
        ],
        "held_out": {"share": 0.3, "answers": 2},
    } | changes
    return parse_recipe(json.dumps({"name": "t", "seed": 3, "tune": tune}), base=path.parent)
