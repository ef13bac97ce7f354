"""Each measure on pictures whose value can be told by hand."""

from __future__ import annotations

import math

import numpy as np
import PIL.Image as PILImage
import pytest

from tests.assess.pictures.drawn import tiles
from vlit.assess.pictures import busyness, damage, sharpness
from vlit.assess.pictures.filters import block_sums, halved, smoothed


def step(width: int = 48, rise: int = 1) -> np.ndarray:
    """0 on the left, 80 on the right, and a ramp of ``rise`` columns between."""
    row = np.clip((np.arange(width) - width // 2 + rise // 2) / rise, 0, 1) * 80
    return np.tile(row.astype(np.float32), (width, 1))


def test_laplacian_of_a_step() -> None:
    small = np.zeros((3, 4), np.float32)
    small[:, 2:] = 8
    assert sharpness.laplacian_variance(small) == pytest.approx(64)  # +8 and -8 beside the step
    assert sharpness.laplacian_variance(np.zeros((2, 9), np.float32)) == 0


def test_focus_of_a_step_is_a_quarter_and_of_a_ramp_of_eight_a_sixteenth() -> None:
    assert sharpness.focus(step()) == pytest.approx(1 / 4)
    assert sharpness.focus(step(rise=8)) == pytest.approx(1 / 16)


def test_focus_does_not_depend_on_contrast() -> None:
    picture = np.asarray(tiles().convert("L"), np.float32)
    assert sharpness.focus(picture / 4) == pytest.approx(sharpness.focus(picture))


def test_focus_of_the_smallest_and_of_nothing() -> None:
    assert sharpness.focus(np.zeros((23, 500), np.float32)) is None
    assert sharpness.focus(np.zeros((24, 500), np.float32)) == 0


@pytest.mark.parametrize("sigma", [2, 8, 20])
def test_noise_is_the_standard_deviation_that_was_put_in(sigma: float) -> None:
    grain = np.random.default_rng(0).normal(128, sigma, (288, 384)).astype(np.float32)
    assert damage.noise(grain) == pytest.approx(sigma, rel=0.12)  # the tenth percentile lies a little lower


def test_ramps_and_steps_are_no_noise() -> None:
    y, x = np.indices((100, 120), np.float32)
    assert damage.noise(50 + x + y / 2) == pytest.approx(0, abs=1e-4)
    assert damage.noise(step(100)) == 0
    assert damage.noise(np.zeros((17, 99), np.float32)) is None


def test_blockiness_of_blocks_by_hand() -> None:
    y, x = np.indices((64, 64)) // 8
    blocks = ((x + y) % 2 * 10).astype(np.float32)
    # Steps of 10 on each line of the grid and of 0 beside it: 10 / (0 + 0.5) - 1.
    assert damage.blockiness(blocks) == pytest.approx(19)
    assert damage.blockiness(np.roll(blocks, (3, 3), axis=(0, 1))) == 0  # the grid starts at the corner
    half = blocks[::2, ::2]
    assert damage.blockiness(half, reduction=2) == pytest.approx(19)
    assert damage.blockiness(half, reduction=4) is None
    assert damage.blockiness(blocks[:31]) is None


def test_edges_that_happen_to_lie_on_the_grid_are_no_blocks() -> None:
    assert damage.blockiness(np.asarray(tiles(tile=20).convert("L"), np.float32)) == 0


def test_entropy_is_in_bits() -> None:
    assert busyness.entropy([5, 0, 0]) == 0
    assert busyness.entropy([3, 3]) == 1
    assert busyness.entropy([1, 1, 2]) == 1.5


def test_edges_of_a_step() -> None:
    # Sobel is 4 x 80 = 320 in the two columns beside the step, of 46 inner ones.
    assert busyness.edges(step()) == pytest.approx(2 / 46)
    assert busyness.edges(step() / 4) == 0  # 80, below 100
    assert busyness.edges(np.zeros((2, 2), np.float32)) == 0


def test_colourfulness_by_hand() -> None:
    pixels = np.zeros((2, 2, 3), np.uint8)
    pixels[0] = (200, 100, 100)
    pixels[1] = (100, 200, 200)
    # rg is +-100 (deviation 100, mean 0), yb is (300 / 2 - 100, 300 / 2 - 200) = +-50.
    assert busyness.colourfulness(*busyness.opponents(pixels)) == pytest.approx(math.hypot(100, 50))
    grey = np.full((2, 2, 3), 77, np.uint8)
    assert busyness.colourfulness(*busyness.opponents(grey)) == 0


def test_congestion_by_hand() -> None:
    y, x = np.indices((16, 16), np.float32)
    checks = (x + y) % 2 * 20  # deviation 10 in each cell, none once two by two are averaged
    zero = np.zeros_like(checks)
    assert busyness.congestion(checks, zero, zero) == pytest.approx(10 / 3)
    assert busyness.congestion(checks, checks, zero) == pytest.approx(math.sqrt(200) / 3)
    assert busyness.congestion(checks[:3], zero[:3], zero[:3]) == 0


def test_segments_are_regions_that_are_no_specks() -> None:
    pixels = np.zeros((90, 90, 3), np.uint8)
    pixels[:45, :45], pixels[45:, 45:] = 255, 255
    pixels[20, 20] = 0  # a speck
    assert busyness.segments(PILImage.fromarray(pixels)) == 4  # corners do not connect
    assert busyness.segments(PILImage.new("RGB", (1, 1))) == 1


def test_regions_of_a_snake_have_one_name() -> None:
    snake = np.array([[1, 1, 1, 1], [0, 0, 0, 1], [1, 1, 1, 1], [1, 0, 0, 0], [1, 1, 1, 1]], np.uint8)
    names = busyness.regions(snake)
    assert set(names[snake == 1].tolist()) == {0}
    assert sorted(set(names[snake == 0].tolist())) == [4, 13]


def test_regions_are_those_of_a_search_from_pixel_to_pixel() -> None:
    colours = np.random.default_rng(1).integers(0, 2, (30, 40), dtype=np.uint8)
    names, seen = busyness.regions(colours), np.full(colours.shape, -1)
    for start in np.ndindex(colours.shape):
        if seen[start] >= 0:
            continue
        seen[start], todo = start[0] * 40 + start[1], [start]
        while todo:
            y, x = todo.pop()
            for there in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                inside = 0 <= there[0] < 30 and 0 <= there[1] < 40
                if inside and seen[there] < 0 and colours[there] == colours[start]:
                    seen[there] = seen[start]
                    todo.append(there)
    assert (names == seen).all()


def test_jpeg_bits_grow_with_what_there_is() -> None:
    flat, busy = PILImage.new("RGB", (200, 200), "grey"), tiles((200, 200), tile=4)
    assert 0 < busyness.jpeg_bits(flat) < 0.2 < 2 < busyness.jpeg_bits(busy)


def test_filters_by_hand() -> None:
    spike = np.zeros((13, 13), np.float32)
    spike[6, 6] = 4096
    row = np.array([1, 6, 15, 20, 15, 6, 1], np.float32)
    assert (smoothed(spike) == np.outer(row, row)).all()
    count = np.arange(15, dtype=np.float32).reshape(3, 5)
    assert halved(count).tolist() == [[3, 5]]
    assert block_sums(count, 1, 2).tolist() == [[1, 5], [11, 15], [21, 25]]
