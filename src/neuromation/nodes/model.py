"""A node's facts, states, trust and speed as pure rules; knows no database, no clock and no job."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from neuromation.kernel.money import Ntk
from neuromation.nodes.errors import BadNode

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$"
NODES_PER_OWNER_MAX = 1_000
HEARTBEATS_MAX = 10_000
PAGE_MAX = 1_000
CORES_MAX, SLOTS_MAX = 4_096, 1_024
MEMORY_GIB_MAX, DISK_GIB_MAX = 65_536.0, 16_777_216.0
SPEED_MAX = 10**12  # micro-CU/s: a million CU a second
TEXT_CHARS_MAX = 200

HEARTBEAT_S = 15.0
MISSED_UNHEALTHY = 2  # heartbeats missed until no new work is given
DEAD_AFTER_S = 300.0  # silence until the leases go to others

HALF_LIFE = timedelta(days=7)  # of checks passed and failed, as in BOINC
AUDIT_SHARE_MIN = 0.02
SPEED_WEIGHT = 0.1  # of one observation in the running average
SPEED_STEP_MAX = 2.0  # one observation counts as at most twice, at least half, of the present speed
SPEED_UP_MAX, SPEED_DOWN_MAX = 2.0, 10.0  # from the benchmark

_NAME = re.compile(NAME_PATTERN, re.ASCII)


class NodeState(StrEnum):
    REGISTERED = "registered"  # joined, not benchmarked
    ELIGIBLE = "eligible"
    UNHEALTHY = "unhealthy"  # missed heartbeats: no new work, its leases still count
    DEAD = "dead"  # silent for long: its work is done by others
    BANNED = "banned"


class NodeEvent(StrEnum):
    BENCHMARKED = "benchmarked"
    HEARD = "heard"  # a heartbeat
    MISSED = "missed"  # some heartbeats missed
    SILENT = "silent"  # nothing heard for long
    BANNED = "banned"


class WorkKind(StrEnum):
    RENDER = "render"
    TRAIN = "train"


class Isolation(StrEnum):
    BUBBLEWRAP = "bubblewrap"
    GVISOR = "gvisor"
    NONE = "none"


def next_state(state: NodeState, event: NodeEvent, *, benchmarked: bool) -> NodeState:
    """The state after `event`; `benchmarked` tells whether any speed is known. Banned is for ever."""
    if state is NodeState.BANNED or event is NodeEvent.BANNED:
        return NodeState.BANNED
    if event in (NodeEvent.HEARD, NodeEvent.BENCHMARKED):
        return NodeState.ELIGIBLE if benchmarked else NodeState.REGISTERED
    if event is NodeEvent.MISSED:
        return NodeState.UNHEALTHY if state is NodeState.ELIGIBLE else state
    return NodeState.DEAD


@dataclass(frozen=True, slots=True)
class Hardware:
    """What a machine says of itself; only its benchmark is believed."""

    cores: int
    memory_gib: float
    disk_gib: float
    gpu: str = ""
    slots: int = 1
    isolation: Isolation = Isolation.NONE


@dataclass(frozen=True, slots=True)
class Node:
    """Speeds in micro-CU/s; floors in NTK a CU, None where that kind of work is not for sale."""

    id: str
    owner: str
    name: str
    state: NodeState
    reason: str
    version: str
    hardware: Hardware
    render_benchmark: int
    train_benchmark: int
    render_cu_per_s: int
    train_cu_per_s: int
    floor_render: Ntk | None
    floor_train: Ntk | None
    created_at: datetime
    last_seen: datetime


@dataclass(frozen=True, slots=True)
class Reputation:
    """Checks of a node's work of one kind of task, decayed to `as_of`."""

    passed: float
    failed: float
    as_of: datetime

    def at(self, now: datetime) -> Reputation:
        """The same checks as they count now: half as much for each half-life gone by."""
        share = 0.5 ** max(0.0, (now - self.as_of) / HALF_LIFE)
        return Reputation(self.passed * share, self.failed * share, max(now, self.as_of))

    def with_check(self, *, passed: bool, now: datetime) -> Reputation:
        """After one more check. One failure takes all earlier merit away (as BOINC's consecutive_valid does)."""
        then = self.at(now)
        if passed:
            return replace(then, passed=then.passed + 1)
        return replace(then, passed=0.0, failed=then.failed + 1)


@dataclass(frozen=True, slots=True)
class Capability:
    """What a node that may work now can do for one kind of work, and from what price on."""

    node_id: str
    owner: str
    kind: WorkKind
    cu_per_s: int
    floor: Ntk
    slots: int
    cores: int
    memory_gib: float
    disk_gib: float
    gpu: str
    isolation: Isolation


@dataclass(frozen=True, slots=True)
class Silent:
    """A node that has just turned unhealthy or dead."""

    node_id: str
    state: NodeState


def audit_probability(passed_checks: float) -> float:
    """The share of a node's tasks to be audited: max(0.02, 5 / (n + 1)), at most 1, after n checks passed.

    Source: adaptive spot checks; 1.3 executions a task and 0.16 % accepted error at 20 % colluders cheating on 10 %.
    """
    if not passed_checks >= 0:
        raise ValueError(f"passed checks must be >= 0, not {passed_checks}")
    return min(1.0, max(AUDIT_SHARE_MIN, 5 / (passed_checks + 1)))


def stake_needed(pay: Ntk, audit_share: float) -> Ntk:
    """The stake at which cheating on a task paid `pay` cannot profit: (1 - q) / q times the pay, audited with share q.

    Source: deterrence by inspection; what is saved by cheating is taken as the whole pay, the worst case.
    """
    if not 0 < audit_share <= 1:
        raise ValueError(f"an audit share is in (0, 1], not {audit_share}")
    return Ntk(math.ceil(pay.micro * (1 - audit_share) / audit_share))


def corrected_speed(*, current: int, benchmark: int, cu: int, seconds: float) -> int:
    """The speed after a real task of `cu` micro-CU took `seconds`: a running average that no single task can throw.

    One task counts as at most SPEED_STEP_MAX times more or less than `current`, and the result stays within
    benchmark / SPEED_DOWN_MAX .. benchmark * SPEED_UP_MAX. All speeds in micro-CU/s.
    """
    if not seconds > 0 or cu <= 0 or current <= 0:
        return current
    seen = min(max(cu / seconds, current / SPEED_STEP_MAX), current * SPEED_STEP_MAX)
    mixed = (1 - SPEED_WEIGHT) * current + SPEED_WEIGHT * seen
    bounded = min(max(mixed, benchmark / SPEED_DOWN_MAX), benchmark * SPEED_UP_MAX)
    return max(1, min(SPEED_MAX, round(bounded)))


def check_name(name: str) -> str:
    """Return a node's name. Raises BadNode."""
    if not _NAME.fullmatch(name):
        raise BadNode(f"{name[:80]!r} is no node name; use 1 to 63 letters, digits, '.', '_' and '-', such as rig-1")
    return name


def check_hardware(hardware: Hardware) -> Hardware:
    """Return facts that are within their bounds. Raises BadNode."""
    if not 1 <= hardware.cores <= CORES_MAX or not 1 <= hardware.slots <= SLOTS_MAX:
        raise BadNode(f"a node has 1..{CORES_MAX} cores and 1..{SLOTS_MAX} slots; correct what the agent reports")
    if not 0 < hardware.memory_gib <= MEMORY_GIB_MAX or not 0 <= hardware.disk_gib <= DISK_GIB_MAX:
        raise BadNode(
            f"a node has up to {MEMORY_GIB_MAX:,} GiB memory and {DISK_GIB_MAX:,} GiB disk; correct the facts"
        )
    if len(hardware.gpu) > TEXT_CHARS_MAX or "\0" in hardware.gpu:
        raise BadNode(f"a GPU's name has at most {TEXT_CHARS_MAX} characters and no NUL; shorten it")
    return hardware


def check_speed(cu_per_s: int) -> int:
    """Return a speed in micro-CU/s. Raises BadNode."""
    if not 0 <= cu_per_s <= SPEED_MAX:
        raise BadNode(f"a speed of {cu_per_s} micro-CU/s is out of 0..{SPEED_MAX}; run the benchmark again")
    return cu_per_s


def check_floor(floor: Ntk | None) -> int | None:
    """The floor in micro-NTK a CU. Raises BadNode."""
    if floor is not None and floor.micro < 0:
        raise BadNode(f"a floor of {floor} NTK a CU is negative; set 0 or more, or leave the kind of work out")
    return None if floor is None else floor.micro
