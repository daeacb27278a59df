"""Requests: repeated where that is safe and only there, and every error typed."""

from __future__ import annotations

import socket

import pytest

from client.stand_in_platform import DROP, Reply, StandIn, a_job, a_quote, a_session, an_account, ok, problem
from neuromation.client import Client, Corrupted, InsufficientFunds, NoFeasiblePool, ServerFault, Unreachable
from neuromation.kernel import errors


def test_the_token_travels_with_every_request(platform: StandIn, client: Client) -> None:
    platform.on("GET", "/me", ok(an_account()))
    assert client.me().email == "ada@example.org"
    assert platform.asked[0].headers["authorization"] == "Bearer secret-token"


def test_logging_in_gives_the_client_its_token(platform: StandIn) -> None:
    platform.on("POST", "/sessions", ok(a_session(), 201))
    platform.on("GET", "/me", ok(an_account()))
    with Client(platform.endpoint) as client:
        client.log_in(email="ada@example.org", password="a long password")
        client.me()
    assert "authorization" not in platform.asked[0].headers
    assert platform.asked[1].headers["authorization"] == "Bearer secret-token"


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (401, "unauthenticated", errors.Unauthenticated),
        (403, "missing-role", errors.Forbidden),
        (404, "unknown-job", errors.NotFound),
        (409, "quote-expired", errors.Conflict),
        (409, "insufficient-funds", InsufficientFunds),
        (409, "no-feasible-pool", NoFeasiblePool),
        (413, "too-large", errors.TooLarge),
        (422, "invalid-request", errors.Invalid),
        (418, "teapot", ServerFault),
    ],
)
def test_a_problem_becomes_the_error_of_its_kind(
    platform: StandIn, client: Client, status: int, reason: str, kind: type[errors.NeuromationError]
) -> None:
    platform.on("GET", "/me", problem(status, reason, "no; do this", limit=3))
    with pytest.raises(kind) as caught:
        client.me()
    assert type(caught.value) is kind
    assert (caught.value.message, caught.value.reason) == ("no; do this", reason)
    assert caught.value.details == {"limit": 3, "status": status}
    assert len(platform.asked) == 1


def test_an_error_page_of_something_else_is_a_fault_with_its_status(platform: StandIn, client: Client) -> None:
    platform.on("GET", "/me", Reply(b"<html>Bad gateway</html>", 502))
    with pytest.raises(ServerFault, match="answered 502 without saying why: <html>Bad gateway"):
        client.me()


def test_an_answer_that_is_no_platforms_is_refused(platform: StandIn, client: Client) -> None:
    platform.on("GET", "/me", Reply(b"<html>Welcome</html>", 200))
    with pytest.raises(Corrupted, match="is it a Neuromation platform"):
        client.me()


def test_a_broken_connection_is_tried_again_when_the_request_is_idempotent(
    platform: StandIn, client: Client, naps: list[float]
) -> None:
    platform.on("GET", "/me", DROP, Reply(b"{}", cut=50), ok(an_account()))
    assert client.me().name == "Ada"
    assert len(platform.asked) == 3
    assert len(naps) == 2


def test_a_request_that_is_not_idempotent_is_never_sent_twice(platform: StandIn, client: Client) -> None:
    platform.on("POST", "/accounts", DROP)
    with pytest.raises(Unreachable):
        client.register(email="ada@example.org", password="a long password", name="Ada")
    assert len(platform.asked) == 1


def test_a_funding_is_sent_again_under_its_key(platform: StandIn, client: Client) -> None:
    platform.on("POST", "/admin/fund", DROP, DROP)
    with pytest.raises(Unreachable):
        client.admin_fund(email="ada@example.org", amount="100", idempotency_key="funding-0001")
    keys = {asked.headers["idempotency-key"] for asked in platform.asked}
    assert len(platform.asked) > 1 and keys == {"funding-0001"}


def test_a_server_fault_repeats_idempotent_requests_only(platform: StandIn, client: Client) -> None:
    platform.on("GET", "/me", problem(500, "internal"), ok(an_account()))
    platform.on("POST", "/accounts", problem(500, "internal"))
    assert client.me().name == "Ada"
    with pytest.raises(ServerFault):
        client.register(email="ada@example.org", password="a long password", name="Ada")
    assert len(platform.of("POST", "/accounts")) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_a_platform_that_did_nothing_is_asked_again_when_it_says(
    platform: StandIn, client: Client, naps: list[float], status: int
) -> None:
    busy = problem(status, "busy", headers={"Retry-After": "7"})
    platform.on("POST", "/accounts", busy, ok(an_account(), 201))
    client.register(email="ada@example.org", password="a long password", name="Ada")
    assert naps == [7.0]


def test_a_long_wait_is_left_to_the_caller(platform: StandIn, client: Client, naps: list[float]) -> None:
    platform.on("POST", "/sessions", problem(429, "too-many", headers={"Retry-After": "3600"}))
    with pytest.raises(errors.TooMany) as caught:
        client.log_in(email="ada@example.org", password="x")
    assert caught.value.details["retry_after_s"] == 3600
    assert naps == []


def test_retries_have_an_end_and_grow_slower(platform: StandIn, client: Client, naps: list[float]) -> None:
    platform.on("GET", "/me", DROP)
    with pytest.raises(Unreachable, match="broke"):
        client.me()
    assert len(platform.asked) == 4
    assert [low <= nap <= 2 * low for low, nap in zip((0.1, 0.2, 0.4), naps, strict=True)] == [True] * 3


def test_a_port_where_nobody_listens_is_unreachable_and_says_what_to_do(naps: list[float]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with Client(endpoint, retries=1, sleep=naps.append) as client, pytest.raises(Unreachable, match="serve"):
            client.admin_fund(email="ada@example.org", amount="1")
    assert len(naps) == 1  # nothing was sent, so even this may be tried again


def test_an_order_is_repeated_with_the_same_key(platform: StandIn, client: Client) -> None:
    platform.on("POST", "/jobs", DROP, problem(503, "busy"), ok(a_job(), 202))
    assert client.order("qte_1").id == "job_1"
    keys = [asked.headers["idempotency-key"] for asked in platform.of("POST", "/jobs")]
    assert len(keys) == 3
    assert len(set(keys)) == 1
    assert len(keys[0]) >= 16


def test_two_orders_have_two_keys_unless_the_caller_names_one(platform: StandIn, client: Client) -> None:
    platform.on("POST", "/quotes", ok(a_quote(), 201))
    platform.on("POST", "/jobs", ok(a_job(), 202))
    client.order("qte_1")
    client.order("qte_1")
    client.order("qte_1", idempotency_key="my-own-key")
    keys = [asked.headers["idempotency-key"] for asked in platform.of("POST", "/jobs")]
    assert keys[0] != keys[1]
    assert keys[2] == "my-own-key"


def test_what_the_wire_format_refuses_is_invalid_before_anything_is_sent(platform: StandIn, client: Client) -> None:
    with pytest.raises(errors.Invalid, match=r"password: .*12"):
        client.register(email="ada@example.org", password="short", name="Ada")
    assert platform.asked == []


@pytest.mark.parametrize("endpoint", ["", "localhost:8000", "ftp://host", "http://", "http://host:port"])
def test_a_wrong_endpoint_is_refused_with_an_example(endpoint: str) -> None:
    with pytest.raises(errors.Invalid, match="such as http://"):
        Client(endpoint)


def test_an_endpoint_may_end_with_a_slash_or_the_version(platform: StandIn) -> None:
    platform.on("GET", "/me", ok(an_account()))
    for endpoint in (platform.endpoint + "/", platform.endpoint + "/v1"):
        with Client(endpoint, "t") as client:
            assert client.me().id == "acc_1"


def test_a_reference_cannot_reach_another_route(platform: StandIn, client: Client) -> None:
    with pytest.raises(errors.NotFound):
        client.dataset("../admin/audit?x=1")
    assert platform.asked[0].path == "/v1/datasets/..%2Fadmin%2Faudit%3Fx%3D1"
    for empty in ("", "..", "."):
        with pytest.raises(errors.Invalid):
            client.dataset(empty)


def test_pages_are_walked_to_the_end(platform: StandIn, client: Client) -> None:
    pages = [
        ok({"jobs": [a_job(id="job_3"), a_job(id="job_2")], "next_after": "job_2"}),
        ok({"jobs": [a_job(id="job_1")], "next_after": None}),
    ]
    platform.on("GET", "/jobs", *pages)
    assert [job.id for job in client.jobs()] == ["job_3", "job_2", "job_1"]
    assert [asked.query for asked in platform.asked] == ["limit=200", "after=job_2&limit=200"]


def test_a_redirect_is_not_followed(platform: StandIn, client: Client) -> None:
    platform.on("GET", "/me", Reply(b"", 302, {"Location": "http://127.0.0.1:1/steal"}))
    with pytest.raises(ServerFault, match="302"):
        client.me()


def test_importing_the_client_loads_no_http_library() -> None:
    import subprocess
    import sys

    code = "import sys, neuromation.client; print('httpx2' in sys.modules, 'pydantic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
