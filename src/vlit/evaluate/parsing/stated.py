"""Our own strict rule: the option that an answer states, or repeats the content of; else none.

It never takes a letter because it happens to stand somewhere; of several statements the last counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from vlit.evaluate.parsing.spoken import first_turn, spoken, thought_alone
from vlit.evaluate.question import Parsed

EMPTY = Parsed(None, "empty")
UNDECIDED = Parsed(None, "no decided statement")
BEYOND = Parsed(None, "letter beyond the options")
SEVERAL = Parsed(None, "several letters")
DISAGREE = Parsed(None, "letter and content disagree")

_OPEN, _CLOSE = "\"'“‘(\\[<{「『【", "\"'”’)\\]>}」』】"
_NOUN = r"(?:option|choice|letter|answer|选项)"
#: What a letter may not be followed by: it is part of a word then, as in "B-52", "C's" or "D&D".
_PART = r"(?![A-Za-z0-9_&+-]|['’][A-Za-z])"
#: A letter as it may open a statement.
_LETTER = re.compile(
    rf"\s*(?:{_NOUN}\s*)?(?P<open>[{_OPEN}\s]*)(?P<letter>[A-Za-z]){_PART}"
    rf"(?P<close>[{_CLOSE}\s]*[.,:;!。,、~–—-]*[{_CLOSE}]*)",
    re.I,
)
_SURELY = (
    r"(?:\s+(?:(?:most|very|quite)\s+)?(?:likely|probably|definitely|clearly|obviously|certainly|surely|indeed|"
    r"actually|therefore|thus|simply|still))*"
)
_IS = rf"(?:is|are|was|(?:would|should|must|will|has\s+to|would\s+have\s+to)\s+be)\b{_SURELY}"
#: "The answer is": any option may follow.
_CUE = re.compile(
    rf"(?:\b(?:answer|option|choice|guess|pick)\b(?:\s+(?:to|for)\s+[^.\n:]{{0,60}}?)?"
    rf"(?:\s+{_IS}\s*:?|[{_CLOSE}]*\s*(?:[:=]|->|→))"
    r"|\bans\b\s*[.:=]+|\bcorrect(?:\s*:|\s+letter\s+is\b)|\bassistant\s*:"
    r"|\bI(?:['’](?:d|ll|m)|\s+would|\s+will|\s+am)?\s+(?:choose|select|pick|(?:go|going)\s+(?:with|for))\b"
    r"|(?:答案|选项)(?:应该|应)?(?:是|为|选|:)|(?:应该|应)?选择?(?!项))\s*",
    re.I,
)
#: Words that more than options may follow: a letter has to stand alone behind them, or a whole content.
_WEAK = re.compile(
    rf"(?:\b(?:it|that|this)(?:['’]s\b{_SURELY}|\s+{_IS})|\bI(?:['’]d|\s+would)?\s+(?:say|think|guess|believe)\b"
    r"|(?<![不只就])是)\s*",
    re.I,
)
#: The same where a new thought begins: nothing before it takes it back.
_LEAD = re.compile(
    r"(?:\b(?:so|therefore|thus|hence)\b[,:]?|\b(?:guess|choose|pick)[,:]|\bnot\s+\(?[A-Z]\)?,?\s+but\b"
    r"|^(?:(?:most\s+)?likely|probably|definitely|clearly|yes|sure|ok|okay)\b[.,:!]*"
    r"|(?:^|[.,;!?…\n])\s*(?:(?:no(?=\s*[,.!]|\s+wait)|wait|actually|rather|sorry)\b[ \t,.:!]*)+)[ \t]*",
    re.I,
)
_RIGHT = re.compile(
    r"(?:^|[.,:;!?\n—–-]|\b(?:option|choice|letter|answer|that|so|but|think|believe|therefore|thus|hence|because|"
    r"since|only|while|whereas)\b|(?-i:(?<!\b[A-Z] )(?<!\b[A-Z]\) ))\band\b)"
    rf"\s*[{_OPEN}]*(?-i:\b(?P<letter>[A-Z])\b)[{_CLOSE}.:]*\s+(?:is|was|would\s+be){_SURELY}\s+"
    r"(?:the\s+)?(?:most\s+|only\s+)?(?:correct|right(?!\s+(?:of|to|next|above|below))|best|true|accurate|answer)\b",
    re.I,
)
#: What takes a statement back behind its letter.
_WRONG = re.compile(
    r"\s*(?:(?:is|was|are|seems|would\s+be)\s*(?:n['’]t\b|not\b|wrong|incorrect|false|impossible)"
    r"|can(?:not|['’]t)\s+be\s+(?:it|right|correct|the\s+answer)\b)",
    re.I,
)
#: What takes a statement back, or makes it a mere possibility: among the last words before it.
_DENIAL = re.compile(
    r"(?:\b(?:not|never|neither|nor|cannot|if|whether|unless|either|both)\b|n['’]t\b)(?:\W+\w+){0,4}\W*$"
    r"|\b(?:wrong|incorrect|false|worst)\s*$|[不没非别]\S{0,3}$",
    re.I,
)
_CLAUSE = re.compile(r"[.;!?,\n。]|\b(?:but|so|therefore|thus|hence)\b", re.I)
_ANOTHER = re.compile(
    rf"[{_CLOSE}\s]*(?:(?:,|/|&|、|\bor\b|\band\b|或|和)\s*)+(?:(?:maybe|perhaps|possibly|even|no)\s+)?(?:{_NOUN}\s*)?"
    rf"[{_OPEN}]?(?P<letter>[A-Za-z]){_PART}(?P<close>\s*(?:[{_CLOSE}.,:;!?]|$))?",
    re.I,
)
_REASON = re.compile(r"(?:because|since|as|for|due|which|\(?I\s+(?:think|guess|believe))\b", re.I)
#: Where the content of a statement ends: at the sentence, or at its reason.
_ENDS = re.compile(r"[.;!]\s|,?\s+(?:because|since|which|not)\b")
_MARKED = re.compile(rf"(?:^|(?<=[\s{_OPEN}]))\(?([A-Z])[).:](?=\s|$)")
#: A letter that opens a point of a list: at the begin of a line or a sentence.
_POINT = re.compile(r"(?:^|\n|[.;:]\s)\s*\(?([A-Za-z])[).:](?=\s|$)")
_BRACKETED = re.compile(r"\((?:[Oo]ption\s+)?([A-Z])\)")
_SENTENCE = re.compile(r"(?:[.!]\s|\n)\s*")
_ARTICLE, _CAPITAL = re.compile(r"\W*(?:[Tt]he|[Aa]n|a)\s+(?=\w\w)"), re.compile(r"\W*A\s+(?=\w\w)")
_NUMBERS = {
    "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6",
    "seven": "7", "eight": "8", "nine": "9", "ten": "10", "eleven": "11", "twelve": "12",
}  # fmt: skip


def decided(text: str, options: Sequence[str]) -> Parsed:
    """Our rule: the last thing that the answer states, or nothing.

    Understood are a letter alone ("b", "(B).", "**B**"), a letter before its content ("B. two"), statements
    ("The answer is B", "I choose (b)", "B is correct", "so B.", "答案是B", boxed), a last line of that kind, a
    bracketed letter that ends the answer, and the whole content of one option, whatever its article, a number
    as a word or in digits. Not understood are: nothing, two letters of which neither is taken back, a letter
    that no option has, a letter beside the content of another option, "A" that may be an article, what is
    denied or a condition, and long text that states nothing. ``<think>`` is left out, and so is what follows
    where a model that has answered puts the next question to itself.
    """
    said = spoken(text)
    if said != text and not _LETTER.fullmatch(said) and (whole := _content(text, options)):
        return whole  # as it was written: contents may hold what :func:`spoken` takes away
    if not said:
        return Parsed(None, "the reasoning has no end") if thought_alone(text) else EMPTY
    if (turn := first_turn(said)) and (first := _decided(turn, options)).value:
        return first
    return _decided(said, options)


def _decided(said: str, options: Sequence[str]) -> Parsed:
    if _LETTER.fullmatch(said):  # options may be letters: the letter that was asked for comes first
        return _stated(" ".join(said.split()), options, strict=True, contents=False) or UNDECIDED
    if whole := _content(said, options, first=True):
        return whole
    if len(_letters_by_line(said)) > 1:
        return SEVERAL
    found: list[tuple[int, Parsed]] = []
    listing = _is_listing(said, options)
    if not listing and (first := _stated(said, options, strict=True, contents=False)):
        found.append((0, first))
    found += _statements(said, options)
    start = said.rfind("\n") + 1
    if start and not listing and (last := _stated(said[start:], options, strict=True, contents=False)):
        found.append((start, last))
    if not found:
        return _sentence(said, options) or _bracketed(said, options)
    at, last_one = max(found, key=lambda pair: pair[0])
    return UNDECIDED if last_one.value and _denied(said[at:], last_one.value) else last_one


def _statements(said: str, options: Sequence[str]) -> Iterator[tuple[int, Parsed]]:
    """Where "the answer is B" or "B is correct" stands, and what it states."""
    for cues, strict in ((_CUE, False), (_WEAK, True), (_LEAD, True)):
        for cue in cues.finditer(said):
            if cues is not _LEAD and _taken_back(said, cue.start()):
                continue
            if one := _stated(said[cue.end() : cue.end() + 2_000], options, strict=strict):
                yield cue.end(), one
    for right in _RIGHT.finditer(said):
        if not _taken_back(said, right.start("letter")):
            yield right.start("letter"), letter_of(right["letter"], options)


def letter_of(letter: str, options: Sequence[str], rule: str = "letter") -> Parsed:
    """A letter, where an option has it."""
    own = letter.upper()  # "ß" becomes two letters, and a dotless i is matched where case does not count
    known = own.isascii() and len(own) == 1 and 0 <= ord(own) - ord("A") < len(options)
    return Parsed(own, rule) if known else BEYOND


def _bare(text: str) -> str:
    """Text as contents are compared: case, outer punctuation and runs of spaces do not count."""
    return " ".join(text.split()).strip(" .,:;!?\"'“”‘’()[]。").casefold()


def _loose(text: str, first: bool) -> str:
    """The same without an article, numbers in digits. "A" is an article where a sentence may begin."""
    article = _ARTICLE.match(text) or (_CAPITAL.match(text) if first else None)
    bare = _bare(text[article.end() :] if article else text)
    return _NUMBERS.get(bare, bare)


def _content(said: str, options: Sequence[str], first: bool = False) -> Parsed | None:
    """The option whose whole content is said; ``None`` where it is none's."""
    bare = _bare(said)
    found = [i for i, option in enumerate(options) if _bare(option) == bare and bare]
    if not found and (loose := _loose(said, first)):
        found = [i for i, option in enumerate(options) if _loose(option, True) == loose]
    if not found:
        return None
    return Parsed(chr(ord("A") + found[0]), "content") if len(found) == 1 else Parsed(None, "several contents")


def _named(line: str, options: Sequence[str]) -> Parsed | None:
    """The content that a statement names: all of its line, or up to the end of the sentence or its reason."""
    ends = [line, *(line[: end.start()] for end in _ENDS.finditer(line))]
    own = (_content(one, options) for one in ends if not _LETTER.fullmatch(one.strip()))
    return next(filter(None, own), None)


def _stated(said: str, options: Sequence[str], *, strict: bool, contents: bool = True) -> Parsed | None:
    """What a statement says that begins here; ``None`` where it names no option.

    Args:
        said: What follows "the answer is", or the whole answer.
        options: Their contents.
        strict: Nothing announced a letter, so that "B ..." alone is not enough.
        contents: Whether an option may be named by its content.
    """
    line = said.lstrip().partition("\n")[0]
    match = _LETTER.match(line)
    named = _named(line, options) if contents and (match is None or match.end() < len(line)) else None
    if match is None or named or not _is_letter(match, line, strict, options):
        return named
    rest = line[match.end() :]
    beside = _content(rest, options)
    if beside is None and _WRONG.match(rest):
        return None
    if _joined(line[match.end("letter") :], match["letter"]):
        return SEVERAL
    here = letter_of(match["letter"], options)
    if here.value and beside and beside.value and beside.value != here.value:
        return here if _bare(options[ord(here.value) - ord("A")]) == _bare(rest) else DISAGREE
    again = _LETTER.fullmatch(rest)
    if again is not None and again["letter"].upper() != match["letter"].upper() and len(rest.strip()) < 4:
        return SEVERAL
    return replace(here, rule="letter and content") if here.value and beside else here


def _is_letter(match: re.Match[str], line: str, strict: bool, options: Sequence[str]) -> bool:
    """Whether a match is the letter of an option, and no article, pronoun, acronym or word."""
    letter, rest = match["letter"], line[match.end() :]
    closed = bool(match["close"].strip())
    if re.match(r"[A-Za-z]\.", rest) and match["close"] == ".":  # U.S., e.g.
        return False
    if not rest.strip() or closed:
        # "a, b" is a list of words in lower case as likely as one of letters: both are no single letter
        return letter.isupper() or not rest.strip() or match["close"].strip()[0] in ").:]"
    if letter.islower():
        return False
    if strict or letter in "AI":
        number = ord(letter) - ord("A")
        own = number < len(options) and _bare(rest) == _bare(options[number])
        return own or bool(_REASON.match(rest) or _joined(rest, letter))
    return True


def _joined(rest: str, letter: str) -> bool:
    """Whether another letter is put beside the first: "or C", ", B", "/D"."""
    other = _ANOTHER.match(rest)
    if other is None or other["letter"].upper() == letter.upper():
        return False
    return other["close"] is not None or other["letter"] not in "aAI"


def _taken_back(said: str, at: int) -> bool:
    """Whether the clause before a statement denies it or makes it a condition."""
    before = said[max(0, at - 120) : at]
    return bool(_DENIAL.search(_CLAUSE.split(before)[-1]))


def _denied(after: str, letter: str) -> bool:
    """Whether a letter that was stated is denied later: "not B", "B is wrong"."""
    if re.search(rf"(?:\bnot|n['’]t)\s+(?:option\s+)?\(?{letter}\b(?!['’-])", after):
        return True
    return any(_WRONG.match(after, own.end()) for own in re.finditer(rf"\b{letter}\b\)?", after))


def _letters_by_line(said: str) -> set[str]:
    """The letters of an answer that is nothing but one letter in each line."""
    lines = [_LETTER.fullmatch(line) for line in said.split("\n") if line.strip()]
    return {line["letter"].upper() for line in lines if line} if None not in lines else set()


def _is_listing(said: str, options: Sequence[str]) -> bool:
    """Whether the answer is a list of points, as of the options: its ends state nothing then."""
    if len({letter.upper() for letter in _POINT.findall(said)}) > 1:
        return True
    bare = re.sub("[):]", ".", _bare(said))
    letters = {letter for letter in _MARKED.findall(said) if letter_of(letter, options).value}
    return sum(f"{own.lower()}. {_bare(options[ord(own) - ord('A')])}" in bare for own in letters) > 1


def _bracketed(said: str, options: Sequence[str]) -> Parsed:
    """The only bracketed letter, where it ends the answer or stands before its content, and is not denied."""
    found = list(_BRACKETED.finditer(said))
    if len({one[1] for one in found}) > 1:
        return SEVERAL
    for one in found:
        here, rest = letter_of(one[1], options, "bracketed letter"), said[one.end() :]
        own = _bare(options[ord(one[1]) - ord("A")]) if here.value else ""
        before = bool(own) and re.match(rf"{re.escape(own)}\b", " ".join(rest.split()).casefold()) is not None
        if (before or not rest.strip(". \n")) and not _taken_back(said, one.start()):
            return here
    return UNDECIDED


def _sentence(said: str, options: Sequence[str]) -> Parsed | None:
    """The content that is all of the first sentence, where no other sentence is another content."""
    own = [found for one in _SENTENCE.split(said) if (found := _content(one, options, first=True))]
    first = _content(_SENTENCE.split(said)[0], options, first=True)
    return first if first and first.value and all(one == first for one in own) else None
