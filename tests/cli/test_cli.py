from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from vlit.cli import COMMANDS


def vlit(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "vlit", *arguments], capture_output=True, text=True, cwd=cwd, timeout=300
    )


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['vlit', '--help']\n"
        "from vlit.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'pyarrow', 'numpy', 'PIL', 'pydantic', 'jinja2', 'inflect', 'rich', 'fsspec', 'msgspec'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "HEAVY []" in done.stdout, done.stdout


def test_importing_vlit_imports_nothing_heavy() -> None:
    code = "import sys, vlit; print(sorted({'pyarrow', 'torch', 'ray', 'transformers'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_shows_an_example(command: str) -> None:
    done = vlit(command, "--help")
    assert done.returncode == 0
    assert f"Example: vlit {command}" in done.stdout


def test_an_unknown_command_names_the_nearest() -> None:
    done = vlit("colect")
    assert done.returncode == 2
    assert "did you mean 'collect'?" in done.stderr


def test_doctor_says_what_is_usable_and_how_to_enable_the_rest() -> None:
    done = vlit("doctor")
    assert done.returncode == 0, done.stderr
    for word in ("text_readability", "grounded_correctness", "coco", "llava", "presence", "Teachers"):
        assert word in done.stdout
    assert "vlit[tune]" in done.stdout or "installed" in done.stdout


def test_a_mistake_in_a_recipe_is_told_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("name: x\nsed: 1\ncollect:\n  sources: []\n")
    done = vlit("run", "r.yaml", cwd=tmp_path)
    assert done.returncode == 1
    assert "did you mean 'seed'?" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_run_step_by_step(tmp_path: Path, demo: Path) -> None:
    def step(*arguments: str) -> str:
        done = vlit(*arguments, "--workers", "1", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "44 scenes" in step("collect", str(demo), "--name", "mine", "--set", "collect.images=header")
    assert "samples" in step("generate", "runs/mine", "--set", "generate.adapt.answers=short")
    assert "already done" in step("generate", "runs/mine", "--set", "generate.adapt.answers=short")
    assert "scores" in step("assess", "runs/mine")
    assert "selected" in step("select", "runs/mine", "--set", "select.cap_per_task=5")
    step("export", "runs/mine")
    assert list((tmp_path / "runs" / "mine" / "exports").glob("*.json"))

    from vlit.run.folder import RunFolder

    sample = next(iter(RunFolder(tmp_path / "runs" / "mine").selected))
    shown = vlit("show", sample.id, cwd=tmp_path).stdout
    assert sample.id in shown and sample.provenance.annotations[0] in shown and "licence" in shown
    lost = vlit("show", sample.id[:-1] + "999", cwd=tmp_path)
    assert lost.returncode == 1 and "did you mean" in lost.stderr


def test_dry_run_starts_nothing(tmp_path: Path, demo: Path) -> None:
    done = vlit("run", str(demo / "recipe.yaml"), "--dry-run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "collect    run: 44 scenes" in done.stdout
    assert not (tmp_path / "runs").exists()
