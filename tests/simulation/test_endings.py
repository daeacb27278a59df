"""The ways in which a job ends without its goods, and money at its limits."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa
from simulated_platform import Simulation, wrong_pixels

from neuromation.accounts import service as accounts
from neuromation.accounts.model import Principal
from neuromation.client import schemas as wire
from neuromation.jobs import service as jobs
from neuromation.jobs.model import BreakReason, JobState, Task, TaskKind, TaskState
from neuromation.kernel.money import ZERO, Ntk
from neuromation.nodes import service as nodes
from neuromation.worker.loop import Worker
from neuromation.workflows import node_work, ordering
from neuromation.workflows.driving import drive, sweep
from neuromation.workflows.errors import NoFeasiblePool, StakeInUse

Simulate = Callable[..., Simulation]


def an_order(units: int = 40, **fields: object) -> wire.DatasetOrder:
    return wire.DatasetOrder.model_validate(
        {"generator": "digits", "units": units, "shard_units": 5, "name": "set", "seed": 7} | fields
    )


def whole_balance(sim: Simulation) -> Ntk:
    return sim.balance(f"user:{sim.customer.account_id}")


def test_one_owner_alone_cannot_be_audited(simulate: Simulate) -> None:
    sim = simulate(1)
    first = sim.add_node()
    sim.add_node(owner=first.owner)
    with pytest.raises(NoFeasiblePool) as caught:
        sim.order(an_order())
    assert caught.value.details["constraint"] == "auditor"


def test_an_auction_in_which_nobody_bids_gives_everything_back(simulate: Simulate) -> None:
    sim = simulate(2)
    sim.add_node(), sim.add_node()
    job_id = sim.order(an_order())
    sim.nodes.clear()
    for _ in range(100):
        sim.step(faults=False)
    sim.check(whole=True)
    assert sim.job(job_id).state is JobState.REFUNDED and whole_balance(sim) == Ntk.parse("1000")
    assert "no feasible pool" in sim.job(job_id).reason


def test_a_node_that_missed_the_bidding_is_asked_again(simulate: Simulate) -> None:
    sim = simulate(6)
    sim.add_node()
    cut_off = sim.add_node()
    job_id = sim.order(an_order(nodes_min=2))
    sim.nodes.remove(cut_off)
    while sim.job(job_id).state in (JobState.FUNDED, JobState.BIDDING) and not _events(sim, job_id, "warning"):
        node_work.beat(sim.world, cut_off.id)
        sim.step(faults=False)
    sim.nodes.append(cut_off)
    sim.play([job_id], faulty_steps=0)
    assert sim.job(job_id).state is JobState.SETTLED, sim.picture(job_id)
    assert len(_events(sim, job_id, "award")[0]["nodes"]) == 2, "the limits of the order hold in the second bidding too"


def test_a_cancellation_waits_for_the_step_under_way(simulate: Simulate) -> None:
    sim = simulate(13)
    sim.add_node(), sim.add_node()
    job_id = sim.order(an_order())

    def cancel() -> str:
        with sim.world.transaction() as conn:
            return ordering.cancel(sim.world, conn, sim.customer, job_id).state

    with ThreadPoolExecutor(1) as pool:
        with sim.world.transaction() as step:
            claimed = jobs.claim_due_job(step, now=sim.world.now())
            assert claimed is not None and claimed.id == job_id
            cancelling = pool.submit(cancel)
            assert any(_someone_waits(sim) for _ in range(10_000))
            jobs.advance(step, job_id, [JobState.FUNDED], JobState.BIDDING, now=sim.world.now())
        assert cancelling.result(timeout=30) == "cancelled"
    sim.check(whole=True)
    assert whole_balance(sim) == Ntk.parse("1000")


def test_the_deadline_ends_a_job_whose_nodes_have_left(simulate: Simulate) -> None:
    sim = simulate(3)
    for _ in range(3):
        sim.add_node()
    job_id = sim.order(an_order(deadline_s=60))
    while not any(t.state is TaskState.ACCEPTED for t in _tasks(sim, job_id)):
        sim.step(faults=False)
    sim.nodes.clear()
    for _ in range(100):
        sim.clock.advance(3)
        sweep(sim.world), drive(sim.world)
        sim.check()
    job = sim.job(job_id)
    assert job.state in (JobState.REFUNDED, JobState.CANCELLED) and "deadline" in job.reason, sim.picture(job_id)
    assert Ntk.parse("999") < whole_balance(sim) < Ntk.parse("1000"), "what was accepted is paid, no more"


def test_work_won_by_a_node_that_never_begins_goes_to_others(simulate: Simulate) -> None:
    sim = simulate(5)
    lazy = sim.add_node(floor="0.5")
    lazy.lazy = True
    sim.add_node(), sim.add_node()
    job_id = sim.order(an_order(deadline_s=600))
    sim.play([job_id])
    assert sim.job(job_id).state is JobState.SETTLED, sim.picture(job_id)
    assert sim.elapsed_s < 300 and sim.paid_to(lazy.owner, kind="work") == ZERO


def test_a_stake_stands_for_work_until_the_job_ends(simulate: Simulate) -> None:
    sim = simulate(9)
    node = sim.add_node()
    sim.add_node(), sim.add_node()
    job_id = sim.order(an_order())

    def lower(amount: str) -> str:
        with sim.world.transaction() as conn:
            owner = Principal(node.owner, frozenset({"provider"}), "", "api", "")
            return node_work.stake(sim.world, conn, owner, node.id, wire.NewStake(amount=amount)).stake

    refused = 0
    while sim.job(job_id).state is not JobState.SETTLED:
        sim.step(faults=False)
        if sim.job(job_id).state is not JobState.SETTLED and _works(sim, node.id, job_id):
            with pytest.raises(StakeInUse, match="try again"):
                lower("0")
            refused += 1
    assert refused > 0
    assert lower("0") == "0"
    again = sim.order(an_order(name="more"))
    sim.run([again], steps=3000, faults=False)
    assert sim.job(again).state is JobState.SETTLED, sim.picture(again)
    assert not _works(sim, node.id, again), "no stake, no work"
    sim.check(whole=True)


def test_work_is_given_out_only_when_no_stake_is_being_taken_back(simulate: Simulate) -> None:
    sim = simulate(10)
    node = sim.add_node()
    with ThreadPoolExecutor(1) as pool:
        with sim.world.transaction() as conn:
            nodes.lock_stake(conn, node.id, shared=False)
            body = wire.Poll(running=[], free_slots=1, tasks_max=1, wait_s=0)
            polling = pool.submit(node_work.poll, sim.world, node.id, body)
            assert any(_someone_waits(sim) for _ in range(10_000))
        assert polling.result(timeout=30).leases == []


def test_tasks_of_an_answer_that_was_lost_are_leased_again_with_the_next(simulate: Simulate) -> None:
    sim = simulate(18)
    node = sim.add_node()
    sim.add_node()
    job_id = sim.order(an_order(40))
    while not _leased_to(sim, node.id, job_id):
        sim.step(faults=False)
    node.held.clear()
    lost = _leased_to(sim, node.id, job_id)
    body = wire.Poll(running=[], free_slots=8, tasks_max=8, wait_s=0)
    assert lost.isdisjoint(lease.id for lease in node_work.poll(sim.world, node.id, body).leases)
    said = node_work.poll(sim.world, node.id, body.model_copy(update={"missed": True}))
    assert lost <= {lease.id for lease in said.leases} and said.cancelled == []


def _leased_to(sim: Simulation, node_id: str, job_id: str) -> set[str]:
    return {t.id for t in _tasks(sim, job_id) if t.state is TaskState.LEASED and t.node_id == node_id}


def test_a_platform_that_was_down_until_the_hold_ran_out_refunds_once(simulate: Simulate) -> None:
    sim = simulate(4)
    sim.add_node(), sim.add_node()
    job_id = sim.order(an_order(deadline_s=60))
    sim.clock.advance(100_000)
    sweep(sim.world)
    for _ in range(50):
        sim.step(faults=False)
    sim.check(whole=True)
    assert sim.job(job_id).state is JobState.REFUNDED and whole_balance(sim) == Ntk.parse("1000"), sim.picture(job_id)


def test_audits_never_cost_more_than_was_held_however_small_the_shards_and_many_the_cheats(simulate: Simulate) -> None:
    # Shards of one unit are audited in full, at a maximum price that leaves nothing over: more than is held for audits.
    sim = simulate(5)
    for _ in range(4):
        sim.add_node()
    sim.add_node(floor="0.9", lie=wrong_pixels)
    job_id = sim.order(an_order(units=8, shard_units=1, reserve_per_cu="1"))
    sim.play([job_id], faulty_steps=0)
    assert sim.job(job_id).state is JobState.SETTLED, sim.picture(job_id)
    assert sim.units_of(job_id) == list(range(8))


def test_work_thrown_away_while_a_job_is_verifying_is_done_again(simulate: Simulate) -> None:
    sim = simulate(6)
    for _ in range(3):
        sim.add_node()
    job_id = sim.order(an_order())
    while sim.job(job_id).state is not JobState.VERIFYING:
        sim.step(faults=False)
    with sim.world.transaction() as conn:  # as the expulsion of a cheat by another job does
        task = jobs.tasks_of(conn, job_id, kind=TaskKind.GENERATE)[0]
        jobs.reject(conn, [task.id], reason=BreakReason.NODE_BANNED, now=sim.world.now())
    sim.play([job_id], faulty_steps=0)
    assert sim.job(job_id).state is JobState.SETTLED, sim.picture(job_id)
    assert sim.units_of(job_id) == list(range(40))


def test_a_job_stopped_while_tasks_are_out_ends_though_their_nodes_never_come_back(simulate: Simulate) -> None:
    sim = simulate(7)
    for _ in range(3):
        sim.add_node()
    job_id = sim.order(an_order())
    while not any(t.state is TaskState.LEASED for t in _tasks(sim, job_id)):
        sim.step(faults=False)
    sim.cancel(job_id)
    sim.nodes.clear()
    for _ in range(40):
        sim.clock.advance(1)
        sweep(sim.world), drive(sim.world)
    sim.check(whole=True)
    assert sim.job(job_id).state is JobState.CANCELLED, sim.picture(job_id)
    assert sim.balance(f"escrow:{job_id}") == ZERO


def _someone_waits(sim: Simulation) -> bool:
    with sim.world.look() as conn:
        return bool(conn.execute(sa.text("select count(*) from pg_locks where not granted")).scalar_one())


def _works(sim: Simulation, node_id: str, job_id: str) -> bool:
    return any(t.node_id == node_id and t.state is not TaskState.PENDING for t in _tasks(sim, job_id))


def _events(sim: Simulation, job_id: str, type: str) -> list[dict[str, Any]]:
    with sim.world.transaction() as conn:
        return [event.data for event in jobs.events_after(conn, job_id, 0) if event.type == type]


def test_nodes_and_watchers_are_called_when_there_is_something_for_them(simulate: Simulate) -> None:
    sim = simulate(17)
    sim.add_node(), sim.add_node(lie=wrong_pixels), sim.add_node(), sim.add_node()
    job_id = sim.order(an_order(60))
    quiet, calls = 0, 0
    for _ in range(4000):
        before, waiting, news = sim.job(job_id).state, _waiting(sim, job_id), []
        if drive(sim.world, on_news=lambda heard=news: heard.append("ring")):
            if sim.job(job_id).state is not before or _waiting(sim, job_id) > waiting:
                assert news, f"{before} to {sim.job(job_id).state}, {waiting} to {_waiting(sim, job_id)} tasks waiting"
            calls, quiet = calls + len(news), quiet + (not news)
        sim.rng.choice(sim.nodes).act(sim.rng, faults=False)
        sim.clock.advance(0.1)
        if sim.job(job_id).state is JobState.SETTLED:
            break
    assert sim.job(job_id).state is JobState.SETTLED, sim.picture(job_id)
    assert quiet > calls > 5


def _waiting(sim: Simulation, job_id: str) -> int:
    return sum(task.state is TaskState.PENDING for task in _tasks(sim, job_id))


def _tasks(sim: Simulation, job_id: str) -> list[Task]:
    with sim.world.transaction() as conn:
        return sim.tasks(job_id, conn)


def test_a_worker_drops_tokens_that_died_long_ago(simulate: Simulate) -> None:
    sim = simulate(8)
    short = sim.add_node()
    with sim.world.transaction() as conn:
        for ttl_s in (60, None):
            accounts.create_token(
                conn, short.owner, name="ci", kind="api", ttl_s=ttl_s, secret=sim.world.secret, now=sim.world.now()
            )
        before = conn.execute(sa.text("select count(*) from account_token")).scalar_one()
    sim.clock.advance(31 * 86_400)
    Worker(sim.world).turn()
    with sim.world.transaction() as conn:
        assert conn.execute(sa.text("select count(*) from account_token")).scalar_one() == before - 1
