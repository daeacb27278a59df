"""The HTTP server: routes, errors, limits and metrics, put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.middleware.body_limit import RequestBodyLimitMiddleware

from neuromation import __version__
from neuromation.api import admin, errors, goods, nodes, orders, people
from neuromation.api.doorbell import listening
from neuromation.api.errors import problems
from neuromation.api.middleware import SafeAnswers, serve_metrics
from neuromation.api.rates import Rates
from neuromation.client.schemas import BODY_MAX_BYTES, Health
from neuromation.workflows.world import World

_DESCRIPTION = """
Order synthetic data, compute and models; sell the work of your machines. Amounts are decimal texts of NTK; every error
is a `Problem` whose `message` says what to do. Long work reports progress as server-sent events that resume by
`Last-Event-ID`.
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
        license_info={"name": "Apache-2.0"},
    )
    app.state.world = world
    app.state.rates = Rates(world.policy.attempts_per_minute)
    errors.install(app)
    # From the inside out. A route may raise the body's limit for itself.
    app.add_middleware(RequestBodyLimitMiddleware, max_body_size=BODY_MAX_BYTES)
    app.add_middleware(SafeAnswers)
    serve_metrics(app)
    for part in (people, goods, orders, nodes, admin):
        app.include_router(part.router)

    @app.get("/healthz", tags=["operations"], responses=problems(), operation_id="health")
    def health() -> Health:
        """Whether the server and its database answer."""
        with world.engine.connect() as conn:
            conn.exec_driver_sql("select 1")
        return Health(status="ok", version=__version__)

    return app
