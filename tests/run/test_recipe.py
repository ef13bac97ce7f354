from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vlit.data.errors import VlitError
from vlit.run.recipe import Recipe, parse_recipe
from vlit.run.recipe_text import set_key

GOOD = """\
name: mine
seed: 3
collect:
  sources:
    - {kind: auto, path: photos}
generate:
  adapt:
    answers: short
assess:
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
    assert [s.name for s in recipe.stages] == ["collect", "generate", "observe", "assess", "select", "report"]
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
    assert "r.yaml:12: select.gates.text_readability.mn" in said


def test_a_wrong_value_is_shown() -> None:
    assert "(found 'shrt')" in complaint(GOOD.replace("short", "shrt"))


def test_an_unknown_kind_of_source_names_the_nearest() -> None:
    said = complaint(GOOD.replace("kind: auto", "kind: coko"))
    assert "'coko'" in said and "coco" in said


def test_a_key_given_twice_is_a_mistake() -> None:
    said = complaint(GOOD + "seed: 4\n")
    assert "stands twice (lines 2 and 13)" in said


@pytest.mark.parametrize(
    ("text", "part"), [("a: [1", "not YAML"), ("- a\n", "mapping of keys"), ("name: x\n", "names no stage")]
)
def test_what_is_no_recipe_says_so(text: str, part: str) -> None:
    assert part in complaint(text)


def test_a_seed_that_no_table_holds_is_refused() -> None:
    assert "r.yaml:2: seed" in complaint(GOOD.replace("seed: 3", f"seed: {2**63}"))


@pytest.mark.parametrize("name", ["../mine", "..", ".", "a/b", "-rf", "two words", ".hidden"])
def test_a_name_that_leaves_the_folder_is_refused(name: str) -> None:
    assert "r.yaml:1: name: it names the run's folder" in complaint(GOOD.replace("name: mine", f"name: {name}"))


def test_a_stage_without_its_input_is_refused() -> None:
    said = complaint("name: x\nselect:\n")
    assert "reads the table 'samples', which no stage before it writes" in said


def test_overrides_set_keys_before_the_check() -> None:
    recipe = parse(GOOD, "seed=9", "collect.sources.0.path=other", "select.cap_per_task=5")
    assert recipe.seed == 9
    assert recipe.stages[4].config.cap_per_task == 5
    again = parse(recipe.text)
    assert again.seed == 9 and again.stages[4].config == recipe.stages[4].config
    assert "unknown key" in complaint(GOOD, "select.cap_per_tsk=5")
    assert "KEY=VALUE" in complaint(GOOD, "seed")
    assert "not YAML" in complaint(GOOD, "seed=[")
    assert parse(parse(GOOD, "select.caps={presence: 1,\ncounting: 2}").text).stages[4].config.caps == {
        "presence": 1,
        "counting": 2,
    }
    assert "no position" in complaint(GOOD, "collect.sources.7.path=x")


def test_an_override_makes_the_list_that_it_leads_through() -> None:
    values: dict[str, Any] = {"tune": None}
    set_key(values, "tune.stages.0.batch=8")
    set_key(values, "tune.stages.0.lr.llm=1")
    assert values == {"tune": {"stages": [{"batch": 8, "lr": {"llm": 1}}]}}
    set_key(values, "tune.lora.targets.0=q_proj")
    assert values["tune"]["lora"] == {"targets": ["q_proj"]}
    with pytest.raises(VlitError, match="'2' is no position in a list of 0"):
        set_key(values, "tune.trackers.2=x")
    with pytest.raises(VlitError, match="'batch' lies below a plain value"):
        set_key(values, "tune.stages.0.batch.batch=1")


def test_mistakes_inside_of_tasks_and_indicators_are_all_told_with_line_and_nearest() -> None:
    said = complaint("""\
name: mine
collect:
  sources:
    - kind: coko
      path: x
generate:
  adapt:
    tasks:
      countng: {per_scene: 2}
      location: {per_scen: 2}
      presence: 7
assess:
  indicators:
    text_readabilty:
    near_duplicate: {min_word: 3}
    exact_duplicate: yes
export:
  formats:
    - {format: lava}
""")
    for line in (
        "r.yaml:4: collect.sources.0.kind: there is no importer 'coko'; did you mean 'coco'?",
        "r.yaml:9: generate.adapt.tasks.countng: there is no task 'countng'; did you mean 'counting'?",
        "r.yaml:10: generate.adapt.tasks.location.per_scen: unknown key; did you mean 'per_scene'?",
        "r.yaml:11: generate.adapt.tasks.presence: keys with values are needed",
        "r.yaml:14: assess.indicators.text_readabilty: there is no indicator 'text_readabilty'; did you mean",
        "r.yaml:15: assess.indicators.near_duplicate.min_word: unknown key; did you mean 'min_words'?",
        "r.yaml:16: assess.indicators.exact_duplicate: keys with values are needed",
        "r.yaml:19: export.formats.0.format: there is no format 'lava'; did you mean 'llava'?",
    ):
        assert line in said
    assert "8 mistakes" in said


def test_gates_and_caps_name_what_is_made() -> None:
    """Found before anything starts, not after hours of assessing; and no cap is passed over in silence."""
    said = complaint(GOOD.replace("text_readability: {", "text_readabilty: {") + "  caps: {presense: 5}\n")
    assert "r.yaml:12: select.gates.text_readabilty: no scores of that name are made; did you mean" in said
    assert "r.yaml:13: select.caps.presense: no samples of that name are made; did you mean 'presence'?" in said
    said = complaint(GOOD.replace("assess:\n", "assess: {indicators: {exact_duplicate: }}\n"))
    assert "select.gates.text_readability: no scores of that name are made; Known: exact_duplicate" in said
    assert "no stage before it makes scores" in complaint(GOOD.replace("assess:\n", ""))


def test_what_needs_a_teacher_is_not_asked_for_without_one() -> None:
    """To leave the gate out in silence would let through what it was to stop; another name was not meant."""
    judged = GOOD.replace(
        "assess:\n", "teacher: none\nassess: {indicators: {embedded: , judged_correctness: }}\n"
    )
    judged = judged.replace("text_readability: {", "judged_correctness: {")
    said = complaint(judged + "  caps: {complex_reasoning: 5}\n")
    assert "select.gates.judged_correctness: no scores of that name are made with `teacher: none`" in said
    assert "did you mean 'grounded" not in said
    asked = GOOD.replace("generate:\n", "teacher: none\ngenerate:\n  instruct: {recipes: {vision_complex: }}\n")
    said = complaint(asked + "  caps: {complex_reasoning: 5}\n")
    assert "select.caps.complex_reasoning: no samples of that name are made with `teacher: none`; name" in said


def test_an_empty_value_takes_its_default() -> None:
    empty = GOOD.replace("    answers: short", "    answers:\n    tasks:").replace("seed: 3", "seed:")
    assert parse(empty).seed == 0
    assert parse(empty).stages[1].config.adapt.answers == "mixed"
    assert len(parse(GOOD.replace("adapt:\n    answers: short", "adapt:")).stages[1].config.adapt.tasks) > 10


@pytest.mark.parametrize("value", ["[1", "{a", "@x", "\t", "\x1b", "!!python/name:os.system x"])
def test_an_override_that_is_no_yaml_says_so(value: str) -> None:
    assert "--set seed=" in complaint(GOOD, f"seed={value}") and "not YAML" in complaint(GOOD, f"seed={value}")


def test_a_mistake_in_an_override_names_the_override() -> None:
    assert "--set seed: a whole number is needed (found 'abc')" in complaint(GOOD, "seed=abc")
    assert "--set collect.sources.0.pth: unknown key" in complaint(GOOD, "collect.sources.0.pth=x")


def test_an_override_of_two_lines_leaves_a_recipe_that_can_be_read() -> None:
    kept = parse(GOOD, 'report.title="a\nb: ["').text
    assert parse(kept).stages[-1].config.title == "a b: ["


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: x\ncollect:\n\tsources: []\n", "r.yaml:3\n  do: indent with spaces"),
        ("name: x\ncollect: &a\n  sources: *a\n", "an alias (*name) in it stands for itself"),
        ("name: x\n? [a, b]\n: 2\n", "not YAML: found unhashable key"),
        ("name: 2017\ncollect:\n", "r.yaml:1: name: text is needed (a number or a date goes in quotes)"),
        ("name: x\nseed: 99999999999999999999\n", "seed: it has to be less than"),
        ("name: x\ncollect:\n  sources: photos\n", "sources: a list is needed"),
        ("name: x\ncollect:\n  sources: [{kind: coco}]\n", "give `captions:`, `instances:`, or both"),
    ],
)
def test_each_mistake_is_told_in_plain_words(text: str, said: str) -> None:
    assert said in complaint(text)
