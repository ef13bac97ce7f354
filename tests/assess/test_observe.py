"""Observing: one look at each photo, one vector for each text, and nothing lost where one of them is broken."""

import json
from pathlib import Path

import numpy as np
import PIL.Image as PILImage
import pytest

from vlit.assess.observe import PHOTOS, ObserveConfig, ObserveStage
from vlit.assess.parts import whole
from vlit.assess.seen import Pictures, read_rows, read_sentences
from vlit.data.embedding import Embedding
from vlit.data.picture import Picture, packed
from vlit.data.sample import Sample
from vlit.data.schema import to_table
from vlit.data.store import part_key, read_part, write_part
from vlit.run.engine import execute, plan
from vlit.run.folder import RunFolder
from vlit.run.recipe import parse_recipe

PHOTO_COUNT = 500
BROKEN = 123


def made_set(folder: Path, n: int) -> Path:
    """A LLaVA file about ``n`` small photos."""
    random = np.random.default_rng(0)
    records = []
    for i in range(n):
        pixels = random.integers(0, 255, (40, 48, 3), np.uint8)
        PILImage.fromarray(pixels).save(folder / f"{i:03d}.jpg")
        turns = [
            {"from": "human", "value": f"<image>\nWhat is in photo {i}?"},
            {"from": "gpt", "value": "Noise."},
        ]
        records.append({"id": f"r{i:03d}", "image": f"{i:03d}.jpg", "conversations": turns})
    path = folder / "set.json"
    path.write_text(json.dumps(records))
    return path


def run_of(folder: Path, recipe: str, **options) -> RunFolder:
    run = RunFolder(folder / "runs" / "r")
    execute(parse_recipe(f"name: r\n{recipe}", base=folder), run, workers=1, **options)
    return run


def test_one_corrupt_image_among_500_costs_one_sample_and_one_quarantine_row(tmp_path):
    made_set(tmp_path, PHOTO_COUNT)
    whole_file = (tmp_path / f"{BROKEN:03d}.jpg").read_bytes()
    (tmp_path / f"{BROKEN:03d}.jpg").write_bytes(whole_file[: len(whole_file) // 2])
    run = run_of(tmp_path, "load: {path: set.json}\nassess: {indicators: {image_readability: null}}\n")
    lost = [s for s in run.scores if s.value is None]
    assert [s.sample for s in lost] == [f"r{BROKEN:03d}"] and "truncated" in (lost[0].reason or "")
    (row,) = run.quarantine
    assert row.stage == "observe" and row.file.endswith(f"{BROKEN:03d}.jpg") and "truncated" in row.reason
    assert len(run.samples) == len(run.scores) == PHOTO_COUNT
    (of_set,) = run.set_scores
    assert of_set.n == PHOTO_COUNT - 1


def test_parts_without_samples_are_observed(tmp_path, demo):
    recipe = f"""
collect: {{shard_size: 8, sources: [{{kind: auto, path: "{demo}"}}]}}
choose: {{n: 2, by: random}}
generate: {{adapt: {{tasks: {{short_caption: null}}}}}}
assess: {{indicators: {{response_diversity: null, task_balance: null}}}}
select: {{keep: {{n: 3, by: farthest}}}}
"""
    run = run_of(tmp_path, recipe)
    assert 0 in [len(read_part(path, Sample)) for path in run.samples.parts()]
    assert len(run.embeddings) == len(run.samples) == len(run.verdicts) and len(run.selected) == 3


def test_interrupted_pass_goes_on_at_the_missing_shard(tmp_path, monkeypatch):
    made_set(tmp_path, 40)
    recipe = "load: {path: set.json, shard_size: 10}\nobserve: {sentences: static}\n"
    work, calls = ObserveStage.work, []

    def counted(self, shard, context):
        if len(calls) == 5 and "stopped" not in calls:
            calls.append("stopped")
            raise KeyboardInterrupt
        calls.append(shard.key)
        return work(self, shard, context)

    monkeypatch.setattr(ObserveStage, "work", counted)
    with pytest.raises(KeyboardInterrupt):
        run_of(tmp_path, recipe)
    first = calls[:5]
    calls[:] = ["stopped"]
    run = run_of(tmp_path, recipe)
    assert not set(first) & set(calls) and len(first) + len(calls) - 1 == 4 + 5  # 4 of texts, 5 of photos
    assert len(run.embeddings) == len(run.pictures) == 40
    seen = whole(run)
    assert len(seen.sentences) == 40
    np.testing.assert_allclose(
        np.linalg.norm(seen.sentences.responses.astype(np.float32), axis=1), 1, atol=2e-3
    )


def test_assess_brings_observing_along_and_only_where_it_is_needed(tmp_path):
    def stages(text):
        return [s.name for s in parse_recipe(f"name: r\nload: {{path: x}}\n{text}", base=tmp_path).stages]

    assert stages("assess: {indicators: {exact_duplicate: null}}") == ["load", "assess"]
    assert stages("assess: {indicators: {image_readability: null}}") == ["load", "observe", "assess"]
    text = "load: {path: x}\nobserve: {sentences: minilm}\nassess: {indicators: {image_readability: null}}"
    recipe = parse_recipe(f"name: r\n{text}", base=tmp_path)
    assert recipe.stages[1].config == ObserveConfig(sentences="minilm")


def test_texts_keep_the_order_of_the_set_and_photos_have_shards_of_their_own(tmp_path):
    made_set(tmp_path, 20)
    run = run_of(tmp_path, "load: {path: set.json, shard_size: 6}\nobserve: {sentences: static}\n")
    assert [e.sample for e in run.embeddings] == [s.id for s in run.samples]
    keys = {part_key(p) for p in run.embeddings.parts()}
    assert {part_key(p) for p in run.samples.parts()} < keys
    assert {k for k in keys if k.startswith(PHOTOS)} == {f"{PHOTOS}-{i:05d}" for i in range(3)}
    assert all(
        step.state == "complete" for step in plan(parse_recipe(run.recipe.read_text(), base=tmp_path), run)
    )


@pytest.mark.parametrize("places", [[], [3], [6, 0, 2, 2], range(7)])
def test_some_vectors_are_read_without_the_others(tmp_path, places):
    rows = [(np.full(4, i, np.float16), np.full(4, -i, np.float16)) for i in range(7)]
    paths = []
    for number, (start, end) in enumerate([(0, 3), (3, 3), (3, 7)]):
        part = [
            Embedding(sample=str(i), instruction=packed(a), response=packed(b), encoder="e")
            for i, (a, b) in enumerate(rows[start:end], start)
        ]
        paths.append(tmp_path / f"{number}.parquet")
        write_part(paths[-1], to_table(part, Embedding))
    found, every = read_rows(paths, places), read_sentences(paths).rows(np.array(places, np.int64))
    assert found.encoder == "e"
    assert found.instructions[:, 0].tolist() == list(places)
    assert np.array_equal(found.responses, every.responses)


def test_pictures_come_by_uri_and_leave_out_what_has_no_vector():
    rows = [Picture(uri="b", descriptor=packed([0, 1])), Picture(uri="a", problem="gone")]
    pictures = Pictures(rows)
    uris, vectors = pictures.matrix("descriptor")
    assert list(pictures) == ["a", "b"] and uris == ["b"] and vectors.tolist() == [[0, 1]]
    assert Pictures().matrix("vector")[1].shape == (0, 0)
