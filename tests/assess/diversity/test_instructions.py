"""Communities of the words of instructions."""

import json
import pickle
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.assess.small import sample
from vlit.assess.diversity.communities import task_words
from vlit.assess.diversity.instructions import InstructionDiversity, InstructionDiversityConfig
from vlit.assess.diversity.stop_words import content_words, stop_words
from vlit.assess.seen import Part, Seen
from vlit.assess.stage import fit


def measured(samples, **config):
    indicator = InstructionDiversity(InstructionDiversityConfig(**config), seed=1)
    state = pickle.loads(pickle.dumps(fit([indicator], samples, Seen(len(samples)))[indicator.name]))
    scores = list(indicator.score(Part(samples), state))
    assert all(s.value is None and s.reason for s in scores)
    found = indicator.summarise(scores, state)
    return found, json.loads(found.detail), scores


def told(text, id, task="t"):
    return sample(text, "Yes.", id=str(id), task=task)


def test_content_words():
    text = "<image>\nWhat's the dog's colour, and don't you see 3 of THE dogs? A b."
    assert content_words(text) == ["image", "dog", "colour", "see", "3", "dogs"]
    assert content_words("Describe the image.", {"image"}) == ["describe"]
    assert content_words("") == []
    assert "no" in stop_words() and all(w == w.lower() and "'" not in w for w in stop_words())


def test_two_topics_that_share_a_word_by_hand():
    # The graph is two triangles that meet in "dog", which so has two personas: one in either community.
    samples = [told("brown dog sleeps", 1), told("small dog barks", 2), told("barks small", 3)]
    found, detail, scores = measured(samples)
    assert (found.value, found.n) == (2.0, 3)
    (task,) = detail["largest_tasks"]
    assert task == {
        "task": "t",
        "louvain": 2,
        "components": 2,
        "words": 5,
        "alone": 0,
        "pairs": 6,
        "personas": 6,
        "instructions": 3,
        "different": 3,
    }
    groups = [s.group for s in scores]
    assert set(groups) == {"t/0", "t/1"}
    assert groups[0] != groups[1] == groups[2]


def test_value_is_the_mean_over_tasks():
    # "a" has the two communities of words, "b: c" one, and in "d" no two words stand together.
    samples = [told("brown dog sleeps", 1, "a"), told("small cat purrs", 2, "a")]
    samples += [told("red car parked", 3, "b: c"), told("describe", 4, "d"), told("", 5, "e")]
    found, detail, scores = measured(samples)
    assert (found.value, found.n) == (1.0, 5)
    assert [(t["task"], t["louvain"], t["alone"]) for t in detail["largest_tasks"]] == [
        ("a", 2, 0),
        ("b: c", 1, 0),
        ("d", 0, 1),
    ]
    assert (detail["sum"], detail["tasks"], detail["form"]) == ({"louvain": 3, "components": 3}, 3, "embedded")
    assert [s.group for s in scores[2:]] == ["b: c/0", None, None]
    assert scores[-1].reason == "the sample has no instruction"


def chain(n):
    """Instructions that form one component: each shares two words with the next."""
    return [f"word{i} word{i + 1} word{i + 2}" for i in range(n)]


def test_components_and_louvain_are_both_told():
    samples = [told(text, i) for i, text in enumerate(chain(60))]
    components, detail, _ = measured(samples, communities="components")
    louvain, _, scores = measured(samples)
    assert components.value == detail["mean"]["components"] == 1
    assert louvain.value == detail["mean"]["louvain"] > 3
    assert len({s.group for s in scores}) > 3


def test_dialogues_and_samples_that_were_not_drawn_have_groups():
    topics = ["brown dog sleeps sofa", "red car parked street"]
    samples = [told(topics[i % 2], i) for i in range(40)]
    samples.append(sample(topics[1], "Yes.", topics[0], "Yes.", topics[1], "Yes.", id="talk", task="t"))
    found, detail, scores = measured(samples, at=10)
    assert (found.value, found.n) == (2.0, 10)
    assert detail["largest_tasks"][0]["instructions"] in range(10, 13)
    groups = [s.group for s in scores]
    assert groups[:40] == [groups[0], groups[1]] * 20
    assert groups[40] == groups[1] != groups[0]
    undrawn = InstructionDiversity(InstructionDiversityConfig()).score(Part([told("x", 1, "new")]), {})
    assert next(undrawn).reason == "no instruction of this task was drawn"


def test_order_and_repetition_change_nothing():
    texts = [*chain(20), "brown dog sleeps", "Describe the image.", "What is this?"]
    samples = [told(text, i) for i, text in enumerate(texts)]
    mixed = random.Random(1).sample(samples, len(samples))
    one, other = measured(samples), measured(mixed)
    assert one[0] == other[0]
    assert {s.sample: s.group for s in one[2]} == {s.sample: s.group for s in other[2]}
    again = [told(text, f"again{i}") for i, text in enumerate(texts)]
    assert measured(samples + again)[0].value == one[0].value


def test_rare_and_named_words_are_left_out():
    texts = ["the image shows dogs", "the image shows cats", "an image shows one zebra", "dogs chase cats"]
    samples = [told(text, i) for i, text in enumerate(texts)]
    words = measured(samples, min_count=2)[1]["largest_tasks"][0]["words"]
    assert words == 4  # image, shows, dogs, cats
    assert measured(samples, min_count=2, stop_words=["IMAGE"])[1]["largest_tasks"][0]["words"] == 3
    assert measured(samples, min_count=9)[0].value is None


def test_long_instructions_are_cut_into_pieces():
    text = " ".join(f"w{i}" for i in range(10_000))
    found, detail, scores = measured([told(text, 1), told("w1 w2", 2)])
    (task,) = detail["largest_tasks"]
    assert task["pairs"] == 100 * (100 * 99 // 2)
    assert found.value == 100
    assert scores[0].group is not None and scores[1].group is not None


@pytest.mark.parametrize("samples", [[], [told("", 1)], [told("What is it?", 1)], [told("猫在哪里", 1)]])
def test_sets_without_two_words_have_no_communities(samples):
    found, _, scores = measured(samples)
    assert found.value is None
    assert all(s.group is None for s in scores)


texts = st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=5), max_size=12)


@settings(max_examples=60, deadline=None)
@given(texts, st.sampled_from(["components", "louvain"]))
def test_every_instruction_of_two_words_has_a_community(instructions, partition):
    found = task_words(instructions, partition)
    groups = {found.community(words) for words in instructions if len(set(words)) > 1}
    assert groups <= set(range(getattr(found.figures, partition)))
    if partition == "components":  # an instruction lies in one component whole, and each component comes of one
        assert len(groups) == found.figures.components
