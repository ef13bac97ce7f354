from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.teacher.batching import REQUESTS, config_of, numbers, run
from tests.teacher.server import ScriptedTeacher
from vlit.data.errors import VlitError
from vlit.teacher.batch_results import Result, read_result
from vlit.teacher.completion import Completion
from vlit.teacher.errors import Trouble
from vlit.teacher.journal import Journal


def by_hand(folder: Path, name: str, answer: Any) -> list[bytes]:
    """The results of a file, as a service writes them."""
    lines = [json.loads(line) for line in (folder / "batches" / f"{name}.jsonl").read_bytes().splitlines()]
    return [orjson.dumps({"id": "x", "custom_id": line["custom_id"]} | answer(line)) for line in lines]


def good(line: dict[str, Any]) -> dict[str, Any]:
    body = {
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2},
    }
    return {"response": {"status_code": 200, "body": body}, "error": None}


def test_files_are_submitted_by_hand_where_that_is_wanted(tmp_path: Path) -> None:
    config = config_of("http://nowhere.invalid/v1", batch={"submit": False})
    with pytest.raises(VlitError, match=r"3 batch files wait .* 7 requests[\s\S]*00001.output.jsonl"):
        run(tmp_path, config, REQUESTS)
    with pytest.raises(VlitError, match="3 batch files wait"):
        run(tmp_path, config, REQUESTS)
    folder = tmp_path / "batches"
    for name in ("00001", "00003"):
        (folder / f"{name}.output.jsonl").write_bytes(b"\n".join(by_hand(tmp_path, name, good)[::-1]))
    run(tmp_path, config, REQUESTS)
    assert numbers(tmp_path) == [1, 1, 1, 0, 0, 0, 1]
    with pytest.raises(VlitError, match=r"1 batch file waits .* 3 requests"):
        run(tmp_path, config, REQUESTS)
    results = by_hand(tmp_path, "00002", good)
    (folder / "00002.output.jsonl").write_bytes(results[0] + b"\n" + results[1][:20])
    with pytest.raises(VlitError, match="line 2 is no result"):
        run(tmp_path, config, REQUESTS)
    (folder / "00002.output.jsonl").write_bytes(b"\n".join([*results[:2], results[0]]))
    run(tmp_path, config, REQUESTS)
    assert numbers(tmp_path) == [1, 1, 1, 1, 1, 0, 1]
    assert (folder / "00002.output.jsonl").exists(), "it is the user's"
    with Journal(tmp_path / "journal") as journal:
        totals = journal.totals["m"]
        assert (totals.calls, totals.replies, totals.failed) == (7, 6, 1)
        assert totals.unknown > 0, "nobody knows what became of the line without a result"
        assert (totals.prompt, totals.completion) == (18, 12)


def test_results_of_another_file_are_refused(tmp_path: Path) -> None:
    config = config_of("http://nowhere.invalid/v1", batch={"submit": False})
    with pytest.raises(VlitError, match="wait"):
        run(tmp_path, config, REQUESTS)
    (tmp_path / "batches" / "00001.output.jsonl").write_bytes(b"\n".join(by_hand(tmp_path, "00002", good)))
    with pytest.raises(VlitError, match="another batch file"):
        run(tmp_path, config, REQUESTS)
    assert numbers(tmp_path) == [0] * 7


def test_other_files_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "batches").mkdir()
    for name in ("notes.jsonl", "notes.json", "00001.jsonl", "00001.calls.jsonl", ".00001.json.7.tmp"):
        (tmp_path / "batches" / name).write_text("x")
    with ScriptedTeacher() as server:
        run(tmp_path, config_of(server.url), REQUESTS[:1])
    assert {path.name for path in (tmp_path / "batches").iterdir()} == {
        "notes.jsonl",
        "notes.json",
        "00001.json",
    }


@pytest.mark.parametrize(
    ("line", "act", "words"),
    [
        ({"response": None, "error": {"code": "batch_expired", "message": "too late"}}, "again", "too late"),
        ({"response": None, "error": None}, "again", "neither"),
        ({"response": {"status_code": 429, "body": {}}, "error": None}, "wait", "429"),
        ({"response": {"status_code": 500, "body": None}, "error": None}, "again", "500"),
        # vLLM's `run-batch` puts what went wrong beside the response
        (
            {"response": {"status_code": 400}, "error": {"message": "maximum context length is 9"}},
            "fail",
            "length",
        ),
        (
            {"response": {"status_code": 200, "body": {"choices": []}}, "error": None},
            "again",
            "without choices",
        ),
        ({"response": {"status_code": 200, "body": "text"}, "error": None}, "again", "no object"),
        ({"response": "text", "error": "words"}, "again", "words"),
        ({"response": {"status_code": "200"}, "error": 7}, "again", "7"),
    ],
)
def test_lines_without_a_reply_are_understood(line: dict[str, Any], act: str, words: str) -> None:
    trouble = read_result(Result("key-0", **line))
    assert isinstance(trouble, Trouble)
    assert trouble.act == act
    assert words in trouble.reason


def test_a_line_with_a_reply_is_read_as_a_completion_is() -> None:
    assert isinstance(read_result(Result("key-0", **good({}))), Completion)
