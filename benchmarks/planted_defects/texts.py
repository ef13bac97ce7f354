"""Broken texts: scrambled, cut off, pasted from elsewhere, refusing, or telling where they come from."""

from __future__ import annotations

from benchmarks.planted_defects.defect import Scratch, answers, longest, with_answer
from vlit.data.sample import Sample

_SENTENCE, _LONG = 6, 8  #: words from which an answer is long enough to be scrambled; to be pasted or cut

#: Ways in which a writer who saw no image gives it away. Written for this file, not taken from the indicator.
LEAKS = (
    "According to the caption, ",
    "Based on the description provided, ",
    "The caption says that ",
    "As mentioned in the given text, ",
    "From the bounding box coordinates, ",
    "The provided annotations show that ",
    "In the given captions, ",
    "As the second caption states, ",
    "Judging by the object list, ",
    "The information provided tells us that ",
    "Going by the image description, ",
    "The text given above says that ",
)
REFUSALS = (
    "I'm sorry, but I can't help with that.",
    "As an AI language model, I am not able to see images.",
    "I cannot view the picture, so I can't answer this question.",
    "Unfortunately, there is not enough information to answer.",
    "I am unable to determine this from what is given.",
    "Sorry, I don't have access to the image you are referring to.",
    "Please provide the image so that I can describe it.",
    "I apologize, but I can't assist with this request.",
)
EMPTY_TALK = (
    "This is a very interesting image with many details that can be looked at in different ways.",
    "Thank you for your question! It is always a pleasure to talk about pictures like this one.",
    "There are many things to say about this scene, and everyone may see something different in it.",
    "The image speaks for itself and leaves a strong impression on everyone who looks at it.",
    "Great question! Let me know if there is anything else that I can do for you.",
)


def scrambled(sample: Sample, scratch: Scratch) -> Sample | None:
    """The words of the longest answer in random order."""
    found = longest(sample, _SENTENCE)
    if found is None:
        return None
    words = found[1].split()
    mixed = scratch.rand.sample(words, len(words))
    return with_answer(sample, found[0], " ".join(mixed)) if mixed != words else None


def duplicate(sample: Sample, scratch: Scratch) -> Sample | None:
    """The longest answer becomes a long answer about another photo, word for word."""
    found = longest(sample, _LONG)
    if found is None:
        return None
    for _ in range(20):
        other = scratch.rand.choice(scratch.base.samples)
        pasted = longest(other, _LONG)
        foreign = other.images[:1] != sample.images[:1] and other.id not in scratch.hosts
        if foreign and pasted is not None and pasted[1] != found[1]:
            scratch.donors.add(other.id)
            return with_answer(sample, found[0], pasted[1])
    return None


def leak(sample: Sample, scratch: Scratch) -> Sample | None:
    """An answer begins by naming the annotations that it was made from."""
    found = longest(sample, _SENTENCE)
    if found is None:
        return None
    turn, text = found
    starts_plain = text.split()[0].lower() in ("the", "a", "an", "there", "this", "it", "two", "three", "some")
    return with_answer(
        sample, turn, scratch.rand.choice(LEAKS) + (text[0].lower() + text[1:] if starts_plain else text)
    )


def refusal(sample: Sample, scratch: Scratch) -> Sample | None:
    """An answer refuses."""
    turn, _ = answers(sample)[-1]
    return with_answer(sample, turn, scratch.rand.choice(REFUSALS))


def empty_talk(sample: Sample, scratch: Scratch) -> Sample | None:
    """An answer says nothing of the picture."""
    turn, _ = answers(sample)[-1]
    return with_answer(sample, turn, scratch.rand.choice(EMPTY_TALK))


def cut_off(sample: Sample, scratch: Scratch) -> Sample | None:
    """A long answer ends after 40 to 80 % of its words."""
    found = longest(sample, _LONG)
    if found is None:
        return None
    words = found[1].split()
    return with_answer(sample, found[0], " ".join(words[: int(len(words) * scratch.rand.uniform(0.4, 0.8))]))
