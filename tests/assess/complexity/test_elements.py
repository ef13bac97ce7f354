"""The embedded tagger and the two indicators that stand on it."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.assess.small import sample
from tests.conftest import shared_data
from vlit.assess.complexity.elements import elements, tagged
from vlit.assess.complexity.instructions import FEATURES, InstructionComplexity, complexity, features
from vlit.assess.complexity.lexicon import inflected, lexicon
from vlit.assess.complexity.objects import ObjectComplexity
from vlit.assess.indicator import NoConfig
from vlit.assess.seen import Part
from vlit.data.sample import Sample, Turn


def tags(text):
    return " ".join(tag for _, tag in tagged(text))


@pytest.mark.parametrize(
    ("text", "nouns", "verbs"),
    [
        ("What is the color of the two suitcases in the image?", ["color", "suitcases", "image"], []),
        ("Describe the following image.", ["image"], ["describe"]),
        ("What does the man hold?", ["man"], ["hold"]),
        ("What is the man holding in his left hand?", ["man", "hand"], ["holding"]),
        ("Who rides the horse?", ["horse"], ["rides"]),
        ("How many traffic lights are there?", ["traffic"], []),
        ("Is the dog's tail wet?", ["dog's", "tail"], []),
        ("Can you see dogs and cats?", ["dogs", "cats"], ["see"]),
        ("What type of food is on the dining table?", ["type", "food", "table"], []),
        (
            "Clean the plates, then list what the woman wants to eat.",
            ["plates", "woman"],
            ["clean", "list", "eat"],
        ),
        ("Is it the painted building that was built near a winding road?", ["building", "road"], ["built"]),
        ("The man and the woman don't look happy, let's say.", ["man", "woman"], ["look", "say"]),
        ("What could be the reason for this gathering?", ["reason", "gathering"], []),
    ],
)
def test_elements_of_instructions(text, nouns, verbs):
    found = elements(text)
    assert found.total == found.nouns + found.verbs
    named = [w for w, tag in tagged(text) if tag == "verb"]
    assert set(verbs) <= set(named) and found.verbs == len(named)
    assert {w for w, tag in tagged(text) if tag == "noun"} >= set(nouns)
    assert found.nouns == len(nouns)


def test_words_that_may_be_both_go_by_their_neighbours():
    assert tags("Look at the look.") == "verb prep det noun mark"
    assert tags("He wants to play a play.") == "pron verb to verb det noun mark"
    assert tags("What's here?") == "wh pron mark"
    assert tags("Don't say that it works 3.5 times") == "aux verb sub pron verb num noun"


def test_clauses_questions_and_reasons():
    plain = elements("What color is the dog?")
    assert (plain.clauses, plain.questions, plain.reasoning) == (1, 1, 0)
    hard = elements("Imagine you walk there. Why might he stop, and what would happen if it rains?")
    # sentences: imagine, why; inside the second: what (after "and"), if
    assert (hard.clauses, hard.questions, hard.reasoning) == (4, 2, 5)
    assert elements("Name a dog and describe it to help me.").clauses == 3


def test_forms_of_verbs():
    assert {"makes", "making", "maked"} <= set(inflected("make"))
    assert {"watches", "carries", "carried", "agreeing"} <= {
        *inflected("watch"),
        *inflected("carry"),
        *inflected("agree"),
    }
    known = lexicon()
    assert (known.forms["held"], known.forms["lying"], known.forms["goes"]) == ("ed", "ing", "s")
    assert not set(known.forms) & known.plain


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=80))
def test_any_text_is_counted(text):
    found = elements(text)
    assert 0 <= found.total <= found.words
    assert found.clauses >= 0 and found.english <= found.words
    assert (found.words == 0) == (found.clauses == 0)


def test_a_text_of_ten_thousand_words_is_read_in_part():
    assert 1000 < elements("describe the dog " * 10_000).words < 3000


def scored(kind, *samples):
    indicator = kind(NoConfig())
    scores = list(indicator.score(Part(samples), None))
    return scores, indicator.summarise(scores)


def dialogue(*texts, id="1"):
    return Sample(id=id, turns=tuple(Turn(role="user", text=t) for t in texts))


def test_object_complexity_is_the_mean_over_instructions():
    # color, car: 2; describe, image: 2; is, man, holding, cup: 3. The answer does not count.
    samples = [
        sample("<image>\nWhat is the color of the car?", "A red car on a long road.", id="1"),
        dialogue("Describe the image.", "Is the man holding a cup?", "", id="2"),
        sample("", "Yes.", id="3"),
        sample("狗在哪里？", "沙发上。", id="4"),
    ]
    scores, found = scored(ObjectComplexity, *samples)
    assert [s.value for s in scores] == [2.0, 2.5, None, None]
    assert scores[1].reason == "3 noun chunks, 2 verbs; instructions: 2"
    assert [s.reason for s in scores[2:]] == [
        "the sample has no instruction",
        "the rules read English only, and most words are in another script",
    ]
    assert (found.value, found.n, json.loads(found.detail)["form"]) == (2.25, 2, "embedded")


def test_instruction_complexity_by_hand():
    # 6 words, 2 elements (color, dog), 1 clause, 1 question word, no reasoning
    (score,), _ = scored(InstructionComplexity, sample("What color is the dog there?", "Red."))
    by_hand = 0.25 * (1 - math.exp(-6 / 20)) + 0.25 * (1 - math.exp(-2 / 4)) + 0.1 * (1 - math.exp(-1))
    assert score.value == pytest.approx(1 + 9 * by_hand)
    assert score.reason == "6 length, 2 elements, 0 clauses, 1 questions, 0 reasoning"


counts = st.fixed_dictionaries({name: st.integers(0, 10_000) for name in FEATURES})


@given(counts, st.sampled_from(sorted(FEATURES)), st.integers(1, 100))
def test_complexity_rises_with_each_feature(found, name, more):
    low, high = complexity(found), complexity(found | {name: found[name] + more})
    assert 1 <= low <= high <= 10
    if found[name] < 10:
        assert low < high
    assert sum(weight for weight, _ in FEATURES.values()) == pytest.approx(1)


def test_harder_questions_are_more_complex():
    rising = [
        "Describe the image.",
        "What color is the dog in the image?",
        "Why might the dog have chosen to lie down on the floor?",
        "What activity might have recently taken place around this table, and why could it affect the people "
        "who live there if nobody explains the reasons?",
    ]
    grades = [complexity(features(elements(text))) for text in rising]
    assert grades == sorted(grades)
    assert grades[0] < 3 < grades[1] < 4.5 < grades[2] < grades[3] < 10


def test_questions_for_reasons_stand_above_plain_ones():
    file = shared_data("llava") / "qa90_questions.jsonl"
    grades: dict[str, list[float]] = {}
    for line in file.read_text().splitlines():
        row = json.loads(line)
        grades.setdefault(row["category"], []).append(complexity(features(elements(row["text"]))))
    pairs = [(a, b) for a in grades["complex"] for b in grades["conv"] + grades["detail"]]
    assert sum((a > b) + (a == b) / 2 for a, b in pairs) / len(pairs) > 0.9  # area under the ROC curve
