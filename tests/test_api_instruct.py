"""A teacher asked from Python."""

from __future__ import annotations

from pathlib import Path

import pytest

import vlit
from tests.teacher.server import ScriptedTeacher


def test_scenes_are_written_about_and_paid_once(tmp_path: Path, demo: Path) -> None:
    scenes = vlit.Scenes.from_folder(demo)
    with ScriptedTeacher() as server:
        teacher = {"model": "scripted", "endpoints": [{"url": server.url}]}
        journal = tmp_path / "journal"
        first = scenes.instruct(["llava_complex"], teacher=teacher, journal=journal, seed=3)
        asked = len(server.log)
        again = scenes.instruct(["llava_complex"], teacher=teacher, journal=journal, seed=3)
    assert len(first) == 44 == asked == len(server.log) and list(first) == list(again)
    assert first.scenes[0].id == scenes[0].id and not first.quarantine
    assert first.assess({"exact_duplicate": {}}).of(first[0].id)


def test_a_mistake_is_told(demo: Path, tmp_path: Path) -> None:
    scenes = vlit.Scenes.from_folder(demo)
    with pytest.raises(vlit.VlitError, match="endpoints"):
        scenes.instruct(["llava_complex"], teacher={"model": "m"}, journal=tmp_path)
