import io
import os
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image as Pillow

from vlit.data.images import ImageProblem, open_rgb, probe


def saved(folder: Path, name: str, picture: Pillow.Image, **options: object) -> str:
    path = folder / name
    picture.save(path, **options)
    return str(path)


def test_probe_describes_a_photo(demo: Path) -> None:
    image = probe(str(demo / "images" / "000000000790.jpg"))
    assert (image.format, image.mode, image.orientation) == ("JPEG", "RGB", 1)
    assert max(image.width, image.height) == 384
    assert image.sha256 is not None and len(image.sha256) == 64


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"this is text named .jpg", "not an image"),
        (b"\xff\xd8\xff\xe0" + b"\0" * 10, "image"),
    ],
)
def test_what_is_no_image_says_so(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "x.jpg"
    path.write_bytes(data)
    with pytest.raises(ImageProblem, match=said):
        probe(str(path))


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ImageProblem, match="missing"):
        probe(str(tmp_path / "gone.jpg"))


def test_a_truncated_photo_is_found_by_decoding(demo: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.jpg"
    path.write_bytes((demo / "images" / "000000000790.jpg").read_bytes()[:9000])
    assert probe(str(path), decode=False).format == "JPEG"
    with pytest.raises(ImageProblem, match="truncated"):
        probe(str(path))


@pytest.mark.parametrize(("orientation", "size"), [(1, (40, 30)), (3, (40, 30)), (6, (30, 40)), (8, (30, 40))])
def test_size_is_as_displayed(tmp_path: Path, orientation: int, size: tuple[int, int]) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    image = probe(saved(tmp_path, "r.jpg", Pillow.new("RGB", (40, 30)), exif=exif))
    assert (image.width, image.height) == size
    assert open_rgb(image).size == size


@pytest.mark.parametrize("mode", ["CMYK", "L", "1", "RGBA", "P", "I;16"])
def test_odd_modes_open_as_rgb(tmp_path: Path, mode: str) -> None:
    name = "x.tif" if mode == "CMYK" else "x.png"
    image = probe(saved(tmp_path, name, Pillow.new(mode, (8, 8))))
    assert image.mode == mode
    assert open_rgb(image).mode == "RGB"


def test_16_bit_is_scaled_not_clipped(tmp_path: Path) -> None:
    picture = Pillow.new("I;16", (4, 4), 0x8000)
    assert open_rgb(probe(saved(tmp_path, "x.png", picture))).getpixel((0, 0)) == (128, 128, 128)


def test_an_animation_is_refused(tmp_path: Path) -> None:
    frames = [Pillow.new("RGB", (8, 8), color) for color in ("red", "green", "blue")]
    path = saved(tmp_path, "x.gif", frames[0], save_all=True, append_images=frames[1:])
    with pytest.raises(ImageProblem, match="animated or of several pages: 3 frames"):
        probe(path)


def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    out = io.BytesIO(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
    path = tmp_path / "bomb.png"
    path.write_bytes(out.getvalue())
    with pytest.raises(ImageProblem, match="bomb"):
        probe(str(path))


def test_what_is_no_file_is_told_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "link.jpg").symlink_to(tmp_path / "gone.jpg")
    (tmp_path / "folder.jpg").mkdir()
    for name, said in (("pipe", "no file"), ("folder", "no file"), ("link", "the link leads nowhere")):
        with pytest.raises(ImageProblem, match=said):
            probe(str(tmp_path / f"{name}.jpg"))


def test_whatever_a_protocol_throws_becomes_a_reason() -> None:
    with pytest.raises(ImageProblem, match="cannot be fetched: ValueError: Protocol not known"):
        probe("gopher://x/a.jpg")


def test_broken_exif_turns_nothing_and_stops_nothing(tmp_path):
    path = tmp_path / "spoilt.webp"
    picture = Pillow.new("RGB", (20, 10), "red")
    exif = Pillow.Exif()
    exif[0x0112] = 6
    picture.save(path, exif=exif.tobytes())
    assert probe(str(path)).height == 20
    data = path.read_bytes()
    at = data.index(b"EXIF") + 8
    path.write_bytes(data[:at] + b"\x00" * 12 + data[at + 12 :])
    found = probe(str(path))
    assert (found.width, found.height, found.orientation) == (20, 10, 1)
    assert open_rgb(found).size == (20, 10)
