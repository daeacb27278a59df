"""`neuromation wallet`: the caller's money."""

from __future__ import annotations

from typing import Annotated

import typer

from neuromation.cli.commands import Connection, command, group

app = group("Your balance and its movements.")


@command(app, "show", example="neuromation wallet show --entries 20")
def show(
    connection: Connection,
    *,
    entries: Annotated[int, typer.Option(min=0, max=200, help="Also the newest movements, so many.")] = 10,
) -> None:
    """What you can spend, what is held for orders, and the newest movements."""
    out, wallet = connection.out, connection.client.wallet()
    movements = connection.client.statement(limit=entries) if entries else []

    def human() -> None:
        out.facts(
            [
                ("account", wallet.account),
                ("available", f"{wallet.available} NTK, {wallet.fiat}"),
                ("held", f"{wallet.held} NTK for orders that have not started"),
                ("escrow", f"{wallet.escrow} NTK for running jobs"),
            ]
        )
        if movements:
            rows = [(f"{e.at:%Y-%m-%d %H:%M:%S}", e.kind, e.ref, e.amount, e.balance) for e in movements]
            out.table(("at (UTC)", "kind", "for", "NTK>", "balance>"), rows)

    out.result({**wallet.model_dump(mode="json"), "entries": movements}, human)
