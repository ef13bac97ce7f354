"""Batches ahead of the steps: the same whatever the threads, and corrupt photos left out with a reason."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from tests.tune import tiny
from tests.tune.photos import example, examples, photos
from vlit.data.images import probe
from vlit.tune.feed import AHEAD, Feed, Ready
from vlit.tune.models.llava import Llava
from vlit.tune.source import Source

torch = pytest.importorskip("torch")
PLAN = [([[0, 1], [2]], [[3]]), ([[4]], [[5, 6], [7]]), ([[8, 9]], [])]


def same(a: Ready, b: Ready) -> bool:
    if (a.samples, a.labels, a.tokens, a.skipped) != (b.samples, b.labels, b.tokens, b.skipped):
        return False
    pairs = list(zip(a.micros, b.micros, strict=True))
    return all(
        torch.equal(x.ids, y.ids) and all(torch.equal(x.images[k], y.images[k]) for k in x.images | y.images)
        for x, y in pairs
    )


def test_readers_change_nothing(tmp_path: Path) -> None:
    model = tiny.llava(tmp_path)
    source = Source.of(examples(model, 10))
    alone = list(Feed(PLAN, source, model, readers=0))
    assert [r.samples for r in alone] == [("s0", "s1", "s2", "s3"), ("s4", "s5", "s6", "s7"), ("s8", "s9")]
    assert alone[0].labels == sum(source[i].trained for i in range(4))
    assert alone[0].tokens == sum(len(source[i].ids) for i in range(4))
    assert [len(r.micros) for r in alone] == [2, 2, 1]  # a micro-batch without rows is left out
    for readers in (1, 3):
        found = list(Feed(PLAN, source, model, readers=readers))
        assert all(same(a, b) for a, b in zip(alone, found, strict=True))


def test_no_more_steps_are_held_than_are_ahead(tmp_path: Path) -> None:
    model = tiny.llava(tmp_path)
    source, taken = Source.of(examples(model, 10)), []

    def plan() -> object:
        for step in range(20):
            taken.append(step)
            yield [[[step % 10]]]

    feed = iter(Feed(plan(), source, model, readers=2))  # type: ignore[arg-type]
    next(feed)
    assert len(taken) == AHEAD + 1
    before = threading.active_count()
    feed.close()  # type: ignore[attr-defined]
    assert threading.active_count() < before


def test_beside_other_processes_every_micro_batch_shows_an_image(tmp_path: Path) -> None:
    model = tiny.llava(tmp_path)
    source = Source.of(examples(model, 10))
    (ready, _, last) = Feed(PLAN, source, model, readers=0, together=True)
    assert [len(r.micros) for r in (ready, last)] == [2, 2]
    assert all(batch.images for r in (ready, last) for batch in r.micros)  # sample 3 is text alone
    assert ready.labels == sum(source[i].trained for i in range(4))
    assert ready.samples == ("s0", "s1", "s2", "s3")
    assert not (last.micros[1].labels != -100).any()


@pytest.mark.parametrize("readers", [0, 2])
def test_a_corrupt_photo_costs_its_samples_alone(readers: int, tmp_path: Path) -> None:
    model = tiny.llava(tmp_path)
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(Path(photos()[0].uri).read_bytes()[:2000])
    gone = replace_uri(tmp_path / "gone.jpg")
    own = examples(model, 10)
    own[1] = example(model, 1, images=[replace_uri(broken)])
    own[5] = example(model, 5, images=[photos()[3], gone])
    found = list(Feed(PLAN, Source.of(own), model, readers=readers))
    assert [r.samples for r in found] == [("s0", "s2", "s3"), ("s4", "s6", "s7"), ("s8", "s9")]
    assert [(s.id, Path(s.uri).name, s.reason) for r in found for s in r.skipped] == [
        ("s1", "broken.jpg", found[0].skipped[0].reason), ("s5", "gone.jpg", "the file is missing")
    ]  # fmt: skip
    assert "truncated" in found[0].skipped[0].reason
    assert found[0].labels == sum(own[i].trained for i in (0, 2, 3))


def replace_uri(path: Path) -> object:
    import msgspec

    return msgspec.structs.replace(photos()[0], uri=str(path))


class Choosy(Llava):
    """Refuses very wide photos, as processors that resize by area do, and breaks at very high ones."""

    def pixels(self, pictures: Any) -> Any:
        for picture in pictures:
            if picture.width > 20 * picture.height:
                raise ValueError("aspect ratio must be smaller than 20")
            if picture.height > 20 * picture.width:
                raise TypeError("a mistake")
        return super().pixels(pictures)


def choosy(folder: Path, size: tuple[int, int]) -> tuple[Source, Choosy]:
    made = tiny.llava(folder)
    PIL.Image.new("RGB", size).save(folder / "photo.png")
    own = examples(made, 10)
    own[1] = example(made, 1, images=[probe(str(folder / "photo.png"))])
    return Source.of(own), Choosy(made.model, made.tokenizer, made.processor)


@pytest.mark.parametrize("readers", [0, 2])
def test_a_photo_that_the_processor_refuses_is_left_out(readers: int, tmp_path: Path) -> None:
    source, model = choosy(tmp_path, (300, 2))
    found = list(Feed(PLAN, source, model, readers=readers))
    assert [s.reason for r in found for s in r.skipped] == [
        "the image processor refuses it: aspect ratio must be smaller than 20"
    ]


@pytest.mark.parametrize("readers", [0, 2])
def test_any_other_error_reaches_the_loop_and_ends_the_threads(readers: int, tmp_path: Path) -> None:
    source, model = choosy(tmp_path, (2, 300))
    before = threading.active_count()
    with pytest.raises(TypeError, match="a mistake") as error:
        list(Feed(PLAN, source, model, readers=readers))
    assert "photo.png" in error.value.__notes__[0]
    assert threading.active_count() == before


def test_a_photo_that_was_replaced_by_one_of_another_size_is_left_out(tmp_path: Path) -> None:
    model = tiny.llava(tmp_path)
    path = tmp_path / "photo.png"
    PIL.Image.new("RGB", (40, 30)).save(path)
    own = replace(example(model, 0, images=[probe(str(path))]), id="changed")
    PIL.Image.new("RGB", (30, 40)).save(path)
    (found,) = Feed([[[[0]]]], Source.of([own]), model, readers=0)
    assert found.skipped[0].reason == "is 30x40 now and was 40x30 when it was encoded"
    assert found.micros == () and found.labels == 0
