"""What may go wrong with quotes, jobs, tasks and leases."""

from __future__ import annotations

from collections.abc import Collection

from neuromation.kernel.errors import Conflict, Invalid, NotFound, TooLarge


class NoSuchJob(NotFound):
    def __init__(self, job_id: str) -> None:
        super().__init__(f"there is no job {job_id} of yours; list your jobs to see the ids")


class NoSuchTask(NotFound):
    def __init__(self, task_id: str) -> None:
        super().__init__(f"there is no task {task_id}; lease tasks to get their ids")


class NoSuchQuote(NotFound):
    def __init__(self, quote_id: str) -> None:
        super().__init__(f"there is no quote {quote_id} of yours; ask for a quote first")


class QuoteExpired(Conflict):
    def __init__(self, quote_id: str) -> None:
        super().__init__(f"quote {quote_id} has expired; ask for a new one")


class QuoteUsed(Conflict):
    def __init__(self, quote_id: str) -> None:
        super().__init__(f"quote {quote_id} already became a job; ask for a new one to order again")


class KeyReused(Conflict):
    reason = "idempotency-key-reused"

    def __init__(self, key: str) -> None:
        super().__init__(f"the key {key!r} was used for another order; repeat the same body or choose a new key")


class WrongState(Conflict):
    def __init__(self, job_id: str, *, met: str, needed: Collection[str]) -> None:
        super().__init__(
            f"job {job_id} is {met}, and this needs it to be {' or '.join(sorted(needed))}; look at the job again"
        )


class IllegalMove(Conflict):
    def __init__(self, *, from_state: str, to_state: str, allowed: Collection[str]) -> None:
        ways = ", ".join(sorted(allowed)) or "nothing more"
        super().__init__(f"a job cannot go from {from_state} to {to_state}; from {from_state} it may become {ways}")


class DuplicateTask(Conflict):
    def __init__(self, job_id: str) -> None:
        super().__init__(f"job {job_id} already has a task of the same kind, round and seq; number every task once")


class StaleLease(Conflict):
    def __init__(self, task_id: str, attempt: int) -> None:
        super().__init__(f"attempt {attempt} of task {task_id} is not yours any more; drop this work and lease again")


class CommitConflict(Conflict):
    def __init__(self, task_id: str) -> None:
        super().__init__(f"task {task_id} was committed with another body; a commitment cannot be changed")


class NotCommitted(Conflict):
    def __init__(self, task_ids: Collection[str], *, needed: str) -> None:
        some = ", ".join(sorted(task_ids)[:3])
        super().__init__(f"{len(task_ids)} tasks are not {needed} ({some}); read their states again")


class BadOrder(Invalid):
    """A field of a job, quote, task, quota, commit or event that is outside of its bounds."""


class OverLimit(TooLarge):
    def __init__(self, what: str, *, met: int, maximum: int) -> None:
        super().__init__(f"{met:,} {what} were given and at most {maximum:,} are taken; send fewer", maximum=maximum)
