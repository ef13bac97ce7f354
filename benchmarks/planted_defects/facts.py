"""Wrong facts: another object, number, colour or side, yes for no, and the photo of another sample."""

from __future__ import annotations

import re

import msgspec

from benchmarks import grounding
from benchmarks.planted_defects.defect import Scratch, answers, longest, with_answer
from vlit.data.boxes import find_boxes
from vlit.data.sample import Sample
from vlit.language import nouns
from vlit.language.mentions import lexicon

#: Things that no label of COCO covers: nobody searched the photos for them.
UNSEARCHED = (
    "ladder", "fountain", "guitar", "candle", "curtain", "pillow", "basket", "barrel", "tent", "statue", "drum",
    "piano", "helmet", "rug", "lantern", "flag", "shovel", "broom", "bucket", "hammer", "violin", "wheelbarrow",
    "mailbox", "chandelier", "lighthouse", "windmill", "swing", "hammock", "canoe", "telescope",
)  # fmt: skip
COLOURS = ("black", "white", "red", "green", "blue", "yellow", "brown", "gray", "orange", "pink", "purple")
_COLOUR = re.compile(rf"\b(?:{'|'.join(COLOURS)}|grey)\b", re.IGNORECASE)
_SIDE = re.compile(r"\b(left|right)\b(?!\s+(?:answer|choice|option|one)\b)(?<!is right)", re.IGNORECASE)
_YES_NO = re.compile(r"^\W*(yes|no)\b", re.IGNORECASE)
_OTHER = {"left": "right", "right": "left", "yes": "no", "no": "yes"}
#: As many words are a description; fewer are often true of another photo as well.
_TELLING = 8


def wrong_object(sample: Sample, scratch: Scratch) -> Sample | None:
    """A thing becomes one that annotators searched for and that is in no box and no caption."""
    scene = scratch.scene(sample)
    if scene is None or not scene.searched:
        return None
    return grounding.wrong_object(sample, scene, scratch.rand)


def wrong_label(sample: Sample, scratch: Scratch) -> Sample | None:
    """A thing becomes another of COCO's 80 that no text of the scene names; nobody may have searched for it."""
    scene = scratch.scene(sample)
    if scene is None or scene.searched:
        return None
    labels = sorted({o.label for s in scratch.base.shown for o in s.objects})
    return grounding.wrong_object(sample, msgspec.structs.replace(scene, searched=tuple(labels)), scratch.rand)


def unsearched_object(sample: Sample, scratch: Scratch) -> Sample | None:
    """A thing becomes one that no annotator searched for: "a guitar"."""
    scene = scratch.scene(sample)
    if scene is None:
        return None
    labels = sorted({*scene.searched, *(o.label for o in scene.objects)})
    for turn, text in answers(sample):
        found = [m for m in lexicon(labels).find(text) if m.relation != "broader"]
        if not found or grounding._DENIES.search(text):
            continue
        m, word = scratch.rand.choice(found), scratch.rand.choice(UNSEARCHED)
        before = re.sub(r"\b([Aa])n? $", r"\1 ", text[: m.start])
        new = grounding.in_case_of(m.text, nouns.plural(word) if m.plural else word)
        return with_answer(sample, turn, before + new + text[m.end :])
    return None


def wrong_count(sample: Sample, scratch: Scratch) -> Sample | None:
    """A number becomes one that neither the boxes nor a caption give."""
    scene = scratch.scene(sample)
    if scene is None or not scene.searched:
        return None
    return grounding.wrong_count(sample, scene, scratch.rand)


def wrong_colour(sample: Sample, scratch: Scratch) -> Sample | None:
    """A colour becomes another one."""
    for turn, text in answers(sample):
        found = list(_COLOUR.finditer(text))
        if found:
            m = scratch.rand.choice(found)
            new = scratch.rand.choice([c for c in COLOURS if c != m[0].lower().replace("grey", "gray")])
            return with_answer(
                sample, turn, text[: m.start()] + grounding.in_case_of(m[0], new) + text[m.end() :]
            )
    return None


def other_side(sample: Sample, scratch: Scratch) -> Sample | None:
    """Left becomes right in an answer that names one of them."""
    for turn, text in answers(sample):
        if len(_SIDE.findall(text)) == 1 and not find_boxes(text):
            return with_answer(sample, turn, _SIDE.sub(_swap, text))
    return None


def other_answer(sample: Sample, scratch: Scratch) -> Sample | None:
    """Yes becomes no, or no yes, where the answer says no more than that."""
    for turn, text in answers(sample):
        if _YES_NO.match(text) and len(text.split()) == 1:
            return with_answer(sample, turn, _YES_NO.sub(_swap, text))
    return None


def _swap(m: re.Match[str]) -> str:
    """The other word, in the case of this one."""
    return m[0].replace(m[1], grounding.in_case_of(m[1], _OTHER[m[1].lower()]))


def swapped_image(sample: Sample, scratch: Scratch) -> Sample | None:
    """A telling answer gets any other photo, with that photo's annotations."""
    if scratch.scene(sample) is None or longest(sample, _TELLING) is None:
        return None
    others = [s for s in scratch.base.shown if s.id != sample.provenance.scenes[0]]
    return _shown_on(sample, scratch.rand.choice(others)) if others else None


def swapped_affirming(sample: Sample, scratch: Scratch) -> Sample | None:
    """A telling answer that denies nothing gets any other photo: "no dogs are in the picture" may stay true."""
    return None if grounding._DENIES.search(sample.text_of("assistant")) else swapped_image(sample, scratch)


def swapped_to_unlike(sample: Sample, scratch: Scratch) -> Sample | None:
    """A telling answer gets a photo without one of the things that it names: surely wrong."""
    scene = scratch.scene(sample)
    if scene is None or not scene.searched or longest(sample, _TELLING) is None:
        return None
    text = sample.text_of("assistant")
    if grounding._DENIES.search(text):
        return None
    named = {m.label for m in lexicon(scene.searched).find(text) if m.relation != "broader"}
    others = [s for s in scratch.base.shown if s.id != scene.id and not named.isdisjoint(grounding.absent(s))]
    return _shown_on(sample, scratch.rand.choice(others)) if others else None


def _shown_on(sample: Sample, scene: object) -> Sample:
    image, ident = scene.image, scene.id  # type: ignore[attr-defined]
    provenance = msgspec.structs.replace(sample.provenance, scenes=(ident,), annotations=())
    return msgspec.structs.replace(sample, images=(image,), marks=(), region=None, provenance=provenance)
