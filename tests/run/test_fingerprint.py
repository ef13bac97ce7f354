from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from vlit.assess.stage import AssessConfig, AssessStage
from vlit.run.engine import fingerprints
from vlit.run.fingerprint import code_digest, file_digest, fingerprint
from vlit.run.recipe import Recipe
from vlit.run.stage import Setting


def test_equal_values_have_equal_fingerprints() -> None:
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})
    assert fingerprint("a", "b") != fingerprint("ab")


def test_the_code_of_a_package_is_its_version(tmp_path: Path, monkeypatch: object) -> None:
    import importlib
    import sys

    package = tmp_path / "some_stage_package"
    package.mkdir()
    (package / "__init__.py").write_text("x = 1\n")
    (package / "pool.yaml").write_text("a: 1\n")
    sys.path.insert(0, str(tmp_path))
    try:
        importlib.invalidate_caches()
        first = code_digest("some_stage_package")
        code_digest.cache_clear()
        assert code_digest("some_stage_package") == first
        code_digest.cache_clear()
        (package / "pool.yaml").write_text("a: 2\n")
        assert code_digest("some_stage_package") != first
    finally:
        sys.path.remove(str(tmp_path))
        code_digest.cache_clear()


def test_a_file_is_known_by_its_content(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 100)
    (tmp_path / "b").write_bytes(b"x" * 100)
    assert file_digest(tmp_path / "a") == file_digest(tmp_path / "b")


def test_paths_that_are_no_unicode_have_a_fingerprint() -> None:
    assert fingerprint("caf\udce9.jpg") != fingerprint("caf\udcea.jpg")


INDICATOR = """
from vlit.assess.indicator import Indicator

class Length(Indicator):
    name = "length"
    principle = "hygiene"
    direction = "none"

    def score(self, samples, scenes, state):
        return (self.of(s, 1.0) for s in samples)
"""


@pytest.mark.parametrize("chosen", [{"length": None}, None])
def test_code_of_other_packages_is_part_of_the_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: dict[str, None] | None
) -> None:
    name = "foreign_named" if chosen else "foreign_all"
    package = tmp_path / name
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "length.py").write_text(INDICATOR)
    monkeypatch.syspath_prepend(str(tmp_path))
    found = EntryPoint("length", f"{name}.length:Length", "vlit.indicators")
    monkeypatch.setattr("vlit.data.registry.entry_points", lambda group: [found] * (group == found.group))

    def prints() -> list[str]:
        code_digest.cache_clear()
        setting = Setting(seed=0, base=tmp_path)
        stage = AssessStage(AssessConfig(indicators=chosen), setting)
        return fingerprints(Recipe("r", 0, "", tmp_path, [stage]))

    before = prints()
    assert prints() == before
    (package / "helper.py").write_text("x = 1\n")
    assert prints() != before
