"""`neuromation node`: machines that earn; the agent itself lives in `neuromation.agent`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from neuromation.cli.commands import Connection, command, group, needing

if TYPE_CHECKING:
    from neuromation.client.schemas import NodeInfo

app = group("Let this machine earn; list your nodes.")

NodeId = Annotated[str, typer.Argument(metavar="NODE", help="The node's id.")]


@command(app, "list", alias="ls", example="neuromation node list")
def list_nodes(connection: Connection) -> None:
    """Your nodes; an operator sees all."""
    nodes = connection.client.nodes()
    rows = [
        (n.id, n.name, n.state, n.render_cu_per_s, n.train_cu_per_s, n.floor_render, n.floor_train, n.stake, n.earned)
        for n in nodes
    ]
    columns = (
        "node",
        "name",
        "state",
        "render CU/s>",
        "train CU/s>",
        "floor render>",
        "floor train>",
        "stake>",
        "earned>",
    )
    connection.out.result({"nodes": nodes}, lambda: connection.out.table(columns, rows))


@command(app, "show", example="neuromation node show node_01k2m3n4p5q6r7s8t9v0w1x2y3")
def show(connection: Connection, node_id: NodeId) -> None:
    """One node: speed, floors, standing, stake, earnings."""
    node = connection.client.node(node_id)
    connection.out.result(node, lambda: connection.out.facts(_facts(node)))


@command(app, "stake", example="neuromation node stake node_01k2m3n4p5q6r7s8t9v0w1x2y3 25")
def stake(
    connection: Connection,
    *,
    node_id: NodeId,
    amount: Annotated[str, typer.Argument(help="NTK that the stake shall then be; it can only be raised.")],
) -> None:
    """Raise a node's stake from your balance. Proven cheating loses it."""
    node = connection.client.stake(node_id, amount)
    connection.out.result(node, lambda: connection.out.facts(_facts(node)))


def _facts(node: NodeInfo) -> list[tuple[str, object]]:
    return [
        ("node", node.id),
        ("name", node.name),
        ("state", node.state + (f" ({node.reason})" if node.reason else "")),
        (
            "speed",
            f"{node.render_cu_per_s:g} CU/s rendering, {node.train_cu_per_s:g} CU/s training, {node.slots} at once",
        ),
        ("floors", f"{node.floor_render} NTK per CU rendering, {node.floor_train} training"),
        ("isolation", node.isolation),
        ("stake", f"{node.stake} NTK"),
        ("earned", f"{node.earned} NTK"),
        ("checks", f"{node.checks_passed} passed, {node.checks_failed} failed"),
        ("last seen", node.last_seen and f"{node.last_seen:%Y-%m-%d %H:%M:%S} UTC"),
    ]
