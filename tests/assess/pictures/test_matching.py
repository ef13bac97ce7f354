from __future__ import annotations

import numpy as np
import pytest

from vlit.assess.pictures import matching
from vlit.assess.pictures.matching import closest_earlier
from vlit.data.picture import Picture, packed

UP, RIGHT = packed([1.0, 0.0]), packed([0.0, 1.0])


def picture(number: int, descriptor: bytes = UP) -> Picture:
    return Picture(uri="x", hash=f"{number:064x}", descriptor=descriptor)


def brute(pictures: list[Picture], most: int, cosine: float) -> list[tuple[int, int]]:
    """Each with each before it."""
    found = []
    numbers = [int(p.hash or "", 16) for p in pictures]
    vectors = [np.frombuffer(p.descriptor, "<f2").astype(float) for p in pictures]
    for i in range(len(pictures)):
        near = [((numbers[i] ^ numbers[j]).bit_count(), j) for j in range(i)]
        near = [(d, j) for d, j in near if d <= most and vectors[i] @ vectors[j] >= cosine]
        found.append(min(near, default=(256, -1)))
    return found


@pytest.mark.parametrize("most", [0, 7, 15, 16, 31])
def test_no_pair_is_missed(most: int) -> None:
    rng = np.random.default_rng(most)
    pictures: list[Picture] = []
    for _ in range(300):
        number = int.from_bytes(rng.bytes(32), "big")
        if pictures and rng.random() < 0.7:  # near an earlier one, about as far as counts
            number = int(pictures[rng.integers(len(pictures))].hash or "", 16)
            for bit in rng.choice(256, rng.integers(most + 3), replace=False).tolist():
                number ^= 1 << bit
        pictures.append(picture(number, (UP, RIGHT)[int(rng.random() < 0.2)]))
    found = closest_earlier(pictures, most, 0.9)
    assert list(zip(found.distance.tolist(), found.other.tolist(), strict=True)) == brute(pictures, most, 0.9)


def test_bits_that_are_spread_over_all_bands_are_found() -> None:
    """One unequal bit in each of 15 bands leaves one band equal; two in 15 and one in the last is the most."""
    spread = sum(1 << 16 * band for band in range(15))
    assert closest_earlier([picture(0), picture(spread)], 15, 0.9).distance.tolist() == [256, 15]
    most = sum(0b11 << 16 * band for band in range(15)) | 1 << 240
    assert closest_earlier([picture(0), picture(most)], 31, 0.9).distance.tolist() == [256, 31]
    assert closest_earlier([picture(0), picture(most)], 30, 0.9).other.tolist() == [-1, -1]


def test_other_colours_are_another_photo() -> None:
    assert closest_earlier([picture(1), picture(1, RIGHT)], 15, 0.9).other.tolist() == [-1, -1]
    assert closest_earlier([picture(1), picture(1, RIGHT)], 15, -1).other.tolist() == [-1, 0]


def test_copies_point_to_the_first_and_few_or_none_are_no_problem() -> None:
    assert closest_earlier([picture(7)] * 4, 15, 0.9).other.tolist() == [-1, 0, 0, 0]
    assert closest_earlier([], 15, 0.9).other.tolist() == []


def test_in_a_crowd_the_latest_before_it_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "_CROWD", 2)
    # All differ in the lowest band alone, so all share the others: the last is not compared with the first.
    crowd = [picture(number) for number in (0b1, 0b110000, 0b11000000, 0)]
    found = closest_earlier(crowd, 15, 0.9)
    assert found.other.tolist() == [-1, 0, 0, 1]
    assert found.distance.tolist() == [256, 3, 3, 2]
