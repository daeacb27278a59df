"""Who may see what somebody made: its owner alone at first, everybody when the owner says so."""

from __future__ import annotations

from api.api_builders import Caller, Platform, a_real_set, done, problem

SHELVES = "/v1/datasets/shelves"


def names_seen(caller: Caller) -> set[str]:
    return {version["name"] for version in done(caller.get("/v1/datasets"))["versions"]}


def test_what_is_listed_is_seen_and_fetched_by_everybody_until_it_is_taken_back(platform: Platform) -> None:
    owner, other = platform.somebody("customer"), platform.somebody("customer")
    file = a_real_set(owner, "shelves")["files"][0]
    problem(other.get(SHELVES), 404)
    assert done(owner.ask("PUT", f"{SHELVES}/visibility", json={"visibility": "listed"}))["visibility"] == "listed"
    assert "shelves" in names_seen(other)
    assert len(other.get(f"{SHELVES}/files/{file['name']}").content) == file["size"]
    problem(other.ask("PUT", f"{SHELVES}/visibility", json={"visibility": "private"}), 403)
    done(owner.ask("PUT", f"{SHELVES}/visibility", json={"visibility": "private"}))
    assert "shelves" not in names_seen(other)
    problem(other.get(f"{SHELVES}/files/{file['name']}"), 404)


def test_one_name_is_listed_once(platform: Platform) -> None:
    first, second = platform.somebody("customer"), platform.somebody("customer")
    for caller, status in ((first, 200), (second, 409)):
        a_real_set(caller, "bottles")
        answer = caller.ask("PUT", "/v1/datasets/bottles/visibility", json={"visibility": "listed"})
        assert answer.status_code == status, answer.text
    problem(second.ask("PUT", "/v1/datasets/bottles/visibility", json={"visibility": "public"}), 422)
