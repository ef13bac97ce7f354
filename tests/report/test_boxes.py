"""Boxes where they belong, and labels that do not cover each other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vlit.data.boxes import Box
from vlit.data.sample import Mark, Sample, Turn
from vlit.data.scene import Image
from vlit.report.boxes import _places, _tag, drawn
from vlit.report.shown import Shown


def shown(*boxes: tuple[str, Box], width: int = 400, height: int = 300) -> Shown:
    image = Image(uri="/p.jpg", width=width, height=height)
    marks = tuple(Mark(label=label, box=box) for label, box in boxes)
    turns = (Turn(role="user", text="<image>"), Turn(role="assistant", text="Yes."))
    return Shown(sample=Sample(id="s", turns=turns, images=(image,), marks=marks))


def test_boxes_are_per_cent_of_the_photo() -> None:
    (box,) = drawn(shown(("dog", Box(100, 150, 300, 300))))
    assert (box.x, box.y, box.width, box.height) == (25, 50, 50, 50)
    assert box.tag == "left:25.00%;bottom:50.00%"  # on the upper edge, from its left corner


def test_a_label_at_the_top_edge_stands_inside_its_box() -> None:
    (box,) = drawn(shown(("dog", Box(300, 0, 400, 200))))
    assert box.tag == "left:75.00%;top:0.00%"


def test_three_glasses_side_by_side_can_all_be_read() -> None:
    glasses = [("wine glass", Box(x, 200, x + 20, 260)) for x in (100, 130, 160)]
    places = [box.tag for box in drawn(shown(*glasses))]
    assert len(set(places)) == 3
    assert "bottom:33.33%" in str(places[0]) and "bottom:33.33%" not in str(places[1])


def test_of_many_boxes_only_the_first_of_a_label_is_named() -> None:
    found = drawn(shown(*[("cup", Box(x, 10, x + 5, 20)) for x in range(10, 90, 10)]))
    assert [box.tag is not None for box in found] == [True] + [False] * 7


def test_nothing_is_drawn_on_a_photo_of_unknown_size() -> None:
    assert drawn(shown(("dog", Box(0, 0, 1, 1)), width=0, height=0)) == []


@given(st.lists(st.tuples(st.floats(0, 90), st.floats(0, 90)), min_size=2, max_size=4))
def test_a_label_covers_another_only_where_there_is_no_free_place(corners: list[tuple[float, float]]) -> None:
    taken: list[tuple[float, float, float, float]] = []
    for x, y in corners:
        _tag("dog", (x, y, x + 10, y + 10), 4 / 3, taken)
    width, height = taken[0][2] - taken[0][0], taken[0][3] - taken[0][1]
    for number, (x, y) in enumerate(corners):
        free = [
            area
            for area, _ in _places((x, y, x + 10, y + 10), width, height)
            if not any(meet(area, other) for other in taken[:number])
        ]
        if free:
            assert not any(meet(taken[number], other) for other in taken[:number])
    assert all(a[0] >= 0 and a[2] <= 100.001 and a[1] >= 0 and a[3] <= 100.001 for a in taken)


def meet(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return min(a[2], b[2]) - max(a[0], b[0]) > 1e-9 and min(a[3], b[3]) - max(a[1], b[1]) > 1e-9
