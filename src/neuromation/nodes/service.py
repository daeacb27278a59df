"""Use cases of nodes: join, benchmark, live, be checked, be banned; the caller owns the transaction and commits it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import Connection

from neuromation.kernel.ids import new_id
from neuromation.kernel.money import Ntk
from neuromation.nodes import store
from neuromation.nodes.errors import BadNode, NodeBanned, NoSuchNode, TooManyNodes
from neuromation.nodes.model import (
    DEAD_AFTER_S,
    HEARTBEAT_S,
    HEARTBEATS_MAX,
    MISSED_UNHEALTHY,
    NODES_PER_OWNER_MAX,
    PAGE_MAX,
    TEXT_CHARS_MAX,
    Capability,
    Hardware,
    Node,
    NodeEvent,
    NodeState,
    Reputation,
    Silent,
    WorkKind,
    check_floor,
    check_hardware,
    check_name,
    check_speed,
    corrected_speed,
    next_state,
)


def join(conn: Connection, *, owner: str, name: str, hardware: Hardware, now: datetime, version: str = "") -> Node:
    """The node of this owner and name, new or known: the same rig joins again after a restart and keeps its id.

    Its facts and version are taken over, its benchmark, floors and reputation stay. A node that was silent comes back.
    Raises BadNode, TooManyNodes, NodeBanned.
    """
    check_name(name)
    check_hardware(hardware)
    if len(version) > TEXT_CHARS_MAX:
        raise BadNode(f"a version has at most {TEXT_CHARS_MAX} characters; shorten it")
    others = int(conn.execute(store.COUNT, {"owner": owner, "name": name}).scalar_one())
    if others >= NODES_PER_OWNER_MAX:
        raise TooManyNodes(met=others + 1, maximum=NODES_PER_OWNER_MAX)
    values = {
        "id": new_id("node", now),
        "owner": owner,
        "name": name,
        "version": version,
        "isolation": hardware.isolation,
        "gpu": hardware.gpu,
        "cores": hardware.cores,
        "slots": hardware.slots,
        "memory_gib": hardware.memory_gib,
        "disk_gib": hardware.disk_gib,
        "now": now,
    }
    node = store.node_of(conn.execute(store.JOIN, values).one())
    _refuse_banned(node)
    return _take(conn, node, NodeEvent.HEARD)


def lock_stake(conn: Connection, node_id: str, *, shared: bool) -> None:
    """Until the transaction ends no stake is taken back while work is given out that it stands for.

    Taken before any other lock, and no row's: those who commit and settle work lock rows in orders of their own.
    """
    conn.execute(store.GIVE_WORK if shared else store.MOVE_STAKE, {"node_id": node_id})


def report_benchmark(
    conn: Connection, node_id: str, *, render_cu_per_s: int, train_cu_per_s: int, now: datetime
) -> Node:
    """Take what the product's own code measured, micro-CU/s each; 0 where the node cannot do that kind of work.

    Raises BadNode, NoSuchNode, NodeBanned.
    """
    node = _living(conn, node_id)
    render, train = check_speed(render_cu_per_s), check_speed(train_cu_per_s)
    state = next_state(node.state, NodeEvent.BENCHMARKED, benchmarked=bool(render or train))
    conn.execute(store.BENCHMARK, {"id": node_id, "render": render, "train": train, "state": state, "now": now})
    return get(conn, node_id)


def set_floors(conn: Connection, node_id: str, *, render: Ntk | None, train: Ntk | None) -> Node:
    """Set the lowest price, NTK a CU, of each kind of work; None takes that kind off the market.

    Raises BadNode, NoSuchNode, NodeBanned.
    """
    _living(conn, node_id)
    conn.execute(store.FLOORS, {"id": node_id, "render": check_floor(render), "train": check_floor(train)})
    return get(conn, node_id)


def heartbeat(conn: Connection, node_ids: Collection[str], *, now: datetime) -> dict[str, NodeState]:
    """Note that these nodes were heard, in one statement; their states. Unknown nodes are missing, banned stay banned.

    An unhealthy or dead node that is heard again may work again; what it lost stays lost.
    """
    if len(node_ids) > HEARTBEATS_MAX:
        raise TooManyNodes(met=len(node_ids), maximum=HEARTBEATS_MAX)
    rows = conn.execute(store.HEARTBEAT, {"ids": list(node_ids), "now": now})
    return {row.id: NodeState(row.state) for row in rows}


def mark_silent(
    conn: Connection,
    *,
    now: datetime,
    interval_s: float = HEARTBEAT_S,
    missed_max: int = MISSED_UNHEALTHY,
    dead_after_s: float = DEAD_AFTER_S,
) -> list[Silent]:
    """Turn nodes unhealthy that missed `missed_max` heartbeats, dead that were silent for `dead_after_s`.

    Returns the nodes that changed. The work of a node turned dead is to be released.
    """
    unhealthy_before = now - timedelta(seconds=interval_s * missed_max)
    dead_before = now - timedelta(seconds=dead_after_s)
    changed = []
    for row in conn.execute(store.SILENT, {"unhealthy_before": max(unhealthy_before, dead_before)}):
        node = store.node_of(row)
        event = NodeEvent.SILENT if node.last_seen <= dead_before else NodeEvent.MISSED
        state = next_state(node.state, event, benchmarked=_is_benchmarked(node))
        if state is not node.state:
            store.set_state(conn, node.id, state)
            changed.append(Silent(node.id, state))
    return changed


def ban(conn: Connection, node_id: str, *, reason: str, now: datetime) -> Node:
    """Exclude a node for ever; its name cannot join again under that owner. Raises NoSuchNode."""
    node = _locked(conn, node_id)
    if node.state is not NodeState.BANNED:
        store.set_state(conn, node_id, NodeState.BANNED, f"{now:%Y-%m-%d}: {reason}"[:TEXT_CHARS_MAX])
    return get(conn, node_id)


def record_check(conn: Connection, node_id: str, kind: str, *, passed: bool, now: datetime) -> Reputation:
    """Count an audit of this node's work of one kind of task. A failed one takes all earlier merit away.

    Raises NoSuchNode.
    """
    _locked(conn, node_id)
    before = store.check(conn, node_id, kind) or Reputation(0.0, 0.0, now)
    after = before.with_check(passed=passed, now=now)
    store.set_check(conn, node_id, kind, after)
    return after


def reputations_of(conn: Connection, node_ids: Collection[str], kind: str, *, now: datetime) -> dict[str, Reputation]:
    """The checks of one kind of task as they count now; a node that was never checked has none."""
    known = store.checks(conn, node_ids)
    none = Reputation(0.0, 0.0, now)
    return {node_id: known.get((node_id, kind), none).at(now) for node_id in node_ids}


def all_reputations_of(conn: Connection, node_id: str, *, now: datetime) -> dict[str, Reputation]:
    """Every kind of task that the node was checked on."""
    return {kind: checks.at(now) for (_, kind), checks in store.checks(conn, [node_id]).items()}


def observe_speed(conn: Connection, node_id: str, kind: WorkKind, *, cu: int, seconds: float) -> int:
    """Correct a speed by a real task of `cu` micro-CU; the speed after it, micro-CU/s. Raises NoSuchNode."""
    node = _locked(conn, node_id)
    current, benchmark = speed_of(node, kind), _benchmark_of(node, kind)
    after = corrected_speed(current=current, benchmark=benchmark, cu=cu, seconds=seconds)
    if after != current:
        conn.execute(store.SPEED[kind], {"id": node_id, "cu_per_s": after})
    return after


def eligible_nodes(
    conn: Connection, kind: WorkKind, *, now: datetime, silent_max_s: float = HEARTBEAT_S * MISSED_UNHEALTHY
) -> list[Capability]:
    """The nodes that may bid for this kind of work now: measured, priced, and heard within `silent_max_s`."""
    return store.capabilities(conn, kind, now - timedelta(seconds=silent_max_s), HEARTBEATS_MAX)


def get(conn: Connection, node_id: str, *, owner: str | None = None) -> Node:
    """The node; with `owner`, only that owner's. Raises NoSuchNode."""
    node = store.node(conn, node_id)
    if node is None or owner not in (None, node.owner):
        raise NoSuchNode(node_id)
    return node


def list_nodes(
    conn: Connection, *, owner: str | None = None, after: str | None = None, limit: int = PAGE_MAX
) -> list[Node]:
    """Nodes from the oldest on, of one owner or of all; `after` is the last id of the page before."""
    if limit > PAGE_MAX:
        raise TooManyNodes(met=limit, maximum=PAGE_MAX)
    rows = conn.execute(store.NODES, {"owner": owner, "after": after, "limit": limit})
    return [store.node_of(row) for row in rows]


def speed_of(node: Node, kind: WorkKind) -> int:
    """The node's speed at a kind of work, micro-CU/s."""
    return node.render_cu_per_s if kind is WorkKind.RENDER else node.train_cu_per_s


def _benchmark_of(node: Node, kind: WorkKind) -> int:
    return node.render_benchmark if kind is WorkKind.RENDER else node.train_benchmark


def _is_benchmarked(node: Node) -> bool:
    return node.render_benchmark > 0 or node.train_benchmark > 0


def _locked(conn: Connection, node_id: str) -> Node:
    node = store.node(conn, node_id, lock=True)
    if node is None:
        raise NoSuchNode(node_id)
    return node


def _living(conn: Connection, node_id: str) -> Node:
    node = _locked(conn, node_id)
    _refuse_banned(node)
    return node


def _refuse_banned(node: Node) -> None:
    if node.state is NodeState.BANNED:
        raise NodeBanned(node.id, node.reason)


def _take(conn: Connection, node: Node, event: NodeEvent) -> Node:
    state = next_state(node.state, event, benchmarked=_is_benchmarked(node))
    if state is not node.state:
        store.set_state(conn, node.id, state)
    return get(conn, node.id)
