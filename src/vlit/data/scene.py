"""Scene: one image and everything known about it."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from vlit.data.boxes import Box


class Row(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Base of all rows: immutable, compared by value, with an Arrow schema derived from its fields."""


class Image(Row, frozen=True, kw_only=True):
    """Where an image is and what was found when it was opened.

    ``width`` and ``height`` are pixels as displayed, with the EXIF orientation applied: boxes refer to these.
    """

    uri: str  #: absolute local path or fsspec URL
    width: int
    height: int
    sha256: str | None = None  #: of the file's bytes; None when the file was not opened
    size: int | None = None  #: bytes of the file
    format: str | None = None  #: as Pillow names it: JPEG, PNG, WEBP ...
    mode: str | None = None  #: as Pillow names it: RGB, L, CMYK, I;16 ...
    orientation: int = 1  #: EXIF orientation, 1 to 8


class Caption(Row, frozen=True, kw_only=True):
    """One sentence about the whole image."""

    id: str
    text: str


class Object(Row, frozen=True, kw_only=True):
    """One labelled instance, or a crowd that stands for several."""

    id: str
    label: str
    box: Box
    attributes: tuple[str, ...] = ()
    crowd: bool = False


class Region(Row, frozen=True, kw_only=True):
    """A phrase about a part of the image."""

    id: str
    phrase: str
    box: Box


class Relation(Row, frozen=True, kw_only=True):
    """``subject`` and ``object`` are ids of objects of the same scene."""

    id: str
    subject: str
    predicate: str
    object: str


class SceneText(Row, frozen=True, kw_only=True):
    """Text that can be read in the image."""

    id: str
    text: str
    box: Box | None = None


class Answer(Row, frozen=True, kw_only=True):
    """One distinct answer and how many annotators gave it."""

    text: str
    count: int


class Question(Row, frozen=True, kw_only=True):
    """A question that people asked and answered about the image."""

    id: str
    text: str
    answers: tuple[Answer, ...]  #: most frequent first
    kind: str | None = None  #: VQA's answer type: "yes/no", "number", "other"
    choices: tuple[str, ...] = ()
    correct: int | None = None  #: index into choices
    rationales: tuple[str, ...] = ()


class Scene(Row, frozen=True, kw_only=True):
    """One image and everything known about it.

    ``searched`` holds the labels that annotators looked for exhaustively: such a label without an object is
    known to be absent, and its objects can be counted. A label that is not searched proves nothing by absence.
    Every annotation has an id that is unique in its scene; samples name the ids that they were made from.
    """

    id: str
    image: Image
    source: str
    licence: str | None = None
    attribution: str | None = None
    captions: tuple[Caption, ...] = ()
    objects: tuple[Object, ...] = ()
    regions: tuple[Region, ...] = ()
    relations: tuple[Relation, ...] = ()
    texts: tuple[SceneText, ...] = ()
    questions: tuple[Question, ...] = ()
    searched: tuple[str, ...] = ()

    def annotation_ids(self) -> Iterator[str]:
        """Ids of all annotations, in the order of the fields."""
        for group in (self.captions, self.objects, self.regions, self.relations, self.texts, self.questions):
            for item in group:
                yield item.id

    def exact_count(self, label: str) -> int | None:
        """How many instances of ``label`` there are, or ``None`` where the annotations cannot tell.

        They cannot tell when the label was not searched exhaustively or a crowd stands for several.
        """
        found = [o for o in self.objects if o.label == label]
        if label not in self.searched or any(o.crowd for o in found):
            return None
        return len(found)
