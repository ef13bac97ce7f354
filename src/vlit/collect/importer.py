r"""What an importer is: a typed config that says where annotations lie, and reads them piece by piece.

A new importer is one file with one class and one line in ``registry.py``::

    class Lines(Importer):
        kind: Literal["lines"] = "lines"
        path: str

        def files(self, setting: Setting) -> list[Path]:
            return [existing(setting, self.path)]

        def read(self, setting: Setting) -> Iterator[Piece | Quarantined]:
            (file,) = self.files(setting)
            for n, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
                name, text = line.split("\t")
                yield Piece(origin=self.path, file=name, captions=[Caption(id=f"caption:{n}", text=text)])

It does not look at photos, sizes, duplicates or boxes: whatever it yields is joined and checked for all alike.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pydantic

from vlit.data.errors import VlitError
from vlit.data.scene import Caption, Object, Question, Region, Relation, SceneText
from vlit.data.score import Quarantined, legible, shown
from vlit.run.stage import Config, Setting


def _as_paths(value: Any) -> Any:
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list | tuple):
        raise ValueError("a path or a list of paths is needed")
    return value


Paths = Annotated[tuple[str, ...], pydantic.BeforeValidator(_as_paths)]
"""One path or a list of paths."""


class Piece(msgspec.Struct, kw_only=True, gc=False):
    """What one annotation file says about one image. Pieces of the same image are joined.

    Annotation ids are unique in the image and name their kind: ``caption:88366``, ``object:11434``.
    Boxes are pixels of an image of ``width`` x ``height``; they need not be inside, that is checked later. A
    piece with neither ``image`` nor ``file`` tells ``attributes`` of objects of whatever images have these.
    """

    origin: str  #: the annotation file, for quarantine rows
    image: str | None = None  #: id of the image; None where only the file name is known
    file: str | None = None  #: file name below the image folder; None where only the id is known
    alias: str | None = None  #: name of the same photo in another set, taken where the first is not there
    width: int | None = None
    height: int | None = None
    nominal: tuple[int, int] | None = None  #: boxes are true in proportion only, to this made-up size
    licence: str | None = None
    attribution: str | None = None
    captions: list[Caption] = []
    objects: list[Object] = []
    regions: list[Region] = []
    relations: list[Relation] = []
    texts: list[SceneText] = []
    questions: list[Question] = []
    attributes: dict[str, tuple[str, ...]] = {}  #: more attributes of objects of other pieces, by their id
    searched: tuple[str, ...] = ()  #: labels whose instances are all annotated, see ``Scene.searched``
    uncertain: tuple[str, ...] = ()  #: labels of which an instance could not be read: they were not counted

    def annotated(self) -> bool:
        """Whether the piece holds any annotation."""
        return bool(
            self.captions or self.objects or self.regions or self.relations or self.texts or self.questions
        )


class Importer(Config, ABC):
    """Base of all importers: the entry of a recipe's ``collect.sources`` that has their ``kind``."""

    kind: str
    name: str = ""  #: first part of scene ids; importers with the same name are joined by image id
    images: Paths = ()  #: folders (searched with their sub folders) or one URL of the photos
    licence: str | None = None  #: of images whose annotations do not name one
    attribution: str | None = None  #: CSV file: file_name, licence and whom or what to credit, a row a photo

    def title(self, setting: Setting) -> str:
        """The name that scene ids start with."""
        return self.name or self.kind

    def folders(self) -> Paths:
        """Where the photos lie."""
        return self.images

    @abstractmethod
    def files(self, setting: Setting) -> list[Path]:
        """Annotation files that :meth:`read` will read.

        Raises:
            VlitError: When one is not there.
        """

    @abstractmethod
    def read(self, setting: Setting) -> Iterator[Piece | Quarantined]:
        """Pieces in any order, and a row for each record that cannot be used.

        Raises:
            VlitError: When a whole file cannot be used.
        """


def existing(setting: Setting, path: str) -> Path:
    """A path of the config that must be there.

    Raises:
        VlitError: When it is not.
    """
    found = Path(setting.resolve(path))
    if not found.exists():
        raise VlitError(
            f"there is no {path!r}",
            where=str(found),
            todo=f"correct the path; relative paths start at {setting.base}",
        )
    return found


def folder_of(setting: Setting, path: str) -> Path:
    """A path of the config that must be a folder.

    Raises:
        VlitError: When it is not.
    """
    found = existing(setting, path)
    if not found.is_dir():
        raise VlitError(
            f"{path!r} is a file, a folder is needed", where=str(found), todo=f"give {found.parent}"
        )
    return found


def origin_of(setting: Setting, path: Path) -> str:
    """How a file is named in quarantine rows: relative to the recipe where it lies below it."""
    return legible(str(path.relative_to(setting.base) if path.is_relative_to(setting.base) else path))


def pixels(side: float | None) -> int | None:
    """Width or height as annotation files state it; ``None`` for what is no size."""
    return round(side) if side is not None and side >= 1 else None


def lost(
    origin: str, record: str, field: str, value: Any, reason: str, *, repaired: bool = False
) -> Quarantined:
    """A quarantine row of this stage.

    Args:
        origin: The annotation file or photo.
        record: Line or record id.
        field: The field that is wrong.
        value: What stands there; it is shortened.
        reason: Why it cannot be used as it is, or how it was put right.
        repaired: It was put right and kept.
    """
    return Quarantined(
        stage="collect",
        file=legible(origin),
        record=record,
        field=field,
        value=shown(value),
        reason=reason,
        action="repaired" if repaired else "dropped",
    )
