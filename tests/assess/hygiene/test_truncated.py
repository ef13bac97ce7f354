import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.assess.judging import judged
from tests.assess.small import sample
from tests.conftest import shared_data
from vlit.assess.hygiene.truncated import TruncatedAnswer, TruncatedAnswerConfig, is_cut

CUT = (
    "A man stands on the",
    "Two dogs, a cat and",
    "There are three things:",
    "The skateboard is",
    "A man rides on the back of",
    "The bus has two doors and several",
    "The dog (a brown",
    "It lies at [0.1, 0.2, 0.3",
    "The man who wears a long red coat walks slowly down the quiet street towards his hous",
    "1. A dog\n2. A cat\n3.",
    "- The sky is blue.\n- The grass is green.\n- The house is",
    "First, we see a dog.\nThen we see the man who is holding the red leash of the dog in his left ha",
    "猫がいます、",
)
WHOLE = (
    "A",
    "B",
    "3.",
    "No",
    "A dog on a sofa",
    "the chair that she sits on",
    "They do not say where it is",
    "Nobody sees where the dog is",
    "A ball for the cat to play with",
    "Yes, there are",
    "It is what the table is made of",
    "Made of",
    "The one on the left is",
    "[0.12, 0.30, 0.55, 0.81]",
    "What a nice day :(",
    'He says "stop and look at the very long train that is now coming into the old station."',
    "**The man who wears a long red coat walks slowly down the quiet street towards his house.**",
    "1. A dog\n2. A cat\n3. A bird",
    "- The sky is blue.\n- The grass is green.\n- The house is red.",
    "Perhaps it is late …",
    "猫がいます。",
    "แมวตัวหนึ่งนอนอยู่บนโซฟา " * 5,
    "A man riding a wave on top of a surfboard",
    "🙂",
    "",
    "***",
)


@pytest.mark.parametrize("text", CUT)
def test_cut(text):
    assert is_cut(text, 12)


@pytest.mark.parametrize("text", WHOLE)
def test_whole(text):
    assert not is_cut(text, 12)


def test_the_share_of_the_responses():
    indicator = TruncatedAnswer(TruncatedAnswerConfig())
    rows = [
        sample("?", "It is a dog.", "?", "It is on the", id="a"),
        sample("?", "Fine.", id="b"),
        sample("?", id="c"),
    ]
    found = judged(indicator, rows)
    assert [s.value for s in found] == [0.5, 0, None]
    assert found[0].reason == 'ends with "…It is on the"'
    assert indicator.summarise(found).value == 0.25


def test_min_words_is_the_longest_text_that_needs_no_stop():
    text = " ".join(["word"] * 6)
    assert not is_cut(text, 6) and is_cut(text, 5)


@given(st.text(max_size=200))
def test_any_text_is_judged(text):
    assert is_cut(text, 12) in (True, False)


@given(st.lists(st.sampled_from(["dog", "runs", "blue", "1.", "-", "x"]), min_size=1, max_size=30))
def test_a_full_stop_ends_a_plain_line(words):
    assert not is_cut("We see " + " ".join(words) + " here.", 12)


def test_published_answers_are_whole():
    import json

    path = shared_data("llava") / "coco2014_val_gpt4_qa_30x3.jsonl"
    texts = [json.loads(line)["output"] for line in path.read_text(encoding="utf-8").splitlines()]
    assert not [t for t in texts if is_cut(t, 12)]
    assert sum(is_cut(t[: len(t) * 2 // 3], 12) for t in texts) > 0.8 * len(texts)
