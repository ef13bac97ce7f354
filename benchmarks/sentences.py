"""Real English for benchmarks: the sentences of the docstrings in this environment's packages.

They are long-tailed as text of people is, and they are there wherever vlit is installed with its development
extras. Templates and random words would not do: the former repeat too much, the latter not at all.
"""

from __future__ import annotations

import ast
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vlit.data.seeds import rng
from vlit.language.tokens import sentences

_PROSE = re.compile(r"[A-Z][^\n]*[.!?]")
_CODE = re.compile(r">>>|::|--|[|=<>{}\\@]|^Args|^Returns")
#: Ways to ask for something.
ASKED = ("{}", "{}", "{}", "{} Explain it in detail.", "Please help: {}", "What does this mean? {}", "{} Why?")


def docstrings(packages: Path | None = None) -> Iterator[str]:
    """All docstrings of all files below a folder, in order of the files.

    Args:
        packages: The folder; by default the packages of this environment.
    """
    for path in sorted((packages or Path(sysconfig.get_path("purelib"))).rglob("*.py")):
        try:
            tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError, RecursionError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (
                text := ast.get_docstring(node)
            ):
                yield text


def prose(text: str) -> list[str]:
    """The sentences of the paragraphs that are prose: no signatures, tables, examples or code."""
    paragraphs = (" ".join(piece.replace("`", "").split()) for piece in re.split(r"\n\s*\n", text))
    return [s for p in paragraphs if _PROSE.fullmatch(p) and not _CODE.search(p) for s in sentences(p)]


def gathered(wanted: int) -> tuple[list[str], list[str]]:
    """Different first sentences of docstrings, ``wanted`` at most, and different ones of what follows them."""
    first: dict[str, None] = {}
    later: dict[str, None] = {}
    for text in docstrings():
        head, *rest = prose(text) or [""]
        if 3 <= len(head.split()) <= 40:
            first[head] = None
        later.update(dict.fromkeys(s for s in rest if 4 <= len(s.split()) <= 60))
        if len(first) >= wanted and len(later) >= 4 * wanted:
            break
    return list(first)[:wanted], list(later)


def llava_records(wanted: int, seed: int = 17) -> list[dict[str, Any]]:
    """Records of a LLaVA file, made of real sentences: one or two turns each, two records an image.

    A response is one to seven sentences that stand together in the sources, 60 words in the mean. Where the
    sources have fewer sentences than are wanted, they come again, in other company.
    """
    first, later = gathered(wanted)
    records: list[dict[str, Any]] = []
    for number in range(wanted):
        draw = rng(seed, "record", str(number))
        talk = []
        for turn in range(draw.choice((1, 1, 2))):
            asked = draw.choice(ASKED).format(first[(number + turn * 7919) % len(first)])
            start = draw.randrange(len(later))
            answer = " ".join(later[start : start + draw.randint(1, 7)])
            talk.append({"from": "human", "value": asked if turn else f"<image>\n{asked}"})
            talk.append({"from": "gpt", "value": answer})
        image = f"train2017/{number // 2:012d}.jpg"
        records.append({"id": f"{number:08d}", "image": image, "conversations": talk})
    return records
