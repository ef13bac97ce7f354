"""From many proposed tags to a few: near-duplicates merged, then kept by what they cover and do not repeat."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from vlit.assess.judge.hearing import Flaw, answer_of
from vlit.teacher.reply import Choice

#: Tags that are proposed for a sample, and what each counts when tags are kept: wide ones stand behind.
PROPOSED = 3
_WEIGHTS = (6, 3, 2)

Vectors = npt.NDArray[np.float32]

_BULLET = re.compile(r"^(?:[-•*]|\d{1,2}[.):])\s*")
_TAG = re.compile(r"[^\W_]+(?:[ '’/&-]+[^\W_]+)*")
_WORDS, _CHARACTERS = 5, 48


def read_tags(choice: Choice) -> tuple[str, ...] | Flaw:
    """The tags of a reply: one a line, best first, at most ``PROPOSED``, of one to five words."""
    lines = [_cleaned(line) for line in answer_of(choice).splitlines()]
    tags = tuple(dict.fromkeys(line for line in lines if line))
    if not tags:
        return Flaw("it is empty")
    if len(tags) > PROPOSED:
        return Flaw(f"it has {len(tags)} lines, and {PROPOSED} tags were asked for")
    wrong = next((tag for tag in tags if not is_tag(tag)), None)
    return Flaw(f'"{wrong[:_CHARACTERS]}" is no tag of one to {_WORDS} words') if wrong else tags


def is_tag(text: str) -> bool:
    """Whether a text can be a tag."""
    return bool(_TAG.fullmatch(text)) and len(text) <= _CHARACTERS and len(text.split()) <= _WORDS


def read_choice(choice: Choice, tags: Sequence[str]) -> str | Flaw:
    """The one of the tags that a reply names."""
    lines = [line for line in map(_cleaned, answer_of(choice).splitlines()) if line]
    if len(lines) == 1 and lines[0] in tags:
        return lines[0]
    return Flaw("it is not one of the tags, alone and as it is written in the list")


def _cleaned(line: str) -> str:
    return " ".join(_BULLET.sub("", line.strip()).strip(" \"'`*.").lower().split())


def merged(counts: Mapping[str, int], vectors: Vectors, least: float) -> dict[str, str]:
    """Each tag with the one that it is merged into: the nearest of the more frequent ones, or itself.

    Args:
        counts: Tags with how many samples they were proposed for, in the order of the vectors.
        vectors: Their unit vectors, shape (n, d); a zero row is near to nothing.
        least: Cosine from which two tags are the same.
    """
    names = list(counts)
    heads: list[int] = []
    found: dict[str, str] = {}
    for i in sorted(range(len(names)), key=lambda i: (-counts[names[i]], names[i])):
        near = [float(vectors[i] @ vectors[head]) for head in heads]
        best = int(np.argmax(near)) if near else 0
        if near and near[best] >= least:
            found[names[i]] = names[heads[best]]
        else:
            heads.append(i)
            found[names[i]] = names[i]
    return found


def kept(proposed: Sequence[Sequence[str]], least: float, most: int) -> tuple[str, ...]:
    """The tags that cover the samples, without those that add little: greedy weighted set cover.

    Of the samples that no kept tag covers, the tag that is named for most of them comes next, where a second
    place counts half and a third one a third: else words that fit everything would cover all. It ends where a
    tag would cover less than ``least`` of all samples anew.

    Args:
        proposed: The merged tags of each sample, best first.
        least: Share of the samples that a tag has to add.
        most: How many tags are kept at most.
    """
    open_ = {i: tuple(dict.fromkeys(tags)) for i, tags in enumerate(proposed) if tags}
    n, found = len(open_), []  # type: int, list[str]
    while open_ and len(found) < most:
        covers = Counter(tag for tags in open_.values() for tag in tags)
        weight: Counter[str] = Counter()
        for tags in open_.values():
            for tag, points in zip(tags, _WEIGHTS, strict=False):
                weight[tag] += points
        fit = [tag for tag in weight if not found or covers[tag] >= least * n]
        if not fit:
            break
        tag = min(fit, key=lambda tag: (-weight[tag], tag))
        found.append(tag)
        open_ = {i: tags for i, tags in open_.items() if tag not in tags}
    return tuple(found)


def prototypes(proposed: Sequence[Sequence[str]], tags: Sequence[str], vectors: Vectors) -> Vectors:
    """A unit vector for each tag: the mean of the samples that have it before all other kept tags.

    Args:
        proposed: The merged tags of each sample, best first.
        tags: Those that are kept.
        vectors: Of the samples, shape (n, d); zero rows say nothing.

    Returns:
        Shape (tags, d); a zero row for a tag of samples without a vector.
    """
    known = set(tags)
    first = [next((tag for tag in own if tag in known), None) for own in proposed]
    rows = np.zeros((len(tags), vectors.shape[1]), np.float64)
    for place, tag in enumerate(tags):
        own = [i for i, head in enumerate(first) if head == tag]
        own = own or [i for i, names in enumerate(proposed) if tag in names]
        rows[place] = vectors[own].astype(np.float64).sum(0)
    lengths = np.sqrt((rows**2).sum(1, keepdims=True))
    unit = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    found: Vectors = unit.astype(np.float32)
    return found
