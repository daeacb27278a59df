"""`neuromation node`: machines that earn; the agent itself lives in `neuromation.agent`."""

from __future__ import annotations

import platform
import re
import signal
import threading
from datetime import datetime
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from neuromation.cli.auth import password_from
from neuromation.cli.commands import Connection, command, group, needing
from neuromation.cli.output import Output
from neuromation.kernel.errors import Invalid, Unauthenticated
from neuromation.kernel.money import ZERO, Ntk

if TYPE_CHECKING:
    from neuromation.agent.main import NodeOptions
    from neuromation.client.schemas import NodeInfo

app = group("Let this machine earn; list your nodes.")

NodeId = Annotated[str, typer.Argument(metavar="NODE", help="The node's id.")]

FloorOption = Annotated[
    str, typer.Option("--floor", help="NTK per CU you render for at least, or auto: what it costs you.")
]
FloorTrainOption = Annotated[str, typer.Option("--floor-train", help="The same for training.")]
YieldOption = Annotated[str, typer.Option("--idle-yield", metavar="NTK", help="What the idle command earns an hour.")]


@command(app, "start", example="neuromation node start --floor auto --idle-command './miner' --idle-yield 0.4")
def start(
    connection: Connection,
    *,
    name: Annotated[str, typer.Option(help="The machine's name; default: its host name.")] = "",
    email: Annotated[str, typer.Option(help="Log in as this provider for this run only, instead of a token.")] = "",
    floor: FloorOption = "auto",
    floor_train: FloorTrainOption = "auto",
    slots: Annotated[int, typer.Option(min=1, max=256, help="Tasks at a time.")] = 1,
    cpu_share: Annotated[float, typer.Option(min=0.01, max=1, help="Part of the time that a slot may compute.")] = 1.0,
    stake: Annotated[str, typer.Option(metavar="NTK", help="Have so much at stake, from your balance.")] = "",
    idle_command: Annotated[str, typer.Option(help="Runs while there is no task, never beside one.")] = "",
    idle_yield: YieldOption = "0",
    unsafe: Annotated[
        bool, typer.Option("--unsafe-no-sandbox", help="Run strangers' tasks without a sandbox.")
    ] = False,
    trainer: Annotated[
        str, typer.Option(metavar="KIND:N", help="Trainings go to your cluster: torchrun:N or ray:N processes.")
    ] = "",
    max_idle: Annotated[
        float | None, typer.Option(min=0, metavar="SECONDS", help="Stop after so long without work.")
    ] = None,
) -> None:
    """Let this machine work and earn: benchmark, join, bid, compute, until Ctrl-C. With --json one event a line.

    It needs the role provider and calls out only; nothing is opened on this machine.
    """
    with needing("node"):
        from neuromation.agent.main import NodeOptions

    options = NodeOptions(
        endpoint=connection.profile.endpoint,
        token=_owner_token(connection, email),
        name=name or _host_name(),
        floor_render=_floor(floor),
        floor_train=_floor(floor_train),
        slots=slots,
        cpu_share=cpu_share,
        stake=_amount(stake) if stake else None,
        idle_command=idle_command,
        idle_yield_per_h=_amount(idle_yield),
        unsafe=unsafe,
        trainer=trainer,
        max_idle_s=max_idle,
    )
    _run(options, connection.out)


def _run(options: NodeOptions, out: Output) -> None:
    """Be a node until SIGINT or SIGTERM; a second one does not wait for tasks to be given back."""
    with needing("node"):
        from neuromation.agent.main import run
    stop = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        out.note("stopping: tasks are given back")
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_DFL)
        stop.set()

    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, end)

    def tell(what: str, facts: dict[str, Any]) -> None:
        if out.as_json:
            out.line({"event": what, **facts})
        else:
            pairs = ", ".join(
                f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in facts.items()
            )
            out.note(f"{datetime.now().astimezone():%H:%M:%S} {what}{': ' if pairs else ''}{pairs}")

    run(options, tell=tell, stop=stop)


def _owner_token(connection: Connection, email: str) -> str:
    if email:
        password = password_from(stdin=False, confirm=False)
        return connection.stranger.log_in(email=email, password=password).token
    if not connection.profile.token:
        raise Unauthenticated(
            "a node needs its owner's token: run `neuromation auth login`, or pass --email or --token"
        )
    return connection.profile.token


def _host_name() -> str:
    """The machine's name as the platform takes names."""
    return re.sub(r"[^a-z0-9._-]+", "-", platform.node().lower()).strip("-._")[:64] or "node"


def _floor(text: str) -> Ntk | None:
    """A floor in NTK per CU; None for "auto". Raises Invalid."""
    return None if text == "auto" else _amount(text)


def _amount(text: str) -> Ntk:
    amount = Ntk.parse(text)
    if amount < ZERO:
        raise Invalid(f"{text} NTK is below zero; write 0 or more, or auto where a floor is meant")
    return amount


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
    amount: Annotated[str, typer.Argument(help="NTK that the stake shall then be; 0 takes all of it back.")],
) -> None:
    """Raise a node's stake from your balance, or take it back once its work is settled. Proven cheating loses it."""
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
