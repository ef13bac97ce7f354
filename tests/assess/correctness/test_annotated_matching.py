import pickle

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.assess.judging import judged
from tests.assess.small import COCO, asked, obj, sample, scene
from vlit.assess.correctness.affirmed import affirmed
from vlit.assess.correctness.annotated_matching import AnnotatedMatching, AnnotatedMatchingConfig, vocabulary
from vlit.assess.seen import Part

#: Eight images; "dog" is in the first two, "sofa" and "blanket" in the first, all else in one each.
CAPTIONS = (
    "A dog on a sofa with a blanket.",
    "Dogs!",
    "A red bus.",
    "A wooden boat.",
    "Zebras",
    "A kitchen",
    "Pizza",
    "Snow",
)
SCENES = [scene(captions=[text], searched=(), id=f"s{n}") for n, text in enumerate(CAPTIONS)]


def matched(*samples, scenes=SCENES, **config):
    indicator = AnnotatedMatching(AnnotatedMatchingConfig(**config))
    state = pickle.loads(pickle.dumps(vocabulary(scenes)))
    known = {s.id: s for s in scenes}
    # one part or several: the same scores
    scores = list(indicator.score(Part(samples, known), state))
    assert scores == [s for one in samples for s in indicator.score(Part([one], known), state)]
    return scores


def test_hand_computed():
    """p is (other images with the word + 1/2) / 8, q the larger of p and 0.3."""
    own, other = matched(
        sample("What is this?", "A dog sits on a sofa.", id="a", scenes=("s0",)),
        sample("What is this?", "A dog sits on a sofa.", id="b", scenes=("s2",)),
    )
    # on the dog's photo: 0.3 / (1.5 / 8) for the dog, 0.3 / (0.5 / 8) for the sofa; no image has "sit"
    odds = 0.3 / 0.1875 * 0.3 / 0.0625
    assert own.value == pytest.approx(odds / (1 + odds))
    assert own.reason == "its annotations name sofa, dog"
    # under the bus: 2.5 / 8 > 0.3 of the others have the dog, which tells nothing; the sofa 0.7 / (1 - 1.5 / 8)
    odds = 0.7 / 0.8125
    assert other.value == pytest.approx(odds / (1 + odds))
    assert other.reason == "its annotations do not name sofa, dog"


def test_only_images_that_are_shown_count():
    rows = [sample("?", "A dog on a sofa.", id=s.id, scenes=(s.id,)) for s in SCENES]
    elsewhere = [scene(captions=["A sofa."], searched=(), id=f"unseen {n}") for n in range(50)]
    indicator = AnnotatedMatching(AnnotatedMatchingConfig())
    assert judged(indicator, rows, [*SCENES, *elsewhere]) == matched(*rows)


def test_more_words_tell_more():
    texts = ("A sofa.", "A dog and a sofa.", "The blanket covers a dog and a sofa.")
    own = [s.value for s in matched(*(sample("?", t, id=t, scenes=("s0",)) for t in texts))]
    other = [s.value for s in matched(*(sample("?", t, id=t, scenes=("s3",)) for t in texts))]
    assert own == sorted(own) and other == sorted(other, reverse=True)
    assert min(own) > 0.8 and max(other) < 0.5


def test_labels_by_other_names_and_what_was_searched_for():
    rooms = [scene([obj(1, "dog" if n < 4 else "cat")], searched=COCO, id=f"s{n}") for n in range(8)]
    rows = (
        sample("?", "A puppy.", id="a", scenes=("s0",)),
        sample("?", "A puppy.", id="b", scenes=("s4",)),
        sample("?", "A kitten.", id="c", scenes=("s4",)),
    )
    found = matched(*rows, scenes=rooms)
    assert [s.value > 0.5 for s in found] == [True, False, True]
    # "puppy" itself is in no image, the label in 3.5 / 8 of the others
    assert found[0].value / (1 - found[0].value) == pytest.approx(0.9 / 0.4375)
    assert found[1].value / (1 - found[1].value) == pytest.approx(0.1 / (1 - 4.5 / 8))
    open_ = [msgspec.structs.replace(s, searched=()) for s in rooms]
    assert matched(rows[1], scenes=open_)[0].value > found[1].value


def test_all_kinds_of_annotations_count():
    full = scene(questions=[asked("What is he eating?", ("noodles", 4))], id="s9")
    assert matched(sample("?", "He eats noodles.", scenes=("s9",)), scenes=[*SCENES, full])[0].value > 0.9


def test_without_a_value():
    found = matched(
        sample("Is there a dog?", "No, there is no dog.", id="denies", scenes=("s0",)),
        sample("?", "How cosy!", id="unknown words", scenes=("s0",)),
        sample("?", "A dog.", id="no scene", scenes=()),
        sample("?", "A dog.", id="two", scenes=("s0", "s1")),
        sample("?", "A dog.", id="no image", scenes=(), images=()),
        sample("?", id="no answer", scenes=("s0",)),
    )
    assert [s.value for s in found] == [None] * 6
    assert found[0].reason == found[1].reason == "names nothing that the annotations of any image have"
    assert found[2].reason == "no annotations are known for its image"
    bare = [*SCENES, scene(searched=(), id="bare")]
    assert (
        matched(sample("?", "A dog.", scenes=("bare",)), scenes=bare)[0].reason
        == "no annotation says what its image shows"
    )
    (few,) = matched(sample("?", "A dog.", scenes=("s0",)), scenes=SCENES[:7])
    assert few.value is None and few.reason == "the set has only 7 annotated images to compare with"
    assert matched(sample("?", "A dog.", scenes=("s0",)), scenes=SCENES[:7], min_images=7)[0].value is not None


@pytest.mark.parametrize(
    ("turns", "says"),
    [
        (("Is there a dog?", "Yes."), "Is there a dog?\nYes."),
        (("Is there a dog?", "No."), ""),
        (("How many dogs are there?", "0"), "0"),
        (("Where is the dog?", "[0.1, 0.2, 0.3, 0.4]"), "Where is the dog?\n[0.1, 0.2, 0.3, 0.4]"),
        (("Which is shown?\nA. A dog\nB. A cat", "B"), "Which is shown?\nA cat"),
        (("Which is not shown?\nA. A dog\nB. A cat", "B. A cat"), ""),
        (("Why is he not happy?", "The dog ate his cake."), "The dog ate his cake."),
        (("<image>\nHi", "There is no cat. There is a dog."), "There is a dog"),
    ],
)
def test_what_is_affirmed(turns, says):
    assert affirmed(sample(*turns)) == says


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_text_is_judged(asked_, answered):
    (found,) = matched(sample(asked_, answered, scenes=("s0",)))
    assert found.reason and (found.value is None or 0 <= found.value <= 1)


def test_long_texts_and_scenes_that_the_pass_did_not_see():
    (long,) = matched(sample("?", "dog sofa bus boat " * 2_500, scenes=("s0",)))
    assert 0 <= long.value <= 1
    indicator = AnnotatedMatching(AnnotatedMatchingConfig())
    new = scene(captions=["A tram."], searched=(), id="new")
    row = sample("?", "A tram.", scenes=("new",))
    (found,) = indicator.score(Part([row], {"new": new}), vocabulary(SCENES))
    assert found.value > 0.8
