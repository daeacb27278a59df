"""The only SQL of the nodes context."""

# ruff: noqa: S608 - the statements are put together from constants of this file; every value is a bound parameter.

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, text

from neuromation.kernel.money import Ntk
from neuromation.nodes.model import Capability, Hardware, Isolation, Node, NodeState, Reputation, WorkKind

_NODE = """id, owner, name, state, reason, version, isolation, gpu, cores, slots, memory_gib, disk_gib,
    render_benchmark, train_benchmark, render_cu_per_s, train_cu_per_s, floor_render, floor_train,
    created_at, last_seen"""

JOIN = text(f"""
    insert into node (id, owner, name, state, version, isolation, gpu, cores, slots, memory_gib, disk_gib, created_at,
                      last_seen)
    values (:id, :owner, :name, 'registered', :version, :isolation, :gpu, :cores, :slots, :memory_gib, :disk_gib, :now,
            :now)
    on conflict (owner, name) do update set version = excluded.version, isolation = excluded.isolation,
        gpu = excluded.gpu, cores = excluded.cores, slots = excluded.slots, memory_gib = excluded.memory_gib,
        disk_gib = excluded.disk_gib, last_seen = excluded.last_seen
    returning {_NODE}
""")
COUNT = text("select count(*) from node where owner = :owner and name <> :name")
NODE = text(f"select {_NODE} from node where id = :id")
MOVE_STAKE = text("select pg_advisory_xact_lock(hashtextextended('stake:' || :node_id, 0))")
GIVE_WORK = text("select pg_advisory_xact_lock_shared(hashtextextended('stake:' || :node_id, 0))")
NODE_LOCKED = text(f"select {_NODE} from node where id = :id for update")
NODES = text(f"""
    select {_NODE} from node
    where (cast(:owner as text) is null or owner = :owner) and (cast(:after as text) is null or id > :after)
    order by id limit :limit
""")
SET_STATE = text("update node set state = :state, reason = :reason where id = :id")
BENCHMARK = text("""
    update node set render_benchmark = :render, render_cu_per_s = :render, train_benchmark = :train,
        train_cu_per_s = :train, state = :state, last_seen = :now
    where id = :id
""")
FLOORS = text("update node set floor_render = :render, floor_train = :train where id = :id")
SPEED = {
    WorkKind.RENDER: text("update node set render_cu_per_s = :cu_per_s where id = :id"),
    WorkKind.TRAIN: text("update node set train_cu_per_s = :cu_per_s where id = :id"),
}
# A beat that arrives late never turns the clock back.
HEARTBEAT = text("""
    with these as (select id from node where id = any(:ids) order by id for update)
    update node n set last_seen = greatest(n.last_seen, :now),
        state = case when n.state = 'banned' then 'banned'
                     when n.render_benchmark > 0 or n.train_benchmark > 0 then 'eligible' else 'registered' end
    from these where n.id = these.id returning n.id, n.state
""")
SILENT = text(f"""
    select {_NODE} from node where state in ('registered', 'eligible', 'unhealthy') and last_seen <= :unhealthy_before
    order by id for update skip locked
""")
ELIGIBLE = {
    kind: text(f"""
        select id, owner, {kind}_cu_per_s as cu_per_s, floor_{kind} as floor, slots, cores, memory_gib, disk_gib, gpu,
            isolation
        from node
        where state = 'eligible' and last_seen > :alive_after and {kind}_cu_per_s > 0 and floor_{kind} is not null
        order by id limit :limit
    """)
    for kind in WorkKind
}
CHECK = text("select passed, failed, as_of from node_check where node_id = :id and kind = :kind for update")
CHECKS = text("select node_id, kind, passed, failed, as_of from node_check where node_id = any(:ids) order by kind")
SET_CHECK = text("""
    insert into node_check (node_id, kind, passed, failed, as_of) values (:id, :kind, :passed, :failed, :as_of)
    on conflict (node_id, kind) do update
        set passed = excluded.passed, failed = excluded.failed, as_of = excluded.as_of
""")


def node_of(row: sa.Row[Any]) -> Node:
    isolation = Isolation(row.isolation)
    return Node(
        id=row.id,
        owner=row.owner,
        name=row.name,
        state=NodeState(row.state),
        reason=row.reason,
        version=row.version,
        hardware=Hardware(row.cores, row.memory_gib, row.disk_gib, row.gpu, row.slots, isolation),
        render_benchmark=row.render_benchmark,
        train_benchmark=row.train_benchmark,
        render_cu_per_s=row.render_cu_per_s,
        train_cu_per_s=row.train_cu_per_s,
        floor_render=None if row.floor_render is None else Ntk(row.floor_render),
        floor_train=None if row.floor_train is None else Ntk(row.floor_train),
        created_at=row.created_at,
        last_seen=row.last_seen,
    )


def node(conn: Connection, node_id: str, *, lock: bool = False) -> Node | None:
    row = conn.execute(NODE_LOCKED if lock else NODE, {"id": node_id}).one_or_none()
    return None if row is None else node_of(row)


def set_state(conn: Connection, node_id: str, state: NodeState, reason: str = "") -> None:
    conn.execute(SET_STATE, {"id": node_id, "state": state, "reason": reason})


def capabilities(conn: Connection, kind: WorkKind, alive_after: datetime, limit: int) -> list[Capability]:
    rows = conn.execute(ELIGIBLE[kind], {"alive_after": alive_after, "limit": limit})
    return [
        Capability(
            node_id=r.id,
            owner=r.owner,
            kind=kind,
            cu_per_s=r.cu_per_s,
            floor=Ntk(r.floor),
            slots=r.slots,
            cores=r.cores,
            memory_gib=r.memory_gib,
            disk_gib=r.disk_gib,
            gpu=r.gpu,
            isolation=Isolation(r.isolation),
        )
        for r in rows
    ]


def check(conn: Connection, node_id: str, kind: str) -> Reputation | None:
    row = conn.execute(CHECK, {"id": node_id, "kind": kind}).one_or_none()
    return None if row is None else Reputation(*row)


def checks(conn: Connection, node_ids: Collection[str]) -> dict[tuple[str, str], Reputation]:
    rows = conn.execute(CHECKS, {"ids": list(node_ids)})
    return {(r.node_id, r.kind): Reputation(r.passed, r.failed, r.as_of) for r in rows}


def set_check(conn: Connection, node_id: str, kind: str, value: Reputation) -> None:
    values = {"id": node_id, "kind": kind, "passed": value.passed, "failed": value.failed, "as_of": value.as_of}
    conn.execute(SET_CHECK, values)
