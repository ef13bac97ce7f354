from pathlib import Path

from vlit.run.fingerprint import code_digest, file_digest, fingerprint


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
