"""The mix stage: what is drawn, what becomes of it, and the account of it all."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image as PILImage

from tests.conftest import REPOSITORY
from vlit.data.errors import VlitError
from vlit.data.ingredient import Ingredient
from vlit.data.sample import Sample
from vlit.run.engine import execute
from vlit.run.folder import RunFolder
from vlit.run.recipe import load_recipe, parse_recipe

Record = dict[str, Any]


def record(name: Any, image: str | None = "1.jpg", *turns: str, **more: Any) -> Record:
    """A record in LLaVA's layout; the first question sees the image."""
    said = list(turns) or [f"What of {name}?", f"That of {name}."]
    if image is not None:
        said[0] = f"<image>\n{said[0]}"
        more = {"image": image, **more}
    talk = [{"from": ("human", "gpt")[n % 2], "value": text} for n, text in enumerate(said)]
    return {"id": name, "conversations": talk, **more}


def many(count: int, photos: int = 0, start: int = 0) -> list[Record]:
    """So many records, about so many photos or none."""
    return [record(f"r{n}", f"{n % photos}.jpg" if photos else None) for n in range(start, start + count)]


def mix(
    folder: Path, sets: dict[str, tuple[Sequence[Record], dict[str, Any]]], name: str = "run", **config: Any
) -> RunFolder:
    """Write the sets and mix them; images are not looked for unless the config says so."""
    entries = []
    for set_, (records, keys) in sets.items():
        (folder / f"{set_}.json").write_text(json.dumps(records))
        entries.append({"name": set_, "path": f"{set_}.json", **keys})
    recipe = {"name": "x", "seed": config.pop("seed", 5)}
    recipe["mix"] = {"images": "skip", "shard_size": 7, **config, "sets": entries}
    run = RunFolder(folder / name)
    execute(parse_recipe(yaml.safe_dump(recipe), base=folder), run, workers=1)
    return run


def ids(run: RunFolder) -> list[str]:
    return [s.id for s in run.samples]


def ingredients(run: RunFolder) -> dict[str, Ingredient]:
    return {row.name: row for row in run.table("ingredients")}


def check_account(run: RunFolder) -> dict[str, Ingredient]:
    """Hold the account against the tables themselves: samples, their parents, and the quarantine."""
    found, samples = ingredients(run), list(run.samples)
    assert len({s.id for s in samples}) == len(samples)
    parents = Counter(name.partition(":")[0] for s in samples for name in s.provenance.parents)
    kept = Counter(name.partition(":")[0] for name in {n for s in samples for n in s.provenance.parents})
    begun = Counter(s.id.partition(":")[0] for s in samples)
    lost = Counter(q.record.partition(":")[0] for q in run.quarantine if q.action == "dropped")
    for name, row in found.items():
        assert row.read == row.quarantined + row.left_out + row.kept
        assert row.samples == row.kept + row.split + row.repeated - row.joined
        assert (row.samples, row.kept, row.quarantined) == (begun[name], kept[name], lost[name])
        assert parents[name] == row.kept + row.split + row.repeated
        assert row.share == pytest.approx(row.samples / len(samples))
    return found


def test_sets_are_merged_whole_with_their_names(tmp_path: Path) -> None:
    sets = {"a": (many(3), {}), "b": (many(2, photos=1), {"task": "vqa", "licence": "CC BY 4.0"})}
    run = mix(tmp_path, sets, order="sets")
    assert ids(run) == ["a:r0", "a:r1", "a:r2", "b:r0", "b:r1"]
    last = list(run.samples)[-1]
    assert (last.task, last.paradigm, last.provenance.source) == ("vqa", "data_mixing", "b")
    assert (last.provenance.licence, last.provenance.parents) == ("CC BY 4.0", ("b:r1",))
    assert [t.text for t in last.turns] == ["<image>\nWhat of r1?", "That of r1."]
    assert next(iter(run.samples)).task == "unknown"
    assert check_account(run)["a"].share == pytest.approx(0.6)


def test_the_order_is_drawn(tmp_path: Path) -> None:
    sets = {"a": (many(30), {}), "b": (many(30), {})}
    shuffled, other = mix(tmp_path, sets), mix(tmp_path, sets, name="other", seed=6)
    assert sorted(ids(shuffled)) == sorted(ids(other))
    assert ids(shuffled) != sorted(ids(shuffled)) and ids(shuffled) != ids(other)
    assert 5 < sum(name.startswith("a:") for name in ids(shuffled)[:30]) < 25


def test_neither_order_nor_other_sets_change_what_is_drawn(tmp_path: Path) -> None:
    some = {"weight": 0.3}
    first = mix(tmp_path, {"a": (many(50), some)}, name="1")
    again = mix(tmp_path, {"b": (many(80), {}), "a": (many(50)[::-1], some)}, name="2")
    assert set(ids(first)) == {name for name in ids(again) if name.startswith("a:")}
    assert len(ids(first)) == 15
    more = mix(tmp_path, {"a": (many(50), {"weight": 0.5})}, name="3")
    assert set(ids(first)) < set(ids(more))
    seeded = mix(tmp_path, {"a": (many(50), some)}, name="4", seed=6)
    assert set(ids(first)) != set(ids(seeded))
    # The relative order of what both have is the same too.
    assert [n for n in ids(again) if n.startswith("a:")] == ids(first)


def test_weights_above_one_are_whole_copies_and_a_drawn_part(tmp_path: Path) -> None:
    run = mix(tmp_path, {"a": (many(20), {"weight": 2.5})}, order="sets")
    names = ids(run)
    assert names[:20] == [f"a:r{n}" for n in range(20)]
    assert names[20:40] == [f"a:r{n}#2" for n in range(20)]
    assert len(names) == 50 and all(name.endswith("#3") for name in names[40:])
    found = check_account(run)["a"]
    assert (found.kept, found.repeated, found.size, found.samples) == (20, 30, 20, 50)
    drawn = mix(tmp_path, {"a": (many(20), {"weight": 0.5})}, name="half")
    assert {n.removesuffix("#3") for n in names[40:]} == set(ids(drawn))


def test_ids_that_look_like_copies_stay_different(tmp_path: Path) -> None:
    odd = [record(name, None) for name in ("r", "r#2", "r#2#2", "r#part2", "r#turned1", "r#0", "r#2#0")]
    run = mix(tmp_path, {"a": (odd, {"weight": 3})})
    check_account(run)
    assert len(ids(run)) == 21
    assert {n for s in run.samples for n in s.provenance.parents} == {f"a:{r['id']}" for r in odd}


def test_a_total_is_shared_out(tmp_path: Path) -> None:
    sets = {"small": (many(5), {}), "a": (many(60), {}), "b": (many(90), {"weight": 2})}
    run = mix(tmp_path, sets, total=95)
    assert Counter(name.partition(":")[0] for name in ids(run)) == {"small": 5, "a": 30, "b": 60}
    assert check_account(run)["a"].left_out == 30
    with pytest.raises(VlitError, match="to have 156 samples, and its sets can give 155"):
        mix(tmp_path, sets, name="more", total=156)
    sets["small"] = (many(5), {"copies": 2})
    assert len(ids(mix(tmp_path, sets, name="more", total=156))) == 156


def test_records_about_an_image_become_a_conversation(tmp_path: Path) -> None:
    run = mix(tmp_path, {"a": (many(12, photos=4), {"join": "image"}), "text": (many(2), {"join": "image"})})
    joined = [s for s in run.samples if s.images]
    assert len(joined) == 4
    for sample in joined:
        photo = sample.images[0].uri.rpartition("/")[2]
        assert [int(p.removeprefix("a:r")) % 4 for p in sample.provenance.parents] == [int(photo[0])] * 3
        assert [t.text.count("<image>") for t in sample.turns] == [1, 0, 0, 0, 0, 0]
        assert sample.id == sample.provenance.parents[0]
    assert any(s.provenance.parents != tuple(sorted(s.provenance.parents)) for s in joined)
    found = check_account(run)
    assert (found["a"].size, found["a"].joined, found["text"].joined) == (4, 8, 0)


def test_joined_conversations_keep_within_their_limits(tmp_path: Path) -> None:
    run = mix(tmp_path, {"a": (many(10, photos=1), {"join": "image", "max_rounds": 4})})
    assert sorted(len(s.turns) // 2 for s in run.samples) == [2, 4, 4]
    check_account(run)
    run = mix(tmp_path, {"a": (many(10, photos=1), {"join": "image", "max_words": 20})}, name="words")
    # Three words a question and three an answer.
    assert all(len(s.turns) // 2 <= 3 for s in run.samples) and len(ids(run)) == 4
    check_account(run)


def test_long_conversations_are_split_and_cut(tmp_path: Path) -> None:
    talk = [f"{'Q' if n % 2 == 0 else 'A'} {n}" for n in range(10)]
    run = mix(tmp_path, {"a": ([record("r", "1.jpg", *talk)], {"max_rounds": 2})}, order="sets")
    assert ids(run) == ["a:r", "a:r#part2", "a:r#part3"]
    assert [s.turns[0].text for s in run.samples] == ["<image>\nQ 0", "<image>\nQ 4", "<image>\nQ 8"]
    assert check_account(run)["a"].split == 2
    run = mix(tmp_path, {"a": ([record("r", None, *talk)], {"max_words": 9})}, name="cut")
    (sample,), (row,) = run.samples, run.quarantine
    assert [t.text for t in sample.turns] == talk[:4]
    assert (row.stage, row.action, row.record) == ("mix", "repaired", "a: r")
    assert row.reason == "cut off after round 2 of 5: more than 9 words"


def test_joining_across_sets(tmp_path: Path) -> None:
    sets = {"a": (many(6, photos=3), {}), "b": (many(3, photos=3), {"weight": 2}), "c": (many(2), {})}
    run = mix(tmp_path, sets, join="image")
    # The first copies meet the first copies, and the second ones each other.
    sizes = Counter(len(s.provenance.parents) for s in run.samples)
    assert sizes == {3: 3, 1: 3 + 2}
    assert {s.provenance.source for s in run.samples} == {"a + b", "b", "c"}
    found = check_account(run)
    assert found["a"].joined + found["b"].joined == 6
    assert ids(run) == ids(mix(tmp_path, sets, name="again", join="image"))
    limited = mix(tmp_path, sets, name="limited", join="image", max_rounds=2)
    assert max(len(s.turns) // 2 for s in limited.samples) == 2
    check_account(limited)


def test_choices_are_repeated_turned_on(tmp_path: Path) -> None:
    asked = "Which?\nA. dog\nB. cat\nC. cow"
    records = [record("m1", "1.jpg", asked, "B"), record("m2", "1.jpg", asked, "A"), record("open", "1.jpg")]
    run = mix(tmp_path, {"a": (records, {"choices": "repeat"})}, name="alone")
    assert sorted(ids(run)) == [
        f"a:{n}" for n in ("m1", "m1#turned1", "m1#turned2", "m2", "m2#turned1", "m2#turned2", "open")
    ]
    turned = {s.id: s for s in run.samples}["a:m1#turned1"]
    assert [t.text for t in turned.turns] == ["<image>\nWhich?\nA. cat\nB. cow\nC. dog", "A"]
    assert check_account(run)["a"].repeated == 4
    run = mix(tmp_path, {"a": (records, {"choices": "repeat", "join": "image"})}, name="joined")
    # One conversation for each order of the choices; the open question is asked in the first alone.
    assert sorted(len(s.turns) // 2 for s in run.samples) == [2, 2, 3]
    for sample in run.samples:
        questions = {t.text.removeprefix("<image>\n") for t in sample.turns if t.text.count("\n") > 2}
        assert len(questions) == 1
    assert check_account(run)["a"].size == 3
    assert ids(mix(tmp_path, {"a": (records, {})}, name="once", order="sets")) == ["a:m1", "a:m2", "a:open"]


def test_some_records_of_each_image(tmp_path: Path) -> None:
    run = mix(tmp_path, {"a": (many(20, photos=2), {"per_image": 3}), "text": (many(5), {"per_image": 3})})
    assert Counter(s.images[0].uri[-5:] if s.images else "" for s in run.samples) == {
        "0.jpg": 3,
        "1.jpg": 3,
        "": 5,
    }
    assert check_account(run)["a"].left_out == 14


def test_what_cannot_be_used_is_quarantined_with_its_reason(tmp_path: Path) -> None:
    records = [
        record("good", None),
        record("seen", "1.jpg"),
        record("long", None, "one two three", "four five six seven"),
        {"id": "empty", "conversations": []},
        record("good", None),
        record(7, None),
    ]
    run = mix(tmp_path, {"a": (records, {"text_only": True, "max_words": 6})})
    assert sorted(ids(run)) == ["a:7", "a:good"]
    rows = {q.record: q for q in run.quarantine}
    assert {q.stage for q in rows.values()} == {"mix"}
    assert rows["a: seen"].reason == "the set is text_only, and this record has an image"
    assert rows["a: long"].reason == "its first round has 7 words, more than 6"
    assert rows["a: empty (record 3)"].field == "conversations"
    assert rows["a: good (record 4)"].reason == "the same record again"
    assert rows["a: 7 (record 5)"].action == "repaired"
    found = check_account(run)["a"]
    assert (found.read, found.quarantined, found.kept) == (6, 4, 2)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for n in range(8):
        PILImage.new("RGB", (40, 30), (20 * n, 0, 0)).save(tmp_path / f"{n}.jpg")
    (tmp_path / "3.jpg").write_text("no picture")
    (tmp_path / "5.jpg").unlink()
    return tmp_path


def test_images_are_looked_for_and_those_drawn_are_opened(photos: Path) -> None:
    records = [*many(8, photos=8), record("again", "3.jpg")]
    run = mix(photos, {"a": (records, {}), "text": (many(2), {})}, images="check")
    assert sorted(n for n in ids(run) if n.startswith("a:")) == ["a:r0", "a:r1", "a:r2", "a:r4", "a:r6", "a:r7"]
    assert {s.images[0].sha256 is not None for s in run.samples if s.images} == {True}
    assert {(s.images[0].width, s.images[0].height) for s in run.samples if s.images} == {(40, 30)}
    rows = {q.record: q.reason for q in run.quarantine}
    assert set(rows) == {"a: r3", "a: r5", "a: again"}
    assert rows["a: r5"] == "the file is missing"
    assert rows["a: r3"].startswith("not an image")
    found = check_account(run)["a"]
    assert (found.quarantined, found.size) == (3, 6)


def test_the_next_in_line_takes_the_place_of_what_cannot_be_opened(photos: Path) -> None:
    (photos / "5.jpg").write_bytes((photos / "4.jpg").read_bytes())
    runs = [
        mix(photos, {"a": (many(8, photos=8), {"cap": 5})}, name=str(seed), images="check", seed=seed)
        for seed in range(6)
    ]
    for run in runs:
        assert len(ids(run)) == 5 and "a:r3" not in ids(run)
        check_account(run)
    # Only where it was drawn was it opened, and found out.
    assert {len(run.quarantine) for run in runs} == {0, 1}


def test_a_mixture_of_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(VlitError, match=r"none of the 2 records can be used: 2 x .*text_only"):
        mix(tmp_path, {"a": (many(2, photos=1), {"text_only": True})})
    with pytest.raises(VlitError, match="the sets are empty"):
        mix(tmp_path, {"a": ([], {})}, name="empty")
    with pytest.raises(VlitError, match="the weights are so small"):
        mix(tmp_path, {"a": (many(2), {"weight": 0.2})}, name="small")
    assert not list(tmp_path.glob("*/.mix*"))


def test_another_run_is_a_set(tmp_path: Path) -> None:
    first = mix(tmp_path, {"a": (many(4), {})}, name="first")
    recipe = {"name": "x", "mix": {"images": "skip", "sets": [{"name": "mine", "run": "first"}]}}
    run = RunFolder(tmp_path / "run")
    execute(parse_recipe(yaml.safe_dump(recipe), base=tmp_path), run, workers=1)
    assert sorted(ids(run)) == sorted(f"mine:{name}" for name in ids(first))
    assert ingredients(run)["mine"].format == "samples"
    (row,) = run.table("ingredients")
    assert row.path == "first"


def test_of_another_run_what_was_selected_is_taken(tmp_path: Path, demo: Path) -> None:
    text = (demo / "recipe.yaml").read_text().replace("path: .", f"path: {demo}")
    made = RunFolder(tmp_path / "made")
    execute(parse_recipe(text, base=demo), made, workers=1, until="select")
    recipe = {
        "name": "x",
        "mix": {"sets": [{"name": "mine", "run": "made", "join": "image", "max_rounds": 10}]},
        "select": None,
        "export": None,
    }
    run = RunFolder(tmp_path / "run")
    execute(parse_recipe(yaml.safe_dump(recipe), base=tmp_path), run, workers=1)
    found = check_account(run)["mine"]
    assert (found.format, found.read, found.kept) == ("selected", len(made.selected), len(made.selected))
    assert found.joined > 0 and not len(run.quarantine)
    sample = next(iter(run.samples))
    assert (sample.paradigm, sample.task) == ("annotation_adaption", "joined")
    assert sample.provenance.scenes and sample.provenance.annotations and sample.provenance.templates
    assert (run.path / "exports" / "llava.json").exists()


def test_a_run_that_is_not_finished_is_refused(tmp_path: Path) -> None:
    recipe = yaml.safe_dump({"name": "x", "mix": {"sets": [{"name": "mine", "run": "other"}]}})
    with pytest.raises(VlitError, match="there is no run in this folder"):
        execute(parse_recipe(recipe, base=tmp_path), RunFolder(tmp_path / "run"), workers=1)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "recipe.yaml").write_text("name: other\n")
    with pytest.raises(VlitError, match="this run has made no samples yet"):
        execute(parse_recipe(recipe, base=tmp_path), RunFolder(tmp_path / "run"), workers=1)


def test_samples_are_tied_to_the_scenes_of_this_run(tmp_path: Path, demo: Path) -> None:
    (tmp_path / "set.json").write_text(json.dumps([record("r", "000000078499.jpg")]))
    recipe = {
        "name": "x",
        "collect": {"sources": [{"kind": "auto", "path": str(demo)}], "images": "header"},
        "mix": {"sets": [{"name": "a", "path": "set.json", "image_root": str(demo / "images")}]},
    }
    run = RunFolder(tmp_path / "run")
    execute(parse_recipe(yaml.safe_dump(recipe), base=tmp_path), run, workers=1)
    (sample,) = run.samples
    assert len(sample.provenance.scenes) == 1


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        ({"sets": []}, "at least 1"),
        ({"sets": [{"name": "a"}]}, "name either `run`, a run folder, or `path`, a file"),
        ({"sets": [{"name": "a", "path": "x", "run": "y"}]}, "name either"),
        ({"sets": [{"name": "a", "run": "y", "format": "llava"}]}, "`format` belongs to a file"),
        ({"sets": [{"name": "a:b", "path": "x"}]}, "it begins ids"),
        ({"sets": [{"name": "a", "path": "x"}] * 2}, "two sets are named 'a'"),
        ({"sets": [{"name": "a", "path": "x", "floor": 9, "cap": 8}]}, "floor 9 is above cap 8"),
        ({"sets": [{"name": "a", "path": "x", "weight": 0}]}, "greater than 0"),
        ({"sets": [{"name": "a", "path": "x", "weight": float("inf")}]}, "finite"),
        ({"sets": [{"name": "a", "path": "x", "wieght": 1}]}, "did you mean 'weight'"),
        ({"sets": [{"name": "a", "path": "x"}], "max_rounds": 3}, "for `join: image` across sets"),
        ({"sets": [{"name": "a", "path": "x", "floor": 9}], "total": 8}, "the floors add up to 9"),
        ({"sets": [{"name": "a", "path": "x", "format": "lava"}]}, "did you mean 'llava'"),
    ],
)
def test_mistakes_are_told_before_anything_starts(mistake: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(VlitError, match=said):
        parse_recipe(yaml.safe_dump({"name": "x", "mix": mistake}), base=tmp_path)


def test_the_recipe_that_is_shipped_is_right() -> None:
    recipe = load_recipe(REPOSITORY / "recipes" / "mix.yaml")
    assert [stage.name for stage in recipe.stages] == ["mix", "observe", "assess", "select", "export", "report"]


def digest(run: RunFolder) -> dict[str, str]:
    files = [p for t in ("samples", "ingredients", "quarantine") for p in sorted(run.folder(t).glob("*"))]
    return {str(p.relative_to(run.path)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_lost_parts_are_made_anew_with_the_same_bytes(tmp_path: Path) -> None:
    """As after a kill: some parts are there, the scratch files of the killed process too."""
    records = [*many(40, photos=9), {"id": "bad"}, *many(40, photos=9, start=50)]
    config = {
        "sets": [
            {"name": "a", "path": "a.json", "join": "image"},
            {"name": "b", "path": "a.json", "weight": 1.5},
        ]
    }
    (tmp_path / "a.json").write_text(json.dumps(records))
    text = yaml.safe_dump({"name": "x", "seed": 1, "mix": {"images": "skip", "shard_size": 9, **config}})
    run = RunFolder(tmp_path / "run")
    execute(parse_recipe(text, base=tmp_path), run, workers=1)
    expected = digest(run)
    assert len(expected) > 15
    for part in (*sorted(run.folder("samples").glob("*"))[3:9:2], *run.folder("ingredients").glob("*")):
        part.unlink()
    (run.path / ".mix-records.77.tmp").write_text("left over")
    execute(parse_recipe(text, base=tmp_path), run, workers=2)
    assert digest(run) == expected
    assert not list(run.path.glob(".mix*"))
    # A set that changed is mixed anew.
    (tmp_path / "a.json").write_text(json.dumps(records[:-1]))
    execute(parse_recipe(text, base=tmp_path), run, workers=1)
    assert digest(run) != expected


TALKS = st.lists(st.sampled_from(["Q?", "Which?\nA. dog\nB. cat\nC. cow", "Say more."]), min_size=1, max_size=4)


@st.composite
def sets_of_records(draw: st.DrawFn) -> list[Record]:
    found: list[Record] = []
    for n in range(draw(st.integers(0, 12))):
        kind = draw(st.integers(0, 9))
        if kind == 0:
            found.append(
                {"id": f"bad{n}", "conversations": draw(st.sampled_from([None, [], [{"from": "gpt"}]]))}
            )
            continue
        talk = [text for q in draw(TALKS) for text in (q, "B" if "\n" in q else "It is so.")]
        image = draw(st.sampled_from([None, "1.jpg", "1.jpg", "2.jpg"]))
        found.append(record(draw(st.sampled_from([f"r{n}", n, "same", None])), image, *talk))
    return found


@st.composite
def set_configs(draw: st.DrawFn) -> dict[str, Any]:
    keys: dict[str, Any] = {
        "weight": st.sampled_from([0.3, 1.0, 1.7, 3.0]),
        "cap": st.integers(1, 9),
        "join": st.just("image"),
        "choices": st.just("repeat"),
        "max_rounds": st.integers(1, 4),
        "max_words": st.integers(4, 30),
        "per_image": st.integers(1, 3),
        "text_only": st.booleans(),
    }
    return {name: draw(values) for name, values in keys.items() if draw(st.booleans())}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(sets_of_records(), set_configs()), min_size=1, max_size=3),
    st.booleans(),
    st.sampled_from(["sets", "shuffled"]),
)
def test_every_record_is_accounted_for(
    tmp_path_factory: Any, sets: list[tuple[list[Record], dict[str, Any]]], across: bool, order: str
) -> None:
    folder = tmp_path_factory.mktemp("mix")
    config = {"order": order} | ({"join": "image", "max_rounds": 5} if across else {})
    try:
        run = mix(folder, {f"s{n}": found for n, found in enumerate(sets)}, **config)
    except VlitError as error:
        assert "none of the" in str(error) or "weights are so small" in str(error)
        return
    found = check_account(run)
    assert [found[f"s{n}"].read for n in range(len(sets))] == [len(records) for records, _ in sets]
    for sample in run.samples:
        check_sample(sample)


def check_sample(sample: Sample) -> None:
    assert [t.role for t in sample.turns] == ["user", "assistant"] * (len(sample.turns) // 2)
    assert sum(t.text.count("<image>") for t in sample.turns) == len(sample.images)
