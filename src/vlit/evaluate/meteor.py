"""METEOR of captions, by the program that COCO's script runs: version 1.5 in Java (Denkowski and Lavie 2014).

There is no METEOR 1.5 for Python: what NLTK has under the name is the formula of 2005 with other parameters and
without paraphrases, and gives other numbers. So the official program is run, or there is no METEOR.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from vlit.data.errors import VlitError
from vlit.data.score import shown

_WHERE = "evaluate.benchmarks.coco_captions.meteor"
#: What the program reads beside its jar; without it, it stops.
_PARAPHRASES = Path("data") / "paraphrase-en.gz"


def jar_of(named: str, base: Path) -> Path:
    """The program: a path, or ``package`` for the one that comes with pycocoevalcap.

    Raises:
        VlitError: When it is not there, or there is no Java to run it.
    """
    if named == "package":
        found = importlib.util.find_spec("pycocoevalcap")
        if found is None or not found.submodule_search_locations:
            raise VlitError(
                "pycocoevalcap is not installed", where=_WHERE, todo="install vlit[captions], or name the jar"
            )
        jar = Path(found.submodule_search_locations[0]) / "meteor" / "meteor-1.5.jar"
    else:
        jar = base / Path(named).expanduser()
    for file in (jar, jar.parent / _PARAPHRASES):
        if not file.is_file():
            todo = "name the meteor-1.5.jar that lies beside its folder data, as in METEOR's archive"
            raise VlitError(f"there is no {file.relative_to(jar.parent)}", where=f"{_WHERE}: {file}", todo=todo)
    if shutil.which("java") is None:
        raise VlitError(
            "METEOR needs Java, which is not here", where=_WHERE, todo="install Java, or leave it out"
        )
    return jar


def meteor(jar: Path, candidates: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """METEOR of the whole set, 0 to 1.

    Args:
        jar: Of the program.
        candidates: Tokens of the captions, parted by spaces; an empty one is worth nothing.
        references: Of each of them.

    Raises:
        VlitError: When the program fails.
    """
    pairs = zip(candidates, references, strict=True)
    asked = [" ||| ".join(("SCORE", *map(_clean, refs), _clean(own))) for own, refs in pairs]
    counts = _run(jar, asked)[: len(asked)]
    if len(counts) != len(asked):
        raise VlitError(f"METEOR answered {len(counts):,} of {len(asked):,} captions", where=str(jar))
    said = _run(jar, [" ||| ".join(("EVAL", *counts))])
    try:
        return float(said[len(asked)])  # one line for each caption, then one for all
    except (IndexError, ValueError) as error:
        raise VlitError(f"METEOR's answer cannot be read: {error}", where=str(jar)) from error


def _run(jar: Path, lines: Sequence[str]) -> list[str]:
    command = ["java", "-jar", "-Xmx2G", str(jar), "-", "-", "-stdio", "-l", "en", "-norm"]
    done = subprocess.run(
        command, input="\n".join(lines) + "\n", capture_output=True, text=True, encoding="utf-8", check=False
    )
    if done.returncode:
        said = next(
            (line for line in done.stderr.splitlines() if line.strip()), "nothing"
        )  # the trace is behind it
        raise VlitError(f"METEOR failed: {shown(said, 300)}", where=str(jar), todo="see what Java says")
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]


def _clean(text: str) -> str:
    return " ".join(text.replace("|||", "").split())
