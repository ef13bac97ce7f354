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
from vlit.report.boxes import drawn
from vlit.report.charts import histogram, percent, plural, rule_words, short, task_bars, words
from vlit.report.credits import Credit
from vlit.report.distributions import Distribution
from vlit.report.evaluation import Evaluated, evaluated_photos
from vlit.report.ingredients import Ingredients
from vlit.report.payload import as_script
from vlit.report.photos import Photo
from vlit.report.principles import PrincipleRow
from vlit.report.quarantine import Quarantine
from vlit.report.recipe import Origin
from vlit.report.shown import Gathered, Shown
from vlit.report.story import flow, lead, tiles
from vlit.report.teacher import Teaching
from vlit.report.totals import Totals
from vlit.report.tuning import Tuned, photos_of

_FILES = Path(__file__).parent / "template"

#: Turns that an example shows before it says how many follow.
_TURNS = 6

#: Characters of a turn that an example shows; the dialog shows it whole.
_CLIP = 700


@dataclass(frozen=True)
class Content:
    """Everything that the page says."""

    title: str
    totals: Totals
    ingredients: Ingredients = field(default_factory=Ingredients)
    distributions: Sequence[Distribution] = ()
    principles: Sequence[PrincipleRow] = ()
    gathered: Gathered = field(default_factory=Gathered)
    kept_examples: Sequence[Shown] = ()
    dropped_examples: Sequence[Shown] = ()
    photos: Mapping[str, Photo] = field(default_factory=dict)
    credits: Sequence[Credit] = ()
    teaching: Teaching = field(default_factory=Teaching)
    tuned: Sequence[Tuned] = ()
    evaluated: Sequence[Evaluated] = ()
    quarantine: Quarantine = field(default_factory=Quarantine)
    origin: Origin = field(default_factory=Origin)
    data: Mapping[str, Any] = field(default_factory=dict)  #: see :func:`vlit.report.payload.payload`


def templates() -> jinja2.Environment:
    """The templates with what they call numbers and texts by."""
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
        "clipped": clipped,
    }
    environment.globals |= {"percent": percent, "plural": plural, "style": _style()}
    return environment


def _style() -> Markup:
    return Markup((_FILES / "page.css").read_text(encoding="utf-8"))


def render(content: Content) -> str:
    """The whole page as one HTML text that asks for nothing outside itself."""
    script = (_FILES / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    numbers = {uri: n for n, uri in enumerate(content.photos)}
    return (
        templates()
        .get_template("page.html")
        .render(
            c=content,
            t=content.totals,
            lead=lead(content.totals),
            flow=list(flow(content.totals, content.quarantine)),
            tiles=tiles(content.totals, content.quarantine),
            bars=task_bars(content.totals.tasks),
            histograms=[(d, histogram(d)) for d in content.distributions],
            dropped_by=dict(content.totals.rules),
            photo_number=lambda image: numbers.get(image.uri, -1),
            photo_of=lambda image: content.photos.get(image.uri),
            boxes=drawn,
            shows_image=lambda text: IMAGE_TOKEN in text,
            scene_of=lambda shown: next(
                (
                    content.gathered.scenes[s]
                    for s in shown.sample.provenance.scenes
                    if s in content.gathered.scenes
                ),
                None,
            ),
            credits=content.credits,
            tuned_images={image.uri: image for image in photos_of(content.tuned)},
            evaluated_images={image.uri: image for image in evaluated_photos(content.evaluated)},
            turns=_TURNS,
            # Markup is our own files, and JSON in which nothing can end the element.
            script=Markup(script),
            script_hash=digest,
            data=Markup(as_script(content.data)),
        )
    )


def clipped(text: str) -> str:
    """The head of a long text, cut between words where it has any."""
    if len(text) <= _CLIP:
        return text
    head = text[:_CLIP].rsplit(maxsplit=1)[0]
    return f"{head} … ({len(text):,} characters)"
