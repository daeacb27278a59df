"""Orders of projects over HTTP: what is wrong with an archive or an order is told at the quote, by status and reason."""

from __future__ import annotations

import io
import tarfile
import zipfile
from typing import Any

import pytest

from api.api_builders import Caller, Json, Platform, a_real_set, done, problem

pytestmark = pytest.mark.usefixtures("awake")

MLPROJECT = """
name: tiny
entry_points:
  train:
    parameters:
      epochs: {type: int, default: 2}
    command: python main.py {epochs}
"""


def a_zip(files: dict[str, str] | None = None) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as made:
        for name, text in ({"MLproject": MLPROJECT, "main.py": ""} if files is None else files).items():
            made.writestr(name, text)
    return packed.getvalue()


def a_tar(member: tarfile.TarInfo) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(mode="w:gz", fileobj=packed) as made:
        made.addfile(member)
    return packed.getvalue()


def a_link(name: str, aim: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, aim
    return member


def an_order(archive: str, **changes: Any) -> Json:
    return {"kind": "project", "name": "tiny", "archive": archive, "cu": 1, **changes}


def refused(customer: Caller, data: bytes, status: int, reason: str, **changes: Any) -> Json:
    body = {"order": an_order(customer.upload(data), **changes)}
    return problem(customer.post("/v1/quotes", body), status, reason)


def test_a_quote_holds_three_runs_and_expects_two(customer: Caller) -> None:
    quote = customer.quoted(an_order(customer.upload(a_zip()), params={"epochs": "3"}, cu=2))
    assert (quote["kind"], quote["tasks"], quote["cu"]) == ("project", 1, 2)
    lines = {line["what"]: float(line["amount"]) for line in quote["lines"]}
    assert lines["verification"] == lines["compute"] == 2  # two CU at the second floor of 1 NTK
    # Three runs at a reserve of a quarter above the estimate, and the commission of a tenth.
    assert float(quote["price_max"]) == pytest.approx(3 * 2 * 1.25 * 1.1, rel=1e-3)


def test_a_project_is_put_out_to_nodes_with_a_sandbox(customer: Caller, platform: Platform) -> None:
    order = an_order(customer.upload(a_zip()), cu=2)
    before = customer.quoted(order)
    naked = platform.machine(floor="0.1", isolation="none")
    naked.poll(free_slots=0)
    after = customer.quoted(order)
    assert (after["nodes_eligible"], after["lines"]) == (before["nodes_eligible"], before["lines"])
    job = done(customer.post("/v1/jobs", {"quote": after["id"]}), 202)
    platform.turn()
    assert naked.poll(free_slots=0)["auctions"] == []
    assert platform.machines[0].poll(free_slots=0)["auctions"]
    done(customer.post(f"/v1/jobs/{job['id']}/cancel"))
    platform.machines.remove(naked)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (a_zip({"../evil.py": "", "MLproject": MLPROJECT}), "bad-project-source"),
        (a_tar(a_link("out", "../../etc/passwd")), "bad-project-source"),
        (a_tar(tarfile.TarInfo("/etc/passwd")), "bad-project-source"),
        (b"no archive at all", "bad-project-source"),
        (b"", "bad-project-source"),
        (a_zip({"main.py": ""}), "bad-project"),
        (a_zip({"MLproject": "name: x"}), "bad-project"),
    ],
    ids=["climbing", "link-out", "absolute", "noise", "empty", "undescribed", "no-entry-points"],
)
def test_an_archive_that_is_no_project_is_refused(customer: Caller, data: bytes, reason: str) -> None:
    refused(customer, data, 422, reason)


def test_a_project_over_the_limits_is_too_large(customer: Caller) -> None:
    many = {"MLproject": MLPROJECT} | {f"data/{number}": "" for number in range(5_001)}
    refused(customer, a_zip(many), 413, "project-too-large")
    bomb = a_zip({"MLproject": MLPROJECT, "zeros": "\0" * (257 << 20)})
    assert len(bomb) < 1 << 20
    refused(customer, bomb, 413, "project-too-large")


def test_what_the_project_does_not_have_is_named(customer: Caller) -> None:
    assert "choose one of train" in refused(customer, a_zip(), 422, "bad-project", entry="fly")["message"]
    assert "it has epochs" in refused(customer, a_zip(), 422, "bad-project-parameters", params={"speed": 1})["message"]
    refused(customer, a_zip(), 422, "bad-project-parameters", params={"epochs": "many"})
    refused(customer, a_zip(), 404, "", dataset="nothing")
    refused(customer, a_zip(), 422, "invalid-request", cu=0)


def test_real_data_do_not_go_to_nodes(customer: Caller) -> None:
    a_real_set(customer, "photos")
    assert "never go to nodes" in refused(customer, a_zip(), 422, "invalid", dataset="photos")["message"]


def test_an_archive_must_have_been_uploaded_by_who_orders(customer: Caller, platform: Platform) -> None:
    problem(customer.post("/v1/quotes", {"order": an_order("0" * 64)}), 404)
    archive = customer.upload(a_zip())
    other = platform.somebody("customer", balance="10")
    problem(other.post("/v1/quotes", {"order": an_order(archive)}), 404)
    assert done(customer.post("/v1/quotes", {"order": an_order(archive)}), 201)["kind"] == "project"


def test_a_deadline_too_short_for_both_runs_is_told(customer: Caller) -> None:
    body = {"order": an_order(customer.upload(a_zip()), cu=30, deadline_s=40)}
    answer = problem(customer.post("/v1/quotes", body), 409, "no-feasible-pool")
    assert answer["details"]["constraint"] == "deadline" and answer["details"]["remedies"] == ["allow 60 s"]
