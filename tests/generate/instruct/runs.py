"""Whole runs against the scripted teacher: recipe in, run folder out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tests.teacher.faults import FLAWS, TRANSPORT, spread
from tests.teacher.server import ScriptedTeacher
from vlit.run.engine import execute
from vlit.run.folder import RunFolder
from vlit.run.recipe import parse_recipe

LLAVA = ("llava_conversation", "llava_detail", "llava_complex")
SVIT = ("svit_conversation", "svit_complex", "svit_detail", "svit_referring")
REVIEW = (
    "review_conversation",
    "review_negative",
    "review_region",
    "review_knowledge",
    "review_multiround",
)


def recipe_text(url: str, source: dict[str, Any], recipes: Any, images: str = "header", **more: Any) -> str:
    """A recipe that collects one source and lets the teacher at ``url`` write about it."""
    teacher = {"model": "scripted", "endpoints": [{"url": url}], **more.pop("teacher", {})}
    values = {
        "name": "x",
        "seed": 7,
        "collect": {"sources": [source], "images": images, "shard_size": 8},
        "teacher": teacher,
        "generate": {"instruct": {"recipes": recipes, **more.pop("instruct", {})}},
        **more,
    }
    return yaml.safe_dump(values, sort_keys=False)


def faulty(**options: Any) -> ScriptedTeacher:
    """A teacher of whose calls three in ten fail in transport, and of whose replies three in ten are flawed."""
    transport = tuple(name for name in TRANSPORT if name != "hang")
    flaws = tuple(name for name in FLAWS if name != "overrun")
    shares = {**spread(0.3, transport), **spread(0.3, flaws), "filter_400": 0.03}
    return ScriptedTeacher(faults=shares, stubborn=0.5, retry_after=0.05, **options)


def run(text: str, folder: Path) -> RunFolder:
    """Run it in this process."""
    execute(parse_recipe(text, base=folder.parent), RunFolder(folder), workers=1)
    return RunFolder(folder)
