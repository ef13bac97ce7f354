"""A small run folder with tables as the stages write them: photos, scenes, samples, verdicts and the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import orjson
import pytest
from PIL import Image as PILImage
from PIL import ImageDraw

from vlit.data.boxes import Box
from vlit.data.ingredient import Ingredient
from vlit.data.sample import Mark, Provenance, Sample, Turn
from vlit.data.scene import Answer, Caption, Image, Object, Question, Row, Scene
from vlit.data.schema import to_table
from vlit.data.score import Quarantined, Score, SetScore, Verdict
from vlit.data.seeds import rng
from vlit.data.store import part_path, write_part
from vlit.run.folder import TABLES, RunFolder

LABELS = ("dog", "person", "bicycle", "traffic light")
TASKS = ("presence", "counting", "detailed_description", "conversation")
RECIPE = """\
name: street
seed: 17
collect:
  sources:
    - {kind: auto, path: ., name: coco-2017}
generate:
  adapt: {}
assess:
select:
  gates:
    text_readability: {min: 0.3}
    exact_duplicate: {max: 0}
"""

#: A caption that would run a script, were it not escaped.
HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"


def make_photo(folder: Path, number: int) -> Image:
    """A photo with two coloured shapes."""
    width, height = (640, 480) if number % 3 else (480, 640)
    picture = PILImage.new("RGB", (width, height), (200 - 5 * number, 190, 150 + 4 * number))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((60, 120, 260, 360), fill=(120, 80, 60))
    draw.ellipse((300, 60, 460, 240), fill=(60, 90, 140))
    path = folder / f"{number:012d}.jpg"
    picture.save(path, "JPEG")
    return Image(uri=str(path), width=width, height=height)


def make_scene(image: Image, number: int) -> Scene:
    name = f"coco:{number}"
    label = LABELS[number % 4]
    return Scene(
        id=name,
        image=image,
        source="coco-2017",
        licence="Attribution License",
        attribution=f"https://example.org/photos/{number}",
        captions=(
            Caption(id=f"{name}/c1", text=f"A {label} in front of a wall." if number else HOSTILE),
            Caption(id=f"{name}/c2", text=f"The {label} stands still."),
        ),
        objects=(
            Object(id=f"{name}/o1", label=label, box=Box(60, 120, 260, 360)),
            Object(id=f"{name}/o2", label="ball", box=Box(300, 60, 460, 240), attributes=("blue",)),
        ),
        questions=(
            Question(
                id=f"{name}/q1",
                text="What colour is the ball?",
                answers=(Answer(text="blue", count=9), Answer(text="navy", count=1)),
            ),
        ),
    )


def make_sample(scene: Scene, task: str, number: int) -> Sample:
    thing = scene.objects[0]
    turns = [
        Turn(role="user", text=f"<image>\nIs there a {thing.label} in the picture?"),
        Turn(role="assistant", text=f"Yes, a {thing.label} can be seen. {scene.captions[0].text}"),
    ]
    if task == "conversation":
        turns += [
            Turn(role="user", text="And what else?"),
            Turn(role="assistant", text="There is a blue ball."),
        ]
    return Sample(
        id=f"{scene.id}-{task}-{number}",
        turns=tuple(turns),
        images=(scene.image,),
        task=task,
        marks=(Mark(label=thing.label, box=thing.box, annotation=thing.id),) if task == "presence" else (),
        provenance=Provenance(
            scenes=(scene.id,),
            annotations=(scene.captions[0].id, *(o.id for o in scene.objects), scene.questions[0].id),
            recipe=f"adapt/{task}",
            templates=(f"{task}.ask.{number}", f"{task}.say.2"),
            seed=17,
            source="coco-2017",
            licence="CC BY 4.0",
        ),
    )


def make_ingredients() -> list[Ingredient]:
    """Two sets, one of them with everything that can happen to a record."""
    plain = {"split": 0, "repeated": 0, "joined": 0}
    first = {"read": 50, "quarantined": 0, "left_out": 10, "kept": 40, "size": 50, "samples": 40, **plain}
    second = {"read": 1_100, "quarantined": 20, "left_out": 1_000, "kept": 80, "size": 900}
    second |= {"split": 3, "repeated": 7, "joined": 42, "samples": 48}
    common = {"path": "set.json", "format": "llava", "weight": 1.0}
    return [
        Ingredient(name="mine", share=40 / 88, **first, **common),
        Ingredient(name="vqa", share=48 / 88, licence="CC BY 4.0", **second, **common),
    ]


def judged(sample: Sample) -> tuple[list[Score], Verdict]:
    """Scores that depend on the sample's id, and the verdict that the recipe's gates give."""
    draw = rng(17, sample.id)
    readable = round(draw.betavariate(5, 2), 4)
    repeats = float(draw.random() < 0.1)
    applies = sample.task in ("presence", "counting")
    scores = [
        Score(sample=sample.id, indicator="text_readability", value=readable),
        Score(sample=sample.id, indicator="image_readability", value=round(draw.uniform(0.4, 1), 4)),
        Score(
            sample=sample.id,
            indicator="grounded_correctness",
            value=1.0 if applies else None,
            reason="2 claims, all in the annotations" if applies else "the text claims nothing to check",
        ),
        Score(sample=sample.id, indicator="exact_duplicate", value=repeats),
        Score(
            sample=sample.id,
            indicator="task_balance",
            value=None,
            reason="a property of the set",
            group=sample.task,
        ),
    ]
    if readable < 0.3:
        said = f"text_readability {readable:.4g} is below 0.3"
        return scores, Verdict(sample=sample.id, keep=False, rule="text_readability", reason=said)
    if repeats:
        said = "exact_duplicate 1 is above 0: the same images and text as another"
        return scores, Verdict(sample=sample.id, keep=False, rule="exact_duplicate", reason=said)
    return scores, Verdict(sample=sample.id, keep=True, rule="kept", reason="passes every gate")


def write(run: RunFolder, table: str, key: str, rows: Sequence[Row]) -> None:
    write_part(part_path(run.folder(table), key, "0" * 64), to_table(rows, TABLES[table]))


def build_run(path: Path, images: Sequence[Image], per_task: int = 2) -> RunFolder:
    """All tables of a run over these images, one part for every eight of them."""
    run = RunFolder(path)
    path.mkdir(parents=True, exist_ok=True)
    (path / "recipe.yaml").write_text(RECIPE)
    for start in range(0, len(images), 8):
        key = f"{start:05d}"
        scenes = [make_scene(image, start + i) for i, image in enumerate(images[start : start + 8])]
        samples = [make_sample(s, task, n) for s in scenes for task in TASKS for n in range(per_task)]
        results = [judged(s) for s in samples]
        verdicts = [verdict for _, verdict in results]
        write(run, "scenes", key, scenes)
        write(run, "samples", key, samples)
        write(run, "scores", key, [score for scores, _ in results for score in scores])
        write(run, "verdicts", key, verdicts)
        write(run, "selected", key, [s for s, v in zip(samples, verdicts, strict=True) if v.keep])
    write(run, "ingredients", "set", make_ingredients())
    detail = {"unit": "variance of shares", "tasks": 4, "entropy": 0.9871, "counts": dict.fromkeys(TASKS, 22)}
    score = SetScore(indicator="task_balance", value=0.0, n=88, detail=orjson.dumps(detail).decode())
    write(run, "set_scores", "set", [score])
    rows = [
        Quarantined(
            stage="collect",
            file="/photos/annotations/instances.json",
            record=str(1000 + n),
            field="bbox",
            value=f"[{n}, 10, 0, 5]",
            reason=f"the box {n} has no area",
        )
        for n in range(5)
    ]
    rows.append(
        Quarantined(
            stage="collect",
            file="/photos/annotations/captions.json",
            record="7",
            field="caption",
            value="  A dog .",
            reason="spaces were collapsed",
            action="repaired",
        )
    )
    write(run, "quarantine", "collect-00000", rows)
    return run


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Image]:
    folder = tmp_path_factory.mktemp("photos")
    return [make_photo(folder, number) for number in range(11)]


@pytest.fixture
def run(tmp_path: Path, images: list[Image]) -> RunFolder:
    return build_run(tmp_path / "street", images)


@pytest.fixture
def new_run(tmp_path: Path) -> Callable[[], RunFolder]:
    """Makes run folders without any table."""

    def make() -> RunFolder:
        path = tmp_path / "empty"
        path.mkdir(exist_ok=True)
        return RunFolder(path)

    return make
