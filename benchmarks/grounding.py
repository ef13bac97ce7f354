"""How well grounded correctness finds planted mistakes, and how often it flags clean samples.

    python -m benchmarks.grounding [--seeds 10] [folder ...]

Each seed makes samples by annotation adaption from every folder, and takes 200 clean ones and 200 with one
mistake planted in the responses, whatever their task and phrasing:

* count: the number of a label that the annotations can count becomes another one;
* object: a word for a label becomes an absent label (no box, in no caption, not even as a wider word);
* answer: yes becomes no or no becomes yes, or the letter of an option becomes another one (no target).

A sample is flagged when its value is below 1. Targets: at least 95 % of wrong counts and objects, at most 5 %
of clean samples. The last line has no target: captions that people wrote, each against its scene without it.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from vlit.assess.correctness.grounding import GroundedCorrectness
from vlit.assess.indicator import NoConfig
from vlit.assess.seen import Part
from vlit.collect.stage import collect_folder
from vlit.data.boxes import find_boxes
from vlit.data.sample import Provenance, Sample, Turn
from vlit.data.scene import Scene
from vlit.data.seeds import rng
from vlit.generate.adapt import adapt
from vlit.language import nouns
from vlit.language.mentions import Mention, lexicon

PLANTED, CLEAN = 200, 200
DATA = Path(os.environ.get("VLIT_DATA", Path(__file__).resolve().parents[2] / "shared/data"))
NUMBERS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
]
_NUMBER = re.compile(rf"\b(\d{{1,2}}|{'|'.join(NUMBERS[1:])})\b", re.IGNORECASE)
_DENIES = re.compile(r"\b(?:no|not|cannot|missing|absent)\b|n't\b|\bthan\b|\boutnumber\b", re.IGNORECASE)
_SENTENCE = re.compile(r"[^.!?\n]+[.!?\n]*")
_OPTION = re.compile(r"^([A-Z])[.)] (.+)$", re.MULTILINE)

Plant = Callable[[Sample, Scene, random.Random], Sample | None]


def with_answer(sample: Sample, turn: int, text: str) -> Sample:
    turns = list(sample.turns)
    turns[turn] = Turn(role="assistant", text=text)
    return msgspec.structs.replace(sample, turns=tuple(turns))


def in_case_of(word: str, new: str) -> str:
    return new[:1].upper() + new[1:] if word[:1].isupper() else new


def mentions(scene: Scene, text: str) -> list[Mention]:
    return lexicon(scene.searched).find(text)


def answers(sample: Sample, rand: random.Random) -> list[tuple[int, Turn]]:
    found = [(i, t) for i, t in enumerate(sample.turns) if t.role == "assistant"]
    rand.shuffle(found)
    return found


def another_number(scene: Scene, label: str, said: int, rand: random.Random) -> int | None:
    """A number that neither the boxes nor a caption give for the label."""
    exact = scene.exact_count(label)
    if exact is None or label in ("skis", "scissors"):
        return None
    taken = {
        said,
        exact,
        *(int(n) if n.isdigit() else NUMBERS.index(n.lower()) for n in caption_numbers(scene)),
    }
    free = [n for n in range(2, max(exact, said) + 4) if n not in taken and n < len(NUMBERS)]
    return rand.choice(free) if free else None


def caption_numbers(scene: Scene) -> list[str]:
    return [
        n for c in scene.captions for n in _NUMBER.findall(c.text) if not n.isdigit() or int(n) < len(NUMBERS)
    ]


def wrong_count(sample: Sample, scene: Scene, rand: random.Random) -> Sample | None:
    """Change one number that stands before a label, or alone after "How many ...?"."""
    for i, turn in answers(sample, rand):
        if find_boxes(turn.text):
            continue
        places = list(_NUMBER.finditer(turn.text))
        rand.shuffle(places)
        named = mentions(scene, turn.text)
        for place in places:
            said = int(place[1]) if place[1].isdigit() else NUMBERS.index(place[1].lower())
            target = next(
                (m for m in named if re.fullmatch(r" (?:\w+ )?", turn.text[place.end() : m.start])), None
            )
            if target is None and named == [] and "how many" in sample.turns[i - 1].text.lower():
                asked = mentions(scene, sample.turns[i - 1].text)
                target = asked[0] if len({m.label for m in asked}) == 1 else None
            number = target and another_number(scene, target.label, said, rand)
            if not target or not number:
                continue
            word = str(number) if place[1].isdigit() else in_case_of(place[1], NUMBERS[number])
            before, behind = turn.text[: place.start()], turn.text[place.end() :]
            if named and not target.plural:
                at = target.start - place.end()
                behind = behind[:at] + nouns.plural(target.text) + behind[at + len(target.text) :]
                before = re.sub(r"\bthere is $", "there are ", before, flags=re.IGNORECASE)
            return with_answer(sample, i, before + word + behind)
    return None


def absent(scene: Scene) -> list[str]:
    texts = [c.text for c in scene.captions] + [q.text for q in scene.questions]
    named = {m.label for text in texts for m in mentions(scene, text)} | {o.label for o in scene.objects}
    return [label for label in scene.searched if label not in named]


def wrong_object(sample: Sample, scene: Scene, rand: random.Random) -> Sample | None:
    """Put an absent label in the place of a thing that a response says is there."""
    for i, turn in answers(sample, rand):
        if i and _OPTION.search(sample.turns[i - 1].text) and _DENIES.search(sample.turns[i - 1].text):
            continue  # "Which of these is not in the image?": an absent thing would be right
        affirmed = [
            m
            for s in _SENTENCE.finditer(turn.text)
            if not _DENIES.search(re.sub(r"^No[,.]", "", s.group().strip()))
            for m in mentions(scene, turn.text)
            if s.start() <= m.start < s.end()
        ]
        if not affirmed:
            continue
        m, label = rand.choice(affirmed), rand.choice(absent(scene))
        new = nouns.plural(label) if m.plural else label
        before = turn.text[: m.start]
        if not m.plural:  # "a cat" -> "an elephant"
            article = "an" if label[0] in "aeiou" else "a"
            before = re.sub(r"\ban? $", article + " ", re.sub(r"\bAn? $", article.title() + " ", before))
        return with_answer(sample, i, before + in_case_of(m.text, new) + turn.text[m.end :])
    return None


def wrong_answer(sample: Sample, scene: Scene, rand: random.Random) -> Sample | None:
    """Flip a bare yes or no, or choose another letter."""
    for i, turn in answers(sample, rand):
        bare = turn.text.strip(" .")
        if bare.lower() in ("yes", "no"):
            return with_answer(sample, i, in_case_of(bare, {"yes": "no", "no": "yes"}[bare.lower()]))
        letters = [m[1] for m in _OPTION.finditer(sample.turns[i - 1].text)] if i else []
        if len(letters) > 1 and bare in letters:
            return with_answer(sample, i, rand.choice([x for x in letters if x != bare]))
    return None


KINDS: dict[str, Plant] = {"count": wrong_count, "object": wrong_object, "answer": wrong_answer}


def flagged(samples: Sequence[Sample], scenes: dict[str, Scene]) -> list[bool]:
    scores = GroundedCorrectness(NoConfig()).score(Part(samples, scenes), None)
    return [s.value is not None and s.value < 1 for s in scores]


def plant(samples: Sequence[Sample], scenes: dict[str, Scene], kind: str, n: int, seed: int) -> list[Sample]:
    """Up to ``n`` samples with one mistake of a kind, in random order."""
    rand = rng(seed, "plant", kind)
    planted: list[Sample] = []
    for sample in rand.sample(samples, len(samples)):
        made = KINDS[kind](sample, scenes[sample.provenance.scenes[0]], rand)
        if made is not None and made != sample:
            planted.append(made)
        if len(planted) == n:
            break
    return planted


def run(scenes: Sequence[Scene], seeds: int, show: int = 0) -> dict[str, list[float]]:
    """Share of flagged samples for each seed, by kind of mistake, together, and of clean ones."""
    by_id = {s.id: s for s in scenes}
    shares: dict[str, list[float]] = defaultdict(list)
    for seed in range(seeds):
        samples = list(adapt(scenes, seed=seed))
        both: list[bool] = []
        for kind in KINDS:
            made = plant(samples, by_id, kind, PLANTED // 2, seed)
            hits = flagged(made, by_id)
            shares[f"wrong {kind}"].append(sum(hits) / len(hits))
            shares[f"planted ({kind})"].append(len(hits))
            both += hits if kind != "answer" else []
            for sample, hit in zip(made, hits, strict=True):
                if not hit and show:
                    show -= 1
                    print("MISSED", kind, sample.task, [t.text for t in sample.turns], file=sys.stderr)
        shares["wrong count or object"].append(sum(both) / len(both))
        taken = rng(seed, "clean").sample(samples, min(CLEAN, len(samples)))
        clean = flagged(taken, by_id)
        shares["clean"].append(sum(clean) / len(clean))
        for sample, hit in zip(taken, clean, strict=True):
            if hit and show:
                print("FLAGGED", sample.task, [t.text for t in sample.turns], file=sys.stderr)
    return shares


def captions(scenes: Sequence[Scene], show: int = 0) -> tuple[int, int, int]:
    """Captions by people against their scene without them: flagged, checked, all."""
    n = wrong = checked = 0
    for scene in scenes:
        for caption in scene.captions:
            rest = tuple(c for c in scene.captions if c.id != caption.id)
            sample = Sample(
                id=caption.id,
                turns=(Turn(role="user", text="<image>\nDescribe."), Turn(role="assistant", text=caption.text)),
                images=(scene.image,),
                provenance=Provenance(scenes=(scene.id,)),
            )
            (score,) = GroundedCorrectness(NoConfig()).score(
                Part([sample], {scene.id: msgspec.structs.replace(scene, captions=rest)}), None
            )
            n += 1
            checked += score.value is not None
            wrong += score.value is not None and score.value < 1
            if show and score.value is not None and score.value < 1:
                show -= 1
                print("CAPTION", caption.text, "|", score.reason, file=sys.stderr)
    return wrong, checked, n


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, default=[DATA / "coco-free", DATA / "coco-mini"])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--show", type=int, default=0, help="missed and flagged examples to print")
    options = parser.parse_args()
    missed = False
    for folder in options.folders:
        if not folder.is_dir():
            print(f"{folder}: not there, skipped (set VLIT_DATA to the folder of the data)")
            continue
        scenes, _ = collect_folder(folder)
        shares = run(scenes, options.seeds, options.show)
        print(f"\n{folder.name}: {len(scenes)} scenes, {options.seeds} seeds | mean | worst")
        for name, values in shares.items():
            if name.startswith("planted"):
                continue
            worst = max(values) if name == "clean" else min(values)
            print(f"  flagged, {name:24s} {statistics.mean(values):7.1%} {worst:7.1%}")
        wrong, checked, n = captions(scenes, options.show)
        print(
            f"  captions by people: {wrong} of {n} flagged ({wrong / n:.1%}); {checked} had a checkable claim"
        )
        missed |= min(shares["wrong count or object"]) < 0.95 or max(shares["clean"]) > 0.05
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
