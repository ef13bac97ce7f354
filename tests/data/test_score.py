"""Reasons of samples, as they are said of the whole set."""

from vlit.data.score import Quarantined, Score, commonest, commonest_reason


def reason_of(*reasons: str) -> str:
    return commonest_reason([Score(sample="s", indicator="i", value=None, reason=r) for r in reasons])


def test_a_reason_is_told_whole() -> None:
    assert reason_of("too few samples to learn from: 15") == "too few samples to learn from: 15"
    assert reason_of("no 5 of 90 are alike: there is no cluster").startswith("no 5 of 90")
    assert reason_of() == ""


def test_photos_with_the_same_problem_are_counted_together() -> None:
    found = reason_of("/a b/1.jpg: the file is missing", "2.png: the file is missing", "there is no image")
    assert found == "no photo can be used: the file is missing"
    assert reason_of("/1.jpg: not an image: the file is empty").endswith(": not an image: the file is empty")


def test_one_folder_that_is_wrong_is_one_reason():
    rows = [
        Quarantined(stage="load", file="f", record=str(n), field="image", value=f"{n}.jpg", reason=why)
        for n, why in enumerate([f"the file is missing (looked for /a/{n}.jpg)" for n in range(3)] + ["empty"])
    ]
    assert (
        commonest(rows) == "3 x the file is missing (looked for /a/0.jpg) (e.g. 0.jpg); 1 x empty (e.g. 3.jpg)"
    )
