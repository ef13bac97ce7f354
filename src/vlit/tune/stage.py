"""The stage ``tune``: the selected samples encoded, then a model tuned on them, stage after stage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from vlit.data.errors import VlitError
from vlit.data.score import commonest
from vlit.run import stage
from vlit.run.folder import RunFolder
from vlit.run.inputs import content_line
from vlit.run.progress import Progress
from vlit.tune.config import StageConfig, TuneConfig
from vlit.tune.encoding import (
    Piece,
    Shares,
    count_of,
    data_of,
    encode,
    encoder_of,
    held_out_shares,
    pieces,
    selected_of,
    set_file,
)
from vlit.tune.models.architecture import PARTS, Architecture
from vlit.tune.models.registry import ARCHITECTURES, names_in
from vlit.tune.source import Source
from vlit.tune.team import refuse_missing
from vlit.tune.trainable import linear_layers
from vlit.weights.device import pick_device
from vlit.weights.located import check_reachable, folder_lines

#: Records of a set of text that may name photos which are not there.
_STRAY = 0.01


class TuneStage(stage.Stage[TuneConfig]):
    """Encodes the samples of each stage in worker processes, then tunes.

    Weights, checkpoints and metrics lie under ``model/``. What a stage of tuning has finished is kept as long
    as its settings and its examples stay the same, also when vlit itself has changed: days of work hang on it.
    """

    name: ClassVar[str] = "tune"
    reads: ClassVar[tuple[str, ...]] = ("selected",)
    writes: ClassVar[tuple[str, ...]] = ("examples",)
    code: ClassVar[tuple[str, ...]] = ("vlit.tune", "vlit.weights", "vlit.data")
    #: Encoded anew, a set would lose photos that were damaged since: what has begun could not be gone on with.
    free: ClassVar[frozenset[str]] = frozenset({"keep", "readers", "save_every", "trackers", "unreadable"})
    Config = TuneConfig

    def __init__(self, config: TuneConfig, setting: stage.Setting) -> None:
        super().__init__(config, setting)
        alone = all(data_of(config, own).path is not None for own in config.stages)
        self.optional: tuple[str, ...] = ("selected",) if alone else ()  # type: ignore[misc]

    def asks(self) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        """The variants, which the selection has to make."""
        for number, own in enumerate(self.config.stages):
            if (variant := data_of(self.config, own).variant) is not None:
                at = ("data", "variant") if own.data is None else ("stages", str(number), "data", "variant")
                yield "variants", variant, at

    def outside(self) -> Iterator[str]:
        """Files of models and sets."""
        base = self.setting.base
        for name in names_in(self.config.model, base):
            yield from folder_lines(name, base)
        for own in self.config.stages:
            data = data_of(self.config, own)
            if data.path is not None:
                yield content_line(set_file(data, self.setting)[0])

    def plugins(self) -> Iterable[str]:
        """Packages of architectures that are not ours."""
        named = self.config.model.architecture
        return ARCHITECTURES.packages([named] if named else [])

    def check(self) -> None:
        """The model and the device can be had, and what tunes it is installed."""
        _installed()
        refuse_missing(self.config.trackers)
        pick_device(self.config.device)
        for name in names_in(self.config.model, self.setting.base):
            if not Path(name).is_file():
                check_reachable(name)
        for own in self.config.stages:
            _check_parts(encoder_of(self.config, own, self.setting.base).model, own, self.config)

    def prepare(self, run: RunFolder) -> list[Shares]:
        """The shares of images that are held out, for each stage."""
        counts = [count_of(self.config, own, self.setting, run) for own in self.config.stages]
        return held_out_shares(self.config, counts)

    def shards(self, run: RunFolder) -> Iterator[stage.Shard]:
        """One for each part of the samples of each stage."""
        for piece in pieces(self.config, self.setting, run):
            yield stage.Shard(piece.key, piece)

    def work(self, shard: stage.Shard, context: list[Shares]) -> stage.Output:
        """Encode the samples of one part."""
        piece: Piece = shard.payload
        own = self.config.stages[piece.stage]
        encoder = encoder_of(self.config, own, self.setting.base)
        rows, lost = encode(piece.read(), encoder, own.name, context[piece.stage], self.setting.seed)
        return stage.Output({"examples": rows}, [*piece.quarantine, *lost])

    def drive(self, run: RunFolder, progress: Progress) -> None:
        """Tune, stage after stage; a stage that is finished is not tuned again."""
        parts = run.table("examples").parts()
        for own in self.config.stages:
            data = data_of(self.config, own)
            file = None if data.path is None else set_file(data, self.setting)[0]
            _refuse_unfit(parts, own, file, run)
        from vlit.tune.course import carry_out

        carry_out(self.config, self.setting, run.path / "model", parts, self._tables(run), progress)

    def files(self, run: RunFolder) -> list[Path]:
        """What tells that the tuned model is there."""
        return [run.path / "model" / "vlit.json"]

    def _tables(self, run: RunFolder) -> dict[str, list[Path]]:
        """By stage, the parts of the samples that come from this run."""
        data = {own.name: data_of(self.config, own) for own in self.config.stages}
        return {name: selected_of(run, own).parts() for name, own in data.items() if own.path is None}


def _installed() -> None:
    import importlib.util

    missing = [
        name for name in ("torch", "transformers", "accelerate", "peft") if not importlib.util.find_spec(name)
    ]
    if missing:
        raise VlitError(f"{', '.join(missing)} is not installed", where="tune", todo="pip install 'vlit[tune]'")


def _check_parts(model: Architecture, own: StageConfig, config: TuneConfig) -> None:
    """Refuse before samples are encoded what could not be tuned."""
    hows = {part: getattr(own.trainable, part) for part in PARTS}
    for part, how in hows.items():
        if how != "frozen" and getattr(own.lr, part) is None:
            raise VlitError(
                f"{part} is tuned and has no learning rate",
                where=f"tune.stages, {own.name}, lr",
                todo=f"add a rate, e.g. lr: {{{part}: 2.0e-5}}",
            )
    adapted = [part for part, how in hows.items() if how == "lora"]
    known = {name.rpartition(".")[2] for part in adapted for name in linear_layers(model, part)}
    if adapted and (unknown := [name for name in config.lora.targets if name not in known]):
        raise VlitError(
            f"{' and '.join(adapted)} has no linear layer named {', '.join(unknown)}",
            where="tune.lora.targets",
            todo=f"it has {', '.join(sorted(known))}",
        )


def _refuse_unfit(parts: Sequence[Path], own: StageConfig, file: Path | None, run: RunFolder) -> None:
    """Refuse a stage that no sample is left for, and a set with photos of which only text is left.

    Args:
        parts: Of the table of examples.
        own: The stage.
        file: Of its set, where it has one of its own.
        run: Has the quarantine.
    """
    source = Source.read(parts, own.name, "train")
    if source.images:
        return
    rows = [row for row in run.quarantine if row.action == "dropped"]
    # A record without an image has the value None there.
    blind = [row for row in rows if row.file == str(file) and row.field == "image" and row.value != "None"]
    if len(source) and len(blind) <= _STRAY * len(source):
        return
    held_out = Source.read(parts, own.name, "held_out")
    lost = [row for row in rows if row.stage == "tune" and row.field == own.name]
    if len(blind) > len(lost) and not held_out.images:
        what = f"no photo of this set can be used{', what is left is text alone' if len(source) else ''}: "
        what, todo = what + commonest(blind), "name the folder of its photos, with --images or tune.data.images"
    elif len(held_out):
        what, todo = f"all {len(held_out):,} examples are held out", "lower tune.held_out.share"
    elif lost:
        what = f"no sample is left to train on: {commonest(lost)}"
        todo = "raise tune.max_length, or give the stage other data"
    else:
        what, todo = "there is no sample to train on", "give the stage other data"
    raise VlitError(what, where=f"tune.stages, {own.name}", todo=todo)
