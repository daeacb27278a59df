"""The platform's dials: fees, windows and shares. Figures that the mission lost are marked as estimates."""

from __future__ import annotations

from dataclasses import dataclass

from neuromation.kernel.money import Ntk


@dataclass(frozen=True)
class Policy:
    """What an operator may turn. Times in seconds, shares in basis points (1/10,000)."""

    # Estimates: the mission's commission table is lost (FACTS: marked X).
    compute_commission_bp: int = 1_000
    generator_commission_bp: int = 1_500

    # Ordinary money beside NTK: an estimate that the operator sets, never a price the platform promises.
    fiat_per_ntk: str = "0.30"
    fiat_currency: str = "USD"

    stake_min: Ntk = Ntk(1_000_000)  # a node works only with so much at stake
    bidding_s: float = 5.0  # an auction also closes as soon as every eligible node has bid
    biddings_max: int = 3  # how often a job's first auction is held while able nodes are silent and no pool is feasible
    quote_ttl_s: int = 600
    lease_s: float = 60.0
    tick_s: float = 0.1  # how often the worker looks when nobody calls

    node_silent_s: float = 15.0  # unhealthy: its leases are not renewed
    node_dead_s: float = 45.0  # dead: its tasks are bought again
    award_idle_s: float = 30.0  # a node that holds nothing and takes nothing of its award for so long loses it

    audit_budget_bp: int = 6_000  # audits may cost so much of the work at most; measured use is far lower
    audit_units_min: int = 3
    audit_units_bp: int = 500  # of an audited shard's units, regenerated elsewhere
    trial_audit_max: float = 0.25  # a trial cannot be replayed in part, so few are

    # What nodes uploaded on the way to a delivery is kept so long; longer than any job may take, which is 30 days.
    intermediate_keep_s: int = 45 * 24 * 3600

    attempts_per_minute: int = 60  # log-ins and registrations of one address
