from __future__ import annotations

from pathlib import Path

import pytest

from vlit.data.errors import VlitError
from vlit.run.recipe import Recipe, parse_recipe

GOOD = """\
name: mine
seed: 3
collect:
  sources:
    - {kind: auto, path: photos}
generate:
  adapt:
    answers: short
select:
  gates:
    text_readability: {min: 0.1}
"""


def parse(text: str, *overrides: str) -> Recipe:
    return parse_recipe(text, base=Path("/data"), where="r.yaml", overrides=overrides)


def complaint(text: str, *overrides: str) -> str:
    with pytest.raises(VlitError) as caught:
        parse(text, *overrides)
    return str(caught.value)


def test_stages_come_in_the_order_of_the_data() -> None:
    recipe = parse("report:\n" + GOOD)
    assert [s.name for s in recipe.stages] == ["collect", "generate", "select", "report"]
    assert (recipe.name, recipe.seed) == ("mine", 3)


def test_an_unknown_key_names_line_and_nearest_key() -> None:
    said = complaint(GOOD.replace("answers: short", "anwsers: short"))
    assert "r.yaml:8: generate.adapt.anwsers: unknown key; did you mean 'answers'?" in said


def test_an_unknown_stage_names_the_nearest_one() -> None:
    assert "r.yaml:6: generat: unknown key; did you mean 'generate'?" in complaint(
        GOOD.replace("generate", "generat")
    )


def test_all_mistakes_are_told_at_once() -> None:
    said = complaint(GOOD.replace("short", "shrt").replace("seed: 3", "seed: -1").replace("min: 0.1", "mn: 1"))
    assert "3 mistakes" in said or "4 mistakes" in said
    assert "r.yaml:2: seed" in said and "r.yaml:8: generate.adapt.answers" in said
    assert "r.yaml:11: select.gates.text_readability.mn" in said


def test_a_wrong_value_is_shown() -> None:
    assert "(found 'shrt')" in complaint(GOOD.replace("short", "shrt"))


def test_an_unknown_kind_of_source_names_the_nearest() -> None:
    said = complaint(GOOD.replace("kind: auto", "kind: coko"))
    assert "'coko'" in said and "coco" in said


def test_a_key_given_twice_is_a_mistake() -> None:
    said = complaint(GOOD + "seed: 4\n")
    assert "stands twice (lines 2 and 12)" in said


@pytest.mark.parametrize(
    ("text", "part"), [("a: [1", "not YAML"), ("- a\n", "mapping of keys"), ("name: x\n", "names no stage")]
)
def test_what_is_no_recipe_says_so(text: str, part: str) -> None:
    assert part in complaint(text)


@pytest.mark.parametrize("name", ["../mine", "..", ".", ".hidden"])
def test_a_name_that_leaves_the_folder_is_refused(name: str) -> None:
    assert "r.yaml:1: name" in complaint(GOOD.replace("name: mine", f"name: {name}"))


def test_a_seed_that_no_table_holds_is_refused() -> None:
    assert "r.yaml:2: seed" in complaint(GOOD.replace("seed: 3", f"seed: {2**63}"))


def test_a_stage_without_its_input_is_refused() -> None:
    said = complaint("name: x\nselect:\n")
    assert "reads the table 'samples', which no stage before it writes" in said


def test_overrides_set_keys_before_the_check() -> None:
    recipe = parse(GOOD, "seed=9", "collect.sources.0.path=other", "select.cap_per_task=5")
    assert recipe.seed == 9
    assert recipe.stages[2].config.cap_per_task == 5
    again = parse(recipe.text)
    assert again.seed == 9 and again.stages[2].config == recipe.stages[2].config
    assert "unknown key" in complaint(GOOD, "select.cap_per_tsk=5")
    assert "KEY=VALUE" in complaint(GOOD, "seed")
    assert "not YAML" in complaint(GOOD, "seed=[")
    assert parse(parse(GOOD, "select.caps={a: 1,\nb: 2}").text).stages[2].config.caps == {"a": 1, "b": 2}
    assert "no position" in complaint(GOOD, "collect.sources.7.path=x")
