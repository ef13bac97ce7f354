"""Reasons of samples, as they are said of the whole set."""

from vlit.data.score import Score, commonest_reason


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
