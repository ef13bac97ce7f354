"""The scripted teacher's mind: form, counts and clues from the prompt alone; answers that keep the contract.

The form is read from the sentences of ``vlit.generate.instruct.replies.wording``, as a model would read it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from random import Random
from typing import Any

import orjson

from tests.teacher import says
from tests.teacher.seen import Seen, see
from vlit.data.boxes import BOX_TEXT
from vlit.data.seeds import rng

_FEEDBACK = re.compile(r"(your|the) (last|previous) reply", re.I)
_WORDS = re.compile(r"(?:(?:Each|The) answer|Each item|The text) has (\d+)(?: to (\d+))? words")


@dataclass(frozen=True)
class Asked:
    """What a prompt asks for."""

    form: str = "text"  #: pairs, topics, text, list
    count: int = 1  #: pairs (of a topic), or items
    topics: int = 1
    boxes: bool = False
    words: tuple[int, int] | None = None
    answers: tuple[str, ...] = ()
    negative: int = 0
    feedback: bool = False  #: a reply was sent back
    clues: str = ""  #: the message that shows the scene


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
    """Form, counts and clues of a chat completion's body."""
    messages = body["messages"]
    users = [words_of(m) for m in messages if m["role"] == "user"] or [""]
    feedback = bool(_FEEDBACK.search(users[-1]))
    # What is wrong with a reply stands in a message of its own, or at the end of the one that asked.
    alone = feedback and len(messages) > 1 and messages[-2]["role"] == "assistant" and len(users) > 1
    clues = users[-2] if alone else _FEEDBACK.split(users[-1])[0]
    text = "\n".join([words_of(m) for m in messages if m["role"] == "system"] + [clues])
    words = _WORDS.search(text)
    answers = re.search(r"is one of these and no other: (.+?)\.(?:\s|$)", text)
    negative = re.search(r'At least (\d+) answers? begins? with "No"', text)
    return Asked(
        form=_form(text),
        count=_number(r"(\d+) different questions|list of exactly (\d+) items", text),
        topics=_number(r"exactly (\d+) conversations", text),
        boxes="<st>name<ed>" in text,
        words=(int(words[1]), int(words[2] or words[1])) if words else None,
        answers=tuple(answers[1].split("; ")) if answers else (),
        negative=int(negative[1]) if negative else 0,
        feedback=feedback,
        clues=clues,
    )


def _form(text: str) -> str:
    if "Topic: <" in text:
        return "topics"
    if "Question: <" in text:
        return "pairs"
    return "list" if "1. <" in text else "text"


def _number(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    return int(next(filter(None, found.groups()))) if found else 1


def answer(body: dict[str, Any], digest: str, index: int, *, structured: bool = True) -> str:
    """A good reply to a chat completion's body.

    Args:
        body: As it was sent.
        digest: Of its content: other prompts get other replies.
        index: Of the choice: other choices are other replies.
        structured: Whether ``response_format`` is followed.
    """
    asked = read(body)
    random = rng(0, digest, str(index))
    seen = see(asked.clues)
    if asked.form == "text":
        text = _paragraphs(list(_long(iter(()), seen, random, asked.words or (60, 180))), random)
        return _as_json(body, {"text": text}) if _wants_json(body, structured) else text
    if asked.form == "list":
        items = list(islice(_items(asked, seen, random), asked.count))
        if _wants_json(body, structured):
            return _as_json(body, {"items": items})
        return "\n".join(f"{i}. {item}" for i, item in enumerate(items, 1))
    found = list(islice(_pairs(asked, seen, random), asked.count * asked.topics))
    if asked.form == "pairs":
        if _wants_json(body, structured):
            return _as_json(body, {"pairs": found})
        return "\n\n".join(f"Question: {q}\nAnswer: {a}" for q, a in found)
    blocks = [(_topic(seen, i), found[i * asked.count :][: asked.count]) for i in range(asked.topics)]
    if _wants_json(body, structured):
        return _as_json(body, {"topics": blocks})
    return "\n\n".join(
        f"Topic: {topic}\n" + "\n".join(f"User: {q}\nGPT: {a}" for q, a in turns) for topic, turns in blocks
    )


def _pairs(asked: Asked, seen: Seen, random: Random) -> Iterator[tuple[str, str]]:
    """Pairs that keep the contract, in an order that mixes denials in; a question that is told comes first."""
    if asked.boxes:
        found: Iterable[tuple[str, str]] = says.tagged(seen, random)
    elif asked.answers:
        found = says.choices(seen, list(asked.answers), random)
    else:
        total = asked.count * asked.topics
        no = list(islice(says.denials(seen, random), asked.negative))
        mixed = [*islice(says.pairs(seen, random), total - len(no)), *no]
        random.shuffle(mixed)
        found = [*says.told(seen), *mixed] if total == 1 else mixed
    for question, said in found:
        yield question, said if asked.answers else _fitted(said, asked, seen, random)


def _fitted(said: str, asked: Asked, seen: Seen, random: Random) -> str:
    """An answer with as many words as it may have."""
    if asked.words is None:
        return said
    least, most = asked.words
    if least <= len(said.split()) <= most:
        return said
    if len(said.split()) > most:
        return " ".join(said.split()[:most]).rstrip(".,;") + "."
    return " ".join(_long(iter([said]), seen, random, (least, most)))


def _long(first: Iterator[str], seen: Seen, random: Random, words: tuple[int, int]) -> Iterator[str]:
    """Sentences, as many as make the fewest words but not more than the most."""
    count, used = 0, set()
    enough = random.randint(words[0], (words[0] + words[1]) // 2)
    for n, said in enumerate(chain(first, says.statements(seen, random))):
        length = len(said.split())
        if count >= enough or n > 500:
            return
        if count + length <= words[1] and (said not in used or n > 100):
            used.add(said)
            count += length
            yield said


def _paragraphs(sentences: list[str], random: Random) -> str:
    cut = random.randint(2, 4)
    return "\n\n".join(" ".join(sentences[i : i + cut]) for i in range(0, len(sentences), cut))


def _items(asked: Asked, seen: Seen, random: Random) -> Iterator[str]:
    instruction = next((s for s in reversed(_lines(asked.clues)) if len(s.split()) > 2), "describe the scene")
    for item in says.rewordings(instruction, random):
        yield _fitted(item, asked, seen, random)


def _lines(clues: str) -> list[str]:
    quoted = re.findall(r"[\"“]([^\"”]{8,})[\"”]", clues)
    return quoted or [line.strip() for line in clues.splitlines() if line.strip() and not BOX_TEXT.search(line)]


def _topic(seen: Seen, index: int) -> str:
    names = (
        "the scene as a whole",
        "what can be told apart",
        "where things are",
        "the mood",
        "what may follow",
    )
    return names[index] if index < len(names) else f"part {index + 1}"


def _wants_json(body: dict[str, Any], structured: bool) -> bool:
    return structured and body.get("response_format", {}).get("type") == "json_schema"


def _as_json(body: dict[str, Any], said: dict[str, Any]) -> str:
    """The reply after the request's JSON schema, whose property names say what goes where."""
    flat = {"questions": [], "answers": [], "topics": [], "texts": []}  # type: dict[str, list[str]]
    for topic, turns in said.get("topics", [("", said.get("pairs", []))]):
        flat["topics"].append(topic)
        flat["questions"] += [q for q, _ in turns]
        flat["answers"] += [a for _, a in turns]
    flat["texts"] = said.get("items", [said["text"]] if "text" in said else [])
    counts = [len(said.get("topics", ())), len(said["topics"][0][1])] if "topics" in said else []
    counts = counts or [len(flat["questions"] or flat["texts"])]
    streams = {name: iter(values) for name, values in flat.items()}

    def fill(schema: dict[str, Any], name: str, depth: int) -> Any:
        if schema.get("type") == "object":
            return {key: fill(inner, key, depth) for key, inner in schema["properties"].items()}
        if schema.get("type") == "array":
            return [fill(schema["items"], name, depth + 1) for _ in range(counts[min(depth, len(counts) - 1)])]
        kinds = {"question": "questions", "user": "questions", "answer": "answers", "gpt": "answers"}
        kind = "topics" if name == "topic" else kinds.get(name.lower(), "texts")
        return next(streams[kind], "")

    return orjson.dumps(fill(body["response_format"]["json_schema"]["schema"], "", 0)).decode()
