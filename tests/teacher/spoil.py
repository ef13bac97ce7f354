"""Bad replies, made of good ones; the names are those of ``faults.FLAWS``."""

from __future__ import annotations

import re

import orjson

_SWAP = {"Question": "Answer", "Answer": "Question", "User": "GPT", "GPT": "User"}
_LABEL = re.compile(r"^(Question|Answer|User|GPT):", re.M)


def spoil(text: str, flaw: str, most: int) -> tuple[str | None, str]:
    """A reply with a flaw.

    Args:
        text: The good reply.
        flaw: Its name.
        most: ``max_tokens`` of the request.

    Returns:
        The text (None: ``null``), and the finish reason.
    """
    words = text.split(" ")
    if flaw in ("half", "filter"):
        return " ".join(words[: len(words) // 2]), "length" if flaw == "half" else "content_filter"
    if flaw == "ramble":
        return " ".join((words * (most // len(words) + 1))[:most]), "length"
    return _stopped(text, flaw), "stop"


def _stopped(text: str, flaw: str) -> str | None:
    if flaw == "null":
        return None
    if flaw == "empty":
        return ""
    if flaw == "refusal":
        return "I'm sorry, but I can't assist with that request."
    if flaw == "short":
        return _short(text)
    if flaw == "leak":
        return _leak(text)
    if flaw == "no_tags":
        return re.sub(r"\s*\[[^\]]*\]", "", re.sub(r"<st>|<ed>", "", text))
    if flaw == "bad_tags":
        return re.sub(r"\[([^,\]]+),", r"[", text.replace("<ed>", "", 1))
    if flaw == "swapped":
        return _LABEL.sub(lambda m: f"{_SWAP[m[1]]}:", text)
    if flaw == "think":
        return f"<think>\nI should look first. Question: is it so? It may be.\n</think>\n\n{text}"
    if flaw == "think_open":
        return f"<think>\nLet me see what there is. I should go through it step by step. {text}"
    if flaw == "fence":
        return f"Here you are:\n\n```\n{text}\n```"
    if flaw == "markdown":
        return _LABEL.sub(lambda m: f"**{m[1]}:**", text)
    if flaw == "json":
        return _json(text)
    return text


def _short(text: str) -> str:
    """The first pair, item or sentence alone."""
    if found := re.match(r"(Topic: .*\n)?(User|Question): .*\n(GPT|Answer): .*", text):
        return found[0]
    return text.split("\n")[0].split(". ")[0]


def _leak(text: str) -> str:
    leaked = re.sub(r"^(Answer|GPT|\d+\.):? ", r"\g<0>Based on the caption provided, ", text, flags=re.M)
    return leaked if leaked != text else f"According to the captions, {text[:1].lower()}{text[1:]}"


def _json(text: str) -> str:
    """Pairs as JSON that nobody asked for."""
    found = re.findall(r"^(?:Question|User): (.*)\n(?:Answer|GPT): (.*)", text, flags=re.M)
    said = [{"question": q, "answer": a} for q, a in found] or {"text": text}
    return orjson.dumps(said, option=orjson.OPT_INDENT_2).decode()
