"""A whole evaluation of the pocket model, against a bare loop around ``generate`` with the same batches.

    python -m benchmarks.evaluating [questions]

Real photos, one question each of three lengths, 8 at once, float32, one thread, at most 16 new tokens. Ours is
everything from the questions to the card: prompts, photos, generation, answers written one by one, parsing,
scores with intervals; without the search for contamination. The bare loop is what transformers' documentation
shows: processor, ``generate``, ``batch_decode``; nothing is kept. Answers have to be the same, or the script
fails. Both are warm; times are the least of three runs in turn.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import vlit
from tests.evaluate.toy import Toy
from vlit.data.images import open_rgb, probe
from vlit.evaluate.card import card, markdown
from vlit.evaluate.local import Local
from vlit.evaluate.question import Question
from vlit.evaluate.runner import run
from vlit.evaluate.scores import Evaluated, scores_of
from vlit.tune import pocket
from vlit.tune.answer import chunks

BATCH, NEW, RUNS = 8, 16, 3
ASKED = (
    "Is there a dog?",
    "How many people are in the image?",
    "What is the man in the middle of the photo doing?",
)


class Words(Toy):
    """Any answer is understood."""

    max_new_tokens = NEW


def main(count: int = 1000) -> None:
    """Print a row."""
    import torch

    torch.set_num_threads(1)  # the machine is shared
    own = questions(count)
    local = Local("pocket", Path.cwd(), batch=BATCH, device="cpu")
    bare = _bare()
    order = _order(local, own)
    _ours(local, own[: 2 * BATCH])
    bare(own, order[:2])
    least = {"ours": float("inf"), "bare": float("inf")}
    found: dict[str, dict[str, str]] = {}
    for _ in range(RUNS):
        ways: dict[str, Callable[[], dict[str, str]]] = {
            "ours": lambda: _ours(local, own),
            "bare": lambda: bare(own, order),
        }
        for way, do in ways.items():
            begun = time.perf_counter()
            found[way] = do()
            least[way] = min(least[way], time.perf_counter() - begun)
    same = sum(found["ours"][q.id] == found["bare"][q.id] for q in own)
    if same < len(own):
        raise SystemExit(f"{len(own) - same} of {len(own)} answers differ")
    row = {
        "questions": count,
        "ours, s": round(least["ours"], 2),
        "bare generate, s": round(least["bare"], 2),
        "bare / ours": round(least["bare"] / least["ours"], 2),
        "same answers": same,
    }
    print(json.dumps(row), flush=True)


def questions(count: int) -> list[Question]:
    """On the photos of the demo in turn."""
    photos = [probe(str(p)) for p in sorted((Path(vlit.__file__).parent / "demo").rglob("*.jpg"))]
    return [
        Question(
            id=str(n), prompt=f"<image>\n{ASKED[n % 3]}", images=(photos[n % len(photos)],), references=("no",)
        )
        for n in range(count)
    ]


def _ours(local: Local, own: Sequence[Question]) -> dict[str, str]:
    toy = Words(questions=own)
    with tempfile.TemporaryDirectory() as folder:
        ran = run(local, toy, toy.load(Path(folder)), Path(folder) / "answers.jsonl")
        all_ = Evaluated(toy, ran.answers, toy.scored(ran.answers.rows))
        markdown(card(all_, scores_of(all_)))
    return {row.question.id: row.text or "" for row in ran.answers.rows}


def _order(local: Local, own: Sequence[Question]) -> list[list[int]]:
    """The batches that ours makes."""
    prompts = [local._prompt(question, None) for question in own]
    return [[index for index, _ in chunk] for chunk in chunks(prompts, BATCH, NEW, None)]


def _bare() -> Callable[[Sequence[Question], Sequence[Sequence[int]]], dict[str, str]]:
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor

    folder = str(pocket.folder())
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    processor: Any = AutoProcessor.from_pretrained(folder)
    processor.tokenizer.padding_side = "left"

    def answer(own: Sequence[Question], order: Sequence[Sequence[int]]) -> dict[str, str]:
        found: dict[str, str] = {}
        for batch in order:
            asked = [own[index] for index in batch]
            texts = [
                processor.apply_chat_template(
                    [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": q.prompt[8:]}]}],
                    add_generation_prompt=True,
                )
                for q in asked
            ]
            pictures = [open_rgb(q.images[0]) for q in asked]
            inputs = processor(text=texts, images=pictures, return_tensors="pt", padding=True)
            with torch.no_grad():
                ids = model.generate(**inputs, max_new_tokens=NEW, do_sample=False)
            said = processor.batch_decode(ids[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
            found |= {q.id: text.strip() for q, text in zip(asked, said, strict=True)}
        return found

    return answer


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
