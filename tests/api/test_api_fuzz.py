"""Every operation meets requests made from its own OpenAPI, right and wrong: documented answers of the right shape only."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import schemathesis
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.api_builders import Caller, Platform, an_order, done
from neuromation.api.app import create_app
from neuromation.kernel.clock import FakeClock
from neuromation.storage.blobs import BlobStore
from neuromation.workflows.policy import Policy
from neuromation.workflows.world import World

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@dataclass(frozen=True)
class Scene:
    """Who asks, and ids of things that are there, by the name of the path's parameter."""

    platform: Platform
    customer: Caller
    operator: Caller
    node: Caller
    there: dict[str, str]


@pytest.fixture(scope="module")
def scene(platform: Platform) -> Scene:
    customer, operator = platform.somebody("customer", "provider", balance="1000"), platform.somebody("operator")
    node = platform.pool()[0]
    quote = customer.quoted(an_order())
    job = done(customer.post("/v1/jobs", {"quote": quote["id"]}), 202)
    done(customer.post(f"/v1/jobs/{job['id']}/cancel"))  # so that its stream of events ends
    there = {"job_id": job["id"], "quote_id": quote["id"], "node_id": node.node, "name": "digits", "ref": "digits"}
    return Scene(platform, customer, operator, node, there)


def _openapi() -> BaseSchema:
    """The OpenAPI of the app; it does not depend on the world that the app serves, so this one is empty."""
    nowhere = World(sa.create_engine("postgresql+psycopg://"), BlobStore.at("memory:///"), FakeClock(), Policy(), b"")
    return schemathesis.openapi.from_dict(create_app(nowhere).openapi())


schema = _openapi()


def _answers_well(case: schemathesis.Case, scene: Scene, caller: Caller) -> None:
    for name, known in scene.there.items():
        # Every second request asks for something that is there, so that it gets past the look-up.
        if name in case.path_parameters and len(str(case.path_parameters[name])) % 2:
            case.path_parameters[name] = known
    if case.path == "/v1/node/poll" and isinstance(case.body, dict) and not isinstance(case.body.get("wait_s"), str):
        case.body["wait_s"] = 0
    answer = case.call(base_url=scene.platform.url, headers={"Authorization": f"Bearer {caller.token}"})
    case.validate_response(answer, checks=CHECKS)


def _who_may(scene: Scene, path: str) -> Caller:
    """A caller whose role opens the operation, so that requests get past the door."""
    if path.startswith("/v1/node/"):
        return scene.node
    return scene.operator if path.startswith("/v1/admin/") else scene.customer


def bounded(examples: int) -> settings:
    return settings(max_examples=examples, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@schema.parametrize()
@bounded(10)
def test_strange_requests_get_documented_answers(case: schemathesis.Case, scene: Scene) -> None:
    _answers_well(case, scene, _who_may(scene, case.path))


@pytest.mark.slow
@pytest.mark.parametrize("role", ["customer", "operator", "node"])
@schema.parametrize()
@bounded(60)
def test_strange_requests_of_everybody_get_documented_answers(case: schemathesis.Case, scene: Scene, role: str) -> None:
    _answers_well(case, scene, getattr(scene, role))
