"""The page in a real browser: no error, no request, and a filter in the address that leaves fewer rows."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.report.conftest import build_run
from vlit.data.scene import Image
from vlit.report.stage import ReportConfig, ReportStage
from vlit.run.stage import Setting

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome on the PATH to open the page with"),
]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, images: list[Image]) -> Path:
    run = build_run(tmp_path_factory.mktemp("browser") / "street", images)
    ReportStage(ReportConfig(), Setting(seed=17, base=run.path)).finish(run)
    return run.path / "report" / "index.html"


def dump(page: Path, profile: Path, address: str = "", flags: tuple[str, ...] = ()) -> tuple[str, str]:
    """The page's DOM after its script ran, and what the browser logged."""
    command = [
        str(BROWSER),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--enable-logging=stderr",
        "--virtual-time-budget=4000",
        f"--user-data-dir={profile}",
        f"--log-net-log={profile}/net.json",
        *flags,
        "--dump-dom",
        page.as_uri() + address,
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, env={**os.environ, "LC_ALL": "C"}
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout, done.stderr


def rows(dom: str) -> int:
    return len(re.findall(r'<button class="row"', dom))


def test_no_error_no_request_and_rows(page: Path, tmp_path: Path) -> None:
    dom, log = dump(page, tmp_path)
    console = [line for line in log.splitlines() if "CONSOLE" in line]
    assert console == []
    assert rows(dom) == 25
    assert "<title>street · data report</title>" in dom  # the hostile caption did not run
    assert not re.findall(r'<img data-photo="\d+"(?![^>]*src=)', dom)
    asked = re.findall(r'"url":"(https?://[^"]+)"', (tmp_path / "net.json").read_text(errors="replace"))
    own = re.compile(r"https?://[\w.-]*google(apis)?\.com/")  # the browser's own update checks
    assert [url for url in asked if not own.match(url)] == []


def test_a_filter_in_the_address(page: Path, tmp_path: Path) -> None:
    dom, _ = dump(page, tmp_path, "#q=dog&task=presence")
    tally = re.search(r'id="tally"[^>]*>(\d+) of 88 samples<', dom)
    assert tally is not None
    assert rows(dom) == int(tally[1]) == 6  # three photos of dogs, two samples each
    assert "<mark>dog</mark>" in dom


def test_a_sample_in_the_address(page: Path, tmp_path: Path) -> None:
    dom, log = dump(page, tmp_path, "#sample=coco%3A4-presence-0")
    dialog = dom.split("<dialog", 1)[1].split("</dialog>", 1)[0]
    assert "open" in dialog.split(">", 1)[0]
    for text in ("coco:4/o1", "coco:4/c1", "ball (blue)", "What colour is the ball?", "presence.ask.0"):
        assert text in dialog
    assert "https://example.org/photos/4" in dialog
    assert not [line for line in log.splitlines() if "CONSOLE" in line]


def test_nothing_is_wider_than_a_phone(page: Path, tmp_path: Path) -> None:
    frame = tmp_path / "frame.html"
    frame.write_text(
        f'<iframe id="f" src="{page.as_uri()}" style="width:390px;height:800px;border:0"></iframe>'
        '<p id="out"></p><script>f.onload = () => {'
        "out.textContent = f.contentDocument.documentElement.scrollWidth}</script>"
    )
    dom, _ = dump(frame, tmp_path / "profile", flags=("--allow-file-access-from-files",))
    found = re.search(r'<p id="out">(\d+)</p>', dom)
    assert found is not None
    assert int(found[1]) <= 390


def test_a_sample_that_is_not_in_the_page_is_said_to_be_elsewhere(page: Path, tmp_path: Path) -> None:
    dom, log = dump(page, tmp_path, "#sample=gone")
    assert "The sample gone is not in this page; `vlit show gone` tells all about it." in dom
    assert [line for line in log.splitlines() if "CONSOLE" in line] == []
