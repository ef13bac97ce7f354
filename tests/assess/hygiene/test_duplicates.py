import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.assess.small import IMAGE, sample
from vlit.assess.hygiene.exact_duplicates import ExactDuplicate, normalised
from vlit.assess.hygiene.near_duplicates import NearDuplicate, NearDuplicateConfig, closest
from vlit.assess.indicator import NoConfig
from vlit.assess.seen import Part, Seen
from vlit.assess.stage import fit
from vlit.data.scene import Image

OTHER = Image(uri="/photos/2.jpg", width=10, height=10)
LONG = "The curious baby sits in a comfortable chair and looks at the bright toys that lie on the soft carpet."


def run(indicator, samples):
    return list(indicator.score(Part(samples), fit([indicator], samples, Seen(len(samples)))[indicator.name]))


def exact(*samples):
    return [(s.value, s.reason) for s in run(ExactDuplicate(NoConfig()), samples)]


def near(*samples):
    return run(NearDuplicate(NearDuplicateConfig()), samples)


def test_exact_duplicates_count_earlier_samples():
    found = exact(
        sample("What?", "A dog.", id="a"),
        sample("What?", "A cat.", id="b"),
        sample("what?", "a  DOG.\n", id="c"),
        sample("What?", "A dog.", id="d"),
        sample("What?", "A cat.", id="e"),
    )
    assert [v for v, _ in found] == [0, 0, 1, 2, 1]
    assert found[3][1] == "the same images and text as a"
    assert found[4][1] == "the same images and text as b"


def test_another_image_or_role_is_no_exact_duplicate():
    others = sample("a", "b", id="2", images=(OTHER,)), sample("a b", id="3")
    assert [v for v, _ in exact(sample("a", "b"), *others)] == [0, 0, 0]


def test_images_are_compared_by_content_where_it_is_known():
    moved = Image(uri="/elsewhere.jpg", width=100, height=100, sha256=IMAGE.sha256)
    assert [v for v, _ in exact(sample("a", "b"), sample("a", "b", id="2", images=(moved,)))] == [0, 1]


def test_a_long_response_repeated_for_another_image_is_found():
    office = sample("Would you describe this as an organized workspace?", LONG, id="office", images=(OTHER,))
    first, between, again = near(sample("Describe.", LONG, id="baby"), sample("?", "Yes.", id="x"), office)
    assert (first.value, between.value) == (0.0, None)
    assert between.reason == "the response has fewer than 8 words"
    assert (again.value, again.reason) == (1.0, "the same response as baby")


def test_a_small_change_is_nearly_the_same():
    changed = LONG.replace("bright", "dark")
    _, found = near(sample("?", LONG, id="a"), sample("?", changed, id="b"))
    assert 0.5 <= found.value < 1
    assert found.reason.endswith("like that of a")


def test_without_a_floor_a_response_that_is_like_no_other_names_none():
    config = NearDuplicateConfig(floor=0)
    rows = [sample("?", LONG, id="a"), sample("?", "one two three four five six seven eight nine ten", id="b")]
    assert [(s.value, s.reason) for s in run(NearDuplicate(config), rows)] == [(0.0, None), (0.0, None)]


def test_the_estimate_is_near_the_true_similarity_and_unrelated_texts_are_apart():
    rand = random.Random(0)
    words = [f"w{i}" for i in range(500)]
    base = [rand.choice(words) for _ in range(60)]
    errors = []
    for i in range(60):
        other = [*base[: 60 - i // 6], *(rand.choice(words) for _ in range(i // 6))]
        shingles = [{tuple(t[k : k + 3]) for k in range(58)} for t in (base, other)]
        true = len(shingles[0] & shingles[1]) / len(shingles[0] | shingles[1])
        _, found = near(sample("?", " ".join(base), id="a"), sample("?", " ".join(other), id="b"))
        errors.append(found.value - true)
    assert abs(np.mean(errors)) < 0.04
    texts = [" ".join(rand.choice(words) for _ in range(30)) for _ in range(50)]
    assert all(s.value == 0 for s in near(*(sample("?", t, id=str(i)) for i, t in enumerate(texts))))


def test_closest_looks_back_only_and_survives_one_row():
    signature = np.arange(64, dtype=np.uint32)[None]
    share, other = closest(np.repeat(signature, 3, axis=0))
    assert share.tolist() == [0, 1, 1] and other[0] == -1 and other[1] == 0
    assert closest(signature)[0].tolist() == [0]


def test_no_samples_at_all():
    assert near() == [] and exact() == []


@given(st.text(st.sampled_from("aB \n\t\u00a0\u2028É")))
def test_normalised_text_has_single_spaces(text):
    assert normalised(text) == " ".join(text.lower().split())
