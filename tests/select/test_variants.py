from __future__ import annotations

from typing import Any

import pytest

from tests.select.made import sample, scores_of
from vlit.assess.registry import INDICATORS
from vlit.data.errors import VlitError
from vlit.select.principles import GROUPS, group_of, sign_of
from vlit.select.rules import SelectConfig
from vlit.select.stage import select_variants
from vlit.select.variants import plans, without

OF = {
    "readable": "usability",
    "correct": "usability",
    "clusters": "diversity",
    "hard": "complexity",
    "duplicate": None,
}


@pytest.fixture(autouse=True)
def declared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlit.select.variants.group_of", OF.get)


def left(config: dict[str, Any], group: Any) -> dict[str, Any]:
    found = without(SelectConfig.model_validate(config), group).model_dump(exclude_unset=False)
    return {k: v for k, v in (found["keep"] or {}).items() if k not in ("n", "share", "balance")}


def test_gates_and_weights_of_a_group_go_and_others_stay() -> None:
    config = SelectConfig.model_validate(
        {
            "gates": {"readable": {"min": 1}, "hard": {"min": 2}, "duplicate": {"max": 0}},
            "cap_per_task": 7,
            "keep": {"n": 5, "by": "weighted", "weights": {"correct": 1, "hard": 2}, "balance": {"by": "task"}},
        }
    )
    usable = without(config, "usability")
    assert set(usable.gates) == {"hard", "duplicate"} and usable.cap_per_task == 7
    assert usable.keep is not None and usable.keep.model_dump()["weights"] == {"hard": 2}
    assert usable.keep.balance is not None and usable.keep.n == 5
    balance = without(config, "balance")
    assert balance.gates == config.gates and balance.cap_per_task is None
    assert balance.keep is not None and balance.keep.balance is None
    assert without(config, "diversity") == config


@pytest.mark.parametrize(
    ("keep", "group", "expected"),
    [
        ({"by": "weighted", "weights": {"hard": 1}}, "complexity", {"by": "random"}),
        ({"by": "stratified", "over": ["task", "clusters"]}, "diversity", {"over": ("task",)}),
        ({"by": "stratified", "over": ["clusters"]}, "diversity", {"by": "random"}),
        ({"by": "stratified"}, "balance", {"by": "stratified", "shares": "proportional"}),
        ({"by": "cluster_quota", "of": "clusters"}, "diversity", {"by": "random"}),
        ({"by": "cluster_quota", "of": "clusters", "weights": {"hard": 1}}, "diversity", {"by": "weighted"}),
        ({"by": "cluster_quota", "of": "clusters", "weights": {"hard": 1}}, "complexity", {"weights": {}}),
        ({"by": "farthest"}, "diversity", {"by": "random"}),
        ({"by": "farthest"}, "usability", {"by": "farthest"}),
        ({"by": "concepts", "concepts": "x"}, "diversity", {"by": "random"}),
        (
            {"by": "dic", "of": ["correct", "hard"], "clusters": "clusters"},
            "usability",
            {"by": "cluster_quota"},
        ),
        ({"by": "dic", "of": ["correct", "hard"], "farthest": "response"}, "usability", {"by": "farthest"}),
        ({"by": "dic", "of": ["correct", "hard"]}, "complexity", {"by": "random"}),
        ({"by": "dic", "of": ["correct", "hard"], "clusters": "clusters"}, "diversity", {"clusters": None}),
        ({"by": "dic", "of": ["correct", "hard"], "farthest": "response"}, "diversity", {"farthest": None}),
    ],
)
def test_a_method_gives_way_to_what_is_left_of_it(keep: Any, group: str, expected: Any) -> None:
    found = left({"keep": {"n": 5, **keep}}, group)
    assert {k: found[k] for k in expected} == expected


def names(**config: Any) -> list[str]:
    return [plan.name for plan in plans(SelectConfig.model_validate(config))]


def test_variants_are_named_by_what_they_are() -> None:
    gates = {"readable": {"min": 1}}
    assert names(gates=gates) == [""]
    assert names(gates=gates, variants="leave_one_group_out") == ["", "without_usability"]
    assert names(gates=gates, caps={"x": 1}, variants={"leave_one_group_out": ["balance"]}) == [
        "",
        "without_balance",
    ]
    several = names(gates=gates, variants=["leave_one_group_out", {"seeds": 2}, {"also": {"mine": {}}}])
    assert several == ["", "without_usability", "seed_1", "seed_2", "mine"]
    assert names(variants={"baseline": 3}) == ["", "baseline_1", "baseline_2", "baseline_3"]
    assert names(variants={}) == [""]
    with pytest.raises(VlitError, match="to leave out complexity changes nothing"):
        names(gates=gates, variants={"leave_one_group_out": ["usability", "complexity"]})


def test_each_variant_has_as_many_and_the_baseline_knows_no_scores() -> None:
    samples = [sample(f"s{i}", ("counting", "presence")[i % 2]) for i in range(60)]
    scores = scores_of(samples, "readable", [float(i) for i in range(60)])
    scores += scores_of(samples, "hard", [float(-i) for i in range(60)])
    config = SelectConfig.model_validate(
        {
            "gates": {"readable": {"min": 10}},
            "keep": {"n": 20, "by": "weighted", "weights": {"hard": 1}},
            "variants": {"leave_one_group_out": True, "seeds": 1, "baseline": 2},
        }
    )
    found = {
        name: {v.sample for v in told if v.keep}
        for name, told in select_variants(samples, scores, config, 1).items()
    }
    assert {name: len(kept) for name, kept in found.items()} == dict.fromkeys(found, 20)
    assert found[""] == {f"s{i}" for i in range(10, 30)} == found["seed_1"]  # nothing is drawn by weights
    assert found["without_usability"] == {f"s{i}" for i in range(20)}
    assert found["without_complexity"] != found[""]
    assert found["baseline_1"] != found["baseline_2"]
    assert any(name in found["baseline_1"] | found["baseline_2"] for name in (f"s{i}" for i in range(10)))


def test_seeds_are_other_draws() -> None:
    samples = [sample(f"s{i}") for i in range(40)]
    config = SelectConfig.model_validate({"cap_per_task": 30, "keep": {"n": 10}, "variants": {"seeds": 3}})
    found = [{v.sample for v in told if v.keep} for told in select_variants(samples, [], config).values()]
    assert len({frozenset(kept) for kept in found}) == 4
    assert all(len(kept) == 10 for kept in found)


def test_every_indicator_has_its_group_and_direction() -> None:
    principles = {name: INDICATORS.load(name).principle for name in INDICATORS.names()}
    for name, principle in principles.items():
        group = group_of(name)
        assert (group is None) == (principle == "hygiene"), name
        assert group is None or principle in GROUPS[group]
    assert sign_of("exact_duplicate") == -1 and sign_of("grounded_correctness") == 1
    assert sign_of("from elsewhere") == 1 and group_of("from elsewhere") is None
