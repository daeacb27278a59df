"""Pool selection against its peers, and whole auctions with truthful payments, at 20 to 2,000 nodes.

Peers of the exact selection: HiGHS alone, a one-pass greedy that opens the pool and then fills it, the Lagrangian bound
alone, and naive cheapest-first (what a market without pool rules does). Gaps are measured from the proven optimum. Run:
`python benchmarks/bench_clearing.py [--repeats N] [--sizes 20,100]`.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from neuromation.kernel.money import Ntk
from neuromation.kernel.rng import unit_rng
from neuromation.market.clearing import clear
from neuromation.market.feasibility import problem_of
from neuromation.market.model import MICRO_PER_CU, Bid, Capability, Clearing, Request
from neuromation.market.selection import Problem, cheapest_first, highs, lower_bound, open_then_fill, select

SIZES = (20, 100, 500, 2_000)


def a_market(nodes: int, seed: int) -> Problem:
    """A market where the pool's size and the owners' share both bind: lognormal prices, an owner to five nodes."""
    request, bids, machines = an_auction(nodes, seed, pool_min=max(4, min(200, nodes // 4)))
    return problem_of(request, list(zip(bids, machines, strict=True)))


def an_auction(nodes: int, seed: int, *, pool_min: int) -> tuple[Request, list[Bid], list[Capability]]:
    """A request for twice as many tasks as there are nodes, and one bid a node."""
    rng = unit_rng(seed, nodes, "bench-clearing")
    owners = np.minimum(rng.zipf(1.5, nodes), nodes // 2)  # a few owners have many machines
    prices = (100_000 * rng.lognormal(0.0, 0.4, nodes)).astype(int)
    capacities = rng.integers(1, 41, nodes)
    request = Request(
        kind="render",
        tasks=2 * nodes,
        cu_per_task=MICRO_PER_CU // 2,
        deadline_s=60,
        reserve_per_cu=Ntk(1_000_000),
        share_max_bp=5_000 if nodes <= 20 else 1_000,
        pool_min=pool_min,
    )
    machines = [
        Capability(
            kind="render",
            node_id=f"n{i:05}",
            owner_id=f"o{owners[i]:04}",
            cu_per_s=MICRO_PER_CU,
            memory_gib=8.0,
            disk_gib=100.0,
            floor_per_cu=Ntk(0),
            slots=1,
        )
        for i in range(nodes)
    ]
    bids = [
        Bid(
            bid_id=f"b{i}",
            node_id=m.node_id,
            owner_id=m.owner_id,
            price_per_cu=Ntk(int(prices[i])),
            capacity_tasks=int(capacities[i]),
        )
        for i, m in enumerate(machines)
    ]
    return request, bids, machines


@dataclass
class Row:
    """Times in ms, gaps in per cent of the optimum, and answers that break a limit, of one method at one size."""

    times: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    broken: int = 0

    def add(self, problem: Problem, method: Callable[[Problem], tuple[int, ...] | None], optimum: int) -> None:
        started = time.perf_counter()
        shares = method(problem)
        self.times.append(1000 * (time.perf_counter() - started))
        if shares is None or not problem.allows(shares):
            self.broken += 1
        else:
            self.gaps.append(100 * (problem.cost(shares) - optimum) / optimum)

    def text(self) -> str:
        gap = f"{statistics.mean(self.gaps):8.3f} {max(self.gaps):8.3f}" if self.gaps else f"{'-':>8} {'-':>8}"
        times = f"{statistics.median(self.times):9.1f} {max(self.times):9.1f}"
        return f"{times} {gap} {self.broken:>6}/{len(self.times)}"


METHODS: dict[str, Callable[[Problem], tuple[int, ...] | None]] = {
    "exact selection (shipped)": lambda p: select(p).shares,
    "HiGHS alone": highs,
    "open, then fill (greedy)": open_then_fill,
    "cheapest-first (naive)": cheapest_first,
}


def selection_table(sizes: list[int], repeats: int) -> None:
    print("Pool selection; pool size and owner share bind; gap from the proven optimum")
    print(f"{'nodes':>5} {'method':26} {'median ms':>9} {'max ms':>9} {'gap %':>8} {'max %':>8} {'breaks a limit':>8}")
    for nodes in sizes:
        rows = {name: Row() for name in METHODS}
        bound_times = []
        for seed in range(repeats):
            problem = a_market(nodes, seed)
            started = time.perf_counter()
            optimum = lower_bound(problem)
            bound_times.append(1000 * (time.perf_counter() - started))
            for name, method in METHODS.items():
                rows[name].add(problem, method, optimum)
        for name, row in rows.items():
            print(f"{nodes:>5} {name:26} {row.text()}")
        print(f"{nodes:>5} {'Lagrangian bound alone':26} {statistics.median(bound_times):9.1f} {max(bound_times):9.1f}")


def auction_table(sizes: list[int], repeats: int) -> None:
    print("\nWhole auctions with truthful payments (one counterfactual optimum a winning owner)")
    print(
        f"{'nodes':>5} {'pool':8} {'median ms':>9} {'winners':>8} {'owners':>7} {'paid/ask':>9} {'rule':>6} {'gap':>4}"
    )
    for nodes in sizes:
        for name, pool_min in (("free", 1), ("binding", max(4, min(200, nodes // 4)))):
            times, results = [], []
            for seed in range(repeats):
                request, bids, machines = an_auction(nodes, seed, pool_min=pool_min)
                started = time.perf_counter()
                result = clear(request, bids, machines)
                times.append(1000 * (time.perf_counter() - started))
                assert isinstance(result, Clearing)
                results.append(result)
            ratio = statistics.mean(r.cost.micro / r.bid_cost.micro for r in results)
            winners = statistics.median(len(r.awards) for r in results)
            owners = statistics.median(len({a.owner_id for a in r.awards}) for r in results)
            gap = max(r.gap for r in results)
            print(
                f"{nodes:>5} {name:8} {statistics.median(times):9.1f} {winners:8.0f} {owners:7.0f} {ratio:9.3f}"
                f" {results[0].mechanism:>6} {gap:4.1f}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    arguments = parser.parse_args()
    sizes = [int(size) for size in arguments.sizes.split(",")]
    highs(a_market(20, 0))  # loads the solver
    selection_table(sizes, arguments.repeats)
    auction_table(sizes, min(arguments.repeats, 3))


if __name__ == "__main__":
    main()
