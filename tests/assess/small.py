"""Small scenes and samples for the tests of this folder."""

from vlit.data.boxes import Box
from vlit.data.sample import Provenance, Sample, Turn
from vlit.data.scene import Answer, Caption, Image, Object, Question, Scene

COCO = (
    "person",
    "bicycle",
    "car",
    "motorcycle",
    "bus",
    "truck",
    "dog",
    "cat",
    "horse",
    "skis",
    "tie",
    "orange",
    "couch",
    "dining table",
    "scissors",
    "hot dog",
    "teddy bear",
    "cup",
    "wine glass",
    "toaster",
    "elephant",
    "bench",
)
IMAGE = Image(uri="/photos/1.jpg", width=100, height=100, sha256="ab")


def obj(id, label, x=0, crowd=False):
    return Object(id=str(id), label=label, box=Box(x, 10, x + 20, 30), crowd=crowd)


def scene(objects=(), captions=(), questions=(), searched=COCO, id="s1"):
    return Scene(
        id=id,
        image=IMAGE,
        source="test",
        objects=tuple(objects),
        captions=tuple(Caption(id=f"c{i}", text=t) for i, t in enumerate(captions)),
        questions=tuple(questions),
        searched=searched,
    )


def asked(text, *answers, choices=(), correct=None):
    given = tuple(Answer(text=t, count=n) for t, n in answers)
    return Question(id="q", text=text, answers=given, choices=choices, correct=correct)


def sample(*texts, id="1", scenes=("s1",), images=(IMAGE,), task="t"):
    roles = ("user", "assistant") * len(texts)
    turns = tuple(Turn(role=r, text=t) for r, t in zip(roles, texts, strict=False))
    return Sample(id=id, turns=turns, images=images, task=task, provenance=Provenance(scenes=scenes))
