"""A recipe of one's own: every kind of mistake in it is told with its place before anything is done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.generate.instruct.runs import recipe_text
from vlit.data.errors import VlitError
from vlit.run.engine import plan
from vlit.run.folder import RunFolder
from vlit.run.recipe import Recipe, parse_recipe

GOOD = """\
task: shopping
about: what a blind person would ask in a shop
system: |
  You help people who cannot see. Be short and exact.
  {format}
clues: {layout: plain, parts: [captions, counts], needs: [captions]}
reply: {form: pairs, count: 3, words: [1, 40]}
"""


def planned(folder: Path, demo: Path, recipes: Any = "./shop.yaml") -> Recipe:
    """The recipe, checked as a run would check it before its first stage."""
    text = recipe_text("http://localhost:1/v1", {"kind": "auto", "path": str(demo)}, recipes)
    recipe = parse_recipe(text, base=folder)
    plan(recipe, RunFolder(folder / "x"))
    return recipe


def refused(folder: Path, demo: Path, recipes: Any = "./shop.yaml") -> str:
    with pytest.raises(VlitError) as error:
        planned(folder, demo, recipes)
    return str(error.value)


def test_a_good_one_is_taken(tmp_path: Path, demo: Path) -> None:
    (tmp_path / "shop.yaml").write_text(GOOD + "ask: 'See {clues}, and leave {name} as it is.'\n")
    assert [stage.name for stage in planned(tmp_path, demo).stages] == ["collect", "generate"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("task: [a\nabout: b\n", "this is not YAML"),
        ("task: a\n\tabout: b\n", "spaces, not with tabs"),
        ("- task\n", "start with `task:`"),
        ("", "start with `task:`"),
        ("task: a\ntask: b\n", "stands twice (lines 1 and 2)"),
        (GOOD.replace("task:", "tsk:"), "shop.yaml:1: tsk: unknown key; did you mean 'task'?"),
        (GOOD.replace("shopping", '""'), "shop.yaml:1: task: text is needed"),
        (GOOD.replace("count: 3", "count: 0"), "shop.yaml:7: reply.count: it has to be greater"),
        (GOOD.replace("[1, 40]", "[40, 1]"), "shop.yaml:7: reply: `words` are the fewest and the most"),
        (GOOD.replace("[1, 40]", "[-1, 0]"), "`words` are the fewest and the most"),
        (GOOD.replace("count: 3", "count: 3, least: 4"), "`least: 4` is more than the 3"),
        (GOOD.replace("count: 3", "count: 3, negative: 4"), "`negative: 4` is more than the 3"),
        (GOOD.replace("count: 3", "count: 3, topics: 2"), "needs `form: topics`"),
        (GOOD.replace("pairs", "list"), "no sample comes of it"),
        (GOOD.replace("pairs", "text"), "needs `instructions:`"),
        (GOOD.replace("captions, counts", "captions, count"), "instruction recipe shop"),
        (GOOD + "picture: region\n", "needs `unit: region`"),
        (GOOD + "ask: '{cluse}'\n", "no slot {cluse} in `ask`; did you mean {clues}?"),
        (GOOD + "ask: '{clues} {coutn}'\n", "no slot {coutn} in `ask`; did you mean {count}?"),
        (GOOD + "ask: '{ clues }'\n", "no slot { clues } in `ask`; did you mean {clues}?"),
        (GOOD + "ask: '{clues} {captions}'\n", "no slot {captions} in `ask`; did you mean {clues}?"),
        (GOOD + "examples: {pool: ours}\n", "there is no file ours.yaml"),
        (GOOD + "examples: {pool: bad}\n", "bad.yaml: entry 1"),
    ],
)
def test_a_mistake_is_told_before_anything_is_done(text: str, said: str, tmp_path: Path, demo: Path) -> None:
    (tmp_path / "shop.yaml").write_text(text)
    (tmp_path / "bad.yaml").write_text("- clues: an example without a reply\n")
    assert said in refused(tmp_path, demo)


def test_a_file_that_is_not_utf_8_says_so(tmp_path: Path, demo: Path) -> None:
    (tmp_path / "shop.yaml").write_bytes(b"task: caf\xe9\n")
    assert "save it as UTF-8" in refused(tmp_path, demo)
    assert "nothere.yaml" in refused(tmp_path, demo, ["./nothere.yaml"])


def test_wordings_of_clues_beside_it_are_checked_as_early(tmp_path: Path, demo: Path) -> None:
    (tmp_path / "shop.yaml").write_text(GOOD)
    (tmp_path / "clues.yaml").write_text("captions: {line: 'They say {txt}'}\n")
    assert "no slot {txt}" in refused(tmp_path, demo)


def test_two_of_one_name_would_give_the_same_ids(tmp_path: Path, demo: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "shop.yaml").write_text(GOOD)
    assert "two recipes are called 'shop'" in refused(tmp_path, demo, ["a/shop.yaml", "b/shop.yaml"])


def test_a_list_may_name_recipes_with_changes(tmp_path: Path, demo: Path) -> None:
    recipe = planned(tmp_path, demo, ["svit_complex", {"svit_detail": {"rounds": 1}}])
    (generate,) = (stage for stage in recipe.stages if stage.name == "generate")
    asked = [(prompt.name, prompt.recipe.rounds) for prompt in generate.instructor().prompts]  # type: ignore[attr-defined]
    assert asked == [("svit_complex", 3), ("svit_detail", 1)]
    assert "`name: {key: value}`, not 3" in refused(tmp_path, demo, ["svit_complex", 3])
    assert "stands twice" in refused(tmp_path, demo, ["svit_complex", {"svit_complex": {"rounds": 1}}])
    assert "generate.instruct.recipes" in refused(tmp_path, demo, ["svit_complx"])
