"""A platform and its nodes as real processes for the tests; whatever they print ends up in the message of a failure."""

from __future__ import annotations

import ctypes
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from neuromation.client import Client
from neuromation.client import schemas as wire
from neuromation.kernel.errors import NeuromationError
from neuromation.kernel.money import Ntk, total

T = TypeVar("T")

POLICY = {"bidding_s": 2, "lease_s": 5, "node_silent_s": 4, "node_dead_s": 8, "attempts_per_minute": 10_000}
PATIENCE_S = 300.0
ENDED = ("settled", "refunded", "cancelled")
COMMAND = [sys.executable, "-m", "neuromation.cli.main"]
INJECTED = Path(__file__).with_name("injected")  # its sitecustomize.py arms failpoints while a process runs
CHEAT = [sys.executable, str(Path(__file__).with_name("cheating_agent.py"))]


def until(
    what: str, look: Callable[[], T | None], *, patience_s: float = PATIENCE_S, told: Callable[[], str] = str
) -> T:
    """What `look` gives as soon as it gives something; `told` says what was met when it never does."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.1)  # polling, with a deadline
    raise AssertionError(f"waited {patience_s:g} s for {what}\n{told()}")


def _end_with_parent() -> None:
    """Ask the kernel to end this process when the test run dies, however it dies (prctl(2): PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


class Child:
    """A process in a group of its own, so that it and all it started can be killed together."""

    def __init__(self, arguments: list[str], *, log: Path, environment: dict[str, str]) -> None:
        self.log = log
        with log.open("ab") as out:
            self.popen = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=environment,
                start_new_session=True,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - no threads are started before
            )

    def said(self) -> str:
        """All that it printed, on stdout and stderr."""
        return self.log.read_text(errors="replace")

    def messages(self, event: str) -> list[dict[str, Any]]:
        """The JSON lines that tell of one kind of event."""
        found = []
        for line in self.said().splitlines():
            try:
                message = json.loads(line)
            except ValueError:
                continue
            if isinstance(message, dict) and message.get("event") == event:
                found.append(message)
        return found

    def kill(self) -> None:
        """SIGKILL to the whole group: nobody gets to tidy up."""
        try:
            os.killpg(self.popen.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.popen.wait()

    def stop(self) -> None:
        """End it, gently first; nothing of its group is left."""
        if self.popen.poll() is None:
            self.popen.terminate()
            try:
                self.popen.wait(20)
            except subprocess.TimeoutExpired:
                pass
        self.kill()


class Rig:
    """A platform with an operator, a customer, and nodes of different owners. Ends every process when it is left."""

    def __init__(
        self, folder: Path, *, policy: dict[str, Any] | None = None, environment: dict[str, str] | None = None
    ) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.nodes: dict[str, Child] = {}
        self.ids: dict[str, str] = {}
        self.owners: dict[str, Client] = {}
        self.tokens: dict[str, str] = {}
        self.port = 0
        self.data = Path(tempfile.mkdtemp(prefix="nm-"))  # short: the path of PostgreSQL's socket has a limit
        self.armed = folder / "failpoints"
        self.armed.mkdir()
        self._environment = {
            **os.environ, "NEUROMATION_POLICY": json.dumps({**POLICY, **(policy or {})}), "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(INJECTED), "FAILPOINTS": str(self.armed), **(environment or {}),
        }  # fmt: skip
        self.server = self._serve()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.operator = Client(self.endpoint, retries=6)
        self.operator.log_in(**json.loads((self.data / "operator.json").read_text()))
        self.customer, _ = self._person("customer", "1000")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            error.add_note(self.story())
        self.close()

    # ---- processes ----------------------------------------------------------------------------------

    def _serve(self) -> Child:
        command = [
            *COMMAND,
            "serve",
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
            "--data",
            str(self.data),
            "--json",
        ]
        log = self.folder / f"platform-{secrets.token_hex(2)}.log"
        child = Child(command, log=log, environment=self._environment)

        def ready() -> str | None:
            assert child.popen.poll() is None, f"the platform ended:\n{child.said()}"
            lines = [line for line in child.said().splitlines() if line.startswith('{"endpoint"')]
            return json.loads(lines[0])["endpoint"] if lines else None

        address = until("the platform to start", ready, told=child.said)
        self.port = int(address.rsplit(":", 1)[1])
        return child

    def restart(self) -> None:
        """Kill the platform with all its processes, database included, and start it again on the same data and port."""
        self.server.kill()
        self._kill_database()
        self.server = self._serve()

    def _kill_database(self) -> None:
        """The embedded PostgreSQL lives in a session of its own, so it survives the kill of the platform's group."""
        pid_file = self.data / "postgres" / "postmaster.pid"
        if pid_file.exists():
            try:
                os.kill(int(pid_file.read_text().split()[0]), signal.SIGKILL)
            except (ProcessLookupError, ValueError):
                pass

    def start_node(
        self, name: str, *, floor: str = "1", floor_train: str = "1", lie: str = "", owner: str = "", unsafe: bool = True,
        cpu_share: float = 1.0,
    ) -> Child:  # fmt: skip
        """Start an agent; with `lie`, the cheating one."""
        who = owner or name
        if who not in self.owners:
            self.owners[who], self.tokens[who] = self._person("provider", "20")
        program = CHEAT if lie else COMMAND
        command = [*program, "node", "start", "--endpoint", self.endpoint, "--token", self.tokens[who], "--name", name]
        command += [
            "--json",
            "--floor",
            floor,
            "--floor-train",
            floor_train,
            "--stake",
            "5",
            "--cpu-share",
            str(cpu_share),
        ]
        command += ["--unsafe-no-sandbox"] if unsafe else []
        environment = {**self._environment, "CHEAT": lie}
        self.nodes[name] = Child(command, log=self.folder / f"{name}.log", environment=environment)
        return self.nodes[name]

    def await_nodes(self, *names: str) -> None:
        """Wait until these nodes are eligible, and learn their ids."""

        def able() -> bool:
            for name in names:
                assert self.nodes[name].popen.poll() is None, f"{name} ended:\n{self.nodes[name].said()}"
            found = {n.name: n for n in self.operator.nodes()}
            self.ids.update({n.name: n.id for n in found.values()})
            return all(name in found and found[name].state == "eligible" for name in names)

        until(f"nodes {names} to be eligible", able, told=self.story)

    def close(self) -> None:
        """Stop everything, and leave nothing behind."""
        for node in self.nodes.values():
            node.popen.terminate()
        for child in (*self.nodes.values(), self.server):
            child.stop()
        self._kill_database()
        for client in (self.operator, self.customer, *self.owners.values()):
            client.close()
        subprocess.run(["rm", "-rf", str(self.data)], check=True)

    def story(self) -> str:
        """The end of everything that every process said."""
        logs = sorted(self.folder.glob("*.log"))
        return "\n".join(f"---- {log.name}\n{log.read_text(errors='replace')[-4000:]}" for log in logs)

    # ---- people and orders --------------------------------------------------------------------------

    def _person(self, role: wire.Role, amount: str) -> tuple[Client, str]:
        client = Client(self.endpoint, retries=6)
        email, password = f"{secrets.token_hex(4)}@example.org", "a long password"
        client.register(email=email, password=password, name="A person", roles=[role])
        token = client.log_in(email=email, password=password).token
        self.operator.admin_fund(email=email, amount=amount)
        return client, token

    def order(self, **fields: Any) -> wire.Job:
        """Quote and order."""
        order = wire.QuoteRequest.model_validate({"order": fields}).order
        return self.customer.order(self.customer.quote(order))

    def dataset(self, name: str, *, units: int = 80, shard_units: int = 10, **fields: Any) -> wire.Job:
        return self.order(
            kind="dataset", generator="digits", units=units, shard_units=shard_units, seed=11, name=name, **fields
        )

    def training(self, name: str, dataset: str, **fields: Any) -> wire.Job:
        small = {"rounds": 2, "replicas": 2, "steps": 8, "segments": 2, "batch_size": 16}
        return self.order(kind="training", model="digits-cnn", dataset=dataset, name=name, **small, **fields)

    def ended(self, job: wire.Job, *, patience_s: float = PATIENCE_S) -> wire.Job:
        """The job once it has ended, however often the platform is away meanwhile."""

        def look() -> wire.Job | None:
            try:
                now = self.customer.job(job.id)
            except NeuromationError:
                return None
            return now if now.state in ENDED else None

        return until(f"job {job.name} to end", look, patience_s=patience_s, told=lambda: self.about(job) + self.story())

    def reached(self, job: wire.Job, reached: Callable[[wire.Job], bool], what: str) -> wire.Job:
        """The job as soon as it is so far."""

        def look() -> wire.Job | None:
            now = self.customer.job(job.id)
            assert now.state not in ENDED, f"the job ended before {what}: {now}"
            return now if reached(now) else None

        return until(what, look, told=lambda: self.about(job) + self.story())

    def about(self, job: wire.Job) -> str:
        """The job and its events."""
        lines = [f"{e.type} {e.data}" for e in self.events(job)]
        return f"{self.customer.job(job.id)}\n" + "\n".join(lines[-60:]) + "\n"

    def events(self, job: wire.Job, kind: str = "") -> list[wire.JobEvent]:
        """What happened so far."""
        found = []
        try:
            for event in self.customer.events(job.id, timeout_s=2):
                found.append(event)
        except NeuromationError:
            pass  # the job goes on; what came so far is told
        return [e for e in found if kind in ("", e.type)]

    def arm(self, failpoint: str) -> Path:
        """Let the next process that reaches a failpoint die there; the file is gone when one has."""
        marker = self.armed / failpoint
        marker.touch()
        return marker

    def node(self, name: str) -> wire.NodeInfo:
        return self.operator.node(self.ids[name])

    # ---- what must hold -----------------------------------------------------------------------------

    def check_books(self) -> None:
        """The audit of the live platform finds nothing."""
        found = self.operator.admin_audit()
        assert found.balanced and not found.findings, found

    def check_bill(self, job: wire.Job) -> None:
        """What was held is spent or given back, to the micro-NTK."""
        if job.bill is None:  # nothing was ever taken
            assert job.state != "settled", job
            return
        whole = total([Ntk.parse(line.amount) for line in job.bill.lines])
        assert job.bill.balanced and whole == Ntk.parse(job.bill.held) == Ntk.parse(job.price_max), job.bill

    def wallet_total(self) -> Ntk:
        """All that the customer has, wherever it is."""
        wallet = self.customer.wallet()
        return total([Ntk.parse(wallet.available), Ntk.parse(wallet.held), Ntk.parse(wallet.escrow)])

    def check_dataset(self, job: wire.Job, *, units: int) -> None:
        """Every unit once, in order, and each the very one that the generator makes; on the downloaded files."""
        import numpy as np

        from neuromation.synthetic.formats.shard import read_shard
        from neuromation.synthetic.verify import verify_dataset

        assert job.state == "settled", self.about(job)
        target = self.folder / f"download-{job.id}"
        self.customer.download(self.customer.dataset(job.result["dataset"]), target)
        files = sorted(target.rglob("*.parquet"))
        indices = [unit.index for file in files for unit in read_shard(file.read_bytes()).units]
        assert indices == list(range(units)), f"units missing, double or out of order: {indices}"
        report = verify_dataset(
            target, sample=units, rng=np.random.default_rng(1), published_root=job.result["merkle_root"]
        )
        assert report.ok, report.failures
