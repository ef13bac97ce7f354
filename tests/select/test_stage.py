"""The stage in a run folder: the same verdicts as in memory, variants in their folders, kill and resume."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.select.made import Made, MadeConfig, some
from vlit.data.errors import VlitError
from vlit.data.store import part_key
from vlit.run.engine import execute, plan
from vlit.run.folder import RunFolder
from vlit.run.progress import Progress
from vlit.run.recipe import Recipe, parse_recipe
from vlit.run.stage import Output, Setting, Shard
from vlit.select.rules import SelectConfig
from vlit.select.stage import SelectStage, select_variants

SIZES = (30, 0, 1, 29)


def recipe_of(
    folder: Path, config: dict[str, Any], sizes: tuple[int, ...] = SIZES, without: tuple[str, ...] = ()
) -> Recipe:
    """A selection from samples that are just there."""
    setting = Setting(seed=3, base=folder)
    made = Made(MadeConfig(sizes=sizes, without=without), setting)
    stage = SelectStage(SelectConfig.model_validate(config), setting)
    return Recipe(name="x", seed=3, text="name: x\n", base=Path("/"), stages=[made, stage])


def selected(folder: Path, *, workers: int = 1, without: tuple[str, ...] = (), **config: Any) -> RunFolder:
    run = RunFolder(folder)
    execute(recipe_of(folder, config, without=without), run, workers=workers)
    return run


KEEPS: dict[str, dict[str, Any]] = {
    "none": {},
    "stratified": {"keep": {"n": 20, "over": ["task", "source", "paradigm", "clusters"]}},
    "weighted": {"keep": {"share": 0.3, "by": "weighted", "weights": {"a": 1}, "balance": {"by": "task"}}},
    "response": {"keep": {"n": 20, "by": "farthest"}},
    "picture": {"keep": {"n": 20, "by": "farthest", "of": "picture"}},
    "concepts": {"keep": {"n": 20, "by": "concepts", "concepts": "words.txt"}},
}


@pytest.mark.parametrize("keep", KEEPS)
def test_the_stage_says_the_same_as_in_memory(
    keep: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples, scores, vectors = some(60)
    (tmp_path / "words.txt").write_text("dog\ncat\nred bus\n")
    monkeypatch.chdir(tmp_path)
    config = {
        "gates": {"b": {"min": 2}, "a": {"min_quantile": 0.1}},
        "caps": {"counting": 25},
        "variants": {"seeds": 2, "baseline": 1},
        **KEEPS[keep],
    }
    rounded = {k: v.astype(np.float16).astype(np.float32) for k, v in vectors.items()}
    expected = select_variants(samples, scores, SelectConfig.model_validate(config), 3, vectors=rounded)
    run = RunFolder(tmp_path / "run")
    execute(recipe_of(tmp_path, config), run, workers=1)
    assert list(run.verdicts) == expected[""]
    assert [s.id for s in run.selected] == [v.sample for v in expected[""] if v.keep]
    assert run.variants() == sorted(set(expected) - {""}) == ["baseline_1", "seed_1", "seed_2"]
    for name in run.variants():
        variant = run.variant(name)
        assert list(variant.verdicts) == expected[name]
        assert [s.id for s in variant.selected] == [v.sample for v in expected[name] if v.keep]
    assert len(run.variant("baseline_1").selected) == len(run.selected)


def digest(run: RunFolder) -> dict[str, str]:
    files = [*run.path.rglob("*.parquet"), run.record]
    return {str(p.relative_to(run.path)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


CONFIG: dict[str, Any] = {
    "gates": {"b": {"min": 1}},
    "keep": {"n": 25, "by": "weighted", "weights": {"a": 1}},
    "variants": ["leave_one_group_out", {"seeds": 1, "baseline": 2}],
}


@pytest.fixture
def diverse(monkeypatch: pytest.MonkeyPatch) -> None:
    """The made-up indicators declare what they are of."""
    groups = {"a": "complexity", "b": "usability", "clusters": "diversity"}
    monkeypatch.setattr("vlit.select.variants.group_of", lambda name: groups.get(name))


@pytest.mark.usefixtures("diverse")
def test_killed_at_any_shard_and_resumed_it_ends_with_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = {**CONFIG, "variants": "leave_one_group_out"}
    whole = selected(tmp_path / "whole", **config)
    assert {part_key(p) for p in whole.selected.parts()} == {f"{i:05d}" for i in range(len(SIZES))}
    work = SelectStage.work
    for stop in range(len(SIZES)):

        def killed(stage: SelectStage, shard: Shard, context: Any, stop: int = stop) -> Output:
            if shard.key == f"{stop:05d}":
                raise KeyboardInterrupt
            return work(stage, shard, context)

        monkeypatch.setattr(SelectStage, "work", killed)
        with pytest.raises(KeyboardInterrupt):
            selected(tmp_path / str(stop), **config)
        monkeypatch.setattr(SelectStage, "work", work)
        assert digest(selected(tmp_path / str(stop), **config)) == digest(whole)


@pytest.mark.usefixtures("diverse")
def test_one_lost_part_of_a_variant_is_made_anew(tmp_path: Path) -> None:
    run = selected(tmp_path / "run", **CONFIG)
    before = digest(run)
    lost = run.variant("without_complexity").verdicts.parts()[1]
    lost.unlink()
    assert plan(recipe_of(run.path, CONFIG), run)[1].state == "partly done"
    selected(run.path, **CONFIG)
    assert digest(run) == before


@pytest.mark.usefixtures("diverse")
def test_variants_that_are_no_longer_named_go_away_and_what_the_user_keeps_there_stays(tmp_path: Path) -> None:
    run = selected(tmp_path / "run", **CONFIG)
    assert run.variants() == ["baseline_1", "baseline_2", "seed_1", "without_complexity", "without_usability"]
    note = run.variant("seed_1").folder("selected") / "note.txt"
    note.write_text("mine")
    selected(run.path, **{**CONFIG, "variants": {"baseline": 1}})
    assert run.variants() == ["baseline_1"]
    assert note.read_text() == "mine"
    selected(run.path, **{**CONFIG, "variants": None})
    assert run.variants() == []
    assert len(run.selected) == 25


def test_the_number_of_workers_makes_no_difference(tmp_path: Path) -> None:
    config = {"keep": {"n": 20}, "variants": {"seeds": 1}}
    two = selected(tmp_path / "two", workers=2, **config)
    assert digest(two) == digest(selected(tmp_path / "one", **config))


class Loud(Progress):
    def __init__(self) -> None:
        self.told: list[str] = []

    def warned(self, text: str) -> None:
        self.told.append(text)


def test_a_run_says_loudly_that_fewer_pass_than_were_asked_for(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    loud = Loud()
    recipe = recipe_of(tmp_path, {"gates": {"b": {"min": 8}}, "keep": {"n": 50, "by": "random"}})
    execute(recipe, run, workers=1, progress=loud)
    assert loud.told == ["select: only 12 pass, and 50 were asked for"]
    assert len(run.selected) == 12
    assert recipe.stages[1].remark() == "keeps 50 by random"


def test_what_nobody_measured_is_missing(tmp_path: Path) -> None:
    less = ("scores", "embeddings", "pictures")
    run = selected(tmp_path, without=less, gates={"a": {"min": 1}}, keep={"n": 4, "by": "random"})
    assert len(run.selected) == 4
    with pytest.raises(VlitError, match="gives no value to any of them"):
        selected(tmp_path, without=less, keep={"n": 4, "by": "weighted", "weights": {"a": 1}})
    with pytest.raises(VlitError, match=r"were not embedded[\s\S]*observe"):
        selected(tmp_path, without=less, keep={"n": 4, "by": "farthest"})
    with pytest.raises(VlitError, match=r"no photo was looked at[\s\S]*observe"):
        selected(tmp_path, without=less, keep={"n": 4, "by": "farthest", "of": "picture"})


RECIPE = """
name: x
collect: {sources: [{kind: auto, path: .}]}
generate:
assess: {indicators: {task_balance: null, near_duplicate: null}}
select:
"""


#: What stands under ``select``, and what is said of it.
MISTAKES = {
    "keep: {n: 5, by: weighted, weights: {near_duplicat: 1}}": "keep.weights.near_duplicat: no scores",
    "keep: {n: 6, by: weighted, weights: {near_duplicat: 1}}": "did you mean 'near_duplicate'?",
    "keep: {n: 5, over: [task, clusters]}": "keep.over: no scores of that name are made",
    "keep: {n: 5, by: cluster_quota}": "keep.of: no scores of that name are made",
    "keep: {n: 5, balance: {by: [tsak]}}": "keep.balance.by: no scores of that name",
    "keep: {n: 5, by: stratifeid}": "keep.by: there is no method 'stratifeid'; did you mean 'stratified'?",
    "keep: {n: 5, ovr: [task]}": "keep.ovr: unknown key; did you mean 'over'?",
    "keep: {by: random}": "say how many to keep",
    "keep: {n: many}": "keep.n: a whole number is needed",
    "variants: leave_one_out": "leave_one_out: unknown key; did you mean 'leave_one_group_out'?",
    "variants: {leave_one_group_out: [beauty]}": "group_out.0: there is no group 'beauty'; Known: ",
    "variants: {leave_one_group_out: balanse}": "group 'balanse'; did you mean 'balance'?",
    "gates: {near_duplicate: {max: .nan}}": "gates.near_duplicate.max: it has to be a finite number",
    "variants: leave_one_group_out": "to leave out usability or diversity or complexity or balance changes",
    "variants: {leave_one_group_out: [balance]}": "to leave out balance changes nothing",
    "variants: {also: {Seed_1: {}}, seeds: 1}": "two variants are named 'seed_1'",
    "variants: {also: {a/b: {}}}": "names a folder",
    "variants: {also: {mine: {variants: {seeds: 1}}}}": "is a variant itself",
    "variants: {also: {mine: {keep: {n: 1, by: cluster_quota, of: z}}}}": "variants.also.mine.keep.of",
    "variants: {seeds: 1}\nexport: {formats: [{variant: seed_2}]}": "variant: no variants of that name",
}


@pytest.mark.parametrize("select", MISTAKES)
def test_mistakes_in_a_recipe_are_told_before_anything_starts(select: str, tmp_path: Path) -> None:
    with pytest.raises(VlitError) as caught:
        parse_recipe(f"{RECIPE}  {select}\n", base=tmp_path)
    assert MISTAKES[select] in str(caught.value)


def test_a_choice_by_distance_brings_the_stage_that_observes_along(tmp_path: Path) -> None:
    recipe = parse_recipe(RECIPE + "  keep: {n: 5, by: farthest}\n", base=tmp_path)
    assert "observe" in [stage.name for stage in recipe.stages]


@pytest.mark.parametrize(
    ("observe", "keep", "key"),
    [
        ("sentences: none", "by: farthest, of: response", "keep.of: no embeddings"),
        ("pictures: false", "by: farthest, of: picture", "keep.of: no pictures"),
        (
            "sentences: none",
            "by: dic, of: [near_duplicate, task_balance], farthest: response",
            "keep.farthest: no em",
        ),
    ],
)
def test_a_choice_by_distance_of_what_is_not_observed_is_told_before_anything_starts(
    observe: str, keep: str, key: str, tmp_path: Path
) -> None:
    with pytest.raises(VlitError, match=f"select.{key}"):
        parse_recipe(f"{RECIPE}  keep: {{n: 5, {keep}}}\nobserve: {{{observe}}}\n", base=tmp_path)


def test_a_mistake_that_shows_late_names_its_variant(tmp_path: Path) -> None:
    also = {"best": {"keep": {"n": 4, "by": "weighted", "weights": {"clusters": 1}}}}
    with pytest.raises(VlitError, match=r"in: select\.variants, best: select\.keep"):
        selected(tmp_path, variants={"also": also})
