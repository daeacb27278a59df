"""`neuromation dataset`: data sets ordered, imported, fetched and verified."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from neuromation.cli.commands import Connection, ParamOption, command, group, needing, values_of
from neuromation.cli.generators import GeneratorArgument
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
from neuromation.cli.output import Output
from neuromation.cli.synth import FormatOption, SeedOption, UnitsOption
from neuromation.kernel.errors import Invalid, NeuromationError, NotFound

if TYPE_CHECKING:
    from neuromation.client.schemas import VersionInfo
    from neuromation.synthetic import VerifyReport

app = group("Order, import, export and verify data sets.")

MANIFEST = "manifest.json"

RefArgument = Annotated[str, typer.Argument(metavar="DATASET", help="A name, name@number or id; or a folder here.")]
OutOption = Annotated[Path, typer.Option("--out", "-o", help="The folder to write.")]


class NotAsPublished(NeuromationError):
    """Units, files or the root of a data set are not what was published."""


@command(app, "order", example="neuromation dataset order digits -n 2000 --seed 1 --param noise=0.5 --name digits-2k")
def order(
    connection: Connection,
    *,
    generator: GeneratorArgument,
    units: UnitsOption,
    name: Annotated[str, typer.Option(help="What the data set is called; an existing name gets a new version.")],
    seed: SeedOption = 0,
    param: ParamOption = None,
    shard_units: Annotated[
        int | None, typer.Option(min=1, help="Samples a file; default: by the work they are.")
    ] = None,
    nodes_min: Annotated[int, typer.Option(min=1, max=64, help="Nodes that share the work at least.")] = 2,
    deadline: DeadlineOption = 3600,
    reserve: ReserveOption = None,
    yes: YesOption = False,
    wait: WaitOption = True,
    dry_run: DryRunOption = False,
    timeout: TimeoutOption = None,
) -> None:
    """Have a data set made by a pool of competing nodes: quote, order, progress, bill."""
    params = values_of(param)

    def make() -> Any:
        from neuromation.client.schemas import DatasetOrder

        return DatasetOrder(
            name=name,
            generator=generator,
            params=params,
            units=units,
            seed=seed,
            shard_units=shard_units,
            nodes_min=nodes_min,
            deadline_s=deadline,
            reserve_per_cu=reserve,
        )

    buy(connection, make, yes=yes, wait=wait, dry_run=dry_run, timeout_s=timeout, show=show_job)


@command(app, "list", alias="ls", example="neuromation dataset list")
def list_datasets(
    connection: Connection, limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50
) -> None:
    """The data sets you may see, each in its newest version."""
    show_versions(connection.out, "datasets", list(islice(connection.client.datasets(), limit)))


@command(app, "show", example="neuromation dataset show digits-2k@1")
def show(connection: Connection, ref: RefArgument) -> None:
    """One version: its facts, files and origin."""
    version = connection.client.dataset(ref)
    connection.out.result(version, lambda: show_version(connection.out, version))


@command(app, "share", example="neuromation dataset share digits-2k")
def share(
    connection: Connection,
    ref: RefArgument,
    private: Annotated[bool, typer.Option("--private", help="Take it back: yours alone again.")] = False,
) -> None:
    """List a data set of yours, with all its versions, for everybody with an account; free of charge, under its licence."""
    version = connection.client.set_visibility("dataset", ref, "private" if private else "listed")
    connection.out.result(version, lambda: show_version(connection.out, version))


@command(app, "export", example="neuromation dataset export digits-2k --format imagefolder --out digits-png")
def export(connection: Connection, ref: RefArgument, out: OutOption, format: FormatOption = "parquet") -> None:
    """Download a data set, or take a folder, and write it in a format of your choice. A repeated download resumes."""
    if _is_folder(ref):
        _convert(Path(ref), format, out)
    elif format == "parquet":
        fetch(connection, connection.client.dataset(ref), out)
    else:
        version = connection.client.dataset(ref)
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".export-", dir=out.parent) as scratch:
            fetch(connection, version, Path(scratch))
            _convert(Path(scratch), format, out)
    value = {"folder": out.resolve(), "format": format}
    connection.out.result(value, lambda: connection.out.say(out))


def _is_folder(ref: str) -> bool:
    """Whether a folder here is meant. Raises NotFound for a path at which there is none."""
    if Path(ref).is_dir():
        return True
    if "/" in ref:
        raise NotFound(f"there is no folder {ref}; check the path, or give the name of a data set on the platform")
    return False


def _convert(folder: Path, format: str, out: Path) -> None:
    with needing("synthetic"):
        from neuromation.synthetic import export_dataset

        out.parent.mkdir(parents=True, exist_ok=True)
        export_dataset(folder, format, out)


@command(app, "verify", example="neuromation dataset verify digits-2k --units 32")
def verify(
    connection: Connection,
    *,
    ref: RefArgument,
    units: Annotated[
        int, typer.Option("--units", "-n", min=0, max=100_000, help="So many samples are made again.")
    ] = 16,
    seed: Annotated[int | None, typer.Option(min=0, help="Chooses the samples; default: by chance.")] = None,
    root: Annotated[str | None, typer.Option(help="The Merkle root that was published, for a folder.")] = None,
) -> None:
    """Make a sample of units again, here, and compare them and all files with the published Merkle root.

    A folder is verified offline. Of a platform's data set nothing is kept: each file is fetched, checked and let go.
    """
    # A chosen seed repeats a check; chance makes it one that nobody could prepare for.
    chosen = secrets.randbits(63) if seed is None else seed
    local = _is_folder(ref)
    with needing("synthetic"):
        report = (
            _verified_here(Path(ref), units, chosen, root) if local else _verified_there(connection, ref, units, chosen)
        )
    value = {"dataset": ref, "sample_seed": chosen, **report.to_dict()}
    connection.out.result(value, lambda: _show_report(connection.out, report, chosen))
    if not report.ok:
        raise NotAsPublished(
            f"{ref} differs from what was published in {report.failed} places; do not use it, and tell its owner"
        )


def _verified_here(folder: Path, units: int, seed: int, root: str | None) -> VerifyReport:
    from numpy.random import default_rng

    from neuromation.synthetic import verify_dataset

    return verify_dataset(folder, sample=units, rng=default_rng(seed), published_root=root)


def _verified_there(connection: Connection, ref: str, units: int, seed: int) -> VerifyReport:
    from numpy.random import default_rng

    from neuromation.client import Corrupted
    from neuromation.synthetic import BadDataset, parse_manifest, verify_shards

    version = connection.client.dataset(ref)
    if MANIFEST not in {file.name for file in version.files}:
        raise Invalid(
            f"{version.name} was not made by a generator here, so there is nothing to make again; its files are hashed"
        )
    manifest = parse_manifest(connection.client.file_bytes(version, MANIFEST))
    done = 0

    with connection.out.bar(f"{len(manifest.shards)} files", len(manifest.shards), "files") as update:

        def read(file: str) -> bytes:
            nonlocal done
            try:
                data = connection.client.file_bytes(version, file)
            except (Corrupted, NotFound) as error:
                raise BadDataset(error.message) from error
            done += 1
            update(done)
            return data

        published = version.manifest.get("merkle_root")
        return verify_shards(manifest, read, sample=units, rng=default_rng(seed), published_root=published)


def _show_report(out: Output, report: VerifyReport, seed: int) -> None:
    out.facts(
        [
            ("verdict", "as published" if report.ok else "NOT as published"),
            ("units", f"{report.units:,}"),
            ("made again", f"{len(report.sampled)} units, drawn with seed {seed}"),
            ("merkle root", report.merkle_root),
        ]
    )
    for failure in report.failures[:20]:
        out.say(f"  {failure}")


@command(
    app, "import", example="neuromation dataset import shelf-photos photos.parquet --title 'Photos of our shelves'"
)
def import_dataset(
    connection: Connection,
    *,
    name: Annotated[str, typer.Argument(help="What the data set is called.")],
    files: Annotated[list[Path], typer.Argument(help="Parquet files with the columns image, label and split.")],
    title: Annotated[str, typer.Option(help="One line; default: the name.")] = "",
    licence: Annotated[str, typer.Option(help="Under which it may be used.")] = "proprietary",
    source: Annotated[str, typer.Option(help="Where it comes from.")] = "",
) -> None:
    """Publish your own labelled pictures as a private data set, such as a small real set to measure on.

    `neuromation.synthetic.formats.labelled.encode_labelled` makes such files from arrays.
    """
    from neuromation.client.errors import checking
    from neuromation.client.schemas import UploadedFile

    uploaded = []
    with checking():
        for path in files:
            sent = connection.client.upload(path)
            connection.out.note(f"uploaded {path} ({sent.size:,} bytes)")
            uploaded.append(UploadedFile(name=path.name, sha256=sent.sha256))
    version = connection.client.create_dataset(
        name=name, title=title or name, files=uploaded, licence=licence, source=source
    )
    connection.out.result(version, lambda: show_version(connection.out, version))


# -- shared with models -----------------------------------------------------------------------------------------------


def fetch(connection: Connection, version: VersionInfo, folder: Path, names: Sequence[str] | None = None) -> list[Path]:
    """Download a version's files with a bar; those that are there and right are kept."""
    total = sum(file.size for file in version.files if names is None or file.name in names)
    with connection.out.bar(f"{version.name}@{version.number}", total, "bytes") as update:
        tell: Callable[[int, int], None] = lambda here, _: update(here)  # noqa: E731
        return connection.client.download(version, folder, on_progress=tell, names=names)


def show_versions(out: Output, what: str, versions: list[VersionInfo]) -> None:
    """A list of versions."""
    rows = [
        (f"{v.name}@{v.number}", v.title, v.visibility, v.licence, _size(v), f"{v.created:%Y-%m-%d}", v.id)
        for v in versions
    ]
    columns = (what.removesuffix("s"), "title", "seen by", "licence", "bytes>", "made (UTC)", "id")
    out.result({what: versions}, lambda: out.table(columns, rows))


def _size(version: VersionInfo) -> str:
    return f"{sum(file.size for file in version.files):,}"


def show_version(out: Output, version: VersionInfo) -> None:
    """One version for a person."""
    plain = str | int | float
    facts = [(key.replace("_", " "), value) for key, value in version.manifest.items() if isinstance(value, plain)]
    origin = [(key.replace("_", " "), value) for key, value in version.lineage.items() if isinstance(value, plain)]
    out.facts(
        [
            (version.kind, f"{version.name}@{version.number}"),
            ("id", version.id),
            ("title", version.title),
            ("owner", version.owner),
            ("licence", version.licence),
            ("seen by", version.visibility),
            ("made", f"{version.created:%Y-%m-%d %H:%M:%S} UTC"),
            ("content", version.content_hash),
            *facts,
            *origin,
        ]
    )
    rows = [(file.name, f"{file.size:,}", file.sha256[:16]) for file in version.files]
    out.table(("file", "bytes>", "sha256"), rows)
