"""The market's words: requests for work, what machines can do, bids, awards; owns limits, refuses to know storage.

Money per computing unit is `Ntk` per CU and work is counted in whole micro-CU, so a price times an amount of work is
an exact integer. The one rounding rule: a payment is rounded up to the next whole micro-NTK, once, when the total of
an award is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from neuromation.kernel.errors import Invalid
from neuromation.kernel.money import AMOUNT_MAX_MICRO, Ntk, total

Kind = Literal["render", "train"]
Mechanism = Literal["uniform", "vcg", "pay-as-bid"]
Status = Literal["open", "cleared", "infeasible", "cancelled"]

KINDS: tuple[Kind, ...] = get_args(Kind)
MICRO_PER_CU = 1_000_000
BP = 10_000  # basis points in a whole

TASKS_MAX = 100_000
CU_PER_TASK_MAX = 1_000_000 * MICRO_PER_CU
DEADLINE_MAX_S = 30 * 24 * 3600
MEMORY_MAX_GIB = 16_384.0
DISK_MAX_GIB = 1_048_576.0
PRICE_MAX = Ntk.parse("1000000")
POOL_MIN_MAX = 200  # keeps exact payments to at most 201 solves whenever the pool's size binds
EXCLUDED_MAX = 1_000
SLOTS_MAX = 4_096
TEXT_MAX = 100


def work_cost(price_per_cu: int, micro_cu: int) -> Ntk:
    """What `micro_cu` of work costs at a price in micro-NTK per CU, rounded up to a whole micro-NTK."""
    return Ntk(-(-price_per_cu * micro_cu // MICRO_PER_CU))


def reserve_max(*, tasks: int, cu_per_task: int) -> Ntk:
    """The highest price per CU at which so much work still costs no more than all NTK there is; for "no maximum"."""
    per_task_micro = AMOUNT_MAX_MICRO // tasks
    return min(PRICE_MAX, Ntk(min(per_task_micro * MICRO_PER_CU // cu_per_task, PRICE_MAX.micro)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Work that a customer wants done: `tasks` equal tasks before a deadline, by a pool of machines.

    Attributes:
        kind: which speed counts, `render` or `train`.
        tasks: how many tasks, 1..TASKS_MAX.
        cu_per_task: work of one task in micro-CU (10^-6 CU).
        deadline_s: seconds from the award until all tasks must be done.
        memory_gib, disk_gib, gpu, sandbox: what a task needs of its machine.
        reserve_per_cu: the customer's maximum price for one CU.
        share_max_bp: largest part of the tasks for one owner, in basis points; 10,000 = no limit. One task is always
            allowed.
        pool_min: at least so many machines must share the work, 1..POOL_MIN_MAX.
        excluded_nodes, excluded_owners: ids that may not take part (the customer's own machines, say).

    Raises Invalid where a value is out of its range.
    """

    kind: Kind
    tasks: int
    cu_per_task: int
    deadline_s: int
    reserve_per_cu: Ntk
    memory_gib: float = 0.0
    disk_gib: float = 0.0
    gpu: bool = False
    sandbox: bool = False
    share_max_bp: int = BP
    pool_min: int = 1
    excluded_nodes: frozenset[str] = frozenset()
    excluded_owners: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise Invalid(f"work of kind {str(self.kind)[:40]!r} is not traded; use one of {', '.join(KINDS)}")
        check_range("tasks", self.tasks, 1, TASKS_MAX)
        check_range("cu_per_task (micro-CU)", self.cu_per_task, 1, CU_PER_TASK_MAX)
        check_range("deadline_s", self.deadline_s, 1, DEADLINE_MAX_S)
        check_range("memory_gib", self.memory_gib, 0, MEMORY_MAX_GIB)
        check_range("disk_gib", self.disk_gib, 0, DISK_MAX_GIB)
        check_range("share_max_bp", self.share_max_bp, 1, BP)
        check_range("pool_min", self.pool_min, 1, min(POOL_MIN_MAX, self.tasks))
        check_price("the maximum price", self.reserve_per_cu)
        excluded = len(self.excluded_nodes) + len(self.excluded_owners)
        check_range("the number of excluded ids", excluded, 0, EXCLUDED_MAX)
        highest = reserve_max(tasks=self.tasks, cu_per_task=self.cu_per_task)
        if self.reserve_per_cu > highest:
            raise Invalid(
                f"a maximum of {self.reserve_per_cu} NTK/CU for this much work is more than all NTK there is; "
                f"use at most {highest} NTK/CU"
            )

    @property
    def owner_tasks_max(self) -> int:
        """How many tasks one owner may get: its share, rounded down, but never less than one."""
        return max(1, self.tasks * self.share_max_bp // BP)

    @property
    def cost_max(self) -> Ntk:
        """The most that the awards can cost together: what escrow must hold."""
        return work_cost(self.reserve_per_cu.micro, self.cu_per_task) * self.tasks

    def to_json(self) -> dict[str, Any]:
        """Plain data; `from_json` reads it back."""
        return {
            "kind": self.kind,
            "tasks": self.tasks,
            "cu_per_task": self.cu_per_task,
            "deadline_s": self.deadline_s,
            "memory_gib": self.memory_gib,
            "disk_gib": self.disk_gib,
            "gpu": self.gpu,
            "sandbox": self.sandbox,
            "reserve_per_cu": str(self.reserve_per_cu),
            "share_max_bp": self.share_max_bp,
            "pool_min": self.pool_min,
            "excluded_nodes": sorted(self.excluded_nodes),
            "excluded_owners": sorted(self.excluded_owners),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Request:
        """The request that `to_json` wrote."""
        return cls(
            **{
                **value,
                "reserve_per_cu": Ntk.parse(value["reserve_per_cu"]),
                "excluded_nodes": frozenset(value["excluded_nodes"]),
                "excluded_owners": frozenset(value["excluded_owners"]),
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """What one machine can do for one kind of work, as measured by the platform.

    Attributes:
        kind: the kind of work that the speed and the floor are for.
        cu_per_s: speed of one slot in micro-CU a second, 0 = not measured.
        memory_gib, disk_gib: what one task may use.
        gpu: whether a task may use a GPU.
        sandbox: whether it can run a stranger's program.
        reputation: higher is better; it breaks ties of price and nothing else.
        floor_per_cu: the owner's own minimum price.
        slots: how many tasks run at once.
    """

    kind: Kind
    node_id: str
    owner_id: str
    cu_per_s: int
    memory_gib: float
    disk_gib: float
    floor_per_cu: Ntk
    gpu: bool = False
    sandbox: bool = True
    reputation: float = 0.0
    slots: int = 1

    def __post_init__(self) -> None:
        check_range("cu_per_s (micro-CU/s)", self.cu_per_s, 0, CU_PER_TASK_MAX)
        check_range("slots", self.slots, 0, SLOTS_MAX)
        check_price("a floor", self.floor_per_cu)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bid:
    """A machine's sealed offer: a price for one CU and how many tasks it would take."""

    bid_id: str
    node_id: str
    owner_id: str
    price_per_cu: Ntk
    capacity_tasks: int

    def __post_init__(self) -> None:
        check_price("a bid", self.price_per_cu)
        check_range("capacity_tasks", self.capacity_tasks, 1, TASKS_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class Award:
    """What one winner does and what it is paid for all of it; `price_per_cu` is its own bid."""

    node_id: str
    owner_id: str
    tasks: int
    payment: Ntk
    price_per_cu: Ntk

    def task_payments(self) -> list[Ntk]:
        """The payment a task, in order; they differ by at most one micro-NTK and sum to `payment`."""
        return self.payment.split([1] * self.tasks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clearing:
    """A pool that does all the work, and its price.

    Attributes:
        awards: the winners, cheapest bid first.
        cost: the sum of the payments, what the customer pays to machines.
        bid_cost: what the same pool asked for, rounded up an award; never more than `cost`.
        mechanism: the payment rule that was used.
        price_per_cu: the payments a CU, before they are rounded up, to the nearest micro-NTK; what the index publishes.
        gap: distance of the pool's bid cost from a proven lower bound, as a fraction; 0.0 = proven cheapest.
    """

    awards: tuple[Award, ...]
    cost: Ntk
    bid_cost: Ntk
    mechanism: Mechanism
    price_per_cu: Ntk
    gap: float

    def __post_init__(self) -> None:
        assert total([a.payment for a in self.awards]) == self.cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """One change that would make the request feasible: its constraint, advice for a person, the changed request."""

    constraint: str
    advice: str
    request: Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Infeasible:
    """No pool can do the work as asked.

    Attributes:
        constraint: what binds: price, deadline, capacity, memory, disk, gpu, sandbox, exclusion, owner-share, pool-size,
            several joined by "+" where no single change is enough, or no-nodes.
        message: one sentence: what was met, what was needed, what to do.
        remedies: changes that each alone would do, best first; empty for no-nodes.
    """

    constraint: str
    message: str
    remedies: tuple[Remedy, ...]

    @property
    def remedy(self) -> Remedy | None:
        """The change that the message names."""
        return self.remedies[0] if self.remedies else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a request would cost if every machine bid its floor now.

    Attributes:
        price_per_cu, cost: the expected clearing price and cost.
        maximum_per_cu: a sensible maximum to state, with room for floors that rise meanwhile.
        cost_max: the work at that maximum: what escrow would hold.
        clearing: the pool behind the figures.
    """

    price_per_cu: Ntk
    cost: Ntk
    maximum_per_cu: Ntk
    cost_max: Ntk
    clearing: Clearing


@dataclass(frozen=True, slots=True, kw_only=True)
class Auction:
    """One request put out to sealed bids. `result` is None while it is open or when it was cancelled."""

    id: str
    job_id: str
    key: str
    request: Request
    status: Status
    opened_at: datetime
    closes_at: datetime
    closed_at: datetime | None
    result: Clearing | Infeasible | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PricePoint:
    """One published clearing price."""

    auction_id: str
    kind: Kind
    price_per_cu: Ntk
    tasks: int
    micro_cu: int
    nodes: int
    closed_at: datetime


def check_range(name: str, value: float, low: float, high: float) -> None:
    """Raises Invalid unless low <= value <= high (NaN never is)."""
    if isinstance(value, bool) or not low <= value <= high:
        raise Invalid(f"{name} must be between {low:,} and {high:,}, not {value!r}")


def check_price(name: str, price: Ntk) -> None:
    """Raises Invalid unless 0 <= price <= PRICE_MAX."""
    if not 0 <= price.micro <= PRICE_MAX.micro:
        raise Invalid(f"{name} must be between 0 and {PRICE_MAX} NTK/CU, not {price}")


def tasks_possible(request: Request, capability: Capability) -> int:
    """How many of the request's tasks this machine can finish before the deadline, all slots working, at most all."""
    one_slot = request.deadline_s * capability.cu_per_s // request.cu_per_task
    return min(request.tasks, one_slot * capability.slots)


def serves(request: Request, capability: Capability) -> bool:
    """Tell whether the machine may and can do at least one task of the request, whatever the price."""
    return (
        capability.kind == request.kind
        and capability.node_id not in request.excluded_nodes
        and capability.owner_id not in request.excluded_owners
        and capability.memory_gib >= request.memory_gib
        and capability.disk_gib >= request.disk_gib
        and (capability.gpu or not request.gpu)
        and (capability.sandbox or not request.sandbox)
        and tasks_possible(request, capability) > 0
    )
