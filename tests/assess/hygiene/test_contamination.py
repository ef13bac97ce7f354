import hashlib
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.assess.judging import judged
from tests.assess.small import IMAGE, sample
from tests.conftest import shared_data
from vlit.assess.hygiene.benchmark_index import runs
from vlit.assess.hygiene.contamination import Contamination, ContaminationConfig
from vlit.data.errors import VlitError
from vlit.data.scene import Image

LONG = "What is written on the big red sign that hangs above the door of the bakery?"
SHORT = "Is there a person in the image?"
PROMPT = "Answer the question using a single word or phrase."


@pytest.fixture
def bench(tmp_path):
    questions = [LONG, SHORT, f"Which of the two animals in this picture is larger?\n{PROMPT}"]
    questions += [f"Is there a {thing} in the image?\n{PROMPT}" for thing in ("dog", "cat", "bus", "tree")]
    (tmp_path / "bench.json").write_text(json.dumps([{"question": q} for q in questions]))
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "7.png").write_bytes(b"pixels")
    return tmp_path


def contaminated(base, *questions, images=(IMAGE,), benchmarks=("bench.json", "photos"), **config):
    indicator = Contamination(ContaminationConfig(benchmarks=benchmarks, **config), 0, base)
    rows = [sample(q, "!", id=str(i), images=images) for i, q in enumerate(questions)]
    return judged(indicator, rows), indicator


def test_equal_questions_and_lines(bench):
    texts = (
        LONG,
        f"<image>\n{LONG.upper()}",
        f"{LONG}\n{PROMPT}",
        "Which of the two animals in this picture is larger?\nA. The cat\nB. The dog",
        SHORT,
        f"What is it?\n{PROMPT}",
        f"Is there a dog in the image?\n{PROMPT}",
    )
    found, indicator = contaminated(bench, *texts)
    assert [s.value for s in found] == [1, 1, 1, 1, 0, 0, 0]
    assert found[0].reason == "a question of bench.json"
    whole = indicator.summarise(found)
    assert (whole.value, whole.n) == (pytest.approx(4 / 7), 7)
    assert json.loads(whole.detail)["samples"] == {"bench.json": 4}


def test_shared_runs_of_words_by_hand(bench):
    # LONG has 16 words, so 4 runs of 13; this begins with 14 of them and has 17 words: 5 runs, 2 of them known.
    text = "What is written on the big red sign that hangs above the door of my grandmother's house?"
    (found,), _ = contaminated(bench, text, floor=1)
    assert (found.value, found.reason, found.group) == (0.4, "40% like a question of bench.json", "bench.json")


def test_like_questions_by_minhash(bench):
    (near, far), _ = contaminated(
        bench, LONG.replace("bakery", "butcher"), "What is the man in the boat doing now?"
    )
    assert 0.8 <= near.value < 1 and far.value == 0


def test_images_by_content(bench):
    sha = hashlib.sha256(b"pixels").hexdigest()
    (found,), _ = contaminated(bench, "?", images=(IMAGE, Image(uri="x", width=1, height=1, sha256=sha)))
    assert (found.value, found.reason) == (1, "an image of 7.png")


def test_every_turn_is_compared(bench):
    indicator = Contamination(ContaminationConfig(benchmarks=("bench.json",)), 0, bench)
    rows = [sample("Hello?", "!", LONG, "!", id="a"), sample(id="b"), sample("", id="c")]
    assert [s.value for s in judged(indicator, rows)] == [1, 0, 0]


def test_without_benchmarks_there_is_no_value(tmp_path):
    (found,), indicator = contaminated(tmp_path, LONG, benchmarks=())
    assert (found.value, found.reason) == (None, "no benchmarks are named")
    assert list(indicator.outside()) == []


def test_files_are_part_of_the_fingerprint_and_have_to_be_there(bench):
    _, indicator = contaminated(bench, LONG)
    before = list(indicator.outside())
    (bench / "bench.json").write_text("[]")
    assert len(before) == 2 and list(indicator.outside()) != before
    with pytest.raises(VlitError, match="no such benchmark file"):
        contaminated(bench, LONG, benchmarks=("gone.json",))


def test_real_benchmarks():
    folder = shared_data("bench")
    texts = (
        "what is the brand of the camera that stands on the table?",
        "Can you tell me what this medicine is please?",
    )
    found, _ = contaminated(folder, *texts, benchmarks=("pope", "vizwiz", "okvqa", "mme"))
    assert [s.value == 1 for s in found] == [False, True]
    assert found[1].reason == "a question of val_questions_vqa_format.json"


WORDS = st.lists(st.sampled_from(["a", "b", "c", "d", "e"]), max_size=9)


@given(st.lists(WORDS, max_size=5))
@settings(max_examples=60)
def test_runs_are_all_runs_of_each_text(texts):
    keys, owners = runs(texts, 3)
    expected = [(i, tuple(t[k : k + 3])) for i, t in enumerate(texts) for k in range(len(t) - 2)]
    assert owners.tolist() == [i for i, _ in expected]
    assert len(set(keys.tolist())) == len({run for _, run in expected})
    assert keys.dtype == np.uint64
