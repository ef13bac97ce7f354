"""Claims about what can be read in the picture: 'the sign says "STOP"', "There is no text in the image.".

Strings in quotes are claims where the words before them speak of reading ("says", "reads", "the word"), or the
question does. Case, marks and spaces do not matter, and neither does how a number is written.

*Supported*: the annotated texts hold all its words, or, run together, hold it. *Contradicted* only where the
response says that there is nothing else to read, or nothing at all, and an annotated text shows that there is:
annotators leave out what is small or blurred, so a string that they did not write down is *unverifiable*.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from vlit.assess.correctness.answers import YES_NO, Question
from vlit.assess.correctness.claims import NUMBERS
from vlit.assess.correctness.facts import SUPPORTED, UNVERIFIABLE, Facts, Judgement, about, contradicted

_QUOTED = re.compile(r"\"([^\"\n]{1,120})\"|“([^”\n]{1,120})”|(?<![\w])['‘]([^'‘’\n]{1,80})['’](?!\w)")
_READS = re.compile(
    r"\b(?:reads?|reading|says?|saying|written|writing|writes|words?|texts?|signs?|labell?(?:ed|s)?|letters?|lettering"
    r"|logos?|spell(?:s|ed)?|titled?|inscri\w+|numbers?|printed|brand(?:ed)?|names?d?|caption(?:ed)?|display(?:s|ed|ing)?)\b",
    re.IGNORECASE,
)
_LONG = 4  #: letters from which a string is looked for inside others: "cola" in "cocacola"
_SHORT = 3  #: words of an answer that says no and nothing else
_NEAR = 60  #: characters before a quoted string in which something speaks of reading
_NOTHING = re.compile(
    r"\b(?:there\s+is|there's|contains|has|shows|with|see)\s+no\s+(?:visible\s+|legible\s+|readable\s+)?"
    r"(?:texts?|words|writing|letters|lettering)\b|\bno\s+(?:visible\s+|legible\s+)?(?:text|words|writing|lettering)\s+"
    r"(?:is|are|can|appears?)\b|\b(?:is|are)n['o]t\s+any\s+(?:visible\s+)?(?:text|words|writing|lettering)\b",
    re.IGNORECASE,
)
_ASKS_WHETHER = re.compile(
    r"\b(?:is|are)\s+there\s+any\s+(?:visible\s+|legible\s+)?(?:text|words|writing|lettering)"
    r"(?:\s+(?:in|on|visible\s+in)\s+(?:the|this)\s+(?:image|picture|photo|scene))?\s*\?",
    re.IGNORECASE,
)
_OF_A_PART = re.compile(
    r"\b(?:on|in|at)\s+(?:the|his|her|its|their|this|that)\s+(?!image|picture|photo|scene)\w+", re.I
)
_ONLY = re.compile(
    r"\bthe\s+only\s+(?:\w+\s+)?(?:text|words?|writing|lettering)\b(?!\s+on\b)|\bnothing\s+(?:else|but)\b|"
    r"\bno\s+other\s+(?:text|words?)\b",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W_]+")
_DIGITS = {word: str(n) for word, n in NUMBERS.items() if word != "single"}


def judge_scene_text(facts: Facts, question: Question, answer: str) -> Iterator[Judgement]:
    """Judge the quoted strings of an answer, and denials that there is anything to read."""
    texts = [words for t in facts.scene.texts if (words := _words(t.text))]
    shown = ", ".join(repr(t.text) for t in facts.scene.texts[:3])
    if _denies(question, answer):
        none = (
            contradicted(f"says that there is no text; the annotators read {shown}") if texts else UNVERIFIABLE
        )
        yield about("scene text", "no text", none)
    asked = _READS.search(question.text) is not None
    for m in _QUOTED.finditer(answer):
        said = m[1] or m[2] or m[3]
        start = max(0, m.start() - _NEAR)
        if not (asked or _READS.search(answer, start, m.start())) or not _words(said):
            continue
        yield about(
            "scene text", said, _judge(texts, said, bool(_ONLY.search(answer, start, m.start())), shown)
        )


def _judge(texts: list[list[str]], said: str, is_all: bool, shown: str) -> Judgement:
    words = _words(said)
    known = {w for text in texts for w in text}
    joined, together = "".join(words), "".join(w for text in texts for w in text)
    if known.issuperset(words) or (len(joined) >= _LONG and joined in together):
        return SUPPORTED
    if is_all and texts and not any(_alike(a, b) for a in words for b in known):
        return contradicted(f"says that {said!r} is the only text; the annotators read {shown}")
    return UNVERIFIABLE


def _denies(question: Question, answer: str) -> bool:
    for m in _NOTHING.finditer(answer):
        other = re.match(r"\s*(?:other|else)\b", answer[m.end() :])
        if not other and not _OF_A_PART.match(answer, m.end() + 1):
            return True
    yes_no = YES_NO.match(answer)
    if yes_no is None or yes_no[1].lower() in ("yes", "yeah", "yep") or len(answer.split()) > _SHORT:
        return False
    return _ASKS_WHETHER.search(question.text) is not None


def _words(text: str) -> list[str]:
    """Words without case and marks, number words as digits."""
    return [_DIGITS.get(w, w) for w in _WORD.findall(text.casefold())]


def _alike(a: str, b: str) -> bool:
    """Whether one may be a misreading of the other: one holds the other, or half of their letters agree."""
    if a in b or b in a:
        return True
    same = sum(x == y for x, y in zip(a, b, strict=False))
    return same * 2 >= max(len(a), len(b))
