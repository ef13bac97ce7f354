"""Importers by their ``kind``. Other packages add theirs under the entry-point group ``vlit.importers``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pydantic
from pydantic_core import InitErrorDetails, PydanticCustomError

from vlit.collect.importer import Importer
from vlit.data.errors import VlitError, nearest
from vlit.data.registry import Registry

IMPORTERS = Registry(
    "vlit.importers",
    {
        "auto": "vlit.collect.auto:Auto",
        "coco": "vlit.collect.coco:Coco",
        "vqa": "vlit.collect.vqa:Vqa",
        "aokvqa": "vlit.collect.aokvqa:Aokvqa",
        "captions": "vlit.collect.captions:Captions",
    },
)


def parse_source(value: Any) -> Importer:
    """One entry of ``collect.sources`` as the importer of its ``kind``.

    Raises:
        ValueError: When there is no such kind; pydantic's own error when its config is wrong.
    """
    if isinstance(value, Importer):
        return value
    if not isinstance(value, Mapping):
        raise ValueError("a source is a mapping, for example {kind: auto, path: ../photos}")
    if "kind" not in value:
        raise ValueError(f"a source needs a kind. Known: {', '.join(IMPORTERS.names())}")
    if value["kind"] not in IMPORTERS.names():
        raise ValueError(
            f"there is no importer {value['kind']!r}; {nearest(str(value['kind']), IMPORTERS.names())}"
        )
    importer = IMPORTERS.load(value["kind"])
    if not (isinstance(importer, type) and issubclass(importer, Importer)):
        raise VlitError(f"{importer!r} is registered as an importer but is no subclass of Importer")
    try:
        return importer.model_validate(value)
    except pydantic.ValidationError as error:
        raise pydantic.ValidationError.from_exception_data(
            importer.__name__, [_detail(item, importer) for item in error.errors()]
        ) from None


def _detail(item: Any, importer: type[Importer]) -> InitErrorDetails:
    """The same mistake; an unknown key is told the keys of this importer, which the recipe cannot know."""
    kind, message = item["type"], item["msg"]
    if kind == "extra_forbidden":
        kind, message = "unknown_key", f"unknown key; {nearest(str(item['loc'][-1]), importer.model_fields)}"
    return InitErrorDetails(
        type=PydanticCustomError(kind, "{message}", {"message": message}), loc=item["loc"], input=item["input"]
    )
