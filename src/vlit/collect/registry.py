"""Importers by their ``kind``. Other packages add theirs under the entry-point group ``vlit.importers``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pydantic

from vlit.collect.importer import Importer
from vlit.data.errors import VlitError, nearest
from vlit.data.registry import Registry
from vlit.run.named import mistake, within

IMPORTERS = Registry(
    "vlit.importers",
    {
        "auto": "vlit.collect.auto:Auto",
        "coco": "vlit.collect.coco:Coco",
        "vqa": "vlit.collect.vqa:Vqa",
        "aokvqa": "vlit.collect.aokvqa:Aokvqa",
        "captions": "vlit.collect.captions:Captions",
        "coco_attributes": "vlit.collect.coco_attributes:CocoAttributes",
        "coco_text": "vlit.collect.coco_text:CocoText",
        "caps_boxes": "vlit.collect.caps_boxes:CapsBoxes",
        "visual_genome": "vlit.collect.visual_genome:VisualGenome",
    },
)


def parse_source(value: Any) -> Importer:
    """One entry of ``collect.sources`` as the importer of its ``kind``.

    Raises:
        ValueError: When it is no source; pydantic's own error when its kind or its config is wrong.
    """
    if isinstance(value, Importer):
        return value
    if not isinstance(value, Mapping):
        raise ValueError("a source is a mapping, for example {kind: auto, path: ../photos}")
    if "kind" not in value:
        raise ValueError(f"a source needs a kind. Known: {', '.join(IMPORTERS.names())}")
    kind = value["kind"]
    if kind not in IMPORTERS.names():
        text = f"there is no importer {kind!r}; {nearest(str(kind), IMPORTERS.names())}"
        raise pydantic.ValidationError.from_exception_data(
            "source", [mistake("unknown_name", text, ("kind",), kind)]
        )
    importer = IMPORTERS.load(kind)
    if not (isinstance(importer, type) and issubclass(importer, Importer)):
        raise VlitError(f"{importer!r} is registered as an importer but is no subclass of Importer")
    try:
        return importer.model_validate(value)
    except pydantic.ValidationError as error:
        raise pydantic.ValidationError.from_exception_data(
            importer.__name__, list(within(error, importer))
        ) from None
