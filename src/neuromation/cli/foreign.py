"""`neuromation model import` and `convert`: models of other people and of other frameworks, on this machine alone."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from neuromation.cli.commands import command, needing
from neuromation.cli.models import app
from neuromation.cli.orders import LOG_LINES
from neuromation.cli.output import Output
from neuromation.kernel.errors import Invalid, NeuromationError, TooLarge

if TYPE_CHECKING:
    from neuromation.agent.project_runner import ProjectRun
    from neuromation.learning.projects.contract import Project
    from neuromation.learning.projects.sources import Snapshot

_SAMPLES_MAX_BYTES = 1 << 30

ProjectArgument = Annotated[
    str,
    typer.Argument(
        metavar="REPO_OR_ARCHIVE", help="A git URL, a local repository, or a .zip or .tar file; #folder inside."
    ),
]
CommitOption = Annotated[str, typer.Option("--commit", help="Of a repository: a full hash, a branch or a tag.")]
EntryOption = Annotated[str | None, typer.Option("--entry", help="Default: train, main, or the only one.")]
EntryParamOption = Annotated[
    list[str] | None,
    typer.Option("--param", metavar="KEY=VALUE", help="A parameter of the entry point; may be repeated."),
]


@command(
    app,
    "import",
    example="neuromation model import https://example.org/someone/digits.git --data digits-png --param epochs=8 --out digits-net",
)
def import_project(
    out: Output,
    *,
    source: ProjectArgument,
    folder: Annotated[
        Path | None, typer.Option("--out", "-o", help="Gets outputs, log and run.json; new or empty.")
    ] = None,
    commit: CommitOption = "HEAD",
    entry: EntryOption = None,
    param: EntryParamOption = None,
    data: Annotated[Path | None, typer.Option("--data", help="The project's inputs: an exported data set.")] = None,
    time_limit: Annotated[
        float, typer.Option("--time-limit", min=1, max=14_400, help="Seconds for the project.")
    ] = 1800,
    memory: Annotated[int, typer.Option("--memory", min=64, max=1 << 20, help="MiB that it may use.")] = 4096,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what the project says of itself; run nothing.")
    ] = False,
) -> None:
    """Take a model project in any framework from git or an archive, and run one of its entry points in the sandbox."""
    given = texts_of(param)
    with needing("learning"):
        from neuromation.learning.projects.contract import read_project
        from neuromation.learning.projects.sources import take_project

        with tempfile.TemporaryDirectory(prefix="neuromation-import-") as temporary:
            taken = take_project(source, Path(temporary) / "project", commit=commit)
            if dry_run:
                _show_project(out, read_project(taken.folder), taken)
                return
            if folder is None:
                raise Invalid(
                    "--out is needed: the folder for what the project makes; or --dry-run to look at it first"
                )
            done = _run(out, taken, folder, entry, given, data, time_limit, memory)
    value = {
        "folder": done.folder.resolve(), "source": taken.source, "commit": taken.commit, "content_hash": taken.content_hash,
        "entry": done.entry, "parameters": done.values, "metrics": done.metrics, "outputs": done.outputs, "seconds": done.seconds,
    }  # fmt: skip
    facts: list[tuple[str, object]] = [("folder", done.folder), ("commit", taken.commit), ("seconds", done.seconds)]
    facts += [("metric", f"{name} {number:g}") for name, number in done.metrics.items()]
    facts += [("output", name) for name in done.outputs]
    out.result(value, lambda: out.facts(facts))


def _run(
    out: Output, taken: Snapshot, folder: Path, entry: str | None, given: dict[str, Any], data: Path | None,
    time_limit: float, memory: int,
) -> ProjectRun:  # fmt: skip
    from dataclasses import replace

    from neuromation.agent.project_runner import LIMITS, run_project

    def tell(fraction: float, line: str) -> None:
        if line.strip():
            out.note(f"{fraction:4.0%}  {line}")

    try:
        return run_project(
            taken.folder, folder, entry=entry, parameters=given, data=data, timeout_s=time_limit,
            limits=replace(LIMITS, memory_mib=memory), on_progress=tell,
            origin={"source": taken.source, "commit": taken.commit, "content_hash": taken.content_hash},
        )  # fmt: skip
    except NeuromationError as error:
        for line in str(error.details.get("log", "")).rstrip().splitlines()[-LOG_LINES:]:
            out.note(f"  | {line}")
        raise


def _show_project(out: Output, project: Project, taken: Snapshot) -> None:
    libraries = project.libraries
    entries: list[tuple[object, ...]] = []
    for name, entry in project.entries.items():
        entries.append((name, "", "", "", entry.description))
        entries += [("", key, said.type, said.default, said.description) for key, said in entry.parameters.items()]
    value = {
        "name": project.name,
        "file": project.file,
        "licence": project.licence,
        "commit": taken.commit,
        "content_hash": taken.content_hash,
        "files": taken.files,
        "bytes": taken.total_bytes,
        "entry_points": {name: entry.model_dump(mode="json") for name, entry in project.entries.items()},
        "libraries": {
            "python": libraries.python,
            "needed": libraries.needed,
            "noted": libraries.noted,
            "missing": libraries.missing(),
            "differing": libraries.differing(),
        },
    }
    facts = [(key, value[key]) for key in ("name", "file", "licence", "commit", "content_hash", "files", "bytes")]
    facts += [
        ("python", libraries.python),
        ("needs", ", ".join(libraries.needed)),
        ("notes", ", ".join(libraries.noted)),
    ]
    facts += [("missing here", ", ".join(libraries.missing()))] + [("differs", line) for line in libraries.differing()]

    def show() -> None:
        out.facts(facts)
        out.table(("entry point", "parameter", "type", "default", "about"), entries)

    out.result(value, show)


@command(app, "convert", example="neuromation model convert model.keras --to onnx --out model.onnx")
def convert(
    out: Output,
    *,
    source: Annotated[Path, typer.Argument(metavar="FILE", help="A .onnx, .keras or .safetensors file.")],
    to: Annotated[
        Literal["onnx", "torch", "safetensors"],
        typer.Option("--to", help="torch: an exported program (.pt2); safetensors: the weights alone."),
    ],
    path: Annotated[Path, typer.Option("--out", "-o", help="The file to write.")],
    samples: Annotated[
        Path | None, typer.Option("--samples", help="A .npy or .npz file of inputs to compare on, the batch first.")
    ] = None,
    tolerance: Annotated[
        float, typer.Option("--tolerance", min=0, max=1, help="Of the largest value of an output, or of 1.")
    ] = 1e-4,
) -> None:
    """Convert a model to another framework; written only when both give the same answers."""
    with needing("learning"):
        from neuromation.learning.conversion.converting import convert as converted

        inputs = None if samples is None else _samples(samples)
        done = converted(source, to=to, samples=inputs, tolerance=tolerance)
    written = done.write(path)
    equality = done.equality
    facts = [
        ("file", written),
        ("bytes", f"{len(done.data):,}"),
        (
            "compared on",
            f"{equality.random} random and {equality.given} given inputs" if to != "safetensors" else "every bit",
        ),
        ("largest difference", f"{equality.max_abs_diff:.2g}, of values up to {equality.largest:.3g}"),
    ]
    out.result({"path": written.resolve(), **done.to_json()}, lambda: out.facts(facts))


def _samples(path: Path) -> list[Any]:
    """The arrays of a .npy or .npz file, in their order. Raises Invalid."""
    import zipfile

    import numpy as np

    try:
        if path.stat().st_size > _SAMPLES_MAX_BYTES:
            raise TooLarge(f"{path} is larger than {_SAMPLES_MAX_BYTES >> 20} MiB; some hundred samples are enough")
        held = np.load(path, allow_pickle=False)
        return [held] if isinstance(held, np.ndarray) else [held[name] for name in held.files]
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise Invalid(f"{path} is no .npy or .npz file of plain arrays; write it with numpy.save") from error


def texts_of(pairs: list[str] | None) -> dict[str, str]:
    """Values as they were typed: the project's own types say what they are. Raises Invalid."""
    values: dict[str, str] = {}
    for pair in pairs or ():
        key, separator, text = pair.partition("=")
        if not separator or not key.strip() or key.strip() in values:
            raise Invalid(
                f"--param {pair[:60]!r} is not KEY=VALUE, or is there twice; write for example --param epochs=8"
            )
        values[key.strip()] = text
    return values
