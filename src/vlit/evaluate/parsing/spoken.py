"""What an answer says once its dress is off: reasoning, marks of chat templates, HTML, Markdown and LaTeX."""

from __future__ import annotations

import re
import unicodedata

_THOUGHT = re.compile(r"<think(?:ing)?>")
_THOUGHT_END = re.compile(r"</think(?:ing)?>")
#: Characters that are not seen (zero-width, marks of direction, control but line end and tab), and emoji.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\xad\u200b-\u200f\u2060\ufeff\u2600-\u27bf\ufe0f\U0001f300-\U0001faff]"
)
#: Marks of chat templates, and HTML; "<B>" alone may be the letter of an option.
_TAG = re.compile(r"<\|[^<>|\n]{1,40}\|>|</?(?:[a-z][a-z0-9_-]{0,20}|[A-Z][A-Za-z]{1,20})\s*/?>")
_ANSWER_TAG = re.compile(r"<answer>", re.I)
_STYLE = re.compile(r"\\(?:text|math)[a-z]*\s*\{([^{}]{0,200})\}")
_BOXED = re.compile(r"\\boxed\s*\{\s*([^{}]{0,200}?)\s*\}")
_FORMULA = re.compile(r"\${1,2}\s{0,2}(\(?[A-Za-z]\)?)\s{0,2}\${1,2}|\\\(\s*([A-Za-z])\s*\\\)")
_EMPHASIS = re.compile(r"[*`]+|(?<!\w)_+|_+(?!\w)")
#: Marks of lists, headings and quotes before a word, never before a number: "- 1" may be minus one.
_MARK = re.compile(r"^[ \t]*(?:[•>#=–—-]+>?|[:.])[ \t]+(?=[(\[\"']?[A-Za-z])", re.M)

_NEXT = re.compile(r"\n\s*(?:question|q|user|human)\s*:", re.I)


def spoken(text: str) -> str:
    """The answer in plain words.

    Reasoning in ``<think>`` is left out, also where it has no end; full-width letters become plain ones; a box
    and an ``<answer>`` become "answer: ...", as they say what the answer is.
    """
    if "think" in text:
        text = _THOUGHT.split(_THOUGHT_END.split(text)[-1])[0]
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    if not (text.isascii() and text.isprintable()):
        text = _UNSEEN.sub("", text)
    if "<" in text:
        text = _TAG.sub(" ", _ANSWER_TAG.sub("\nanswer: ", text))
    if "\\" in text:
        text = _BOXED.sub(lambda box: f" answer: {box[1]}\n", _STYLE.sub(r"\1", text))
    if "$" in text or "\\(" in text:
        text = _FORMULA.sub(lambda letter: letter[1] or letter[2], text)
    if "*" in text or "`" in text or "_" in text:
        text = _EMPHASIS.sub("", text)
    return _MARK.sub("", text).strip()


def first_turn(said: str) -> str:
    """What stands before the next question, where a model that has answered asks itself one; else nothing."""
    following = _NEXT.search(said)
    return said[: following.start()].strip() if following else ""


def thought_alone(text: str) -> bool:
    """Whether an answer is reasoning that never ends."""
    return bool(_THOUGHT.search(text)) and not _THOUGHT_END.search(text)
