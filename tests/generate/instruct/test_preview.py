"""What a preview promises is what a run asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.generate.instruct.runs import recipe_text, run
from tests.teacher.server import ScriptedTeacher
from vlit.generate.instruct.preview import Estimate, Preview, preview
from vlit.generate.stage import GenerateStage
from vlit.run.recipe import parse_recipe


def test_an_estimate_counts_what_is_then_sent(tmp_path: Path, demo: Path) -> None:
    recipes = ["llava_detail", "review_region", "svit_referring"]
    source = {"kind": "auto", "path": str(demo), "name": "demo"}
    with ScriptedTeacher() as server:
        text = recipe_text(server.url, source, recipes, instruct={"scenes": 9})
        made = run(text, tmp_path / "x")
        sent = len(server.log)
    stage = next(s for s in parse_recipe(text, base=tmp_path).stages if isinstance(s, GenerateStage))
    instructor = stage.instructor()
    assert instructor is not None
    threshold = instructor.threshold(made.scenes.ids())
    seen = preview(instructor, (s for s in made.scenes if instructor.chosen(s, threshold)), 2)
    assert seen.scenes == 9
    # Two generations that draw the same examples are one request for two replies, which are two calls.
    assert sum(e.replies for e in seen.estimates.values()) == sent
    assert {name: len(first) for name, first in seen.first.items()} == dict.fromkeys(recipes, 2)
    told = {row.requests[0] for row in made.exchanges}
    assert {wanted.request.key for first in seen.first.values() for wanted in first} <= told


@pytest.mark.parametrize("factor", [1.0, 2.5, 100.0])
def test_an_estimate_from_some_scenes_is_scaled(factor: float) -> None:
    seen = Preview({"r": []}, {"r": Estimate(requests=4, replies=20, characters=400, pictures=4)}, scenes=4)
    scaled = seen.scaled(factor).estimates["r"]
    assert (scaled.requests, scaled.replies) == (round(4 * factor), round(20 * factor))
    assert scaled.prompt_tokens(100) == round(100 * factor) + round(4 * factor) * 100
