"""Drafts into scenes: the photo is opened, boxes are fitted to it, and every annotation is checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar

import msgspec

from vlit.collect.importer import Piece, lost
from vlit.collect.join import Draft
from vlit.data.boxes import Box, oriented, to_xywh
from vlit.data.images import MAX_PIXELS, ImageProblem, probe
from vlit.data.scene import Caption, Image, Object, Question, Region, Relation, Scene, SceneText
from vlit.data.score import Quarantined

Check = Literal["decode", "header", "skip"]
Fit = Callable[[Box], Box]
B = TypeVar("B", Object, Region, SceneText)

#: Pixels by which a box may overhang through rounding; it is cut without a word.
ROUNDING = 1.0


def build(
    draft: Draft, bad: list[Quarantined], *, check: Check = "decode", max_pixels: int = MAX_PIXELS
) -> Scene | None:
    """Make the scene of one draft.

    Boxes are brought to the photo's displayed pixels (see :func:`fit`). A box that overhangs the photo by more
    than one pixel is cut and reported as repaired; within one pixel it is rounding and cut silently. A box
    without area inside the photo is dropped, and its label leaves ``searched``: it cannot be counted any more.

    Args:
        draft: What is known of the image.
        bad: Takes what could not be used.
        check: How far the photo is looked at; ``skip`` believes the size that the annotations tell.
        max_pixels: Limit of the photo's size.

    Returns:
        The scene, or ``None`` where nothing usable remains.
    """
    try:
        image = _stated(draft) if check == "skip" else _probed(draft.uri, check, max_pixels)
        fits = _fits(draft, image, bad)
    except ImageProblem as problem:
        bad.append(lost(draft.file, draft.record, "", draft.uri, str(problem)))
        return None
    gathered = _Annotations(image, bad)
    for piece, to_photo in fits:
        gathered.take(piece, to_photo)
    scene = gathered.scene(draft)
    if not gathered.kept and any(piece.annotated() for piece in draft.pieces):
        bad.append(lost(draft.file, draft.record, "", "", "none of its annotations can be used"))
        return None
    return scene


def _probed(uri: str, check: Check, max_pixels: int) -> Image:
    return probe(uri, decode=check == "decode", max_pixels=max_pixels)


def _stated(draft: Draft) -> Image:
    """The image as the annotations describe it; 0 x 0 where they do not tell a size and have no boxes.

    Raises:
        ImageProblem: When there are boxes and no size to check them by.
    """
    sizes = [(p.width, p.height) for p in draft.pieces if p.width and p.height]
    sizes += [p.nominal for p in draft.pieces if p.nominal]
    if not sizes and any(p.objects or p.regions or p.texts for p in draft.pieces):
        raise ImageProblem(
            "the annotations do not tell the image's size: let the photo be opened (images: header)"
        )
    width, height = sizes[0] if sizes else (0, 0)
    return Image(uri=draft.uri, width=width, height=height)


def _fits(draft: Draft, image: Image, bad: list[Quarantined]) -> list[tuple[Piece, Fit | None]]:
    """The pieces, each with how its boxes come to lie on the photo.

    Where two sets have a photo each of the image, a piece that does not fit the photo that is used is left out.

    Raises:
        ImageProblem: When a piece does not fit and there is no other set.
    """
    joined = any(piece.alias for piece in draft.pieces)
    fits: list[tuple[Piece, Fit | None]] = []
    for piece in draft.pieces:
        try:
            fits.append((piece, fit(piece, image)))
        except ImageProblem as problem:
            if not joined:
                raise
            bad.append(lost(piece.origin, draft.record, "", draft.uri, str(problem)))
    return fits


def fit(piece: Piece, image: Image) -> Fit | None:
    """How boxes of a piece come to lie on the photo: ``None`` where they lie right as they are.

    A photo of another size but the same shape was resized, and boxes with it. A turned photo (EXIF orientation
    5 to 8) may have been annotated as it is stored.

    Raises:
        ImageProblem: When the annotations were made on an image of another shape.
    """
    if piece.nominal:
        nx, ny = image.width / piece.nominal[0], image.height / piece.nominal[1]
        return lambda box: box.scaled(nx, ny)
    width, height = piece.width, piece.height
    if not width or not height or (width, height) == (image.width, image.height):
        return None
    if _same_shape(width, height, image.width, image.height):
        sx, sy = image.width / width, image.height / height
        return lambda box: box.scaled(sx, sy)
    if image.orientation >= 5 and _same_shape(width, height, image.height, image.width):
        sx, sy = image.height / width, image.width / height
        return lambda box: oriented(box.scaled(sx, sy), image.orientation, image.height, image.width)
    raise ImageProblem(
        f"the photo has {image.width}x{image.height} pixels, {piece.origin} describes one of {width}x{height}"
    )


def _same_shape(w: int, h: int, width: int, height: int) -> bool:
    """Whether one size is the other, resized: each side is within one pixel of what the other side asks for."""
    return abs(height - h * width / w) <= 1 or abs(width - w * height / h) <= 1


class _Annotations:
    """Annotations of one image, checked one by one."""

    def __init__(self, image: Image, bad: list[Quarantined]) -> None:
        self.image, self.bad = image, bad
        self.kept: dict[str, Any] = {}  # every annotation by its id
        self.uncertain: set[str] = set()
        self.searched: tuple[str, ...] = ()

    def take(self, piece: Piece, to_photo: Fit | None) -> None:
        """Check what one piece says, and keep what is right."""
        if piece.searched is not self.searched:
            self.searched = tuple(dict.fromkeys((*self.searched, *piece.searched)))
        self.uncertain.update(piece.uncertain)
        if not piece.searched:
            # Of what one source counted, another one may have the same instances again, or instances more.
            self.uncertain.update(found.label for found in piece.objects)
        for caption in piece.captions:
            self._keep(piece, caption, "" if caption.text else "the caption is empty")
        for found in piece.objects:
            placed = self._placed(piece, found, to_photo)
            if placed is None or not self._keep(piece, placed, "" if placed.label else "the label is empty"):
                self._not_counted(found, placed)
        for region in piece.regions:
            if (seen := self._placed(piece, region, to_photo)) is not None:
                self._keep(piece, seen, "" if seen.phrase else "the phrase is empty")
        for text in piece.texts:
            if (read := self._placed(piece, text, to_photo)) is not None:
                self._keep(piece, read, "" if read.text else "the text is empty")
        for question in piece.questions:
            self._keep(piece, question, _question_problem(question))
        for relation in piece.relations:
            ends = (
                isinstance(self.kept.get(relation.subject), Object),
                isinstance(self.kept.get(relation.object), Object),
            )
            problem = "" if relation.predicate else "the predicate is empty"
            self._keep(piece, relation, problem if all(ends) else "an object that it relates was not kept")
        for ident, names in piece.attributes.items():
            self._describe(piece, ident, names)

    def _describe(self, piece: Piece, ident: str, names: tuple[str, ...]) -> None:
        """Give attributes to an object that is kept."""
        found = self.kept.get(ident)
        if isinstance(found, Object):
            both = tuple(dict.fromkeys((*found.attributes, *names)))
            self.kept[ident] = msgspec.structs.replace(found, attributes=both)
        else:
            reason = "the object that they describe was not kept"
            self.bad.append(lost(piece.origin, ident, "attributes", ", ".join(names), reason))

    def _not_counted(self, found: Object, placed: Object | None) -> None:
        """Labels of lost instances cannot be counted; a copy of an instance that is kept is no loss."""
        if placed is None or self.kept.get(placed.id) != placed:
            self.uncertain.add(found.label)

    def _keep(self, piece: Piece, item: Any, problem: str) -> bool:
        if not problem and item.id in self.kept:
            problem = "an annotation of this id comes before it"
        if problem:
            self.bad.append(lost(piece.origin, item.id, "", _wording(item), problem))
            return False
        self.kept[item.id] = item
        return True

    def _placed(self, piece: Piece, item: B, to_photo: Fit | None) -> B | None:
        """The annotation with its box on the photo and inside it; ``None`` where that cannot be."""
        box = item.box
        if box is None:
            return item
        if to_photo is not None:
            box = to_photo(box)
        width, height = self.image.width, self.image.height
        if not (0 <= box.x1 < box.x2 <= width and 0 <= box.y1 < box.y2 <= height):
            cut = box.clipped(width, height)
            problem = box.problem() or (cut.problem() and f"the box lies outside the {width}x{height} image")
            if problem:
                self.bad.append(lost(piece.origin, item.id, "box", _numbers(item.box), problem))
                return None
            if max(-box.x1, -box.y1, box.x2 - width, box.y2 - height) > ROUNDING:
                reason = f"the box overhangs the {width}x{height} image and was cut to {_numbers(cut)}"
                self.bad.append(lost(piece.origin, item.id, "box", _numbers(item.box), reason, repaired=True))
            box = cut
        return item if box is item.box else msgspec.structs.replace(item, box=box)

    def scene(self, draft: Draft) -> Scene:
        """All that was kept, in the order of the pieces."""
        kept: dict[type, list[Any]] = {}
        for item in self.kept.values():
            kept.setdefault(type(item), []).append(item)
        searched = self.searched
        if self.uncertain:
            searched = tuple(label for label in searched if label not in self.uncertain)
        return Scene(
            id=draft.id,
            image=self.image,
            source=draft.source,
            licence=draft.licence,
            attribution=draft.attribution,
            captions=tuple(kept.get(Caption, ())),
            objects=tuple(kept.get(Object, ())),
            regions=tuple(kept.get(Region, ())),
            relations=tuple(kept.get(Relation, ())),
            texts=tuple(kept.get(SceneText, ())),
            questions=tuple(kept.get(Question, ())),
            searched=searched,
        )


def _question_problem(question: Question) -> str:
    if not question.text:
        return "the question is empty"
    if question.correct is not None and not 0 <= question.correct < len(question.choices):
        return f"choice {question.correct} is right, but there are {len(question.choices)} choices"
    if not question.answers and question.correct is None:
        return "the question has no answer"
    return ""


def _wording(item: Any) -> str:
    """What an annotation says, for its quarantine row."""
    return next(
        (str(getattr(item, f)) for f in ("text", "label", "phrase", "predicate") if hasattr(item, f)), ""
    )


def _numbers(box: Box | None) -> str:
    """A box as people read it in COCO files: left, top, width, height."""
    return "[" + ", ".join(f"{v:.6g}" for v in to_xywh(box)) + "]" if box is not None else ""
