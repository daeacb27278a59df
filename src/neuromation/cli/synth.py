"""`neuromation synth`: the generators and the data-set formats on this machine alone."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from neuromation.cli.commands import ParamOption, command, group, needing, values_of
from neuromation.cli.generators import GeneratorArgument, installed
from neuromation.cli.output import Output

if TYPE_CHECKING:
    from neuromation.synthetic import Effort, Manifest

app = group("Generate and export data offline, without any platform.")

Format = Literal["parquet", "imagefolder", "audiofolder", "jsonl", "csv", "coco", "yolo", "voc", "webdataset"]
FormatOption = Annotated[
    Format, typer.Option("--format", "-f", help="parquet loads in Hugging Face `datasets` and DuckDB.")
]
UnitsOption = Annotated[int, typer.Option("--units", "-n", min=1, help="How many samples.")]
SeedOption = Annotated[int, typer.Option("--seed", min=0, max=2**63 - 1, help="The same seed gives the same data.")]


@command(app, "generate", example="neuromation synth generate digits -n 2000 --seed 1 --out digits --param noise=0.5")
def generate(
    out: Output,
    *,
    generator: GeneratorArgument,
    units: UnitsOption,
    folder: Annotated[
        Path, typer.Option("--out", "-o", help="A new folder, or that of an interrupted run, which goes on.")
    ],
    seed: SeedOption = 0,
    param: ParamOption = None,
    workers: Annotated[
        int, typer.Option(min=0, max=256, help="Processes; 0: one a processor. The data are the same.")
    ] = 0,
    shard_units: Annotated[
        int | None, typer.Option(min=1, help="Samples a file; default: by their size, at most 1000. Only for parquet.")
    ] = None,
    format: FormatOption = "parquet",
) -> None:
    """Generate a labelled data set into a folder: files, manifest with Merkle root, Croissant, card."""
    with needing("synthetic"):
        from neuromation.synthetic import Effort

    start, effort = time.monotonic(), Effort()
    processes = workers or _processors()

    def make(where: Path) -> Manifest:
        return _generate(
            out,
            generator=generator,
            units=units,
            seed=seed,
            values=values_of(param),
            workers=processes,
            shard_units=shard_units,
            folder=where,
            effort=effort,
        )

    with needing("synthetic"):
        if format == "parquet":
            manifest = make(folder)
        else:
            from neuromation.synthetic import export_dataset

            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".synth-", dir=folder.parent) as scratch:
                manifest = make(Path(scratch))
                export_dataset(Path(scratch), format, folder)
    _show(out, manifest, effort, folder=folder, format=format, took_s=time.monotonic() - start)


def _show(out: Output, manifest: Manifest, effort: Effort, *, folder: Path, format: str, took_s: float) -> None:
    each_s = effort.cpu_s / effort.units if effort.units else None
    value = {
        "folder": folder.resolve(),
        "format": format,
        "generator": manifest.generator,
        "version": manifest.version,
        "params": manifest.params,
        "seed": manifest.seed,
        "units": manifest.units,
        "merkle_root": manifest.merkle_root,
        "seconds": round(took_s, 3),
        "units_made": effort.units,
        "units_per_s": round(effort.units / took_s, 1),
        "cpu_s": round(effort.cpu_s, 3),
        "cpu_s_per_unit": None if each_s is None else round(each_s, 6),
    }
    facts = [
        ("folder", value["folder"]),
        ("units", f"{manifest.units:,}, {effort.units:,} of them made now"),
        ("merkle root", manifest.merkle_root),
        ("speed", f"{value['units_per_s']:,} units a second" if effort.units else ""),
        ("work", f"{1000 * each_s:.3g} CPU-ms a unit, written to disk" if each_s is not None else ""),
    ]
    out.result(value, lambda: out.facts(facts))


@command(app, "compile", example="neuromation synth compile")
def compile_ahead(out: Output) -> None:
    """Compile every installed generator for this processor now, so that no first unit waits for it."""
    start = time.monotonic()
    with needing("synthetic"):
        from neuromation.kernel import machine_code
        from neuromation.synthetic.generator import list_generators
        from neuromation.synthetic.warm import compile_generators

        names = [generator.name for generator in list_generators()]
        with out.bar("compiling generators", len(names), "generators") as update:
            failures = compile_generators(lambda _, done, __: update(done))
    value = {
        "folder": machine_code.folder(),
        "generators": names,
        "failures": failures,
        "seconds": round(time.monotonic() - start, 1),
    }
    facts = [("generators", f"{len(names) - len(failures)} of {len(names)}"), ("seconds", value["seconds"])]
    facts += [(f"not {name}", why) for name, why in failures.items()]
    out.result(value, lambda: out.facts(facts))


def _processors() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _generate(
    out: Output,
    *,
    generator: str,
    units: int,
    seed: int,
    values: dict[str, Any],
    workers: int,
    shard_units: int | None,
    folder: Path,
    effort: Effort,
) -> Manifest:
    from neuromation.synthetic import generate_dataset, parse_params

    found = installed(generator)
    params = parse_params(found, values)
    with out.bar(f"{units:,} units of {generator}", units, "units") as update:
        return generate_dataset(
            found,
            params,
            seed=seed,
            units=units,
            out=folder,
            shard_units=shard_units,
            workers=workers,
            on_progress=lambda done, _: update(done),
            effort=effort,
        )
