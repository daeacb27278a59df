"""The demo's story, told through the public client alone: every step is what any customer could do."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuromation.cli.follow import check_settled
from neuromation.cli.stage import Rig, Stage
from neuromation.client import Client
from neuromation.client import schemas as wire

Say = Callable[[str], None]

FUNDS = "1000"
PROVIDER_FUNDS = "10"
VALIDATION_UNITS = 300
SPLIT_SEED = 2017
TUNE = ("aspect", "pen_width", "jitter", "proportion_spread", "slant_deg", "noise")  # the look of a hand and of a scan
REAL_NAME = "uci-digits-real"

# Four rigs of four owners: who asks less is not always who is faster.
RIGS = (
    Rig("attic-rig", "Ada", cpu_share=1.0, floor_render="0.90", floor_train="1.10"),
    Rig("garage-miner", "Ben", cpu_share=0.9, floor_render="0.70", floor_train="0.95"),
    Rig("lab-server", "Chen", cpu_share=0.8, floor_render="1.20", floor_train="0.80"),
    Rig("old-laptop", "Dana", cpu_share=0.5, floor_render="0.60", floor_train="1.40"),
)


@dataclass(frozen=True)
class Sizes:
    """How much the demo orders; the defaults fit five minutes on two cores."""

    units: int = 8000
    rounds: int = 5
    replicas: int = 2
    steps: int = 120
    segments: int = 2
    batch_size: int = 128
    learning_rate: float = 0.006
    trials: int = 21
    parallel: int = 2
    trial_units: int = 2500
    trial_steps: int = 250


@dataclass(frozen=True)
class RealSet:
    """The real pictures with the split of each: fixed by a permutation, disjoint, named."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    splits: NDArray[np.str_]

    def of(self, split: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        chosen = self.splits == split
        return self.images[chosen], self.labels[chosen]


def real_digits() -> RealSet:
    """The 1,797 real handwritten digits that scikit-learn carries (UCI optdigits, the test part)."""
    from sklearn.datasets import load_digits

    from neuromation.kernel.rng import unit_rng

    data = load_digits()
    count = len(data.target)
    splits = np.full(count, "test", dtype="<U10")
    splits[unit_rng(SPLIT_SEED, 0, "split").permutation(count)[:VALIDATION_UNITS]] = "validation"
    return RealSet(data.images.astype(np.uint8), data.target.astype(np.int64), splits)


@dataclass
class Act:
    """One job of the story: what was asked, how long it took, how it ended, what it said."""

    title: str
    stage: str
    quote: wire.Quote
    job: wire.Job
    start_s: float
    end_s: float
    events: list[wire.JobEvent] = field(default_factory=list)


class Story:
    """Plays the chain on a stage and remembers everything for the report."""

    def __init__(
        self, stage: Stage, *, seed: int, sizes: Sizes, say: Say, on_event: Callable[[str, wire.JobEvent], None]
    ) -> None:
        self.stage = stage
        self.seed = seed
        self.sizes = sizes
        self.acts: list[Act] = []
        self.start = time.monotonic()
        self._say = say
        self._on_event = on_event
        self.operator = Client(stage.endpoint)
        self.operator.log_in(**stage.operator())
        self.customer = Client(stage.endpoint)
        self.owners: dict[str, Client] = {}
        self.real = real_digits()

    def elapsed_s(self) -> float:
        return time.monotonic() - self.start

    def play(self, *, unsafe: bool) -> None:
        """The whole chain, in order."""
        self.gather(unsafe=unsafe)
        self.upload_real()
        data = self.dataset("data set", "digits-default", {})
        model = self.training("training", "reader-default", data.job.result["dataset"])
        self.evaluation("on real digits", model.job.result["model"], "test")
        loop = self.adaptation("the loop")
        data = self.dataset("second data set", "digits-tuned", loop.job.result["best_params"])
        model = self.training("second training", "reader-tuned", data.job.result["dataset"])
        self.evaluation("again on real digits", model.job.result["model"], "test")

    def gather(self, *, unsafe: bool) -> None:
        """Accounts, money, and four nodes that join with keys of their own."""
        self._account(self.customer, "Eve, a customer", "eve@customer.example", ["customer"], FUNDS)
        processes = []
        for rig in RIGS:
            owner = self.owners[rig.name] = Client(self.stage.endpoint)
            token = self._account(
                owner, f"{rig.owner}, a rig owner", f"{rig.owner.lower()}@rigs.example", ["provider"], PROVIDER_FUNDS
            )
            processes.append((rig, self.stage.start_node(rig, token=token, unsafe=unsafe)))
        for rig, process in processes:
            measured = process.until("event", "benchmarked")
            process.until("event", "joined")
            speeds = f"{measured['render_cu_per_s']:.2f} CU/s rendering, {measured['train_cu_per_s']:.2f} training"
            self._say(f"{rig.name} joined: {speeds}; floors {rig.floor_render} and {rig.floor_train} NTK/CU")
        self._await_eligible()

    def _account(self, client: Client, name: str, email: str, roles: list[wire.Role], amount: str) -> str:
        password = secrets.token_urlsafe(18)
        client.register(email=email, password=password, name=name, roles=roles)
        token = client.log_in(email=email, password=password).token
        self.operator.admin_fund(email=email, amount=amount)
        return token

    def _await_eligible(self) -> None:
        while sum(n.state == "eligible" for n in self.operator.nodes()) < len(RIGS):
            time.sleep(0.1)

    def upload_real(self) -> wire.VersionInfo:
        """The small real set goes to the platform, and to no node."""
        from neuromation.synthetic.formats.labelled import Labelled, encode_labelled

        classes = tuple(str(d) for d in range(10))
        data = encode_labelled(Labelled(self.real.images, self.real.labels, self.real.splits, classes, 16))
        uploaded = self.customer.upload(data)
        return self.customer.create_dataset(
            name=REAL_NAME,
            title="1,797 real handwritten digits (UCI optdigits, as scikit-learn carries them)",
            licence="CC-BY-4.0",
            files=[wire.UploadedFile(name="digits.parquet", sha256=uploaded.sha256)],
            source="E. Alpaydin, C. Kaynak: Optical Recognition of Handwritten Digits, UCI, 1998",
        )

    def act(self, title: str, stage: str, order: wire.Order) -> Act:
        """Quote, order, follow to the end."""
        quote = self.customer.quote(order)
        start = self.elapsed_s()
        price = (
            f"about {quote.price_estimate} NTK ({quote.fiat_estimate}), at most {quote.price_max}"
            if quote.tasks > 1
            else "free"
        )
        self._say(f"{title}: {quote.tasks} tasks, {quote.cu:.3g} CU, {price}")
        job = self.customer.order(quote)
        events: list[wire.JobEvent] = []

        def hear(event: wire.JobEvent) -> None:
            events.append(event)
            self._on_event(title, event)

        done = self.customer.wait(job.id, on_event=hear, timeout_s=1800)
        check_settled(done)
        act = Act(title, stage, quote, done, start, self.elapsed_s(), events)
        self.acts.append(act)
        return act

    def dataset(self, title: str, name: str, params: dict[str, Any]) -> Act:
        order = wire.DatasetOrder(generator="digits", params=params, units=self.sizes.units, seed=self.seed, name=name)
        return self.act(title, "data", order)

    def training(self, title: str, name: str, dataset: str) -> Act:
        sizes = self.sizes
        order = wire.TrainingOrder(
            name=name,
            dataset=dataset,
            model="digits-cnn",
            rounds=sizes.rounds,
            replicas=sizes.replicas,
            steps=sizes.steps,
            segments=sizes.segments,
            batch_size=sizes.batch_size,
            learning_rate=sizes.learning_rate,
            seed=self.seed,
        )
        return self.act(title, "training", order)

    def evaluation(self, title: str, model: str, split: str) -> Act:
        return self.act(
            title, "evaluation", wire.EvaluationOrder(name="evaluation", model=model, dataset=REAL_NAME, split=split)
        )

    def adaptation(self, title: str) -> Act:
        sizes = self.sizes
        order = wire.AdaptationOrder(
            name="loop",
            generator="digits",
            real=REAL_NAME,
            split="validation",
            model="digits-cnn",
            tune=list(TUNE),
            trials=sizes.trials,
            parallel=sizes.parallel,
            units=sizes.trial_units,
            steps=sizes.trial_steps,
            batch_size=sizes.batch_size,
            learning_rate=sizes.learning_rate,
            seed=self.seed,
        )
        return self.act(title, "loop", order)

    def close(self) -> None:
        for client in (self.operator, self.customer, *self.owners.values()):
            client.close()
