import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlit.language.stems import stem


@pytest.mark.parametrize(
    "words",
    [
        "ride rides riding",
        "sit sits sitting",
        "ski skis skiing",
        "dog dogs",
        "man men",
        "person people",
        "dish dishes",
        "puppy puppies",
        "graze grazes grazing grazed",
        "dress dresses dressed",
        "fall falls falling",
    ],
)
def test_inflections_have_one_stem(words):
    assert len({stem(word) for word in words.split()}) == 1


def test_short_words_and_others_stay_apart():
    assert stem("bed") == "bed" and stem("wing") == "wing" and stem("string") == "string"
    assert len({stem(word) for word in ("bus", "boat", "bike", "bird", "bear", "bench")}) == 6


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=12))
def test_a_stem_is_never_empty(word):
    assert stem(word)
