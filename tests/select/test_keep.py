"""What holds for every method, and the simple ones by hand."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.select.made import WORDS, kept, sample, scores_of, some, verdicts
from vlit.data.errors import VlitError
from vlit.select.method import Choice, KeepConfig, Method
from vlit.select.pool import Pool
from vlit.select.registry import SELECTORS
from vlit.select.rules import SelectConfig

METHODS: dict[str, dict[str, Any]] = {
    "random": {"by": "random"},
    "stratified": {"by": "stratified", "over": ["task", "source", "clusters"]},
    "proportional": {"by": "stratified", "shares": "proportional"},
    "weighted": {"by": "weighted", "weights": {"a": 2, "b": 1}},
    "z": {"by": "weighted", "weights": {"a": 1}, "scale": "z"},
    "cluster_quota": {"by": "cluster_quota", "of": "clusters", "weights": {"a": 1}},
    "noise": {"by": "cluster_quota", "of": "clusters", "noise": "each", "shares": "proportional"},
    "farthest": {"by": "farthest", "of": "response"},
    "near": {"by": "farthest", "of": "picture", "reach": 2},
    "concepts": {"by": "concepts", "concepts": "words.txt", "yes_no": 0.5},
    "overlap": {"by": "concepts", "concepts": "words.txt", "rule": "overlap"},
    "dic": {"by": "dic", "of": ["a", "b"], "clusters": "clusters"},
    "dic best": {"by": "dic", "of": ["a", "b"]},
    "balanced": {"by": "weighted", "weights": {"a": 1}, "balance": {"by": "task"}},
    "balanced coverage": {"by": "concepts", "concepts": "words.txt", "balance": {"by": ["task", "clusters"]}},
}
#: Its shortlist grows with n.
NOT_NESTED: dict[str, dict[str, Any]] = {
    "dic farthest": {"by": "dic", "of": ["a", "b"], "farthest": "response"}
}


@pytest.fixture(autouse=True)
def words(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path_factory.mktemp("words")
    (folder / "words.txt").write_text("\n".join(WORDS[:5]))
    monkeypatch.chdir(folder)


@pytest.mark.parametrize("method", [*METHODS, *NOT_NESTED])
def test_exactly_n_of_those_that_pass_whatever_the_method(method: str) -> None:
    samples, found, vectors = some(80)
    keep = (METHODS | NOT_NESTED)[method]
    gates = {"b": {"min": 3}}
    passing = kept(samples, found, gates=gates)
    before: set[str] = set()
    for n in (1, 2, 7, 30, 55):
        chosen = kept(samples, found, 3, vectors, gates=gates, keep={"n": n, **keep})
        assert len(chosen) == n and chosen <= passing
        assert chosen == kept(samples, found, 3, vectors, gates=gates, keep={"n": n, **keep})
        assert method in NOT_NESTED or before <= chosen, "a larger number has to keep what a smaller one kept"
        before = chosen


@pytest.mark.parametrize("method", METHODS)
def test_the_order_of_the_set_makes_no_difference(method: str) -> None:
    samples, found, vectors = some(60)
    order = np.random.default_rng(1).permutation(60)
    moved = {space: v[order] for space, v in vectors.items()}
    keep = {"n": 17, **METHODS[method]}
    straight = kept(samples, found, 3, vectors, keep=keep)
    assert straight == kept([samples[i] for i in order], found, 3, moved, keep=keep)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 40),
    st.floats(0.01, 1),
    st.sampled_from(["random", "stratified", "cluster_quota", "weighted"]),
)
def test_a_share_is_of_the_whole_set(size: int, share: float, method: str) -> None:
    samples, found, vectors = some(size)
    if method == "weighted" and all(s.value is None for s in found if s.indicator == "a"):
        return
    if method == "cluster_quota" and all(s.group is None for s in found):
        return
    got = kept(samples, found, 0, vectors, keep={"share": share, **METHODS[method]})
    assert len(got) == max(1, int(share * size + 0.5))


@pytest.mark.parametrize("method", ["farthest", "random", "dic"])
def test_the_smallest_share_is_one_sample(method: str) -> None:
    samples, found, vectors = some(30)
    assert len(kept(samples, found, 0, vectors, keep={"share": 0.001, **METHODS[method]})) == 1


def test_a_remark_within_a_balance_names_its_group() -> None:
    samples = [sample(f"a{i}", "counting") for i in range(8)] + [sample(f"b{i}", "presence") for i in range(8)]
    vectors = {"response": np.ones((16, 4), np.float32)}
    got = verdicts(samples, vectors=vectors, keep={"n": 6, "by": "farthest", "balance": {"by": "task"}})
    assert "; counting: only 1 differ from each other" in got[0].reason
    assert got[0].reason.endswith("the lowest draws fill up (likewise 1 more group)")


def test_fewer_are_kept_only_where_fewer_pass_and_every_one_says_so() -> None:
    samples, found, _ = some(20)
    got = verdicts(samples, found, gates={"b": {"min": 5}}, keep={"n": 15, "by": "random"})
    assert sum(v.keep for v in got) == 10
    assert {v.reason for v in got if v.keep} == {
        "passes every gate; chosen by random: only 10 pass, and 15 were asked for"
    }
    assert {v.rule for v in got if not v.keep} == {"b"}


def test_every_sample_is_told_why() -> None:
    samples = [sample(f"a{i}", "counting") for i in range(6)] + [sample(f"b{i}", "presence") for i in range(2)]
    got = {v.sample: v for v in verdicts(samples, keep={"n": 4})}
    assert sum(v.keep for v in got.values()) == 4
    assert {v.reason for k, v in got.items() if k[0] == "b"} == {
        "passes every gate; chosen by stratified: presence, coco: 2 of 2"
    }
    left = [v for v in got.values() if not v.keep]
    assert {(v.rule, v.reason) for v in left} == {("keep", "not chosen by stratified: counting, coco: 2 of 6")}


def test_a_cap_comes_before_the_choice() -> None:
    samples = [sample(f"a{i}", "counting") for i in range(20)] + [
        sample(f"b{i}", "presence") for i in range(20)
    ]
    got = verdicts(samples, caps={"counting": 2}, keep={"n": 12, "by": "random"})
    assert Counter(v.rule for v in got) == {"cap": 18, "keep": 10, "kept": 12}


def test_weights_by_hand() -> None:
    samples = [sample(f"s{i}") for i in range(4)]
    # Ranks of a: 1/8, 3/8, 5/8, 7/8; of exact_duplicate (lower is better): 0.625 for the two zeros and so on.
    found = scores_of(samples, "a", [1, 2, 3, 40]) + scores_of(samples, "exact_duplicate", [0, 0, 1, 2])
    got = verdicts(samples, found, keep={"n": 2, "by": "weighted", "weights": {"a": 1, "exact_duplicate": 3}})
    # Means: (1/8 + 3 * 3/4) / 4 = 0.594, (3/8 + 3 * 3/4) / 4 = 0.656, (5/8 + 3 * 3/8) / 4 = 0.4375, ...
    assert [v.keep for v in got] == [True, True, False, False]
    assert got[0].reason.endswith("weighted mean 0.5938, the cut is 0.5938")
    assert got[2].reason == "not chosen by weighted: weighted mean 0.4375, the cut is 0.5938"


def test_a_missing_value_counts_as_an_average_one() -> None:
    samples = [sample(f"s{i}") for i in range(3)]
    found = scores_of(samples, "a", [1.0, None, 3.0])
    assert kept(samples, found, keep={"n": 2, "by": "weighted", "weights": {"a": 1}}) == {"s1", "s2"}
    nan = scores_of(samples, "a", [1.0, float("nan"), 3.0])
    assert kept(samples, nan, keep={"n": 2, "by": "weighted", "weights": {"a": 1}}) == {"s1", "s2"}


def test_z_is_the_distance_from_the_mean() -> None:
    samples = [sample(f"s{i}") for i in range(2)]
    got = verdicts(
        samples,
        scores_of(samples, "a", [1, 3]),
        keep={"n": 1, "by": "weighted", "weights": {"a": 1}, "scale": "z"},
    )
    assert got[1].keep and "weighted mean 1," in got[1].reason and "weighted mean -1," in got[0].reason


def test_clusters_take_turns_and_their_best_come_first() -> None:
    samples = [sample(f"s{i}") for i in range(6)]
    found = scores_of(samples, "clusters", groups=["x", "x", "x", "x", "y", None])
    found += scores_of(samples, "a", [1, 4, 2, 3, 0, 0])
    keep = {"by": "cluster_quota", "of": "clusters", "weights": {"a": 1}}
    assert kept(samples, found, keep={"n": 3, **keep}) == {"s1", "s4", "s5"}
    assert kept(samples, found, keep={"n": 4, **keep}) == {"s1", "s3", "s4", "s5"}
    told = {v.sample: v.reason for v in verdicts(samples, found, keep={"n": 4, **keep})}
    assert told["s0"].startswith("not chosen by cluster_quota: x: 2 of 4; weighted mean 0.4167")
    assert "no cluster: 1 of 1" in told["s5"]


def test_noise_is_one_cluster_or_many() -> None:
    samples = [sample(f"s{i}") for i in range(12)]
    found = scores_of(samples, "clusters", groups=["x"] * 4 + ["y"] * 4 + [None] * 4)
    keep = {"n": 6, "by": "cluster_quota", "of": "clusters"}
    alone = {f"s{i}" for i in range(8, 12)}
    assert len(kept(samples, found, keep=keep) & alone) == 2
    assert kept(samples, found, keep={**keep, "noise": "each"}) >= alone


def test_dic_is_the_lower_of_two_ranks() -> None:
    samples = [sample(f"s{i}") for i in range(4)]
    found = scores_of(samples, "a", [1, 2, 3, 4]) + scores_of(samples, "b", [4, 3, 2, 1])
    got = verdicts(samples, found, keep={"n": 2, "by": "dic", "of": ["a", "b"]})
    assert [v.keep for v in got] == [False, True, True, False]  # 1/8, 3/8, 3/8, 1/8
    assert "lower rank of a and b 0.125, the cut is 0.375" in got[0].reason


def test_balance_shares_out_by_task_whatever_the_method() -> None:
    samples = [sample(f"a{i}", "counting") for i in range(10)] + [sample(f"b{i}", "presence") for i in range(3)]
    found = scores_of(samples, "a", [float(i) for i in range(13)])
    keep = {"n": 8, "by": "weighted", "weights": {"a": 1}, "balance": {"by": "task"}}
    assert kept(samples, found, keep=keep) == {"a5", "a6", "a7", "a8", "a9", "b0", "b1", "b2"}
    proportional = {**keep, "n": 6, "balance": {"by": "task", "shares": "proportional"}}
    by_task = Counter(name[0] for name in kept(samples, found, keep=proportional))
    assert by_task in ({"a": 5, "b": 1}, {"a": 4, "b": 2})


def test_gates_do_not_let_nan_pass_as_a_value() -> None:
    samples = [sample("s0"), sample("s1")]
    found = scores_of(samples, "a", [float("nan"), 1.0])
    assert kept(samples, found, gates={"a": {"min_quantile": 0.5, "missing": "drop"}}) == {"s1"}
    got = verdicts(samples, found, gates={"a": {"min": 0.5, "missing": "drop"}})
    assert got[0].reason == "a has no value (said so)"


@pytest.mark.parametrize(
    ("keep", "said"),
    [
        ({"n": 5, "by": "wieghted"}, "there is no method 'wieghted'"),
        ({"by": "random"}, "either `n`, a number, or `share`"),
        ({"n": 5, "share": 0.5}, "either `n`, a number, or `share`"),
        ({"n": 0}, "greater than or equal to 1"),
        ({"share": 1.5}, "less than or equal to 1"),
        ({"n": 5, "by": "random", "over": ["task"]}, "unknown key"),
        ({"n": 5, "by": "weighted"}, "the key is missing"),
        ({"n": 5, "by": "weighted", "weights": {"a": -1}}, "greater than 0"),
        ({"n": 5, "by": "concepts"}, "name `concepts`, a file of words"),
        ({"n": 5, "balance": {"by": []}}, "at least 1 item"),
        ({"n": 5, "by": "dic", "of": ["a", "b"], "clusters": "c", "farthest": "response"}, "name one of them"),
    ],
)
def test_senseless_configs_are_refused(keep: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError) as caught:
        SelectConfig.model_validate({"keep": keep})
    assert said in str(caught.value)


def test_what_says_nothing_cannot_choose() -> None:
    samples, found, _ = some(20)
    found += scores_of(samples, "empty")
    with pytest.raises(VlitError, match="'clusters', which gives no value"):
        verdicts(samples, found, keep={"n": 5, "by": "weighted", "weights": {"clusters": 1}})
    with pytest.raises(VlitError, match="'a', which puts none of them into a group"):
        verdicts(samples, found, keep={"n": 5, "by": "cluster_quota", "of": "a"})
    with pytest.raises(VlitError, match="'empty', which puts none"):
        verdicts(samples, found, keep={"n": 5, "by": "random", "balance": {"by": "empty"}})
    with pytest.raises(VlitError, match="chooses by 'nobody', but no sample has such a score"):
        verdicts(samples, found, keep={"n": 5, "by": "weighted", "weights": {"nobody": 1}})
    with pytest.raises(VlitError, match="nothing tells the vectors of instructions"):
        verdicts(samples, found, keep={"n": 5, "by": "farthest", "of": "instruction"})


def test_an_empty_set_has_nothing_to_choose_from() -> None:
    assert verdicts([], keep={"n": 5}) == []


class Greedy(Method[KeepConfig]):
    """A method of somebody else that keeps everything."""

    def choose(self, pool: Pool, n: int) -> Choice:
        return Choice(np.ones(len(pool), bool))


def test_a_method_that_keeps_too_many_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SELECTORS._builtin, "greedy", "tests.select.test_keep:Greedy")
    with pytest.raises(RuntimeError, match="exactly 2 samples; this one chose 4"):
        verdicts([sample(f"s{i}") for i in range(4)], keep={"n": 2, "by": "greedy"})
