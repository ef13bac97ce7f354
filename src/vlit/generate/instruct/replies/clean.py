"""Taking a reply out of its wrapping: odd characters, thinking, tokens of chat templates, Markdown fences.

Everything here is one pass over the text, however long and odd it is, and changes nothing when done again.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from vlit.generate.instruct.replies.contract import Repair

# Opening and closing marks of thinking: of most models, of Kimi, of Magistral; and the channels of gpt-oss.
_THINKING = re.compile(
    r"<(?P<close>/)?(?:think|thinking|thought|thoughts|reasoning|reflection|scratchpad)>"
    r"|◁(?P<close2>/)?think▷|\[(?P<close3>/)?THINK\]"
    r"|<\|channel\|>analysis<\|message\|>|(?P<close4><\|channel\|>final<\|message\|>)",
    re.IGNORECASE,
)
#: Tokens that chat templates put around a message, with the role that some of them carry.
CHAT_TOKEN = re.compile(
    r"(?:<\|(?:im_start|start_header_id|start)\|>|<start_of_turn>)\s?(?:assistant|model)?"
    r"|<\|[A-Za-z][\w ]{0,30}\|>|<｜[^<>｜]{1,30}｜>|</?s>|\[/?INST\]|<</?SYS>>|<end_of_turn>"
    r"|<(?:eos|bos|pad|unk)>"
)
#: Tokens that a model's processor takes for an image or another input.
IMAGE_TOKENS = re.compile(
    r"<(?:image|img|video|audio|im_start|im_end|im_patch|image_?\d{0,3}|image_soft_token)>|\[IMG\]", re.I
)
_FENCE_INFO = re.compile(r"[\w+-]{0,15}[ \t]*(?:\n|$)")
_LONGEST_TOKEN = 48


class Unwrapped(NamedTuple):
    """A text out of its wrapping; ``unclosed``: it ends while still thinking."""

    text: str
    repairs: tuple[Repair, ...]
    unclosed: bool = False


def unwrap(text: str) -> Unwrapped:
    """Take a reply out of everything that surrounds it."""
    repairs: list[Repair] = []
    printable = plain(text)
    if printable != text.replace("\r\n", "\n"):
        repairs.append("characters")
    thought, unclosed = _without_thinking(printable)
    if thought != printable:
        repairs.append("thinking")
    bare, found = _trimmed(thought)
    return Unwrapped(bare, (*repairs, *found), unclosed)


def without_tokens(text: str) -> str:
    """The text without tokens of a chat template, and white space, at its ends."""
    return _trimmed(text, fences=False)[0]


def plain(text: str) -> str:
    """Without control characters, invisible ones and halves of surrogate pairs; lines end in a line feed."""
    if text.replace("\n", "").isprintable():
        return text
    text = re.sub(r"\r\n?|[\v\f\x85\u2028\u2029]", "\n", text)
    return "".join(c for c in map(_character, text) if c)


def _character(c: str) -> str:
    if c in "\n\t" or c.isprintable():
        return c
    category = unicodedata.category(c)
    if category == "Zs":
        return " "
    # The joiners build emoji and words of several scripts.
    return c if category in ("Co", "Cn") or c in "\u200c\u200d" else ""


def _without_thinking(text: str) -> tuple[str, bool]:
    """Without closed blocks, and without all before a closing mark whose opening stood in the prompt."""
    if "<" not in text and "[" not in text and "◁" not in text:
        return text, False
    kept: list[str] = []
    start, opened = 0, False
    for mark in _THINKING.finditer(text):
        if mark.lastgroup:  # it closes
            if not opened:
                kept.clear()
            start, opened = mark.end(), False
        elif not opened:
            kept.append(text[start : mark.start()])
            start, opened = mark.start(), True
    if opened:
        return text, True
    kept.append(text[start:])
    return "\n".join(part for part in kept if part), False


def _trimmed(text: str, *, fences: bool = True) -> tuple[str, tuple[Repair, ...]]:
    """Without tokens, fences and white space at the ends: two positions move towards each other."""
    low, high = 0, len(text)
    if (
        text
        and not text[0].isspace()
        and not text[-1].isspace()
        and text[0] not in "<[`~"
        and text[-1] not in ">]`~"
    ):
        return text, ()
    repairs: set[Repair] = set()
    while True:
        before = low, high
        while low < high and text[low].isspace():
            low += 1
        while low < high and text[high - 1].isspace():
            high -= 1
        if token := CHAT_TOKEN.match(text, low, high):
            low = token.end()
            repairs.add("tokens")
        at = max(text.rfind(c, max(low, high - _LONGEST_TOKEN), high) for c in "<[")
        if at >= 0 and (token := CHAT_TOKEN.match(text, at, high)) and token.end() == high:
            high = at
            repairs.add("tokens")
        if fences and (inner := _inside_fence(text, low, high)) != (low, high):
            low, high = inner
            repairs.add("fence")
        if before == (low, high):
            return text[low:high], tuple(r for r in ("tokens", "fence") if r in repairs)


def _inside_fence(text: str, low: int, high: int) -> tuple[int, int]:
    for mark in "`~":
        start = low
        while start < high and text[start] == mark:
            start += 1
        if start - low >= 3:
            info = _FENCE_INFO.match(text, start, high)
            low = info.end() if info else start
        end = high
        while end > low and text[end - 1] == mark:
            end -= 1
        if high - end >= 3:
            high = end
    return low, high
