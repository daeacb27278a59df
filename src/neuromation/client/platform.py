"""A platform as seen by its customers, vendors, providers and operators; one method a question, one answer a type."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from neuromation.client import schemas as wire
from neuromation.client.errors import checking
from neuromation.client.events import job_events
from neuromation.client.files import download_blob, download_file, place_of, upload_blob
from neuromation.client.transport import Transport, segment
from neuromation.kernel.errors import NotFound

OnEvent = Callable[[wire.JobEvent], None]
OnBytes = Callable[[int], None]
AnyOrder = wire.DatasetOrder | wire.TrainingOrder | wire.AdaptationOrder | wire.EvaluationOrder | wire.ProjectOrder


class Client:
    """A connection to a platform, closed by `close` or by leaving a `with` block.

    Every method raises kinds of `NeuromationError`: NotFound, Conflict, Forbidden, Invalid and their subclasses as the
    platform says, with its `reason` and `details`; Unreachable or ServerFault (client.errors) when it cannot say.

    Args:
        endpoint: the platform's address, such as "http://localhost:8000".
        token: a token of `log_in` or `create_token`; None for `register` and `log_in` only.
        timeout_s: for connecting, and for each silence while reading or writing.
        retries: repeats at most of one request, where a repeat can do no harm.
        sleep: waits some seconds; tests pass their own.
    """

    def __init__(
        self,
        endpoint: str,
        token: str | None = None,
        *,
        timeout_s: float = 30,
        retries: int = 3,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._transport = Transport(endpoint, token, timeout_s=timeout_s, retries=retries, sleep=sleep)
        self.endpoint = self._transport.endpoint

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    # -- people -------------------------------------------------------------------------------------------------------

    def register(
        self, *, email: str, password: str, name: str, roles: Sequence[wire.Role] = ("customer",)
    ) -> wire.Account:
        """Open an account; log in afterwards."""
        with checking():
            message = wire.Registration(email=email, password=password, name=name, roles=list(roles))
        return self._transport.ask(wire.Account, "POST", "/accounts", message, idempotent=False)

    def log_in(self, *, email: str, password: str) -> wire.Session:
        """Trade an email and a password for a token, which this client uses from now on."""
        with checking():
            message = wire.Credentials(email=email, password=password)
        session = self._transport.ask(wire.Session, "POST", "/sessions", message, idempotent=True)
        self._transport.token = session.token
        return session

    def me(self) -> wire.Account:
        """The account of the token."""
        return self._transport.get(wire.Account, "/me")

    def tokens(self) -> list[wire.Token]:
        """The caller's tokens, without their texts."""
        return self._transport.get(wire.TokenList, "/tokens").tokens

    def create_token(self, name: str, *, ttl_days: int | None = None) -> wire.Token:
        """A token for a program; its text is in the answer this once. `ttl_days` None: it lives until it is revoked."""
        with checking():
            message = wire.NewToken(name=name, ttl_days=ttl_days)
        return self._transport.ask(wire.Token, "POST", "/tokens", message, idempotent=False)

    def revoke_token(self, token_id: str) -> None:
        """End a token of the caller's, at once."""
        self._transport.send("DELETE", f"/tokens/{segment(token_id)}", idempotent=False)

    def wallet(self) -> wire.Wallet:
        """What the caller can spend, and what is held or in escrow."""
        return self._transport.get(wire.Wallet, "/wallet")

    def statement(self, *, limit: int = 50) -> list[wire.WalletEntry]:
        """The newest movements on the caller's account, newest first."""
        return self._transport.get(wire.Statement, "/wallet/entries", limit=limit).entries

    # -- goods --------------------------------------------------------------------------------------------------------

    def generators(self) -> list[wire.GeneratorInfo]:
        """The data generators that can be ordered from."""
        return self._transport.get(wire.GeneratorList, "/generators").generators

    def generator(self, name: str) -> wire.GeneratorInfo:
        """One generator: its parameters with ranges, its price, its licence."""
        return self._transport.get(wire.GeneratorInfo, f"/generators/{segment(name)}")

    def set_royalty(self, generator: str, royalty_per_unit: str) -> wire.GeneratorInfo:
        """Set what a unit of a generator of the caller's costs, in NTK; what is quoted keeps its price."""
        with checking():
            message = wire.NewRoyalty(royalty_per_unit=royalty_per_unit)
        path = f"/generators/{segment(generator)}/royalty"
        return self._transport.ask(wire.GeneratorInfo, "PUT", path, message, idempotent=True)

    def preview(self, name: str, *, seed: int = 0, units: int = 40) -> bytes:
        """A contact sheet of a generator's samples with their labels, as PNG."""
        params = {"seed": seed, "units": units}
        return self._transport.send("GET", f"/generators/{segment(name)}/preview", idempotent=True, params=params)

    def architectures(self) -> list[wire.ArchitectureInfo]:
        """The networks that can be trained."""
        return self._transport.get(wire.ArchitectureList, "/architectures").architectures

    def upload(self, source: bytes | Path) -> wire.Uploaded:
        """Store bytes, or a file, under their own hash; repeating it is harmless. Raises TooLarge."""
        return upload_blob(self._transport, "/uploads", source)

    def create_dataset(
        self,
        *,
        name: str,
        title: str,
        files: Sequence[wire.UploadedFile],
        licence: str = "proprietary",
        source: str = "",
    ) -> wire.VersionInfo:
        """Publish uploaded Parquet files as a private data set of the caller's own."""
        with checking():
            message = wire.NewDataset(name=name, title=title, licence=licence, files=list(files), source=source)
        return self._transport.ask(wire.VersionInfo, "POST", "/datasets", message, idempotent=False)

    def datasets(self) -> Iterator[wire.VersionInfo]:
        """The newest version of every data set the caller may see, page by page."""
        return self._versions("/datasets")

    def dataset(self, ref: str) -> wire.VersionInfo:
        """A data set's version by id, name (the newest) or name@number."""
        return self._transport.get(wire.VersionInfo, f"/datasets/{segment(ref)}")

    def models(self) -> Iterator[wire.VersionInfo]:
        """The newest version of every model the caller may see, page by page."""
        return self._versions("/models")

    def model(self, ref: str) -> wire.VersionInfo:
        """A model's version by id, name (the newest) or name@number."""
        return self._transport.get(wire.VersionInfo, f"/models/{segment(ref)}")

    def set_visibility(
        self, kind: Literal["dataset", "model"], ref: str, visibility: Literal["private", "listed"]
    ) -> wire.VersionInfo:
        """List a data set or a model of the caller's, with all its versions, for everybody; or take it back."""
        message = wire.NewVisibility(visibility=visibility)
        path = f"/{kind}s/{segment(ref)}/visibility"
        return self._transport.ask(wire.VersionInfo, "PUT", path, message, idempotent=True)

    def _versions(self, path: str) -> Iterator[wire.VersionInfo]:
        after: str | None = None
        while True:
            page = self._transport.get(wire.VersionList, path, after=after, limit=wire.PAGE_MAX)
            yield from page.versions
            if page.next_after is None or page.next_after == after:
                return
            after = page.next_after

    def download_file(
        self, version: wire.VersionInfo, name: str, target: Path, *, on_bytes: OnBytes | None = None
    ) -> bool:
        """Put one file of a version at `target`, whole and verified or not at all.

        Args:
            on_bytes: told the length of each piece as it arrives; negative when a broken download starts again.

        Returns:
            False when the right file was there already, and nothing was fetched. Raises NotFound, Corrupted.
        """
        file, path = _file_of(version, name)
        return download_file(self._transport, path, file, target, on_bytes)

    def file_bytes(self, version: wire.VersionInfo, name: str) -> bytes:
        """One file of a version in memory, verified. Raises NotFound, Corrupted, TooLarge over BLOB_MAX_BYTES."""
        file, path = _file_of(version, name)
        return download_blob(self._transport, path, sha256=file.sha256, size=file.size)

    def download(
        self,
        version: wire.VersionInfo,
        folder: Path,
        *,
        on_progress: Callable[[int, int], None] | None = None,
        names: Sequence[str] | None = None,
    ) -> list[Path]:
        """Put the files of a version into `folder`; those already there and right are kept, so a repeat resumes.

        Args:
            on_progress: told (bytes here, bytes in all) as they arrive.
            names: only these files; None for all.

        Returns:
            The paths, in the version's order. Raises Corrupted.
        """
        files = [file for file in version.files if names is None or file.name in names]
        total, here = sum(file.size for file in files), 0

        def on_bytes(count: int) -> None:
            nonlocal here
            here += count
            if on_progress is not None:
                on_progress(here, total)

        paths = [place_of(file.name, folder) for file in files]
        for file, path in zip(files, paths, strict=True):
            self.download_file(version, file.name, path, on_bytes=on_bytes)
        return paths

    # -- orders -------------------------------------------------------------------------------------------------------

    def quote(self, order: AnyOrder) -> wire.Quote:
        """What an order would cost now, and how long it would take; nothing is bought. Raises NoFeasiblePool."""
        return self._transport.ask(wire.Quote, "POST", "/quotes", wire.QuoteRequest(order=order), idempotent=True)

    def order(self, quote: wire.Quote | str, *, idempotency_key: str | None = None) -> wire.Job:
        """Order what was quoted: its maximum price is held and the job starts. Raises InsufficientFunds.

        Args:
            quote: the quote, or its id.
            idempotency_key: a repeat with the same key gives the same job; None makes one for this call, so that this
                client's own repeats after a broken connection never order twice.
        """
        quote_id = quote if isinstance(quote, str) else quote.id
        headers = {"Idempotency-Key": idempotency_key or secrets.token_hex(16)}
        with checking():
            message = wire.NewJob(quote=quote_id)
        return self._transport.ask(wire.Job, "POST", "/jobs", message, idempotent=True, headers=headers)

    def jobs(self) -> Iterator[wire.Job]:
        """The caller's jobs, newest first, page by page."""
        after: str | None = None
        while True:
            page = self._transport.get(wire.JobList, "/jobs", after=after, limit=wire.PAGE_MAX)
            yield from page.jobs
            if page.next_after is None or page.next_after == after:
                return
            after = page.next_after

    def job(self, job_id: str) -> wire.Job:
        """A job: its state, tasks, bill and result."""
        return self._transport.get(wire.Job, f"/jobs/{segment(job_id)}")

    def cancel(self, job_id: str) -> wire.Job:
        """Stop a job: verified work is paid, the rest of the escrow flows back."""
        return self._transport.ask(wire.Job, "POST", f"/jobs/{segment(job_id)}/cancel", idempotent=False)

    def events(self, job_id: str, *, after: int = 0, timeout_s: float | None = None) -> Iterator[wire.JobEvent]:
        """What happens to a job, live, each event once, ending with `finished`; broken connections are resumed.

        Args:
            after: only events with a higher `seq`.
            timeout_s: raise WaitTimedOut after that many seconds; None for as long as it takes.
        """
        return job_events(self._transport, job_id, after=after, timeout_s=timeout_s)

    def wait(self, job_id: str, *, on_event: OnEvent | None = None, timeout_s: float | None = None) -> wire.Job:
        """The job, once it has finished, however it ended: look at `state`. Raises WaitTimedOut; the job goes on."""
        for event in self.events(job_id, timeout_s=timeout_s):
            if on_event is not None:
                on_event(event)
        return self.job(job_id)

    # -- nodes and the market -----------------------------------------------------------------------------------------

    def join(self, node: wire.NodeJoin) -> wire.Joined:
        """Register a machine of the caller's, or the same machine again; the answer carries the node's own key."""
        return self._transport.ask(wire.Joined, "POST", "/nodes", node, idempotent=True)

    def nodes(self) -> list[wire.NodeInfo]:
        """The caller's nodes; an operator sees all."""
        return self._transport.get(wire.NodeList, "/nodes").nodes

    def node(self, node_id: str) -> wire.NodeInfo:
        """One node: speed, floors, standing, stake, earnings."""
        return self._transport.get(wire.NodeInfo, f"/nodes/{segment(node_id)}")

    def stake(self, node_id: str, amount: str) -> wire.NodeInfo:
        """Raise or lower a node's stake to `amount` NTK, from or to the caller's balance. Proven cheating loses it.

        It is lowered only when none of the node's work waits for a job to end.
        """
        with checking():
            message = wire.NewStake(amount=amount)
        return self._transport.ask(wire.NodeInfo, "POST", f"/nodes/{segment(node_id)}/stake", message, idempotent=True)

    def prices(self, kind: Literal["render", "train"] | None = None, *, limit: int = 50) -> list[wire.PricePoint]:
        """Clearing prices of past auctions, newest first."""
        return self._transport.get(wire.PriceIndex, "/market/prices", kind=kind, limit=limit).prices

    # -- operators ----------------------------------------------------------------------------------------------------

    def admin_create_account(
        self, *, email: str, password: str, name: str, roles: Sequence[wire.Role] = ("customer",)
    ) -> wire.Account:
        """Open an account with any roles, `operator` included."""
        with checking():
            message = wire.Registration(email=email, password=password, name=name, roles=list(roles))
        return self._transport.ask(wire.Account, "POST", "/admin/accounts", message, idempotent=False)

    def admin_accounts(self) -> Iterator[wire.Account]:
        """Everybody, page by page."""
        after: str | None = None
        while True:
            page = self._transport.get(wire.AccountList, "/admin/accounts", after=after, limit=wire.PAGE_MAX)
            yield from page.accounts
            if page.next_after is None or page.next_after == after:
                return
            after = page.next_after

    def admin_fund(self, *, email: str, amount: str, idempotency_key: str | None = None) -> wire.Wallet:
        """Credit an account from custody, once for all calls with one key; see `order` for the key."""
        headers = {"Idempotency-Key": idempotency_key or secrets.token_hex(16)}
        with checking():
            message = wire.Funding(email=email, amount=amount)
        return self._transport.ask(wire.Wallet, "POST", "/admin/fund", message, idempotent=True, headers=headers)

    def admin_set_vendor(self, generator: str, email: str) -> wire.GeneratorInfo:
        """Give a generator to the vendor with this email: its royalties are theirs, and theirs to set."""
        with checking():
            message = wire.NewVendor(email=email)
        path = f"/admin/generators/{segment(generator)}/vendor"
        return self._transport.ask(wire.GeneratorInfo, "PUT", path, message, idempotent=True)

    def admin_audit(self) -> wire.Audit:
        """Check the books: every transfer balances, nothing is minted or lost."""
        return self._transport.get(wire.Audit, "/admin/audit")


def _file_of(version: wire.VersionInfo, name: str) -> tuple[wire.FileInfo, str]:
    """A file of a version, and the path under which it is served. Raises NotFound."""
    file = next((file for file in version.files if file.name == name), None)
    if file is None:
        names = ", ".join(file.name for file in version.files[:10])
        raise NotFound(f"{version.name}@{version.number} has no file {name[:100]!r}; it has {names}")
    inside = "/".join(segment(part) for part in name.split("/"))
    return file, f"/{version.kind}s/{segment(version.id)}/files/{inside}"
