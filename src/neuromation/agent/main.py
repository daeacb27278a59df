"""`neuromation node start`: join, be measured, stake, then bid, work and earn until told to stop."""

from __future__ import annotations

import os
import queue
import shutil
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from neuromation import __version__
from neuromation.agent.bench import Speeds, compile_ahead, measure
from neuromation.agent.cluster import Cluster
from neuromation.agent.courier import Tell
from neuromation.agent.floors import auto_floor
from neuromation.agent.idle import IdleCommand
from neuromation.agent.sandbox import detect
from neuromation.agent.slots import Slot, remove_stale_inputs
from neuromation.client import Client, NodeClient
from neuromation.client import schemas as wire
from neuromation.kernel import machine_code
from neuromation.kernel.errors import Forbidden, NeuromationError
from neuromation.kernel.money import ZERO, Ntk

POLL_WAIT_S = 5.0
LOOK_S = 0.2  # how often a node that has enough to do looks whether it still has
BEAT_S = 2.0  # between polls while the node has all that it can hold, and how long one waits while it works
UNREACHABLE_WAIT_S = 1.0
PREFETCH_S = 2.5  # hold so many seconds of work in the queue: no slot waits for the network, and little lies idle here
PREFETCH_MAX = 16


@dataclass(frozen=True)
class NodeOptions:
    """How the owner wants the machine to work.

    Attributes:
        token: a token of the owner (role provider); the node gets a key of its own from it.
        floor_render, floor_train: NTK per CU, the least the node works for; None: its opportunity cost, computed.
        cpu_share: over 0 and at most 1, the part of the time that a slot may compute.
        stake: NTK to have at stake; None leaves what is there.
        idle_command, idle_yield_per_h: what runs when there is no task, and what it earns in NTK an hour.
        unsafe: run tasks without a sandbox.
        trainer: "torchrun:2" or "ray:4" hands train tasks to so many processes of the owner's cluster; empty: the sandbox.
        max_idle_s: stop after so long without work; None: never.
    """

    endpoint: str
    token: str
    name: str
    floor_render: Ntk | None = None
    floor_train: Ntk | None = None
    slots: int = 1
    cpu_share: float = 1.0
    stake: Ntk | None = None
    idle_command: str = ""
    idle_yield_per_h: Ntk = ZERO
    costs_per_h: Ntk = Ntk(20_000)  # energy and wear while working: an estimate, about 0.02 NTK an hour
    unsafe: bool = False
    trainer: str = ""
    max_idle_s: float | None = None


def run(options: NodeOptions, *, tell: Tell, stop: threading.Event | None = None) -> None:
    """Be a node until `stop` is set, the platform bans the node, or it was idle for `max_idle_s`.

    `tell` hears what happens, as a word and facts: joined, benchmarked, bid, leased, committed, failed, lost, banned, ...
    Raises SandboxUnavailable, Invalid for a trainer that is none, and what the platform answers to the join.
    """
    if options.trainer:
        Cluster.parse(options.trainer)  # a wrong one is told before anything begins
    remove_stale_inputs()
    isolation = "none" if options.unsafe else str(detect())
    if not machine_code.is_ready():
        tell("compiling", {"generators": "all", "folder": str(machine_code.folder())})
        compile_ahead()
    speeds = measure(unsafe=options.unsafe, cpu_share=options.cpu_share)
    tell("benchmarked", {"render_cu_per_s": speeds.render, "train_cu_per_s": speeds.train})
    floors = _floors(options, speeds)
    joined = _join(options, isolation, floors)
    tell(
        "joined",
        {"node": joined.node.id, "name": options.name, "floor_render": str(floors[0]), "floor_train": str(floors[1])},
    )
    with NodeClient(options.endpoint, joined.token) as client:
        client.benchmark(render_cu_per_s=speeds.render, train_cu_per_s=speeds.train)
        _Node(options, client, speeds, floors, tell).live(stop or threading.Event())


def _floors(options: NodeOptions, speeds: Speeds) -> tuple[Ntk, Ntk]:
    def of(given: Ntk | None, cu_per_s: float) -> Ntk:
        if given is not None:
            return given
        return auto_floor(
            outside_option_per_h=options.idle_yield_per_h,
            running_income_per_h=ZERO,
            costs_per_h=options.costs_per_h,
            cu_per_h=max(1, round(cu_per_s * options.slots * 3600 * 1_000_000)),
        )

    return of(options.floor_render, speeds.render), of(options.floor_train, speeds.train)


def _join(options: NodeOptions, isolation: str, floors: tuple[Ntk, Ntk]) -> wire.Joined:
    hardware = wire.Hardware(
        cores=os.cpu_count() or 1,
        memory_gib=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 2),
        disk_gib=round(shutil.disk_usage(tempfile.gettempdir()).free / 2**30, 2),
        gpu=_gpu(),
        isolation=isolation,  # type: ignore[arg-type]
        agent_version=__version__,
    )
    body = wire.NodeJoin(
        name=options.name,
        hardware=hardware,
        floor_render=str(floors[0]),
        floor_train=str(floors[1]),
        slots=options.slots,
    )
    with Client(options.endpoint, options.token) as owner:
        joined = owner.join(body)
        if options.stake is not None and Ntk.parse(joined.node.stake) < options.stake:
            owner.stake(joined.node.id, str(options.stake))
        return joined


def _gpu() -> str:
    """The name of the first GPU that the driver reports; empty when there is none."""
    names = sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
    for line in names[0].read_text().splitlines() if names else []:
        if line.startswith("Model:"):
            return line.split(":", 1)[1].strip()[:100]
    return ""


class _Node:
    """The main loop: everything that waits on the platform happens here, everything that computes in slots."""

    def __init__(
        self, options: NodeOptions, client: NodeClient, speeds: Speeds, floors: tuple[Ntk, Ntk], tell: Tell
    ) -> None:
        self._options = options
        self._client = client
        self._speeds = speeds
        self._floors = floors
        self._tell = tell
        self._queue: queue.Queue[wire.TaskLease | None] = queue.Queue()
        self._slots = [
            Slot(
                client,
                self._queue,
                cpu_share=options.cpu_share,
                unsafe=options.unsafe,
                tell=tell,
                train_cu_per_s=speeds.train,
                trainer=Cluster.parse(options.trainer) if options.trainer else None,
            )
            for _ in range(options.slots)
        ]
        self._idle = IdleCommand(options.idle_command)
        self._bids: set[str] = set()
        # Whether the platform may think that this node has tasks which it knows nothing of: the answer to the last poll
        # was lost, or, at first, a process before this one had some.
        self._missed = True
        self._busy_at = time.monotonic()
        self._task_s = PREFETCH_S / 2  # a typical task's time; audits, which are small, are not typical

    def live(self, stop: threading.Event) -> None:
        """Poll, bid, hand out tasks, until it is time to stop."""
        for slot in self._slots:
            slot.start()
        try:
            while not stop.is_set() and not self._is_bored():
                if not self._turn(stop):
                    break
        finally:
            self._end()

    def _is_bored(self) -> bool:
        limit = self._options.max_idle_s
        return limit is not None and time.monotonic() - self._busy_at > limit

    def _held(self) -> list[str]:
        """Tasks in the queue, in a slot, or on their way to the platform."""
        waiting = [t.id for t in list(self._queue.queue) if t is not None]
        return waiting + [task.id for slot in self._slots for task in slot.held()]

    def _room(self) -> int:
        """How many more tasks to ask for: a second or two of work a slot is held ready, and one task at least."""
        waiting = [t for t in list(self._queue.queue) if t is not None]
        if not waiting:
            return self._batch
        left_s = PREFETCH_S * len(self._slots) - sum(map(self._seconds, waiting))
        return max(0, min(PREFETCH_MAX - len(waiting), round(left_s / self._task_s)))

    @property
    def _batch(self) -> int:
        return len(self._slots) * max(1, min(PREFETCH_MAX, round(PREFETCH_S / self._task_s)))

    def _seconds(self, task: wire.TaskLease) -> float:
        """How long a task will take about."""
        is_render = task.kind == "generate" or (task.kind == "audit" and task.spec["of"]["kind"] == "generate")
        speed = self._speeds.render if is_render else self._speeds.train
        return max(1e-3, task.cu / max(1e-9, speed))

    def _turn(self, stop: threading.Event) -> bool:
        """One exchange with the platform; False when the node may not go on."""
        self._wait_until_low(stop)
        held, room = self._held(), self._room()
        # A node that has tasks and room for more waits a shorter time, so that its results do not delay its prolonging.
        wait_s = (BEAT_S if held else POLL_WAIT_S) if room else 0.0
        done = {task: share for slot in self._slots for task, share in slot.done().items()}
        poll = wire.Poll(
            running=held[: wire.RUNNING_MAX],
            free_slots=min(room, 256),
            tasks_max=min(room, 32),
            wait_s=wait_s,
            missed=self._missed,
            done=done,
        )
        self._missed = True
        try:
            answer = self._client.poll(poll)
        except Forbidden as error:
            self._tell("refused", {"why": error.message})
            return False
        except (
            NeuromationError
        ) as error:  # unreachable, busy or broken over there: a node outlives its platform's troubles
            self._tell("unreachable", {"why": error.message})
            stop.wait(UNREACHABLE_WAIT_S)
            return True
        self._missed = False
        if answer.state == "banned":
            self._tell("banned", {})
            return False
        self._drop(answer.cancelled)
        for notice in answer.auctions:
            self._bid(notice)
        self._take(answer.leases)
        if not self._held():
            self._idle.resume()
        return True

    def _wait_until_low(self, stop: threading.Event) -> None:
        """Until half of the tasks held ready are begun, or the next sign of life is due."""
        until = time.monotonic() + BEAT_S
        while self._queue.qsize() and self._room() <= self._batch // 2 and time.monotonic() < until:
            if stop.wait(LOOK_S):
                return

    def _take(self, leases: list[wire.TaskLease]) -> None:
        if leases:
            self._idle.pause()
            self._busy_at = time.monotonic()
            self._tell("leased", {"tasks": len(leases), "kind": leases[0].kind})
            self._task_s = max((self._seconds(t) for t in leases if t.kind != "audit"), default=self._task_s)
        for task in leases:
            for slot in self._slots:
                slot.dropped.discard(task.id)  # taken back once, and now this node's again
            self._queue.put(task)

    def _drop(self, cancelled: list[str]) -> None:
        # A slot may have committed a task since the list was sent, so only what is still held is dropped.
        for task_id in cancelled:
            for slot in self._slots:
                slot.dropped.add(task_id)
                if slot.current is not None and slot.current.id == task_id:
                    slot.cancel()

    def _bid(self, notice: wire.AuctionNotice) -> None:
        """Bid the truth: the floor is what the work costs the owner, and the auction pays by what others ask."""
        if notice.id in self._bids:
            return
        self._bids.add(notice.id)
        speed, floor = (
            (self._speeds.render, self._floors[0]) if notice.kind == "render" else (self._speeds.train, self._floors[1])
        )
        capacity = int(notice.deadline_s * speed * len(self._slots) / notice.cu_per_task)
        if capacity < 1 or floor > Ntk.parse(notice.reserve_per_cu):
            return
        try:
            self._client.bid(auction=notice.id, price_per_cu=str(floor), capacity_tasks=min(capacity, 1_000_000))
            self._tell("bid", {"auction": notice.id, "price_per_cu": str(floor), "tasks": min(capacity, notice.tasks)})
        except NeuromationError as error:
            self._tell("lost", {"auction": notice.id, "why": error.message})

    def _end(self) -> None:
        """Give back what has not been started, let the slots end, bring the idle command to its end."""
        held = [t for t in list(self._queue.queue) if t is not None]
        self._queue.queue.clear()
        for slot in self._slots:
            if slot.current is not None:
                held.append(slot.current)
            slot.cancel()
            self._queue.put(None)
        for task in held:
            try:
                self._client.fail(wire.TaskFailure(task=task.id, attempt=task.attempt, reason="shutdown"))
            except NeuromationError:
                continue  # its lease ends by itself
        for slot in self._slots:
            slot.join(timeout=10)
        self._idle.pause()
