"""Samples from scenes: traceable, repeatable, free of artefacts, and on every task."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pydantic
import pytest

from tests.generate.odd_words import asked, captioned, labelled
from tests.generate.scenes import RICH, SEARCHED, scene, shipped
from vlit.data.boxes import find_boxes, from_normalised, from_padded_square
from vlit.data.errors import VlitError
from vlit.data.sample import Sample
from vlit.data.scene import Scene
from vlit.generate.adapt import Adapter, adapt, load_pools
from vlit.generate.config import AdaptConfig
from vlit.generate.statistics import of_scenes
from vlit.generate.tasks import TASKS
from vlit.generate.tasks.short_caption import ShortCaption
from vlit.generate.templates import FORMATS
from vlit.language import captions

BOX_TASKS = {"referring_box", "box_expression"}


@pytest.fixture(scope="module")
def scenes(demo: Path) -> list[Scene]:
    return shipped(demo)


@pytest.fixture(scope="module")
def samples(scenes: list[Scene]) -> list[Sample]:
    return list(adapt(scenes, seed=17))


def test_the_shipped_photos_give_a_thousand_samples_of_ten_tasks(samples: list[Sample]) -> None:
    tasks = Counter(s.task for s in samples)
    assert len(samples) >= 1000
    assert set(tasks) == set(TASKS.names())
    assert sum(n >= 10 for n in tasks.values()) >= 10
    assert len({s.id for s in samples}) == len(samples)


def test_every_sample_leads_to_annotations_and_templates_that_exist(
    scenes: list[Scene], samples: list[Sample]
) -> None:
    known = {s.id: set(s.annotation_ids()) for s in scenes}
    pools = load_pools(AdaptConfig().make_tasks(), None)
    for sample in samples:
        origin = sample.provenance
        (scene_id,) = origin.scenes
        assert sample.id.startswith(f"{scene_id}/{sample.task}/")
        assert set(origin.annotations) <= known[scene_id], sample.id
        assert origin.recipe == f"adapt/{sample.task}"
        assert origin.seed == 17
        assert all(pools.find(t) for t in origin.templates), sample.id
        assert all(m.annotation in known[scene_id] for m in sample.marks)
        if not origin.annotations:  # only an absence leaves no trace
            assert sample.task == "presence"
            assert sample.turns[-1].text.startswith("No")


def test_turns_are_well_formed(samples: list[Sample]) -> None:
    for sample in samples:
        assert len(sample.images) == 1
        assert [t.role for t in sample.turns] == ["user", "assistant"] * (len(sample.turns) // 2)
        assert sample.turns[0].text.startswith("<image>\n")
        assert sum(t.text.count("<image>") for t in sample.turns) == 1


def test_no_artefact_leaks_into_the_text(samples: list[Sample]) -> None:
    bad = re.compile(
        r"_|annotat|caption|bounding box list|\{|\}|  | \.|\.\.|\bNone\b|\ba an?\b|\bsome an?\b", re.I
    )
    for sample in samples:
        for turn in sample.turns:
            text = turn.text.removeprefix("<image>\n")
            assert not bad.search(text), (sample.id, text)
            assert text == text.strip()
            assert not text[0].islower(), (sample.id, text)
        if sample.task not in BOX_TASKS:
            assert not find_boxes(sample.text_of("user") + sample.text_of("assistant")), sample.id


@pytest.mark.parametrize("given", [labelled, captioned, asked])
def test_annotations_that_are_not_cocos_leave_no_artefact(given: Callable[[], list[Scene]]) -> None:
    bad = re.compile(
        r"_|\(|\{|  |\.\.|\bNone\b|\ba an?\b|\bsome an?\b|\b(\w+) \1\b(?!-)|\b(?:mens|childrens|chesses)\b",
        re.I,
    )
    for seed in range(3):
        for sample in adapt(given(), seed=seed):
            for turn in sample.turns:
                text = turn.text.removeprefix("<image>\n")
                assert not bad.search(text), (sample.id, text)
                assert not text[0].islower(), (sample.id, text)


def test_sentences_end_and_questions_say_what_form_is_wanted(scenes: list[Scene]) -> None:
    for sample in adapt(scenes[:12], AdaptConfig(answers="sentence"), seed=3):
        for turn in sample.turns:
            assert turn.text[-1] in '.?!"' or (turn.role == "user" and sample.task == "multiple_choice")
    formats = load_pools(AdaptConfig().make_tasks(), None).groups[FORMATS]
    texts = {t.text for templates in formats.values() for t in templates}
    for sample in adapt(scenes[:12], AdaptConfig(answers="short"), seed=3):
        if sample.task not in ("short_caption", "detailed_description", "conversation"):
            assert any(text in sample.turns[0].text for text in texts), sample.turns[0].text


def test_half_of_the_presence_questions_are_answered_with_no(samples: list[Sample]) -> None:
    answers = Counter(s.turns[-1].text[:2] for s in samples if s.task == "presence")
    assert answers["Ye"] == answers["No"]


def test_letters_of_right_options_are_spread(samples: list[Sample]) -> None:
    letters = Counter(
        m[1]
        for s in samples
        if s.task == "multiple_choice" and (m := re.search(r"\b([A-D])\b", s.turns[-1].text))
    )
    assert min(letters.values()) > 0.15 * sum(letters.values())


def test_numbers_and_places_are_not_guessed_by_letter_or_order(scenes: list[Scene]) -> None:
    config = AdaptConfig(answers="short", tasks={"multiple_choice": {"per_scene": 12}})
    letters: dict[str, Counter[str]] = {"ask_count": Counter(), "ask_place": Counter()}
    for seed in range(4):
        for s in adapt(scenes, config, seed=seed):
            group = s.provenance.templates[0].split("/")[1]
            if group in letters:
                letters[group][s.turns[-1].text] += 1
    for found in letters.values():
        assert set(found) == set("ABCD")
        assert max(found.values()) < 0.4 * sum(found.values())


def test_a_phrase_is_answered_with_a_phrase_and_a_sentence_with_a_sentence(scenes: list[Scene]) -> None:
    config = AdaptConfig(answers="sentence", tasks={"box_expression": None, "short_caption": None})
    wanted = Counter[str]()
    for s in adapt(scenes, config, seed=4):
        group = s.provenance.templates[0].split("/")[1]
        if group == "ask_phrase":
            assert '"the ' in s.turns[-1].text
        if group == "ask_sentence":
            assert captions.is_sentence(s.turns[-1].text)
        wanted[group] += 1
    assert wanted["ask_phrase"] > 5
    assert wanted["ask_sentence"] > 5


def test_conversations_tell_no_number_before_it_is_asked_for_and_end_with_the_whole(
    scenes: list[Scene],
) -> None:
    for s in adapt(scenes, AdaptConfig(tasks={"conversation": None}), seed=8):
        for question, answer, following in zip(s.turns[::2], s.turns[1::2], s.turns[2::2], strict=False):
            if following.text in ("How many of them are there?", "How many do you count?"):
                assert not re.search(r"\b(?:two|three|four|five|six)\b", answer.text), (question, answer)
        groups = [t.split("/")[:2] for t in s.provenance.templates]
        if ["short_caption", "ask_next"] in groups:
            assert groups[-2] == ["short_caption", "ask_next"]


def test_boxes_of_the_text_are_those_of_the_marks(samples: list[Sample]) -> None:
    for sample in samples:
        if sample.task in BOX_TASKS:
            (written,) = find_boxes("".join(t.text for t in sample.turns))
            image = sample.images[0]
            assert from_normalised(written, image.width, image.height).iou(sample.marks[0].box) > 0.93


def test_boxes_can_be_written_for_padded_images(scenes: list[Scene]) -> None:
    config = AdaptConfig(box_format="padded_square", tasks={"referring_box": None})
    for sample in adapt(scenes[:5], config, seed=1):
        (written,) = find_boxes(sample.turns[-1].text)
        image = sample.images[0]
        assert from_padded_square(written, image.width, image.height).iou(sample.marks[0].box) > 0.93
        assert "square" in sample.turns[0].text


def test_numbers_in_answers_are_the_scenes_numbers(scenes: list[Scene]) -> None:
    by_id = {s.id: s for s in scenes}
    config = AdaptConfig(answers="short", tasks={"counting": None})
    for sample in adapt(scenes, config, seed=5):
        label = sample.marks[0].label
        assert int(sample.turns[-1].text) == by_id[sample.provenance.scenes[0]].exact_count(label)


def test_equal_seeds_give_equal_samples_whatever_else_is_made(scenes: list[Scene]) -> None:
    statistics = of_scenes(scenes)
    config = AdaptConfig()
    one, other = (Adapter(config, statistics, 7) for _ in range(2))
    straight = [s for scene_ in scenes[:6] for s in one.samples(scene_)]
    backwards = [s for scene_ in scenes[5::-1] for s in other.samples(scene_)]
    assert sorted(straight, key=lambda s: s.id) == sorted(backwards, key=lambda s: s.id)
    alone = Adapter(AdaptConfig(tasks={"counting": None}), statistics, 7)
    assert [s for scene_ in scenes[:6] for s in alone.samples(scene_)] == [
        s for s in straight if s.task == "counting"
    ]
    assert straight != [s for scene_ in scenes[:6] for s in Adapter(config, statistics, 8).samples(scene_)]


def test_every_task_has_twenty_instructions_and_four_replies() -> None:
    tasks = AdaptConfig().make_tasks()
    pools = load_pools(tasks, None)
    for name in tasks:
        asked = {
            text
            for group in pools.groups[name]
            if group.startswith("ask") and not group.endswith(("_next", "_it"))
            for text in pools.texts(name, group)
        }
        assert len(asked) >= 20, (name, len(asked))
        for group in pools.groups[name]:
            if not group.startswith(("ask", "opening")) and pools.texts(name, group) not in (
                ["{caption}"],
                ["{sentence}"],
                ["{answer}."],
            ):
                assert len(pools.texts(name, group)) >= 4, (name, group)


def test_a_scene_without_annotations_gives_nothing_and_does_not_fail() -> None:
    assert list(adapt([scene()])) == []
    assert list(adapt([scene(searched=())])) == []


def test_every_task_speaks_on_a_rich_scene() -> None:
    said = Counter(s.task for s in adapt([RICH, scene(("cat", 0, 0, 50, 50), ("tv", 50, 50, 90, 90), id="t")]))
    assert set(said) == set(TASKS.names())


def test_labels_are_said_in_english() -> None:
    odd = scene(
        ("kitchen_bottle", 0, 0, 30, 30),
        ("TrafficCone2", 60, 60, 95, 95),
        searched=("kitchen_bottle", "TrafficCone2", "street_sign", *SEARCHED),
    )
    text = " ".join(t.text for s in adapt([odd], seed=2) for t in s.turns)
    assert "kitchen bottle" in text
    assert "traffic cone" in text
    assert "_" not in text
    assert "TrafficCone" not in text


def test_labels_that_are_plural_or_substances_take_their_verb() -> None:
    odd = scene(
        ("trees", 0, 0, 30, 30),
        ("luggage", 60, 60, 95, 95),
        ("luggage", 0, 60, 30, 95),
        searched=("trees", "luggage", "leaves", "men", "news", *SEARCHED),
    )
    text = " ".join(t.text for seed in range(20) for s in adapt([odd], seed=seed) for t in s.turns)
    assert not re.search(r"\b(?:is|does) (?:there )?some (?:trees|leaves|men)\b|\ba men\b|\bmens\b", text, re.I)
    assert not re.search(r"\b(?:It|That) is some\b|\bthere are some luggage\b", text, re.I)
    assert "the leftmost luggage" not in text


def test_unknown_tasks_and_settings_name_the_nearest() -> None:
    with pytest.raises(pydantic.ValidationError, match="did you mean 'presence'"):
        AdaptConfig(tasks={"presense": {}})
    with pytest.raises(pydantic.ValidationError, match="did you mean 'per_scene'"):
        AdaptConfig(tasks={"presence": {"per_scne": 4}})
    with pytest.raises(pydantic.ValidationError, match=r"presence.per_scene\s+a whole number"):
        AdaptConfig(tasks={"presence": {"per_scene": "many"}})
    with pytest.raises(pydantic.ValidationError, match="0 or more"):
        AdaptConfig(tasks={"presence": {"per_scene": -1}})


def test_only_the_named_tasks_run_and_their_settings_hold(scenes: list[Scene]) -> None:
    config = AdaptConfig(tasks={"presence": {"per_scene": 2}, "counting": None})
    per_scene = Counter((s.provenance.scenes[0], s.task) for s in adapt(scenes, config))
    assert {task for _, task in per_scene} == {"presence", "counting"}
    assert max(n for (_, task), n in per_scene.items() if task == "presence") == 2


def test_pools_of_ones_own_replace_groups(tmp_path: Path) -> None:
    (tmp_path / "counting.yaml").write_text('ask:\n  - "Number of {labels}, please?"\n', encoding="utf-8")
    config = AdaptConfig(pools=str(tmp_path), tasks={"counting": None}, answers="sentence")
    (one, *_) = adapt([RICH], config)
    assert re.fullmatch(r"<image>\nNumber of [\w ]+, please\?", one.turns[0].text)
    assert one.provenance.templates[0].startswith("counting/ask/")
    assert one.turns[1].text.endswith(".")  # replies are still ours


@pytest.mark.parametrize(
    ("name", "text", "tells"),
    [
        (
            "counting.yaml",
            "ask:\n  - ok {labels}\n  - How many {lables}?\n",
            ["'labels'", "counting.yaml:3", "{lables}"],
        ),
        ("counting.yaml", "asks:\n  - How many {labels}?\n", ["did you mean 'ask'", "counting.yaml:1"]),
        ("countng.yaml", "ask:\n  - How many?\n", ["did you mean 'counting'"]),
        ("counting.yaml", "ask: How many?\n", ["groups to lists"]),
        ("counting.yaml", "ask:\n  - {labels}\n", ["put quotes around"]),
        ("counting.yaml", 'ask:\n  - "How many {labels.upper}?"\n', ["plain name", "counting.yaml:2"]),
        ("counting.yaml", 'ask:\n  - "How many {labels?"\n', ["counting.yaml:2"]),
        ("counting.yaml", "ask: [\n", ["not YAML"]),
    ],
)
def test_a_wrong_pool_says_what_and_where(tmp_path: Path, name: str, text: str, tells: list[str]) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(VlitError) as caught:
        load_pools(AdaptConfig().make_tasks(), tmp_path)
    for words in tells:
        assert words in str(caught.value)


def test_a_task_of_another_package_brings_its_own_pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "guest" / "pools").mkdir(parents=True)
    (tmp_path / "guest" / "__init__.py").touch()
    (tmp_path / "guest" / "pools" / "size.yaml").write_text("ask:\n  - How large is it?\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)

    class Size(ShortCaption):
        name = "size"
        package = "guest"
        groups: ClassVar = {"ask": ()}

    pools = load_pools({"size": Size()}, None)
    assert pools.texts("size", "ask") == ["How large is it?"]


def test_a_folder_of_pools_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(VlitError, match="no folder of pools"):
        load_pools({}, tmp_path / "none")
