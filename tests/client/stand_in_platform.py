"""A real HTTP server that answers by script, and misbehaves on command: it drops, cuts, refuses and repeats."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from pydantic import BaseModel

from neuromation.client import schemas as wire
from neuromation.kernel.hashing import sha256_hex

NOW = "2026-01-01T12:00:00Z"


@dataclass(frozen=True)
class Asked:
    """One request that reached the server."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """What the server does with one request: `cut` bytes of the body are promised, never sent; `drop` says nothing."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = 0
    drop: bool = False
    endless: bool = False  # after the body, only pings, for as long as the other side listens


Answer = Reply | Callable[[Asked], Reply]


def ok(answer: BaseModel | dict[str, Any], status: int = 200) -> Reply:
    """A JSON answer."""
    text = answer.model_dump_json() if isinstance(answer, BaseModel) else json.dumps(answer)
    return Reply(text.encode(), status, {"Content-Type": "application/json"})


def problem(
    status: int,
    reason: str,
    message: str = "it went wrong; do better",
    headers: dict[str, str] | None = None,
    **details: Any,
) -> Reply:
    """An error as the platform words it."""
    body = wire.Problem(status=status, reason=reason, message=message, details=details).model_dump_json().encode()
    return Reply(body, status, {"Content-Type": "application/json"} | (headers or {}))


def stream(*events: wire.JobEvent, cut: int = 0, endless: bool = False) -> Reply:
    """Server-sent events, then the end of the connection."""
    text = "".join(f"id: {e.seq}\nevent: {e.type}\ndata: {e.model_dump_json()}\n\n" for e in events)
    return Reply(text.encode(), 200, {"Content-Type": "text/event-stream"}, cut=cut, endless=endless)


DROP = Reply(drop=True)


class StandIn:
    """The server, on a free port; `on` gives the answers of one route, the last of which is repeated."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self._answers: dict[tuple[str, str], list[Answer]] = defaultdict(list)
        self._stopping = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def on(self, method: str, path: str, *answers: Answer) -> None:
        """Answer requests for /v1 + `path` with these, in order."""
        self._answers[method, f"/v1{path}"] = list(answers)

    def of(self, method: str, path: str) -> list[Asked]:
        """The requests that came for a route."""
        return [asked for asked in self.asked if (asked.method, asked.path) == (method, f"/v1{path}")]

    def _answer(self, asked: Asked) -> Reply:
        answers = self._answers[asked.method, asked.path]
        if not answers:
            return problem(404, "not-found", f"the test has no answer for {asked.method} {asked.path}")
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return answer if isinstance(answer, Reply) else answer(asked)

    def _handler(stand_in) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _do(self) -> None:
                path, _, query = self.path.partition("?")
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                asked = Asked(self.command, path, query, headers, body)
                stand_in.asked.append(asked)
                self._say(stand_in._answer(asked))

            def _say(self, reply: Reply) -> None:
                if reply.drop:
                    self.close_connection = True
                    return
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                if not reply.endless:
                    self.send_header("Content-Length", str(len(reply.body) + reply.cut))
                self.close_connection = self.close_connection or bool(reply.cut) or reply.endless
                self.end_headers()
                self.wfile.write(reply.body)
                try:
                    while reply.endless and not stand_in._stopping.wait(0.01):
                        self.wfile.write(b": ping\n\n")
                except OSError:  # the other side has left
                    self.close_connection = True

            do_GET = do_POST = do_PUT = do_DELETE = _do

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        return Handler


# -- builders -------------------------------------------------------------------------------------------------------


def an_account(**changes: Any) -> dict[str, Any]:
    account = {"id": "acc_1", "email": "ada@example.org", "name": "Ada", "roles": ["customer"], "created": NOW}
    return account | changes


def a_session() -> dict[str, Any]:
    return {"token": "secret-token", "account": an_account()}


def a_quote(**changes: Any) -> dict[str, Any]:
    quote: dict[str, Any] = {
        "id": "qte_1",
        "kind": "dataset",
        "expires": NOW,
        "tasks": 4,
        "cu": 2.0,
        "price_per_cu": "1",
        "price_estimate": "2",
        "price_max": "4.2",
        "fiat_estimate": "0.50 USD",
        "lines": [{"what": "compute", "amount": "2"}],
        "nodes_eligible": 3,
        "duration_estimate_s": 12.5,
    }
    return quote | changes


def a_job(**changes: Any) -> dict[str, Any]:
    job: dict[str, Any] = {
        "id": "job_1",
        "kind": "dataset",
        "name": "digits-2k",
        "state": "settled",
        "progress": 1.0,
        "created": NOW,
        "finished": NOW,
        "price_max": "4.2",
        "price_per_cu": "0.9",
        "tasks": {"accepted": 4},
        "bill": {
            "held": "4.2",
            "paid": "1.8",
            "balanced": True,
            "lines": [
                {"account": "node_1", "what": "work", "amount": "1.8", "work": "4 tasks, 2 CU"},
                {"account": "ada@example.org", "what": "refund", "amount": "2.4"},
            ],
        },
        "result": {"dataset": "digits-2k@1", "version": "ver_1", "merkle_root": "0" * 64, "units": 2000},
    }
    return job | changes


def a_version(files: dict[str, bytes] | None = None, **changes: Any) -> dict[str, Any]:
    version: dict[str, Any] = {
        "id": "ver_1",
        "item": "item_1",
        "kind": "dataset",
        "name": "digits-2k",
        "number": 1,
        "title": "Two thousand digits",
        "owner": "acc_1",
        "licence": "proprietary",
        "visibility": "private",
        "created": NOW,
        "content_hash": "0" * 64,
        "manifest": {},
        "lineage": {},
        "files": [{"name": n, "sha256": sha256_hex(d), "size": len(d)} for n, d in (files or {}).items()],
    }
    return version | changes


def an_event(seq: int, type: str = "progress", **data: Any) -> wire.JobEvent:
    return wire.JobEvent.model_validate({"seq": seq, "at": NOW, "type": type, "data": data})


def a_node(**changes: Any) -> dict[str, Any]:
    node: dict[str, Any] = {
        "id": "node_1",
        "name": "rig-1",
        "owner": "acc_2",
        "state": "active",
        "render_cu_per_s": 0.7,
        "train_cu_per_s": 0.2,
        "floor_render": "0.5",
        "floor_train": "0.8",
        "slots": 1,
        "isolation": "bubblewrap",
        "stake": "10",
        "earned": "1.8",
        "checks_passed": 3,
        "checks_failed": 0,
        "last_seen": NOW,
    }
    return node | changes
