"""The cheapest pool for a request, exactly, in whole numbers; refuses to know money, bids or payments.

A machine's first task is its *opener*, any further ones are *extras*. A pool of at least m machines is then a choice
of units with at most T - m extras, under limits a machine and an owner: two laminar families of limits, whose matrix
is totally unimodular, so the linear relaxation has a whole optimum and HiGHS finds it without branching. Without a
binding pool size the limits are one polymatroid and cheapest-first is optimal (Edmonds, "Submodular functions,
matroids, and certain polyhedra", 1970). Either way `lower_bound` proves the result in integers, apart from the solver
and its tolerances.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

SOLVER_LIMIT_S = 10.0


@dataclass(frozen=True, slots=True)
class Offer:
    """One machine that may take part: at most `tasks_max` >= 1 tasks at `price` each."""

    node_id: str
    owner_id: str
    price: int
    tasks_max: int
    reputation: float = 0.0


def rank(offer: Offer) -> tuple[int, float, str]:
    """The order in which equal choices are made: price, then reputation (high first), then node id."""
    return (offer.price, -offer.reputation, offer.node_id)


@dataclass(frozen=True)
class Problem:
    """Share `tasks` among at least `pool_min` offers, at most `owner_max` an owner; offers are kept in rank order."""

    tasks: int
    offers: tuple[Offer, ...]
    owner_max: int
    pool_min: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "offers", tuple(sorted(self.offers, key=rank)))

    @cached_property
    def tasks_possible(self) -> int:
        """How many tasks the offers can take together."""
        by_owner: Counter[str] = Counter()
        for offer in self.offers:
            by_owner[offer.owner_id] += offer.tasks_max
        return sum(min(self.owner_max, n) for n in by_owner.values())

    @cached_property
    def pool_possible(self) -> int:
        """How many machines can take part together."""
        return sum(min(self.owner_max, n) for n in Counter(o.owner_id for o in self.offers).values())

    @property
    def is_feasible(self) -> bool:
        """Whether any pool does all the tasks."""
        return self.tasks_possible >= self.tasks and min(self.pool_possible, self.tasks) >= self.pool_min

    def repriced(self, owner_id: str, price: int) -> Problem:
        """The same problem with every offer of one owner at `price`."""
        return replace(
            self, offers=tuple(replace(o, price=price) if o.owner_id == owner_id else o for o in self.offers)
        )

    def cost(self, shares: Sequence[int]) -> int:
        """The exact price of a choice."""
        return sum(o.price * x for o, x in zip(self.offers, shares, strict=True))

    def allows(self, shares: Sequence[int]) -> bool:
        """Whether a choice keeps every limit, in whole numbers."""
        by_owner: Counter[str] = Counter()
        for offer, x in zip(self.offers, shares, strict=True):
            by_owner[offer.owner_id] += x
        return (
            sum(shares) == self.tasks
            and all(0 <= x <= o.tasks_max for o, x in zip(self.offers, shares, strict=True))
            and all(n <= self.owner_max for n in by_owner.values())
            and sum(x > 0 for x in shares) >= self.pool_min
        )


@dataclass(frozen=True, slots=True)
class Selection:
    """Tasks for each offer in rank order, what they cost, and a proven lower bound of any choice's cost."""

    shares: tuple[int, ...]
    cost: int
    bound: int

    @property
    def is_proven(self) -> bool:
        """Whether nothing can be cheaper."""
        return self.cost == self.bound

    @property
    def gap(self) -> float:
        """Distance from the bound as a fraction of it."""
        return (self.cost - self.bound) / self.bound if self.bound else float(self.cost > 0)


def cheapest_first(problem: Problem) -> tuple[int, ...]:
    """Fill the offers in rank order; the optimum where the pool's size does not bind. It may leave tasks over."""
    return _fill(problem, [0] * len(problem.offers))


def open_then_fill(problem: Problem) -> tuple[int, ...]:
    """Give the `pool_min` cheapest machines one task each, then fill cheapest-first: monotone, not optimal."""
    shares = [0] * len(problem.offers)
    by_owner: Counter[str] = Counter()
    for i, offer in enumerate(problem.offers):
        if sum(by_owner.values()) < problem.pool_min and by_owner[offer.owner_id] < problem.owner_max:
            shares[i] = 1
            by_owner[offer.owner_id] += 1
    return _fill(problem, shares)


def _fill(problem: Problem, shares: list[int]) -> tuple[int, ...]:
    by_owner: Counter[str] = Counter()
    for offer, x in zip(problem.offers, shares, strict=True):
        by_owner[offer.owner_id] += x
    left = problem.tasks - sum(shares)
    for i, offer in enumerate(problem.offers):
        if not left:
            break
        more = min(left, offer.tasks_max - shares[i], problem.owner_max - by_owner[offer.owner_id])
        shares[i] += more
        by_owner[offer.owner_id] += more
        left -= more
    return tuple(shares)


def lower_bound(problem: Problem) -> int:
    """The exact optimum's cost, by duality: the best bound over all fines on extras (weighted matroid intersection).

    With a fine on each extra the limits left are one polymatroid, solved by cheapest-first. The bound is concave in
    the fine with whole breakpoints, and total unimodularity leaves no gap between it and the optimum. The problem
    must be feasible.
    """
    allowed = problem.tasks - problem.pool_min
    relaxed, extras = _fined(problem, 0)
    if extras <= allowed:
        return relaxed
    # Bracket the best fine: too many extras at `low`, few enough at `high`. The next guess is where the two tangents
    # cross, pulled inside the bracket; every other guess halves it.
    low, at_low = 0, (relaxed, extras)
    high = problem.offers[-1].price - problem.offers[0].price + 1
    at_high = _fined(problem, high)
    halve = False
    while high - low > 1:
        crossing = (at_low[0] - low * at_low[1]) - (at_high[0] - high * at_high[1])
        fine = (low + high) // 2 if halve else crossing // (at_high[1] - at_low[1])
        fine = min(max(fine, low + 1), high - 1)
        at_fine = _fined(problem, fine)
        if at_fine[1] <= allowed:
            high, at_high = fine, at_fine
        else:
            low, at_low = fine, at_fine
        halve = not halve
    return at_high[0] - high * allowed


def _fined(problem: Problem, fine: int) -> tuple[int, int]:
    """Cost (fines included) and count of extras of the cheapest choice with a fine on extras; openers win ties."""
    offers, n = problem.offers, len(problem.offers)
    by_owner: dict[str, int] = defaultdict(int)
    left, cost, extras = problem.tasks, 0, 0
    opener = extra = 0  # both kinds stand in price order, so the cheapest unit is the next of one or the other
    while left and extra < n:
        is_opener = opener < n and offers[opener].price <= offers[extra].price + fine
        offer = offers[opener if is_opener else extra]
        count = 1 if is_opener else offer.tasks_max - 1
        taken = min(left, count, problem.owner_max - by_owner[offer.owner_id])
        by_owner[offer.owner_id] += taken
        left -= taken
        if is_opener:
            opener += 1
            cost += offer.price * taken
        else:
            extra += 1
            extras += taken
            cost += (offer.price + fine) * taken
    return cost, extras


def highs(problem: Problem, limit_s: float = SOLVER_LIMIT_S) -> tuple[int, ...] | None:
    """The optimum by HiGHS (`scipy.optimize.milp`), in whole tasks; None when it found nothing that holds.

    The linear relaxation goes first: its optimal vertices are whole here, and it is many times as fast as branching.
    """
    import numpy as np
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array

    n = len(problem.offers)
    # All tasks cost the same work, so taking the lowest price off each changes no choice and keeps the numbers small.
    prices = np.array([o.price - problem.offers[0].price for o in problem.offers], dtype=float)
    owners = {owner: 2 + k for k, owner in enumerate(dict.fromkeys(o.owner_id for o in problem.offers))}
    # Columns: n openers, then n extras. Rows: all tasks, openers, one an owner.
    owner_rows = [owners[o.owner_id] for o in problem.offers]
    rows = np.concatenate([np.zeros(2 * n), np.ones(n), owner_rows, owner_rows])
    columns = np.concatenate([np.arange(2 * n), np.arange(n), np.arange(2 * n)])
    matrix = csr_array((np.ones(5 * n), (rows.astype(int), columns)), shape=(2 + len(owners), 2 * n))
    low = np.concatenate([[problem.tasks, problem.pool_min], np.zeros(len(owners))])
    high = np.concatenate([[problem.tasks, problem.tasks], np.full(len(owners), problem.owner_max)])
    tasks_max = np.array([o.tasks_max for o in problem.offers], dtype=float)
    for integrality in (0, 1):
        result = milp(
            c=np.concatenate([prices, prices]),
            integrality=np.full(2 * n, integrality),
            bounds=Bounds(0, np.concatenate([np.ones(n), tasks_max - 1])),
            constraints=LinearConstraint(matrix, low, high),
            options={"time_limit": limit_s, "mip_rel_gap": 0.0},
        )
        if result.x is not None:
            whole = np.rint(result.x).astype(int)
            shares = tuple(int(x) for x in whole[:n] + whole[n:])
            if problem.allows(shares):
                return shares
    return None


def settle_ties(problem: Problem, shares: Sequence[int]) -> tuple[int, ...]:
    """Move tasks between machines of one price to the better ranked, where every limit allows it; the cost stays."""
    settled = list(shares)
    by_owner: Counter[str] = Counter()
    for offer, x in zip(problem.offers, shares, strict=True):
        by_owner[offer.owner_id] += x
    for worse in reversed(range(len(settled))):
        better = bisect_left(problem.offers, problem.offers[worse].price, key=lambda o: o.price)
        while settled[worse] and better < worse:
            _move(problem, settled, by_owner, worse, better)
            better += 1
    return tuple(settled)


def _move(problem: Problem, shares: list[int], by_owner: Counter[str], worse: int, better: int) -> None:
    giver, taker = problem.offers[worse], problem.offers[better]
    count = min(shares[worse], taker.tasks_max - shares[better])
    if giver.owner_id != taker.owner_id:
        count = min(count, problem.owner_max - by_owner[taker.owner_id])
    pool = sum(x > 0 for x in shares)
    if count == shares[worse] and shares[better] and pool <= problem.pool_min:
        count -= 1  # the worse ranked stays in the pool with one task
    shares[worse] -= count
    shares[better] += count
    by_owner[giver.owner_id] -= count
    by_owner[taker.owner_id] += count


def select(problem: Problem, solver: Callable[[Problem], tuple[int, ...] | None] = highs) -> Selection:
    """The cheapest pool of a feasible problem, with its proof; the same whatever the order in which the offers came.

    A greedy answer that meets the bound needs no solver. When the solver gives up, the answer is a pool that keeps
    every limit, and its `gap` says how far it may be from the optimum.
    """
    assert problem.is_feasible
    shares = cheapest_first(problem)
    if problem.allows(shares):
        cost = problem.cost(shares)
        return Selection(shares, cost, cost)
    bound = lower_bound(problem)
    shares = open_then_fill(problem)
    if problem.cost(shares) > bound:
        solved = solver(problem)
        shares = shares if solved is None else min(shares, solved, key=problem.cost)
    shares = settle_ties(problem, shares)
    assert problem.allows(shares)
    return Selection(shares, problem.cost(shares), bound)
