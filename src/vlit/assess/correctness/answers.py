"""Claims that an answer makes because of the question before it: "How many dogs are there?" - "3".

Read here: yes and no to questions of presence and number, bare numbers, letters of options, "which of these
is not in the image", and ``them`` in "How many of them are there?". Everything else an answer says stands in
its own words, which ``claims`` reads.
"""

from __future__ import annotations

import re

import msgspec

from vlit.assess.correctness.claims import Claim, Comparison, Kind, asks_of_all, claims_of, value_of
from vlit.language.mentions import Lexicon, Mention

_OPTION = re.compile(r"^[ \t]*(?:\(([A-Z])\)|([A-Z])[.):])[ \t]+(.+?)[ \t]*$", re.MULTILINE)
_LETTER = re.compile(
    r"\W*(?i:(?:the\s+)?(?:(?:correct|right|best)\s+)?(?:answer|choice|option)\s*(?:is|:)?\s*)?"
    r"\(?([A-Z])\)?(?=\s*$|[.):,]|\s+is\b)"
)
#: How an answer says yes or no.
YES_NO = re.compile(r"\W*(yes|yeah|yep|no|nope)\b", re.IGNORECASE)
_HOW_MANY = re.compile(r"\bhow many\b|\bcount\b|\bnumber of\b", re.IGNORECASE)
_DENIES = re.compile(r"\b(?:not|missing|absent|cannot|except|without|no)\b|n['’]t\b", re.IGNORECASE)
_ASKS_PRESENCE = re.compile(
    r"\b(?:is|are) there\b|\bthere (?:is|are)\b|\b(?:see|shows?|contains?|includes?|visible|appears?|spot|find"
    r"|seen|present|depicts?|features?|detect|any|has|have)\b|\bpart of th",
    re.IGNORECASE,
)
_FORMAT = re.compile(r"\byes[\s-]+or[\s-]+no\b", re.IGNORECASE)
_CORRECT = re.compile(r"^\W*is\s+(?:correct|right)\b\W*", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+")
_MAX_ANSWER_WORDS = 12  #: of an answer from which a bare number is read


class Question(msgspec.Struct, frozen=True):
    """The parts of a user turn that an answer is read by."""

    text: str  #: before its options
    options: dict[str, str]  #: letter to text
    mentions: tuple[Mention, ...]  #: in ``text``


def read_question(text: str, lexicon: Lexicon) -> Question:
    """Take a user turn apart."""
    found = list(_OPTION.finditer(text))
    options = {(m[1] or m[2]): m[3] for m in found} if len(found) > 1 else {}
    stem = _FORMAT.sub("", text[: found[0].start()] if options else text)
    return Question(stem, options, tuple(lexicon.find(stem)))


def chosen(question: Question, answer: str) -> str | None:
    """The text of the option that an answer chooses, by its words or its letter; ``None`` for no choice."""
    wanted = plain(answer)
    by_words = next((o for o in question.options.values() if plain(o) == wanted), None)
    letter = _LETTER.match(answer)
    return by_words or (question.options.get(letter[1]) if letter else None)


def sayings(question: Question, answer: str) -> list[str]:
    """What an answer says: its words, or the option that it chooses, or both where they differ."""
    option = chosen(question, answer) if question.options else None
    if option is None:
        return [answer]
    letter = _LETTER.match(answer)
    words = _CORRECT.sub("", answer[letter.end() :]) if letter else answer
    return [option] if plain(words) in ("", plain(option)) else [option, words]


def plain(text: str) -> str:
    """Words in lower case, articles apart, for comparing answers."""
    return " ".join(w for w in _WORD.findall(text.lower()) if w not in ("a", "an", "the"))


def answer_claims(
    question: Question, answer: str, lexicon: Lexicon, topic: Mention | None = None
) -> list[Claim]:
    """Claims of an answer, in its own words and by its question.

    Args:
        question: The user turn before it; without text for none.
        answer: The assistant turn.
        lexicon: The labels to look for.
        topic: What the conversation spoke of before, for "how many of them".
    """
    found: list[Claim] = []
    for said in sayings(question, answer):
        own = claims_of(said, lexicon)
        if question.options and _DENIES.search(question.text):  # "Which of these is not in the image?"
            own = [Claim("absent", c.label, c.word, c.relation, 0, whole=True, plural=c.plural) for c in own]
            found += own
        else:
            found += own + _implied(question, said, own, lexicon, topic)
    return found


def _implied(
    question: Question, said: str, own: list[Claim], lexicon: Lexicon, topic: Mention | None
) -> list[Claim]:
    """What the question adds to the words of the answer; nothing where they say it themselves."""
    yes_no = YES_NO.match(said)
    mentions = [m for m in question.mentions if m.relation != "broader"]
    subject = mentions[0] if len({m.label for m in mentions}) == 1 else None
    if _HOW_MANY.search(question.text) and not (yes_no and yes_no[1].lower() != "no"):
        subject = subject or (None if question.mentions else topic)
        if subject is None or any(c.label == subject.label and c.kind != "present" for c in own):
            return []
        return _number(subject, said, asks_of_all(question.text, mentions))
    if subject is None or not yes_no or any(c.label == subject.label for c in own):
        return []
    if _DENIES.search(question.text) or not asks_of_all(question.text, mentions):
        return []
    return _yes_no(question.text, subject, yes_no[1].lower().startswith("y"), lexicon)


def _number(subject: Mention, said: str, whole: bool) -> list[Claim]:
    words = _WORD.findall(said.lower())
    if len(words) > _MAX_ANSWER_WORDS:
        return []
    numbers = [0 if w in ("none", "no") else value_of(w) for w in words]
    n = next((n for n in numbers if n is not None), None)
    if n is None:
        return []
    return [_claim(subject, "count" if n else "absent", n, "=", whole)]


def _yes_no(question: str, subject: Mention, yes: bool, lexicon: Lexicon) -> list[Claim]:
    asked = claims_of(question.replace("?", "."), lexicon)
    count = next((c for c in asked if c.kind == "count" and c.label == subject.label), None)
    if count is not None:
        if not yes and count.comparison != "=":
            return []
        return [_claim(subject, "count", count.n, count.comparison if yes else "!=", True)]
    if not _ASKS_PRESENCE.search(question):
        return []
    return [_claim(subject, "present" if yes else "absent", int(yes), "=", True)]


def _claim(subject: Mention, kind: Kind, n: int, comparison: Comparison, whole: bool) -> Claim:
    return Claim(kind, subject.label, subject.text, subject.relation, n, comparison, whole, subject.plural)
