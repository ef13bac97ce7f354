"""Images by URI: probing (size, hash, orientation, limits) and opening."""

from __future__ import annotations

import contextlib
import hashlib
import io
import struct
import warnings
from pathlib import Path

import fsspec
import PIL.Image as PILImage
from PIL import ImageOps, UnidentifiedImageError

from vlit.data.errors import VlitError
from vlit.data.scene import Image

#: Pixels above which an image is refused: a small file that unpacks to gigabytes is an attack or a mistake.
MAX_PIXELS = 100_000_000


#: What Pillow raises at broken data.
_BROKEN = (OSError, SyntaxError, ValueError, struct.error)


class ImageProblem(ValueError):
    """Why an image cannot be used; the text is the reason in a quarantine row."""


def reachable(url: str) -> None:
    """Check that URLs of this kind can be read on this machine.

    Raises:
        VlitError: When the protocol is unknown, or its package is not installed.
    """
    protocol = url.partition("://")[0]
    try:
        fsspec.get_filesystem_class(protocol)
    except (ImportError, ValueError) as error:
        raise VlitError(
            f"{protocol}:// cannot be read: {error}",
            where=url,
            todo="install the package that it names, correct the URL, or copy the photos into a folder",
        ) from error


def read_bytes(uri: str) -> bytes:
    """Bytes behind a local path or fsspec URL.

    Raises:
        ImageProblem: When there is nothing to read.
    """
    try:
        if "://" in uri:
            return _fetched(uri)
        if Path(uri).exists() and not Path(uri).is_file():
            raise ImageProblem("this is no file")  # a pipe would be waited for without end
        return Path(uri).read_bytes()
    except FileNotFoundError:
        raise ImageProblem(
            "the link leads nowhere" if Path(uri).is_symlink() else "the file is missing"
        ) from None
    except OSError as error:
        raise ImageProblem(f"the file cannot be read: {error.strerror or error}") from error


def _fetched(url: str) -> bytes:
    try:
        with fsspec.open(url, "rb") as handle:
            return bytes(handle.read())
    except OSError:
        raise
    except Exception as error:  # each protocol has a library of its own, with errors of its own
        raise ImageProblem(f"cannot be fetched: {type(error).__name__}: {error}") from error


def probe(uri: str, *, decode: bool = True, max_pixels: int = MAX_PIXELS) -> Image:
    """Open an image and describe it.

    Args:
        uri: Local path or fsspec URL.
        decode: Decode all pixels, which finds truncated files; otherwise only the header is read.
        max_pixels: Decompression-bomb limit.

    Raises:
        ImageProblem: When the image cannot be used, with the reason.
    """
    data = read_bytes(uri)
    if not data:
        raise ImageProblem("the file is empty (0 bytes)")
    picture = opened(data, max_pixels=max_pixels)
    if decode:
        _decode(picture)
    orientation = _orientation(picture)
    width, height = picture.size if orientation < 5 else picture.size[::-1]
    return Image(
        uri=uri,
        width=width,
        height=height,
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        format=picture.format,
        mode=picture.mode,
        orientation=orientation,
    )


def _orientation(picture: PILImage.Image) -> int:
    """EXIF orientation, 1 to 8; 1 where none can be read: viewers show such photos as they are."""
    try:
        found = picture.getexif().get(0x0112, 1)
    except _BROKEN:
        return 1
    return found if found in range(1, 9) else 1


def open_rgb(image: Image, *, max_pixels: int = MAX_PIXELS) -> PILImage.Image:
    """The image as displayed: RGB, EXIF orientation applied, 16-bit scaled down to 8.

    Raises:
        ImageProblem: When the image cannot be used any more.
    """
    return to_rgb(opened(read_bytes(image.uri), max_pixels=max_pixels))


def to_rgb(picture: PILImage.Image) -> PILImage.Image:
    """An image that was opened, as displayed: RGB, EXIF orientation applied, 16-bit scaled down to 8.

    Raises:
        ImageProblem: When its pixels cannot be decoded.
    """
    _decode(picture)
    with contextlib.suppress(*_BROKEN):  # broken EXIF data turns nothing
        picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I"):  # Pillow clips 16-bit values at 255 instead of scaling them
        picture = picture.convert("I").point(lambda v: v / 256).convert("L")
    return picture.convert("RGB")


def opened(data: bytes, *, max_pixels: int = MAX_PIXELS) -> PILImage.Image:
    """An image of which the header is read and the pixels are not yet.

    Raises:
        ImageProblem: When it is no image, too large, or an animation.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PILImage.DecompressionBombWarning)  # our own limit follows
            picture = PILImage.open(io.BytesIO(data))
    except UnidentifiedImageError:
        seen = f"starts with {data[:16]!r}" if data else "is empty"
        raise ImageProblem(f"not an image: the file {seen}") from None
    except PILImage.DecompressionBombError as error:
        raise ImageProblem(f"decompression bomb: {error}") from None
    except _BROKEN as error:
        raise ImageProblem(f"the image cannot be opened: {error}") from error
    width, height = picture.size
    if width * height > max_pixels:
        raise ImageProblem(f"{width}x{height} is more than {max_pixels:,} pixels (decompression bomb?)")
    # MPO is how some phones store a plain photo with a preview; every other multi-frame file is an animation.
    frames = getattr(picture, "n_frames", 1)
    if frames > 1 and picture.format != "MPO":
        raise ImageProblem(f"animated or of several pages: {frames} frames; extract the one that is meant")
    return picture


def _decode(picture: PILImage.Image) -> None:
    try:
        picture.load()
    except (*_BROKEN, RuntimeError) as error:  # RuntimeError: the decoder of AVIF
        raise ImageProblem(f"truncated or corrupt image data: {error}") from error
