"""One look at files as they come: good ones, odd ones, broken ones."""

from __future__ import annotations

import io
import os
import random
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import PIL.Image as PILImage
import pytest

from tests.assess.pictures.drawn import image, looks, saved, tiles
from vlit.assess.pictures import pixels
from vlit.assess.pictures.look import look, look_all
from vlit.data.picture import Picture, packed, unpacked
from vlit.data.schema import from_table, to_table


def finite(picture: Picture) -> bool:
    assert picture.looks is not None
    values = [v for v in msgspec.structs.astuple(picture.looks) if v is not None]
    return all(isinstance(v, float) and np.isfinite(v) for v in values)


def test_a_photo_has_everything(demo: Path) -> None:
    found = look(image(demo / "images" / "000000000790.jpg"))
    assert found.problem is None and finite(found)
    assert found.looks is not None and None not in msgspec.structs.astuple(found.looks)
    assert len(found.hash or "") == 64
    assert unpacked(found.descriptor).shape == (241,)
    assert found.vector == b""
    assert from_table(to_table([found], Picture), Picture) == [found]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("missing.jpg", "the file is missing"),
        ("empty.jpg", "empty|not an image"),
        ("text.jpg", "not an image"),
        ("cut.jpg", "truncated or corrupt"),
        ("cut.png", "truncated or corrupt"),
        ("moving.gif", "animated"),
        (".", "no file"),
    ],
)
def test_a_bad_file_has_a_problem(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("<html>404</html>")
    for kind in ("jpg", "png"):
        tiles(tile=4).save(tmp_path / f"whole.{kind}")
        data = (tmp_path / f"whole.{kind}").read_bytes()
        (tmp_path / f"cut.{kind}").write_bytes(data[: len(data) // 2])
    tiles().save(tmp_path / "moving.gif", save_all=True, append_images=[tiles(seed=1)])
    found = look(image(tmp_path / name))
    assert found == Picture(uri=str(tmp_path / name), problem=found.problem)
    assert re.search(said, found.problem or "")


def test_the_same_pixels_in_another_mode_have_the_same_measures(tmp_path: Path) -> None:
    grey = tiles().convert("L")
    whole = looks(grey.convert("RGB"), tmp_path / "rgb.png")
    assert looks(grey, tmp_path / "l.png") == whole
    assert looks(grey.convert("P"), tmp_path / "p.png") == whole
    deep = PILImage.fromarray(np.asarray(grey).astype(np.uint16) * 256)
    assert looks(deep, tmp_path / "16.png") == whole
    assert whole.colourfulness == 0


def test_odd_modes_can_be_looked_at(tmp_path: Path) -> None:
    assert finite(saved(tiles().convert("CMYK"), tmp_path / "cmyk.jpg"))
    assert finite(saved(tiles().convert("RGBA"), tmp_path / "rgba.webp"))
    assert finite(saved(tiles().convert("1"), tmp_path / "1.png"))


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (7, 7), (24, 24), (40, 33), (2000, 1), (3, 900), (5000, 40)])
def test_any_size_has_measures_or_none(tmp_path: Path, size: tuple[int, int]) -> None:
    grain = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    found = saved(PILImage.fromarray(grain), tmp_path / "a.png")
    assert finite(found) and found.looks is not None
    assert (found.looks.width, found.looks.height) == size
    if min(size) < 18 or size == (5000, 40):  # 384 x 3 once it is shrunk
        assert found.looks.focus is found.looks.noise is found.looks.unnatural is None


def test_flat_pictures_of_any_size(tmp_path: Path) -> None:
    for size in ((1, 1), (64, 64), (500, 400)):
        found = saved(PILImage.new("RGB", size, "grey"), tmp_path / "a.png")
        assert finite(found) and found.looks is not None
        assert (found.looks.sharpness, found.looks.entropy, found.looks.edges) == (0, 0, 0)
        assert (found.looks.segments, found.looks.congestion, found.looks.unnatural) == (1, 0, None)


def test_a_large_jpeg_is_decoded_small_and_measured_alike(tmp_path: Path) -> None:
    small = tiles((400, 300))
    large = small.resize((2800, 2100), PILImage.Resampling.NEAREST)
    large.save(tmp_path / "large.jpg", quality=95)
    found = pixels.pixels_of(str(tmp_path / "large.jpg"))
    assert (found.reduction, found.decoded.size) == (4, (700, 525))
    assert (found.width, found.height) == (2800, 2100)
    assert found.working.size == (384, 288)
    whole, shrunk = looks(large, tmp_path / "large.png"), looks(large, tmp_path / "large.jpg", quality=95)
    assert shrunk.brightness == pytest.approx(whole.brightness, abs=0.5)
    assert shrunk.focus == pytest.approx(whole.focus, rel=0.15)


def test_photos_are_measured_upright(tmp_path: Path) -> None:
    exif = PILImage.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    tiles((400, 300)).save(tmp_path / "turned.jpg", exif=exif)
    found = look(image(tmp_path / "turned.jpg"))
    assert found.looks is not None and (found.looks.width, found.looks.height) == (300, 400)
    upright = saved(tiles((400, 300)).transpose(PILImage.Transpose.ROTATE_270), tmp_path / "upright.png")
    unequal = int(found.hash or "", 16) ^ int(upright.hash or "", 16)
    assert unequal.bit_count() <= 15


class Mean:
    """An encoder whose vector is the mean colour; a zero row is its way to say that there is none."""

    name = "mean"

    def __init__(self) -> None:
        self.batches: list[int] = []

    def images(self, pictures: Sequence[PILImage.Image]) -> npt.NDArray[np.float32]:
        assert all(p.mode == "RGB" and max(p.size) <= 384 for p in pictures)
        self.batches.append(len(pictures))
        return np.array([np.asarray(p).mean(axis=(0, 1)) / 256 for p in pictures], np.float32)


def test_each_file_is_opened_once_and_vectors_go_to_their_photos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    colours = [(6 * i + 6, 0, 0) for i in range(40)]
    for i, colour in enumerate(colours):
        PILImage.new("RGB", (30, 20), colour).save(tmp_path / f"{i}.png")
    opened: list[str] = []
    read = pixels.read_bytes
    monkeypatch.setattr(pixels, "read_bytes", lambda uri: opened.append(uri) or read(uri))
    wanted = [image(tmp_path / f"{i}.png") for i in range(40)]
    wanted.insert(3, image(tmp_path / "gone.png"))
    encoder = Mean()
    found = look_all(wanted, encoder)
    assert opened == [i.uri for i in wanted] == [p.uri for p in found]
    assert encoder.batches == [31, 9]
    assert found[3].problem and not found[3].vector
    del found[3]
    assert [unpacked(p.vector)[0] * 256 for p in found] == [c[0] for c in colours]
    assert look_all([]) == []


def test_a_photo_without_a_vector_has_none(tmp_path: Path) -> None:
    class Broken(Mean):
        def images(self, pictures: Sequence[PILImage.Image]) -> npt.NDArray[np.float32]:
            return np.zeros((len(pictures), 2), np.float32)

    tiles().save(tmp_path / "a.png")
    (found,) = look_all([image(tmp_path / "a.png")], Broken())
    assert found.vector == b"" and found.encoder is None and found.problem is None


@pytest.mark.filterwarnings("ignore::UserWarning")  # of Pillow, about tags
def test_spoiled_files_never_raise(tmp_path: Path) -> None:
    rand = random.Random(0)
    kinds = {"JPEG": {}, "PNG": {}, "GIF": {}, "WEBP": {}, "TIFF": {"compression": "tiff_lzw"}, "BMP": {}}
    for kind, how in kinds.items():
        out = io.BytesIO()
        exif = PILImage.Exif()
        exif[0x0112] = 3
        tiles((64, 48), tile=8).save(out, kind, exif=exif, **how)
        whole = out.getvalue()
        for trial in range(25):
            data = bytearray(whole)
            for _ in range(rand.choice([1, 3, 20])):
                data[rand.randrange(len(data))] = rand.randrange(256)
            if rand.random() < 0.3:
                del data[rand.randrange(len(data)) :]
            (tmp_path / "x").write_bytes(bytes(data))
            found = look(image(tmp_path / "x"))
            assert (found.problem is None) == (found.looks is not None), (kind, trial)


def test_another_process_sees_the_same(demo: Path) -> None:
    photos = sorted((demo / "images").glob("*.jpg"))[:3]
    code = (
        "import sys; from vlit.assess.pictures.look import look; from vlit.data.scene import Image\n"
        "for p in sys.argv[1:]: print(repr(look(Image(uri=p, width=1, height=1))))"
    )
    command = [sys.executable, "-c", code, *map(str, photos)]
    said = [
        subprocess.run(
            command,
            env={
                **os.environ,
                "PYTHONHASHSEED": seed,
                "OMP_NUM_THREADS": threads,
                "OPENBLAS_NUM_THREADS": threads,
            },
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed, threads in (("1", "1"), ("2", "2"))
    ]
    here = "".join(f"{look(image(p))!r}\n" for p in photos)
    assert said == [here, here]


def test_vectors_are_packed_as_half_floats() -> None:
    assert packed([1, -2]) == b"\x00\x3c\x00\xc0"
    assert unpacked(packed([0.5, 3])).tolist() == [0.5, 3]
    assert unpacked(b"").shape == (0,)
