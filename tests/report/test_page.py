"""The page as one text: complete, offline, escaped, equal for equal runs, and whole when tables are missing."""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from tests.report.conftest import HOSTILE, TASKS, write
from vlit.data.sample import Turn
from vlit.data.scene import Image
from vlit.data.score import Verdict
from vlit.data.store import part_key, read_part
from vlit.report.payload import as_script
from vlit.report.photos import embed
from vlit.report.stage import ReportConfig, ReportStage
from vlit.run.folder import TABLES, RunFolder
from vlit.run.stage import Setting


def make(run: RunFolder, **config: object) -> str:
    stage = ReportStage(ReportConfig.model_validate(config), Setting(seed=17, base=run.path))
    assert list(stage.shards(run)) == []
    stage.finish(run)
    (path,) = stage.files(run)
    assert path == run.path / "report" / "index.html"
    return path.read_text(encoding="utf-8")


class Reader(HTMLParser):
    """Tags, their nesting, and the content of scripts."""

    void = frozenset({"meta", "link", "img", "input", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.scripts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.void:
            self.open.append(tag)
        if tag == "script":
            self.scripts.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data


def parse(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader


def test_the_page_is_well_formed_and_asks_for_nothing_outside(run: RunFolder) -> None:
    reader = parse(make(run))
    for tag, attributes in reader.tags:
        for key in ("src", "href", "data", "poster", "srcset"):
            target = attributes.get(key) or "#"
            inside = target.startswith(("#", "data:")) or (
                tag == "a" and target.startswith("https://example.org/")
            )
            assert inside, f"<{tag} {key}={target}>"
        assert tag != "iframe"
        assert not any(key.startswith("on") for key in attributes), f"<{tag}> has an inline handler"
    policy = next(a["content"] for t, a in reader.tags if t == "meta" and "http-equiv" in a)
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "script-src 'sha256-" in policy
    assert "url(" not in make(run).split("</style>")[0]


def test_headings_labels_and_alternatives(run: RunFolder) -> None:
    reader = parse(make(run))
    levels = [int(t[1]) for t, _ in reader.tags if re.fullmatch(r"h[1-6]", t)]
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert all(a.get("alt") for t, a in reader.tags if t == "img")
    assert all(a.get("aria-label") or a.get("aria-hidden") for t, a in reader.tags if t == "svg")
    ids = [a["id"] for _, a in reader.tags if "id" in a]
    assert len(ids) == len(set(ids))


def test_hostile_text_stays_text(run: RunFolder) -> None:
    page = make(run)
    assert HOSTILE not in page
    reader = parse(page)
    assert len(reader.scripts) == 2
    assert not any("owned" in script for script in reader.scripts[1:])
    data = msgspec.json.decode(reader.scripts[0])
    said = [turn[1] for sample in data["samples"] for turn in sample["c"]]
    assert any(HOSTILE in text for text in said)


def test_script_text_cannot_end_its_element() -> None:
    text = as_script({"x": "</script><!-- <script>"})
    assert "<" not in text
    assert msgspec.json.decode(text) == {"x": "</script><!-- <script>"}


def test_numbers_are_in_the_page(run: RunFolder) -> None:
    page = make(run, title="My photos")
    assert "<h1>My photos</h1>" in page
    assert f"All {len(run.samples)} samples of this run are in this page" in page
    for task in TASKS:
        assert task.replace("_", " ").capitalize() in page
    assert page.count('<article class="example">') == 24
    assert "at least 0.3" in page
    assert "the box … has no area" in page
    assert "text_readability: {min: 0.3}" in page


def test_limits_are_kept_and_told(run: RunFolder) -> None:
    page = make(run, explorer=10, examples=4, photos=3)
    data = msgspec.json.decode(parse(page).scripts[0])
    assert len(data["samples"]) == 10
    assert data["total"] == len(run.samples)
    assert 0 < len(data["photos"]) <= 3
    assert page.count('<article class="example">') == 4
    assert f"10 of {len(run.samples)} samples are in this page" in page
    assert page.count("data:image/jpeg") == len(data["photos"])


def test_a_very_long_answer_is_cut_in_the_examples_alone(run: RunFolder) -> None:
    long = [
        msgspec.structs.replace(s, turns=(s.turns[0], Turn(role="assistant", text="words " * 4_000)))
        for s in run.samples
    ]
    shutil.rmtree(run.path / "samples")
    write(run, "samples", "00000", long)
    page = make(run)
    assert "words … (23,999 characters)" in page
    data = msgspec.json.decode(parse(page).scripts[0])
    assert all(len(s["c"][1][1]) == 24_000 for s in data["samples"])


def test_what_a_cap_dropped_is_not_shown_in_place_of_what_a_gate_dropped(run: RunFolder) -> None:
    gated = {v.sample for v in [v for v in run.verdicts if not v.keep][:2]}
    for part in run.verdicts.parts():
        capped = [
            v if v.sample in gated else msgspec.structs.replace(v, keep=False, rule="cap", reason="capped")
            for v in read_part(part, Verdict)
        ]
        part.unlink()
        write(run, "verdicts", part_key(part), capped)
    page = make(run)
    assert page.count('<p class="why">capped</p>') == 3
    assert page.count('<p class="why">') == 3 + len(gated)


def test_equal_runs_have_equal_pages(run: RunFolder) -> None:
    assert make(run) == make(run)


@pytest.mark.parametrize("missing", [*TABLES, "recipe.yaml"])
def test_the_page_is_whole_without_any_one_table(run: RunFolder, missing: str) -> None:
    path = run.path / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    page = make(run)
    parse(page)
    if missing == "verdicts":
        assert "Not judged" not in page or "dropped:" not in page


def test_the_page_of_an_empty_run(new_run: Callable[[], RunFolder]) -> None:
    page = make(new_run())
    parse(page)
    assert "There are no samples yet." in page


def test_a_photo_that_is_gone_is_told(run: RunFolder, tmp_path: Path, images: list[Image]) -> None:
    photo = embed(Image(uri=str(tmp_path / "gone.jpg"), width=4, height=3))
    assert (photo.data, photo.problem) == (None, "the file is missing")
    found = embed(images[0])
    assert found.data is not None
    assert found.data.startswith("data:image/jpeg;base64,")
