"""Hygiene: questions and images that a benchmark asks about, and that a model must not have been tuned on.

A sample is held against the questions and images of the benchmarks that the config names:

* *image*: one of its images has the SHA-256 of a benchmark's image: 1;
* *exact*: an instruction, or a line of one, has the words of a benchmark's question, or of a line of it, and at
  least ``min_words`` of them (shorter questions are everybody's): 1;
* *near*: the higher of the share of the instruction's runs of ``ngram`` words that stand in a benchmark
  question as well, and the Jaccard similarity of the word 3-shingles where it is at least ``floor`` (estimated
  by the MinHash of ``near_duplicates``, standard error at most 0.0625).

The value is the highest of the three, 0 to 1; the reason names the file. What more than three questions of the
benchmarks have in common ("answer with a single word") is left out of both. Runs of 13 words are the usual
measure for language models (Brown et al. 2020, "Language Models are Few-Shot Learners", appendix C), but most
visual questions are shorter, hence the other two. Limits: an image that was scaled or stored anew has another
hash, and a sample whose images were not opened has none; paraphrases and translations are not seen.

Memory: 16 to 40 bytes for each distinct question, line and run of words of the benchmarks, and 512 bytes for
the signature of a question.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pydantic

from vlit.assess.hygiene.benchmark_index import Known, forms, index, lines_of, nearest, runs
from vlit.assess.hygiene.benchmarks import FIELDS, benchmark_files, read_benchmark
from vlit.assess.hygiene.lookup import Lookup
from vlit.assess.hygiene.near_duplicates import text_hash
from vlit.assess.indicator import Indicator
from vlit.assess.seen import Part, Seen
from vlit.data.sample import Sample, strip_image_tokens
from vlit.data.score import Score, SetScore
from vlit.data.seeds import hash64
from vlit.run.inputs import content_line, photos_below
from vlit.run.stage import Config


class ContaminationConfig(Config):
    """Which benchmarks, and what counts as theirs."""

    benchmarks: tuple[str, ...] = ()  #: files of questions, or folders of such files and of images
    fields: tuple[str, ...] = FIELDS  #: names of the fields that hold questions
    min_words: int = pydantic.Field(default=8, ge=3)  #: shorter questions are not compared
    ngram: int = pydantic.Field(default=13, ge=3)  #: words of a run
    floor: float = pydantic.Field(default=0.8, ge=0, le=1)  #: similarities below it count as none


class Contamination(Indicator[ContaminationConfig]):
    """How much of a sample's instructions and images benchmarks have too, 0 to 1."""

    name: ClassVar[str] = "contamination"
    principle = "hygiene"
    direction = "lower is better"
    by_default: ClassVar[bool] = False
    Config = ContaminationConfig

    def outside(self) -> Iterator[str]:
        """Paths and content of the benchmarks' files."""
        for path in (*benchmark_files(self._paths()), *self._photos()):
            yield content_line(path)

    def fit(self) -> _Pass:
        """Read the benchmarks; nothing is taken from the samples."""
        return _Pass(self)

    def score(self, part: Part, state: Known) -> Iterator[Score]:
        """Compare each sample with all benchmarks."""
        if not self.config.benchmarks:
            yield from (self.of(s, None, "no benchmarks are named") for s in part.samples)
            return
        texts = [instructions(sample, state.prompts) for sample in part.samples]
        near = iter(self._near([own for of in texts for own in of], state))
        images = [[hash64(i.sha256) for i in sample.images if i.sha256] for sample in part.samples]
        least = self.config.min_words
        keys = [[text_hash(form) for of in own for form in of if len(form) >= least] for own in texts]
        shown, asked = first_files(state.images, images), first_files(state.texts, keys)
        for i, sample in enumerate(part.samples):
            value, file = max([next(near) for _ in texts[i]], default=(0.0, ""), key=lambda pair: pair[0])
            if (name := shown[i]) is not None:
                yield self.of(sample, 1.0, f"an image of {name}", group=name)
            elif (name := asked[i]) is not None:
                yield self.of(sample, 1.0, f"a question of {name}", group=name)
            elif value > 0:
                yield self.of(sample, value, f"{value:.0%} like a question of {file}", group=file)
            else:
                yield self.of(sample, 0.0)

    def _near(self, texts: list[list[list[str]]], known: Known) -> list[tuple[float, str]]:
        """The higher of both similarities of each text, and the file."""
        whole = [of[0] for of in texts]
        best = self._shared_runs(whole, known)
        places = [i for i, tokens in enumerate(whole) if len(tokens) >= self.config.min_words]
        for i, value, row in zip(places, *nearest([whole[i] for i in places], known), strict=True):
            if value >= self.config.floor and value > best[i][0]:
                best[i] = value, known.files[row]
        return best

    def _shared_runs(self, texts: list[list[str]], known: Known) -> list[tuple[float, str]]:
        """Share of the runs of words of each text that benchmarks have, and the file of the first one."""
        keys, owners = runs(texts, self.config.ngram)
        hits, totals = [0] * len(texts), np.bincount(owners, minlength=len(texts)).tolist()
        files = [""] * len(texts)
        for owner, found in zip(owners.tolist(), known.runs.find(keys), strict=True):  # type: ignore[arg-type]
            if found is not None:
                hits[owner] += 1
                files[owner] = files[owner] or found[1]
        return [
            (hit / total if total else 0.0, file) for hit, total, file in zip(hits, totals, files, strict=True)
        ]

    def summarise(self, scores: Iterable[Score], state: Any = None) -> SetScore:
        """The mean; in the detail, how many samples have something of each benchmark."""
        values: list[float] = []
        touched: dict[str, int] = {}
        for score in scores:
            if score.value is not None:
                values.append(score.value)
            if score.group is not None:
                touched[score.group] = touched.get(score.group, 0) + 1
        value = sum(values) / len(values) if values else None
        return self.of_set(value, len(values), samples={name: touched[name] for name in sorted(touched)})

    def _paths(self) -> list[Path]:
        return [(self.base / Path(path).expanduser()).resolve() for path in self.config.benchmarks]

    def _photos(self) -> list[Path]:
        return sorted(photo for path in self._paths() if path.is_dir() for photo in photos_below(path))


class _Pass:
    """No pass at all, but the place where what all workers share is read."""

    def __init__(self, indicator: Contamination) -> None:
        self._indicator = indicator

    def add(self, sample: Sample) -> None:
        """Nothing: what counts are the benchmarks."""

    def state(self, seen: Seen) -> Known:
        config, of = self._indicator.config, self._indicator
        questions: list[tuple[str, str]] = []
        images: dict[int, str] = {}
        for path in benchmark_files(of._paths()):
            found = read_benchmark(path, [name.lower() for name in config.fields])
            questions += ((text, path.name) for text in found.questions)
            images.update((hash64(sha), path.name) for sha in sorted(found.images))
        for photo in of._photos():
            with photo.open("rb") as handle:
                images.setdefault(hash64(hashlib.file_digest(handle, "sha256").hexdigest()), photo.name)
        return index(questions, images, config.min_words, config.ngram)


def instructions(sample: Sample, prompts: frozenset[int]) -> list[list[list[str]]]:
    """For each of the user's turns its words in all forms that are compared."""
    turns = (strip_image_tokens(turn.text) for turn in sample.turns if turn.role == "user")
    return [forms(lines_of(text), prompts) for text in turns]


def first_files(lookup: Lookup, keys: Sequence[Sequence[int]]) -> list[str | None]:
    """For each list of keys the file of the first one that is known."""
    found = iter(lookup.find([key for own in keys for key in own]))
    hits = [[next(found) for _ in own] for own in keys]
    return [next((hit[1] for hit in own if hit is not None), None) for own in hits]
