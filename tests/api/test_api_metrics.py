"""Requests are counted by the route's template, and every answer leaves with safe headers."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from api.api_builders import Platform, an_order, done, problem


def _counts(platform: Platform) -> dict[tuple[str, str, str], float]:
    text = done_text(platform)
    return {
        (s.labels["method"], s.labels["route"], s.labels["status"]): s.value
        for family in text_string_to_metric_families(text)
        for s in family.samples
        if s.name == "http_request_seconds_count"
    }


def done_text(platform: Platform) -> str:
    answer = platform.nobody().get("/metrics")
    assert answer.status_code == 200
    return answer.text


def test_requests_are_counted_by_the_template_of_their_route(platform: Platform) -> None:
    customer = platform.somebody("customer", balance="100")
    platform.pool()
    jobs = [customer.ordered(an_order())["id"] for _ in range(2)]
    before = _counts(platform)
    for job in jobs:
        done(customer.get(f"/v1/jobs/{job}"))
    problem(customer.get("/v1/jobs/nothing"), 404)
    problem(platform.nobody().get("/v1/jobs/nothing"), 401)
    after = _counts(platform)
    risen = {key: after[key] - before.get(key, 0) for key in after if after[key] != before.get(key, 0)}
    route = "/v1/jobs/{job_id}"
    assert risen == {
        ("GET", route, "200"): 2,
        ("GET", route, "404"): 1,
        ("GET", route, "401"): 1,
        ("GET", "/metrics", "200"): 1,
    }


def test_strange_paths_and_methods_add_one_label_each(platform: Platform) -> None:
    nobody = platform.nobody()
    for number, method in enumerate(("PROPFIND", "MKCOL", "LOCK", "SEARCH", "REPORT")):
        problem(nobody.get(f"/nothing/{number}"), 404)
        problem(nobody.ask(method, "/v1/me"), 405)
    counts = _counts(platform)
    assert counts["GET", "unknown", "404"] == 5
    assert counts["other", "/v1/me", "405"] == 5


def test_every_answer_keeps_browsers_from_guessing_and_caches_from_keeping(platform: Platform) -> None:
    for path in ("/healthz", "/v1/me", "/nothing"):
        headers = platform.nobody().get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
