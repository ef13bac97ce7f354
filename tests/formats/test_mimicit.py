"""MIMIC-IT's instructions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image as PILImage

from vlit.data.errors import VlitError
from vlit.data.sample import Sample
from vlit.data.score import Quarantined
from vlit.formats.mimicit import read_mimicit
from vlit.run.engine import execute
from vlit.run.folder import RunFolder
from vlit.run.recipe import parse_recipe

META = {"version": "0.0.1", "time": "2023-06", "author": "someone"}


def instruction(*images: str, asked: Any = "What is this?", answered: Any = "A dog.") -> dict[str, Any]:
    return {"instruction": asked, "answer": answered, "image_ids": list(images), "rel_ins_ids": ["SD_INS_1"]}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    PILImage.new("RGB", (40, 30), "navy").save(folder / "SD_IMG_0.jpg")
    PILImage.new("RGB", (40, 30), "navy").save(folder / "SD_IMG_1.png")
    return folder


def read(photos: Path, data: Any, **options: Any) -> tuple[list[Sample], list[Quarantined]]:
    path = photos.parent / "SD_instructions.json"
    path.write_text(json.dumps({"meta": META, "data": data}))
    rows = list(read_mimicit(path, str(photos), **options))
    return [r for r in rows if isinstance(r, Sample)], [r for r in rows if isinstance(r, Quarantined)]


def test_each_instruction_is_a_sample(photos: Path) -> None:
    data = {
        "SD_INS_0": instruction("SD_IMG_0"),
        "SD_INS_1": instruction("SD_IMG_0", "SD_IMG_1", asked="What is the difference?"),
        "SD_INS_2": instruction(asked="Who are you?"),
    }
    samples, problems = read(photos, data)
    assert not problems
    assert [s.id for s in samples] == list(data)
    assert [s.turns[0].text for s in samples] == [
        "<image>\nWhat is this?",
        "<image>\n<image>\nWhat is the difference?",
        "Who are you?",
    ]
    assert [[Path(i.uri).name for i in s.images] for s in samples] == [
        ["SD_IMG_0.jpg"],
        ["SD_IMG_0.jpg", "SD_IMG_1.png"],
        [],
    ]
    assert samples[1].images[1].format == "PNG"


@pytest.mark.parametrize(
    ("record", "field", "reason"),
    [
        (7, "", "a record has to be an object"),
        (instruction("SD_IMG_0", asked=" "), "instruction", "it is empty"),
        (instruction("SD_IMG_0", answered=None), "answer", "not text"),
        ({**instruction(), "image_ids": "SD_IMG_0"}, "image_ids", "not a list of image ids"),
        ({**instruction(), "image_ids": [7]}, "image_ids", "not a list of image ids"),
        (instruction("SD_IMG_9"), "image", "the file is missing"),
        (instruction("../SD_IMG_0"), "image", "the path leaves the image folder"),
        (instruction(asked="What of <image>?"), "image", "the text has 1 <image> but the record has no image"),
    ],
)
def test_what_cannot_be_used_is_quarantined(photos: Path, record: Any, field: str, reason: str) -> None:
    samples, (problem,) = read(photos, {"SD_INS_0": record, "SD_INS_1": instruction("SD_IMG_0")})
    assert [s.id for s in samples] == ["SD_INS_1"]
    assert (problem.field, problem.action) == (field, "dropped")
    assert problem.reason.startswith(reason)
    assert "instruction 0" in problem.record


def test_another_layout_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "in.json").write_text("[]")
    with pytest.raises(VlitError, match="no file of MIMIC-IT instructions"):
        list(read_mimicit(tmp_path / "in.json", ""))


def test_instructions_about_the_same_images_are_joined(photos: Path) -> None:
    data = {f"SD_INS_{n}": instruction("SD_IMG_0", "SD_IMG_1", asked=f"Question {n}?") for n in range(3)}
    read(photos, data)
    sets = [
        {
            "name": "sd",
            "format": "mimicit",
            "path": "SD_instructions.json",
            "image_root": "images",
            "join": "image",
        }
    ]
    recipe = yaml.safe_dump({"name": "x", "mix": {"sets": sets}})
    run = RunFolder(photos.parent / "run")
    execute(parse_recipe(recipe, base=photos.parent), run, workers=1)
    (sample,) = run.samples
    assert len(sample.images) == 2 and len(sample.turns) == 6
    assert sample.turns[0].text.startswith("<image>\n<image>\nQuestion ")


def test_it_is_not_written_and_that_is_told_before_anything_starts(tmp_path: Path) -> None:
    text = "name: x\nload: {path: a.json}\nselect:\nexport: {formats: [{format: mimicit}]}\n"
    with pytest.raises(VlitError, match="mimicit can be read, not written"):
        parse_recipe(text, base=tmp_path)
