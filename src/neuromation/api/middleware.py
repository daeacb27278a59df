"""What surrounds every route: requests are timed, and answers leave with safe headers; refuses to know any route."""

from __future__ import annotations

import time

import prometheus_client
from fastapi import FastAPI, Response
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from neuromation.api.errors import problem_body

METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT"})
BUCKETS_S = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20)


class Measured:
    """Times every request to the first byte of its answer: a stream that lasts for minutes was answered at once."""

    def __init__(self, app: ASGIApp, *, registry: prometheus_client.CollectorRegistry) -> None:
        self._app = app
        labels = ["method", "route", "status"]
        self._seconds = prometheus_client.Histogram(
            "http_request_seconds", "Time to the first byte of the answer", labels, registry=registry, buckets=BUCKETS_S
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        answered = False

        def observe(status: int) -> None:
            nonlocal answered
            answered = True
            # Only labels that we choose ourselves: a stranger's methods and paths would grow the table without end.
            method = scope["method"] if scope["method"] in METHODS else "other"
            self._seconds.labels(method, route_of(scope), str(status)).observe(time.perf_counter() - start)

        async def send_timed(message: Message) -> None:
            if message["type"] == "http.response.start":
                observe(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, send_timed)
        finally:
            if not answered:  # the outermost handler answers a bug with 500, outside of this
                observe(500)


def route_of(scope: Scope) -> str:
    """The template of the route that took a request, such as `/v1/jobs/{job_id}`."""
    route = scope.get("route")
    return str(getattr(route, "path_format", None) or getattr(route, "path", None) or "unknown")


class SafeAnswers:
    """Puts headers on every answer that keep browsers from guessing types and caches from keeping it.

    The framework's body limit answers with plain text; here that becomes a Problem like any other error.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        replaced = False

        async def send_safe(message: Message) -> None:
            nonlocal replaced
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=list(message["headers"]))
                replaced = message["status"] == 413 and headers.get("content-type", "").startswith("text/plain")
                if replaced:
                    headers["content-type"] = "application/json"
                    headers["content-length"] = str(len(_TOO_LARGE))
                headers["x-content-type-options"] = "nosniff"
                headers.setdefault("cache-control", "no-store")
                message = {**message, "headers": headers.raw}
            elif message["type"] == "http.response.body" and replaced:
                message = {**message, "body": b"" if message.get("more_body") else _TOO_LARGE}
            await send(message)

        await self._app(scope, receive, send_safe)


_TOO_LARGE = problem_body(413, "too-large", "the body is over the limit of this address; send less at once")


def serve_metrics(app: FastAPI) -> None:
    """Count requests and their time, for Prometheus at /metrics."""
    registry = prometheus_client.CollectorRegistry()
    app.add_middleware(Measured, registry=registry)

    @app.get("/metrics", tags=["operations"], include_in_schema=False)
    def metrics() -> Response:
        return Response(prometheus_client.generate_latest(registry), media_type=prometheus_client.CONTENT_TYPE_LATEST)
