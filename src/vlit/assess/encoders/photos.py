"""Vectors of the photos of some samples: the observed ones, where the same model made them, else new ones."""

from __future__ import annotations

from collections.abc import Sequence

from vlit.assess.encoders.sentences import F32
from vlit.assess.encoders.vision import VisionEncoder
from vlit.assess.seen import Part
from vlit.data.images import ImageProblem, open_rgb
from vlit.data.picture import unpacked
from vlit.data.scene import Image

_OPEN = 32  #: photos that are held in memory at once


def photo_vectors(part: Part, encoder: VisionEncoder) -> dict[str, F32 | str]:
    """Unit vectors of the photos of a part by URI, or why there is none.

    Args:
        part: Samples, with what was observed of their photos, if anything was.
        encoder: The model.
    """
    images = {image.uri: image for sample in part.samples for image in sample.images}
    found: dict[str, F32 | str] = {}
    for uri in sorted(images):
        picture = part.pictures.get(uri)
        if picture is not None and picture.problem is not None:
            found[uri] = f"{uri}: {picture.problem}"
        elif picture is not None and picture.vector and picture.encoder == encoder.name:
            found[uri] = unpacked(picture.vector)
    found.update(_embedded([images[uri] for uri in sorted(images) if uri not in found], encoder))
    return found


def _embedded(images: Sequence[Image], encoder: VisionEncoder) -> dict[str, F32 | str]:
    found: dict[str, F32 | str] = {}
    for start in range(0, len(images), _OPEN):
        opened = {}
        for image in images[start : start + _OPEN]:
            try:
                opened[image.uri] = open_rgb(image)
            except ImageProblem as problem:
                found[image.uri] = f"{image.uri}: {problem}"
        if opened:
            for uri, row in zip(opened, encoder.images(list(opened.values())), strict=True):
                found[uri] = row if row.any() else f"{uri}: {encoder.name} gives no finite vector"
    return found
