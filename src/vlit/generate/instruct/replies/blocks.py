"""Labelled lines: ``Question: …``, ``**A2:** …``, ``User: …`` to blocks of text, each with its kind."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from vlit.generate.instruct.replies.contract import Repair

Kind = Literal["topic", "question", "answer"]


class Block(NamedTuple):
    """What stands behind one label, up to the next one."""

    kind: Kind
    text: str


class Scanned(NamedTuple):
    """The blocks of a reply, and what was passed over on the way."""

    blocks: list[Block]
    repairs: tuple[Repair, ...]


_KINDS: dict[Kind, str] = {
    "topic": "topic|theme|conversation|dialogue|dialog",
    "question": "questions?|q|user|human|person|asker|instruction",
    "answer": "answers?|a|assistant|gpt|chatgpt|gpt-?4o?|ai|response",
}
_WORDS = "|".join(f"(?P<{kind}>{words})" for kind, words in _KINDS.items())
_MARKS = r"[*_`()\[\]<>]{0,4}"
#: A line that opens a block: numbering, emphasis, the word, its number, a colon, and the rest.
_LABEL = re.compile(
    rf"(?:\(?\d{{1,3}}[.):]{{1,2}}[ \t]{{0,3}})?{_MARKS}(?:{_WORDS})"
    rf"(?P<number>[ \t]{{0,2}}[#(\[]?\d{{1,3}}(?:\.\d{{1,2}})?[)\]]?)?{_MARKS}[ \t]{{0,3}}"
    rf"(?:(?P<colon>[:：]){_MARKS}|(?P<point>[.)–—-]{_MARKS})(?=\s|$)|(?P<bare>$))",
    re.IGNORECASE,
)
_SURE_TOPIC = re.compile(r"topic|conversation \d", re.IGNORECASE)
#: Stands before a label and is no text: ``### ``, ``> ``, ``- ``.
_DECOR = " \t#>•-"
#: A bullet, which emphasis may follow: ``*   **Question:**``.
_STAR = re.compile(r"^[*+][ \t]{1,8}")
_SEPARATOR = re.compile(r"[=*_~#–—-]{2,}$|[#*]$|(?:`{3}|~{3})[\w+-]{0,15}$")
_NUMBERING = re.compile(
    r"[*_#\s]{0,6}(?:(?:pair|qa|q&a|q/a|question[ /&-]{1,3}(?:and )?answer(?: pair)?|set|round|turn|part|item)"
    r"s?[ \t]{0,2}#?\d{0,3}|\(?\d{1,3}[.)\]:]\)?)[*_:\s]{0,6}$",
    re.IGNORECASE,
)
_HEADING = re.compile(r"#{1,6}[ \t]+\S|\*\*[^*\n]{1,120}\*\*:?$|__[^_\n]{1,120}__:?$")
_ENDS_SENTENCE = re.compile(r"[.!?][*_\s]{0,4}$")
#: Labels in the middle of a line, where a reply has lost its line breaks.
_RUN_ON = re.compile(
    r"(?<=[?.!\"”)\]])[ \t]{1,9}(?=[*_]{0,2}(?:Question|Answer|User|GPT|Assistant|Q|A) ?\d{0,3}[*_]{0,2}:)"
)


def scan(text: str) -> Scanned:
    """The blocks of a reply, in order; none without a label. What stands before the first is left out."""
    lines = _RUN_ON.sub("\n", text).split("\n")
    labels = [_label(line) for line in lines]
    structural = _structural(lines, labels)
    opened: list[tuple[Kind | None, list[str]]] = [(None, [])]
    marked = False
    for line, label, passed in zip(lines, labels, structural, strict=True):
        if label:
            kind, rest = label
            marked |= line.lstrip()[:1] in "#*_>"
            opened.append((kind, [rest]))
        elif passed == "heading":
            marked = True
            opened.append(("topic", [line]))
        elif passed:
            marked |= passed == "rule"
        else:
            opened[-1][1].append(line)
    blocks = [Block(kind, _joined(kind, said)) for kind, said in opened if kind]
    repairs: list[Repair] = []
    if blocks and any(line.strip() for line in opened[0][1]):
        repairs.append("preamble")
    if marked:
        repairs.append("markdown")
    return Scanned(_merged(blocks), tuple(repairs))


def _label(line: str) -> tuple[Kind, str] | None:
    bare = _STAR.sub("", line.lstrip(_DECOR))
    found = _LABEL.match(bare)
    if not found:
        return None
    kind: Kind = next(k for k in _KINDS if found[k])
    rest = bare[found.end() :].strip()
    if found["point"] is not None and not found["number"]:
        return None  # "A. a dog" is a choice, "User - ..." a sentence
    if found["bare"] is not None:
        decorated = line.lstrip()[:1] in ("#", "*", "_", "[") and found[kind].lower() not in ("a", "q", "ai")
        if not (decorated or found["number"] or found[kind].lower() in ("question", "answer")):
            return None
        if found["number"] and found[kind].lower() in ("a", "output", "response", "reply", "prompt"):
            return None
    # **Question: what is it?**
    if bare[:2] in ("**", "__") and rest.endswith(bare[:2]) and rest.count(bare[:2]) == 1:
        rest = rest[:-2].rstrip()
    return kind, rest


def _structural(lines: list[str], labels: list[tuple[Kind, str] | None]) -> list[str]:
    """What each line without a label is for: "" text, "rule", "numbering" or "heading" before a label."""
    found = [""] * len(lines)
    before: Kind | Literal["", "end"] = "end"
    for at in range(len(lines) - 1, -1, -1):
        if label := labels[at]:
            if _is_text(lines, at, label[0], before):
                labels[at], before = None, ""
            else:
                before = label[0]
            continue
        line = lines[at].strip()
        if not line:
            continue
        if _SEPARATOR.match(line):
            found[at] = "rule"
        elif before in ("topic", "question") and _NUMBERING.match(line):
            found[at] = "numbering"
        elif before in ("topic", "question") and _HEADING.match(line) and not _ENDS_SENTENCE.search(line):
            found[at] = "heading"
        else:
            before = ""
    return found


def _is_text(lines: list[str], at: int, kind: Kind, before: str) -> bool:
    """Whether what looks like a label is none: the first of several choices, or a theme within an answer."""
    line = lines[at].strip(_DECOR + "*_")
    if kind == "answer":
        after = next((line.strip(_DECOR + "*_") for line in lines[at + 1 : at + 3] if line.strip()), "")
        return line[:2] == "A:" and after[:2] == "B:"
    return kind == "topic" and before not in ("topic", "question") and not _SURE_TOPIC.match(line)


def _joined(kind: Kind, lines: list[str]) -> str:
    if kind == "topic":
        return next((line.strip() for line in lines if line.strip()), "").strip('#*_"“” \t:')
    text = "\n".join(line.rstrip() for line in lines).strip()
    return re.sub(r"\n{3,}", "\n\n", text)


def _merged(blocks: list[Block]) -> list[Block]:
    """Without labels that only announce the next one: ``### Question 1``, then ``User: …``."""
    merged: list[Block] = []
    for block in blocks:
        nested = _label(block.text) if block.kind != "topic" and ":" in block.text[:30] else None
        if nested and nested[0] == block.kind:
            block = Block(block.kind, nested[1])
        if merged and merged[-1].kind == block.kind:
            if block.kind == "topic":
                merged[-1] = Block("topic", block.text or merged[-1].text)
                continue
            if not merged[-1].text:
                merged[-1] = block
                continue
        merged.append(block)
    return merged
