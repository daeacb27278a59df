"""`neuromation serve`: a platform on this machine, until it is stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from neuromation.cli.commands import command, needing
from neuromation.cli.output import Output

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@command(app, "serve", example="neuromation serve --port 8000 --data ./platform")
def serve(
    out: Output,
    *,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    data: Annotated[Path | None, typer.Option("--data", help="Where database, files and secrets live.")] = None,
) -> None:
    """Run a platform here: its database, its API, its worker. Ctrl-C ends it.

    NEUROMATION_DATABASE_URL and NEUROMATION_BLOB_URL name another PostgreSQL and another store. The first operator's
    login is written to operator.json in the data folder.
    """
    with needing("server"):
        from neuromation.worker.supervisor import serve as run

    def on_ready(address: str) -> None:
        if out.as_json:
            out.line({"endpoint": address})
        else:
            print(address, flush=True)  # noqa: T201
            out.note(f"ready; try: neuromation auth register --endpoint {address} --email you@example.org")

    run(data, host=host, port=port, on_ready=on_ready)
