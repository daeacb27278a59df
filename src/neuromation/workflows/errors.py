"""What may go wrong where contexts meet."""

from __future__ import annotations

from neuromation.kernel.errors import Conflict


class NoFeasiblePool(Conflict):
    """No pool of nodes can do the order as asked; `details["constraint"]` names what binds."""

    reason = "no-feasible-pool"

    def __init__(self, constraint: str, message: str, remedies: list[str]) -> None:
        super().__init__(message, constraint=constraint, remedies=remedies)


class StakeInUse(Conflict):
    """A stake is not taken back while it stands for work that is not settled."""
