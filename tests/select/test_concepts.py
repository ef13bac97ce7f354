from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import shared_data
from tests.select.made import kept, sample, verdicts
from vlit.data.errors import VlitError
from vlit.data.sample import Sample
from vlit.select.concept_list import ConceptList, concepts_of_questions, read_concepts
from vlit.select.methods.concepts import covered


def said(*texts: str) -> list[Sample]:
    return [sample(f"s{i}", asked="What is there?", said=text) for i, text in enumerate(texts)]


def test_words_and_phrases_are_found_in_both_numbers() -> None:
    concepts = ConceptList(["dog", "Fire hydrant", "bus", "DOG", " "])
    assert concepts.names == ["dog", "fire hydrant", "bus"]
    assert concepts.found("Two dogs beside fire hydrants.") == {0, 1}
    assert concepts.found("A fire near a hydrant; busy doghouses") == set()
    assert concepts.found("buses!") == {2}
    assert concepts.found("") == set()


def test_coverage_by_hand(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("dog\ncat\nbus  # a remark\n# another\n\n")
    samples = said("A dog and a cat.", "A dog and a cat.", "A bus.", "A dog.", "Nothing.")
    keep = {"by": "concepts", "concepts": str(tmp_path / "list.txt")}
    first = kept(samples, keep={"n": 2, **keep})
    # One of the two equal ones adds 2, then the bus 1, and the other of the two 1/2 + 1/2.
    assert len(first & {"s0", "s1"}) == 1 and "s2" in first
    assert kept(samples, keep={"n": 3, **keep}) == {"s0", "s1", "s2"}
    assert kept(samples, keep={"n": 4, **keep}) == {"s0", "s1", "s2", "s3"}
    told = {v.sample: v.reason for v in verdicts(samples, keep={"n": 4, **keep})}
    assert told["s3"] == "passes every gate; chosen by concepts: gain in 3 concepts 0.3333, the cut is 0.3333"
    assert told["s4"] == "not chosen by concepts: gain in 3 concepts 0, the cut is 0.3333"
    assert kept(samples, keep={"n": 2, "rule": "overlap", **keep}) == {"s0", "s1"}
    assert kept(samples, keep={"n": 1, "text": "instruction", **keep}) <= {f"s{i}" for i in range(5)}


def test_the_share_of_yes_holds_as_long_as_there_is_a_choice(tmp_path: Path) -> None:
    (tmp_path / "list.yaml").write_text("animals: [dog, cat]\nother: [bus]\n")
    texts = ["Yes, a dog and a cat and a bus."] * 60 + ["No, there is no dog."] * 30 + ["A bus."] * 10
    samples = said(*texts)
    keep = {"by": "concepts", "concepts": str(tmp_path / "list.yaml"), "yes_no": 0.5}

    def answers(n: int) -> Counter[str]:
        return Counter(texts[int(name[1:])][:2] for name in kept(samples, keep={"n": n, **keep}))

    for n in (20, 40, 60):
        found = answers(n)
        assert found.total() == n and abs(found["Ye"] - found["No"]) <= 2
    assert answers(95)["No"] == 30  # more than half has to be yes
    free = {**keep, "yes_no": None}
    assert all(texts[int(name[1:])].startswith("Yes") for name in kept(samples, keep={"n": 20, **free}))


def test_a_gain_is_never_far_below_the_best() -> None:
    rng = np.random.default_rng(0)
    lengths = rng.integers(0, 6, 300)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    items = np.concatenate([rng.choice(40, n, replace=False) for n in lengths]).astype(np.int32)
    taken, gains = covered(starts, items, 40, 120, np.arange(300))
    named, left = np.zeros(40), set(range(300))
    for row in taken.tolist():
        gain = gains[row]
        of = {i: (1 / (1 + named[items[starts[i] : starts[i + 1]]])).sum() for i in left}
        assert of[row] == pytest.approx(gain)
        assert gain >= 0.9 * max(of.values()) - 1e-9
        named[items[starts[row] : starts[row + 1]]] += 1
        left.remove(row)


def test_a_quota_ends_what_a_concept_adds() -> None:
    starts, items = np.arange(6), np.zeros(5, np.int32)
    assert len(covered(starts, items, 1, 5, np.arange(5), quota=2)[0]) == 2
    assert len(covered(starts, items, 1, 5, np.arange(5))[0]) == 5


def test_question_files_of_benchmarks_give_their_content_words(tmp_path: Path) -> None:
    questions = ["Is there a snowboard in the image?", "How many zebras are there?", "Is this a snowboard?"]
    (tmp_path / "pope.json").write_text("\n".join(json.dumps({"text": q, "label": "yes"}) for q in questions))
    (tmp_path / "vqa.json").write_text(json.dumps({"questions": [{"question": q} for q in questions]}))
    (tmp_path / "mme.txt").write_text("\n".join(f"1.jpg\t{q}\tYes" for q in questions))
    (tmp_path / "mmb.tsv").write_text("index\tquestion\tA\n" + "\n".join(f"1\t{q}\tx" for q in questions))
    for name in ("pope.json", "vqa.json", "mme.txt", "mmb.tsv"):
        assert concepts_of_questions([tmp_path / name], 10) == ["snowboard"], name
    both = [tmp_path / "pope.json", tmp_path / "vqa.json"]
    assert concepts_of_questions(both, 10) == ["snowboard", "zebras"]
    assert concepts_of_questions(both, 1) == ["snowboard"]


def test_what_was_chosen_for_a_benchmark_says_so(tmp_path: Path) -> None:
    (tmp_path / "mme.txt").write_text("1.jpg\tIs there a dog?\tYes\n2.jpg\tAre dogs or a dog here?\tNo\n")
    keep = {"n": 1, "by": "concepts", "questions": str(tmp_path / "mme.txt")}
    told = verdicts(said("A dog.", "A cat."), keep=keep)
    assert [v.keep for v in told] == [True, False]
    assert all("concepts are words of mme.txt" in v.reason for v in told)


def test_files_that_cannot_be_used_say_why(tmp_path: Path) -> None:
    for name, text, message in [
        ("a.txt", "# nothing\n", "names no concept"),
        ("a.yaml", "dog: 3\n", "lists of words are needed"),
        ("a.json", '{"a": [', "neither YAML nor JSON"),
        ("b.jsonl", '{"a": 1}\n{', "neither JSON nor JSON lines"),
        ("c.json", '[{"id": 1}]', "no question is found"),
    ]:
        (tmp_path / name).write_text(text)
        with pytest.raises(VlitError, match=message):
            if name.startswith("a"):
                read_concepts(tmp_path / name)
            else:
                concepts_of_questions([tmp_path / name], 5)
    with pytest.raises(VlitError, match="cannot read the concepts"):
        read_concepts(tmp_path / "none.txt")


def test_real_benchmarks_give_real_concepts() -> None:
    bench = shared_data("bench")
    pope = concepts_of_questions([bench / "pope" / "coco_pope_random.json"], 100)
    assert {"dining", "chair", "person"} <= set(pope)
    mme = concepts_of_questions(sorted((bench / "mme").glob("*.txt")), 300)
    assert "dog" in mme and not {"image", "please", "yes", "there"} & set(mme)
