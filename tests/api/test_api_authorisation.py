"""Who may do what: every operation of the OpenAPI beside every kind of caller, in one table."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any

import pytest

from api.api_builders import (
    PASSWORD,
    Caller,
    Json,
    Machine,
    Platform,
    an_evaluation,
    an_order,
    done,
    problem,
)
from neuromation.accounts import service as accounts
from neuromation.catalog import service as catalog
from neuromation.catalog.model import FileRef
from neuromation.synthetic.formats.labelled import encode_labelled, from_shard
from neuromation.synthetic.formats.shard import decode_shard

# `owner` made the job, the quote, the data set, the model and the token asked for, and `provider` the node; the task is
# leased to `node`. `other` is another account with the owner's role (another node for what nodes do, another provider
# for a stake). The first four have no token, an invented one, a revoked one and an expired one.
CALLERS = [
    "none",
    "garbage",
    "revoked",
    "expired",
    "owner",
    "provider",
    "vendor",
    "labeller",
    "operator",
    "node",
    "other",
]
TABLE = """
    POST   /v1/accounts                               201 201 201 201   201 201 201 201 201 201 201
    POST   /v1/sessions                               201 201 201 201   201 201 201 201 201 201 201
    GET    /v1/me                                     401 401 401 401   200 200 200 200 200 403 200
    GET    /v1/tokens                                 401 401 401 401   200 200 200 200 200 403 200
    POST   /v1/tokens                                 401 401 401 401   201 201 201 201 201 403 201
    DELETE /v1/tokens/{token_id}                      401 401 401 401   204 404 404 404 404 403 404
    GET    /v1/wallet                                 401 401 401 401   200 200 200 200 200 403 200
    GET    /v1/wallet/entries                         401 401 401 401   200 200 200 200 200 403 200

    GET    /v1/generators                             401 401 401 401   200 200 200 200 200 403 200
    GET    /v1/generators/{name}                      401 401 401 401   200 200 200 200 200 403 200
    GET    /v1/generators/{name}/preview              401 401 401 401   200 200 200 200 200 403 200
    PUT    /v1/generators/{name}/royalty              401 401 401 401   403 403 200 403 200 403 403
    GET    /v1/architectures                          401 401 401 401   200 200 200 200 200 403 200
    PUT    /v1/uploads/{sha256}                       401 401 401 401   201 403 201 403 403 403 201
    POST   /v1/datasets                               401 401 401 401   201 403 404 403 403 403 404
    GET    /v1/datasets                               401 401 401 401   200 200 200 200 200 403 200
    GET    /v1/datasets/{ref}                         401 401 401 401   200 404 404 404 200 403 404
    GET    /v1/datasets/{ref}/files/{name}            401 401 401 401   200 404 404 404 200 403 404
    PUT    /v1/datasets/{ref}/visibility              401 401 401 401   200 404 404 404 200 403 404
    GET    /v1/models                                 401 401 401 401   200 200 200 200 200 403 200
    GET    /v1/models/{ref}                           401 401 401 401   200 404 404 404 200 403 404
    GET    /v1/models/{ref}/files/{name}              401 401 401 401   200 404 404 404 200 403 404
    PUT    /v1/models/{ref}/visibility                401 401 401 401   200 404 404 404 200 403 404

    POST   /v1/quotes                                 401 401 401 401   201 403 201 403 403 403 201
    GET    /v1/quotes/{quote_id}                      401 401 401 401   200 403 404 403 403 403 404
    POST   /v1/jobs                                   401 401 401 401   202 403 404 403 403 403 404
    GET    /v1/jobs                                   401 401 401 401   200 200 200 200 200 403 200
    GET    /v1/jobs/{job_id}                          401 401 401 401   200 404 404 404 200 403 404
    POST   /v1/jobs/{job_id}/cancel                   401 401 401 401   200 403 404 403 403 403 404
    GET    /v1/jobs/{job_id}/events                   401 401 401 401   200 404 404 404 200 403 404

    POST   /v1/nodes                                  401 401 401 401   403 201 403 403 403 403 201
    GET    /v1/nodes                                  401 401 401 401   200 200 200 200 200 403 200
    GET    /v1/nodes/{node_id}                        401 401 401 401   404 200 404 404 200 403 404
    POST   /v1/nodes/{node_id}/stake                  401 401 401 401   403 200 403 403 403 403 404
    GET    /v1/market/prices                          401 401 401 401   200 200 200 200 200 403 200

    POST   /v1/node/benchmark                         401 401 401 401   403 403 403 403 403 200 200
    POST   /v1/node/poll                              401 401 401 401   403 403 403 403 403 200 200
    POST   /v1/node/bids                              401 401 401 401   403 403 403 403 403 201 201
    GET    /v1/node/tasks/{task_id}/inputs/{name}     401 401 401 401   403 403 403 403 403 200 409
    PUT    /v1/node/tasks/{task_id}/outputs/{sha256}  401 401 401 401   403 403 403 403 403 201 409
    POST   /v1/node/commits                           401 401 401 401   403 403 403 403 403 200 200
    POST   /v1/node/failures                          401 401 401 401   403 403 403 403 403 204 409

    POST   /v1/admin/accounts                         401 401 401 401   403 403 403 403 201 403 403
    GET    /v1/admin/accounts                         401 401 401 401   403 403 403 403 200 403 403
    POST   /v1/admin/fund                             401 401 401 401   403 403 403 403 200 403 403
    PUT    /v1/admin/generators/{name}/vendor         401 401 401 401   403 403 403 403 200 403 403
    GET    /v1/admin/audit                            401 401 401 401   403 403 403 403 200 403 403

    GET    /healthz                                   200 200 200 200   200 200 200 200 200 200 200
"""
EXPECTED = {
    (words[0], words[1]): dict(zip(CALLERS, map(int, words[2:]), strict=True))
    for words in (line.split() for line in TABLE.splitlines() if line.strip())
}
Ask = tuple[str, dict[str, Any]]  # a path, and what else httpx takes


@dataclass
class Stage:
    """Everybody of the table, and the things they ask for."""

    platform: Platform
    number: int = 0

    @cached_property
    def owner(self) -> Caller:
        return self.platform.somebody("customer", balance="1000")

    @cached_property
    def provider(self) -> Caller:
        return self.platform.somebody("provider", balance="1000")

    @cached_property
    def node(self) -> Machine:
        return self.platform.machine(owner=self.provider, floor="0.5")  # the cheapest: it wins

    @cached_property
    def pool(self) -> list[Machine]:
        """The node and two of other owners, awake."""
        assert self.node in self.platform.machines
        return self.platform.pool(3)

    def dead_token(self, *, revoked: bool = False) -> str:
        """A token of the owner that was revoked, or expired a moment ago."""
        world = self.platform.world
        now = world.now()
        with world.transaction() as conn:
            made = accounts.create_token(
                conn,
                self.owner.account,
                name="dead",
                kind="api",
                ttl_s=60,
                secret=world.secret,
                now=now - timedelta(seconds=0 if revoked else 60),
            )
            if revoked:
                accounts.revoke_token(conn, made.token.id, account_id=self.owner.account, now=now)
        return made.text

    @cached_property
    def callers(self) -> dict[str, Caller]:
        http = self.platform.http
        return {
            "none": self.platform.nobody(),
            "garbage": Caller(http, "nm_" + "x" * 43),
            "revoked": Caller(http, self.dead_token(revoked=True)),
            "expired": Caller(http, self.dead_token()),
            "owner": self.owner,
            "provider": self.provider,
            "vendor": self.platform.somebody("vendor"),
            "labeller": self.platform.somebody("labeller"),
            "operator": self.platform.somebody("operator"),
            "node": self.node,
            "other": self.platform.somebody("customer", balance="10"),
        }

    @cached_property
    def other_provider(self) -> Caller:
        return self.platform.somebody("provider", balance="10")

    def caller(self, name: str, path: str) -> Caller:
        if name == "other" and path.startswith("/v1/node/"):
            return self.pool[1]
        if name == "other" and path.startswith("/v1/nodes"):
            return self.other_provider
        return self.callers[name]

    @cached_property
    def finished(self) -> Json:
        """A data set job that has ended, so that its stream of events ends too."""
        assert self.pool
        job = self.owner.ordered(an_order(name="made"))
        self.platform.turn()
        for node in self.pool:
            node.bid_in_all()
        return self.platform.finish(self.owner, job["id"])

    @cached_property
    def model(self) -> str:
        """A private model of the owner's."""
        world = self.platform.world
        now = world.now()
        ref = world.blobs.put(b"weights")
        with world.transaction() as conn:
            item = catalog.publish(
                conn, kind="model", owner=self.owner.account, name="brain", title="Brain", licence="MIT", now=now
            )
            files = {"w.bin": FileRef(ref.sha256, ref.size, "application/octet-stream")}
            made = catalog.add_version(
                conn, item.id, content_hash=ref.sha256, manifest={"classes": ["a"]}, files=files, lineage={}, now=now
            )
        return made.id

    @cached_property
    def lease(self) -> Json:
        """A train task with inputs, leased to the node."""
        done_set = self.finished["result"]["dataset"]
        order = {"kind": "training", "name": "brain2", "dataset": done_set, "model": "digits-cnn"}
        job = self.owner.ordered({**order, "rounds": 1, "steps": 4, "batch_size": 8, "replicas": 2})
        self.platform.turn()
        for node in self.pool:
            node.bid_in_all()
        self.platform.turn()
        leases: list[Json] = self.node.poll()["leases"]
        assert leases and leases[0]["job"] == job["id"]
        return leases[0]

    @cached_property
    def sold(self) -> str:
        """A generator of the vendor's."""
        body = {"email": self.callers["vendor"].email}
        done(self.callers["operator"].ask("PUT", "/v1/admin/generators/dice/vendor", json=body))
        return "dice"

    @cached_property
    def auction(self) -> str:
        """An auction that is open: nobody turns the worker after this."""
        self.owner.ordered(an_order(name="for-sale"))
        self.platform.turn()
        return str(self.node.poll(free_slots=0)["auctions"][0]["id"])

    def fresh(self, prefix: str) -> str:
        self.number += 1
        return f"{prefix}{self.number}"

    def registration(self, role: str) -> Json:
        email = f"{self.fresh('new')}@people.example"
        return {"email": email, "password": PASSWORD, "name": "New", "roles": [role]}

    def evaluation_quote(self) -> str:
        """An unused quote of the owner's, for work that is free."""
        return str(self.owner.quoted(an_order(name="made"))["id"])

    def join_body(self) -> Json:
        hardware = {"cores": 1, "memory_gib": 1, "disk_gib": 1, "isolation": "none"}
        return {"name": self.fresh("rig"), "hardware": hardware, "floor_render": "1", "floor_train": "1"}

    def table_upload(self) -> str:
        """The hash of a table of pictures that the owner has uploaded."""
        file = next(f["name"] for f in self.files if f["name"].endswith(".parquet"))
        data = self.owner.get(f"/v1/datasets/made/files/{file}").content
        found = from_shard(decode_shard(data))
        table = type(found)(found.images, found.labels, found.splits, tuple("0123456789"), 16)
        return self.owner.upload(encode_labelled(table))

    @cached_property
    def files(self) -> list[Json]:
        assert self.finished["state"] == "settled"
        found: list[Json] = done(self.owner.get("/v1/datasets/made"))["files"]
        return found


def _post(path: str, body: Callable[[Stage], Json]) -> Callable[[Stage], Ask]:
    return lambda stage: (path, {"json": body(stage)})


def _get(path: str) -> Callable[[Stage], Ask]:
    return lambda stage: (path.format(s=stage), {})


def _put(path: str, body: Json) -> Callable[[Stage], Ask]:
    return lambda stage: (path.format(s=stage), {"json": body})


def _bytes(path: str) -> Callable[[Stage], Ask]:
    data = b"some bytes"
    return lambda stage: (path.format(s=stage, sha256=hashlib.sha256(data).hexdigest()), {"content": data})


def _commit(stage: Stage) -> Json:
    leaf = "0" * 64
    one = {"task": stage.lease["id"], "attempt": stage.lease["attempt"], "root": leaf, "leaves": [leaf]}
    return {"commits": [one]}


def _failure(stage: Stage) -> Json:
    return {"task": stage.lease["id"], "attempt": stage.lease["attempt"], "reason": "shutdown"}


def _new_dataset(stage: Stage) -> Json:
    return {"name": "photos", "title": "Photos", "files": [{"name": "a.parquet", "sha256": stage.table_upload()}]}


def _credentials(stage: Stage) -> Json:
    body = stage.registration("customer")
    done(stage.platform.nobody().post("/v1/accounts", body), 201)
    return {"email": body["email"], "password": PASSWORD}


def _token_to_revoke(stage: Stage) -> Ask:
    return f"/v1/tokens/{done(stage.owner.post('/v1/tokens', {'name': 'x'}), 201)['id']}", {}


def _job_to_cancel(stage: Stage) -> Ask:
    job = stage.owner.ordered(an_order())
    return f"/v1/jobs/{job['id']}/cancel", {}


REQUESTS: dict[tuple[str, str], Callable[[Stage], Ask]] = {
    ("POST", "/v1/accounts"): _post("/v1/accounts", lambda s: s.registration("customer")),
    ("POST", "/v1/sessions"): _post("/v1/sessions", _credentials),
    ("POST", "/v1/tokens"): _post("/v1/tokens", lambda s: {"name": "t"}),
    ("DELETE", "/v1/tokens/{token_id}"): _token_to_revoke,
    ("GET", "/v1/generators/{name}"): _get("/v1/generators/digits"),
    ("GET", "/v1/generators/{name}/preview"): _get("/v1/generators/digits/preview?units=1"),
    ("PUT", "/v1/generators/{name}/royalty"): lambda s: (
        f"/v1/generators/{s.sold}/royalty",
        {"json": {"royalty_per_unit": "0.0003"}},
    ),
    ("PUT", "/v1/uploads/{sha256}"): _bytes("/v1/uploads/{sha256}"),
    ("POST", "/v1/datasets"): _post("/v1/datasets", _new_dataset),
    ("GET", "/v1/datasets/{ref}"): _get("/v1/datasets/{s.finished[result][version]}"),
    ("GET", "/v1/datasets/{ref}/files/{name}"): _get("/v1/datasets/{s.finished[result][version]}/files/README.md"),
    ("PUT", "/v1/datasets/{ref}/visibility"): _put(
        "/v1/datasets/{s.finished[result][version]}/visibility", {"visibility": "private"}
    ),
    ("GET", "/v1/models/{ref}"): _get("/v1/models/{s.model}"),
    ("GET", "/v1/models/{ref}/files/{name}"): _get("/v1/models/{s.model}/files/w.bin"),
    ("PUT", "/v1/models/{ref}/visibility"): _put("/v1/models/{s.model}/visibility", {"visibility": "private"}),
    ("POST", "/v1/quotes"): _post("/v1/quotes", lambda s: {"order": an_order()}),
    ("GET", "/v1/quotes/{quote_id}"): lambda s: (f"/v1/quotes/{s.evaluation_quote()}", {}),
    ("POST", "/v1/jobs"): _post("/v1/jobs", lambda s: {"quote": s.evaluation_quote()}),
    ("GET", "/v1/jobs/{job_id}"): _get("/v1/jobs/{s.finished[id]}"),
    ("POST", "/v1/jobs/{job_id}/cancel"): _job_to_cancel,
    ("GET", "/v1/jobs/{job_id}/events"): _get("/v1/jobs/{s.finished[id]}/events"),
    ("POST", "/v1/nodes"): _post("/v1/nodes", Stage.join_body),
    ("GET", "/v1/nodes/{node_id}"): _get("/v1/nodes/{s.node.node}"),
    ("POST", "/v1/nodes/{node_id}/stake"): lambda s: (f"/v1/nodes/{s.node.node}/stake", {"json": {"amount": "2"}}),
    ("POST", "/v1/node/benchmark"): _post("/v1/node/benchmark", lambda _: {"render_cu_per_s": 1, "train_cu_per_s": 1}),
    ("POST", "/v1/node/poll"): _post("/v1/node/poll", lambda _: {"wait_s": 0}),
    ("POST", "/v1/node/bids"): _post(
        "/v1/node/bids", lambda s: {"auction": s.auction, "price_per_cu": "1", "capacity_tasks": 5}
    ),
    ("GET", "/v1/node/tasks/{task_id}/inputs/{name}"): _get("/v1/node/tasks/{s.lease[id]}/inputs/start.safetensors"),
    ("PUT", "/v1/node/tasks/{task_id}/outputs/{sha256}"): _bytes("/v1/node/tasks/{s.lease[id]}/outputs/{sha256}"),
    ("POST", "/v1/node/commits"): _post("/v1/node/commits", _commit),
    ("POST", "/v1/node/failures"): _post("/v1/node/failures", _failure),
    ("POST", "/v1/admin/accounts"): _post("/v1/admin/accounts", lambda s: s.registration("operator")),
    ("PUT", "/v1/admin/generators/{name}/vendor"): lambda s: (
        f"/v1/admin/generators/{s.sold}/vendor",
        {"json": {"email": s.callers["vendor"].email}},
    ),
    ("POST", "/v1/admin/fund"): _post("/v1/admin/fund", lambda s: {"email": s.owner.email, "amount": "1"}),
}


@pytest.fixture(scope="module")
def stage(platform: Platform) -> Stage:
    stage = Stage(platform)
    assert stage.lease and stage.callers  # before anybody is asked for, so that the order of the tests does not matter
    return stage


def _operations(platform: Platform) -> dict[tuple[str, str], Json]:
    paths = platform.app.openapi()["paths"]
    return {(method.upper(), path): facts for path, item in paths.items() for method, facts in item.items()}


def test_the_table_knows_every_operation_and_no_other(platform: Platform) -> None:
    assert set(_operations(platform)) == set(EXPECTED)


@pytest.mark.parametrize(("method", "path"), EXPECTED)
def test_everybody_may_do_what_the_table_says(stage: Stage, method: str, path: str) -> None:
    documented = _operations(stage.platform)[method, path]["responses"]
    met = {}
    for name in CALLERS:
        make = REQUESTS.get((method, path))
        address, rest = make(stage) if make else (path, {})
        answer = stage.caller(name, path).ask(method, address, **rest)
        met[name] = answer.status_code
        assert str(answer.status_code) in documented, answer.text
        if answer.status_code >= 400:
            problem(answer, answer.status_code)
    assert met == EXPECTED[method, path]


def test_a_stranger_cannot_evaluate_a_private_model(stage: Stage) -> None:
    order = an_evaluation(model=stage.model, dataset=stage.finished["result"]["version"])
    body = problem(stage.callers["other"].post("/v1/quotes", {"order": order}), 404)
    assert "that you may see" in body["message"]


def test_a_disabled_account_is_locked_out(platform: Platform) -> None:
    caller, world = platform.somebody("customer"), platform.world
    with world.transaction() as conn:
        accounts.set_disabled(conn, caller.account, disabled=True, now=world.now())
    problem(caller.get("/v1/me"), 401, "account-disabled")


def test_a_new_key_of_a_node_ends_the_life_of_its_old_one(platform: Platform) -> None:
    owner = platform.somebody("provider")
    hardware = {"cores": 1, "memory_gib": 1, "disk_gib": 1, "isolation": "none"}
    body = {"name": "rig", "hardware": hardware, "floor_render": "1", "floor_train": "1"}
    first, second = (done(owner.post("/v1/nodes", body), 201) for _ in range(2))
    assert first["node"]["id"] == second["node"]["id"]
    problem(Caller(platform.http, first["token"]).post("/v1/node/poll", {"wait_s": 0}), 401, "token-revoked")
    done(Caller(platform.http, second["token"]).post("/v1/node/poll", {"wait_s": 0}))
