"""`neuromation market`: what computing costs."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from neuromation.cli.commands import Connection, command, group

app = group("Clearing prices.")


@command(app, "prices", example="neuromation market prices --kind render --limit 10")
def prices(
    connection: Connection,
    *,
    kind: Annotated[Literal["render", "train"] | None, typer.Option(help="Only this kind of work.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="At most so many.")] = 20,
) -> None:
    """Clearing prices of past auctions, newest first."""
    points = connection.client.prices(kind, limit=limit)
    rows = [(f"{p.at:%Y-%m-%d %H:%M:%S}", p.kind, p.price_per_cu, p.tasks, p.nodes) for p in points]
    columns = ("cleared (UTC)", "kind", "NTK per CU>", "tasks>", "nodes>")
    connection.out.result(
        {"prices": points}, lambda: connection.out.table(columns, rows, nothing="no auction has cleared yet")
    )
