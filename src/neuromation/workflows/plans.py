"""What an order comes to as work: the plan that a quote prices and that a job's driver follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Protocol

import sqlalchemy as sa

from neuromation.client import schemas as wire
from neuromation.jobs.model import BreakReason, Job, NewTask, Task
from neuromation.kernel.money import Ntk
from neuromation.workflows.world import World

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Equal tasks of one kind of work, and what is owed beside them.

    Attributes:
        work: which benchmark prices it; None for work that the platform does itself, free of charge.
        cu_per_task: micro-CU.
        pool_min, share_max_bp: how the work must be spread over nodes and owners.
        sandbox: it runs the customer's own program, which only a node with a sandbox does.
        reruns: how many full runs of each task by others are held for; one is expected, more where they disagree. 0:
            parts of the work are done again, within the policy's budget.
        royalty: owed to `vendor` (an account) for the whole order.
        facts: what this kind of order has fixed, such as the version of its inputs.
        memory: what the driver remembers between two steps: the round, the auction that is open, ...
    """

    work: Literal["render", "train"] | None
    tasks: int
    cu_per_task: int
    memory_gib: float = 1.0
    pool_min: int = 1
    share_max_bp: int = 10_000
    sandbox: bool = False
    reruns: int = 0
    royalty_micro: int = 0
    vendor: str = ""
    reserve_micro: int = 0
    facts: Json = field(default_factory=dict)
    memory: Json = field(default_factory=dict)

    @property
    def royalty(self) -> Ntk:
        return Ntk(self.royalty_micro)

    @property
    def cu_total(self) -> int:
        """All the work in micro-CU."""
        return self.tasks * self.cu_per_task

    def remembering(self, **memory: Any) -> Plan:
        """The plan with these things remembered."""
        return replace(self, memory={**self.memory, **memory})

    def to_json(self) -> Json:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Plan:
        return cls(**value)


class Rejected(Exception):
    """A committed task that is wrong on its face; needs no auditor to see it."""

    def __init__(self, reason: BreakReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Undeliverable(Exception):
    """Accepted work that leaves nothing to deliver, by the order's own fault: it is paid, and the rest flows back."""

    def __init__(self, message: str, result: Json) -> None:
        super().__init__(message)
        self.result = result


@dataclass(frozen=True)
class AuditOrder:
    """What an auditor is given: the task again, for some units only."""

    spec: Json
    inputs: Json
    cu: int


class Work(Protocol):
    """One kind of order, from its plan to its delivery. The driver does what all kinds share."""

    def plan(self, world: World, conn: sa.Connection, customer: str, order: Any) -> Plan:
        """What the order comes to. Raises the kernel's errors for what is wrong with it."""
        ...

    def next_tasks(self, world: World, conn: sa.Connection, job: Job, plan: Plan) -> tuple[Plan, list[NewTask]]:
        """The tasks that may be done now, once all tasks before are accepted; none when all is done."""
        ...

    def check(self, world: World, job: Job, task: Task) -> None:
        """Look at what a node committed. Raises Rejected."""
        ...

    def audit_order(self, world: World, task: Task, units: list[int]) -> AuditOrder:
        """What an auditor must do to regenerate these units of a committed task."""
        ...

    def agrees(self, world: World, task: Task, unit: int, audit: Task) -> bool:
        """Whether an audit whose hash differs still agrees within the tolerance of this kind of work."""
        ...

    def deliver(self, world: World, conn: sa.Connection, job: Job, plan: Plan) -> Json:
        """Publish what was made; the job's result. Done again after a crash, it changes nothing. Raises Undeliverable."""
        ...


def order_of(job: Job) -> Any:
    """The order that the job was made from, as the customer sent it."""
    return wire.QuoteRequest.model_validate({"order": job.spec}).order
