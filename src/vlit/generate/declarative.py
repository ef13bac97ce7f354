"""Question and answer into one sentence, where a rule makes it surely grammatical; otherwise ``None``."""

from __future__ import annotations

import re

from vlit.language import nouns
from vlit.language.mentions import lexicon
from vlit.language.nouns import capital, number_word, singular_of

_ING = re.compile(
    r"^(?P<be>is|are|was|were) (?P<subject>(?:the|this|that|these|those|his|her|their) \w+(?: \w+)?) "
    r"(?P<rest>(?!during|something|anything|nothing|everything|painting|building|ceiling|railing|morning|evening|clothing|awning|string|thing|wing|ring|king|spring|"
    r"living|dining|swimming|parking|wedding|shopping|cutting)\w{2,}ing\b.*)$",
    re.IGNORECASE,
)
_BE = r"^(?P<be>is|are|was|were)"
#: "this" stands for itself only where no noun follows: "is this a zoo", not "is this man tall".
_PRONOUN = re.compile(
    rf"{_BE} (?P<subject>it|he|she|they|(?:this|these|those|that)(?= \w+$| (?:an?|the|in|on|at|from|for|near|"
    r"of|some|someone|his|her|their|just|likely|probably|outside|inside|made|taken)\b)) (?P<rest>.+)$",
    re.I,
)
_THERE = re.compile(r"^(is|are|was|were) there\b", re.I)
_DOES = re.compile(
    r"^(?P<do>does|do|has|have) (?:(?P<who>they|he|she|it|you)|(?:the|this|that|these|those)) .+", re.I
)
_CAN_YOU = re.compile(r"^can you (?:see|tell|find|spot|read|count)\b", re.I)
_THING = re.compile(rf"{_BE} (?P<rest>(?:the|this|that|these|those) .+)$", re.I)
_SUBJECT = r"(?P<be>is|are) (?P<subject>(?:the|this|these|those|that|his|her|their) [\w' ]+?)"
_MADE_OF = re.compile(rf"^what {_SUBJECT} made (?:out )?of$", re.I)
_COLOR = re.compile(rf"^what colou?r {_SUBJECT}$", re.I)
_EITHER = re.compile(r"^(?P<be>is|are) (?P<subject>the \w+(?: \w+)?) (?P<one>\w+) or (?P<other>\w+)$", re.I)
_HOW_MANY = re.compile(r"^how many (?P<noun>\w+(?: \w+)?) (?P<be>are|is) (?P<rest>[\w' ]+)$", re.I)
_HOW_MANY_SEEN = re.compile(
    r"^how many (?P<noun>\w+(?: \w+)?) (?:can (?:you|we|be) (?:see|seen|count|counted|spot|find)"
    r"|do you (?:see|count))(?P<rest>(?: (?:in|on|at|behind|near) [\w' ]+)?)$",
    re.IGNORECASE,
)
_SEEMS_PLURAL = re.compile(r"(?:\w[^\Wsui]s|people|men|women|children|feet|teeth)$", re.IGNORECASE)
_PLURAL = re.compile(r"\b\w{2,}[^\Wsui]s\b", re.IGNORECASE)
#: Questions that a thing with its article answers: "What is the man holding?" - "A bat."
_WHAT_THING = re.compile(
    r"^what(?: is|'s) (?:(?:this|that|it)$|(?:in|on|under|behind|beside|inside|above|next to) "
    r"|[\w' ]+ (?:holding|riding|carrying|using|flying|driving|pulling|pushing|wearing|throwing|catching"
    r"|\w+ing (?:on|at|in|under|near|next to))\b)"
    r"|^what (?:kind of |type of )?(?:animal|vehicle|object) (?:is|can be seen)\b",
    re.IGNORECASE,
)
_WORD = re.compile(r"^[a-z][a-z -]*$")
_SOMEBODY = re.compile(r"\b(?:he|she|one|\w+one|\w+body|\w+ers)\b", re.IGNORECASE)


def sentence(question: str, answer: str) -> str | None:
    """The answer as a full sentence.

    Example:
        >>> sentence("What are the picture frames made of?", "wood")
        'The picture frames are made of wood.'

    Args:
        question: As people wrote it.
        answer: A word or short phrase.
    """
    asked = " ".join(question.strip().rstrip("?!. ").split())
    said = answer.strip().lower()
    if said in ("yes", "no"):
        return _yes_no(asked, said == "yes")
    if said.isdigit():
        return _number(asked, int(said))
    return _phrase(asked, answer.strip()) if _WORD.match(said) else None


def thing(question: str, answer: str) -> str:
    """The answer with its article where it is a thing and has none: "bat" becomes "a bat"."""
    words, said = nouns.words(), answer.lower()
    if not _WHAT_THING.match(question.strip().rstrip("?!. ")):
        return answer
    if said in words.definite:
        return f"the {answer}"
    return nouns.singular(answer) if said in words.plurals and said not in words.mass else answer


def _of_people(asked: str) -> bool:
    """Whether a question may be about a person, of whom one says "he" or "she", not "it"."""
    return bool(_SOMEBODY.search(asked) or lexicon(("person",)).find(asked))


def _yes_no(asked: str, yes: bool) -> str | None:
    if re.search(r"\bor\b", asked):
        return None
    word, no = ("Yes", "") if yes else ("No", "not ")
    if found := _THERE.match(asked):
        return f"{word}, there {found[1].lower()}{'' if yes else ' not'}."
    if (found := _PRONOUN.match(asked)) or (found := _ING.match(asked)):
        subject, rest = found["subject"].lower(), found["rest"]
        if found.re is _PRONOUN and re.search(r"\b(?:any|anyone|anything|ever|yet)\b", rest):
            rest = ""
        return f"{word}, {subject} {found['be'].lower()} {no}{rest}".rstrip() + "."
    many = asked.lower().startswith(("are ", "were ", "do ", "have "))
    if (found := _THING.match(asked)) and (many or not _of_people(asked)):
        return f"{word}, {'they' if many else 'it'} {found['be'].lower()}{'' if yes else ' not'}."
    if _CAN_YOU.match(asked):
        return f"{word}, I can{'' if yes else 'not'}."
    if (found := _DOES.match(asked)) and (found["who"] or many or not _of_people(asked)):
        who = (found["who"] or ("they" if many else "it")).lower()
        return f"{word}, {'I' if who == 'you' else who} {found['do'].lower()}{'' if yes else ' not'}."
    return None


def _number(asked: str, n: int) -> str | None:
    if (found := _HOW_MANY_SEEN.match(asked)) and n <= 10:
        noun = singular_of(found["noun"].lower()) if n == 1 else found["noun"].lower()
        return f"{capital(_some(n))} {noun} can be seen{found['rest']}."
    found = _HOW_MANY.match(asked)
    if not found or n > 100 or found["be"].lower() != "are":
        return None
    noun, rest = found["noun"].lower(), found["rest"].strip()
    if rest.startswith(("there", "of", "the ", "visible there")):
        if not rest.startswith("there"):
            return None
        place = rest.removeprefix("there").strip()
        tail = f" {place}" if place else ""
        return f"There is one {singular_of(noun)}{tail}." if n == 1 else f"There are {_some(n)} {noun}{tail}."
    if n > 10 or (n == 1 and _PLURAL.search(rest)):
        return None  # no sentence begins with digits, nor does one person wear hats
    if n == 1:
        return f"One {singular_of(noun)} is {rest}."
    return f"{capital(_some(n))} {noun} are {rest}."


def _some(n: int) -> str:
    return "no" if n == 0 else number_word(n)


def _phrase(asked: str, answer: str) -> str | None:
    found = _MADE_OF.match(asked) or _COLOR.match(asked)
    if found and found["be"].lower() == "is" and _SEEMS_PLURAL.search(found["subject"]):
        return None  # "what color is his pants"
    if found and found["subject"].lower().endswith(("painted", "dyed")):
        return None  # "what color is the door painted"
    if found := _MADE_OF.match(asked):
        return capital(f"{found['subject'].lower()} {found['be'].lower()} made of {answer}.")
    if found := _COLOR.match(asked):
        return capital(f"{found['subject'].lower()} {found['be'].lower()} {answer}.")
    found = _EITHER.match(asked)
    if found and answer.lower() in (found["one"].lower(), found["other"].lower()):
        return capital(f"{found['subject'].lower()} {found['be'].lower()} {answer}.")
    return None
