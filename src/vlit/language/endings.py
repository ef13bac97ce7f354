"""How a text ends: with a full stop, or cut off in the middle."""

from __future__ import annotations

import re

_DANGLING = re.compile(
    r"(?:[,;:(\[&–—-]|\b(?:a|an|the|and|or|but|of|to|in|on|at|with|for|from|by|is|are|was|were|its|their|his|her|as"
    r"|that|which|while|because|into|near|between|than|very|also|has|have|be|being))$",
    re.IGNORECASE,
)
#: A text of more words without a full stop was cut off; short ones often have none.
_LONG = 12
_LIST_ITEM = re.compile(r"\s*(?:[-*•]|\d{1,3}[.)])")


def dangles(line: str) -> bool:
    """Whether a line ends with what something has to follow: "of the", a comma, an open bracket."""
    return _DANGLING.search(line) is not None


def ends_open(text: str) -> bool:
    """Whether a text ends in the middle of a sentence: after "of the", or long and without any stop."""
    line = last_line(text)
    if not line or _LIST_ITEM.match(line):
        return False
    if dangles(line):
        return True
    return line[-1].isalnum() and len(text.split(None, _LONG)) > _LONG


def last_line(text: str) -> str:
    """The last line, at most its last 400 characters, without the marks of emphasis behind it."""
    return text[-400:].rstrip().rpartition("\n")[2].rstrip("*_ ")
