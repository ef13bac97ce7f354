"""Photos of COCO, which have two names: "COCO_val2014_000000000042.jpg" of 2014, "000000000042.jpg" of 2017."""

from __future__ import annotations

import re

from vlit.data.images import ImageProblem
from vlit.data.scene import Image
from vlit.evaluate.parsing.reading import Photos, Reading, Record

_NAME = re.compile(r"(?:COCO_[a-z]+\d*_)?(\d{12})(?:\.jpg)?")
_PARTS = ("", "COCO_val2014_", "COCO_train2014_", "COCO_test2014_", "COCO_test2015_")


def coco_photo(
    reading: Reading, photos: Photos, name: str, record: Record, field: str = "image_id"
) -> Image | None:
    """The photo that a record shows, as the file calls it or as another release of COCO does.

    A number is that of one photo in all releases, so that the folder of any of them will do. Without a photo
    the record is lost, for the name that the file has, and ``None`` is returned.

    Args:
        reading: Told of what is lost.
        photos: That there are.
        name: As the file has it; one that is no name of COCO is looked for alone.
        record: That shows it.
        field: Of the record, which names the photo.
    """
    found = _NAME.fullmatch(name)
    for other in (name, *(f"{part}{found[1]}.jpg" for part in _PARTS)) if found else ():
        try:
            return photos.find(other)
        except ImageProblem:
            continue
    return reading.photo(photos, name, record, field)
