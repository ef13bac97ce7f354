"""Photos: which files there are, and which of them an annotation means."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from vlit.data.images import ImageProblem
from vlit.data.score import legible
from vlit.run.inputs import PHOTOS, photos_below

#: COCO's file names, of 2014 (``COCO_train2014_000000000790.jpg``) and of 2017 (``000000000790.jpg``).
_COCO_NAME = re.compile(r"(?:COCO_\w+_)?(\d{12})")


def coco_id(file: str) -> str | None:
    """The image id that is written in a COCO file name, without leading zeros; ``None`` for other names."""
    found = _COCO_NAME.fullmatch(PurePosixPath(file).stem)
    return str(int(found[1])) if found else None


class Photos:
    """The photos below some folders, found by file name or COCO id.

    Args:
        roots: Absolute folders, searched with their sub folders, and URLs that file names are appended to.
        check: Whether a photo must be there; without it, the path where it should lie is answered.
        home: The folder in which it should lie where there are no roots.
    """

    def __init__(self, roots: Iterable[str], *, check: bool = True, home: Path) -> None:
        self.check = check
        roots = list(roots)
        self._folders = [root for root in roots if "://" not in root]
        self._urls = [root.rstrip("/") for root in roots if "://" in root]
        self._home = str(home)
        self.paths: dict[str, None] = {}  #: absolute paths of all photos, in order
        self.misnamed: list[str] = []  #: photos whose names are not UTF-8: no table can hold them
        self._by_name: defaultdict[str, list[str]] = defaultdict(list)
        self._by_id: defaultdict[str, list[str]] = defaultdict(list)
        for root in self._folders:
            for path in sorted(map(str, photos_below(Path(root)))):
                if legible(path) == path:
                    self.paths[path] = None
                else:
                    self.misnamed.append(path)
        for path in self.paths:
            name = path.rpartition("/")[2]
            self._by_name[name].append(path)
            if (number := coco_id(name)) is not None:
                self._by_id[number].append(path)

    def find(self, file: str | None, image: str, hint: str = "", alias: str | None = None) -> str:
        """The photo of an annotated image, as an absolute path or a URL.

        Args:
            file: File name of the annotation, possibly with sub folders that do not exist here.
            image: Id of the image; used where no file name is known.
            hint: The annotation file; of several photos of one name, the one is taken whose folder it names.
            alias: Another name of the same photo, tried where there is none of the first.

        Raises:
            ImageProblem: When there is no such photo, several, or when the name leaves the image folder.
        """
        found = self.there(file, image, hint) or (alias is not None and self.there(alias, image, hint))
        return found or self._expected(file or alias, image)

    def there(self, file: str | None, image: str, hint: str = "") -> str | None:
        """The photo like :meth:`find`, ``None`` where there is none.

        Raises:
            ImageProblem: When there are several, or when the name leaves the image folder.
        """
        if file is not None:
            if file in self.paths:  # the whole path of a photo in one of the folders
                return file
            inside(file)
            for root in self._folders:
                path = f"{root}/{file}" if "./" not in file else str(Path(root, file))
                if path in self.paths:
                    return path
        number = coco_id(file) if file else image
        found = (file and self._by_name.get(PurePosixPath(file).name)) or self._by_id.get(number or "")
        if not found:
            return None
        if len(found) > 1:
            found = [path for path in found if PurePosixPath(path).parent.name in hint] or found
        if len(found) > 1:
            raise ImageProblem(f"{len(found)} photos have this name, in different folders")
        return found[0]

    def _expected(self, file: str | None, image: str) -> str:
        """Where a photo that was not found should lie."""
        if self.check and not self._urls:
            raise ImageProblem(self._why_not(file))
        root = [*self._urls, *self._folders, self._home][0]
        name = file or (f"{int(image):012d}.jpg" if image.isascii() and image.isdigit() else image)
        return f"{root}/{name}"

    def _why_not(self, file: str | None) -> str:
        if not self._folders:
            return "no image folder was given"
        if file is None:
            return "there is no such photo: no file name is listed, and none has this number"
        if any(Path(root, file).is_file() for root in self._folders):
            return f"this kind of file is not read; known are {', '.join(sorted(PHOTOS))}: convert it"
        return "there is no such photo"

    def relative(self, path: str) -> str:
        """A photo's path below its folder."""
        root = next((r for r in (*self._urls, *self._folders) if path.startswith(f"{r}/")), None)
        return path if root is None else path[len(root) + 1 :]


def inside(file: str) -> None:
    """Check that a file name stays in the image folder.

    Raises:
        ImageProblem: When it is absolute or goes up.
    """
    if file.startswith(("/", "\\")) or ".." in file.replace("\\", "/").split("/") or file[1:2] == ":":
        raise ImageProblem("the file name leaves the image folder")
    if not file or "\0" in file:
        raise ImageProblem("this is no file name")
