"""What tuning would take, told before it starts: steps, tokens and memory, from a part of the samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from vlit.data.errors import VlitError
from vlit.data.images import ImageProblem, probe
from vlit.data.sample import Sample
from vlit.data.score import commonest_of
from vlit.run.folder import RunFolder
from vlit.run.stage import Setting
from vlit.tune.config import StageConfig, TuneConfig
from vlit.tune.encoding import count_of, encoder_of, held_out_shares, samples_of, split_of
from vlit.tune.example import Example, Refused
from vlit.tune.memory import Estimate, Load, check, circumstances, estimate
from vlit.tune.plan import count_steps

if TYPE_CHECKING:
    from vlit.tune.chat.encode import Encoder

#: Samples that are looked at, evenly spread: their mean length is right within a few in a hundred.
_LOOKED_AT = 256


@dataclass(frozen=True)
class Outlook:
    """What a stage would take, as far as the samples that were looked at tell. Counts are of all samples."""

    stage: str
    samples: int
    looked_at: int
    lost: float  #: share of those that cannot be trained on
    reason: str  #: the most frequent one
    examples: int  #: that would be trained on
    steps: int
    tokens: float  #: of an example, on average
    trained: float  #: of these tokens, the share that the loss is taken of
    images: float  #: of an example, on average
    memory: Estimate | None  #: ``None`` without examples
    free: float | None  #: bytes that the device has now; ``None`` where that cannot be told
    warning: str  #: what tuning would say of it, or stop with; empty where all is well


def outlooks(config: TuneConfig, setting: Setting, run: RunFolder) -> Iterator[Outlook]:
    """What each stage would take; none of stages whose samples are not there yet.

    Raises:
        VlitError: When the model, its template or a set cannot be had.
    """
    counts = [count_of(config, own, setting, run) for own in config.stages]
    for own, count, shares in zip(config.stages, counts, held_out_shares(config, counts), strict=True):
        if not count:
            continue
        encoder = encoder_of(config, own, setting.base)
        lost: Counter[str] = Counter()
        looked_at, found = 0, list[Example]()
        for sample in _spread(config, own, setting, run, count):
            looked_at += 1
            try:
                opened = _opened(sample)
                examples = encoder.examples(opened)
            except (Refused, ImageProblem) as reason:
                lost[str(reason)] += 1
                continue
            if split_of(opened, shares, setting.seed) == "train":
                found += examples
        yield _outlook(config, own, encoder, found, lost, count=count, looked_at=looked_at)


def _spread(
    config: TuneConfig, own: StageConfig, setting: Setting, run: RunFolder, count: int
) -> Iterator[Sample]:
    every = max(count / _LOOKED_AT, 1.0)
    wanted = 0.0
    for number, sample in enumerate(samples_of(config, own, setting, run, open_images=False)):
        if number >= wanted:
            wanted += every
            yield sample


def _opened(sample: Sample) -> Sample:
    """The sample with the sizes of its photos, which may decide how many tokens they have."""
    if all(image.width for image in sample.images):
        return sample
    return msgspec.structs.replace(
        sample, images=tuple(probe(image.uri, decode=False) for image in sample.images)
    )


def _outlook(
    config: TuneConfig,
    own: StageConfig,
    encoder: Encoder,
    found: list[Example],
    lost: Counter[str],
    *,
    count: int,
    looked_at: int,
) -> Outlook:
    examples = round(count * len(found) / looked_at)
    lengths = np.array([len(example.ids) for example in found], dtype=np.int64)
    trained = np.array([example.trained for example in found], dtype=np.int64)
    images = sum(len(example.images) for example in found)
    bf16, gpu, free = circumstances(config)
    memory, warning = None, ""
    if found:
        load = Load(np.resize(lengths, examples), np.resize(trained, examples), images * examples // len(found))
        memory = estimate(encoder.model, own, config, load, bf16=bf16, gpu=gpu)
        if free is not None:
            try:
                warning = check(encoder.model, own, config, load, bf16=bf16, gpu=gpu, free=free)[1] or ""
            except VlitError as error:
                warning = f"it would be refused: {error.what}. {error.todo}"
    return Outlook(
        stage=own.name,
        samples=count,
        looked_at=looked_at,
        lost=lost.total() / looked_at,
        reason=commonest_of(lost),
        examples=examples,
        steps=count_steps(examples, batch=own.batch, epochs=own.epochs, steps=own.steps),
        tokens=float(lengths.mean()) if found else 0.0,
        trained=float(trained.sum() / max(lengths.sum(), 1)),
        images=images / max(len(found), 1),
        memory=memory,
        free=free,
        warning=warning,
    )
