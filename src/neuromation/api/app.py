"""The HTTP server: routes, errors, limits and metrics, put together."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import prometheus_client
from fastapi import APIRouter, FastAPI, Request, Response

from neuromation import __version__
from neuromation.api import admin, errors, goods, nodes, orders, people
from neuromation.api.doorbell import listening
from neuromation.client.schemas import BODY_MAX_BYTES, Health
from neuromation.workflows.world import World

_DESCRIPTION = """
Order synthetic data, compute and models; sell the work of your machines. Amounts are decimal texts of NTK; every error is
a `Problem` whose `message` says what to do. Long work reports progress as server-sent events that resume by `Last-Event-ID`.
"""


def create_app(world: World) -> FastAPI:
    """The application over a world; one a process."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with listening(world.engine.url) as bell:
            app.state.bell = bell
            yield

    app = FastAPI(
        title="Neuromation",
        version=__version__,
        description=_DESCRIPTION,
        lifespan=lifespan,
        max_body_size=BODY_MAX_BYTES,
        license_info={"name": "Apache-2.0"},
    )
    app.state.world = world
    errors.install(app)
    _measure(app)
    v1 = APIRouter(prefix="/v1")
    for part in (people, goods, orders, nodes, admin):
        v1.include_router(part.router)
    app.include_router(v1)

    @app.get("/healthz", tags=["operations"], operation_id="health")
    def health() -> Health:
        """Whether the server and its database answer."""
        with world.engine.connect() as conn:
            conn.exec_driver_sql("select 1")
        return Health(status="ok", version=__version__)

    return app


def _measure(app: FastAPI) -> None:
    """Count requests and their time, for Prometheus at /metrics."""
    registry = prometheus_client.CollectorRegistry()
    labels = ["method", "route", "status"]
    seconds = prometheus_client.Histogram("http_request_seconds", "Time to answer", labels, registry=registry)

    @app.middleware("http")
    async def timed(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        start = time.perf_counter()
        response = await call_next(request)
        route = getattr(request.scope.get("route"), "path", "unknown")
        seconds.labels(request.method, route, str(response.status_code)).observe(time.perf_counter() - start)
        return response

    @app.get("/metrics", tags=["operations"], include_in_schema=False)
    def metrics() -> Response:
        return Response(prometheus_client.generate_latest(registry), media_type=prometheus_client.CONTENT_TYPE_LATEST)
