from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from PIL import Image as PILImage

from tests.conftest import REPOSITORY, demo_data_recipe
from vlit import cli
from vlit.cli import COMMANDS
from vlit.run.folder import RunFolder


def vlit(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "vlit", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=300,
        env={**os.environ, "COLUMNS": "80"},
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

    sample = next(iter(RunFolder(tmp_path / "runs" / "mine").selected))
    shown = vlit("show", sample.id, cwd=tmp_path).stdout
    assert sample.id in shown and sample.provenance.annotations[0] in shown and "licence" in shown
    lost = vlit("show", sample.id[:-1] + "999", cwd=tmp_path)
    assert lost.returncode == 1 and "did you mean" in lost.stderr


def test_a_run_ends_with_what_came_of_it(tmp_path: Path, demo: Path) -> None:
    run = ("run", str(demo_data_recipe(tmp_path)), "--workers", "1", "--set", "collect.images=skip")
    gate = "select.gates={grounded_correctness: {min: 2}}"
    done = vlit(*run, "--set", "assess.indicators={grounded_correctness: {}}", "--set", gate, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    ends = [line for line in done.stdout.splitlines() if re.match("  (kept|dropped|export|report) ", line)]
    kept, dropped, export, report = ends
    found = re.match(r"  kept       (\d+) of ([\d,]+) samples", kept)
    assert found
    n, total = int(found[1]), int(found[2].replace(",", ""))
    assert 0 < n < total / 10  # only those that nothing can judge
    assert dropped.split() == ["dropped", f"{total - n:,}", "by", "grounded_correctness"]
    assert export.startswith("  export     runs/demo/exports/llava.json (")
    assert report.split() == ["report", str(tmp_path / "runs" / "demo" / "report" / "index.html")]
    again = vlit("report", "runs/demo", cwd=tmp_path)
    assert "= report" in again.stdout and again.stdout.splitlines()[-1] == report


def test_the_quarantine_is_summed_up_with_its_reasons(tmp_path: Path) -> None:
    (tmp_path / "captions.csv").write_text("file,caption\n" + "".join(f"{n}.jpg,A dog.\n" for n in range(7)))
    PILImage.new("RGB", (64, 48)).save(tmp_path / "0.jpg")
    done = vlit("collect", str(tmp_path), "--name", "few", "--workers", "1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "1 scene, 6 quarantined" in done.stdout
    assert "quarantine 6 rows\n" in done.stdout
    assert "     6 × there is no such photo" in done.stdout
    again = vlit("collect", str(tmp_path), "--name", "few", "--workers", "1", cwd=tmp_path)
    assert "already done" in again.stdout  # the run lies in the folder, and is not its own input


def test_printed_commands_stand_on_one_line() -> None:
    done = vlit("doctor")
    commands = [line for line in done.stdout.splitlines() if "-m pip install" in line]
    assert commands or "not installed" not in done.stdout
    assert all(re.search(r"\[(assess|gensim|language|tune|serve|cluster|dev)\]", line) for line in commands), (
        done.stdout
    )


def test_show_wraps_texts_under_themselves(tmp_path: Path) -> None:
    from vlit.data.sample import Sample, Turn
    from vlit.data.schema import to_table
    from vlit.data.store import part_path, write_part

    run = RunFolder(tmp_path / "run")
    turns = (Turn(role="user", text="What?"), Turn(role="assistant", text="[so] " + "many words " * 40))
    write_part(part_path(run.folder("samples"), "0", "0" * 64), to_table([Sample(id="a", turns=turns)], Sample))
    run.recipe.write_text("name: run\n")
    shown = vlit("show", "a", "--run", str(run.path)).stdout.splitlines()
    first = shown.index(next(line for line in shown if line.startswith("assistant  [so] many")))
    assert all(line.startswith((" " * 11 + "many", " " * 11 + "words"))
               for line in shown[first + 1 : first + 6])  # fmt: skip
    assert max(map(len, shown[first : first + 6])) <= 80


def test_show_tells_the_group_that_a_sample_was_put_into(tmp_path: Path) -> None:
    from vlit.data.sample import Sample, Turn
    from vlit.data.schema import to_table
    from vlit.data.score import Score
    from vlit.data.store import part_path, write_part

    run = RunFolder(tmp_path / "run")
    sample = Sample(id="a", turns=(Turn(role="user", text="What?"), Turn(role="assistant", text="So.")))
    score = Score(sample="a", indicator="task_tags", value=0.5, group="counting")
    for table, row in (("samples", sample), ("scores", score)):
        write_part(part_path(run.folder(table), "0", "0" * 64), to_table([row], type(row)))
    run.recipe.write_text("name: run\n")
    assert "task_tags 0.500 group counting" in vlit("show", "a", "--run", str(run.path)).stdout


def test_dry_run_starts_nothing(tmp_path: Path, demo: Path) -> None:
    done = vlit("run", str(demo / "recipe.yaml"), "--dry-run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "collect    run: 44 scenes with 220 captions, 521 objects, 13 questions" in done.stdout
    assert not (tmp_path / "runs").exists()


def test_dry_run_does_not_count_what_will_be_made_anew(tmp_path: Path, demo: Path) -> None:
    recipe = str(demo / "recipe.yaml")
    assert vlit("collect", str(demo), "--name", "demo", "--workers", "1", cwd=tmp_path).returncode == 0
    plan = vlit("run", recipe, "--dry-run", "--data", str(demo / "images"), "--set",
                "collect.keep_unannotated=true", cwd=tmp_path).stdout  # fmt: skip
    assert "collect    run: 44 scenes with no annotations" in plan
    assert "generate   run: what collect makes" in plan


def test_a_folder_with_any_name_will_do(tmp_path: Path, demo: Path) -> None:
    odd = tmp_path / """it's "my" \\n photos"""
    odd.mkdir()
    (odd / "000000000790.jpg").symlink_to(demo / "images" / "000000000790.jpg")
    (odd / "c.csv").write_text("file_name,caption\n000000000790.jpg,A cat.\n")
    recipe = REPOSITORY / "recipes" / "folder.yaml"
    done = vlit("run", str(recipe), "--data", str(odd), "--dry-run", cwd=tmp_path)
    assert "collect    run: 1 scene with 1 caption" in done.stdout, done.stderr
    done = vlit("collect", str(odd), cwd=tmp_path)
    assert "1 scene (" in done.stdout, done.stderr
    assert [p.name for p in (tmp_path / "runs").iterdir()] == ["it-s-my-n-photos"]


def test_a_terminal_without_unicode_ends_no_run(
    tmp_path: Path, demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    done = vlit("collect", str(demo), "--name", "mine", "--set", "collect.images=header", cwd=tmp_path)
    assert done.returncode == 0 and "44 scenes" in done.stdout, done.stderr


def test_a_run_that_failed_at_once_knows_where_its_paths_start(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "r.yaml").write_text("name: r\ncollect: {sources: [{kind: auto, path: photos}]}\n")
    (tmp_path / "mine" / "photos").mkdir()
    assert "no usable scene" in vlit("run", "mine/r.yaml", cwd=tmp_path).stderr
    assert "no usable scene" in vlit("generate", "runs/r", cwd=tmp_path).stderr


def test_collecting_again_keeps_what_follows(tmp_path: Path, demo: Path) -> None:
    header = ("--set", "collect.images=header")
    vlit("collect", str(demo), "--name", "mine", *header, cwd=tmp_path)
    vlit("generate", "runs/mine", "--set", "generate.adapt.answers=short", cwd=tmp_path)
    vlit("collect", str(demo), "--name", "mine", *header, cwd=tmp_path)
    assert "already done" in vlit("generate", "runs/mine", cwd=tmp_path).stdout.splitlines()[1]
    assert "answers: short" in (tmp_path / "runs" / "mine" / "recipe.yaml").read_text()


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    for arguments in (("show", "x", "--run", "gone"), ("assess", "gone")):
        done = vlit(*arguments, cwd=tmp_path)
        assert done.returncode == 1 and "there is no run in this folder" in done.stderr


def small(folder: Path, demo: Path) -> Path:
    """A folder with one photo and captions."""
    folder.mkdir(parents=True)
    shutil.copy(demo / "images" / "000000000790.jpg", folder)
    (folder / "captions.csv").write_text("file,caption\n000000000790.jpg,A family sits around a big table.\n")
    return folder


def test_a_run_folder_that_was_renamed_is_worked_in_where_it_is(tmp_path: Path, demo: Path) -> None:
    photos = small(tmp_path / "My photos (ünï)", demo)
    assert vlit("collect", str(photos), "--workers", "1", cwd=tmp_path).returncode == 0
    made = tmp_path / "runs" / "My-photos-ünï"
    moved = made.rename(tmp_path / "elsewhere")
    done = vlit("generate", ".", "--workers", "1", cwd=moved)
    assert done.returncode == 0, done.stderr
    assert list(moved.glob("samples/*.parquet"))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["My photos (ünï)", "elsewhere", "runs"]


def test_show_in_a_folder_without_a_run_says_so(tmp_path: Path) -> None:
    done = vlit("show", "x", "--run", str(tmp_path))
    assert done.returncode == 1 and "there is no run in this folder" in done.stderr


def test_show_names_a_damaged_part(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("name: x\n")
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "00000-0123456789ab.parquet").write_bytes(b"cut")
    done = vlit("show", "x", "--run", str(tmp_path))
    assert done.returncode == 1 and "00000-0123456789ab.parquet" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_that_cannot_be_read_is_no_traceback(tmp_path: Path, demo: Path) -> None:
    (tmp_path / "runs").touch()
    done = vlit("run", str(demo / "recipe.yaml"), "--dry-run", cwd=tmp_path)
    assert done.returncode == 1 and "Not a directory" in done.stderr and "Traceback" not in done.stderr


def test_data_may_have_any_name_but_is_a_folder(tmp_path: Path, demo: Path) -> None:
    photos = small(tmp_path / 'it\'s "mine" [now]', demo)
    recipe = str(demo / "recipe.yaml")
    done = vlit("run", recipe, "--data", str(photos), "--dry-run", cwd=tmp_path)
    assert "collect    run: 1 scene with 1 caption" in done.stdout, done.stderr
    done = vlit("run", recipe, "--data", str(photos / "captions.csv"), cwd=tmp_path)
    assert done.returncode == 2 and "is a file" in done.stderr


def test_a_signal_that_breaks_a_lock_still_stops_in_peace(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where a signal comes while ``Condition.wait`` takes its lock again, leaving the condition fails."""

    def broken(**_: object) -> None:
        try:
            raise KeyboardInterrupt
        finally:
            threading.Lock().release()

    monkeypatch.setattr(cli.group, "main", broken)
    monkeypatch.setattr("signal.signal", lambda *_: None)  # pytest's own stay as they are
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 130 and "the same command goes on" in capsys.readouterr().err
    monkeypatch.setattr(cli.group, "main", lambda **_: threading.Lock().release())
    with pytest.raises(RuntimeError, match="unlocked"):
        cli.main()
