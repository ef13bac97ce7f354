"""The scripted teacher's mind: form, counts and clues from the prompt alone; answers to the contract."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from vlit.data.seeds import rng


@dataclass(frozen=True)
class Asked:
    """What a prompt asks for."""

    form: str = "text"  #: pairs, topics, text, list
    count: int = 1
    topics: int = 1
    boxes: bool = False
    feedback: bool = False


def words_of(message: dict[str, Any]) -> str:
    """All words of a message of a chat completion's body."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text", "") for part in content)


def pictures_of(body: dict[str, Any]) -> int:
    """How many images the messages hold."""
    contents = [m.get("content") for m in body["messages"]]
    return sum(p.get("type") == "image_url" for c in contents if isinstance(c, list) for p in c)


def read(body: dict[str, Any]) -> Asked:
    """Form and counts, from the wording of the messages."""
    text = "\n".join(words_of(m) for m in body["messages"] if m["role"] != "assistant")
    form = "topics" if "Topic:" in text else "pairs" if "Question:" in text else "text"
    number = re.search(r"(\d+) (?:\w+[ -]){0,3}(?:pairs|questions)", text)
    topics = re.search(r"(\d+) (?:\w+[ -]){0,3}(?:topics|conversations)", text)
    return Asked(
        form,
        int(number[1]) if number else 3,
        int(topics[1]) if topics else 1,
        "<st>" in text,
        body["messages"][-2:][0]["role"] == "assistant",
    )


def answer(body: dict[str, Any], digest: str, index: int) -> str:
    """A well-formed reply."""
    asked = read(body)
    random = rng(0, digest, str(index))
    users = [words_of(m) for m in body["messages"] if m["role"] == "user"]
    lines = [line.strip() for line in users[-1].splitlines() if line.strip()] or ["a scene"]

    def pair(i: int) -> tuple[str, str]:
        return f"What is seen here, part {i}?", random.choice(lines)

    if asked.form == "text":
        return " ".join(random.sample(lines, len(lines)))
    if asked.form == "pairs":
        return "\n\n".join("Question: {}\nAnswer: {}".format(*pair(i + 1)) for i in range(asked.count))
    blocks = []
    for topic in range(asked.topics):
        turns = "\n".join("User: {}\nGPT: {}".format(*pair(i + 1)) for i in range(asked.count))
        blocks.append(f"Topic: part {topic + 1}\n{turns}")
    return "\n\n".join(blocks)


def spoil(text: str, flaw: str, most: int) -> tuple[str | None, str]:
    """The reply with a flaw, and its finish reason.

    Args:
        text: The good reply.
        flaw: A name of ``faults.FLAWS``.
        most: ``max_tokens`` of the request.
    """
    words = text.split(" ")
    if flaw in ("half", "filter"):
        return " ".join(words[: len(words) // 2]), "length" if flaw == "half" else "content_filter"
    if flaw == "ramble":
        return " ".join((words * (most // len(words) + 1))[:most]), "length"
    spoilt: dict[str, str | None] = {
        "empty": "",
        "null": None,
        "refusal": "I'm sorry, but I can't assist with that request.",
        "short": text.split("\n\n")[0],
        "leak": re.sub(r"(Answer|GPT): ", r"\1: Based on the caption provided, ", text) + " (from the caption)",
        "no_tags": re.sub(r"</?st>|<ed>|\[[^\]]*\]", "", text),
        "bad_tags": text.replace("<ed>", "").replace("]", ", 7]"),
        "swapped": re.sub(
            r"^(Question|Answer|User|GPT):",
            lambda m: {"Question": "Answer:", "Answer": "Question:", "User": "GPT:", "GPT": "User:"}[m[1]],
            text,
            flags=re.M,
        ),
        "think": f"<think>\nThe photo shows something. Question: is it so?\n</think>\n\n{text}",
        "think_open": f"<think>\nLet me see. {text}",
        "fence": f"```\n{text}\n```",
        "markdown": re.sub(r"^(Question|Answer|User|GPT|Topic):", r"- **\1:**", text, flags=re.M),
        "json": '{"reply": ' + re.sub(r"\s+", " ", repr(text)).replace("'", '"') + "}",
    }
    return spoilt.get(flaw, text), "stop"
