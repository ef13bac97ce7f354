"""References to boxes in a text, and their conversion in one pass."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlit.data.boxes import format_box
from vlit.generate.instruct.tags import canonical, convert_boxes, find_references, pad_square


def test_each_box_is_converted_once() -> None:
    # The cat's new box is the dog's old one: replacing string by string would convert the cat's twice.
    text = "<st>cat<ed> [0.1, 0.2, 0.5, 0.6] beside <st>dog<ed> [0.1, 0.275, 0.5, 0.575]"
    assert pad_square(text, 640, 480) == (
        "<st>cat<ed> [0.100, 0.275, 0.500, 0.575] beside <st>dog<ed> [0.100, 0.331, 0.500, 0.556]"
    )


def test_portrait_and_square_images() -> None:
    assert pad_square("[0.0, 0.5, 1.0, 1.0]", 300, 600) == "[0.250, 0.500, 0.750, 1.000]"
    assert pad_square("[0.125, 0.5, .75, 1]", 64, 64) == "[0.125, 0.500, 0.750, 1.000]"


def test_references_in_order_with_their_spans() -> None:
    text = "Is <st>the red car<ed> [0.1, 0.2, 0.3, 0.4] near <st>dogs<ed> [0, 0, 1, 1], [1e-05, 0.5, 0.6, 0.9]?"
    car, dogs = find_references(text)
    assert (car.name, car.boxes) == ("the red car", ((0.1, 0.2, 0.3, 0.4),))
    assert (dogs.name, dogs.boxes) == ("dogs", ((0, 0, 1, 1), (1e-05, 0.5, 0.6, 0.9)))
    assert text[slice(*car.span)] == "<st>the red car<ed> [0.1, 0.2, 0.3, 0.4]"
    assert text[slice(*dogs.span)].endswith("0.9]")


@pytest.mark.parametrize(
    "loose",
    [
        "< st > cat < ed >[0.1,0.2,0.3,0.4]",
        "**<st>cat<ed>** [0.1, 0.2, 0.3, 0.4]",
        "<st>**cat**<ed> [0.1, 0.2, 0.3, 0.4]",
        "`<st>cat<ed> [0.1, 0.2, 0.3, 0.4]`",
        "<st>cat<ed> (0.1, 0.2, 0.3, 0.4)",
        "&lt;st&gt;cat&lt;ed&gt; [0.1, 0.2, 0.3, 0.4]",
        "<st>cat</st> [0.1, 0.2, 0.3, 0.4]",
        "<ST>cat</ed>: [ 0.10, 0.2, 0.3, .4 ]",
        "<st>cat<ed>\n[0.1, 0.2,\n0.3, 0.4]",
    ],
)
def test_loose_spellings_become_the_canonical_one(loose: str) -> None:
    assert canonical(loose) == "<st>cat<ed> [0.100, 0.200, 0.300, 0.400]"


def test_boxes_joined_by_and() -> None:
    text = "<st>cats<ed> [0.1, 0.2, 0.3, 0.4] and [0.5, 0.2, 0.7, 0.4], and [0.8, 0.2, 0.9, 0.4] sleep"
    boxes = "[0.100, 0.200, 0.300, 0.400], [0.500, 0.200, 0.700, 0.400], [0.800, 0.200, 0.900, 0.400]"
    assert canonical(text) == f"<st>cats<ed> {boxes} sleep"


@pytest.mark.parametrize(
    "text",
    [
        "<st>cat<ed>",
        "<st>cat<ed> [0.1, 0.2, 0.3]",
        "<st>cat [0.1, 0.2, 0.3, 0.4]",
        "cat<ed> [0.1, 0.2, 0.3, 0.4]",
        "<st>cat<ed> [a, b, c, d]",
        "[0.1, 0.2, 0.3, 0.4]",
    ],
)
def test_what_is_no_reference(text: str) -> None:
    assert list(find_references(text)) == []
    assert canonical(text) == text


FRACTIONS = st.integers(0, 1000).map(lambda n: n / 1000)
BOXES = st.tuples(FRACTIONS, FRACTIONS, FRACTIONS, FRACTIONS)


@given(st.lists(st.tuples(st.sampled_from(["cat", "two dogs", "the man's hat"]), st.lists(BOXES, min_size=1))))
def test_what_is_written_is_read_back(said: list[tuple[str, list[tuple[float, float, float, float]]]]) -> None:
    text = " and so ".join(
        f"<st>{name}<ed> {', '.join(map(format_box, boxes))} is here" for name, boxes in said
    )
    assert [(r.name, list(r.boxes)) for r in find_references(text)] == said
    assert canonical(text) == text
    assert convert_boxes(text, lambda box: box) == text


@given(st.text(alphabet="<st>ed/ [],.0123456789-+eE and\n:;&x", max_size=300))
def test_no_text_is_too_odd(text: str) -> None:
    spelt = canonical(text)
    assert canonical(spelt) == spelt
    pad_square(text, 640, 480)


@pytest.mark.parametrize(
    "piece",
    ["[", "1", "[1", "[1,", "[ ", "<st>", "<st>a", "<ed>", "[0.1, 0.2, 0.3, 0.4]", "<st>a<ed> [1,1,1,1],"],
)
def test_long_repetitions_are_read_in_time(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    canonical(text)
    convert_boxes(text, lambda box: box)
