"""All defects, and which indicator should see each."""

from __future__ import annotations

from benchmarks.planted_defects import facts, photos, texts
from benchmarks.planted_defects.defect import Defect

_GROUNDED = ("grounded_correctness", "hallucinated_objects")
_SWAPPED = ("annotated_matching", *_GROUNDED)
_IMAGE = ("image_readability",)

DEFECTS = (
    Defect("wrong object, searched for and absent", facts.wrong_object, _GROUNDED, goal=True),
    Defect("wrong object, of labels nobody searched for", facts.wrong_label, _GROUNDED),
    Defect("wrong object, of no known label", facts.unsearched_object, ()),
    Defect("wrong count", facts.wrong_count, _GROUNDED[:1], goal=True),
    Defect("wrong colour", facts.wrong_colour, _GROUNDED[:1]),
    Defect("left and right flipped", facts.other_side, _GROUNDED[:1]),
    Defect("yes and no flipped", facts.other_answer, _GROUNDED[:1]),
    Defect("swapped image, any other", facts.swapped_image, _SWAPPED),
    Defect("swapped image, any other, nothing denied", facts.swapped_affirming, _SWAPPED, goal=True),
    Defect("swapped image, without a thing that is named", facts.swapped_to_unlike, _SWAPPED, goal=True),
    Defect("scrambled text", texts.scrambled, ("text_readability",), goal=True),
    Defect("duplicate answer", texts.duplicate, ("repeated_answer", "near_duplicate"), goal=True),
    Defect("leak phrase", texts.leak, ("leak_phrase",)),
    Defect("refusal", texts.refusal, ("refusal",)),
    Defect("empty talk", texts.empty_talk, ()),
    Defect("answer cut off", texts.cut_off, ("truncated_answer",)),
    Defect("blur", photos.damaging(photos.blurred), _IMAGE, goal=True, photos=True),
    Defect("darkness", photos.damaging(photos.darkened), _IMAGE, goal=True, photos=True),
    Defect("noise", photos.damaging(photos.noisy), _IMAGE, photos=True),
    Defect("JPEG of quality 3 to 10", photos.damaging(photos.as_it_is, (3, 10)), _IMAGE, photos=True),
)
