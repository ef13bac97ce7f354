from __future__ import annotations

from pathlib import Path

import PIL.Image as PILImage
import pytest

from tests.assess.pictures.drawn import image, tiles
from tests.assess.small import sample
from vlit.assess.hygiene.near_duplicate_images import NearDuplicateImage, NearDuplicateImageConfig
from vlit.assess.pictures.look import look_all
from vlit.assess.seen import Part, Pictures, Seen
from vlit.assess.stage import fit
from vlit.data.score import Score


def run(*uris_of: list[Path], **config: float) -> list[Score]:
    """One sample for each list of photos."""
    indicator = NearDuplicateImage(NearDuplicateImageConfig(**config))  # type: ignore[arg-type]
    samples = [
        sample("a", "b", id=str(i), images=tuple(image(uri) for uri in uris)) for i, uris in enumerate(uris_of)
    ]
    pictures = Pictures(look_all([image(uri) for uri in dict.fromkeys(u for uris in uris_of for u in uris)]))
    state = fit([indicator], samples, Seen(len(samples), pictures=lambda: pictures))[indicator.name]
    return list(indicator.score(Part(samples, pictures=pictures), state))


@pytest.fixture
def photo(demo: Path) -> Path:
    return demo / "images" / "000000000790.jpg"


def test_the_same_photo_under_another_name_is_found(photo: Path, demo: Path, tmp_path: Path) -> None:
    whole = PILImage.open(photo)
    whole.resize((200, 150)).save(tmp_path / "small.png")
    whole.save(tmp_path / "poor.jpg", quality=15)
    (tmp_path / "copy.jpg").write_bytes(photo.read_bytes())
    other = demo / "images" / "000000084284.jpg"
    names = (tmp_path / "small.png", tmp_path / "poor.jpg", tmp_path / "copy.jpg")
    found = run([photo], [other], *([name] for name in names))
    assert [s.value for s in found[:2]] == [0, 0]
    assert all(s.value is not None and s.value > 0.88 for s in found[2:])
    assert found[4].value == 1
    assert found[4].reason == f"{tmp_path / 'copy.jpg'} is 100% like {photo}"


def test_many_samples_on_one_photo_are_no_duplicates(photo: Path) -> None:
    assert [s.value for s in run([photo], [photo], [photo])] == [0, 0, 0]


def test_the_first_in_the_order_of_the_set_is_the_original(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(photo.read_bytes())
    assert [s.value for s in run([photo], [tmp_path / "a.jpg"])] == [0, 1]
    assert [s.value for s in run([tmp_path / "a.jpg"], [photo])] == [0, 1]


def test_the_likest_of_several_images_counts(photo: Path, demo: Path, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(photo.read_bytes())
    other = demo / "images" / "000000084284.jpg"
    assert run([photo], [other, tmp_path / "a.jpg"])[1].value == 1


def test_photos_that_cannot_be_opened_have_a_reason(photo: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone.jpg"
    found = run([gone], [], [gone, photo])
    assert [(s.value, s.reason) for s in found] == [
        (None, "none of its photos could be looked at"),
        (None, "the sample has no image"),
        (0, None),
    ]
    assert run() == []


def test_a_wider_distance_finds_a_cut_photo(photo: Path, tmp_path: Path) -> None:
    whole = PILImage.open(photo)
    w, h = whole.size
    whole.crop((w // 100, h // 100, w, h)).save(tmp_path / "cut.png")
    narrow, wide = (run([photo], [tmp_path / "cut.png"], max_distance=d)[1].value for d in (3, 31))
    assert narrow == 0 and wide is not None and wide > 0.75


def test_flat_pictures_are_alike_by_their_colour(tmp_path: Path) -> None:
    for name in ("red", "blue"):
        PILImage.new("RGB", (90, 60), name).save(tmp_path / f"{name}.png")
    PILImage.new("RGB", (400, 300), "red").save(tmp_path / "large.png")
    tiles().save(tmp_path / "tiles.png")
    found = run(*([tmp_path / f"{name}.png"] for name in ("red", "blue", "large", "tiles")))
    assert [s.value for s in found] == [0, 0, 1, 0]
