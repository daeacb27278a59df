"""The wire format: what travels between a platform and its customers and nodes, shared by the API and the client.

Amounts are decimal texts of NTK with at most 6 decimals ("12.5"); work is in computing units (CU, docs/glossary.md);
times are ISO 8601 in UTC.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

PAGE_MAX = 200
UNITS_MAX = 10_000_000
SHARD_UNITS_MAX = 8_192
DEADLINE_MAX_S = 30 * 24 * 3600
LEAVES_MAX = SHARD_UNITS_MAX
OUTPUTS_MAX = 64
COMMITS_MAX = 32
RUNNING_MAX = 256
BLOB_MAX_BYTES = 256 * 2**20
BODY_MAX_BYTES = 8 * 2**20  # of a JSON body

Amount = Annotated[str, Field(pattern=r"^[0-9]{1,9}(\.[0-9]{1,6})?$", examples=["12.5"], description="NTK, >= 0")]
SignedAmount = Annotated[str, Field(pattern=r"^-?[0-9]{1,9}(\.[0-9]{1,6})?$", examples=["-0.25"])]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$", examples=["digits-10k"])]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}(/[A-Za-z0-9][A-Za-z0-9._-]{0,99})?$")]
FilePath = Annotated[  # of what a project left: 8 folders deep at most, below its outputs
    str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}(/[A-Za-z0-9][A-Za-z0-9._-]{0,99}){0,8}$", max_length=200)
]
Ref = Annotated[
    str, Field(pattern=r"^[a-z0-9][a-z0-9._@-]{0,99}$", description="a version's id, or name, or name@number")
]
Seed = Annotated[int, Field(ge=0, le=2**63 - 1)]
Role = Literal["customer", "provider", "vendor", "labeller", "operator"]
WorkKind = Literal["render", "train"]


class Wire(BaseModel):
    """Base of every message: unknown fields are refused, so that a typing error is not silently ignored."""

    model_config = ConfigDict(extra="forbid")


class Answer(BaseModel):
    """Base of every answer: unknown fields are ignored, so that an old client survives a newer platform."""

    model_config = ConfigDict(extra="ignore")


class Problem(Answer):
    """Any error (RFC 9457 in spirit): a sentence for a person, a typed reason for a program."""

    status: int
    reason: str
    message: str
    details: dict[str, Any] = {}


# -- people ---------------------------------------------------------------------------------------------------------


class Registration(Wire):
    email: Annotated[str, Field(min_length=3, max_length=254)]
    password: Annotated[str, Field(min_length=12, max_length=200)]
    name: Annotated[str, Field(min_length=1, max_length=100)]
    roles: Annotated[list[Role], Field(min_length=1, max_length=5)] = ["customer"]


class Credentials(Wire):
    email: Annotated[str, Field(min_length=3, max_length=254)]
    password: Annotated[str, Field(min_length=1, max_length=200)]


class Account(Answer):
    id: str
    email: str
    name: str
    roles: list[str]
    created: datetime


class AccountList(Answer):
    accounts: list[Account]
    next_after: str | None = None


class Session(Answer):
    token: str
    account: Account


class NewToken(Wire):
    name: Annotated[str, Field(min_length=1, max_length=100)]
    ttl_days: Annotated[int, Field(ge=1, le=3650)] | None = None


class Token(Answer):
    id: str
    name: str
    kind: str
    created: datetime
    expires: datetime | None
    token: str | None = Field(default=None, description="shown once, when it is made")


class TokenList(Answer):
    tokens: list[Token]


class Wallet(Answer):
    account: str
    available: Amount = Field(description="free to spend")
    held: Amount = Field(description="held for orders that have not started")
    escrow: Amount = Field(description="in escrow for running jobs")
    fiat: str = Field(description="the available amount in ordinary money, an estimate")


class WalletEntry(Answer):
    at: datetime
    kind: str
    ref: str
    amount: SignedAmount
    balance: SignedAmount


class Statement(Answer):
    entries: list[WalletEntry]


class Funding(Wire):
    email: Annotated[str, Field(min_length=3, max_length=254)]
    amount: Amount


class Finding(Answer):
    check: str
    subject: str
    message: str


class Audit(Answer):
    balanced: bool
    findings: list[Finding]
    transfers: int
    accounts: int
    in_circulation: Amount


# -- goods ----------------------------------------------------------------------------------------------------------


class GeneratorInfo(Answer):
    name: str
    version: str
    title: str
    description: str
    modality: str
    classes: list[str]
    parameters: dict[str, Any] = Field(description="JSON Schema of the parameters, with ranges and defaults")
    cu_per_unit: float
    royalty_per_unit: Amount
    vendor: str
    licence: str


class NewRoyalty(Wire):
    """What the vendor of a generator takes for one unit."""

    royalty_per_unit: Amount


class NewVendor(Wire):
    """Whose a generator is: an account with the role vendor."""

    email: Annotated[str, Field(max_length=254)]


class GeneratorList(Answer):
    generators: list[GeneratorInfo]


class ArchitectureInfo(Answer):
    name: str
    title: str
    input: str
    config: dict[str, Any]
    cu_per_sample: float


class ArchitectureList(Answer):
    architectures: list[ArchitectureInfo]


class FileInfo(Answer):
    name: str
    sha256: str
    size: int
    media_type: str = "application/octet-stream"


class VersionInfo(Answer):
    """One immutable version of a data set or a model."""

    id: str
    item: str
    kind: Literal["generator", "dataset", "model"]
    name: str
    number: int
    title: str
    owner: str
    licence: str
    visibility: Literal["private", "listed"]
    created: datetime
    content_hash: str
    manifest: dict[str, Any]
    lineage: dict[str, Any]
    files: list[FileInfo]


class NewVisibility(Wire):
    """Who may see and download all versions of an item: its owner alone, or everybody with an account."""

    visibility: Literal["private", "listed"]


class VersionList(Answer):
    versions: list[VersionInfo]
    next_after: str | None = None


class UploadedFile(Wire):
    name: FileName
    sha256: Sha256


class NewDataset(Wire):
    """Publishes files uploaded before as a data set of the caller's own, such as a small set of real photos."""

    name: Name
    title: Annotated[str, Field(min_length=1, max_length=200)]
    licence: Annotated[str, Field(min_length=1, max_length=60)] = "proprietary"
    files: Annotated[list[UploadedFile], Field(min_length=1, max_length=1000)]
    source: Annotated[str, Field(max_length=500)] = ""


class Uploaded(Answer):
    sha256: str
    size: int


# -- orders ---------------------------------------------------------------------------------------------------------


class _Order(Wire):
    name: Name = Field(description="name of the thing that comes out; an existing name gets a new version")
    deadline_s: Annotated[int, Field(ge=10, le=DEADLINE_MAX_S)] = 3600
    reserve_per_cu: Amount | None = Field(
        default=None, description="the most you pay for one CU; default: a quarter above the estimate"
    )


class DatasetOrder(_Order):
    """Units of a generator, made by at least `nodes_min` nodes, so that the loss of one does not stall the order."""

    kind: Literal["dataset"] = "dataset"
    generator: Name
    params: dict[str, Any] = {}
    units: Annotated[int, Field(ge=1, le=UNITS_MAX)]
    seed: Seed = 0
    shard_units: Annotated[int, Field(ge=1, le=SHARD_UNITS_MAX)] | None = None
    nodes_min: Annotated[int, Field(ge=1, le=64)] = 2


class _Training(_Order):
    model: Name = Field(description="an architecture of the zoo")
    config: dict[str, Any] = {}
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 64
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 0.003
    seed: Seed = 0


class TrainingOrder(_Training):
    kind: Literal["training"] = "training"
    dataset: Ref
    rounds: Annotated[int, Field(ge=1, le=1000)] = 6
    replicas: Annotated[int, Field(ge=1, le=64)] = 2
    steps: Annotated[int, Field(ge=1, le=100_000)] = Field(
        120, description="local steps a replica makes in a round (H)"
    )
    segments: Annotated[int, Field(ge=1, le=16)] = Field(
        default=4, description="checkpoints a round, each replayable alone"
    )


class AdaptationOrder(_Training):
    """The loop: trials of generator parameters, each judged on a real validation split the nodes never see.

    A trial is judged by the cross-entropy of its model on the split: far less noisy than the share of right answers where
    the split is small. All trials of the search share their seeds, so that they differ by their parameters alone.
    """

    kind: Literal["adaptation"] = "adaptation"
    generator: Name
    params: dict[str, Any] = {}
    real: Ref
    split: Annotated[str, Field(min_length=1, max_length=40)] = "validation"
    tune: Annotated[list[str], Field(max_length=64)] = Field(
        default=[], description="parameters to tune; empty: all numbers"
    )
    reach: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.35, description="how far from its start a parameter may go, as a part of its whole range"
    )
    trials: Annotated[int, Field(ge=2, le=1000)] = 12
    parallel: Annotated[int, Field(ge=1, le=64)] = 2
    units: Annotated[int, Field(ge=10, le=100_000)] = 2000
    steps: Annotated[int, Field(ge=1, le=100_000)] = 300


class EvaluationOrder(_Order):
    """Measures a model on a split of a data set, on the platform's own machine: real data stay there. Free of charge."""

    kind: Literal["evaluation"] = "evaluation"
    model: Ref
    dataset: Ref
    split: Annotated[str, Field(max_length=40)] = "test"


ParameterName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$")]
ParameterText = Annotated[str, Field(max_length=4096)]


class ProjectOrder(_Order):
    """Runs a model project in any framework in a node's sandbox, and once more on another owner's node.

    Its outputs become a model of the catalogue, when the metrics of both runs agree.
    """

    kind: Literal["project"] = "project"
    archive: Sha256 = Field(description="a .zip or .tar of the project, uploaded before by PUT /v1/uploads/SHA256")
    entry: ParameterName | None = Field(default=None, description="default: `train`, `main`, or the only one")
    params: Annotated[dict[ParameterName, bool | int | float | ParameterText], Field(max_length=100)] = {}
    dataset: Ref | None = Field(default=None, description="a generated data set, as the project's inputs")
    cu: Annotated[float, Field(ge=0.01, le=100_000, allow_inf_nan=False)] = Field(
        default=1.0, description="work bought; a run that takes twice the time of so many CU is stopped"
    )
    memory_mib: Annotated[int, Field(ge=64, le=65_536)] = 4096
    tolerance: Annotated[float, Field(ge=0, le=0.5)] = Field(
        default=0.01, description="by how much a metric may differ between the runs, as a part of the larger value"
    )


Order = Annotated[
    DatasetOrder | TrainingOrder | AdaptationOrder | EvaluationOrder | ProjectOrder, Field(discriminator="kind")
]


class QuoteRequest(Wire):
    order: Order


class PriceLine(Answer):
    what: str
    amount: Amount


class Quote(Answer):
    id: str
    kind: str
    expires: datetime
    tasks: int
    cu: float
    price_per_cu: Amount = Field(description="estimate, from the floors of the nodes that could do it now")
    price_estimate: Amount
    price_max: Amount = Field(description="held when you order; what is not used flows back")
    fiat_estimate: str
    lines: list[PriceLine]
    nodes_eligible: int
    duration_estimate_s: float


class NewJob(Wire):
    quote: str


class TaskCounts(Answer):
    pending: int = 0
    leased: int = 0
    committed: int = 0
    accepted: int = 0
    rejected: int = 0
    failed: int = 0


class BillLine(Answer):
    account: str = Field(description="who received it: a node, a vendor, the commission, the customer (refund)")
    what: str
    amount: Amount
    work: str = Field(default="", description="what it paid for, such as '12 tasks, 6 CU'")


class Bill(Answer):
    held: Amount
    lines: list[BillLine]
    paid: Amount = Field(description="held less refunded")
    balanced: bool = Field(description="the lines add up to what was held, to the micro-NTK")


class Job(Answer):
    id: str
    kind: str
    name: str
    state: str
    reason: str = ""
    message: str = ""
    progress: float = Field(default=0, description="0..1")
    stage: str = ""
    tasks: TaskCounts = TaskCounts()
    created: datetime
    finished: datetime | None = None
    price_max: Amount
    price_per_cu: Amount | None = Field(default=None, description="the clearing price of its auction")
    audits: dict[str, int] = {}
    bill: Bill | None = None
    result: dict[str, Any] = {}


class JobList(Answer):
    jobs: list[Job]
    next_after: str | None = None


class JobEvent(Answer):
    seq: int
    at: datetime
    type: str
    data: dict[str, Any]


# -- nodes ----------------------------------------------------------------------------------------------------------


class Hardware(Wire):
    cores: Annotated[int, Field(ge=1, le=1024)]
    memory_gib: Annotated[float, Field(gt=0, le=16_384)]
    disk_gib: Annotated[float, Field(ge=0, le=1_000_000)]
    gpu: Annotated[str, Field(max_length=100)] = ""
    isolation: Literal["bubblewrap", "gvisor", "none"]
    agent_version: Annotated[str, Field(max_length=40)] = ""


class NodeJoin(Wire):
    name: Name
    hardware: Hardware
    floor_render: Amount = Field(description="NTK per CU, the least the node works for")
    floor_train: Amount
    slots: Annotated[int, Field(ge=1, le=256)] = 1


class NodeInfo(Answer):
    id: str
    name: str
    owner: str
    state: str
    reason: str = ""
    render_cu_per_s: float
    train_cu_per_s: float
    floor_render: Amount
    floor_train: Amount
    slots: int
    isolation: str
    stake: Amount
    earned: Amount
    checks_passed: int
    checks_failed: int
    last_seen: datetime | None


class NodeList(Answer):
    nodes: list[NodeInfo]


class Joined(Answer):
    node: NodeInfo
    token: str = Field(description="the node's own key; it can do nothing but a node's work")


class Benchmark(Wire):
    render_cu_per_s: Annotated[float, Field(gt=0, le=1e6)]
    train_cu_per_s: Annotated[float, Field(gt=0, le=1e6)]


class Poll(Wire):
    running: Annotated[list[str], Field(max_length=RUNNING_MAX)] = []
    free_slots: Annotated[int, Field(ge=0, le=256)] = 0
    tasks_max: Annotated[int, Field(ge=0, le=32)] = Field(default=8, description="leases wanted at most")
    wait_s: Annotated[float, Field(ge=0, le=20)] = 5
    missed: bool = Field(default=False, description="an answer may be lost: all leases but `running` go back at once")
    done: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(
        default={}, max_length=256, description="how far tasks among `running` are, 0..1; shown to the customer"
    )


class AuctionNotice(Answer):
    id: str
    kind: WorkKind
    tasks: int
    cu_per_task: float
    deadline_s: int
    memory_gib: float
    closes: datetime
    reserve_per_cu: Amount


class InputInfo(Answer):
    sha256: str
    size: int


class TaskLease(Answer):
    id: str
    job: str
    kind: Literal["generate", "train", "trial", "project", "audit"]
    attempt: int
    spec: dict[str, Any]
    inputs: dict[str, InputInfo]
    cu: float
    lease_s: float


class PollAnswer(Answer):
    state: str
    auctions: list[AuctionNotice]
    leases: list[TaskLease]
    cancelled: list[str] = Field(description="tasks among `running` that are no longer this node's")


class NewBid(Wire):
    auction: str
    price_per_cu: Amount
    capacity_tasks: Annotated[int, Field(ge=1, le=1_000_000)]


class OutputRef(Wire):
    sha256: Sha256
    size: Annotated[int, Field(ge=0, le=BLOB_MAX_BYTES)]


class Commit(Wire):
    """What a node says it made. For a generate, train, trial or project task: all leaves in order, and their Merkle root.
    For an audit: the leaves it regenerated, in the order of the task's `units`."""

    task: str
    attempt: Annotated[int, Field(ge=1, le=1000)]
    root: Sha256
    leaves: Annotated[list[Sha256], Field(max_length=LEAVES_MAX)]
    outputs: Annotated[dict[FilePath, OutputRef], Field(max_length=OUTPUTS_MAX)] = {}
    metrics: Annotated[dict[str, float], Field(max_length=32)] = {}
    cpu_s: Annotated[float, Field(ge=0, le=1e7)] = 0


class Commits(Wire):
    commits: Annotated[list[Commit], Field(min_length=1, max_length=COMMITS_MAX)]


class Committed(Answer):
    accepted: list[str]
    refused: dict[str, str] = Field(description="task id -> why")


class TaskFailure(Wire):
    task: str
    attempt: Annotated[int, Field(ge=1, le=1000)]
    reason: Literal[
        "out-of-memory", "task-crashed", "task-timed-out", "input-missing", "bad-spec", "training-diverged", "shutdown"
    ]
    message: Annotated[str, Field(max_length=2000)] = ""


class NewStake(Wire):
    amount: Amount


class PricePoint(Answer):
    at: datetime
    kind: WorkKind
    price_per_cu: Amount
    tasks: int
    nodes: int


class PriceIndex(Answer):
    prices: list[PricePoint]


class Health(Answer):
    status: Literal["ok"]
    version: str
