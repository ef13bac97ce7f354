import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.assess.judging import summarised
from tests.assess.small import sample
from tests.conftest import shared_data
from vlit.assess.diversity.task_rules import _file, fallback, likely_rules, task_by_rules, task_of, tasks
from vlit.assess.diversity.tasks import TaskBalanceFound, TaskDiversity, TaskDiversityConfig, learned
from vlit.assess.seen import Sentences

#: The 84 names in the review's table of tasks.
REVIEW = """(video) complex reasoning; (video) conversation; (video) detail description; (video) detailed
description; action recognition; brief description; captioning; causes and symptoms; change
captioning; classification; commonsense reasoning; complex reasoning; conceptual caption;
conversation; creation and generation; dense captions; detailed description; diagnosis and
examination; dialogue generation; ego4d; grounded captioning; grounded generation; grounded
matching; grounded question answering; grounding; grounding caption; image captioning; image
classification; image comparison; image creation; image generating; image generation; image question
generation; image text matching; image understanding; image-text matching; indoor event planning;
information extraction; instance segmentation; intrinsic & extrinsic image understanding;
llava-interleaved; medical imaging description; miscellaneous; multi-modal cloze; multi-region
captioning; multi-region reasoning; natural language inference; object attribute-based reasoning;
object detection; object grounding; object parsing and grounding; object relationshipbased
reasoning; object segmentation; ocr; prognosis and lifestyle; reasoning; referring expression
comprehension; referring expression generation; region caption; region understanding; same-category
object discrimination; single-region captioning; single-region reasoning; small object recognition;
spot the difference; temporal ordering; temporal understanding; text-rich question answering;
treatment and prevention; tv show captions; video captioning; video conversation; video reasoning;
video understanding; visual captioning; visual genome; visual grounding; visual question answering;
visual question answering (text-rich); visual reasoning; visual relation inference; visual
relationship; visual storytelling; visual task dialogue"""


def test_every_task_of_the_review_has_its_place_once():
    names = [name for task in tasks() for name in task.review]
    assert sorted(names) == sorted(" ".join(name.split()) for name in REVIEW.split(";"))


@pytest.mark.parametrize(("name", "text"), [(t.name, text) for t in tasks() for text in t.says])
def test_the_examples_of_the_list_are_found_by_rules(name, text):
    assert task_by_rules(text) == name
    assert task_by_rules(f"{text}\nAnswer the question using a single word or phrase.") == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Is there a dining table in the image? Please answer yes or no.", "existence"),
        ("Are there two laptops in the picture? Please answer yes or no.", "counting"),
        ("What color are the two suitcases?", "attribute"),
        ("Is the clock above the people? Please answer yes or no.", "position"),
        ("What is the cat doing on the red couch?", "action"),
        ("What does the sign over the door say?", "scene text"),
        ("What might be the reason for the car to be parked there?", "reasoning"),
        ("Can you describe the main features of this image for me?", "detailed description"),
        ("Give a brief description of the image.", "short caption"),
        ("In which country was this car invented?", "knowledge"),
        ("Describe the region [0.12, 0.30, 0.55, 0.81].", "region"),
        ("Please provide the bounding box of the man on the left.", "grounding"),
        ("Write a short poem about the scene.", "creative writing"),
        ("Which kind of bird is it?", "recognition"),
        ("What game do they play with the video game controllers?", "action"),
        ("WHAT’S WRITTEN ON THE WALL?", "scene text"),
        ("Blorp the frumious.", None),
        ("", None),
        ("¿Cuántos perros hay?", None),
    ],
)
def test_question_types(text, name):
    assert task_by_rules(text) == name


def test_dialogues_and_what_no_rule_knows():
    assert task_of(["How many dogs are there?", "Count the cats."]) == "counting"
    assert task_of(["How many dogs are there?", "Why do they run?"]) == "conversation"
    assert task_of(["Blorp.", "Blorp."]) == "conversation"
    assert (fallback("Blorp them?"), fallback("whose hat"), fallback("Blorp.")) == ("open question",) * 2 + (
        "other",
    )


@given(st.text(max_size=300))
def test_any_text_has_a_task_or_none(text):
    assert task_by_rules(text) in {None, *(task.name for task in tasks())}


WORDS = [
    "what",
    "is",
    "the",
    "a",
    "of",
    "in",
    "image",
    "how",
    "many",
    "describe",
    "sign",
    "say",
    "why",
    "might",
    "box",
]
WORDS += [
    "left",
    "red",
    "color",
    "doing",
    "man",
    "caption",
    "short",
    "write",
    "story",
    "kind",
    "where",
    "any",
    "see",
]


@given(st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join))
def test_the_look_at_words_misses_no_rule(text):
    assert_no_rule_is_missed(text)


def assert_no_rule_is_missed(text):
    likely = likely_rules(text)
    missed = [p.pattern for i, (_, p) in enumerate(_file().rules) if not likely >> i & 1 and p.search(text)]
    assert not missed


def test_labels_of_others():
    path = shared_data("llava") / "coco2014_val_gpt4_qa_30x3.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    found = {
        kind: [task_by_rules(r["instruction"]) for r in rows if r["type"] == kind]
        for kind in ("detail", "complex")
    }
    assert found["detail"].count("detailed description") == 30
    assert found["complex"].count("reasoning") >= 26
    folder = shared_data("bench")
    texts = [row["question"] for row in json.loads((folder / "okvqa/okvqa_test_split.json").read_text())]
    texts += [line.split("\t")[1] for file in sorted((folder / "mme").glob("*.txt")) for line in file.open()]
    for text in texts:
        assert_no_rule_is_missed(text.lower())
    for kind, name, least in (
        ("count", "counting", 0.85),
        ("existence", "existence", 1),
        ("position", "position", 0.9),
    ):
        questions = [line.split("\t")[1] for line in (folder / f"mme/{kind}.txt").open()]
        assert sum(task_by_rules(q) == name for q in questions) >= least * len(questions)


def diversity(texts, vectors=None, indicator=TaskDiversity, seed=0, **config):
    chosen = indicator(TaskDiversityConfig(**config), seed)
    rows = np.array(vectors if vectors is not None else np.zeros((len(texts), 4)), np.float16)
    samples = [
        sample(*text, id=str(i)) if isinstance(text, tuple) else sample(text, id=str(i))
        for i, text in enumerate(texts)
    ]
    return summarised(chosen, samples, sentences=Sentences(rows, rows, "test"))


def test_tasks_by_hand():
    texts = ["How many dogs are there?"] * 6 + ["Where is the cup?"] * 3 + ["Blorp."]
    scores, whole = diversity(texts)
    assert [s.group for s in scores] == ["counting"] * 6 + ["position"] * 3 + ["other"]
    assert all(s.value is None for s in scores)
    detail = json.loads(whole.detail)
    assert (whole.value, whole.n) == (2.0, 10)
    assert detail["found"] == ["counting", "position"] and detail["counts"] == {"counting": 6, "position": 3}
    assert (detail["other"], detail["by_rules"]) == (0.1, 0.9)
    assert detail["gini"] == pytest.approx(1 / 6)  # shares 2/3 and 1/3
    assert detail["normalised_entropy"] == pytest.approx(0.9182958)


def test_rare_tasks_are_left_out():
    texts = ["How many dogs are there?"] * 97 + ["Where is the cup?"] * 2 + ["Translate the sign."]
    scores, whole = diversity(texts, min_share=0.015)
    assert [s.group for s in scores[96:]] == ["counting", "position", "position", "other"]
    assert whole.value == 2 and json.loads(whole.detail)["left_out"] == ["translation"]
    assert diversity(texts, min_share=0)[1].value == 3


def test_what_no_rule_knows_goes_to_the_task_that_its_vector_tells():
    texts = ["How many dogs are there?"] * 20 + ["Where is the cup?"] * 20 + ["Blorp."] * 3
    vectors = [[1, 0, 0, 0]] * 20 + [[0, 1, 0, 0]] * 20 + [[0.1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    scores, whole = diversity(texts, vectors)
    assert [s.group for s in scores[40:]] == ["position", "other", "other"]
    assert json.loads(whole.detail)["by_rules"] == pytest.approx(40 / 43)
    assert [s.group for s in diversity(texts, vectors, certain=1)[0][40:]] == ["other"] * 3
    few = diversity(texts[:20] + texts[21:], vectors[:20] + vectors[21:])[
        0
    ]  # 19 of it are too few to learn from
    assert [s.group for s in few[39:]] == ["other"] * 3


def test_the_classifier_by_hand():
    # Two tasks at right angles, taken from their mean: unit vectors e and -e with e = (1, -1) / sqrt 2.
    names, means, weights = learned(
        ["a"] * 20 + ["b"] * 20, np.repeat(np.eye(2, dtype=np.float32), 20, 0), np.full(2, 0.5, np.float32)
    )
    e = np.array([1, -1]) / np.sqrt(2)
    assert names == ("a", "b") and means == pytest.approx(np.array([e, -e]), abs=1e-6)
    assert weights[:, 0] == pytest.approx(20 / (40 + 10) * e, abs=1e-6)  # least squares with a ridge of 10


def test_two_tasks_of_one_meaning_count_once():
    texts = ["How many dogs are there?"] * 30 + ["Where is the cup?"] * 20 + ["Why does he run?"] * 20
    vectors = [[1, 0, 0, 0]] * 30 + [[1, 0.05, 0, 0]] * 20 + [[0, 0, 1, 0]] * 20
    scores, whole = diversity(texts, vectors)
    assert {s.group for s in scores[30:50]} == {"counting"}
    detail = json.loads(whole.detail)
    assert whole.value == 2 and detail["repeats_of"] == {"position": "counting"}
    assert diversity(texts, vectors, repeats=1)[1].value == 3


def test_the_filters_work_on_a_draw_and_reach_all():
    texts = ["How many dogs are there?", "Where is the cup?"] * 50
    scores, whole = diversity(texts, at=10)
    assert json.loads(whole.detail)["drawn"] == 10 and whole.n == 100
    assert scores == diversity(texts, at=10)[0]
    assert {s.group for s in scores} <= {"counting", "position", "other"}


def test_sets_without_instructions_and_of_one_sample():
    scores, whole = diversity([()])
    assert scores[0].reason == "the sample has no instruction" and (whole.value, whole.n) == (None, 0)
    assert diversity(["Why?"])[1].value == 1
    dialogue = ("Why is it wet?", "Because.", "How many dogs?", "Two.")
    assert [s.group for s in diversity([dialogue, "<image>\nWhy is it wet?"])[0]] == [
        "conversation",
        "reasoning",
    ]


def test_spoiled_vectors_stay_harmless():
    texts = ["How many dogs are there?"] * 20 + ["Blorp."]
    vectors = [[1, 0, 0, 0]] * 19 + [[np.nan, 0, 0, 0], [np.inf, 0, 0, 0]]
    scores, whole = diversity(texts, vectors)
    assert scores[20].group == "other" and whole.value == 1


def test_balance_of_the_tasks_that_are_found():
    texts = ["How many dogs are there?"] * 3 + ["Where is the cup?"]
    scores, whole = diversity(texts, indicator=TaskBalanceFound)
    assert {s.indicator for s in scores} == {"task_balance_found"}
    assert (whole.value, whole.n, whole.indicator) == (625.0, 4, "task_balance_found")  # 75 % and 25 %
    assert json.loads(whole.detail)["counts"] == {"counting": 3, "position": 1}


@pytest.mark.parametrize("kind", [TaskDiversity, TaskBalanceFound])
def test_instructions_that_no_rule_can_read_give_no_number(kind):
    scores, whole = diversity(["图里有什么。", "沙发上的狗。"], indicator=kind)
    assert {s.group for s in scores} == {"other"}
    assert (whole.value, whole.n) == (None, 0) and "the rules are English" in json.loads(whole.detail)["why"]
