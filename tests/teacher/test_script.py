"""The scripted teacher keeps every recipe's contract, and its flaws are flaws to whoever reads them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest

from tests.teacher import script
from tests.teacher.spoil import spoil
from vlit.api import Scenes
from vlit.data.scene import Scene
from vlit.generate.instruct.clues import Clues
from vlit.generate.instruct.recipe import ReplyConfig, load_prompt, prompt_names
from vlit.generate.instruct.replies import Parsed, parse, wording
from vlit.generate.instruct.unit import Asker
from vlit.teacher.config import TeacherConfig

TEACHER = TeacherConfig.model_validate({"model": "scripted", "endpoints": [{"url": "http://127.0.0.1:1/v1"}]})


class Prompted(NamedTuple):
    """A prompt as the server gets it, with what the reply is held to."""

    id: str
    body: dict[str, Any]
    reply: ReplyConfig
    clues: Clues


@cache
def scenes(demo: Path) -> tuple[Scene, ...]:
    return tuple(Scenes.from_folder(demo, images="header"))


def prompts(name: str, demo: Path) -> Iterator[Prompted]:
    """All prompts of a recipe about the photos of the demonstration."""
    asker = Asker(load_prompt(name, Path()), TEACHER, seed=3)
    for scene in scenes(demo):
        for unit in asker.units(scene):
            clues = asker.clues(unit)
            if clues.missing:
                continue
            sent = asker.request(asker.messages(unit, 0, clues)).body(1, lambda _: "data:image/jpeg;base64,")
            yield Prompted(unit.id, orjson.loads(sent), asker.recipe.reply, clues)


@pytest.mark.parametrize("name", prompt_names())
def test_it_keeps_the_contract_of_each_recipe(name: str, demo: Path) -> None:
    asked = 0
    for prompt in prompts(name, demo):
        for index in range(2):
            text = script.answer(prompt.body, prompt.id, index)
            parsed = parse(text, "stop", prompt.reply, prompt.clues.boxes)
            assert isinstance(parsed, Parsed), f"{prompt.id}: {parsed}\n{text}"
            assert not parsed.repairs, f"{prompt.id}: {parsed.repairs}\n{text}"
            asked += 1
    assert asked >= 10


def test_other_recipes_get_other_answers(demo: Path) -> None:
    said: dict[str, set[str]] = {}
    for name in ("review_conversation", "vision_clues", "llava_conversation", "svit_conversation"):
        for prompt in prompts(name, demo):
            scene = prompt.id.split("/")[0]
            text = script.answer(prompt.body, prompt.id, 0)
            assert text not in said.setdefault(scene, set())
            said[scene].add(text)


#: Flaws of a reply's text -> what a reader makes of them: kinds of flaws, or repairs.
READ = {
    "half": {"truncated", "tail"},
    "empty": {"empty"},
    "refusal": {"refusal"},
    "short": {"too_few"},
    "leak": {"leak"},
    "no_tags": {"tags"},
    "bad_tags": {"tags"},
    "swapped": {"roles"},
    "think": {"thinking"},
    "think_open": {"reasoning", "truncated"},
    "fence": {"fence"},
    "markdown": {"markdown"},
    "json": {"json"},
    "filter": {"refusal"},
    "ramble": {"truncated", "tail", "surplus", "duplicate", "left_out"},
}


@pytest.mark.parametrize("flaw", READ)
def test_flaws_are_seen(flaw: str, demo: Path) -> None:
    name = "svit_referring" if "tags" in flaw else "review_conversation"
    seen: Counter[str] = Counter()
    for prompt in prompts(name, demo):
        good = script.answer(prompt.body, prompt.id, 0)
        text, finish = spoil(good, flaw, most=700)
        parsed = parse(text or "", finish, prompt.reply, prompt.clues.boxes)
        found = set(parsed.repairs) if isinstance(parsed, Parsed) else {parsed[0].kind}
        assert found & READ[flaw], f"{prompt.id}: {parsed}\n{text}"
        seen.update(found)
    assert seen.total() >= 10


@pytest.mark.parametrize(
    "reply",
    [
        ReplyConfig(form="topics", topics=4, count=2),
        ReplyConfig(form="topics", topics=1, count=1),
        ReplyConfig(form="pairs", count=20, negative=4),
        ReplyConfig(form="pairs", count=6, answers=("Yes", "No")),
        ReplyConfig(form="pairs", count=3, answers=("morning", "evening")),
        ReplyConfig(form="pairs", count=2, words=(90, 100)),
        ReplyConfig(form="text", words=(200, 220)),
        ReplyConfig(form="list", count=30, leaks=True),
    ],
    ids=str,
)
def test_it_reads_any_contract_from_its_wording(reply: ReplyConfig) -> None:
    body = {
        "messages": [
            {"role": "system", "content": f"Do as you are told.\n\n{wording(reply)}"},
            {
                "role": "user",
                "content": "A dog lies on a red sofa.\nTwo cats look at it.\n\ndog: [0.1, 0.2, 0.5, 0.6]",
            },
        ]
    }
    for index in range(5):
        text = script.answer(body, "digest", index)
        parsed = parse(text, "stop", reply)
        assert isinstance(parsed, Parsed), f"{parsed}\n{text}"
        assert not parsed.repairs
