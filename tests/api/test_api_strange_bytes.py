"""Requests that no schema describes: broken JSON, half characters, numbers beyond all bounds, odd headers and methods."""

from __future__ import annotations

import json
import socket
from urllib.parse import urlsplit

import pytest

from api.api_builders import Caller, Json, Platform, an_order, done, problem
from neuromation.kernel.hashing import merkle_root

SURROGATE = r"\ud800"  # half of a pair: legal in JSON's text, in no UTF-8
HUGE = "9" * 5000


@pytest.fixture(scope="module")
def customer(platform: Platform) -> Caller:
    platform.pool()
    return platform.somebody("customer", "provider", balance="100")


def _raw(caller: Caller, path: str, body: bytes, content_type: str = "application/json") -> tuple[int, Json]:
    answer = caller.ask("POST", path, content=body, headers={"Content-Type": content_type})
    return answer.status_code, problem(answer, answer.status_code)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"{", 422),
        (b"null", 422),
        (b"[]", 422),
        (b'"text"', 422),
        (b"\xff", 400),
        (b'{"name": "a\xff"}', 400),
        (b"[" * 100_000, 400),
        (f'{{"name": {HUGE}}}'.encode(), 400),
        (b'{"name": NaN}', 422),
        (b'{"name": "a", "name": "\\u0000"}', 422),
        (f'{{"name": "{SURROGATE}"}}'.encode(), 422),
        (f'{{"{SURROGATE}": 1}}'.encode(), 422),
        (b'{"name": "ok", "ttl_days": 1e999}', 422),
        (b'{"name": "ok", "ttl_days": 1e400}', 422),
        (b'{"name": "ok", "ttl_days": -1}', 422),
        (b'{"name": "ok", "more": 1}', 422),
    ],
)
def test_a_body_that_is_no_request_is_refused(customer: Caller, body: bytes, status: int) -> None:
    assert _raw(customer, "/v1/tokens", body)[0] == status


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_a_body_of_another_media_type_is_refused(customer: Caller, content_type: str) -> None:
    assert _raw(customer, "/v1/tokens", b'{"name": "x"}', content_type)[0] == 422


@pytest.mark.parametrize(
    "params",
    [
        f'{{"{SURROGATE}": 1}}',
        f'{{"slant_deg": "{SURROGATE}"}}',
        '{"slant_deg": NaN}',
        '{"slant_deg": Infinity}',
        '{"slant_deg": 1e308}',
        '{"slant_deg": ' + "9" * 400 + "}",
        '{"\\u0000": 1}',
        '{"slant_deg": ' + "[" * 200 + "]" * 200 + "}",
        '{"' + "x" * 100_000 + '": 1}',
    ],
)
def test_strange_parameters_of_a_generator_are_refused(customer: Caller, params: str) -> None:
    order = '{"order": {"kind": "dataset", "name": "x", "generator": "digits", "units": 10, "params": %s}}'
    status, body = _raw(customer, "/v1/quotes", (order % params).encode())
    assert status == 422
    assert len(body["message"]) < 1000


@pytest.mark.parametrize("value", ["\x00", "\u0000abc", "job_" + "0" * 50, "é", "a" * 60, "..", "%2e%2e%2f", "'; drop"])
@pytest.mark.parametrize("path", ["/v1/jobs/", "/v1/quotes/", "/v1/nodes/", "/v1/datasets/", "/v1/models/"])
def test_a_strange_id_is_not_found_or_refused(customer: Caller, path: str, value: str) -> None:
    from urllib.parse import quote

    answer = customer.get(path + quote(value, safe=""))
    assert answer.status_code in (404, 422)
    problem(answer, answer.status_code)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 400, "null"])
def test_numbers_that_are_none_never_reach_the_books_of_a_node(platform: Platform, value: str) -> None:
    node, leaf = platform.pool()[0], "0" * 64
    commit = {"task": "t", "attempt": 1, "root": merkle_root([leaf]), "leaves": [leaf], "metrics": {"seconds": "?"}}
    bodies: dict[str, Json] = {
        "/v1/node/benchmark": {"render_cu_per_s": "?", "train_cu_per_s": 1},
        "/v1/node/poll": {"wait_s": "?"},
        "/v1/node/commits": {"commits": [commit]},
    }
    for path, body in bodies.items():
        assert _raw(node, path, json.dumps(body).replace('"?"', value).encode())[0] == 422


def test_strange_cursors_and_limits_are_refused_or_give_nothing(customer: Caller) -> None:
    for path in ("/v1/jobs", "/v1/datasets", "/v1/models"):
        for after in ("\x00", "x" * 1000):
            problem(customer.get(path, params={"after": after}), 422)
        for limit in ("0", "-1", "201", "1e3", HUGE, "", "NaN"):
            problem(customer.get(path, params={"limit": limit}), 422)
    assert done(customer.get("/v1/jobs", params={"after": "zzz"})) is not None


def test_unknown_addresses_and_methods_are_problems_too(customer: Caller) -> None:
    problem(customer.get("/"), 404, "not-found")
    problem(customer.get("/v1"), 404, "not-found")
    problem(customer.get("/v1/jobs/a/b/c"), 404, "not-found")
    for method in ("PATCH", "TRACE", "PROPFIND"):
        answer = customer.ask(method, "/v1/wallet")
        problem(answer, 405, "method-not-allowed")
        assert answer.headers["allow"] == "GET"
    assert customer.ask("BREW", "/v1/wallet").status_code == 400  # no method of any standard: the parser's own answer
    assert customer.ask("HEAD", "/v1/wallet").status_code == 405
    assert customer.ask("OPTIONS", "/v1/wallet").status_code == 405


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Basic YTpi",
        "Bearer \xff\xfe",
        "bearer nm_",
        "Bearer nm_" + "x" * 10_000,
        "Bearer a b c",
        "nm_only",
    ],
)
def test_a_strange_authorization_is_unauthenticated(platform: Platform, header: str) -> None:
    answer = platform.http.get("/v1/me", headers={"Authorization": header.encode("latin-1")})
    problem(answer, 401)
    assert answer.headers["www-authenticate"] == "Bearer"


def test_strange_keys_and_event_ids_are_refused(customer: Caller) -> None:
    quote = customer.quoted(an_order())["id"]
    for key in ("short", "x" * 101, "has spaces in it", "tab\tinside"):
        problem(customer.post("/v1/jobs", {"quote": quote}, headers={"Idempotency-Key": key}), 422)
    job = done(customer.post("/v1/jobs", {"quote": quote}), 202)["id"]
    done(customer.post(f"/v1/jobs/{job}/cancel"))
    for event in ("-1", "x", "1.5", "9" * 30):
        problem(customer.get(f"/v1/jobs/{job}/events", headers={"Last-Event-ID": event}), 422)


@pytest.mark.parametrize(
    "lines",
    [
        b"GET /v1/me HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /v1/tokens HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
        b"GET /v1/me\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"POST /v1/tokens HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{",
    ],
)
def test_a_broken_connection_harms_nobody_else(platform: Platform, lines: bytes) -> None:
    with socket.create_connection(("127.0.0.1", urlsplit(platform.url).port or 0)) as line:
        line.sendall(lines)
        line.shutdown(socket.SHUT_WR)
        while line.recv(65536):
            pass
    done(platform.nobody().get("/healthz"))
