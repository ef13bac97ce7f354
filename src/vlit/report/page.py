"""The page: numbers and samples put into the template, with style and script inside the one file."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from vlit.data.sample import IMAGE_TOKEN, strip_image_tokens
from vlit.report.charts import histogram, percent, plural, rule_words, short, task_bars, words
from vlit.report.distributions import Distribution, SetRow
from vlit.report.payload import as_script, drawn_boxes
from vlit.report.photos import Photo
from vlit.report.quarantine import Quarantine
from vlit.report.recipe import Origin
from vlit.report.shown import Gathered, Shown
from vlit.report.totals import ANNOTATIONS, Totals

_FILES = Path(__file__).parent / "template"

#: Turns that an example shows before it says how many follow.
_TURNS = 6

#: Boxes with the same label get one tag when there are more than this many boxes.
_TAGS = 4


@dataclass(frozen=True)
class Content:
    """Everything that the page says."""

    title: str
    totals: Totals
    distributions: Sequence[Distribution] = ()
    set_rows: Sequence[SetRow] = ()
    gathered: Gathered = field(default_factory=Gathered)
    kept_examples: Sequence[Shown] = ()
    dropped_examples: Sequence[Shown] = ()
    photos: Mapping[str, Photo] = field(default_factory=dict)
    quarantine: Quarantine = field(default_factory=Quarantine)
    origin: Origin = field(default_factory=Origin)
    data: Mapping[str, Any] = field(default_factory=dict)  #: see :func:`vlit.report.payload.payload`


@dataclass(frozen=True)
class Drawn:
    """A box over a photo, in per cent of it, with its place in the palette."""

    label: str
    x: float
    y: float
    width: float
    height: float
    colour: int
    tag: bool


def render(content: Content) -> str:
    """The whole page as one HTML text that asks for nothing outside itself."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FILES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {
        "short": short,
        "words": words,
        "rule_words": rule_words,
        "thousands": lambda n: f"{n:,}",
        "spoken": strip_image_tokens,
    }
    environment.globals |= {"percent": percent, "plural": plural}
    script = (_FILES / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    numbers = {uri: n for n, uri in enumerate(content.photos)}
    return environment.get_template("page.html").render(
        c=content,
        t=content.totals,
        annotation_words=ANNOTATIONS,
        bars=task_bars(content.totals.tasks),
        histograms=[(d, histogram(d)) for d in content.distributions],
        dropped_by=dict(content.totals.rules),
        photo_number=lambda image: numbers.get(image.uri, -1),
        photo_of=lambda image: content.photos.get(image.uri),
        boxes=boxes,
        shows_image=lambda text: IMAGE_TOKEN in text,
        scene_of=lambda shown: next(
            (
                content.gathered.scenes[s]
                for s in shown.sample.provenance.scenes
                if s in content.gathered.scenes
            ),
            None,
        ),
        credits=credit_lines(content),
        turns=_TURNS,
        # Markup is our own files, and JSON in which nothing can end the element.
        style=Markup((_FILES / "page.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_hash=digest,
        data=Markup(as_script(content.data)),
    )


def boxes(shown: Shown) -> list[Drawn]:
    """Boxes over the sample's first photo; equal labels share a colour."""
    if not shown.sample.images:
        return []
    image = shown.sample.images[0]
    if image.width <= 0 or image.height <= 0:
        return []
    colours: dict[str, int] = {}
    found = drawn_boxes(shown)
    drawn = []
    for label, box in found:
        first = label not in colours
        colour = colours.setdefault(label, len(colours) % 6)
        inside = box.clipped(image.width, image.height)
        drawn.append(
            Drawn(
                label=label,
                x=100 * inside.x1 / image.width,
                y=100 * inside.y1 / image.height,
                width=100 * inside.width / image.width,
                height=100 * inside.height / image.height,
                colour=colour,
                tag=first or len(found) <= _TAGS,
            )
        )
    return drawn


def credit_lines(content: Content) -> list[tuple[str, str, str]]:
    """File name, attribution and licence of each embedded photo that has any."""
    return [
        (scene.image.uri.rpartition("/")[2], scene.attribution or "", scene.licence or "")
        for scene in content.gathered.scenes.values()
        if scene.image.uri in content.photos and (scene.attribution or scene.licence)
    ]
