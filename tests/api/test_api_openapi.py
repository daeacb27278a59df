"""The OpenAPI says all that may happen, and troubles of the platform's own leave as Problems too."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa
import structlog

from api.api_builders import Caller, Json, Platform, a_platform, done, problem
from neuromation.api.deps import world_of

OPEN = {"register", "log_in", "health"}  # no token needed


@pytest.fixture(scope="module")
def operations(platform: Platform) -> list[Json]:
    paths = platform.app.openapi()["paths"]
    return [{"path": path, "method": method, **facts} for path, item in paths.items() for method, facts in item.items()]


def test_every_operation_documents_its_errors(operations: list[Json]) -> None:
    for operation in operations:
        expected = {"503"}
        if operation["operationId"] not in OPEN:
            expected |= {"401", "403"}
        if "requestBody" in operation:
            expected |= {"400", "413", "422"}
        if "{" in operation["path"]:
            expected |= {"422"}
        assert expected <= set(operation["responses"]), operation["operationId"]
        for status, answer in operation["responses"].items():
            if int(status) >= 400:
                schema = answer["content"]["application/json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/Problem"}, operation["operationId"]


def test_every_operation_says_what_it_does_under_a_name_of_its_own(operations: list[Json]) -> None:
    names = [operation["operationId"] for operation in operations]
    assert len(names) == len(set(names))
    for operation in operations:
        assert operation["description"].rstrip().endswith("."), operation["operationId"]
        assert operation["tags"]


def test_the_openapi_is_served_without_a_token(platform: Platform) -> None:
    assert done(platform.nobody().get("/openapi.json"))["info"]["title"] == "Neuromation"
    assert platform.nobody().get("/docs").status_code == 200


def test_a_database_that_is_away_is_busy(platform: Platform) -> None:
    away = sa.create_engine("postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    with a_platform(replace(platform.world, engine=away), platform.clock) as served:
        answer = served.nobody().get("/healthz")
        problem(answer, 503, "busy")
        assert answer.headers["retry-after"] == "1"
        problem(Caller(served.http, "nm_" + "x" * 43).get("/v1/me"), 503, "busy")
    away.dispose()


def test_a_pool_of_connections_that_is_used_up_is_busy(platform: Platform) -> None:
    small = sa.create_engine(platform.world.engine.url, pool_size=1, max_overflow=0, pool_timeout=0.01)
    with a_platform(replace(platform.world, engine=small), platform.clock) as served:
        with small.connect():
            problem(served.nobody().get("/healthz"), 503, "busy")
        done(served.nobody().get("/healthz"))
    small.dispose()


def test_a_bug_is_a_problem_without_its_insides(platform: Platform) -> None:
    caller = platform.somebody("customer")

    def broken() -> None:
        raise ZeroDivisionError("the insides")

    platform.app.dependency_overrides[world_of] = broken
    try:
        with structlog.testing.capture_logs() as logs:
            answer = caller.get("/v1/me")
    finally:
        platform.app.dependency_overrides.clear()
    assert [(line["event"], line["path"]) for line in logs] == [("unexpected error", "/v1/me")]
    body = problem(answer, 500, "internal")
    assert "insides" not in answer.text
    assert body["details"] == {}
