"""Expressions that fit exactly one object: "the dog", "the leftmost dog", "the larger of the two dogs"."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from vlit.data.scene import Object
from vlit.generate.view import View, overlap
from vlit.language import nouns

#: How far an extreme has to stand out: a share of the image's side, and a ratio of areas.
_STEP, _RATIO = 0.1, 1.7


class Expression(NamedTuple):
    """Words that pick out one object."""

    object: Object
    text: str
    evidence: tuple[str, ...]
    unique: bool  #: the only one of its label


def expressions(view: View) -> list[Expression]:
    """All objects that can be told apart in a few words, large enough to be pointed at."""
    found = [Expression(o, view.the(o.label), view.evidence(o.label), True) for o in view.unique]
    for label, n in view.counts.items():
        if 2 <= n <= 8:
            found += _superlatives(view, label, view.by_label[label])
    return found


def _superlatives(view: View, label: str, objects: Sequence[Object]) -> list[Expression]:
    one, many = nouns.single(view.said(label)), nouns.plural(view.said(label))
    two = len(objects) == 2
    left = _first(objects, lambda o: o.box.center[0] / view.width, _STEP)
    right = _first(objects, lambda o: -o.box.center[0] / view.width, _STEP)
    large = _first(objects, lambda o: -view.share(o), 0.0)
    if large and _RATIO * sorted(map(view.share, objects))[-2] > view.share(large):
        large = None
    named = (
        (left, f"the {one} on the left" if two else f"the leftmost {one}"),
        (right, f"the {one} on the right" if two else f"the rightmost {one}"),
        (large, f"the larger of the two {many}" if two else f"the largest {one}"),
    )
    return [
        Expression(o, text, tuple(x.id for x in objects), False)
        for o, text in named
        if o is not None and view.share(o) >= view.settings.min_area
    ]


def _first(objects: Sequence[Object], key: Callable[[Object], float], margin: float) -> Object | None:
    ordered = sorted(objects, key=key)
    return ordered[0] if key(ordered[1]) - key(ordered[0]) >= margin else None


def clear_box(view: View, o: Object) -> bool:
    """Whether the box means this object alone: nothing else fills it, and it is not most of the image."""
    if view.share(o) > 0.7:
        return False
    for other in view.scene.objects:
        if other.id == o.id:
            continue
        if o.box.iou(other.box) > 0.35 or overlap(o.box, other.box) > 0.35 * o.box.area:
            return False
    return True
