import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlit.data import boxes
from vlit.data.boxes import Box

sides = st.integers(16, 4000)


@st.composite
def box_in_image(draw: st.DrawFn) -> tuple[Box, int, int]:
    width, height = draw(sides), draw(sides)
    x1 = draw(st.floats(0, width - 1))
    y1 = draw(st.floats(0, height - 1))
    x2 = draw(st.floats(x1 + 0.5, width))
    y2 = draw(st.floats(y1 + 0.5, height))
    return Box(x1, y1, x2, y2), width, height


def close(a: Box, b: Box, tolerance: float) -> bool:
    return all(
        math.isclose(p, q, abs_tol=tolerance)
        for p, q in zip((a.x1, a.y1, a.x2, a.y2), (b.x1, b.y1, b.x2, b.y2), strict=True)
    )


@given(box_in_image())
def test_xywh_comes_back(given_box: tuple[Box, int, int]) -> None:
    box, _, _ = given_box
    assert close(boxes.from_xywh(boxes.to_xywh(box)), box, 1e-9)


@given(box_in_image())
def test_normalised_comes_back_up_to_three_decimals(given_box: tuple[Box, int, int]) -> None:
    box, w, h = given_box
    values = boxes.to_normalised(box, w, h)
    assert all(0 <= v <= 1 for v in values)
    assert close(boxes.from_normalised(values, w, h), box, 0.0005 * max(w, h) + 1e-6)


@given(box_in_image())
def test_padded_square_comes_back_up_to_three_decimals(given_box: tuple[Box, int, int]) -> None:
    box, w, h = given_box
    values = boxes.to_padded_square(box, w, h)
    assert all(0 <= v <= 1 for v in values)
    assert close(boxes.from_padded_square(values, w, h), box, 0.0005 * max(w, h) + 1e-6)


def test_padded_square_of_the_box_that_upstream_converts_twice() -> None:
    # A 640x480 image; SVIT's expand_to_square turns the cat into [0.1, 0.331, 0.5, 0.556] because it
    # replaces strings in the text, and the dog's box equals the cat's converted one.
    cat = boxes.from_normalised([0.1, 0.2, 0.5, 0.6], 640, 480)
    assert boxes.to_padded_square(cat, 640, 480) == (0.1, 0.275, 0.5, 0.575)


@given(box_in_image())
def test_text_comes_back(given_box: tuple[Box, int, int]) -> None:
    box, w, h = given_box
    values = boxes.to_normalised(box, w, h)
    assert boxes.find_boxes(f"the dog {boxes.format_box(values)} runs") == [values]


@pytest.mark.parametrize("text", ["[1e-05,-0.2, .5,1]", "[ 0.00001 , -0.20 ,0.5 , 1.0 ]"])
def test_boxes_are_read_with_signs_exponents_and_any_spacing(text: str) -> None:
    assert boxes.find_boxes(text) == [(1e-05, -0.2, 0.5, 1.0)]


@pytest.mark.parametrize("text", ["[1, 2, 3]", "[1, 2, 3, 4, 5]", "[a, 2, 3, 4]", "1, 2, 3, 4"])
def test_other_lists_are_no_boxes(text: str) -> None:
    assert boxes.find_boxes(text) == []


@given(box_in_image(), st.integers(1, 8))
def test_orientation_moves_a_box_as_pillow_moves_pixels(
    given_box: tuple[Box, int, int], orientation: int
) -> None:
    box, w, h = given_box
    moved = boxes.oriented(box, orientation, w, h)
    shown = (h, w) if orientation >= 5 else (w, h)
    assert math.isclose(moved.area, box.area, rel_tol=1e-6, abs_tol=1e-6)
    assert moved.x1 >= -1e-6 and moved.y1 >= -1e-6
    assert moved.x2 <= shown[0] + 1e-6 and moved.y2 <= shown[1] + 1e-6


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_agrees_with_pillow(orientation: int) -> None:
    from PIL import Image, ImageOps

    picture = Image.new("L", (40, 30))
    picture.paste(255, (3, 5, 12, 9))
    exif = picture.getexif()
    exif[0x0112] = orientation
    seen = ImageOps.exif_transpose(picture).getbbox()
    assert seen is not None
    assert boxes.oriented(Box(3, 5, 12, 9), orientation, 40, 30) == Box(*map(float, seen))


def test_iou() -> None:
    assert Box(0, 0, 2, 2).iou(Box(1, 0, 3, 2)) == pytest.approx(1 / 3)
    assert Box(0, 0, 1, 1).iou(Box(5, 5, 6, 6)) == 0
    assert Box(0, 0, 0, 0).iou(Box(0, 0, 0, 0)) == 0


@pytest.mark.parametrize(
    ("box", "said"),
    [
        (Box(0, 0, math.nan, 1), "finite"),
        (Box(0, 0, math.inf, 1), "finite"),
        (Box(1, 0, 1, 1), "area"),
        (Box(2, 0, 1, 1), "area"),
    ],
)
def test_problem_names_what_is_wrong(box: Box, said: str) -> None:
    assert said in (box.problem() or "")
