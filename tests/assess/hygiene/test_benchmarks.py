import base64
import hashlib
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import shared_data
from vlit.assess.hygiene.benchmarks import FIELDS, Benchmark, benchmark_files, read_benchmark
from vlit.data.errors import VlitError

PIXELS = bytes(range(256)) * 2
SHA = hashlib.sha256(PIXELS).hexdigest()


def written(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("name", "content", "questions"),
    [
        (
            "vqa.json",
            '{"info": {"text_only": 1}, "questions": [{"question": "Why?", "image_id": 3}]}',
            ["Why?"],
        ),
        ("pope.json", '{"text": "Is it?", "label": "no"}\n{"text": "Are they?"}\n', ["Is it?", "Are they?"]),
        ("list.jsonl", '{"Prompt": "How?"}', ["How?"]),
        (
            "llava.json",
            '[{"conversations": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}]}]',
            ["Q"],
        ),
        ("mme.txt", "1.jpg\tIs it red?\tYes\n2.jpg\tIs it blue?\tNo", ["1.jpg", "Is it red?", "Yes", "2.jpg"]),
        ("head.tsv", "index\tquestion\tanswer\n0\tWhere is it?\there\n", ["Where is it?"]),
        ("quoted.csv", 'id,Question\n1,"A, or b?"\n', ["A, or b?"]),
        ("bom.csv", "\ufeffquestion\nWho?\n", ["Who?"]),
    ],
)
def test_questions_of_any_layout(tmp_path, name, content, questions):
    found = read_benchmark(written(tmp_path, name, content)).questions
    assert found[: len(questions)] == questions
    assert name == "mme.txt" or len(found) == len(questions)


def test_images_by_hash_bytes_and_base64(tmp_path):
    table = pa.table({"question": ["Who?"], "image": [{"bytes": PIXELS, "path": "1.png"}]})
    pq.write_table(table, tmp_path / "b.parquet")
    found = read_benchmark(tmp_path / "b.parquet")
    assert (found.questions, found.images) == (["Who?"], {SHA})
    encoded = base64.b64encode(PIXELS).decode()
    assert read_benchmark(written(tmp_path, "b.tsv", f"index\timage\n0\t{encoded}\n")).images == {SHA}
    assert read_benchmark(written(tmp_path, "h.json", json.dumps({"a": [{"sha256": SHA.upper()}]}))).images == {
        SHA
    }
    assert read_benchmark(written(tmp_path, "n.tsv", f"index\timage\n0\t{'no/base64 ' * 30}\n")).images == set()


def test_other_fields_may_be_named(tmp_path):
    path = written(tmp_path, "x.json", '[{"frage": "Was?", "question": "What?"}]')
    assert read_benchmark(path, ["frage"]).questions == ["Was?"]


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.json", "{"), ("a.json", ""), ("a.parquet", "no"), ("a.xlsx", "PK"), ("a.csv", b"\xff\xfe\x00")],
)
def test_what_cannot_be_read_is_told(tmp_path, name, content):
    with pytest.raises(VlitError, match="benchmark") as error:
        read_benchmark(written(tmp_path, name, content))
    assert name in error.value.where


def test_folders_are_searched(tmp_path):
    (tmp_path / "sub").mkdir()
    paths = [written(tmp_path, "b.json", "[]"), written(tmp_path / "sub", "a.tsv", "question\n")]
    written(tmp_path, "notes.md", "no")
    assert benchmark_files([tmp_path]) == paths
    with pytest.raises(VlitError, match="no such benchmark"):
        benchmark_files([tmp_path / "gone.json"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(VlitError, match="no benchmark files"):
        benchmark_files([tmp_path / "empty"])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(JSON, st.text(min_size=1, max_size=20).filter(str.strip))
def test_a_question_is_found_at_any_depth(junk, question):
    found = Benchmark()
    found.take([junk, {"x": {"y": [junk, {"question": [question]}]}}], frozenset(FIELDS))
    assert question in found.questions


@pytest.mark.parametrize(
    ("path", "count"),
    [
        ("pope/coco_pope_random.json", 3000),
        ("vizwiz/val_questions_vqa_format.json", 4319),
        ("textvqa-val/val_questions_vqa_format.json", 5000),
        ("okvqa/okvqa_test_split.json", 4456),
        ("scienceqa/scienceqa_val_QCM-A.json", 4241),
    ],
)
def test_official_files(path, count):
    assert len(read_benchmark(shared_data("bench") / path).questions) == count
