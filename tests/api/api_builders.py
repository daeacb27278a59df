"""A served platform, and people and machines that use it over HTTP; jobs move only when a test turns the worker."""

from __future__ import annotations

import hashlib
import itertools
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2 as httpx
import numpy as np
import uvicorn
from fastapi import FastAPI

from neuromation.accounts import service as accounts
from neuromation.accounts.passwords import Passwords
from neuromation.api.app import create_app
from neuromation.kernel.clock import FakeClock
from neuromation.kernel.hashing import merkle_root
from neuromation.ledger import service as ledger
from neuromation.synthetic.formats.labelled import Labelled, encode_labelled
from neuromation.synthetic.formats.shard import encode_shard, shard_hashes
from neuromation.synthetic.generator import get_generator, parse_params
from neuromation.worker.loop import Worker
from neuromation.workflows.world import World

PASSWORD = "correct horse battery"
LIGHT = Passwords(passes=1, memory_kib=64, lanes=1)  # the lightest hash there is
STEPS_MAX = 200
_numbers = itertools.count(1)

Json = dict[str, Any]


@dataclass
class Caller:
    """Somebody with a token, or nobody."""

    http: httpx.Client
    token: str = ""
    account: str = ""
    email: str = ""

    def ask(self, method: str, path: str, **rest: Any) -> httpx.Response:
        """Any request, with the token."""
        headers = dict(rest.pop("headers", {}))
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        return self.http.request(method, path, headers=headers, **rest)

    def get(self, path: str, **rest: Any) -> httpx.Response:
        return self.ask("GET", path, **rest)

    def post(self, path: str, body: Any = None, **rest: Any) -> httpx.Response:
        return self.ask("POST", path, json=body, **rest)

    def put(self, path: str, data: bytes) -> httpx.Response:
        return self.ask("PUT", path, content=data)

    def upload(self, data: bytes) -> str:
        """Upload bytes; their hash."""
        sha256 = hashlib.sha256(data).hexdigest()
        done(self.put(f"/v1/uploads/{sha256}", data), 201)
        return sha256

    def quoted(self, order: Json) -> Json:
        return done(self.post("/v1/quotes", {"order": order}), 201)

    def ordered(self, order: Json) -> Json:
        """The job of an order placed at its quote."""
        return done(self.post("/v1/jobs", {"quote": self.quoted(order)["id"]}), 202)


@dataclass
class Machine(Caller):
    """A node: it polls, bids its floor, and does its work as told by a test."""

    node: str = ""
    floor: str = "1"

    def poll(self, **body: Any) -> Json:
        return done(self.post("/v1/node/poll", {"wait_s": 0, "free_slots": 8, **body}))

    def bid(self, auction: str, price: str = "", tasks: int = 1000) -> httpx.Response:
        body = {"auction": auction, "price_per_cu": price or self.floor, "capacity_tasks": tasks}
        return self.post("/v1/node/bids", body)

    def bid_in_all(self) -> list[str]:
        """Bid the floor wherever it can; the auctions."""
        auctions = [notice["id"] for notice in self.poll(free_slots=0)["auctions"]]
        for auction in auctions:
            done(self.bid(auction), 201)
        return auctions

    def deliver(self, lease: Json, data: bytes | None = None) -> Json:
        """Upload the shard of a lease (or other bytes in its place) and commit it as if it were right."""
        shard, leaves = made(lease)
        data = shard if data is None else data
        sha256 = hashlib.sha256(data).hexdigest()
        done(self.put(f"/v1/node/tasks/{lease['id']}/outputs/{sha256}", data), 201)
        return self.commit(lease, leaves, {"shard.parquet": {"sha256": sha256, "size": len(data)}})

    def commit(self, lease: Json, leaves: list[str], outputs: Json) -> Json:
        one = {
            "task": lease["id"],
            "attempt": lease["attempt"],
            "root": merkle_root(leaves),
            "leaves": leaves,
            "outputs": outputs,
        }
        return done(self.post("/v1/node/commits", {"commits": [one]}))

    def work(self, lease: Json) -> Json:
        """Do a generate task, or an audit of one, honestly."""
        if lease["kind"] == "generate":
            return self.deliver(lease)
        _, leaves = made({"spec": lease["spec"]["of"]["spec"]})
        return self.commit(lease, [leaves[unit] for unit in lease["spec"]["units"]], {})


def made(lease: Json) -> tuple[bytes, list[str]]:
    """The shard that a generate task asks for, and its leaves."""
    spec = lease["spec"]
    generator = get_generator(spec["generator"])
    params = parse_params(generator, spec["params"])
    first = spec["first_unit"]
    units = [generator.unit(params, spec["seed"], first + i) for i in range(spec["units"])]
    shard = encode_shard(units, generator=generator, params=params, seed=spec["seed"])
    return shard, shard_hashes(shard)


@dataclass
class Platform:
    """The real app on a real socket, with its world's clock and worker in the test's hands."""

    world: World
    app: FastAPI
    server: uvicorn.Server
    url: str
    clock: FakeClock
    worker: Worker
    http: httpx.Client
    machines: list[Machine] = field(default_factory=list)

    def nobody(self) -> Caller:
        return Caller(self.http)

    def somebody(self, *roles: str, balance: str = "") -> Caller:
        """A new account with a token, and money when asked for."""
        number = next(_numbers)
        email, now = f"person{number}@people.example", self.world.now()
        with self.world.transaction() as conn:
            account = accounts.create_account(
                conn,
                email=email,
                password=PASSWORD,
                name=f"Person {number}",
                roles=set(roles),
                passwords=LIGHT,
                now=now,
            )
            ledger.open_account(conn, f"user:{account.id}", now=now)
            token = accounts.create_token(
                conn, account.id, name="test", kind="api", secret=self.world.secret, now=now
            ).text
        caller = Caller(self.http, token, account.id, email)
        if balance:
            self.fund(caller, balance)
        return caller

    def fund(self, caller: Caller, amount: str) -> None:
        operator = self.somebody("operator")
        done(operator.post("/v1/admin/fund", {"email": caller.email, "amount": amount}))

    def machine(
        self,
        *,
        owner: Caller | None = None,
        floor: str = "1",
        stake: str = "1",
        speed: float = 1.0,
        isolation: str = "bubblewrap",
    ) -> Machine:
        """A node that is measured and staked, and awake at this moment."""
        owner = owner or self.somebody("provider", balance="10")
        hardware = {"cores": 2, "memory_gib": 8, "disk_gib": 20, "isolation": isolation}
        body = {
            "name": f"rig-{next(_numbers)}",
            "hardware": hardware,
            "floor_render": floor,
            "floor_train": floor,
        }
        joined = done(owner.post("/v1/nodes", body), 201)
        if stake:
            done(owner.post(f"/v1/nodes/{joined['node']['id']}/stake", {"amount": stake}))
        node = Machine(self.http, joined["token"], owner.account, owner.email, node=joined["node"]["id"], floor=floor)
        done(node.post("/v1/node/benchmark", {"render_cu_per_s": speed, "train_cu_per_s": speed}))
        self.machines.append(node)
        return node

    def pool(self, count: int = 3) -> list[Machine]:
        """So many nodes of as many owners, awake."""
        while len(self.machines) < count:
            self.machine()
        for node in self.machines:
            node.poll(free_slots=0)
        return self.machines[:count]

    def turn(self, times: int = 1) -> None:
        """Let a second pass, so many times, and the worker do all that is due then."""
        for _ in range(times):
            self.clock.advance(1)
            steps = itertools.takewhile(lambda _: self.worker.turn(), range(STEPS_MAX))
            assert len(list(steps)) < STEPS_MAX

    def running(self, customer: Caller, order: Json) -> tuple[Json, dict[str, list[Json]]]:
        """An order brought as far as its leases: the job, and its leases by node."""
        self.pool()
        job = customer.ordered(order)
        self.turn()
        for node in self.machines:  # an auction closes as soon as everybody who could bid has
            node.bid_in_all()
        self.turn()
        leases: dict[str, list[Json]] = {}
        for node in self.machines:
            while given := node.poll()["leases"]:  # jobs of other tests, too, which come first
                leases.setdefault(node.node, []).extend(t for t in given if t["job"] == job["id"])
        return job, {node: tasks for node, tasks in leases.items() if tasks}

    def finish(self, customer: Caller, job_id: str, turns_max: int = 60) -> Json:
        """Work honestly until the job has ended; the job."""
        for _ in range(turns_max):
            job = done(customer.get(f"/v1/jobs/{job_id}"))
            if job["finished"]:
                return job
            for node in self.machines:
                node.bid_in_all()
                for lease in node.poll()["leases"]:
                    node.work(lease)
            self.turn()
        raise AssertionError(f"job {job_id} did not end: {job}")


def done(answer: httpx.Response, status: int = 200) -> Any:
    """The body of an answer that must have this status."""
    assert answer.status_code == status, f"{answer.status_code} {answer.text[:500]}"
    return answer.json() if answer.content else None


def problem(answer: httpx.Response, status: int, reason: str = "") -> Json:
    """The Problem of an answer that must be one: this status, this reason, a sentence that says what to do."""
    assert answer.status_code == status, f"{answer.status_code} {answer.text[:500]}"
    assert answer.headers["content-type"] == "application/json"
    body: Json = answer.json()
    assert set(body) == {"status", "reason", "message", "details"}
    assert body["status"] == status
    assert reason in ("", body["reason"]), body
    assert len(body["message"].split()) >= 3, body
    return body


def an_order(**changes: Any) -> Json:
    """A small data set."""
    return {"kind": "dataset", "name": "small", "generator": "digits", "units": 24, "nodes_min": 2, **changes}


def an_evaluation(**changes: Any) -> Json:
    return {"kind": "evaluation", "name": "check", "model": "nothing", "dataset": "nothing", **changes}


@contextmanager
def served(app: FastAPI) -> Iterator[tuple[uvicorn.Server, str]]:
    """The app behind uvicorn on a free port, in a thread."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen()  # so that a request that comes before the server is ready waits
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [door]})
        thread.start()
        try:
            yield server, f"http://127.0.0.1:{door.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def a_platform(world: World, clock: FakeClock) -> Iterator[Platform]:
    """A world, served."""
    app = create_app(world)
    with served(app) as (server, url), httpx.Client(base_url=url, timeout=30) as http:
        yield Platform(world, app, server, url, clock, Worker(world), http)


def a_table(classes: str = "0123456789", splits: str = "test") -> bytes:
    """A small real set: one picture a class."""
    count = len(classes)
    images = np.zeros((count, 8, 8), np.uint8)
    return encode_labelled(Labelled(images, np.arange(count), np.full(count, splits), tuple(classes), 16))


def a_real_set(owner: Caller, name: str, **table: str) -> Json:
    files = [{"name": "real.parquet", "sha256": owner.upload(a_table(**table))}]
    return done(owner.post("/v1/datasets", {"name": name, "title": "Real", "files": files}), 201)
