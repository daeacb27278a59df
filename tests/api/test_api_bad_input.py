"""What is wrong with a request, one by one: the documented status, the typed reason, a sentence that says what to do."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from api.api_builders import (
    PASSWORD,
    Caller,
    Json,
    Platform,
    a_platform,
    a_real_set,
    a_table,
    an_evaluation,
    an_order,
    done,
    made,
    problem,
)
from neuromation.catalog import service as catalog
from neuromation.client.schemas import BLOB_MAX_BYTES, BODY_MAX_BYTES
from neuromation.kernel.hashing import merkle_root, sha256_hex
from neuromation.workflows.policy import Policy
from neuromation.workflows.world import World

pytestmark = pytest.mark.usefixtures("awake")

ABSENT = "job_" + "0" * 26
ZERO_HASH = "0" * 64


def a_model(platform: Platform, owner: Caller, name: str = "brain") -> str:
    """A model of the owner's that knows the ten digits; its id."""
    now = platform.world.now()
    manifest = {"classes": list("0123456789"), "architecture": "digits-cnn"}
    with platform.world.transaction() as conn:
        item = catalog.publish(
            conn, kind="model", owner=owner.account, name=name, title="Brain", licence="MIT", now=now
        )
        return catalog.add_version(
            conn, item.id, content_hash=ZERO_HASH, manifest=manifest, files={}, lineage={}, now=now
        ).id


# ---- accounts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "status", "says"),
    [
        ({"email": "nobody"}, 422, "email"),
        ({"email": "a@b.example\u0000"}, 422, "email"),
        ({"password": "short"}, 422, "password"),
        ({"password": "x" * 201}, 422, "password"),
        ({"name": ""}, 422, "name"),
        ({"name": "tab\tinside"}, 422, "printable"),
        ({"roles": []}, 422, "roles"),
        ({"roles": ["king"]}, 422, "roles"),
        ({"roles": ["operator"]}, 403, "operator"),
        ({"surprise": 1}, 422, "surprise"),
    ],
)
def test_a_registration_that_breaks_a_rule(platform: Platform, changes: Json, status: int, says: str) -> None:
    body = {"email": "new@people.example", "password": PASSWORD, "name": "New", "roles": ["customer"], **changes}
    assert says in problem(platform.nobody().post("/v1/accounts", body), status)["message"]


def test_an_email_that_is_taken(platform: Platform) -> None:
    body = {"email": "twice@people.example", "password": PASSWORD, "name": "New"}
    done(platform.nobody().post("/v1/accounts", body), 201)
    problem(platform.nobody().post("/v1/accounts", {**body, "email": "Twice@People.example"}), 409, "email-taken")


def test_a_wrong_password_reads_like_an_unknown_address_and_locks_after_some(platform: Platform) -> None:
    known = platform.somebody("customer").email
    answers = [
        problem(platform.nobody().post("/v1/sessions", {"email": email, "password": "wrong wrong wrong"}), 401)
        for email in (known, "unknown@people.example")
    ]
    assert answers[0] == answers[1]
    for _ in range(4):
        platform.nobody().post("/v1/sessions", {"email": known, "password": "wrong wrong wrong"})
    locked = platform.nobody().post("/v1/sessions", {"email": known, "password": PASSWORD})
    body = problem(locked, 429)
    assert int(locked.headers["retry-after"]) == body["details"]["retry_after_s"] > 0


def test_an_address_that_tries_too_often(platform: Platform) -> None:
    world = platform.world
    strict = World(world.engine, world.blobs, world.clock, Policy(attempts_per_minute=2), world.secret)
    with a_platform(strict, platform.clock) as served:
        body = {"email": "unknown@people.example", "password": "wrong wrong wrong"}
        for _ in range(2):
            problem(served.nobody().post("/v1/sessions", body), 401)
        answer = served.nobody().post("/v1/sessions", body)
        assert "wait" in problem(answer, 429, "too-many")["message"]
        assert 1 <= int(answer.headers["retry-after"]) <= 60


# ---- goods ----------------------------------------------------------------------------------------


def test_an_upload_whose_bytes_have_another_hash(customer: Caller) -> None:
    sha256 = sha256_hex(b"what was meant")
    body = problem(customer.put(f"/v1/uploads/{sha256}", b"what came"), 422, "hash-mismatch")
    assert "send them again" in body["message"]
    unknown = {"name": "x", "title": "X", "files": [{"name": "a.parquet", "sha256": sha256}]}
    problem(customer.post("/v1/datasets", unknown), 404)


@pytest.mark.parametrize("sha256", ["short", "Z" * 64, "A" * 64, ZERO_HASH + "0"])
def test_an_upload_under_no_hash(customer: Caller, sha256: str) -> None:
    problem(customer.put(f"/v1/uploads/{sha256}", b"x"), 422)


def test_somebody_elses_upload_cannot_be_published(platform: Platform, customer: Caller) -> None:
    sha256 = platform.somebody("customer").upload(a_table())
    body = {"name": "mine", "title": "Mine", "files": [{"name": "a.parquet", "sha256": sha256}]}
    assert "upload these first" in problem(customer.post("/v1/datasets", body), 404)["message"]


@pytest.mark.parametrize("data", [b"", b"PAR1", b"no table at all", a_table()[:-40], a_table()[40:]])
def test_a_data_set_of_files_that_are_no_tables(customer: Caller, data: bytes) -> None:
    body = {"name": "broken", "title": "Broken", "files": [{"name": "a.parquet", "sha256": customer.upload(data)}]}
    assert "Parquet" in problem(customer.post("/v1/datasets", body), 422, "bad-table")["message"]


def test_files_of_one_data_set_with_other_classes(customer: Caller) -> None:
    files = [
        {"name": f"{i}.parquet", "sha256": customer.upload(a_table(classes))} for i, classes in enumerate(("ab", "cd"))
    ]
    problem(customer.post("/v1/datasets", {"name": "odd", "title": "Odd", "files": files}), 422, "bad-table")


@pytest.mark.parametrize("name", ["../etc/passwd", "/etc/passwd", "a/b/c", ".hidden", "a\\b", "", "x" * 101])
def test_a_file_with_a_name_that_leads_elsewhere(customer: Caller, name: str) -> None:
    body = {"name": "x", "title": "X", "files": [{"name": name, "sha256": ZERO_HASH}]}
    problem(customer.post("/v1/datasets", body), 422)


def test_a_file_that_a_version_does_not_have(customer: Caller) -> None:
    a_real_set(customer, "photos")
    body = problem(customer.get("/v1/datasets/photos/files/nothing.txt"), 404)
    assert "real.parquet" in body["message"]
    problem(customer.get("/v1/models/photos"), 404)
    problem(customer.get("/v1/datasets/photos@9"), 404)


@pytest.mark.parametrize("query", ["units=0", "units=101", "units=-1", "seed=-1", f"seed={2**63}", "seed=x"])
def test_a_preview_out_of_bounds(customer: Caller, query: str) -> None:
    assert (
        query.split("=", maxsplit=1)[0]
        in problem(customer.get(f"/v1/generators/digits/preview?{query}"), 422)["message"]
    )


def test_unknown_generators(customer: Caller) -> None:
    assert "digits" in problem(customer.get("/v1/generators/nothing"), 404, "unknown-generator")["message"]
    problem(customer.get("/v1/generators/nothing/preview"), 404, "unknown-generator")


# ---- bodies that are too large ----------------------------------------------------------------------


def test_a_json_body_over_the_limit(customer: Caller) -> None:
    big = json.dumps({"name": "x" * BODY_MAX_BYTES}).encode()
    problem(customer.ask("POST", "/v1/tokens", content=big), 413, "too-large")

    def pieces() -> Iterator[bytes]:  # without a length stated in advance
        for start in range(0, len(big), 2**16):
            yield big[start : start + 2**16]

    problem(customer.ask("POST", "/v1/tokens", content=pieces()), 413, "too-large")


def test_an_upload_over_the_limit_is_refused_before_it_is_sent(platform: Platform, customer: Caller) -> None:
    for path, token in ((f"/v1/uploads/{ZERO_HASH}", customer.token), (f"/v1/uploads/{ZERO_HASH}", ""), ("/x", "")):
        lines = [f"PUT {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {token}", f"Content-Length: {2**40}"]
        with socket.create_connection(("127.0.0.1", urlsplit(platform.url).port or 0)) as line:
            line.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode())
            answer = b""
            while piece := line.recv(65536):
                answer += piece
        head, _, body = answer.partition(b"\r\n\r\n")
        assert b" 413 " in head.splitlines()[0]
        assert json.loads(body)["reason"] == "too-large"


def test_a_large_upload_is_taken(customer: Caller) -> None:
    assert BLOB_MAX_BYTES > BODY_MAX_BYTES + 2**20
    customer.upload(b"x" * (BODY_MAX_BYTES + 2**20))


# ---- quotes and orders ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "status", "says"),
    [
        ({"generator": "nothing"}, 404, "digits"),
        ({"units": 0}, 422, "units"),
        ({"units": -5}, 422, "units"),
        ({"units": 10**9}, 422, "units"),
        ({"units": 1.5}, 422, "units"),
        ({"units": 9_000_000, "shard_units": 1}, 422, "larger shards"),
        ({"seed": -1}, 422, "seed"),
        ({"seed": 2**63}, 422, "seed"),
        ({"deadline_s": 0}, 422, "deadline_s"),
        ({"deadline_s": 10**9}, 422, "deadline_s"),
        ({"nodes_min": 0}, 422, "nodes_min"),
        ({"shard_units": 0}, 422, "shard_units"),
        ({"reserve_per_cu": "-1"}, 422, "reserve_per_cu"),
        ({"reserve_per_cu": 1}, 422, "reserve_per_cu"),
        ({"reserve_per_cu": "999999999"}, 422, "NTK"),
        ({"name": "Has Spaces"}, 422, "name"),
        ({"kind": "wish"}, 422, "kind"),
        ({"surprise": 1}, 422, "surprise"),
        ({"params": {"slant": 1}}, 422, "slant_deg"),
        ({"params": {"slant_deg": 99}}, 422, "-30"),
        ({"units": 100_010, "shard_units": 10}, 422, "the most is 10,000"),  # as a manifest may list
        ({"params": {"slant_deg": "far"}}, 422, "slant_deg"),
    ],
)
def test_an_order_that_breaks_a_rule(customer: Caller, changes: Json, status: int, says: str) -> None:
    assert says in problem(customer.post("/v1/quotes", {"order": an_order(**changes)}), status)["message"]


def test_an_unknown_parameter_names_the_field_and_a_wrong_one_its_range(customer: Caller) -> None:
    wrong = {"order": an_order(params={"jitter": 5})}
    message = problem(customer.post("/v1/quotes", wrong), 422, "bad-parameters")["message"]
    assert "jitter" in message
    assert "0.12" in message
    unknown = {"order": an_order(params={"jiter": 0.1})}
    assert "'jiter'" in problem(customer.post("/v1/quotes", unknown), 422, "bad-parameters")["message"]


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        ({"reserve_per_cu": "0.000001"}, "price"),
        ({"units": 5_000_000, "deadline_s": 10}, "deadline"),
        ({"nodes_min": 50, "units": 5000}, "pool"),
    ],
)
def test_a_job_that_no_pool_can_do_names_what_binds(customer: Caller, changes: Json, constraint: str) -> None:
    body = problem(customer.post("/v1/quotes", {"order": an_order(**changes)}), 409, "no-feasible-pool")
    assert constraint in body["details"]["constraint"]
    assert body["details"]["remedies"]
    assert body["details"]["remedies"][0] in body["message"]


def test_a_training_on_what_is_not_there_or_not_for_it(platform: Platform, customer: Caller) -> None:
    a_real_set(customer, "own-photos")
    order = {"kind": "training", "name": "m", "model": "digits-cnn", "dataset": "own-photos"}

    def says(status: int, **changes: object) -> str:
        return str(problem(customer.post("/v1/quotes", {"order": {**order, **changes}}), status)["message"])

    assert "never go to nodes" in says(422)
    assert "that you may see" in says(404, dataset="nothing")
    assert "digits-cnn" in says(404, model="nothing")
    assert "segments" in says(422, segments=0)
    assert "learning_rate" in says(422, learning_rate=0)
    foreign = a_real_set(platform.somebody("customer"), "their-photos")
    assert "that you may see" in says(404, dataset=foreign["id"])


def test_an_adaptation_on_a_foreign_set_an_unknown_split_or_other_classes(platform: Platform, customer: Caller) -> None:
    order = {"kind": "adaptation", "name": "tuned", "model": "digits-cnn", "generator": "digits"}

    def answer(real: str, status: int, split: str = "test") -> str:
        body = {"order": {**order, "real": real, "split": split}}
        return str(problem(customer.post("/v1/quotes", body), status)["message"])

    foreign = a_real_set(platform.somebody("customer"), "foreign")
    assert "that you may see" in answer(foreign["id"], 404)
    mine = a_real_set(customer, "for-tuning")
    assert "it has test" in answer(mine["id"], 404, split="validation")
    letters = a_real_set(customer, "letters", classes="abc")
    assert "same" in answer(letters["id"], 422)


def test_an_evaluation_of_a_foreign_model_or_with_other_classes_or_an_unknown_split(
    platform: Platform, customer: Caller
) -> None:
    mine, digits = a_model(platform, customer), a_real_set(customer, "for-test")["id"]
    letters = a_real_set(customer, "more-letters", classes="xyz")["id"]
    foreign = a_model(platform, platform.somebody("customer"))

    def answer(status: int, reason: str = "", **order: str) -> str:
        return str(problem(customer.post("/v1/quotes", {"order": an_evaluation(**order)}), status, reason)["message"])

    assert "that you may see" in answer(404, model=foreign, dataset=digits)
    assert "same order" in answer(422, "classes-mismatch", model=mine, dataset=letters)
    assert "it has test" in answer(404, model=mine, dataset=digits, split="nothing")
    assert "no dataset" in answer(404, model=mine, dataset=mine)


def test_an_order_over_the_balance_holds_nothing(platform: Platform) -> None:
    poor = platform.somebody("customer", balance="0.000001")
    quote = poor.quoted(an_order())
    body = problem(poor.post("/v1/jobs", {"quote": quote["id"]}), 409, "insufficient-funds")
    assert "0.000001" in body["message"]
    assert done(poor.get("/v1/jobs"))["jobs"] == []
    assert done(poor.get("/v1/wallet"))["held"] == "0"


def test_quotes_that_are_unknown_foreign_expired_or_used(platform: Platform, customer: Caller) -> None:
    problem(customer.post("/v1/jobs", {"quote": "qte_" + "0" * 26}), 404, "no-such-quote")
    problem(customer.post("/v1/jobs", {"quote": ""}), 404, "no-such-quote")
    foreign = platform.somebody("customer").quoted(an_order())["id"]
    problem(customer.post("/v1/jobs", {"quote": foreign}), 404, "no-such-quote")
    used, expired = (customer.quoted(an_order())["id"] for _ in range(2))
    job = done(customer.post("/v1/jobs", {"quote": used}, headers={"Idempotency-Key": "first-key"}), 202)
    again = customer.post("/v1/jobs", {"quote": used}, headers={"Idempotency-Key": "second-key"})
    assert "ask for a new one" in problem(again, 409, "quote-used")["message"]
    platform.clock.advance(601)
    problem(customer.post("/v1/jobs", {"quote": expired}), 409, "quote-expired")
    repeat = customer.post("/v1/jobs", {"quote": used}, headers={"Idempotency-Key": "first-key"})
    assert done(repeat, 202)["id"] == job["id"]  # a repeat is answered, however late


def test_a_replayed_order_with_another_body(customer: Caller) -> None:
    first, second = (customer.quoted(an_order())["id"] for _ in range(2))
    key = {"Idempotency-Key": "my-only-key"}
    job = done(customer.post("/v1/jobs", {"quote": first}, headers=key), 202)
    assert done(customer.post("/v1/jobs", {"quote": first}, headers=key), 202)["id"] == job["id"]
    problem(customer.post("/v1/jobs", {"quote": second}, headers=key), 409, "idempotency-key-reused")


def test_jobs_that_are_unknown_or_have_ended(customer: Caller) -> None:
    for method, path in (("GET", ""), ("POST", "/cancel"), ("GET", "/events")):
        problem(customer.ask(method, f"/v1/jobs/{ABSENT}{path}"), 404, "no-such-job")
    job = customer.ordered(an_order())["id"]
    assert done(customer.post(f"/v1/jobs/{job}/cancel"))["state"] == "cancelled"
    problem(customer.post(f"/v1/jobs/{job}/cancel"), 409, "job-ended")


# ---- money ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("amount", ["-1", "1e3", "0.0000001", "1,5", "", " 1", "9999999999", "NaN", "١", 1, 1.5, None])
def test_amounts_that_are_none(platform: Platform, customer: Caller, amount: object) -> None:
    operator = platform.somebody("operator")
    body = problem(operator.post("/v1/admin/fund", {"email": customer.email, "amount": amount}), 422)
    assert "amount" in body["message"]


def test_funding_with_nothing_beyond_the_supply_or_for_nobody(platform: Platform, customer: Caller) -> None:
    operator = platform.somebody("operator")
    fund = "/v1/admin/fund"
    problem(operator.post(fund, {"email": customer.email, "amount": "0"}), 422, "zero-amount")
    problem(operator.post(fund, {"email": customer.email, "amount": "100000000"}), 409, "insufficient-funds")
    problem(operator.post(fund, {"email": "nobody@people.example", "amount": "1"}), 404)


# ---- nodes ------------------------------------------------------------------------------------------


def test_a_stake_over_the_balance_below_nothing_or_of_a_foreign_node(platform: Platform) -> None:
    owner = platform.somebody("provider", balance="5")
    node = platform.machine(owner=owner, stake="2").node
    path = f"/v1/nodes/{node}/stake"
    problem(owner.post(path, {"amount": "-1"}), 422)
    problem(owner.post(path, {"amount": "6"}), 409, "insufficient-funds")
    problem(platform.somebody("provider", balance="5").post(path, {"amount": "3"}), 404, "no-such-node")


def test_bids_that_are_late_too_low_or_for_nothing(platform: Platform, customer: Caller) -> None:
    node = platform.machines[0]
    job = customer.ordered(an_order())
    platform.turn()
    auction = node.poll(free_slots=0)["auctions"][0]["id"]
    body = problem(node.bid(auction, "0.999999"), 422, "below-floor")
    assert "at least the floor" in body["message"]
    problem(node.bid("auc_" + "0" * 26), 404, "auction-not-found")
    problem(node.bid(auction, tasks=0), 422)
    platform.clock.advance(6)
    problem(node.bid(auction), 409, "auction-closed")
    done(customer.post(f"/v1/jobs/{job['id']}/cancel"))  # or it would be put to auction once more


def test_benchmarks_and_polls_out_of_bounds(platform: Platform) -> None:
    node = platform.machines[0]
    for speed in (0, -1, 1e9, "fast"):
        problem(node.post("/v1/node/benchmark", {"render_cu_per_s": speed, "train_cu_per_s": 1}), 422)
    for body in ({"wait_s": 21}, {"free_slots": -1}, {"tasks_max": 33}, {"running": ["x"] * 257}):
        problem(node.post("/v1/node/poll", body), 422)
    assert node.poll(running=["unknown", "\u0001"])["cancelled"] == ["\u0001", "unknown"]


def test_commits_that_are_wrong_on_their_face(platform: Platform, customer: Caller) -> None:
    _, leases = platform.running(customer, an_order(units=16))
    node = next(m for m in platform.machines if m.node in leases)
    stranger = next(m for m in platform.machines if m is not node)
    lease = leases[node.node][0]
    shard, leaves = made(lease)
    output = {"shard.parquet": {"sha256": sha256_hex(shard), "size": len(shard)}}

    def refusal(by: Caller, **changes: object) -> str:
        one = {
            "task": lease["id"],
            "attempt": lease["attempt"],
            "root": merkle_root(leaves),
            "leaves": leaves,
            "outputs": output,
            **changes,
        }
        answer = done(by.post("/v1/node/commits", {"commits": [one]}))
        assert answer["accepted"] == []
        return str(answer["refused"][one["task"]])

    assert "Merkle root" in refusal(node, root=ZERO_HASH)
    assert "upload shard.parquet first" in refusal(node)
    path = f"/v1/node/tasks/{lease['id']}/outputs/{sha256_hex(shard)}"
    problem(node.put(path, shard[:-1]), 422, "hash-mismatch")
    problem(stranger.put(path, shard), 409, "stale-lease")
    problem(node.put(f"/v1/node/tasks/task_{'0' * 26}/outputs/{ZERO_HASH}", b""), 404, "no-such-task")
    done(node.put(path, shard), 201)
    assert "size" in refusal(node, outputs={"shard.parquet": {"sha256": sha256_hex(shard), "size": 1}})
    assert refusal(node, attempt=lease["attempt"] + 1) == "stale"
    assert refusal(stranger, outputs={}) == "stale"
    assert refusal(node, task="task_" + "0" * 26) == "unknown"
    assert node.commit(lease, leaves, output)["accepted"] == [lease["id"]]
    assert node.commit(lease, leaves, output)["accepted"] == [lease["id"]]  # a repeat is no change
    assert refusal(node, leaves=[ZERO_HASH], root=merkle_root([ZERO_HASH])) == "conflict"
    twice = [{"task": "a", "attempt": 1, "root": ZERO_HASH, "leaves": [ZERO_HASH]}] * 2
    twice = [{**one, "root": merkle_root([ZERO_HASH])} for one in twice]
    problem(node.post("/v1/node/commits", {"commits": twice}), 422)
    failure = {"task": lease["id"], "attempt": lease["attempt"], "reason": "shutdown"}
    problem(node.post("/v1/node/failures", failure), 409, "stale-lease")
    problem(node.post("/v1/node/failures", {**failure, "reason": "tired"}), 422)
    problem(node.get(f"/v1/node/tasks/{lease['id']}/inputs/nothing"), 404)


def test_a_truncated_shard_is_rejected_and_the_work_done_by_another(platform: Platform, customer: Caller) -> None:
    job, leases = platform.running(customer, an_order(units=16, name="cut"))
    node = next(m for m in platform.machines if m.node in leases)
    lease = leases[node.node][0]
    shard, _ = made(lease)
    assert node.deliver(lease, shard[: len(shard) // 2])["accepted"] == [lease["id"]]
    platform.turn(2)
    events = _events(customer, job["id"])
    rejected = [e["data"] for e in events if e["type"] == "task" and "rejected" in e["data"]]
    assert [(r["task"], r["node"]) for r in rejected] == [(lease["id"], node.node)]
    assert "cannot be read" in rejected[0]["rejected"]
    for machine in platform.machines:
        for other in leases.get(machine.node, []):
            if other["id"] != lease["id"]:
                machine.work(other)
    ended = platform.finish(customer, job["id"])
    assert ended["state"] == "settled"
    assert ended["bill"]["balanced"] is True


def _events(caller: Caller, job_id: str) -> list[Json]:
    """The events so far, from the page that the stream begins with; read as far as the worker has come."""
    found: list[Json] = []
    with caller.http.stream(
        "GET", f"/v1/jobs/{job_id}/events", headers={"Authorization": f"Bearer {caller.token}"}
    ) as answer:
        for line in answer.iter_lines():
            assert not line.startswith(":"), "the stream pings for want of an event"
            if line.startswith("data:"):
                found.append(json.loads(line[5:]))
                if found[-1]["type"] == "task":
                    break
    return found
