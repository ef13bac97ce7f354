"""CHAIR: which share of the objects that the responses mention is not in the picture?

    CHAIRi = mentions of hallucinated objects / mentions of objects        CHAIRs = samples with one / samples

(Rohrbach et al. 2018.) Objects are the labels that annotators searched the picture for exhaustively, COCO's 80;
one is *hallucinated* when no box has its label and no caption of the picture names it. The value of a sample is
its CHAIRi; that of the set counts the mentions of all samples together, and CHAIRs is in its detail.

Two choices: the synonyms are our own (``vlit.language.mentions``), of which words that may mean something else
("bike") count as evidence in captions but never as a mention; and an object that is denied ("there is no dog")
is not mentioned, where the original, made for captions, counts it. ``count_denied`` does as the original.

Limits: absence of a box is taken as absence of the thing, small and overlooked things too; nothing but the
labels is seen, and neither numbers nor looks. ``grounded_correctness`` judges more and accuses less.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from vlit.assess.correctness.claims import claims_of
from vlit.assess.correctness.judged import scene_of
from vlit.assess.indicator import Form, Indicator, Need
from vlit.assess.seen import Part
from vlit.data.scene import Scene
from vlit.data.score import Score, SetScore
from vlit.language.mentions import Lexicon, Mention, lexicon
from vlit.run.stage import Config

_COUNTED = re.compile(r"(\d+) of (\d+) mentions of objects")


class HallucinatedObjectsConfig(Config):
    """What counts as a mention."""

    count_denied: bool = False  #: objects of which a text says that they are not there, too


class HallucinatedObjects(Indicator[HallucinatedObjectsConfig]):
    """Share of the mentioned objects that are not in the picture (CHAIRi), 0 to 1."""

    name: ClassVar[str] = "hallucinated_objects"
    principle = "correctness"
    form: ClassVar[Form] = "faithful"
    direction = "lower is better"
    needs: ClassVar[tuple[Need, ...]] = ("text", "scenes")
    Config = HallucinatedObjectsConfig

    def score(self, part: Part, state: Any) -> Iterator[Score]:
        """Compare what each sample mentions with the one scene that it shows."""
        known: dict[str, tuple[Lexicon, frozenset[str]]] = {}
        for sample in part.samples:
            scene, why = scene_of(sample, part.scenes)
            if scene is None:
                yield self.of(sample, None, why)
                continue
            if not scene.searched:
                yield self.of(sample, None, "no label was searched for exhaustively in its image")
                continue
            if scene.id not in known:
                known[scene.id] = lexicon(scene.searched), there(scene)
            words, found = known[scene.id]
            named = mentioned(sample.text_of("assistant"), words, count_denied=self.config.count_denied)
            wrong = [m for m in named if m.label not in found]
            told = f"{len(wrong)} of {len(named)} mentions of objects"
            if wrong:
                which = ", ".join(dict.fromkeys(repr(m.text) for m in wrong))
                told += f" are of things that are not there: {which}"
            yield self.of(sample, len(wrong) / len(named) if named else None, told)

    def summarise(self, scores: Iterable[Score], state: Any = None) -> SetScore:
        """CHAIRi over all mentions; CHAIRs over all samples whose scene is known."""
        wrong = named = samples = flawed = 0
        for score in scores:
            counted = _COUNTED.match(score.reason or "")
            if counted:
                wrong += int(counted[1])
                named += int(counted[2])
                samples += 1
                flawed += counted[1] != "0"
        detail = {"chair_s": flawed / samples if samples else None, "mentions": named, "hallucinated": wrong}
        return self.of_set(wrong / named if named else None, samples, **detail)


def there(scene: Scene) -> frozenset[str]:
    """Labels that are in the picture: those of boxes, and those that captions name."""
    words = lexicon(scene.searched)
    named = {m.label for c in scene.captions for m in words.find(c.text)}
    return frozenset(named | {o.label for o in scene.objects})


def mentioned(text: str, words: Lexicon, *, count_denied: bool = False) -> list[Mention]:
    """The mentions of objects in a text, in order."""
    found = [m for m in words.find(text) if m.relation != "broader"]
    if count_denied or not found:
        return found
    denied = Counter((c.label, c.word) for c in claims_of(text, words) if c.kind == "absent")
    kept = []
    for m in found:
        if denied[m.label, m.text]:
            denied[m.label, m.text] -= 1
        else:
            kept.append(m)
    return kept
