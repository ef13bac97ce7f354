"""The batch side of the scripted teacher: files go up, a batch advances with each look, files come down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Literal

import orjson
from aiohttp import web

from vlit.data.seeds import draw

#: What a batch becomes, look by look.
_STAGES = ("validating", "in_progress", "in_progress", "finalizing")
_ENDED = ("completed", "failed", "expired", "cancelled")

#: Status and body of the answer to one line: (custom id, body) -> (status, body).
Answer = Callable[[str, dict[str, Any]], tuple[int, dict[str, Any]]]


class Batches:
    """``/v1/files`` and ``/v1/batches``.

    Args:
        answer: Answers one line.
        end: What good batches end as. "expired": after half of their lines.
        flaky: How many of the first calls to each route are answered with 503.
    """

    def __init__(
        self, answer: Answer, end: Literal["completed", "expired", "cancelled"] = "completed", flaky: int = 0
    ) -> None:
        self.answer, self.end, self.flaky = answer, end, flaky
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self._names: dict[str, str] = {}
        self._looks: Counter[str] = Counter()
        self._calls: Counter[str] = Counter()

    def routes(self) -> list[web.RouteDef]:
        """The routes, each of which first fails as often as it is flaky."""
        return [
            web.post("/v1/files", self._steady(self.upload)),
            web.get("/v1/files", self._steady(self.list_files)),
            web.get("/v1/files/{id}", self._steady(self.file)),
            web.get("/v1/files/{id}/content", self._steady(self.content)),
            web.post("/v1/batches", self._steady(self.create)),
            web.get("/v1/batches", self._steady(self.list_batches)),
            web.get("/v1/batches/{id}", self._steady(self.look)),
            web.post("/v1/batches/{id}/cancel", self._steady(self.cancel)),
        ]

    async def upload(self, request: web.Request) -> web.Response:
        """POST /v1/files, multipart: purpose and file."""
        form = await request.post()
        file = form.get("file")
        if form.get("purpose") != "batch" or not isinstance(file, web.FileField):
            return _refused(400, "a file with the purpose `batch` is needed")
        name = self._keep(file.file.read(), file.filename)
        return web.json_response(self._shown(name))

    async def file(self, request: web.Request) -> web.Response:
        """GET /v1/files/{id}."""
        name = request.match_info["id"]
        return web.json_response(self._shown(name)) if name in self.files else _refused(404, f"No file {name}")

    async def list_files(self, _: web.Request) -> web.Response:
        """GET /v1/files."""
        return web.json_response({"object": "list", "data": [self._shown(f) for f in self.files]})

    async def content(self, request: web.Request) -> web.Response:
        """GET /v1/files/{id}/content."""
        name = request.match_info["id"]
        return web.Response(body=self.files[name]) if name in self.files else _refused(404, f"No file {name}")

    async def create(self, request: web.Request) -> web.Response:
        """POST /v1/batches."""
        asked = await request.json()
        if asked.get("input_file_id") not in self.files or asked.get("endpoint") != "/v1/chat/completions":
            return _refused(400, "Invalid input_file_id or endpoint")
        name = f"batch_{len(self.batches) + 1}"
        self.batches[name] = {
            "id": name,
            "object": "batch",
            "endpoint": asked["endpoint"],
            "errors": None,
            "input_file_id": asked["input_file_id"],
            "completion_window": asked.get("completion_window", "24h"),
            "status": "validating",
            "output_file_id": None,
            "error_file_id": None,
            "created_at": 0,
            "request_counts": {"total": 0, "completed": 0, "failed": 0},
            "metadata": asked.get("metadata"),
        }
        return web.json_response(self.batches[name])

    async def look(self, request: web.Request) -> web.Response:
        """GET /v1/batches/{id}: each look takes it a stage further."""
        batch = self.batches.get(request.match_info["id"])
        if batch is None:
            return _refused(404, "No such batch")
        self._looks[batch["id"]] += 1
        if batch["status"] not in _ENDED:
            self._advance(batch, self._looks[batch["id"]])
        return web.json_response(batch)

    async def list_batches(self, _: web.Request) -> web.Response:
        """GET /v1/batches, the newest first."""
        data = list(self.batches.values())[::-1]
        return web.json_response({"object": "list", "data": data, "has_more": False})

    async def cancel(self, request: web.Request) -> web.Response:
        """POST /v1/batches/{id}/cancel."""
        batch = self.batches[request.match_info["id"]]
        batch["status"] = "cancelled"
        return web.json_response(batch)

    def _advance(self, batch: dict[str, Any], looks: int) -> None:
        if looks < len(_STAGES):
            batch["status"] = _STAGES[looks]
            if looks == 1 and (wrong := _mistakes(self.files[batch["input_file_id"]])):
                batch |= {"status": "failed", "errors": {"object": "list", "data": wrong}}
            return
        lines = [orjson.loads(line) for line in self.files[batch["input_file_id"]].splitlines()]
        done = len(lines) if self.end == "completed" else len(lines) // 2
        good: list[dict[str, Any]] = []
        bad: list[dict[str, Any]] = []
        for line in lines[:done]:
            status, body = self.answer(line["custom_id"], line["body"])
            row = _row(line, {"status_code": status, "request_id": "", "body": body}, None)
            (good if status == 200 else bad).append(row)
        said = {"code": f"batch_{self.end}", "message": f"This request was not executed: {self.end}"}
        bad += [_row(line, None, said) for line in lines[done:]]
        batch["request_counts"] = {"total": len(lines), "completed": len(good), "failed": len(bad)}
        batch["status"] = self.end
        # The order of results is not that of the requests, and a file without lines is not made.
        for kind, rows in (("output", good), ("error", bad)):
            if rows:
                rows.sort(key=lambda row: draw(0, row["custom_id"]))
                batch[f"{kind}_file_id"] = self._keep(b"".join(orjson.dumps(r) + b"\n" for r in rows), kind)

    def _keep(self, data: bytes, name: str) -> str:
        file = f"file-{len(self.files) + 1}"
        self.files[file] = data
        self._names[file] = name
        return file

    def _shown(self, name: str) -> dict[str, Any]:
        size = len(self.files[name])
        shown = {"id": name, "object": "file", "bytes": size, "created_at": 0, "status": "processed"}
        return shown | {"filename": self._names[name], "purpose": "batch"}

    def _steady(self, handler: Any) -> Any:
        async def handle(request: web.Request) -> web.StreamResponse:
            self._calls[handler.__name__] += 1
            if self._calls[handler.__name__] <= self.flaky:
                await request.read()
                return _refused(503, "The server is overloaded")
            response: web.StreamResponse = await handler(request)
            return response

        return handle


def _mistakes(file: bytes) -> list[dict[str, Any]]:
    """What makes a whole file unusable."""
    wrong, seen = [], set()
    for n, line in enumerate(file.splitlines(), 1):
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError:
            wrong.append({"code": "invalid_json_line", "line": n, "message": "no JSON", "param": None})
            continue
        if row.get("method") != "POST" or row.get("url") != "/v1/chat/completions" or "body" not in row:
            wrong.append({"code": "invalid_request", "line": n, "message": "no such call", "param": "url"})
        if row.get("custom_id") in seen:
            wrong.append({"code": "duplicate_custom_id", "line": n, "message": "again", "param": "custom_id"})
        seen.add(row.get("custom_id"))
    return wrong if seen else [{"code": "empty_file", "line": None, "message": "no lines", "param": None}]


def _row(line: dict[str, Any], response: dict[str, Any] | None, error: dict[str, str] | None) -> dict[str, Any]:
    name = line["custom_id"]
    return {"id": f"batch_req_{name}", "custom_id": name, "response": response, "error": error}


def _refused(status: int, said: str) -> web.Response:
    error = {"message": said, "type": "invalid_request_error", "param": None, "code": None}
    return web.json_response({"error": error}, status=status)
