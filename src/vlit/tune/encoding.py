"""From samples to examples: which samples a stage of tuning is given, and which of them are held out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from vlit.data.encoded import Encoded, Split
from vlit.data.sample import Sample
from vlit.data.score import Quarantined
from vlit.data.seeds import draw
from vlit.data.store import Table, read_part
from vlit.run.folder import RunFolder
from vlit.run.stage import Setting
from vlit.tune.config import DataConfig, StageConfig, TuneConfig
from vlit.tune.example import Refused
from vlit.tune.source import to_row

if TYPE_CHECKING:
    from vlit.tune.chat.encode import Encoder

#: Samples of a file that are encoded together.
_PART = 10_000


@dataclass(frozen=True)
class Piece:
    """Samples of one stage that are encoded together: a part of a table, or some records of a file."""

    key: str  #: orders and names the pieces
    stage: int  #: place in ``TuneConfig.stages``
    part: Path | None = None
    samples: tuple[Sample, ...] = ()
    quarantine: tuple[Quarantined, ...] = ()  #: what could not be read beside them

    def read(self) -> Iterable[Sample]:
        """Its samples."""
        return self.samples if self.part is None else read_part(self.part, Sample)


def data_of(config: TuneConfig, stage: StageConfig) -> DataConfig:
    """The data of a stage: its own, or that of all."""
    return config.data if stage.data is None else stage.data


def pieces(config: TuneConfig, setting: Setting, run: RunFolder) -> Iterator[Piece]:
    """The pieces of all stages, in order. What cannot be read in a file is told of the first stage alone."""
    told: list[DataConfig] = []
    for place, stage in enumerate(config.stages):
        data = data_of(config, stage)
        name = f"{place:02d}-{stage.name}"
        if data.path is None:
            for number, part in enumerate(selected_of(run, data).parts()):
                yield Piece(f"{name}-{number:05d}", place, part=part)
        else:
            for number, (samples, lost) in enumerate(_in_parts(read_set(data, setting))):
                fresh = () if data in told else lost
                yield Piece(f"{name}-{number:05d}", place, samples=samples, quarantine=fresh)
            told.append(data)


def set_file(data: DataConfig, setting: Setting) -> tuple[Path, str]:
    """The file of a set, which may be named by its folder, and its layout.

    Raises:
        VlitError: When there is no such file, or its layout is not known.
    """
    from vlit.formats.recognise import recognise

    assert data.path is not None
    return recognise(Path(setting.resolve(data.path)))


def read_set(data: DataConfig, setting: Setting, *, open_images: bool = True) -> Iterator[Sample | Quarantined]:
    """The records of a set in a file.

    Raises:
        VlitError: When there is no such file, or its layout is not known.
    """
    from vlit.formats.registry import FORMATS

    file, layout = set_file(data, setting)
    root = str(file.parent) if data.images is None else setting.resolve(data.images)
    found: Iterator[Sample | Quarantined] = FORMATS.load(layout).read(file, root, open_images=open_images)
    return found


def samples_of(
    config: TuneConfig, stage: StageConfig, setting: Setting, run: RunFolder, *, open_images: bool = True
) -> Iterator[Sample]:
    """The samples of a stage; of a file those that can be read.

    Args:
        config: Of the tuning.
        stage: One of its stages.
        setting: Of the run.
        run: Where the selection lies.
        open_images: Look at the photos of a file; if false, their sizes are 0 x 0.
    """
    data = data_of(config, stage)
    if data.path is None:
        yield from selected_of(run, data)
    else:
        found = read_set(data, setting, open_images=open_images)
        yield from (row for row in found if isinstance(row, Sample))


def count_of(config: TuneConfig, stage: StageConfig, setting: Setting, run: RunFolder) -> int:
    """How many samples a stage is given; of a file, how many records it has."""
    data = data_of(config, stage)
    if data.path is None:
        return len(selected_of(run, data))
    return sum(1 for _ in read_set(data, setting, open_images=False))


def selected_of(run: RunFolder, data: DataConfig) -> Table[Sample]:
    """The selected samples that the data of a stage are, where they are not a file."""
    return run.selected if data.variant is None else run.variant(data.variant).selected


def _in_parts(
    found: Iterable[Sample | Quarantined],
) -> Iterator[tuple[tuple[Sample, ...], tuple[Quarantined, ...]]]:
    samples: list[Sample] = []
    lost: list[Quarantined] = []
    for row in found:
        if isinstance(row, Sample):
            samples.append(row)
        else:
            lost.append(row)
        if len(samples) == _PART:
            yield tuple(samples), tuple(lost)
            samples, lost = [], []
    if samples or lost:
        yield tuple(samples), tuple(lost)


class Shares(NamedTuple):
    """Which images a stage may not train on, as shares of all."""

    own: float  #: held out: measured and answered in this stage
    later: float  #: held out in a later stage, which must not have been shown them here


def held_out_shares(config: TuneConfig, samples: Sequence[int]) -> list[Shares]:
    """The shares of each stage, so that none holds out more than ``held_out.most`` samples.

    Args:
        config: Of the tuning.
        samples: Of each stage.
    """
    own = [min(config.held_out.share, config.held_out.most / max(n, 1)) for n in samples]
    return [Shares(share, max(own[place:])) for place, share in enumerate(own)]


def split_of(sample: Sample, shares: Shares, seed: int) -> Split | None:
    """Whether a sample is held out; ``None`` where its image is, in a later stage.

    One of several images is held out with any of them: what is held out is shown in no training sample, at
    whatever place. The others beside it may be. What a small share holds out a larger one does too.
    """
    keys = [image.sha256 or image.uri for image in sample.images] or [sample.id]
    drawn = min(draw(seed, "held out", key) for key in keys)
    if drawn < shares.own * 2**64:
        return "held_out"
    return None if drawn < shares.later * 2**64 else "train"


def encode(
    samples: Iterable[Sample], encoder: Encoder, stage: str, shares: Shares, seed: int
) -> tuple[list[Encoded], list[Quarantined]]:
    """Rows of the examples, and of the samples that cannot be trained on.

    Args:
        samples: Of one piece.
        encoder: Of the stage's template.
        stage: Its name.
        shares: Of the images that are held out.
        seed: Of the run.
    """
    rows: list[Encoded] = []
    lost: list[Quarantined] = []
    for sample in samples:
        try:
            split = split_of(sample, shares, seed)
            if split is None:
                raise Refused("an image of it is held out in a later stage")
            found = encoder.examples(sample)
        except Refused as reason:
            row = Quarantined(
                stage="tune",
                file=sample.provenance.source or "",
                record=sample.id,
                field=stage,
                value=reason.found or sample.text_of("assistant")[:80],
                reason=str(reason),
            )
            lost.append(row)
            continue
        rows += (to_row(example, stage, split, sample.task) for example in found)
    return rows, lost


def encoder_of(config: TuneConfig, stage: StageConfig, base: Path) -> Encoder:
    """The encoder of a stage; the model's tokenizer and config are read once in a process, no weights.

    Raises:
        VlitError: When the model or the template cannot be had.
    """
    return _encoder(config.model_dump_json(), stage.model_dump_json(), base)


@cache
def _encoder(config: str, stage: str, base: Path) -> Encoder:
    from vlit.tune.chat.encode import Encoder
    from vlit.tune.chat.template import Template
    from vlit.tune.models.registry import open_model

    whole, own = TuneConfig.model_validate_json(config), StageConfig.model_validate_json(stage)
    model = open_model(whole.model, base, weights=False)
    template = Template.of(model.tokenizer, own.template or whole.model.template, base=base)
    return Encoder(model, template, max_length=whole.max_length, overlong=whole.overlong)
