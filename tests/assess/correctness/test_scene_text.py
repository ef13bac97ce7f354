import msgspec
import pytest

from tests.assess.correctness.judging import outcomes
from tests.assess.small import obj, scene
from vlit.data.scene import SceneText

SIGN = msgspec.structs.replace(
    scene([obj(1, "bus")]),
    texts=(
        SceneText(id="t1", text="COCA"),
        SceneText(id="t2", text="Cola"),
        SceneText(id="t3", text="Route 7"),
    ),
)


def of(question, answer, room=SIGN):
    return outcomes(room, question, answer, "scene text")


@pytest.mark.parametrize(
    "answer",
    [
        'The sign reads "Coca Cola".',
        "It says “coca-cola!”.",
        "The bus has the words 'CocaCola' on it.",
        'A sign with the text "Route seven".',
        'The only text is "route 7".',
    ],
)
def test_what_annotators_read_is_supported(answer):
    assert of("?", answer) == ["supported"]


@pytest.mark.parametrize(
    ("question", "answer", "outcome"),
    [
        ("?", 'The sign reads "Pepsi".', ["unverifiable"]),  # annotators leave out small print
        ("What does the sign say?", '"Pepsi"', ["unverifiable"]),
        ("?", 'The only text in the image is "Pepsi".', ["contradicted"]),
        ("?", 'The only text on the bus is "Pepsi".', ["unverifiable"]),
        ("?", 'The only text in the image is "Coce".', ["unverifiable"]),  # a misreading
        ("?", "There is no text in the image.", ["contradicted"]),
        ("?", "There is no text on the bus.", []),
        ("?", "There is no other text.", []),
        ("Is there any text in the image?", "No.", ["contradicted"]),
        ("Is there any text on the door?", "No.", []),
        ("?", 'He is a "hero" of the day.', []),  # not said to be written anywhere
        ("?", "The dog's toy reads 'it'.", ["unverifiable"]),
    ],
)
def test_open_world(question, answer, outcome):
    assert of(question, answer) == outcome


def test_without_annotated_text_nothing_is_contradicted():
    room = scene([obj(1, "bus")])
    assert of("?", "There is no text in the image.", room) == ["unverifiable"]
    assert of("?", 'The only text is "STOP".', room) == ["unverifiable"]
