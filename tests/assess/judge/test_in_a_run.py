"""Judges in a whole run: asked by the stage, scored from the journal, the same from Python."""

from __future__ import annotations

from pathlib import Path

import orjson

from tests.assess.judge.asked import photo, sample
from tests.teacher.server import ScriptedTeacher
from vlit.api import Samples
from vlit.data.sample import Sample
from vlit.data.schema import to_table
from vlit.data.store import part_path, write_part
from vlit.run.engine import execute
from vlit.run.folder import RunFolder
from vlit.run.recipe import parse_recipe

INDICATORS = """
    judged_correctness: {votes: 3, rules_first: false}
    judged_complexity:
    task_tags: {assign: llm, encoder: static}
"""


def a_run(folder: Path, url: str, samples: list[Sample]) -> RunFolder:
    """Samples as a LLaVA file, read and assessed by a teacher."""
    part = part_path(folder / "made", "00000", "0" * 64)
    write_part(part, to_table(samples, Sample))
    from vlit.formats.llava import write_llava

    write_llava([part], folder / "set.json", image_root=str(folder))
    teacher = f"teacher: {{model: t, endpoints: [{{url: {url}}}]}}"
    text = f"name: r\n{teacher}\nload: {{path: set.json}}\nassess:\n  indicators:{INDICATORS}"
    run = RunFolder(folder / "runs" / "r")
    execute(parse_recipe(text, base=folder), run, workers=1)
    return run


def test_a_stage_asks_and_scores_from_the_journal(tmp_path: Path) -> None:
    image = photo(tmp_path)
    samples = [
        sample(f"How many boats are in harbour {i}?", f"There are {i}.", id=f"s{i}", images=(image,))
        for i in range(12)
    ]
    with ScriptedTeacher() as server:
        run = a_run(tmp_path, server.url, samples)
        asked = len(server.log)
        found = {
            name: [s for s in run.scores if s.indicator == name] for name in ("judged_complexity", "task_tags")
        }
        assert all(s.value is not None for s in found["judged_complexity"])
        assert {s.group for s in found["task_tags"]} - {None}
        votes = next(s for s in run.set_scores if s.indicator == "judged_correctness")
        assert votes.n > 0 and orjson.loads(votes.detail)["form"] == "faithful"
        first = {p.name: p.read_bytes() for p in run.scores.parts()}
        for path in [*run.scores.parts(), run.record]:
            path.unlink()
        again = a_run(tmp_path, server.url, samples)
        assert {p.name: p.read_bytes() for p in again.scores.parts()} == first
        assert len(server.log) == asked  # nothing was paid for twice

        scores = Samples.from_run(run.path).assess(
            {"judged_complexity": None},
            teacher={"model": "t", "endpoints": [{"url": server.url}]},
            journal=run.path / "journal",
        )
        assert [s.value for s in scores] == [s.value for s in found["judged_complexity"]]
        assert len(server.log) == asked
