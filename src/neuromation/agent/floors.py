"""A node's automatic price floor: its true opportunity cost; refuses to know auctions.

In a truthful auction the best bid is what the work really costs the owner. While it works for us it gives up the better of
two incomes: what its idle command would earn (a miner, say) and what it has been earning here, which is the reservation rate
of a renewal process (McCall, "Economics of information and job search", 1970).
"""

from __future__ import annotations

from neuromation.kernel.errors import Invalid
from neuromation.kernel.money import ZERO, Ntk

MICRO_PER_CU = 1_000_000
FLOOR_MAX = Ntk.parse("1000000")


def auto_floor(*, outside_option_per_h: Ntk, running_income_per_h: Ntk, costs_per_h: Ntk, cu_per_h: int) -> Ntk:
    """The lowest price per CU worth working for, rounded up to a whole micro-NTK, at most FLOOR_MAX.

    Args:
        outside_option_per_h: declared yield of the idle command, >= 0.
        running_income_per_h: what the node has been earning here an hour, idle time included, >= 0.
        costs_per_h: what only working costs: energy, wear, traffic, >= 0.
        cu_per_h: micro-CU an hour with all slots busy, > 0.

    Raises Invalid for a negative amount or a node without speed.
    """
    if min(outside_option_per_h, running_income_per_h, costs_per_h) < ZERO:
        raise Invalid("a floor needs incomes and costs of 0 NTK/h or more; give amounts that are not negative")
    if cu_per_h <= 0:
        raise Invalid(f"a floor needs a measured speed above 0 CU/h, not {cu_per_h}; benchmark the node first")
    hourly = max(outside_option_per_h, running_income_per_h) + costs_per_h
    return Ntk(min(-(-hourly.micro * MICRO_PER_CU // cu_per_h), FLOOR_MAX.micro))
