"""One stage on its way: by what its result is known, kept, put aside and found again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlit.data.store import atomic
from vlit.run.fingerprint import file_digest, fingerprint
from vlit.run.progress import Progress
from vlit.run.stage import Setting
from vlit.tune.config import StageConfig, TuneConfig
from vlit.tune.job import Job, is_finished
from vlit.tune.models.registry import names_in
from vlit.tune.result import BASE
from vlit.tune.source import Source
from vlit.tune.task import FREE

#: Files of a model that decide what is tuned.
_WEIGHTS = (".safetensors", ".bin", ".pt", ".json")
#: Of the settings that a killed run may change, that which changes the weights of a finished one.
_FREE = FREE - {"precision"}


@dataclass(frozen=True)
class Leg:
    """A stage: what it is, what it begins with, and by what it is known."""

    own: StageConfig
    job: Job
    source: Source
    key: str  #: equal for equal settings, data and beginnings: what is tuned already is not tuned again

    @property
    def done(self) -> bool:
        """Whether its result is there, and is of this key."""
        return is_finished(self.job) and key_in(self.job.folder) == self.key


def key_of(config: TuneConfig, own: StageConfig, source: Source, before: Any, seed: int) -> str:
    """The key of a stage.

    Settings that are as vlit has them by default are left out, so that a new setting in a later vlit makes no
    finished stage anew; and so are those of adapters, where the stage has none.

    Args:
        config: Of the tuning.
        own: Of the stage.
        source: What it is trained on.
        before: The key of the stage before; of the first stage, see ``beginning``.
        seed: Of the run.
    """
    adapted = "lora" in (own.trainable.vision, own.trainable.connector, own.trainable.llm)
    left_out = {*_FREE, "model"} | (set() if adapted else {"lora"})
    settings = config.model_dump(mode="json", exclude=left_out, exclude_defaults=True)
    stage = own.model_dump(mode="json", exclude={"data"}, exclude_defaults=True)
    return fingerprint(stage, settings, before, seed, source.digest())


def beginning(config: TuneConfig, setting: Setting) -> Any:
    """What the first stage begins with: the model as the recipe names it, and what is in its folders."""
    model = config.model.model_dump(mode="json", exclude_defaults=True)
    return [model, *(line for name in names_in(config.model, setting.base) for line in _contents(Path(name)))]


def make_room(leg: Leg, progress: Progress) -> None:
    """Give a stage its folder: what was tuned there by another key is put aside, never removed.

    It may have taken days. What has been put aside is taken back where it is of this key again.
    """
    folder = leg.job.folder
    known = key_in(folder)
    if known is not None and known != leg.key:
        aside = next(path for path in _asides(folder, known) if not path.exists())
        folder.rename(aside)
        progress.warned(f"{folder.name} was tuned with other settings or samples before: kept as {aside.name}")
    if not folder.exists() and (kept := _kept(folder, leg.key)) is not None:
        kept.rename(folder)
        progress.warned(f"{folder.name} was tuned with these settings before: {kept.name} is taken up again")


def mark(folder: Path, key: str) -> None:
    """Write down by which key the folder of a stage is known."""
    with atomic(folder / "key") as temporary:
        temporary.write_text(key + "\n", encoding="utf-8")


def key_in(folder: Path) -> str | None:
    """The key that the folder of a stage is known by."""
    path = folder / "key"
    return path.read_text(encoding="utf-8").strip() if path.is_file() else None


def _asides(folder: Path, key: str) -> Iterator[Path]:
    """Names beside a folder under which what is known by a key is put aside."""
    name = f"{folder.name}-{key[:8]}"
    yield folder.with_name(name)
    number = 2
    while True:
        yield folder.with_name(f"{name}-{number}")
        number += 1


def _kept(folder: Path, key: str) -> Path | None:
    """What was put aside under this key last."""
    found: Path | None = None
    for path in _asides(folder, key):
        if not path.exists():
            return found
        if key_in(path) == key:
            found = path
    return found


def _contents(place: Path) -> Iterator[str]:
    """A line for each file of a model in a folder, or for the file that it is; nothing for a hub id."""
    files: Sequence[Path] = [place] if place.is_file() else []
    if place.is_dir():
        files = [path for below in (place, place / BASE) if below.is_dir() for path in below.iterdir()]
    for path in sorted(files):
        if path.is_file() and path.suffix in _WEIGHTS:
            yield f"{path.relative_to(place)} {file_digest(path)}"
