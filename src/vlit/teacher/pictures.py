"""Pictures as a teacher is sent them: data URLs of the file's own bytes, or of a smaller or marked JPEG."""

from __future__ import annotations

import asyncio
import binascii
import hashlib
import io
from collections import OrderedDict
from typing import TYPE_CHECKING

from vlit.data.boxes import Box
from vlit.data.images import ImageProblem, opened, read_bytes, to_rgb
from vlit.data.scene import Image
from vlit.teacher.message import Picture

if TYPE_CHECKING:
    import PIL.Image as PILImage

QUALITY = 90  #: of JPEGs that are made here

#: Formats that servers take as they are, with the modes in which none of them sees other colours than we do.
_TAKEN = {
    "JPEG": ("image/jpeg", ("RGB", "L")),
    "PNG": ("image/png", ("RGB", "RGBA", "L", "LA", "P", "1")),
    "WEBP": ("image/webp", ("RGB", "RGBA")),
    "GIF": ("image/gif", ("RGB", "L", "P")),
}
_ORIENTATION = 0x0112  # EXIF tag; few servers turn photos as it says


class Pictures:
    """Makes URLs of pictures; those used last are kept, so that the same photo is not read for each call.

    Args:
        most_bytes: Of all URLs that are kept.
        linked: Send the photo's own URL where it has one that a server can fetch.
    """

    def __init__(self, most_bytes: int = 64 << 20, *, linked: bool = False) -> None:
        self._most, self._linked = most_bytes, linked
        self._kept: OrderedDict[Picture, str] = OrderedDict()
        self._bytes = 0
        self._making: dict[Picture, asyncio.Future[str]] = {}

    async def url(self, picture: Picture) -> str:
        """The URL of a picture; reading and encoding do not keep the event loop.

        Raises:
            ImageProblem: When the photo cannot be used any more.
        """
        if self._linked and picture.mark is None and picture.uri.startswith(("http://", "https://")):
            return picture.uri
        if (url := self._kept.get(picture)) is not None:
            self._kept.move_to_end(picture)
            return url
        if (making := self._making.get(picture)) is None:
            making = asyncio.ensure_future(asyncio.to_thread(data_url, picture))
            self._making[picture] = making
            making.add_done_callback(lambda done: self._made(picture, done))
        return await asyncio.shield(making)  # others may wait for it too

    def _made(self, picture: Picture, done: asyncio.Future[str]) -> None:
        del self._making[picture]
        if done.cancelled() or done.exception():
            return
        self._kept[picture] = done.result()
        self._bytes += len(done.result())
        while self._bytes > self._most and len(self._kept) > 1:
            _, url = self._kept.popitem(last=False)
            self._bytes -= len(url)


def data_url(picture: Picture) -> str:
    """``data:`` URL of a picture: the file's own bytes where a server takes them and nothing is to be changed.

    Raises:
        ImageProblem: When the photo cannot be used any more, or is not the one that was collected.
    """
    data = read_bytes(picture.uri)
    if len(picture.sha256) == 64 and hashlib.sha256(data).hexdigest() != picture.sha256:
        raise ImageProblem("the photo is not the one that was collected: its bytes have changed")
    image = opened(data)
    mime, modes = _TAKEN.get(image.format or "", ("", ()))
    small = picture.longest_side is None or max(image.size) <= picture.longest_side
    upright = image.getexif().get(_ORIENTATION, 1) not in range(2, 9)
    if not (small and upright and picture.mark is None and image.mode in modes):
        mime, data = "image/jpeg", _jpeg(image, picture.mark, picture.longest_side)
    return f"data:{mime};base64,{binascii.b2a_base64(data, newline=False).decode('ascii')}"


def marked_jpeg(image: Image, box: Box, longest_side: int | None = None) -> bytes:
    """The photo with a square drawn on it, as JPEG; the same photo and box give the same bytes.

    Args:
        image: The photo.
        box: In its pixels, as displayed.
        longest_side: Pixels; a bigger photo is made smaller.

    Raises:
        ImageProblem: When the photo cannot be used any more.
    """
    return _jpeg(opened(read_bytes(image.uri)), box, longest_side)


def _jpeg(image: PILImage.Image, mark: Box | None, longest_side: int | None) -> bytes:
    width, height = image.size
    if image.getexif().get(_ORIENTATION, 1) in range(5, 9):
        width, height = height, width
    if longest_side is not None:
        image.draft(None, (longest_side, longest_side))  # a JPEG is decoded no bigger than needed
    rgb = to_rgb(image)
    if longest_side is not None and max(rgb.size) > longest_side:
        rgb.thumbnail((longest_side, longest_side))
    if mark is not None:
        _draw(rgb, mark.scaled(rgb.width / width, rgb.height / height))
    out = io.BytesIO()
    # Where a line is drawn, colours are kept at full resolution: a thin red one would fade.
    rgb.save(out, "JPEG", quality=QUALITY, subsampling=0 if mark else 2)
    return out.getvalue()


def _draw(image: PILImage.Image, box: Box) -> None:
    """A red outline between two white ones stands out from any photo; its width goes with the photo's."""
    from PIL import ImageDraw

    line = max(2, round(max(image.size) / 300))
    x1, x2 = _within(box.x1, box.x2, 2 * line, image.width)
    y1, y2 = _within(box.y1, box.y2, 2 * line, image.height)
    draw = ImageDraw.Draw(image)
    for out, colour in ((2 * line, "white"), (line, "red"), (0, "white")):
        draw.rectangle((x1 - out, y1 - out, x2 + out, y2 + out), outline=colour, width=line)


def _within(first: float, last: float, margin: int, size: int) -> tuple[int, int]:
    """Both ends as pixels, with a margin to the border in which the outer lines have room."""
    start = min(max(round(first), margin), size - 1 - margin)
    return start, max(start, min(round(last), size - 1 - margin))
