"""What a defect is, and planting it: the same hosts and the same damage on every run."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import msgspec

from vlit.data.sample import Sample, Turn
from vlit.data.scene import Scene
from vlit.data.seeds import rng


@dataclass(frozen=True)
class Base:
    """A set before anything is planted into it."""

    name: str
    samples: Sequence[Sample]
    scenes: dict[str, Scene]  #: by id; annotations of its photos
    has_photos: bool = True  #: whether the photos' files are there

    @cached_property
    def shown(self) -> list[Scene]:
        """Scenes of its samples, by id."""
        return [self.scenes[i] for i in sorted({i for s in self.samples for i in s.provenance.scenes})]


@dataclass
class Scratch:
    """What planting works with beside the sample."""

    base: Base
    rand: random.Random
    folder: Path  #: for damaged photos
    hosts: set[str] = field(default_factory=set)  #: samples that have the defect by now
    donors: set[str] = field(default_factory=set)  #: samples whose text stands in another one now

    def scene(self, sample: Sample) -> Scene | None:
        """The scene of a sample that shows one."""
        ids = sample.provenance.scenes
        return self.base.scenes.get(ids[0]) if len(set(ids)) == 1 else None


#: The sample with the defect, or ``None`` where it cannot have it.
Plant = Callable[[Sample, Scratch], Sample | None]


@dataclass(frozen=True)
class Defect:
    """One kind of mistake, and what should see it."""

    name: str
    plant: Plant
    finders: tuple[str, ...]  #: indicators that should see it, the best first; none where nothing is meant to
    goal: bool = False  #: whether an AUROC of 0.95 is wanted of the best
    photos: bool = False  #: damages the photo's file


@dataclass(frozen=True)
class Planted:
    """A set with defects: all its samples in their order, and which of them have one."""

    samples: list[Sample]
    hosts: frozenset[str]
    aside: frozenset[str]  #: neither sound nor planted: half of a pair

    def clean(self) -> list[str]:
        """Ids of the samples that nothing was done to."""
        return [s.id for s in self.samples if s.id not in self.hosts and s.id not in self.aside]


def plant(base: Base, defect: Defect, n: int, seed: int, folder: Path) -> Planted:
    """Plant a defect into up to ``n`` samples, drawn at random from those that can have it."""
    scratch = Scratch(base, rng(seed, "plant", base.name, defect.name), folder)
    changed: dict[str, Sample] = {}
    for sample in scratch.rand.sample(list(base.samples), len(base.samples)):
        if sample.id in scratch.donors:
            continue
        made = defect.plant(sample, scratch)
        if made is not None and made != sample:
            changed[sample.id] = made
            scratch.hosts.add(sample.id)
        if len(changed) == n:
            break
    samples = [changed.get(s.id, s) for s in base.samples]
    return Planted(samples, frozenset(changed), frozenset(scratch.donors))


def answers(sample: Sample) -> list[tuple[int, str]]:
    """Turn and text of each answer."""
    return [(i, t.text) for i, t in enumerate(sample.turns) if t.role == "assistant"]


def with_answer(sample: Sample, turn: int, text: str) -> Sample:
    """The sample with another answer."""
    turns = list(sample.turns)
    turns[turn] = Turn(role="assistant", text=text)
    return msgspec.structs.replace(sample, turns=tuple(turns))


def longest(sample: Sample, words: int) -> tuple[int, str] | None:
    """The longest answer, if it has so many words."""
    turn, text = max(answers(sample), key=lambda a: len(a[1].split()), default=(0, ""))
    return (turn, text) if len(text.split()) >= words else None
