"""The sets that defects are planted into."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from benchmarks.planted_defects.defect import Base
from vlit.api import Samples
from vlit.collect.stage import collect_folder
from vlit.data.sample import Sample
from vlit.data.scene import Scene
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
    scenes = list(collect_folder(source, images="skip")[0])
    uris = {Path(s.image.uri).stem: s.image.uri for s in scenes}
    lines = (source / "coco2014_val_gpt4_qa_30x3.jsonl").read_text(encoding="utf-8").splitlines()
    records = []
    for n, row in enumerate(map(json.loads, lines)):
        if row["id"] in uris:
            turns = [("user", f"<image>\n{row['instruction']}"), ("assistant", row["output"])]
            records.append(_record(f"gpt4-{n:03d}", uris[row["id"]], turns))
    records += _captions(scenes)
    return _read("LLaVA file, open annotations", records, folder / "open.json", scenes, photos=False)


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
