"""Jobs, tasks, awards and events as plain facts, and the rules of their states; knows no database and no clock."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from neuromation.jobs.errors import BadOrder, IllegalMove, OverLimit
from neuromation.kernel.hashing import canonical_json
from neuromation.kernel.money import ZERO, Ntk

Json = dict[str, Any]

KEY_CHARS_MAX = 100
SPEC_BYTES_MAX = 256 * 1024
RESULT_BYTES_MAX = 1024 * 1024
REASON_CHARS_MAX = 500
TASKS_PER_CALL_MAX = 10_000
TASKS_PER_JOB_MAX = 100_000
QUOTAS_PER_CALL_MAX = 2_000
LEASE_MAX = 32
LEASE_S_MAX = 3_600
LEASE_TOTAL_S_MAX = 6 * 3_600  # however often it is extended
ATTEMPTS_MAX = 20
FORGIVEN_MAX = 20  # a task that outlives every node that takes it may well be what kills them
COMMITS_PER_CALL_MAX = 256
COMMIT_BYTES_MAX = 4 * 1024 * 1024
OUTPUTS_MAX = 64
LEAVES_MAX = 50_000
PAGE_MAX = 1_000
EVENT_BYTES_MAX = 64 * 1024
EVENTS_PAGE_MAX = 500
BACKOFF_S_MAX = 60

DOORBELL = "doorbell"  # the NOTIFY channel

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_WORD = re.compile(r"[a-z][a-z0-9_.-]{0,49}", re.ASCII)


class JobKind(StrEnum):
    DATASET = "dataset"
    TRAINING = "training"
    ADAPTATION = "adaptation"
    PROJECT = "project"
    EVALUATION = "evaluation"  # on the platform itself: no tasks, no auction


class JobState(StrEnum):
    QUOTED = "quoted"
    FUNDED = "funded"
    BIDDING = "bidding"
    RUNNING = "running"
    VERIFYING = "verifying"
    DELIVERING = "delivering"
    SETTLED = "settled"
    REFUNDED = "refunded"
    CANCELLED = "cancelled"


_S = JobState
_ENDS = frozenset({_S.REFUNDED, _S.CANCELLED})
# From running and verifying a job may go back to bidding: lost nodes and rejected work are bought again.
JOB_MOVES: Mapping[JobState, frozenset[JobState]] = {
    _S.QUOTED: frozenset({_S.FUNDED}) | _ENDS,
    _S.FUNDED: frozenset({_S.BIDDING, _S.RUNNING}) | _ENDS,
    _S.BIDDING: frozenset({_S.RUNNING}) | _ENDS,
    _S.RUNNING: frozenset({_S.BIDDING, _S.VERIFYING}) | _ENDS,
    _S.VERIFYING: frozenset({_S.RUNNING, _S.BIDDING, _S.DELIVERING}) | _ENDS,
    _S.DELIVERING: frozenset({_S.SETTLED, _S.REFUNDED}),
    _S.SETTLED: frozenset(),
    _S.REFUNDED: frozenset(),
    _S.CANCELLED: frozenset(),
}
FINAL_STATES = frozenset(state for state, ways in JOB_MOVES.items() if not ways)


def check_moves(from_states: Collection[JobState], to_state: JobState) -> None:
    """Refuse a move that the table of moves does not know. Raises IllegalMove."""
    for state in from_states:
        if to_state not in JOB_MOVES[state]:
            raise IllegalMove(from_state=state, to_state=to_state, allowed=JOB_MOVES[state])


class TaskKind(StrEnum):
    GENERATE = "generate"
    TRAIN = "train"
    TRIAL = "trial"
    PROJECT = "project"
    AUDIT = "audit"


class TaskState(StrEnum):
    PENDING = "pending"
    LEASED = "leased"
    COMMITTED = "committed"
    ACCEPTED = "accepted"
    SETTLED = "settled"
    FAILED = "failed"  # every attempt was used up
    CANCELLED = "cancelled"  # its job ended first


class BreakReason(StrEnum):
    """Why a lease ended without a commit, or a commit without acceptance."""

    LEASE_EXPIRED = "lease-expired"
    SHUTDOWN = "shutdown"  # the node was told to stop
    NODE_LOST = "node-lost"
    NODE_BANNED = "node-banned"
    INPUT_UNAVAILABLE = "input-unavailable"
    TASK_ERROR = "task-error"  # the task's own code raised
    TIMED_OUT = "timed-out"
    OUT_OF_MEMORY = "out-of-memory"
    OUT_OF_DISK = "out-of-disk"
    UNSUPPORTED = "unsupported"  # unknown generator, model or version on that node
    SANDBOX_REFUSED = "sandbox-refused"
    OUTPUT_MISSING = "output-missing"
    WRONG_RESULT = "wrong-result"  # an audit found other units
    POOR_RESULT = "poor-result"  # a training delta that makes the model worse


# These end an attempt because of the node, not of the task: they do not use up the task's attempts.
FORGIVEN_REASONS = frozenset(
    {
        BreakReason.LEASE_EXPIRED,
        BreakReason.SHUTDOWN,
        BreakReason.NODE_LOST,
        BreakReason.NODE_BANNED,
    }
)
# After these the same node would only fail again, so it is kept away from the task and loses that part of its award.
EXCLUDING_REASONS = frozenset(
    {BreakReason.OUT_OF_MEMORY, BreakReason.OUT_OF_DISK, BreakReason.UNSUPPORTED, BreakReason.SANDBOX_REFUSED}
)


class CommitStatus(StrEnum):
    COMMITTED = "committed"
    REPEATED = "repeated"  # the same commit again: nothing changed
    STALE = "stale"  # the lease has gone to somebody else, or the job has ended
    CONFLICT = "conflict"  # this attempt was committed with another body
    UNKNOWN = "unknown"  # there is no such task


@dataclass(frozen=True, slots=True)
class Quote:
    id: str
    customer: str
    request: Json
    answer: Json
    created_at: datetime
    expires_at: datetime

    def is_expired(self, now: datetime) -> bool:
        return now >= self.expires_at


@dataclass(frozen=True, slots=True)
class Job:
    id: str
    kind: JobKind
    customer: str
    state: JobState
    reason: str
    spec: Json
    plan: Json
    progress: Json
    price_max: Ntk
    quote_id: str | None
    quote: Json
    step: int
    failures: int
    next_step_at: datetime | None
    created_at: datetime
    finished_at: datetime | None
    result: Json | None


@dataclass(frozen=True, slots=True)
class NewTask:
    """A task to be enqueued. `(kind, round, seq)` is unique within its job.

    `cu` counts micro-CU. `needs_quota=False` opens the task to every node and owner that is not excluded (audits);
    `pinned_to` reserves it for one node. Higher `priority` goes first.
    """

    kind: TaskKind
    seq: int
    spec: Json
    cu: int
    memory_gib: float = 1.0
    inputs: Json = field(default_factory=dict)
    round: int = 0
    group: str = ""
    priority: int = 0
    attempts_max: int = 5
    pinned_to: str | None = None
    excluded_nodes: tuple[str, ...] = ()
    excluded_owners: tuple[str, ...] = ()
    needs_quota: bool = True


@dataclass(frozen=True, slots=True)
class Task:
    """`commit` is the body committed by the present attempt, None before; `price` what its award pays for it."""

    id: str
    job_id: str
    kind: TaskKind
    round: int
    seq: int
    group: str
    state: TaskState
    reason: str
    attempt: int
    attempts_max: int
    priority: int
    needs_quota: bool
    pinned_to: str | None
    node_id: str | None
    price: Ntk
    cu: int
    memory_gib: float
    lease_expires_at: datetime | None
    excluded_nodes: tuple[str, ...]
    excluded_owners: tuple[str, ...]
    spec: Json
    inputs: Json
    created_at: datetime
    leased_at: datetime | None
    committed_at: datetime | None
    finished_at: datetime | None
    commit: Json | None = None


def audit_group(task_id: str, attempt: int) -> str:
    """The group of the audits of one attempt of a task."""
    return f"{task_id}/{attempt}"


@dataclass(frozen=True, slots=True)
class NewQuota:
    """An award: this node may take `tasks` tasks of the job at `price_per_task` each."""

    node_id: str
    tasks: int
    price_per_task: Ntk = ZERO
    auction_id: str = ""


@dataclass(frozen=True, slots=True)
class Quota:
    job_id: str
    node_id: str
    auction_id: str
    awarded: int
    taken: int
    price_per_task: Ntk
    is_open: bool


@dataclass(frozen=True, slots=True)
class Commit:
    """What a node binds itself to before it knows what will be audited.

    root: Merkle root over the leaves, 64 hex digits; "" for an audit's answer.
    leaves: the hashes in order, or {index: hash} for an audit's answer.
    outputs: name -> {"sha256", "size"} of each uploaded blob.
    """

    task_id: str
    attempt: int
    root: str
    leaves: list[str] | dict[str, str]
    outputs: dict[str, Json]
    metrics: Json = field(default_factory=dict)

    def body(self) -> bytes:
        """The one spelling of what is committed. Raises BadOrder or OverLimit."""
        if self.root and not _SHA256.fullmatch(self.root):
            raise BadOrder(f"the root of task {self.task_id} is no sha256; send 64 lower-case hex digits")
        check_count("leaves", len(self.leaves), LEAVES_MAX)
        check_count("outputs", len(self.outputs), OUTPUTS_MAX)
        body = {"root": self.root, "leaves": self.leaves, "outputs": self.outputs, "metrics": self.metrics}
        return json_of("a commit", body, COMMIT_BYTES_MAX)


@dataclass(frozen=True, slots=True)
class CommitOutcome:
    task_id: str
    status: CommitStatus
    job_id: str | None = None


@dataclass(frozen=True, slots=True)
class Delivered:
    """A task accepted or settled just now: who is owed what."""

    task_id: str
    job_id: str
    node_id: str
    attempt: int
    price: Ntk
    cu: int


@dataclass(frozen=True, slots=True)
class Earning:
    """What a node did in a job: accepted tasks of one kind, their work in micro-CU, what their awards pay for them."""

    node_id: str
    kind: TaskKind
    tasks: int
    cu: int
    price: Ntk


@dataclass(frozen=True, slots=True)
class Returned:
    """A task taken back from a node; its state is pending, or failed when its attempts are used up."""

    task_id: str
    job_id: str
    node_id: str
    attempt: int
    state: TaskState


@dataclass(frozen=True, slots=True)
class Event:
    seq: int
    job_id: str
    at: datetime
    type: str
    data: Json


def check_count(what: str, met: int, maximum: int) -> None:
    """Raises OverLimit when `met` is over `maximum`."""
    if met > maximum:
        raise OverLimit(what, met=met, maximum=maximum)


def check_word(what: str, text: str) -> str:
    """Return a short typed word such as an event's type. Raises BadOrder."""
    if not _WORD.fullmatch(text):
        raise BadOrder(f"{what} {text[:60]!r} must be 1 to 50 of a-z, 0-9, '_', '.' and '-', starting with a letter")
    return text


def json_of(what: str, value: Json | list[Any], bytes_max: int) -> bytes:
    """The canonical JSON of `value`. Raises BadOrder when it has none (NaN, say), OverLimit when it is too long."""
    try:
        data = canonical_json(value)
    except (TypeError, ValueError) as error:
        raise BadOrder(
            f"{what} must be plain JSON without NaN or infinity ({error}); send numbers, texts and lists"
        ) from None
    if b"\\u0000" in data:
        raise BadOrder(f"{what} holds the character NUL, which the database cannot keep; leave it out")
    check_count(f"bytes of {what}", len(data), bytes_max)
    return data


def check_task(task: NewTask) -> NewTask:
    """Return a task whose every number is within its bounds. Raises BadOrder or OverLimit."""
    if task.seq < 0 or task.round < 0 or task.cu < 0 or not 0 < task.memory_gib <= 4096:
        raise BadOrder(f"task {task.seq}: seq, round and cu must be >= 0 and memory_gib in (0, 4096]; correct the plan")
    if not 1 <= task.attempts_max <= ATTEMPTS_MAX or not -100 <= task.priority <= 100:
        raise BadOrder(
            f"task {task.seq}: attempts_max must be 1..{ATTEMPTS_MAX} and priority -100..100; correct the plan"
        )
    check_count("characters of a group key", len(task.group), KEY_CHARS_MAX)
    json_of("a task's spec", task.spec, SPEC_BYTES_MAX)
    json_of("a task's inputs", task.inputs, SPEC_BYTES_MAX)
    return task


def backoff_s(failures: int) -> int:
    """Seconds to wait before a step that broke `failures` times in a row: 1, 2, 4, ... at most BACKOFF_S_MAX."""
    return int(min(BACKOFF_S_MAX, 2 ** min(failures - 1, 30)))
