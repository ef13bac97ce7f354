"""What the page's script works on: shown samples, their scenes and photos as compact JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from vlit.data.boxes import Box
from vlit.data.scene import Image
from vlit.data.seeds import draw
from vlit.report.boxes import Drawn, drawn
from vlit.report.distributions import Distribution
from vlit.report.photos import Photo
from vlit.report.shown import Gathered, Shown

#: Provenance fields that are shown as they are, with their labels.
_ORIGIN = {
    "recipe": "recipe",
    "templates": "templates",
    "seed": "seed",
    "prompt": "prompt",
    "teacher": "teacher",
    "reply": "reply",
    "source": "source",
    "parents": "made of",
    "licence": "licence",
}


def payload(
    gathered: Gathered, photos: Mapping[str, Photo], distributions: Sequence[Distribution], total: int
) -> dict[str, Any]:
    """The page's data.

    Args:
        gathered: The samples to show.
        photos: Embedded photos by URI.
        distributions: For the place of a score among all.
        total: Samples of the whole run.
    """
    numbers = {uri: n for n, uri in enumerate(photos)}
    scenes = {name: n for n, name in enumerate(gathered.scenes)}
    return {
        "total": total,
        "photos": [{"w": p.width, "h": p.height, "d": p.data, "x": p.problem} for p in photos.values()],
        "scenes": [
            {"id": s.id, "source": s.source, "licence": s.licence, "attribution": s.attribution}
            for s in gathered.scenes.values()
        ],
        "indicators": [
            {"name": d.indicator, "direction": d.direction, "low": d.low, "high": d.high} for d in distributions
        ],
        # In mixed order, so that the first rows are not all about one photo; "n" is the order of the set.
        "samples": sorted(
            (_sample(shown, n, numbers, scenes) for n, shown in enumerate(gathered.samples)),
            key=lambda s: draw(0, "mixed", s["i"]),
        ),
    }


def as_script(data: Any) -> str:
    """JSON that can stand inside a ``<script>`` element: nothing in it can end the element."""
    return msgspec.json.encode(data).decode().replace("<", "\\u003c")


def _sample(shown: Shown, number: int, photos: Mapping[str, int], scenes: Mapping[str, int]) -> dict[str, Any]:
    sample, verdict, origin = shown.sample, shown.verdict, shown.sample.provenance
    return {
        "i": sample.id,
        "n": number,
        "t": sample.task,
        "k": None if verdict is None else verdict.keep,
        "r": verdict.rule if verdict else None,
        "w": verdict.reason if verdict else None,
        "p": [_picture(image, photos) for image in sample.images],
        "s": [scenes[name] for name in origin.scenes if name in scenes],
        "c": [[turn.role, turn.text] for turn in sample.turns],
        "m": [[b.label, *_drawn(b), b.tag] for b in drawn(shown)],
        "a": [[a.id, a.kind, a.text, [_corners(b) for b in a.boxes]] for a in shown.annotations],
        "l": list(shown.lost),
        "v": [[s.indicator, _rounded(s.value), s.reason, s.group] for s in shown.scores],
        "o": _origin(shown),
    }


def _picture(image: Image, photos: Mapping[str, int]) -> list[Any]:
    return [photos.get(image.uri, -1), image.width, image.height, image.uri.rpartition("/")[2]]


def _origin(shown: Shown) -> dict[str, str]:
    found: dict[str, str] = {"paradigm": shown.sample.paradigm.replace("_", " ")}
    for field, label in _ORIGIN.items():
        value = getattr(shown.sample.provenance, field)
        if value not in (None, ()):
            found[label] = ", ".join(value) if isinstance(value, tuple) else str(value)
    return found


def _corners(box: Box) -> list[float]:
    return [round(v, 1) for v in (box.x1, box.y1, box.x2, box.y2)]


def _drawn(box: Drawn) -> list[float]:
    return [round(v, 2) for v in (box.x, box.y, box.width, box.height)]


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.5g}")
