"""Which samples are held out: never those of an image that a stage before has been trained on."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vlit.data.sample import Sample, Turn
from vlit.data.scene import Image
from vlit.tune.config import TuneConfig
from vlit.tune.encoding import Shares, held_out_shares, split_of

CONFIG = TuneConfig.model_validate(
    {"stages": [{"name": "a"}, {"name": "b"}, {"name": "c"}], "held_out": {"share": 0.1, "most": 100}}
)


def sample(number: int) -> Sample:
    photo = Image(uri=f"{number}.jpg", width=4, height=3)
    return Sample(id=str(number), turns=(Turn(role="user", text="What?"),), images=(photo,))


def test_shares_hold_out_as_many_as_asked_for_at_most() -> None:
    found = held_out_shares(CONFIG, [10_000, 500, 2_000])
    assert found == [Shares(0.01, 0.1), Shares(0.1, 0.1), Shares(0.05, 0.05)]
    assert held_out_shares(CONFIG, [0, 0, 0])[0] == Shares(0.1, 0.1)


@given(st.lists(st.integers(1, 100_000), min_size=3, max_size=3), st.integers(0, 99))
def test_what_a_stage_holds_out_no_stage_before_it_has_seen(samples: list[int], seed: int) -> None:
    shares = held_out_shares(CONFIG, samples)
    for number in range(50):
        splits = [split_of(sample(number), own, seed) for own in shares]
        for place, split in enumerate(splits):
            assert split != "held_out" or "train" not in splits[:place]
        assert splits[-1] is not None


def test_an_image_is_known_by_its_content_where_it_was_opened() -> None:
    shares = Shares(0.5, 0.5)
    for number in range(20):
        here, there = (
            Sample(
                id=name,
                turns=(Turn(role="user", text="What?"),),
                images=(Image(uri=f"{name}/{number}.jpg", width=4, height=3, sha256=str(number)),),
            )
            for name in ("a", "b")
        )
        assert split_of(here, shares, 1) == split_of(there, shares, 1)


@given(
    st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=4), min_size=1, max_size=60),
    st.integers(0, 99),
)
def test_no_photo_of_a_training_sample_is_one_that_is_held_out(shown: list[list[int]], seed: int) -> None:
    shares = [Shares(0.1, 0.3), Shares(0.3, 0.3)]
    photos = {n: sample(n).images[0] for n in range(31)}
    several = [Sample(id=str(i), turns=(), images=tuple(photos[n] for n in own)) for i, own in enumerate(shown)]
    held_out = {n for n in photos if split_of(sample(n), shares[1], seed) == "held_out"}
    for own, one in zip(shown, several, strict=True):
        assert split_of(one, shares[1], seed) == ("held_out" if held_out & set(own) else "train")
        assert split_of(one, shares[0], seed) != "train" or not held_out & set(own)
        assert split_of(one, shares[1], seed) == split_of(
            Sample(id="", turns=(), images=one.images[::-1]), shares[1], seed
        )
