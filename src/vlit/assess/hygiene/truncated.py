"""Hygiene: responses that stop in the middle: in a sentence, in a list, in brackets.

A response is cut off when its last line

* ends with what something has to follow: a comma, an open bracket, "the", "and" (a lone letter such as the
  option "A" is none);
* ends with a preposition or a verb that nearly always goes on ("of", "is"), and nothing in it lets it stand at
  the end ("where the dog is", "something to play with", "Yes, there are");
* opens a bracket that it does not close, or is a list mark without an item ("3.");
* is longer than ``min_words`` words and ends with a letter or digit, without any mark;
* is the only one of at least three list items that has no full stop.

The value is the share of the sample's responses that are cut off. Limits: what ends at a sentence's end by
chance is not seen; words are told apart by white space, so that scripts without it are judged by their last
sign alone; Thai, Lao, Khmer and Burmese, which use no full stop, are not judged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar

import pydantic

from vlit.assess.hygiene.telltale import responses
from vlit.assess.indicator import Indicator
from vlit.assess.seen import Part
from vlit.data.score import Score, shown
from vlit.language.endings import last_line
from vlit.run.stage import Config

#: What nearly never ends an answer; prepositions and verbs can ("the chair that she sits on", "where it is").
_DANGLING = re.compile(
    r"(?:[,;:\[{&–—、，；：]|(?<![:;=-])\()$|(?<=\s)(?:a|an|the|and|or|but|its|their|my|your|our|which|while|because|into|than|very)$"
)
#: None of 30,343 captions ends so; an answer may, where one of the words behind stands before it.
_GOES_ON = re.compile(r"\S\s+\S+\s(?:of|from|with|onto|every|several|next|is|are|was|were|has|have)$")
_MAY_END = re.compile(
    r"\b(?:where|what|how|who|whom|whose|which|when|why|that|as|than|so|if|whether|yes|no|not|to|it|he|she|they|there"
    r"|i|we|you|this|these|those|one)\b|n['’]t\b",
    re.IGNORECASE,
)
_MARK = re.compile(r"\s*(?:[-*•]+|\(?\d{1,3}[.)])\s*")
_WITHOUT_STOPS = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]$")
_CLOSERS = "\"'”’»*_` "
_USUAL = (".", "!", "?")  #: most responses end so, and only a list mark could be open then
_MARKED = 8  #: characters, more than a list mark has
_STOPS = ".!?…:;。！？．؟।॥"


class TruncatedAnswerConfig(Config):
    """When a missing full stop counts."""

    min_words: int = pydantic.Field(default=16, ge=1)  #: short answers and captions often have none


class TruncatedAnswer(Indicator[TruncatedAnswerConfig]):
    """Share of the responses that stop in the middle, 0 to 1."""

    name: ClassVar[str] = "truncated_answer"
    principle = "hygiene"
    direction = "lower is better"
    Config = TruncatedAnswerConfig

    def score(self, part: Part, state: None) -> Iterator[Score]:
        """Look at the end of each response; the reason quotes the first that is open."""
        for sample in part.samples:
            texts = responses(sample)
            if not texts:
                yield self.of(sample, None, "there is no response")
                continue
            cut = [text for text in texts if is_cut(text, self.config.min_words)]
            said = f'ends with "…{shown(cut[0][-40:])}"' if cut else None
            yield self.of(sample, len(cut) / len(texts), said)


def is_cut(text: str, min_words: int) -> bool:
    """Whether a text stops in the middle, by the rules that this file opens with."""
    if text[-1:] in _USUAL and "\n" not in text[-_MARKED:]:
        return False
    line = last_line(text)
    bare = line.rstrip(_CLOSERS)
    if not bare:
        return False
    mark = _MARK.match(line)
    if mark and not line[mark.end() :]:
        return "\n" in text.strip()  # "3." alone is an answer
    if _DANGLING.search(line) or _is_open(line) or (_GOES_ON.search(line) and not _MAY_END.search(line)):
        return True
    if bare[-1] in _STOPS or not bare[-1].isalnum() or _WITHOUT_STOPS.search(bare):
        return False
    if mark:
        return _stands_out(text)
    return len(text.split(None, min_words)) > min_words


def _is_open(line: str) -> bool:
    """Whether the last bracket of a line is an open one; emoticons are none."""
    for opening, closing in ("()", "[]", "{}"):
        at = line.rfind(opening)
        if at > line.rfind(closing) and line[at - 1 : at] not in (":", ";", "-", "="):
            return True
    return False


def _stands_out(text: str) -> bool:
    """Whether all list items but the last end with a full stop."""
    items = [line.rstrip(_CLOSERS) for line in text.splitlines() if _MARK.match(line)]
    return len(items) >= 3 and all(item[-1:] in _STOPS and item for item in items[:-1])
