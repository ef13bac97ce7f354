"""The sets that defects are planted into."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.planted_defects.defect import Base
from vlit.api import Samples
from vlit.collect.stage import collect_folder
from vlit.data.sample import Sample
from vlit.data.scene import Caption, Image, Scene
from vlit.generate.adapt import adapt

DATA = Path(os.environ.get("VLIT_DATA", Path(__file__).resolve().parents[3] / "shared/data"))
_DESCRIBE = (
    "Describe the image.", "What is shown in this photo?", "Write a sentence about the picture.",
    "What do you see here?", "Tell me what is in the image.",
)  # fmt: skip


def free_photos(seed: int = 17) -> Base:
    """The 44 photos that ship with vlit, with samples of every task of annotation adaption."""
    with as_file(files("vlit") / "demo") as folder:
        scenes = list(collect_folder(folder)[0])
    return Base("free photos", list(adapt(scenes, seed=seed)), {s.id: s for s in scenes})


def llava_annotated(folder: Path, seed: int = 17) -> Base | None:
    """80 COCO photos, as a LLaVA file without anything but texts and images, tied to COCO's annotations."""
    if not (DATA / "coco-mini").is_dir():
        return None
    scenes = list(collect_folder(DATA / "coco-mini")[0])
    made = adapt(scenes, seed=seed)
    records = [
        _record(f"{n:06d}", s.images[0].uri, [(t.role, t.text) for t in s.turns]) for n, s in enumerate(made)
    ]
    return _read("LLaVA file, COCO's annotations", records, folder / "annotated.json", scenes, photos=True)


def llava_open(folder: Path) -> Base | None:
    """Answers of GPT-4, and captions, on COCO photos of which captions and boxes are known; no search."""
    source = DATA / "llava"
    if not source.is_dir():
        return None
    scenes = [_without_questions(s) for s in collect_folder(source, images="skip")[0]]
    uris = {Path(s.image.uri).stem: s.image.uri for s in scenes}
    lines = (source / "coco2014_val_gpt4_qa_30x3.jsonl").read_text(encoding="utf-8").splitlines()
    records = []
    for n, row in enumerate(map(json.loads, lines)):
        if row["id"] in uris:
            turns = [("user", f"<image>\n{row['instruction']}"), ("assistant", row["output"])]
            records.append(_record(f"gpt4-{n:03d}", uris[row["id"]], turns))
    records += _captions(scenes)
    return _read("LLaVA file, open annotations", records, folder / "open.json", scenes, photos=False)


def _without_questions(scene: Scene) -> Scene:
    """The captions of a scene alone: a file of questions that lies beside them was read as captions, too."""
    kept = tuple(caption for caption in scene.captions if "questions" not in caption.id)
    return msgspec.structs.replace(scene, captions=kept)


def held_out(folder: Path) -> Base | None:
    """A caption for each of 1,000 COCO photos, of which four other captions are known, and nothing else."""
    source = DATA / "bench/captions/refs_1000_val2014.json"
    if not source.is_file():
        return None
    texts: dict[int, list[str]] = {}
    for row in json.loads(source.read_text(encoding="utf-8"))["annotations"]:
        texts.setdefault(row["image_id"], []).append(row["caption"])
    images = {id: Image(uri=f"/coco/{id:012d}.jpg", width=1, height=1) for id in sorted(texts)}
    scenes = [
        Scene(
            id=f"coco:{id}",
            image=image,
            source="coco",
            captions=tuple(Caption(id=f"caption:{n}", text=text) for n, text in enumerate(texts[id][1:])),
        )
        for id, image in images.items()
    ]
    records = []
    for n, (id, image) in enumerate(images.items()):
        turns = [("user", f"<image>\n{_DESCRIBE[n % len(_DESCRIBE)]}"), ("assistant", texts[id][0])]
        records.append(_record(f"caption-{id}", image.uri, turns))
    return _read("held-out captions", records, folder / "held-out.json", scenes, photos=False)


def _captions(scenes: Sequence[Scene]) -> Iterator[dict[str, Any]]:
    """One record for each caption; its scene keeps the others as evidence, and it too: people wrote it."""
    for scene in scenes:
        for n, caption in enumerate(scene.captions):
            ask = f"<image>\n{_DESCRIBE[n % len(_DESCRIBE)]}"
            turns = [("user", ask), ("assistant", caption.text)]
            yield _record(f"{Path(scene.image.uri).stem}-{n}", scene.image.uri, turns)


def _record(ident: str, uri: str, turns: Sequence[tuple[str, str]]) -> dict[str, Any]:
    roles = {"user": "human", "assistant": "gpt", "system": "system"}
    return {
        "id": ident,
        "image": uri.lstrip("/"),
        "conversations": [{"from": roles[role], "value": text} for role, text in turns],
    }


def _read(
    name: str, records: list[dict[str, Any]], path: Path, scenes: Sequence[Scene], *, photos: bool
) -> Base:
    """Write a LLaVA file, and read it as anybody's."""
    path.write_text(json.dumps(records), encoding="utf-8")
    found: Samples = Samples.from_llava(path, "/", scenes=scenes, open_images=photos)
    kept: list[Sample] = list(found)
    if len(kept) != len(records):
        raise RuntimeError(f"{len(records) - len(kept)} records of {path} were not read")
    return Base(name, kept, {s.id: s for s in scenes}, has_photos=photos)
