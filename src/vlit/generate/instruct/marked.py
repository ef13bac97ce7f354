"""Samples about a region: the image with the square drawn on it, as a file that the sample points to."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from vlit.data.images import ImageProblem
from vlit.data.sample import Sample
from vlit.data.scene import Image
from vlit.data.score import Quarantined
from vlit.data.store import atomic


def with_marked_image(sample: Sample, folder: Path, lost: list[Quarantined]) -> Sample | None:
    """The sample with its image marked, where it is about a region; others come back as they are.

    Args:
        sample: Its ``region`` is the square, in pixels of its first image.
        folder: Of marked images; each is made once.
        lost: Takes a sample whose photo cannot be read any more.
    """
    if sample.region is None or not sample.images:
        return sample
    from vlit.teacher.pictures import marked_jpeg

    image, *others = sample.images
    box = sample.region
    name = hashlib.blake2b(f"{image.uri} {image.sha256} {box}".encode(), digest_size=12).hexdigest()
    path = folder / f"{name}.jpg"
    try:
        data = path.read_bytes() if path.exists() else marked_jpeg(image, box)
    except ImageProblem as problem:
        lost.append(
            Quarantined(
                stage="generate",
                file=image.uri,
                record=sample.id,
                field="images",
                value="",
                reason=str(problem),
            )
        )
        return None
    if not path.exists():
        with atomic(path) as temporary:
            temporary.write_bytes(data)
    marked = Image(
        uri=str(path.absolute()),
        width=image.width,
        height=image.height,
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        format="JPEG",
        mode="RGB",
    )
    return msgspec.structs.replace(sample, images=(marked, *others))
