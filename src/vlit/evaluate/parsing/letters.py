"""The letter of an option in a free answer: our own strict rule, and the published ones beside it.

Each rule is a pure function of an answer and the contents of the options, in the order of their letters. Ours
(:func:`decided`) takes a letter where the answer states one, or repeats the content of one option and nothing
else; of several statements the last counts. It never takes a letter because it happens to stand somewhere.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from vlit.evaluate.question import Parsed, Scored

#: An answer and the contents of the options to the letter that is meant.
Rule = Callable[[str, Sequence[str]], Parsed]

EMPTY = Parsed(None, "empty")
UNDECIDED = Parsed(None, "no decided statement")
BEYOND = Parsed(None, "letter beyond the options")
SEVERAL = Parsed(None, "several letters")
DISAGREE = Parsed(None, "letter and content disagree")

_OPEN, _CLOSE = "\"'“‘(\\[<{「『【", "\"'”’)\\]>}」』】"
_NOUN = r"(?:option|choice|letter|选项)"
#: A letter as it may open a statement; its name is no part of a word, as in "B-52", "C's" or "D&D".
_LETTER = re.compile(
    rf"\s*(?:{_NOUN}\s*)?(?P<open>[{_OPEN}\s]*)(?P<letter>[A-Za-z])(?![A-Za-z0-9_'’&+-])(?P<close>[{_CLOSE}\s]*[.,:;!。,、–—-]*[{_CLOSE}]*)",
    re.I,
)
_CUE = re.compile(
    r"(?:\b(?:answer|option|choice)\b(?:\s+(?:to|for)\s+[^.\n:]{0,60}?)?\s*"
    r"(?:(?:is|are|was|would\s+be|should\s+be|must\s+be|will\s+be)\b\s*:?|[:=])"
    r"|\bI(?:'d|\s+would|\s+will|'ll)?\s+(?:choose|select|pick|go\s+with)\b|\bit(?:'s|\s+is)\b"
    r"|答案(?:应该|应)?(?:是|为|选|:)|(?:应该|应)?选择?(?!项))\s*",
    re.I,
)
_RIGHT = re.compile(
    rf"(?P<open>[{_OPEN}]?)\b(?P<letter>[A-Z])\b[{_CLOSE}.:]*\s+(?:is|was|would\s+be)\s+(?:clearly\s+|definitely\s+)?"
    r"(?:the\s+)?(?:most\s+)?(?:correct|right|best|true|accurate|answer)\b"
)
#: What takes a statement back, or makes it a mere possibility: among the last words before it.
_DENIAL = re.compile(
    r"(?:\b(?:not|never|neither|nor|cannot|if|whether|unless|either|both)\b|n't\b)(?:\W+\w+){0,4}\W*$", re.I
)
_CLAUSE = re.compile(r"[.;!?,\n]|\b(?:but|so|therefore|thus|hence)\b", re.I)
_ANOTHER = re.compile(
    rf"[{_CLOSE}\s]*(?:(?:,|/|&|、|\bor\b|\band\b|或|和)\s*)+(?:maybe\s+|perhaps\s+|possibly\s+|even\s+)?(?:{_NOUN}\s*)?"
    rf"[{_OPEN}]?(?P<letter>[A-Za-z])(?![A-Za-z0-9_'’&+-])(?P<close>\s*(?:[{_CLOSE}.,:;!?]|$))?",
    re.I,
)
_REASON = re.compile(r"(?:because|since|as|for|due|which)\b", re.I)
_MARKED = re.compile(rf"(?:^|(?<=[\s{_OPEN}]))\(?([A-Z])[).:](?=\s|$)")
_BRACKETED = re.compile(r"\(([A-Z])\)")
_BOXED = re.compile(r"\\boxed\s*\{\s*(?:\\text\s*\{)?\s*([^{}]{0,200}?)\s*\}+")
_EMPHASIS = re.compile(r"[*`]+|(?<!\w)_+|_+(?!\w)")


def decided(text: str, options: Sequence[str]) -> Parsed:
    """Our rule: the last thing that the answer states, or nothing.

    Understood are a letter alone ("b", "(B).", "**B**"), a letter before its content ("B. two"), statements
    ("The answer is B", "I choose (b)", "B is correct", "答案是B", boxed), a last line of that kind, a
    bracketed letter that ends the answer, and the whole content of one option. Not understood are: nothing, two
    letters of which neither is taken back, a letter that no option has, a letter beside the content of another
    option, "A" that may be an article, and long text that states nothing. ``<think>`` is left out.
    """
    said = _plain(text)
    if not said:
        return EMPTY if "<think>" not in text else Parsed(None, "the reasoning has no end")
    alone = _LETTER.fullmatch(
        said
    )  # options may be letters themselves: the letter that was asked for comes first
    if alone is None and (whole := _content(said, options)):
        return whole
    found: list[tuple[int, Parsed]] = []
    listing = _is_listing(said, options)
    if not listing and (first := _stated(said, options, strict=True)):
        found.append((0, first))
    found += _statements(said, options)
    start = said.rfind("\n") + 1
    if start and not listing and (last := _stated(said[start:], options, strict=True)):
        found.append((start, last))
    if found:
        return max(found, key=lambda pair: pair[0])[1]
    return _bracketed(said, options)


def _statements(said: str, options: Sequence[str]) -> Iterator[tuple[int, Parsed]]:
    """Where "the answer is B" or "B is correct" stands, and what it states."""
    for cue in _CUE.finditer(said):
        if not _taken_back(said, cue.start()) and (
            one := _stated(said[cue.end() : cue.end() + 2_000], options)
        ):
            yield cue.end(), one
    for right in _RIGHT.finditer(said):
        if not _taken_back(said, right.start()):
            yield right.start(), _letter(right["letter"], options)


def exact(text: str, options: Sequence[str]) -> Parsed:
    """LLaVA's rule for SEED-Bench: the answer is the letter and nothing else; "A." is wrong."""
    return _letter(text, options) if re.fullmatch("[A-Z]", text) else Parsed(None, "not a bare letter")


def first_character(text: str, options: Sequence[str]) -> Parsed:
    """The first character of the answer, whatever follows: "The answer is B" gives "T", which no option has.

    The rule of lmms-eval for SEED-Bench. It reads "A dog" as option A.
    """
    said = text.strip()[:1]
    return _letter(said, options) if said.isascii() and said.isalpha() else Parsed(None, "no letter first")


def science_qa(text: str, options: Sequence[str]) -> Parsed:
    """LLaVA's rule for ScienceQA: "B", "B. ...", or "The answer is B." once; all else is FAILED, and wrong.

    Quirks: the full stop in "The answer is B." stands for any character; a bare "B." is FAILED, because a space
    has to follow the full stop; two statements are FAILED, even where both are equal; the case counts.
    """
    letters = "ABCDE"
    if len(text) == 1 and text in letters:
        return _letter(text, options)
    if len(text) >= 3 and text[0] in letters and text[1:3] == ". ":
        return _letter(text[0], options)
    found = re.findall(r"The answer is ([A-Z]).", text)
    return _letter(found[0], options) if len(found) == 1 else Parsed(None, "FAILED")


def lone(text: str, options: Sequence[str]) -> Parsed:
    """The only option letter that is a word of its own, else the only option whose content occurs in the text.

    The rule of VLMEvalKit before a judge is asked; scores on public leaderboards were made with it. Quirks: "A"
    that is an article counts as a letter; "a" and "b." do not; with two letters the content decides, wherever
    it stands, and inside other words too ("art" occurs in "party"). An empty option is none of the choices:
    tables read by pandas lose options that are called "None".
    """
    choices = {chr(ord("A") + i): option.lower() for i, option in enumerate(options) if option}
    if any(phrase in text for phrase in _REFUSALS):
        return Parsed(None, "refused")
    words = set(text.translate(_TO_SPACES).split())
    if len(found := [letter for letter in choices if letter in words]) == 1:
        return Parsed(found[0], "lone letter")
    if not found and "Z" in words:
        return Parsed(None, "Z: none of the options")
    lowered = text.lower()
    named = [letter for letter, option in choices.items() if option in lowered]
    return Parsed(named[0], "only content") if len(named) == 1 else Parsed(None, "no single letter or content")


_TO_SPACES = str.maketrans(dict.fromkeys(".()[],:;!*#{}", " "))
_REFUSALS = (
    "Failed to obtain answer via API",
    "Sorry, I can't help with images of people yet.",
    "I can't process this file.",
    "I'm sorry, but without the image provided",
    "Cannot determine the answer",
)


def rescored(rows: Sequence[Scored], rule: Rule) -> list[Scored]:
    """The same answers by another rule: right where its letter is the reference. Ranked ones stay."""
    return [row if row.answered.problem or row.answered.losses else _by(row, rule) for row in rows]


def _by(row: Scored, rule: Rule) -> Scored:
    parsed = rule(row.answered.text or "", row.question.options)
    value = None if row.value is None else float(parsed.value in row.question.references)
    return replace(row, parsed=parsed, value=value)


def _letter(letter: str, options: Sequence[str], rule: str = "letter") -> Parsed:
    own = letter.upper()  # "ß" becomes two letters, and a dotless i is matched where case does not count
    known = own.isascii() and len(own) == 1 and 0 <= ord(own) - ord("A") < len(options)
    return Parsed(own, rule) if known else BEYOND


def _plain(text: str) -> str:
    """The answer without reasoning, emphasis and boxes; full-width letters as plain ones."""
    if "<think>" in text or "</think>" in text:
        text = text.rpartition("</think>")[2] if "</think>" in text else text.partition("<think>")[0]
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    if "\\boxed" in text:
        text = _BOXED.sub(lambda box: f" answer: {box[1]}\n", text)
    if "*" in text or "`" in text or "_" in text:
        text = _EMPHASIS.sub("", text)
    return text.strip()


def _bare(text: str) -> str:
    """Text as contents are compared: case, outer punctuation and runs of spaces do not count."""
    return " ".join(text.split()).strip(" .,:;!?\"'“”‘’()[]。").casefold()


def _content(said: str, options: Sequence[str]) -> Parsed | None:
    """The option whose whole content is said; ``None`` where it is none's."""
    bare = _bare(said)
    found = [i for i, option in enumerate(options) if _bare(option) == bare and bare]
    if not found:
        return None
    return Parsed(chr(ord("A") + found[0]), "content") if len(found) == 1 else Parsed(None, "several contents")


def _stated(said: str, options: Sequence[str], *, strict: bool = False) -> Parsed | None:
    """What a statement says that begins here; ``None`` where it names no option.

    Args:
        said: What follows "the answer is", or the whole answer.
        options: Their contents.
        strict: Nothing announced a letter, so that "B ..." alone is not enough.
    """
    line = said.lstrip().partition("\n")[0]
    match = _LETTER.match(line)
    if match is None or not _is_letter(match, line, strict, options):
        return None if strict else _content(line, options) or _content(line.split(". ")[0], options)
    rest = line[match.end() :]
    if _joined(line[match.end("letter") :]):
        return SEVERAL
    here = _letter(match["letter"], options)
    named = _content(rest, options)
    if here.value and named and named.value and named.value != here.value:
        return here if _bare(options[ord(here.value) - ord("A")]) == _bare(rest) else DISAGREE
    again = _LETTER.fullmatch(rest)
    if again is not None and again["letter"].upper() != match["letter"].upper() and len(rest.strip()) < 4:
        return SEVERAL
    return replace(here, rule="letter and content") if here.value and named else here


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
        return own or bool(_REASON.match(rest) or _joined(rest))
    return True


def _joined(rest: str) -> bool:
    """Whether another letter is put beside the first: "or C", ", B", "/D"."""
    other = _ANOTHER.match(rest)
    return other is not None and (other["close"] is not None or other["letter"] not in "aAI")


def _taken_back(said: str, at: int) -> bool:
    """Whether the clause before a statement denies it or makes it a condition."""
    before = said[max(0, at - 120) : at]
    return bool(_DENIAL.search(_CLAUSE.split(before)[-1]))


def _is_listing(said: str, options: Sequence[str]) -> bool:
    """Whether the answer repeats the list of options: then its first and last lines state nothing."""
    letters = {letter for letter in _MARKED.findall(said) if _letter(letter, options).value}
    if len(letters) < 2:
        return False
    bare = _bare(said)
    shown = sum(
        f"{letter.lower()}. {_bare(options[ord(letter) - ord('A')])}" in bare.replace(")", ".")
        for letter in letters
    )
    opened = sum(bool(re.match(r"\s*\(?[A-Z][).:](?:\s|$)", line)) for line in said.split("\n"))
    return shown >= 2 or opened >= 2


def _bracketed(said: str, options: Sequence[str]) -> Parsed:
    """The only bracketed letter, where it ends the answer and is not denied."""
    letters = set(_BRACKETED.findall(said))
    if len(letters) > 1:
        return SEVERAL
    end = re.search(r"\(([A-Z])\)[.\s]*$", said)
    if end is None or _DENIAL.search(_CLAUSE.split(said[max(0, end.start() - 120) : end.start()])[-1]):
        return UNDECIDED
    return _letter(end[1], options, "bracketed letter")
