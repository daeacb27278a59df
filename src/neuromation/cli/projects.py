"""`neuromation project`: model projects of any framework, run on the platform's nodes."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from neuromation.cli.commands import Connection, command, group, needing
from neuromation.cli.foreign import CommitOption, EntryOption, EntryParamOption, ProjectArgument, texts_of
from neuromation.cli.orders import (
    DeadlineOption,
    DryRunOption,
    ReserveOption,
    TimeoutOption,
    WaitOption,
    YesOption,
    buy,
    show_job,
)

app = group("Run model projects in any framework on the platform's nodes.")


@command(
    app,
    "order",
    example="neuromation project order digits.zip --data digits-2k --param epochs=8 --cu 2 --name digits-net",
)
def order(
    connection: Connection,
    *,
    source: ProjectArgument,
    name: Annotated[str, typer.Option("--name", help="The model that comes out; an existing name gets a new version.")],
    commit: CommitOption = "HEAD",
    entry: EntryOption = None,
    param: EntryParamOption = None,
    data: Annotated[
        str | None, typer.Option("--data", metavar="DATASET", help="The project's inputs: a generated data set.")
    ] = None,
    cu: Annotated[float, typer.Option("--cu", min=0.01, max=100_000, help="The work that you buy, in CU.")] = 1.0,
    memory: Annotated[int, typer.Option("--memory", min=64, max=65_536, help="MiB that it may use.")] = 4096,
    tolerance: Annotated[
        float, typer.Option("--tolerance", min=0, max=0.5, help="By how much a metric may differ when it is run again.")
    ] = 0.01,
    deadline: DeadlineOption = 3600,
    reserve: ReserveOption = None,
    yes: YesOption = False,
    wait: WaitOption = True,
    dry_run: DryRunOption = False,
    timeout: TimeoutOption = None,
) -> None:
    """Have a project run on a node, and again on another owner's node; paid when both agree. It is uploaded first."""
    given = texts_of(param)
    archive = _uploaded(connection, source, commit, entry, given)

    def make() -> Any:
        from neuromation.client.schemas import ProjectOrder

        return ProjectOrder(
            name=name,
            archive=archive,
            entry=entry,
            params={**given},
            dataset=data,
            cu=cu,
            memory_mib=memory,
            tolerance=tolerance,
            deadline_s=deadline,
            reserve_per_cu=reserve,
        )

    buy(connection, make, yes=yes, wait=wait, dry_run=dry_run, timeout_s=timeout, show=show_job)


def _uploaded(connection: Connection, source: str, commit: str, entry: str | None, given: dict[str, str]) -> str:
    """Take the project as `model import` does, check what is asked of it, and upload it; the hash of its archive."""
    with needing("learning"):
        from neuromation.learning.projects.contract import check_parameters, read_project
        from neuromation.learning.projects.sources import pack_project, take_project

        with tempfile.TemporaryDirectory(prefix="neuromation-project-") as temporary:
            taken = take_project(source, Path(temporary) / "project", commit=commit)
            _, point = read_project(taken.folder).entry(entry)
            check_parameters(point, given)
            packed = Path(temporary) / "project.tar.gz"
            pack_project(taken.folder, packed)
            connection.out.note(f"uploading {taken.files} files, {packed.stat().st_size:,} bytes packed")
            return connection.client.upload(packed).sha256
