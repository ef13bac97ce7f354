"""The model that comes with vlit, and how it was built."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import PIL.Image as PILImage
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ImageDraw

from vlit.data.images import probe
from vlit.data.sample import Sample, Turn
from vlit.tune import pocket

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

SCRIPTS = Path(__file__).parents[2] / "scripts"
COLOURS = {"red": (214, 40, 40), "green": (46, 158, 62), "blue": (40, 84, 214), "yellow": (242, 214, 44)}


@pytest.fixture(scope="module")
def model() -> Any:
    from vlit.tune.models.registry import load_model

    return load_model(str(pocket.folder()))


@pytest.fixture(scope="module")
def building() -> Iterator[Any]:
    """The script that builds it, as a module."""
    sys.path.insert(0, str(SCRIPTS))
    try:
        yield importlib.import_module("pocket")
    finally:
        sys.path.remove(str(SCRIPTS))


def test_it_is_small_and_whole(model: Any) -> None:
    assert sum(path.stat().st_size for path in pocket.folder().iterdir() if path.is_file()) < 5_000_000
    assert model.name == "llava" and len(model.tokenizer) <= 2_000
    assert model.model.dtype == torch.float32  # stored in bfloat16
    assert (pocket.folder() / "README.md").is_file()


def test_its_template_is_one_of_ours(model: Any) -> None:
    from vlit.tune.chat.template import named

    assert model.tokenizer.chat_template == named("chatml")
    assert model.tokenizer.eos_token == "<|im_end|>"


@given(text=st.text(max_size=60))
@settings(max_examples=60, deadline=None)
def test_every_text_can_be_written(model: Any, text: str) -> None:
    ids = model.tokenizer.encode(text.replace("<", ""), add_special_tokens=False)
    assert model.tokenizer.decode(ids, clean_up_tokenization_spaces=False) == text.replace("<", "")


def asked(folder: Path, colour: str, x: int, question: str) -> Sample:
    picture = PILImage.new("RGB", (96, 96), (142, 146, 150))
    ImageDraw.Draw(picture).ellipse((x - 16, 30, x + 16, 62), fill=COLOURS[colour])
    path = folder / f"{colour}-{x}.png"
    picture.save(path)
    turns = (Turn(role="user", text=f"<image>\n{question}"),)
    return Sample(id=f"{colour}/{x}", turns=turns, images=(probe(str(path)),))


def test_it_sees_colours(model: Any, tmp_path: Path) -> None:
    from vlit.tune.answer import answers
    from vlit.tune.chat.encode import Encoder
    from vlit.tune.chat.template import Template

    encoder = Encoder(model, Template.of(model.tokenizer), max_length=256, overlong="refuse")
    question = "What color is the circle?\nPlease answer in as few words as possible."
    samples = [asked(tmp_path, colour, x, question) for colour in COLOURS for x in (24, 48, 72)]
    said = answers(model, [encoder.prompt(s) for s in samples], batch=12, max_new_tokens=8)
    right = [s.id.startswith(str(a).lower().strip(". ")) for s, a in zip(samples, said, strict=True)]
    assert sum(right) >= 9, said  # 3 of 12 by chance


def test_questions_about_a_picture_do_not_see_one_another(building: Any, model: Any) -> None:
    shown = building.exposition(model.tokenizer, 5, range(2))[0]
    chosen = shown.asked[:4]
    prefix = model.tokenizer.encode("<|im_start|>user\n") + [model.model.config.image_token_id] * 64
    looked = building.seen_by(model.model, building.pixels([shown]))
    with torch.no_grad():
        losses = []
        for group in ([one] for one in chosen):
            batch = building.rows(prefix, [group])
            losses.append((building.answer_loss(model.model, batch, looked)[0], batch.weights.max()))
            losses[-1] = (losses[-1][0], sum(label != building.IGNORE for label in group[0].labels) ** 0.5)
        together, _ = building.answer_loss(model.model, building.rows(prefix, [chosen]), looked)
    # Each answer weighs the root of its number of tokens.
    expected = sum(float(loss) * weight for loss, weight in losses) / sum(weight for _, weight in losses)
    assert float(together) == pytest.approx(expected, abs=1e-5)


def test_pictures_and_their_questions_depend_on_the_seed_alone(building: Any, model: Any) -> None:
    one, other = (building.exposition(model.tokenizer, 5, range(4)) for _ in range(2))
    assert [s.picture.scene for s in one] == [s.picture.scene for s in other]
    assert all((a.picture.pixels == b.picture.pixels).all() for a, b in zip(one, other, strict=True))
    assert [a.ids for s in one for a in s.asked] == [a.ids for s in other for a in s.asked]
    assert one[0].picture.scene != building.exposition(model.tokenizer, 6, range(2))[0].picture.scene


def test_boxes_are_where_the_shapes_are(building: Any) -> None:
    from PIL import Image

    shapes = importlib.import_module("pocket_shapes")
    assert building.PATCHES == 64
    for number in range(6):
        picture = shapes.picture(1, number, coloured=False)
        owners = shapes.owners(picture.drawn, 12).reshape(8, 8)
        assert Image.fromarray(picture.pixels).size == (96, 96)
        for (row, column), owner in ((at, owners[at]) for at in zip(*(owners >= 0).nonzero(), strict=True)):
            box = picture.scene.objects[owner].box
            assert box.x1 - 12 <= 12 * column <= box.x2 and box.y1 - 12 <= 12 * row <= box.y2
