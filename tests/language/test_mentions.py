import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlit.language.mentions import Lexicon, counts_in_pairs, lexicon, plurals

COCO = (
    """
person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, stop sign,
parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, backpack, umbrella,
handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove, skateboard,
surfboard, tennis racket, bottle, wine glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich, orange,
broccoli, carrot, hot dog, pizza, donut, cake, chair, couch, potted plant, bed, dining table, toilet, tv,
laptop, mouse, remote, keyboard, cell phone, microwave, oven, toaster, sink, refrigerator, book, clock, vase,
scissors, teddy bear, hair drier, toothbrush
""".replace("\n", " ")
    .strip()
    .split(", ")
)


def found(text, labels=COCO):
    return {(m.label, m.relation) for m in lexicon(labels).find(text)}


def labels(text):
    return [m.label for m in lexicon(COCO).find(text)]


@pytest.mark.parametrize("label", COCO)
def test_every_label_is_found_by_its_own_name_and_plural(label):
    assert (label, "equal") in found(f"There is a {label}.")
    assert (label, "equal") in found(
        f"There are two {' '.join([*label.split()[:-1], plurals(label.split()[-1])[0]])}."
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A hot dog and a hot-dog", ["hot dog", "hot dog"]),
        ("a teddy bear", ["teddy bear"]),
        ("an orange cat, orange and white", ["cat"]),
        ("a man dressed in orange", ["person"]),
        ("the sky is orange", []),
        ("an orange on a plate", ["orange"]),
        ("apple, banana, orange", ["apple", "banana", "orange"]),
        ("two oranges", ["orange"]),
        ("a mouse pad", []),
        ("the train station by the train tracks", []),
        ("a man trains in the gym", ["person"]),
        ("a woman ties her shoe", ["person"]),
        ("she learns to ski", []),
        ("a skier skis fast", ["person"]),
        ("a skier on skis", ["person", "skis"]),
        ("parked next to train", ["train"]),
        ("a bus stop", []),
        ("table tennis", []),
        ("a phone booth", []),
        ("a baby elephant", ["elephant"]),
        ("a baby giraffe and a baby", ["giraffe", "person"]),
        ("a park bench", ["bench"]),
        ("a remote control", ["remote"]),
        ("a remote island", []),
        ("the kitchen sink; it sinks", ["sink", "sink"]),
        ("a glass vase", ["vase"]),
        (
            "people and children, mice, knives, buses, geese",
            ["person", "person", "mouse", "knife", "bus", "bird"],
        ),
        ("a carrot cake", ["cake"]),
        ("a street sign under a street light", []),
        ("a dog's bowl", ["dog", "bowl"]),
    ],
)
def test_traps_of_real_captions(text, expected):
    assert labels(text) == expected


def test_relations_say_how_much_a_word_proves():
    assert found("three men on a sofa") == {("person", "narrower"), ("couch", "equal")}
    assert found("a bike") == {("bicycle", "broader"), ("motorcycle", "broader")}
    assert found("a statue of a horse") == {("horse", "broader")}


def test_mention_has_place_and_number():
    text = "Look: three Dogs."
    (mention,) = lexicon(COCO).find(text)
    assert (mention.text, mention.plural) == ("Dogs", True)
    assert text[mention.start : mention.end] == "Dogs"


def test_unknown_labels_are_found_by_name_and_regular_plural():
    lex = Lexicon(["street_lamp", "Bush", "fisherman"])
    assert [m.label for m in lex.find("Street lamps, bushes and fishermen")] == [
        "street_lamp",
        "Bush",
        "fisherman",
    ]


def test_a_word_that_is_itself_a_label_means_that_label():
    assert found("a man and a boy", ["man", "person"]) == {("man", "equal"), ("person", "narrower")}


def test_traps_hold_when_their_own_label_is_not_in_the_set():
    assert found("a hot dog and a teddy bear", ["dog", "bear"]) == set()
    assert found("a cell phone", ["phone"]) == {("phone", "equal")}


def test_empty_sets_and_labels_find_nothing():
    assert Lexicon([]).find("a dog") == []
    assert Lexicon(["", " _ "]).find("a dog _ ") == []


def test_pairs():
    assert counts_in_pairs("scissors") and not counts_in_pairs("dog")


@given(st.text(max_size=200))
def test_places_are_in_order_inside_the_text_and_do_not_overlap(text):
    spans = [(m.start, m.end) for m in lexicon(COCO).find(text)]
    assert all(0 <= s < e <= len(text) for s, e in spans)
    assert all(a == b or a[1] <= b[0] for a, b in itertools.pairwise(spans))
