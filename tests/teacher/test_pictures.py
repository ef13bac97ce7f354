"""Pictures as they are sent: own bytes where a server takes them, smaller or marked where that is wanted."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as PILImage

from tests.teacher.answering import Answering, completion
from tests.teacher.asking import ask_all, config, request, texts
from vlit.data.boxes import Box
from vlit.data.images import ImageProblem, probe
from vlit.teacher import pictures
from vlit.teacher.message import Picture
from vlit.teacher.pictures import Pictures, data_url, marked_jpeg
from vlit.teacher.reply import Failure

BOX = Box(100.0, 80.0, 300.0, 220.0)


def of(path: Path, longest_side: int | None = None, mark: Box | None = None) -> Picture:
    return Picture(str(path), hashlib.sha256(path.read_bytes()).hexdigest(), longest_side, mark)


def opened(url: str) -> tuple[str, bytes, PILImage.Image]:
    head, _, data = url.partition(";base64,")
    raw = base64.b64decode(data, validate=True)
    return head, raw, PILImage.open(io.BytesIO(raw))


def saved(path: Path, mode: str, size: tuple[int, int] = (60, 40), **options: Any) -> Path:
    PILImage.new(mode, size, 90 if mode != "CMYK" else (90, 0, 0, 0)).save(path, **options)
    return path


@pytest.fixture
def photo(demo: Path) -> Path:
    return sorted((demo / "images").glob("*.jpg"))[0]


@pytest.mark.parametrize(
    ("name", "mode", "mime"),
    [
        ("a.jpg", "RGB", "image/jpeg"),
        ("a.jpg", "L", "image/jpeg"),
        ("wrong_ending.bmp", "RGB", "image/png"),
        ("a.png", "RGBA", "image/png"),
        ("a.png", "P", "image/png"),
        ("a.webp", "RGB", "image/webp"),
        ("a.gif", "P", "image/gif"),
    ],
)
def test_what_servers_take_is_sent_as_it_is(tmp_path: Path, name: str, mode: str, mime: str) -> None:
    path = saved(tmp_path / name, mode, format={"image/jpeg": "JPEG"}.get(mime, mime[6:].upper()))
    head, raw, _ = opened(data_url(of(path, longest_side=60)))
    assert head == f"data:{mime}"
    assert raw == path.read_bytes()


@pytest.mark.parametrize(
    ("name", "mode"),
    [("a.bmp", "RGB"), ("a.tiff", "RGB"), ("a.jpg", "CMYK"), ("a.png", "I;16"), ("a.ppm", "RGB")],
)
def test_what_servers_do_not_take_is_made_a_jpeg(tmp_path: Path, name: str, mode: str) -> None:
    head, _, image = opened(data_url(of(saved(tmp_path / name, mode))))
    assert head == "data:image/jpeg"
    assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (60, 40))


def test_a_photo_that_lies_on_its_side_is_sent_upright(tmp_path: Path) -> None:
    exif = PILImage.Exif()
    exif[0x0112] = 6
    path = saved(tmp_path / "a.jpg", "RGB", exif=exif)
    assert opened(data_url(of(path)))[2].size == (40, 60)


def test_a_bigger_photo_is_made_smaller(photo: Path) -> None:
    full = PILImage.open(photo).size
    _, raw, image = opened(data_url(of(photo, longest_side=100)))
    assert max(image.size) == 100
    assert image.size[0] / image.size[1] == pytest.approx(full[0] / full[1], rel=0.02)
    assert data_url(of(photo, longest_side=max(full))) == data_url(of(photo))
    assert len(raw) < photo.stat().st_size


def test_the_mark_stands_where_the_box_is(photo: Path) -> None:
    scene = probe(str(photo))
    _, raw, image = opened(data_url(of(photo, mark=BOX)))
    assert image.size == (scene.width, scene.height)
    assert raw == marked_jpeg(scene, BOX) == marked_jpeg(scene, BOX)
    assert _red(image, BOX) == [True] * 4
    small = PILImage.open(io.BytesIO(marked_jpeg(scene, BOX, longest_side=scene.width // 2)))
    factor = small.width / scene.width
    assert _red(small, BOX.scaled(factor, factor)) == [True] * 4
    inside = image.getpixel((200, 150))
    before = PILImage.open(photo).convert("RGB").getpixel((200, 150))
    assert inside == pytest.approx(before, abs=12)


def _red(image: PILImage.Image, box: Box) -> list[bool]:
    """Whether a red line crosses the middle of each side."""
    x, y = (round(c) for c in box.center)
    found = []
    for at, across in ((box.x1, True), (box.x2, True), (box.y1, False), (box.y2, False)):
        near = range(round(at) - 12, round(at) + 13)
        pixels = [image.getpixel((i, y) if across else (x, i)) for i in near]
        found.append(any(r > 180 and g < 100 and b < 100 for r, g, b in pixels))  # type: ignore[misc]
    return found


@pytest.mark.parametrize(
    "box",
    [Box(0, 0, 60, 40), Box(-50, -50, 500, 500), Box(59, 39, 60, 40), Box(5, 5, 5, 5), Box(70, 70, 90, 90)],
)
def test_boxes_at_the_border_are_marked_within_it(tmp_path: Path, box: Box) -> None:
    path = saved(tmp_path / "a.png", "RGB")
    image = PILImage.open(io.BytesIO(marked_jpeg(probe(str(path)), box)))
    red, green, _ = image.split()
    assert sum(r > 150 and g < 110 for r, g in zip(red.tobytes(), green.tobytes(), strict=True)) >= 4


def test_a_photo_that_changed_or_went_is_not_sent(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", "RGB")
    picture = of(path)
    saved(path, "RGB", (61, 40))
    with pytest.raises(ImageProblem, match="bytes have changed"):
        data_url(picture)
    path.unlink()
    with pytest.raises(ImageProblem, match="missing"):
        data_url(picture)


def test_a_photo_is_read_once_while_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def reading(uri: str) -> bytes:
        read.append(uri)
        return Path(uri).read_bytes()

    monkeypatch.setattr(pictures, "read_bytes", reading)
    paths = [saved(tmp_path / f"{i}.png", "RGB", (60 + i, 40)) for i in range(4)]
    size = len(data_url(of(paths[0])))
    read.clear()

    async def run() -> None:
        kept = Pictures(most_bytes=3 * size + 20)
        first = await asyncio.gather(*(kept.url(of(paths[0])) for _ in range(5)))
        assert len(set(first)) == len(read) == 1
        for path in (paths[1], paths[0], paths[2], paths[3]):  # the fourth one drives out the second
            await kept.url(of(path))
        assert len(read) == 4
        await kept.url(of(paths[0]))
        assert len(read) == 4
        await kept.url(of(paths[1]))
        assert len(read) == 5

    asyncio.run(run())


def test_whoever_waits_for_the_same_photo_survives_a_cancellation(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", "RGB")

    async def run() -> str:
        kept = Pictures()
        first, second = (asyncio.create_task(kept.url(of(path))) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        return await second

    assert asyncio.run(run()) == data_url(of(path))


def test_a_link_is_sent_as_it_is_where_that_is_wanted() -> None:
    picture = Picture("https://photos.example/a.jpg", "0" * 64, 1024)
    assert asyncio.run(Pictures(linked=True).url(picture)) == picture.uri


def test_the_body_holds_the_photo_and_the_journal_does_not(tmp_path: Path, photo: Path) -> None:
    with Answering(lambda _: completion("a")) as server:
        (outcome,) = ask_all(tmp_path, config(server.url), request("What is it?", of(photo)))
    assert texts(outcome) == ("a",)
    picture, text = server.heard[0].body["messages"][1]["content"]
    assert text == {"type": "text", "text": "What is it?"}
    assert opened(picture["image_url"]["url"])[1] == photo.read_bytes()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 5000


def test_a_body_of_megabytes_arrives(tmp_path: Path) -> None:
    path = tmp_path / "noise.png"
    PILImage.effect_noise((1500, 1500), 90).save(path)
    assert path.stat().st_size > 1 << 20
    with Answering(lambda _: completion("a")) as server:
        ask_all(tmp_path / "journal", config(server.url), request("x", of(path)))
        url = server.heard[0].body["messages"][1]["content"][0]["image_url"]["url"]
    assert opened(url)[1] == path.read_bytes()


def test_a_photo_that_cannot_be_read_fails_its_request_alone(tmp_path: Path, photo: Path) -> None:
    gone = Picture(str(tmp_path / "gone.jpg"), "0" * 64)
    with Answering(lambda _: completion("a")) as server:
        settings = config(server.url)
        for _ in range(2):
            bad, good = ask_all(tmp_path / "journal", settings, request("x", gone), request("x", of(photo)))
            assert bad == Failure("refused", "the photo cannot be sent: the file is missing")
            assert texts(good) == ("a",)
        assert len(server.heard) == 1
