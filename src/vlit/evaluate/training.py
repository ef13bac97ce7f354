"""The samples that a run was tuned on, and those that it held out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from vlit.data.sample import Sample
from vlit.run.folder import RunFolder
from vlit.run.recipe import checked, kept_recipe
from vlit.run.stage import Setting

if TYPE_CHECKING:
    from vlit.tune.config import DataConfig, StageConfig, TuneConfig


def tuning_of(run: RunFolder) -> tuple[TuneConfig, Setting]:
    """How a run was tuned, as its recipe says.

    Raises:
        VlitError: When there is no run, or its recipe was damaged.
    """
    from vlit.tune.config import TuneConfig

    values, base = kept_recipe(run)
    config = checked(TuneConfig, values.get("tune") or {}, f"{run.recipe}: tune")
    return config, Setting(seed=int(values.get("seed", 0)), base=base)


def split_of(run: RunFolder, stage: str) -> dict[str, str]:
    """Split of each sample that a stage of tuning has encoded, by its id: train or held_out."""
    import pyarrow.parquet as pq

    found: dict[str, str] = {}
    for part in run.table("examples").parts():
        table = pq.read_table(part, columns=["id", "stage", "split"], filters=[("stage", "==", stage)])
        found |= zip(table["id"].to_pylist(), table["split"].to_pylist(), strict=True)
    for name in list(found):  # an encoder-decoder has an example for each answer: <id>#1 and so on
        head, _, number = name.rpartition("#")
        if number.isdigit():
            found.setdefault(head, found[name])
    return found


def samples_of(
    run: RunFolder,
    config: TuneConfig,
    stage: StageConfig,
    setting: Setting,
    *,
    open_images: bool = False,
) -> Iterator[Sample]:
    """The samples that a stage of tuning was given.

    Args:
        run: Whose selection it is, where it is no file.
        config: Of the tuning.
        stage: Of the tuning.
        setting: Of the run.
        open_images: Open the photos of a file, for sizes and digests.
    """
    from vlit.tune.encoding import data_of

    data = data_of(config, stage)
    if data.path is not None:
        yield from samples_in(data, setting, open_images=open_images)
    else:
        yield from run.selected if data.variant is None else run.variant(data.variant).selected


def samples_in(data: DataConfig, setting: Setting, *, open_images: bool = False) -> Iterator[Sample]:
    """The samples of a set in a file.

    Raises:
        VlitError: When there is no such file, or its layout is not known.
    """
    from vlit.tune.encoding import read_set

    found = read_set(data, setting, open_images=open_images)
    yield from (row for row in found if isinstance(row, Sample))


def tuned_on(path: Path) -> Iterator[Sample]:
    """The samples that the model of a run was trained on, each once, held-out ones left out."""
    run = RunFolder(path)
    config, setting = tuning_of(run)
    seen: set[str] = set()
    for stage in config.stages:
        split = split_of(run, stage.name)
        for sample in samples_of(run, config, stage, setting):
            if split.get(sample.id) == "train" and sample.id not in seen:
                seen.add(sample.id)
                yield sample
