"""Small annotated folders in the official layouts, made for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
from PIL import Image

from vlit.collect.stage import CollectConfig, CollectStage
from vlit.data.scene import Scene
from vlit.data.score import Quarantined
from vlit.run.stage import Setting

SIZE = (64, 48)
CATEGORIES = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]


def photo(path: Path, size: tuple[int, int] = SIZE, mode: str = "RGB", **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size).save(path, **options)
    return path


def write(path: Path, data: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else orjson.dumps(data))
    return path


def listed(ident: int | str, file: str | None = None, **more: Any) -> dict[str, Any]:
    name = file or f"{ident:012d}.jpg"
    return {"id": ident, "file_name": name, "width": SIZE[0], "height": SIZE[1], **more}


def instance(
    ident: int, image: int | str, box: Any = (1, 2, 10, 20), category: int = 1, **more: Any
) -> dict[str, Any]:
    return {"id": ident, "image_id": image, "bbox": box, "category_id": category, "iscrowd": 0, **more}


def caption(ident: int, image: int | str, text: Any = "A cat.") -> dict[str, Any]:
    return {"id": ident, "image_id": image, "caption": text}


def instances(images: list[Any], annotations: list[Any]) -> dict[str, Any]:
    return {"images": images, "categories": CATEGORIES, "annotations": annotations}


def collect(base: Path, *sources: dict[str, Any], **options: Any) -> tuple[dict[str, Scene], list[Quarantined]]:
    """Scenes by id and the quarantine of some sources, through shards and work as in a run."""
    config = CollectConfig.model_validate({"sources": sources, **options})
    stage = CollectStage(config, Setting(seed=0, base=base))
    outputs = [stage.work(shard, None) for shard in stage.shards(None)]  # type: ignore[arg-type]
    scenes = [scene for output in outputs for scene in output.tables["scenes"]]
    assert all(isinstance(scene, Scene) for scene in scenes)
    return {s.id: s for s in scenes if isinstance(s, Scene)}, [q for o in outputs for q in o.quarantine]


def reasons(quarantine: list[Quarantined]) -> dict[str, str]:
    """Reason by record, or by file where no record is named."""
    return {q.record or q.file: q.reason for q in quarantine}
