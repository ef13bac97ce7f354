"""The per-image join: pieces of all importers of one name become drafts, one for each image with a photo."""

from __future__ import annotations

import contextlib
import gc
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath

import msgspec

from vlit.collect.credits import read_credits
from vlit.collect.importer import Importer, Piece, existing, folder_of, lost, origin_of
from vlit.collect.photos import Photos, coco_id
from vlit.data.images import ImageProblem, reachable
from vlit.data.score import Quarantined
from vlit.run.stage import Setting

UNMENTIONED = "no annotation file mentions the photo"


class Draft(msgspec.Struct, kw_only=True, gc=False):
    """An image that has a photo and annotations, before the photo is opened and the boxes are checked."""

    id: str
    source: str
    uri: str
    file: str  #: path below the image folder, for quarantine rows
    licence: str | None
    attribution: str | None
    pieces: list[Piece]

    @property
    def record(self) -> str:
        """How the image is named in quarantine rows."""
        return f"image:{self.id.removeprefix(f'{self.source}:')}"


def gather(
    importers: Sequence[Importer], setting: Setting, *, check: bool = True, keep_unannotated: bool = False
) -> tuple[list[Draft], list[Quarantined]]:
    """Read all sources and join what they say of the same image.

    Args:
        importers: The sources; those with the same name are joined.
        setting: Where relative paths start.
        check: Whether photos must be there.
        keep_unannotated: Make drafts of photos without annotation too.

    Returns:
        Drafts in order of their ids, and what could not be used, in a fixed order.

    Raises:
        VlitError: When a file is missing or cannot be used as a whole.
    """
    by_title: defaultdict[str, list[Importer]] = defaultdict(list)
    for importer in importers:
        by_title[importer.title(setting)].append(importer)
    drafts: list[Draft] = []
    bad: list[Quarantined] = []
    with _collector_paused():
        for title, group in by_title.items():
            roots = {root: None for importer in group for root in _roots(importer, setting, check)}
            join = _Join(title, Photos(roots, check=check, home=setting.base), bad)
            for importer in group:
                join.take(_everything(importer, setting), importer.licence)
            drafts += join.drafts(keep_unannotated)
    drafts.sort(key=lambda d: d.id)
    bad.sort(key=lambda q: (q.file, q.record, q.field, q.value, q.reason))
    return drafts, bad


@contextlib.contextmanager
def _collector_paused() -> Iterator[None]:
    """Pause garbage collection: it would walk millions of rows, none in a cycle, for a third of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _roots(importer: Importer, setting: Setting, check: bool) -> Iterator[str]:
    for folder in importer.folders():
        if "://" in folder:
            if check:
                reachable(folder)
            yield folder
        else:
            yield str(folder_of(setting, folder))


def _everything(importer: Importer, setting: Setting) -> Iterator[Piece | Quarantined]:
    if importer.attribution is not None:
        path = existing(setting, importer.attribution)
        yield from read_credits(path, origin_of(setting, path))
    yield from importer.read(setting)


def _named(pieces: list[Piece]) -> Piece:
    """The piece that says which photo is meant."""
    return next((p for p in pieces if p.file is not None), pieces[0])


class _Join:
    """Pieces of one name, by image."""

    def __init__(self, title: str, photos: Photos, bad: list[Quarantined]) -> None:
        self.title, self.photos, self.bad = title, photos, bad
        self.pieces: defaultdict[str, list[Piece]] = defaultdict(list)
        self.nameless: list[Piece] = []  # known by file name only; joined when all ids are known
        self.loose: list[Piece] = []  # of objects, wherever these are
        self.credits: dict[str, Piece] = {}  # licence and attribution of images, told by a table of them
        self.licence: str | None = None

    def take(self, found: Iterable[Piece | Quarantined], licence: str | None) -> None:
        self.licence = self.licence or licence
        for item in found:
            if isinstance(item, Quarantined):
                self.bad.append(item)
            elif item.image is not None:
                self.pieces[item.image].append(item)
            elif item.file is not None or item.annotated():
                self.nameless.append(item)
            else:
                self.loose.append(item)

    def drafts(self, keep_unannotated: bool) -> Iterator[Draft]:
        self._place_nameless()
        for piece in self.loose:
            self._place_attributes(piece)
        used: set[str] = set()
        for image, pieces in self.pieces.items():
            draft = self._draft(image, pieces)
            if draft is None:
                continue
            used.add(draft.uri)
            used.update(self._others(image, pieces))
            if keep_unannotated or any(piece.annotated() for piece in pieces):
                yield draft
            else:
                self.bad.append(lost(draft.file, draft.record, "", "", "the photo has no annotation"))
        for path in self.photos.paths:
            if path in used:
                continue
            file = self.photos.relative(path)
            if keep_unannotated:
                yield self._made(coco_id(file) or file, path, [])
            else:
                self.bad.append(lost(file, "", "", "", UNMENTIONED))
        for path in self.photos.misnamed:
            self.bad.append(
                lost(self.photos.relative(path), "", "", "", "its name is not UTF-8: rename the photo")
            )

    def _place_nameless(self) -> None:
        """Find the image id of pieces that have only a file name: another piece's, or the name itself."""
        if not self.nameless:
            return
        ids: dict[str, str] = {}
        for image, pieces in self.pieces.items():
            with contextlib.suppress(ImageProblem):  # it is reported when the image's draft is made
                ids.setdefault(self._photo(image, pieces, _named(pieces)), image)
        for piece in self.nameless:
            image = self._image_of(piece.file or "", piece.origin, ids)
            if piece.annotated():
                self.pieces[image].append(piece)
            else:
                self.credits.setdefault(image, piece)

    def _image_of(self, file: str, origin: str, ids: Mapping[str, str]) -> str:
        number = coco_id(file)
        if number is not None and number in self.pieces:
            return number
        try:
            uri = self.photos.find(file, "", origin)
        except ImageProblem:  # it is reported when the image's draft is made
            return file
        return ids.get(uri) or self.photos.relative(uri)

    def _place_attributes(self, piece: Piece) -> None:
        """Give each image its share of a piece that tells attributes of objects wherever they are."""
        left = dict.fromkeys(piece.attributes)
        for image, pieces in self.pieces.items():
            found = [o.id for p in pieces for o in p.objects if o.id in piece.attributes]
            if found:
                theirs = {ident: piece.attributes[ident] for ident in found}
                pieces.append(Piece(origin=piece.origin, image=image, attributes=theirs))
                for ident in theirs:
                    left.pop(ident, None)
        for ident in left:
            names = ", ".join(piece.attributes[ident])
            self.bad.append(lost(piece.origin, ident, "attributes", names, "no object has this id"))

    def _photo(self, image: str, pieces: list[Piece], named: Piece) -> str:
        alias = next((p.alias for p in pieces if p.alias is not None), None)
        return self.photos.find(named.file, image, named.origin, alias)

    def _others(self, image: str, pieces: list[Piece]) -> Iterator[str]:
        """Photos of the same image in another set: they are no images of their own."""
        for alias in (p.alias for p in pieces if p.alias is not None):
            with contextlib.suppress(ImageProblem):
                yield self.photos.there(alias, image) or ""

    def _draft(self, image: str, pieces: list[Piece]) -> Draft | None:
        named = _named(pieces)
        for piece in [p for p in pieces if p.file != named.file and not self._same_photo(p, named, image)]:
            pieces.remove(piece)
            reason = f"image {image} is {named.file!r} in {named.origin}: name these sources differently"
            self.bad.append(lost(piece.origin, f"image:{image}", "file_name", piece.file, reason))
        try:
            uri = self._photo(image, pieces, named)
        except ImageProblem as problem:
            value = named.file or named.alias or image
            self.bad.append(lost(named.origin, f"image:{image}", "file_name", value, str(problem)))
            return None
        return self._made(image, uri, pieces)

    def _made(self, image: str, uri: str, pieces: list[Piece]) -> Draft:
        known = [self.credits[image], *pieces] if image in self.credits else pieces
        return Draft(
            id=f"{self.title}:{image}",
            source=self.title,
            uri=uri,
            file=self.photos.relative(uri),
            licence=next((p.licence for p in known if p.licence), self.licence),
            attribution=next((p.attribution for p in known if p.attribution), None),
            pieces=pieces,
        )

    def _same_photo(self, piece: Piece, named: Piece, image: str) -> bool:
        """Whether two pieces of one image id mean the same photo, as COCO's names of 2014 and 2017 do."""
        one, other = piece.file, named.file
        if one is None or other is None:
            return True
        if PurePosixPath(one).name != PurePosixPath(other).name:
            return coco_id(one) is not None and coco_id(one) == coco_id(other)
        try:
            return self.photos.find(one, image, piece.origin) == self.photos.find(other, image, named.origin)
        except ImageProblem:
            return True
