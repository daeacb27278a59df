"""`neuromation dataset`: data sets ordered, imported, fetched and verified."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

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
    from neuromation.synthetic.importing import RealFacts
    from neuromation.synthetic.statistics import Histogram, Statistics

app = group("Order, import, export and verify data sets.")

MANIFEST, CERTIFICATE, LEAVES = "manifest.json", "certificate.json", "leaves.bin"

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
        _convert(connection.out, Path(ref), format, out)
    elif format == "parquet":
        fetch(connection, connection.client.dataset(ref), out)
    else:
        version = connection.client.dataset(ref)
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".export-", dir=out.parent) as scratch:
            fetch(connection, version, Path(scratch))
            _convert(connection.out, Path(scratch), format, out)
    value = {"folder": out.resolve(), "format": format}
    connection.out.result(value, lambda: connection.out.say(out))


def _is_folder(ref: str) -> bool:
    """Whether a folder here is meant. Raises NotFound for a path at which there is none."""
    if Path(ref).is_dir():
        return True
    if "/" in ref:
        raise NotFound(f"there is no folder {ref}; check the path, or give the name of a data set on the platform")
    return False


def _convert(output: Output, folder: Path, format: str, out: Path) -> None:
    with needing("synthetic"):
        from neuromation.synthetic import export_dataset, load_manifest

        out.parent.mkdir(parents=True, exist_ok=True)
        with output.bar(f"{folder.name} as {format}", load_manifest(folder).units, "units") as update:
            export_dataset(folder, format, out, on_progress=lambda done, _: update(done))


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
    everything: Annotated[
        bool, typer.Option("--all-files", help="Fetch every file of a platform's data set, not only the sample's.")
    ] = False,
) -> None:
    """Make a sample of units again, here, and compare them with the published Merkle root.

    A folder is verified offline, with all its files. Of a platform's data set the hashes of all units are fetched, and
    the files of the sample; each is checked and let go.
    """
    # A chosen seed repeats a check; chance makes it one that nobody could prepare for.
    chosen = secrets.randbits(63) if seed is None else seed
    local = _is_folder(ref)
    with needing("synthetic"):
        report = (
            _verified_here(connection.out, Path(ref), units, chosen, root)
            if local
            else _verified_there(connection, ref, units, chosen, whole=everything)
        )
    value = {"dataset": ref, "sample_seed": chosen, **report.to_dict()}
    connection.out.result(value, lambda: _show_report(connection.out, report, chosen))
    if not report.ok:
        raise NotAsPublished(
            f"{ref} differs from what was published in {report.failed} places; do not use it, and tell its owner"
        )


def _verified_here(out: Output, folder: Path, units: int, seed: int, root: str | None) -> VerifyReport:
    from numpy.random import default_rng

    from neuromation.synthetic import load_manifest, verify_dataset

    total = load_manifest(folder).units
    with out.bar(f"{total:,} units", total + min(units, total), "checks") as update:
        return verify_dataset(
            folder,
            sample=units,
            rng=default_rng(seed),
            published_root=root,
            on_progress=lambda done, _: update(done),
        )


def _verified_there(connection: Connection, ref: str, units: int, seed: int, *, whole: bool) -> VerifyReport:
    from numpy.random import default_rng

    from neuromation.client import Corrupted
    from neuromation.synthetic import BadDataset, parse_manifest, verify_shards

    version = connection.client.dataset(ref)
    if MANIFEST not in {file.name for file in version.files}:
        raise Invalid(
            f"{version.name} was not made by a generator here, so there is nothing to make again; its files are hashed"
        )
    manifest = parse_manifest(connection.client.file_bytes(version, MANIFEST))
    total = manifest.units + min(units, manifest.units)
    with connection.out.bar(f"{manifest.units:,} units", total, "checks") as update:

        def read(file: str) -> bytes:
            try:
                return connection.client.file_bytes(version, file)
            except (Corrupted, NotFound) as error:
                raise BadDataset(error.message) from error

        names = {file.name for file in version.files}
        return verify_shards(
            manifest,
            read,
            sample=units,
            rng=default_rng(seed),
            published_root=version.manifest.get("merkle_root"),
            certificate=connection.client.file_bytes(version, CERTIFICATE) if CERTIFICATE in names else None,
            leaves=connection.client.file_bytes(version, LEAVES) if LEAVES in names else None,
            whole=whole,
            on_progress=lambda done, _: update(done),
        )


def _show_report(out: Output, report: VerifyReport, seed: int) -> None:
    out.facts(
        [
            ("verdict", "as published" if report.ok else "NOT as published"),
            ("units", f"{report.units:,}"),
            ("made again", f"{len(report.sampled)} units, drawn with seed {seed}"),
            ("merkle root", report.merkle_root),
            ("certificate", "agrees" if report.certified else ""),
            ("files", "all" if report.whole else "those of the sample; --all-files reads every one"),
        ]
    )
    for failure in report.failures[:20]:
        out.say(f"  {failure}")


@command(app, "stats", example="neuromation dataset stats shelves --out shelves.html")
def stats(
    out: Output,
    *,
    folder: Annotated[Path, typer.Argument(help="A data set here, generated or imported.")],
    picture: Annotated[
        Path | None, typer.Option("--out", "-o", help="Draw it too: a file that ends in .png or .html.")
    ] = None,
) -> None:
    """Count a data set: classes, objects and their sizes, visibility, brightness, duplicates. Works offline."""
    if picture is not None and picture.suffix not in (".png", ".html"):
        raise Invalid(f"--out {picture} must end in .png or .html")
    if not folder.is_dir():
        raise NotFound(f"there is no folder {folder}")
    with needing("synthetic"):
        from neuromation.synthetic.statistics import statistics_of
        from neuromation.synthetic.statistics_page import statistics_html, statistics_png
    with ExitStack() as stack:
        update: Callable[[int], None] | None = None

        def tell(done: int, total: int) -> None:
            nonlocal update
            if update is None:
                update = stack.enter_context(out.bar(str(folder), total, "samples"))
            update(done)

        found = statistics_of(folder, on_progress=tell)
    if picture is not None:
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_bytes(statistics_html(found) if picture.suffix == ".html" else statistics_png(found))
    value = found.to_dict() | ({"picture": picture.resolve()} if picture else {})
    out.result(value, lambda: _show_statistics(out, found))


def _show_statistics(out: Output, found: Statistics) -> None:
    alike = f"{found.exact_samples:,} exact, {found.near_samples:,} near"
    sizes = ", ".join(f"{found.object_sizes[name]:,} {name}" for name in ("small", "medium", "large"))
    out.facts(
        [
            ("data set", found.title),
            ("samples", f"{found.samples:,}"),
            ("splits", ", ".join(f"{name} {count:,}" for name, count in sorted(found.splits.items()))),
            ("pictures", ", ".join(f"{size} ({count:,})" for size, count in found.picture_sizes.most_common(4))),
            ("brightness", _spread(found.brightness)),
            ("length", _spread(found.seconds, "s")),
            ("objects a sample", _spread(found.objects_a_sample)),
            ("object sizes", sizes if found.object_sizes else ""),
            ("visibility", _spread(found.visibility)),
            ("null objects", f"{found.nulls:,}" if found.nulls else ""),
            ("duplicates", alike + (f"; {found.across_splits:,} in different splits" if found.across_splits else "")),
        ]
    )
    names = [name for name in found.classes if found.labels[name] or found.objects[name] or found.events[name]]
    if not names:
        return
    total = sum(found.labels.values()) + sum(found.objects.values()) + sum(found.events.values())
    counts = {name: found.labels[name] + found.objects[name] + found.events[name] for name in names}
    rows = [
        (
            name,
            found.labels[name] or "",
            found.objects[name] or "",
            found.events[name] or "",
            f"{counts[name] / total:.1%}",
        )
        for name in sorted(names, key=lambda name: -counts[name])[:50]
    ]
    out.table(("class", "samples>", "objects>", "events>", "share>"), rows)


def _spread(counts: Histogram, unit: str = "") -> str:
    if counts.mean is None:
        return ""
    return f"{counts.least:.3g} to {counts.most:.3g} {unit}, mean {counts.mean:.3g}".replace(" ,", ",")


ImportForm = Literal["tables", "coco", "yolo", "voc", "imagefolder", "audiofolder"]


@command(
    app,
    "import",
    example="neuromation dataset import dice ../shared/real/dice --format coco --out dice-real\n\n"
    "  neuromation dataset import shelf-photos photos.parquet --title 'Photos of our shelves'",
)
def import_dataset(
    connection: Connection,
    *,
    name: Annotated[str, typer.Argument(help="What the data set is called.")],
    files: Annotated[
        list[Path], typer.Argument(help="A folder of the form that --format names; or Parquet files of samples.")
    ],
    format: Annotated[
        ImportForm,
        typer.Option("--format", "-f", help="tables: Parquet files with image, label and split, uploaded as they are."),
    ] = "tables",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the data set into this folder, and upload nothing.")
    ] = None,
    splits: Annotated[
        str, typer.Option(help="Shares of splits that the folder does not name, drawn by a hash of the file's name.")
    ] = "validation=0.3,test=0.7",
    class_column: Annotated[str, typer.Option(help="Of a CSV that names the files; default: guessed.")] = "",
    skip_broken: Annotated[bool, typer.Option("--skip-broken", help="Leave out files that cannot be read.")] = False,
    title: Annotated[str, typer.Option(help="One line; default: the name.")] = "",
    licence: Annotated[str, typer.Option(help="Under which it may be used.")] = "proprietary",
    source: Annotated[str, typer.Option(help="Where it comes from.")] = "",
) -> None:
    """Take over real data: publish them as a private data set to measure on, or with --out keep them in a folder here.

    Pictures may differ in size and have boxes; they are turned upright, and have at most 16 megapixels.
    """
    if format == "tables":
        if out is not None:
            raise Invalid("--out keeps what was read from a folder; name its form with --format")
        _publish(connection, name, files, title=title, licence=licence, source=source)
        return
    if len(files) != 1:
        raise Invalid(f"one folder is imported at a time, not {len(files)}")

    def read(where: Path) -> RealFacts:
        return _read_folder(
            connection.out,
            files[0],
            format,
            where,
            splits=splits,
            class_column=class_column,
            skip_broken=skip_broken,
            source=source,
            licence=licence,
        )

    if out is not None:
        facts = read(out)
        value = {"folder": out.resolve(), "name": name, **facts.__dict__}
        connection.out.result(value, lambda: _show_real(connection.out, out, facts))
        return
    with tempfile.TemporaryDirectory(prefix="neuromation-") as scratch:
        facts = read(Path(scratch) / "set")
        tables = [Path(scratch) / "set" / str(entry["file"]) for entry in facts.files]
        _publish(connection, name, tables, title=title, licence=licence, source=source)


def _read_folder(
    out: Output,
    folder: Path,
    format: str,
    where: Path,
    *,
    splits: str,
    class_column: str,
    skip_broken: bool,
    source: str,
    licence: str,
) -> RealFacts:
    """Take a folder over into `where`, with a bar."""
    with needing("synthetic"):
        from neuromation.synthetic.importing import import_folder
    shares = values_of(splits.split(","), option="--splits")
    if not all(isinstance(share, int | float) for share in shares.values()):
        raise Invalid(
            f"--splits {splits[:60]!r} has a share that is no number; write for example validation=0.3,test=0.7"
        )
    update: Callable[[int], None] | None = None
    with ExitStack() as stack:

        def tell(done: int, total: int) -> None:
            nonlocal update
            if update is None:
                update = stack.enter_context(out.bar(str(folder), total, "files"))
            update(done)

        facts = import_folder(
            folder,
            format,
            where,
            splits=shares,
            class_column=class_column,
            skip_broken=skip_broken,
            source=source,
            licence=licence,
            on_progress=tell,
        )
    for broken in facts.left_out:
        out.note(f"left out: {broken}")
    return facts


def _show_real(out: Output, folder: Path, facts: RealFacts) -> None:
    splits = ", ".join(f"{name} {count:,}" for name, count in facts.splits.items())
    out.facts(
        [
            ("folder", folder),
            ("samples", f"{facts.samples:,} {'recordings' if facts.kind == 'audio' else 'pictures'}"),
            ("splits", splits),
            ("classes", ", ".join(facts.classes[:20]) + (", ..." if len(facts.classes) > 20 else "")),
            ("left out", f"{len(facts.left_out):,} broken files" if facts.left_out else ""),
        ]
    )


def _publish(
    connection: Connection, name: str, files: Sequence[Path], *, title: str, licence: str, source: str
) -> None:
    """Upload tables and make them a private data set."""
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
            *_plain(version.manifest),
            *_plain(version.lineage),
        ]
    )
    rows = [(file.name, f"{file.size:,}", file.sha256[:16]) for file in version.files]
    out.table(("file", "bytes>", "sha256"), rows)


def _plain(told: Mapping[str, Any]) -> Iterator[tuple[str, str | int | float]]:
    """What fits into a line each: plain values, and those one level down, such as metrics and parameters."""
    for key, value in told.items():
        inner = value if isinstance(value, Mapping) else {"": value}
        for name, one in inner.items():
            if isinstance(one, str | int | float):
                yield f"{key} {name}".replace("_", " ").strip(), one
