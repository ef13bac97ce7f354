"""Tests of finding benchmark questions in training samples."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Photo

from vlit.assess.pictures.look import look
from vlit.data.errors import VlitError
from vlit.data.images import probe
from vlit.data.sample import Sample, Turn
from vlit.data.scene import Image
from vlit.evaluate.contamination import contaminated, hash_of, nearest, read_contamination, runs
from vlit.evaluate.question import Answered, Question

LONG = "Which of the two boats in the harbour has the taller mast?"


def sample(id: str, *texts: str, images: tuple[Image, ...] = ()) -> Sample:
    turns = tuple(Turn(role="user" if i % 2 == 0 else "assistant", text=text) for i, text in enumerate(texts))
    return Sample(id=id, turns=turns, images=images)


def question(id: str, prompt: str = "What?", *images: Image) -> Question:
    return Question(id=id, prompt=f"<image>\n{prompt}", images=images)


def of_demo(demo: Path, n: int) -> list[Image]:
    return [probe(str(path)) for path in sorted(demo.rglob("*.jpg"))[:n]]


def test_the_same_file_is_found_under_any_name(demo: Path, tmp_path: Path) -> None:
    first, second, third = of_demo(demo, 3)
    copy = tmp_path / "other name.jpg"
    copy.write_bytes(Path(first.uri).read_bytes())
    found = contaminated(
        [question("a", "What?", first), question("b", "What?", second)],
        [sample("s1", "Hm?", images=(third,)), sample("s2", "Hm?", images=(probe(str(copy)),))],
    )
    assert found.ids == ("a",)
    assert found.found["a"][0][:2] == ("photo", "s2")
    assert found.counts() == {"photo": 1, "near photo": 0, "question": 0, "in all": 1}
    assert (found.photos, found.trained, found.samples, found.looked, found.unseen) == (2, 2, 2, 1, 0)


def test_a_photo_that_was_scaled_and_stored_anew_is_found_by_look(demo: Path, tmp_path: Path) -> None:
    photos = of_demo(demo, 12)
    copy = tmp_path / "small.jpg"
    with Photo.open(photos[0].uri) as whole:
        whole.resize((whole.width // 2, whole.height // 2)).save(copy, quality=50)
    found = contaminated(
        [question(str(i), "What?", photo) for i, photo in enumerate(photos[:6])],
        [sample(f"s{i}", "Hm?", images=(photo,)) for i, photo in enumerate([*photos[6:], probe(str(copy))])],
    )
    assert found.ids == ("0",)
    assert found.found["0"][0][:2] == ("near photo", "s6")
    assert "bits unequal" in found.found["0"][0].told


def test_known_hashes_are_taken_and_nothing_is_opened() -> None:
    there = Image(uri="/nowhere/1.jpg", width=8, height=8, sha256="a")
    other = Image(uri="/nowhere/2.jpg", width=8, height=8, sha256="b")
    asked, trained = [question("a", "What?", there)], [sample("s", "Hm?", images=(other,))]
    known = contaminated(asked, trained, hashes={there.uri: "f0" * 32, other.uri: "f1" + "f0" * 31})
    assert known.found["a"][0].kind == "near photo"
    unknown = contaminated(asked, trained)
    assert (unknown.ids, unknown.unseen, unknown.looked) == ((), 2, 0)
    assert "2 photos are blank or cannot be opened" in unknown.told()


def test_hashes_are_those_of_observed_photos(demo: Path) -> None:
    photos = of_demo(demo, 6)
    assert [hash_of(photo) for photo in photos] == [look(photo).hash for photo in photos]


def test_blank_pictures_are_not_alike(tmp_path: Path) -> None:
    for i, grey in enumerate((10, 250)):
        Photo.new("L", (64, 64), grey).save(tmp_path / f"{i}.png")
    first, second = (probe(str(tmp_path / f"{i}.png")) for i in (0, 1))
    found = contaminated([question("a", "What?", first)], [sample("s", "Hm?", images=(second,))])
    assert (found.ids, found.unseen) == ((), 2)


def test_address_is_enough_where_the_training_photo_was_not_opened(demo: Path) -> None:
    photo = of_demo(demo, 1)[0]
    unopened = Image(uri=photo.uri, width=1, height=1)
    assert contaminated([question("a", "?", photo)], [sample("s", "?", images=(unopened,))]).ids == ("a",)


def test_question_is_found_in_other_dress_and_not_by_its_prompt() -> None:
    prompt = "Answer the question using a single word or phrase please."
    asked = [question("a", f"{LONG}\n{prompt}"), *(question(str(i), f"Is it {i}?\n{prompt}") for i in range(5))]
    trained = [
        sample("s1", f"Is there a dog?\n{prompt}", "No."),
        sample("s2", "Look.", LONG),  # the assistant's words are no instruction
        sample("s3", f"<image>\n{LONG.upper()}\n{prompt}", "The left one."),
    ]
    found = contaminated(asked, trained)
    assert found.ids == ("a",)
    assert found.found["a"][0][:2] == ("question", "s3")
    assert found.short == 5  # they have nothing of their own but short lines


@pytest.mark.parametrize("text", ["What colour is the cat?", "What time does the clock say it is?"])
def test_short_questions_are_everybodys(text: str) -> None:
    found = contaminated([question("a", text)], [sample("s", text)])
    assert (found.ids, found.short) == ((), 1)


def test_half_a_question_is_not_the_question() -> None:
    found = contaminated([question("a", LONG)], [sample("s", "Which of the two boats in the harbour is it?")])
    assert found.ids == ()


def test_rotations_of_a_question_are_one_question() -> None:
    asked = [question(f"a#{i}", LONG) for i in range(8)]
    assert contaminated(asked, [sample("s", LONG)]).ids == tuple(f"a#{i}" for i in range(8))


def test_what_many_questions_share_is_how_they_ask() -> None:
    asked = [question(str(i), LONG) for i in range(4)]
    found = contaminated(asked, [sample("s", LONG)])
    assert (found.ids, found.short) == ((), 4)


def test_clean_rows_are_those_without_findings_and_the_record_is_json(demo: Path) -> None:
    import msgspec

    asked = [question("a", LONG), question("b", "Another thing that has never been asked by anyone at all?")]
    found = contaminated(asked, [sample("s", LONG)])
    rows = [Answered(question=one, text="x") for one in asked]
    assert [row.question.id for row in found.clean(rows)] == ["b"]
    assert msgspec.json.decode(msgspec.json.encode(found.record()))["found"]["a"][0]["sample"] == "s"
    assert found.told().startswith("1 of 2 questions are in the 1 training samples (0 by photo, ")


def test_a_record_is_read_again(tmp_path: Path) -> None:
    import msgspec

    path = tmp_path / "contamination.json"
    assert read_contamination(path) is None
    found = contaminated([question("a", LONG), question("b", "What?")], [sample("s", LONG)])
    path.write_bytes(msgspec.json.encode(found.record()))
    assert read_contamination(path) == found
    for text in ("[]", "{}", "nothing", '{"found": {"a": [{"kind": "photo"}]}, "counts": {}}'):
        path.write_text(text)
        with pytest.raises(VlitError, match="no record of contamination"):
            read_contamination(path)


def test_more_photos_than_may_be_opened_are_drawn_by_the_seed(demo: Path) -> None:
    photos = of_demo(demo, 8)
    asked = [question("a", "What?", photos[0])]
    trained = [sample(f"s{i}", "Hm?", images=(photo,)) for i, photo in enumerate(photos[1:])]
    assert contaminated(asked, trained, most_photos=3).looked == 3
    assert contaminated(asked, trained, most_photos=0).looked == 0
    assert contaminated(asked, iter(trained[::-1]), most_photos=3).record()["looked"] == 3


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 60))
def test_no_near_hash_is_missed(seed: int, flips: int) -> None:
    generator = np.random.default_rng(seed)
    theirs = generator.integers(0, 2**64, size=(50, 4), dtype=np.uint64)
    place = int(generator.integers(50))
    bits = np.unpackbits(theirs[place].view(np.uint8))
    bits[generator.choice(256, flips, replace=False)] ^= 1
    ours = np.packbits(bits).view(np.uint64)[None]
    at, distance = nearest(ours, theirs)
    assert (at.tolist(), distance.tolist()) == ([place], [flips])


def test_copies_are_found_and_other_photos_are_not(demo: Path, tmp_path: Path) -> None:
    """Of 22 photos of the demo, none is taken for one of the other 22; copies of each kind are found."""
    photos = of_demo(demo, 44)
    other = [sample(f"s{i}", "Hm?", images=(photo,)) for i, photo in enumerate(photos[22:])]
    asked = [question(str(i), "What?", photo) for i, photo in enumerate(photos[:22])]
    assert contaminated(asked, other).ids == ()
    ways: list[tuple[str, Callable[[Photo.Image], Photo.Image], int]] = [
        ("small", lambda p: p.resize((p.width // 3, p.height // 3)), 22),
        ("square", lambda p: p.resize((336, 336)), 22),
        ("bright", lambda p: p.point(lambda v: min(255, int(v * 1.3))), 22),
        ("cut 2 %", lambda p: p.crop((p.width // 100, p.height // 100, p.width * 99 // 100, p.height)), 22),
        (
            "cut 5 %",
            lambda p: p.crop((p.width // 40, p.height // 40, p.width * 39 // 40, p.height * 39 // 40)),
            20,
        ),
    ]
    for name, copy, least in ways:
        (tmp_path / name).mkdir()
        copies = []
        for i, photo in enumerate(photos[:22]):
            with Photo.open(photo.uri) as whole:
                copy(whole.convert("RGB")).save(tmp_path / name / f"{i}.jpg", quality=60)
            copies.append(sample(f"c{i}", "Hm?", images=(probe(str(tmp_path / name / f"{i}.jpg")),)))
        found = contaminated(asked, [*other, *copies])
        assert len(found.ids) >= least, name
        assert all(of[0].sample == f"c{id}" for id, of in found.found.items()), name


def test_all_training_photos_of_known_hashes_are_compared_however_many_may_be_opened() -> None:
    there = Image(uri="/nowhere/0.jpg", width=8, height=8, sha256="0")
    others = [Image(uri=f"/nowhere/{i}.jpg", width=8, height=8, sha256=str(i)) for i in range(1, 6)]
    hashes = {image.uri: f"f{image.sha256}" + "f0" * 31 for image in (there, *others)}
    trained = [sample(f"s{image.sha256}", "Hm?", images=(image,)) for image in others]
    found = contaminated([question("a", "What?", there)], trained, hashes=hashes, most_photos=1)
    assert (found.looked, found.trained, found.found["a"][0].kind) == (5, 5, "near photo")


def test_words_that_are_not_compared_are_not_told() -> None:
    found = contaminated([question("a", LONG)], [sample("s", LONG)], words=False)
    assert (found.ids, found.short, found.record()["words"]) == ((), 0, False)
    compared = (
        "(0 by photo, 0 by near photo). Compared: 0 of 0 training photos by look; words are not compared."
    )
    assert found.told().endswith(compared)


@pytest.mark.parametrize(("text", "n"), [("", 0), ("one two three four five six seven", 0), (LONG, 5)])
def test_runs_of_eight_words(text: str, n: int) -> None:
    assert len(list(runs(text))) == n
