"""The real workflows and the real database in one process, under a fake clock; nodes are objects that lie, vanish and repeat."""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from neuromation import wiring
from neuromation.accounts.model import Principal
from neuromation.agent import runner
from neuromation.agent.project_session import ProjectSession, is_project
from neuromation.client import schemas as wire
from neuromation.jobs import service as jobs
from neuromation.jobs.model import FINAL_STATES, Job, JobState, TaskKind, TaskState
from neuromation.kernel.clock import FakeClock
from neuromation.kernel.errors import NeuromationError
from neuromation.kernel.hashing import hash_json, merkle_root
from neuromation.kernel.money import ZERO, Ntk, total
from neuromation.ledger import service as ledger
from neuromation.storage import service as storage
from neuromation.storage.blobs import BlobStore
from neuromation.synthetic.formats.shard import encode_shard, read_shard
from neuromation.synthetic.generator import Unit, get_generator, parse_params, unit_hash
from neuromation.workflows import node_work, ordering, people, settlement, wallets
from neuromation.workflows.driving import drive, sweep
from neuromation.workflows.plans import Plan
from neuromation.workflows.policy import Policy
from neuromation.workflows.world import World

POLICY = Policy(bidding_s=2.0, lease_s=5.0, node_silent_s=3.0, node_dead_s=6.0, award_idle_s=8.0)
MICRO = 1_000_000
CU_PER_S = 0.05  # of every node
IN_ESCROW = (JobState.RUNNING, JobState.VERIFYING, JobState.DELIVERING)

Result = tuple[list[str], dict[str, bytes]]  # leaves and outputs
Lie = Callable[[wire.TaskLease, Result, random.Random], Result]


class Crash(BaseException):
    """The server dies before this statement. No `except Exception` may stop it."""


class Stopper:
    """Kills the server before one of its next statements, or before it can commit."""

    def __init__(self, engine: sa.Engine) -> None:
        self.left: int | None = None
        sa.event.listen(engine, "before_cursor_execute", lambda *_: self._count())
        sa.event.listen(engine, "commit", lambda *_: self._count())

    def _count(self) -> None:
        if self.left is None:
            return
        self.left -= 1
        if self.left < 0:
            self.left = None
            raise Crash

    @contextmanager
    def after(self, statements: int | None) -> Iterator[None]:
        """Die after so many statements within the block, if it gets that far."""
        self.left = statements
        try:
            yield
        except Crash:
            pass
        finally:
            self.left = None


# ---- what nodes compute -----------------------------------------------------------------------------


class Computer:
    """Does tasks honestly, each only once however many nodes are given it."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._done: dict[str, Result] = {}

    def result(self, task: wire.TaskLease) -> Result:
        inputs = {name: info.sha256 for name, info in task.inputs.items()}
        if is_project(task.kind, task.spec):  # programs of customers may answer differently each time
            return self._computed(task, inputs)
        key = hash_json({"kind": task.kind, "spec": task.spec, "inputs": inputs})
        if key not in self._done:
            self._done[key] = self._computed(task, inputs)
        return self._done[key]

    def _computed(self, task: wire.TaskLease, inputs: dict[str, str]) -> Result:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder, "out")
            out.mkdir()
            for sha256 in inputs.values():
                Path(folder, sha256).write_bytes(self._blobs.get(sha256))
            request = {"kind": task.kind, "spec": task.spec, "inputs": inputs}
            if is_project(task.kind, task.spec):
                session = ProjectSession(Path(folder), cu_per_s=CU_PER_S, unsafe=False)
                response = session.run(request, timeout_s=60)
                return response.result["leaves"], response.outputs
            answer = runner.handle(request, Path(folder), out, lambda *_: None)
            return answer["leaves"], {file.name: file.read_bytes() for file in sorted(out.iterdir())}


def wrong_pixels(task: wire.TaskLease, honest: Result, rng: random.Random) -> Result:
    """Units that look right and hash to what is committed, but are not those of the seed."""
    if task.kind != "generate":
        return honest
    units = [replace(u, image=u.image.max() - u.image) for u in read_shard(honest[1]["shard.parquet"]).units]
    return _shard(task, units)


def too_few_units(task: wire.TaskLease, honest: Result, rng: random.Random) -> Result:
    """A shard that ends early, with hashes that fit it."""
    if task.kind != "generate":
        return honest
    return _shard(task, list(read_shard(honest[1]["shard.parquet"]).units)[:-1])


def cut_file(task: wire.TaskLease, honest: Result, rng: random.Random) -> Result:
    """The right hashes beside a file that was cut off."""
    if task.kind != "generate":
        return honest
    return honest[0], {"shard.parquet": honest[1]["shard.parquet"][:-200]}


def false_audit(task: wire.TaskLease, honest: Result, rng: random.Random) -> Result:
    """Says of everybody's work that it is wrong."""
    if task.kind != "audit":
        return honest
    return [f"{rng.getrandbits(256):064x}" for _ in honest[0]], honest[1]


def _shard(task: wire.TaskLease, units: list[Unit]) -> Result:
    generator = get_generator(task.spec["generator"], task.spec["version"])
    params = parse_params(generator, task.spec["params"])
    data = encode_shard(units, generator=generator, params=params, seed=task.spec["seed"])
    return [unit_hash(unit) for unit in units], {"shard.parquet": data}


# ---- nodes ------------------------------------------------------------------------------------------


@dataclass
class Node:
    """A machine as the platform sees it: nothing but calls to `node_work`, in any order, twice, late or never."""

    sim: Simulation
    name: str
    owner: str
    floor: str
    lie: Lie | None = None
    id: str = ""
    held: dict[str, wire.TaskLease] = field(default_factory=dict)
    ready: dict[str, float] = field(default_factory=dict)
    sent: list[wire.Commit] = field(default_factory=list)
    away_until: float = 0.0
    banned: bool = False
    missed: bool = False  # an answer was lost, or the process before this one had tasks
    lazy: bool = False  # awake, bids, and never takes what it won

    def join(self) -> None:
        world = self.sim.world
        principal = Principal(self.owner, frozenset({"provider"}), "", "api", "")
        hardware = wire.Hardware(cores=4, memory_gib=8, disk_gib=100, isolation="bubblewrap")
        body = wire.NodeJoin(name=self.name, hardware=hardware, floor_render=self.floor, floor_train=self.floor)
        with world.transaction() as conn:
            self.id = node_work.join(world, conn, principal, body).node.id
            node_work.stake(world, conn, principal, self.id, wire.NewStake(amount="5"))
            speeds = wire.Benchmark(render_cu_per_s=CU_PER_S, train_cu_per_s=CU_PER_S)
            node_work.report_benchmark(world, conn, self.id, speeds)

    def act(self, rng: random.Random, *, faults: bool) -> None:
        """One thing that a node may do now."""
        if self.banned or self.sim.elapsed_s < self.away_until:
            return
        if faults and rng.random() < 0.01:  # the machine loses power, or only its network for a while
            self.away_until = self.sim.elapsed_s + rng.choice([2.0, 5.0, 20.0])
            if rng.random() < 0.5:
                self.held.clear()
                self.missed = rng.random() < 0.5
            return
        due = [i for i in self.held if self.ready[i] <= self.sim.elapsed_s]
        if due and rng.random() < 0.7:
            self._finish(self.held[rng.choice(due)], rng, faults=faults)
        elif faults and self.sent and rng.random() < 0.1:
            self._send(rng.choice(self.sent))  # a repeat, perhaps long after
        else:
            self._poll(rng, faults=faults)

    def _poll(self, rng: random.Random, *, faults: bool) -> None:
        room = 0 if self.lazy else max(0, 3 - len(self.held))
        body = wire.Poll(running=list(self.held), free_slots=room, tasks_max=2, wait_s=0, missed=self.missed)
        node_work.beat(self.sim.world, self.id)
        answer = node_work.poll(self.sim.world, self.id, body)
        self.missed = False
        if faults and rng.random() < 0.05:
            self.missed = rng.random() < 0.5
            return  # the answer was lost on the way
        self.banned = answer.state == "banned"
        for task_id in answer.cancelled:
            self.held.pop(task_id, None)
        for task in answer.leases:
            self.held[task.id] = task
            self.ready[task.id] = self.sim.elapsed_s + rng.uniform(0.1, 3.0)
        for notice in answer.auctions:
            self._bid(notice)

    def _bid(self, notice: wire.AuctionNotice) -> None:
        if Ntk.parse(self.floor) > Ntk.parse(notice.reserve_per_cu):
            return
        with self.sim.world.transaction() as conn:
            body = wire.NewBid(auction=notice.id, price_per_cu=self.floor, capacity_tasks=max(1, notice.tasks))
            node_work.bid(self.sim.world, conn, self.id, body)

    def _finish(self, task: wire.TaskLease, rng: random.Random, *, faults: bool) -> None:
        if faults and rng.random() < 0.03:
            self._give_back(task, rng)
            return
        honest = self.sim.computer.result(task)
        leaves, outputs = self.lie(task, honest, rng) if self.lie else honest
        refs = {name: self._upload(task, data) for name, data in outputs.items()}
        commit = wire.Commit(
            task=task.id, attempt=task.attempt, root=merkle_root(leaves), leaves=leaves, outputs=refs,
            metrics={"seconds": 1.0},
        )  # fmt: skip
        self.sent.append(commit)
        self._send(commit)
        self.held.pop(task.id, None)

    def _give_back(self, task: wire.TaskLease, rng: random.Random) -> None:
        reason = rng.choice(["shutdown", "task-crashed", "out-of-memory"])
        self.held.pop(task.id)
        with self.sim.world.transaction() as conn:
            failure = wire.TaskFailure(task=task.id, attempt=task.attempt, reason=reason)  # type: ignore[arg-type]
            node_work.fail(self.sim.world, conn, self.id, failure)

    def _upload(self, task: wire.TaskLease, data: bytes) -> wire.OutputRef:
        world = self.sim.world
        node_work.check_lease(world, self.id, task.id)
        ref = world.blobs.put(data)
        with world.transaction() as conn:
            storage.record(conn, ref, owner=self.id, now=world.now())
        return wire.OutputRef(sha256=ref.sha256, size=ref.size)

    def _send(self, commit: wire.Commit) -> None:
        with self.sim.world.transaction() as conn:
            node_work.commit(self.sim.world, conn, self.id, [commit])


# ---- the whole --------------------------------------------------------------------------------------


class Simulation:
    """A platform, its customer and its nodes; `step` does one random thing, `check` says what must hold after any."""

    def __init__(self, engine: sa.Engine, folder: Path, seed: int, *, policy: Policy = POLICY) -> None:
        self.rng = random.Random(seed)
        self.clock = FakeClock()
        self.start = self.clock.now()
        self.world = World(engine, BlobStore.at(folder / "blobs"), self.clock, policy, b"secret of a simulation")
        self.computer = Computer(self.world.blobs)
        self.nodes: list[Node] = []
        self.stopper = Stopper(engine)
        settings = wiring.Settings(data_dir=folder, database_url="", blob_url="", secret=self.world.secret)
        wiring.bootstrap(self.world, settings)
        self.customer = self._account("customer", "1000")
        self._people = 0

    @property
    def elapsed_s(self) -> float:
        return (self.clock.now() - self.start).total_seconds()

    def _account(self, role: wire.Role, amount: str) -> Principal:
        with self.world.transaction() as conn:
            number = len(people.everybody(conn, after=None, limit=200).accounts)
            body = wire.Registration(email=f"p{number}@example.org", password="a long password", name="P", roles=[role])
            account = people.create(self.world, conn, body)
            operator = Principal(account.id, frozenset({"operator"}), "", "api", "")
            wallets.fund(self.world, conn, operator, wire.Funding(email=account.email, amount=amount))
        return Principal(account.id, frozenset({role}), "", "api", "")

    def add_node(self, *, floor: str = "1", lie: Lie | None = None, owner: str | None = None) -> Node:
        """A node that has joined, with an owner of its own."""
        node = Node(self, f"n{len(self.nodes)}", owner or self._account("provider", "20").account_id, floor, lie)
        node.join()
        self.nodes.append(node)
        return node

    def order(self, order: Any) -> str:
        """Quote and order; the job's id."""
        with self.world.transaction() as conn:
            quote = ordering.quote(self.world, conn, self.customer, order)
        with self.world.transaction() as conn:
            return ordering.place(self.world, conn, self.customer, quote.id, key=f"key-{quote.id}").id

    def cancel(self, job_id: str) -> None:
        with self.world.transaction() as conn:
            ordering.cancel(self.world, conn, self.customer, job_id)

    def job(self, job_id: str) -> Job:
        with self.world.transaction() as conn:
            return jobs.get_job(conn, job_id)

    def step(self, *, faults: bool = True) -> None:
        """One random thing: the server's turn, a node's, or time."""
        rng = self.rng
        with self.stopper.after(rng.randrange(40) if faults and rng.random() < 0.1 else None):
            what = rng.random()
            if what < 0.3:
                drive(self.world)
            elif what < 0.4:
                sweep(self.world)
            elif what < 0.6 or not self.nodes:
                self.clock.advance(rng.choice([0.05, 0.1, 0.3, 0.3, 1.0, 3.0] if faults else [0.05, 0.2]))
            else:
                try:
                    rng.choice(self.nodes).act(rng, faults=faults)
                except NeuromationError:
                    pass  # a refusal is an answer

    def run(self, job_ids: list[str], *, steps: int, faults: bool) -> None:
        """Step until the jobs have ended; the invariants are checked all the way."""
        for number in range(steps):
            self.step(faults=faults)
            if number % (4 if faults else 12) == 0:
                self.check()
            if number % 4 == 0 and all(self.job(i).state in FINAL_STATES for i in job_ids):
                break
        self.check(whole=True)

    def play(self, job_ids: list[str], *, faulty_steps: int = 250, calm_steps: int = 4000) -> None:
        """Peace until the work has begun, then faults, then peace again, in which every job must come to its end."""
        for _ in range(400):
            if all(self.job(i).state in (*IN_ESCROW, *FINAL_STATES) for i in job_ids):
                break
            self.step(faults=False)
        self.run(job_ids, steps=faulty_steps, faults=True)
        for node in self.nodes:
            node.away_until = 0.0
        self.run(job_ids, steps=calm_steps, faults=False)
        open_jobs = {i: self.picture(i) for i in job_ids if self.job(i).state not in FINAL_STATES}
        assert not open_jobs, f"jobs that never ended: {open_jobs}"

    def picture(self, job_id: str) -> str:
        """What a person needs to see why a job is where it is."""
        with self.world.transaction() as conn:
            job = jobs.get_job(conn, job_id)
            tasks = [
                (t.kind.value, t.seq, t.state.value, t.attempt, t.node_id, t.reason) for t in self.tasks(job_id, conn)
            ]
            story = [
                (e.type, e.data) for e in jobs.events_after(conn, job_id, 0) if e.type in ("warning", "audit", "state")
            ]
        return f"{job.state} {job.reason!r} memory={job.plan['memory']} tasks={tasks} story={story[-12:]}"

    def tasks(self, job_id: str, conn: sa.Connection) -> list[Any]:
        return jobs.tasks_of(conn, job_id, limit=1000)

    # ---- what must hold -----------------------------------------------------------------------------

    def check(self, *, whole: bool = False) -> None:
        """The invariants; the audit of the whole ledger costs more, so it is made now and then."""
        with self.world.transaction() as conn:
            if whole or self.rng.random() < 0.2:
                found = ledger.audit(conn)
                assert not found, found
            for job in jobs.list_jobs(conn, limit=100):
                escrow = ledger.balance_of(conn, f"escrow:{job.id}")
                if job.state in FINAL_STATES:
                    assert (escrow.posted, escrow.pending_in) == (ZERO, ZERO), f"{job.id} {job.state}: {escrow}"
                elif job.state in IN_ESCROW:
                    lines = settlement.bill_of(self.world, conn, job, Plan.from_json(job.plan))
                    assert total([p.amount for p in lines]) == job.price_max
                self._check_units(conn, job)

    def _check_units(self, conn: sa.Connection, job: Job) -> None:
        states = [TaskState.ACCEPTED, TaskState.SETTLED]
        kinds = (TaskKind.GENERATE, TaskKind.TRAIN, TaskKind.TRIAL, TaskKind.PROJECT)
        done = [t for kind in kinds for t in jobs.tasks_of(conn, job.id, kind=kind, states=states, limit=1000)]
        doubles = [key for key, n in Counter((t.kind, t.round, t.seq) for t in done).items() if n > 1]
        assert not doubles, f"accepted twice: {doubles}"
        assert all(t.commit is not None and t.node_id for t in done), "accepted work that nobody committed"

    def units_of(self, job_id: str) -> list[int]:
        """The indices of the units of a settled data set, in the order of its shards."""
        with self.world.transaction() as conn:
            tasks = jobs.tasks_of(conn, job_id, kind=TaskKind.GENERATE, states=[TaskState.SETTLED], limit=1000)
        shards = [
            read_shard(self.world.blobs.get(t.commit["outputs"]["shard.parquet"]["sha256"])) for t in tasks if t.commit
        ]
        return [unit.index for shard in shards for unit in shard.units]

    def honest_root(self, order: wire.DatasetOrder) -> str:
        """The Merkle root that the order must lead to, from units made here."""
        generator = get_generator(order.generator)
        params = parse_params(generator, order.params)
        return merkle_root([unit_hash(generator.unit(params, order.seed, i)) for i in range(order.units)])

    def paid_to(self, account: str, *, kind: str) -> Ntk:
        """What an account got by transfers of one kind."""
        with self.world.transaction() as conn:
            entries = ledger.statement(conn, f"user:{account}", limit=200)
        return total([e.amount for e in entries if e.kind == kind])

    def balance(self, code: str) -> Ntk:
        with self.world.transaction() as conn:
            return ledger.balance_of(conn, code).posted
