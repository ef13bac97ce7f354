"""The scripted teacher as a judge: verdicts, scores and tags by the prompt and the index of the choice."""

from __future__ import annotations

import re
from random import Random
from typing import Any

from vlit.data.seeds import rng

#: Tags by a word of the instruction; the first that occurs.
TAGS = {
    "how many": ("object counting", "visual search", "short answer"),
    "color": ("color recognition", "attribute recognition", "short answer"),
    "why": ("causal reasoning", "reasoning", "long answer"),
    "": ("scene description", "image description", "long answer"),
}


def words_of(message: dict[str, Any]) -> str:
    """All words of a message."""
    content = message.get("content") or ""
    return content if isinstance(content, str) else "\n".join(p.get("text", "") for p in content)


def reply(body: dict[str, Any], digest: str, index: int) -> str | None:
    """The reply to a judge's prompt; ``None`` where the prompt is another."""
    messages = body["messages"]
    system = words_of(messages[0]) if messages and messages[0]["role"] == "system" else ""
    users = [words_of(m) for m in messages if m["role"] == "user"] or [""]
    last = users[-2] if users[-1].startswith("Your last reply could not be used") and users[1:] else users[-1]
    random = rng(0, digest, str(index))
    if "Verdict: the last line" in system:
        return verdict(random.choices(["correct", "incorrect", "cannot tell"], [7, 2, 1])[0])
    if "written like 4/10" in system:
        return f"{score(last, random)}/10"
    if "Name the task by three tags" in system:
        return "\n".join(tags(last))
    if "Choose the one tag" in system:
        return chosen(last)
    return None


def verdict(label: str, fails: str = "there is a boat") -> str:
    """A judge's reply with a verdict."""
    claim = {"incorrect": f"\n- {fails}: fails", "cannot tell": "\n- it is new: not visible"}.get(label, "")
    return f"Observations: I see a few things.\nClaims:\n- it is day: holds{claim}\nVerdict: {label}"


def score(instruction: str, random: Random) -> int:
    """The more words, the more complex, give or take one."""
    return min(max(len(instruction.split()) // 4 + random.choice((0, 0, 1)) + 1, 1), 10)


def tags(text: str) -> tuple[str, ...]:
    """Three tags for a sample."""
    asked = text.partition("Response:")[0].lower()
    return next(found for word, found in TAGS.items() if word in asked)


def chosen(text: str) -> str:
    """The tag of the list that is named first for the sample, or the first of the list."""
    listed = re.findall(r"^- (.+)$", text, re.M)
    named = tags(text.partition("Instruction:")[2])
    return next((tag for tag in named if tag in listed), listed[0] if listed else "nothing")
