"""Adversarial answers to multiple choice: our rule beside the functions of public harnesses, letter by letter.

    VLIT_HARNESS=<folder> python -m benchmarks.adversarial [--write]

The folder holds what the harnesses publish: ``lmms_eval`` (the unpacked wheel), and ``vlmevalkit`` with
``matching_util.py`` and ``matching_util_2024.py`` (the file of today, and of March 2024, by which the stored
scores were made). Without it the outputs kept in ``tests/golden/adversarial_letters.json`` are compared.
``--write`` puts what the functions gave into that file; what ours has to be is decided there by hand.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from vlit.evaluate.parsing import letters

GOLDEN = Path(__file__).parents[1] / "tests" / "golden" / "adversarial_letters.json"
#: An answer and the options to a letter, or ``None`` where the harness has none.
Theirs = Callable[[str, Sequence[str]], str | None]


def main(arguments: Sequence[str]) -> None:
    """Print a line for each answer where one of the functions differs from ours, and how often each does."""
    table = json.loads(GOLDEN.read_text(encoding="utf-8"))
    folder = os.environ.get("VLIT_HARNESS")
    if folder is None:
        print(json.dumps({"harnesses": "not here (set VLIT_HARNESS): the kept outputs are compared"}))
        names = list(table["origin"])
    else:
        rules = harnesses(Path(folder))
        names = list(rules)
        for case in table["answers"]:
            for name, rule in rules.items():
                case[name] = rule(answer(case), case["options"])
    rows = [
        {"answer": case["name"], "ours": decided(case), **{n: case[n] for n in names}}
        for case in table["answers"]
    ]
    for row in rows:
        if len({row["ours"], *(row[n] for n in names)}) > 1:
            print(json.dumps(row, ensure_ascii=False))
    same = {n: sum(row[n] == row["ours"] for row in rows) for n in names}
    print(json.dumps({"answer": f"{len(rows)} in all: same as ours", "ours": len(rows), **same}))
    if "--write" in arguments and folder is not None:
        GOLDEN.write_text(json.dumps(table, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def answer(case: Mapping[str, Any]) -> str:
    """The answer of a case; long ones are kept as a piece and how often it is said."""
    return str(case["text"]) * int(case.get("times", 1)) + str(case.get("then", ""))


def decided(case: Mapping[str, Any]) -> str | None:
    """Our letter."""
    return letters.decided(answer(case), case["options"]).value


def harnesses(folder: Path) -> dict[str, Theirs]:
    """The harnesses' own functions, by the names that they have in the table."""
    seed = load(folder / "lmms_eval/tasks/seedbench/utils.py", "seed_utils")
    science = load(folder / "lmms_eval/tasks/scienceqa/utils.py", "science_utils")
    mcq = load(folder / "lmms_eval/tasks/_task_utils/mcq_extract.py", "mcq_extract")

    def seed_letter(text: str, options: Sequence[str]) -> str | None:
        doc = {"answer": "A", "data_type": "image", "question_id": ""}
        return valid(seed.seed_process_result(doc, [text])["seed_all"]["pred"], options)

    def science_letter(text: str, options: Sequence[str]) -> str | None:
        def right(i: int) -> bool:
            return bool(science.sqa_process_results({"choices": options, "answer": i}, [text])["exact_match"])

        return next((chr(ord("A") + i) for i in range(len(options)) if right(i)), None)

    def mcq_letter(text: str, options: Sequence[str]) -> str | None:
        return valid(mcq.extract_mcq_answer(text, [chr(ord("A") + i) for i in range(len(options))]), options)

    found: dict[str, Theirs] = {
        "lmms_eval_seed": seed_letter,
        "lmms_eval_scienceqa": science_letter,
        "lmms_eval_mcq": mcq_letter,
    }
    stub_vlmeval()
    for name, file in (("vlmevalkit_2024", "matching_util_2024"), ("vlmevalkit", "matching_util")):
        found[name] = kit(load(folder / f"vlmevalkit/{file}.py", f"vlmeval.utils.{file}"))
    return found


def kit(module: ModuleType) -> Theirs:
    """VLMEvalKit's rule, without the judge that is asked behind it."""

    def letter(text: str, options: Sequence[str]) -> str | None:
        choices = {chr(ord("A") + i): option for i, option in enumerate(options)}
        return valid(module.can_infer(text, choices) or "", options)

    return letter


def valid(letter: str, options: Sequence[str]) -> str | None:
    """A letter that an option has; anything else counts as none."""
    letter = letter.upper()
    return letter if len(letter) == 1 and 0 <= ord(letter) - ord("A") < len(options) else None


def stub_vlmeval() -> None:
    """The little that VLMEvalKit's matching takes from its own package."""
    for name in ("vlmeval", "vlmeval.smp", "vlmeval.smp.log", "vlmeval.utils"):
        module = ModuleType(name)
        module.__path__ = []
        module.__dict__["get_logger"] = logging.getLogger
        sys.modules[name] = module


def load(path: Path, name: str) -> ModuleType:
    """A file as a module of a name of its own."""
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        sys.exit(f"{path} is not there: see the head of this script")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main(sys.argv[1:])
