"""`neuromation model`: networks trained, measured, adapted and taken home."""

from __future__ import annotations

import json
import shlex
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from neuromation.cli.commands import Connection, ParamOption, command, group, values_of
from neuromation.cli.datasets import OutOption, fetch, show_version, show_versions
from neuromation.cli.generators import GeneratorArgument
from neuromation.cli.orders import (
    DeadlineOption,
    DryRunOption,
    ReserveOption,
    TimeoutOption,
    WaitOption,
    YesOption,
    buy,
    result_facts,
    show_bill,
    show_job,
)
from neuromation.cli.output import Output
from neuromation.kernel.errors import NotFound

if TYPE_CHECKING:
    from neuromation.client.schemas import Job

app = group("Train, evaluate, adapt, compress, import and download models.")

_SCORES = ("name", "support", "precision", "recall", "f1")

RefArgument = Annotated[str, typer.Argument(metavar="MODEL", help="A name, name@number or id.")]
NameOption = Annotated[
    str, typer.Option("--name", help="What comes out is called so; an existing name gets a new version.")
]
NetworkOption = Annotated[
    str, typer.Option("--network", help="A network of the zoo; see `neuromation model networks`.")
]
ConfigOption = Annotated[
    list[str] | None, typer.Option("--config", metavar="KEY=VALUE", help="A setting of the network; may be repeated.")
]
BatchOption = Annotated[int, typer.Option("--batch-size", min=1, max=4096, help="Samples a step.")]
RateOption = Annotated[float, typer.Option("--learning-rate", min=0, max=10, help="Step width of the optimiser.")]
SeedOption = Annotated[int, typer.Option("--seed", min=0, max=2**63 - 1, help="First weights and order of samples.")]


@command(app, "train", example="neuromation model train digits-2k --name digits-net --rounds 6 --replicas 2")
def train(
    connection: Connection,
    *,
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="A name, name@number or id.")],
    name: NameOption,
    network: NetworkOption = "digits-cnn",
    config: ConfigOption = None,
    rounds: Annotated[int, typer.Option(min=1, max=1000, help="How often the replicas are brought together.")] = 6,
    replicas: Annotated[int, typer.Option(min=1, max=64, help="Nodes that train side by side.")] = 2,
    steps: Annotated[int, typer.Option(min=1, max=100_000, help="Steps of a replica in a round.")] = 120,
    segments: Annotated[int, typer.Option(min=1, max=16, help="Checkpoints a round, for audits.")] = 4,
    batch_size: BatchOption = 64,
    learning_rate: RateOption = 0.003,
    seed: SeedOption = 0,
    deadline: DeadlineOption = 3600,
    reserve: ReserveOption = None,
    yes: YesOption = False,
    wait: WaitOption = True,
    dry_run: DryRunOption = False,
    timeout: TimeoutOption = None,
) -> None:
    """Train a network on a data set, on a pool of nodes, in rounds (DiLoCo)."""
    settings = values_of(config, option="--config")

    def make() -> Any:
        from neuromation.client.schemas import TrainingOrder

        return TrainingOrder(
            name=name,
            dataset=dataset,
            model=network,
            config=settings,
            rounds=rounds,
            replicas=replicas,
            steps=steps,
            segments=segments,
            batch_size=batch_size,
            learning_rate=learning_rate,
            seed=seed,
            deadline_s=deadline,
            reserve_per_cu=reserve,
        )

    buy(connection, make, yes=yes, wait=wait, dry_run=dry_run, timeout_s=timeout, show=show_job)


@command(app, "evaluate", example="neuromation model evaluate digits-net real-digits --split test")
def evaluate(
    connection: Connection,
    *,
    model: RefArgument,
    dataset: Annotated[
        str, typer.Argument(metavar="DATASET", help="What it is measured on: a name, name@number or id.")
    ],
    split: Annotated[str, typer.Option(help="The part of the data set; empty for all of it.")] = "test",
    name: Annotated[str, typer.Option("--name", help="What the report is called.")] = "evaluation",
    timeout: TimeoutOption = None,
) -> None:
    """Measure a model on data, best on real data that it never saw. Free; your data stay on the platform's machine."""

    def make() -> Any:
        from neuromation.client.schemas import EvaluationOrder

        return EvaluationOrder(name=name, model=model, dataset=dataset, split=split, reserve_per_cu=None)

    buy(connection, make, yes=True, wait=True, dry_run=False, timeout_s=timeout, show=_show_evaluation)


@command(
    app,
    "adapt",
    example="neuromation model adapt digits --real real-digits --split validation --name digits-tuned --trials 12",
)
def adapt(
    connection: Connection,
    *,
    generator: GeneratorArgument,
    real: Annotated[str, typer.Option(help="A data set of real samples; only this split of it is looked at.")],
    name: NameOption,
    split: Annotated[
        str, typer.Option(help="The part of the real data that judges; never the part you test on.")
    ] = "validation",
    param: ParamOption = None,
    network: NetworkOption = "digits-cnn",
    config: ConfigOption = None,
    tune: Annotated[
        list[str] | None,
        typer.Option(metavar="PARAMETER", help="Tune this one; may be repeated. Default: all numbers."),
    ] = None,
    reach: Annotated[
        float, typer.Option(min=0.01, max=1, help="How far from its start a parameter may go, of its whole range.")
    ] = 0.35,
    trials: Annotated[int, typer.Option(min=2, max=1000, help="How many parameters are tried.")] = 12,
    parallel: Annotated[int, typer.Option(min=1, max=64, help="Trials at a time.")] = 2,
    units: Annotated[int, typer.Option("--units", "-n", min=10, max=100_000, help="Samples a trial.")] = 2000,
    steps: Annotated[int, typer.Option(min=1, max=100_000, help="Training steps a trial.")] = 300,
    batch_size: BatchOption = 64,
    learning_rate: RateOption = 0.003,
    seed: SeedOption = 0,
    deadline: DeadlineOption = 3600,
    reserve: ReserveOption = None,
    yes: YesOption = False,
    wait: WaitOption = True,
    dry_run: DryRunOption = False,
    timeout: TimeoutOption = None,
) -> None:
    """Tune a generator's parameters by a small real validation set: the loop. --param fixes where it starts."""
    params, settings = values_of(param), values_of(config, option="--config")

    def make() -> Any:
        from neuromation.client.schemas import AdaptationOrder

        return AdaptationOrder(
            name=name,
            generator=generator,
            params=params,
            real=real,
            split=split,
            model=network,
            config=settings,
            tune=tune or [],
            reach=reach,
            trials=trials,
            parallel=parallel,
            units=units,
            steps=steps,
            batch_size=batch_size,
            learning_rate=learning_rate,
            seed=seed,
            deadline_s=deadline,
            reserve_per_cu=reserve,
        )

    def show_it(out: Output, job: Job) -> None:
        _show_adaptation(out, job, generator)

    buy(connection, make, yes=yes, wait=wait, dry_run=dry_run, timeout_s=timeout, show=show_it)


@command(app, "networks", example="neuromation model networks")
def networks(connection: Connection) -> None:
    """The networks that the platform trains, with their settings; `model zoo` lists them without one."""
    found = connection.client.architectures()
    rows = [(n.name, n.title, n.input, n.cu_per_sample, ", ".join(n.config.get("properties", {}))) for n in found]
    columns = ("network", "title", "input", "CU per sample>", "settings")
    connection.out.result({"networks": found}, lambda: connection.out.table(columns, rows))


@command(app, "list", alias="ls", example="neuromation model list")
def list_models(
    connection: Connection, limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50
) -> None:
    """The models you may see, each in its newest version."""
    show_versions(connection.out, "models", list(islice(connection.client.models(), limit)))


@command(app, "show", example="neuromation model show digits-net@1")
def show(connection: Connection, ref: RefArgument) -> None:
    """One version: its facts, files and origin."""
    version = connection.client.model(ref)
    connection.out.result(version, lambda: show_version(connection.out, version))


@command(app, "share", example="neuromation model share digits-net")
def share(
    connection: Connection,
    ref: RefArgument,
    private: Annotated[bool, typer.Option("--private", help="Take it back: yours alone again.")] = False,
) -> None:
    """List a model of yours, with all its versions, for everybody with an account; free of charge, under its licence."""
    version = connection.client.set_visibility("model", ref, "private" if private else "listed")
    connection.out.result(version, lambda: show_version(connection.out, version))


@command(app, "download", example="neuromation model download digits-net --out digits-net")
def download(connection: Connection, ref: RefArgument, out: OutOption) -> None:
    """All files of a model: weights, ONNX, card. Verified; a repeat resumes."""
    paths = fetch(connection, connection.client.model(ref), out)
    value = {"folder": out.resolve(), "files": [path.name for path in paths]}
    connection.out.result(value, lambda: connection.out.say(out))


@command(app, "export", example="neuromation model export digits-net --format onnx --out digits.onnx")
def export(
    connection: Connection,
    *,
    ref: RefArgument,
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write.")],
    format: Annotated[
        Literal["onnx", "safetensors"], typer.Option("--format", "-f", help="onnx runs anywhere.")
    ] = "onnx",
) -> None:
    """One file of a model, in the format that your program reads; both formats were proven to agree."""
    version = connection.client.model(ref)
    name = next((file.name for file in version.files if file.name.endswith(f".{format}")), None)
    if name is None:
        names = ", ".join(file.name for file in version.files)
        raise NotFound(f"{version.name}@{version.number} has no {format} file; it has {names}")
    connection.client.download_file(version, name, out)
    connection.out.result({"path": out.resolve(), "format": format}, lambda: connection.out.say(out))


def _show_evaluation(out: Output, job: Job) -> None:
    result = job.result
    if "figures" in result:
        _show_report(out, job)
        return
    interval = result.get("interval") or result.get("accuracy_interval") or ()
    out.facts(
        [
            ("accuracy", f"{float(result.get('accuracy', 0)):.4f}"),
            ("95 % interval", " to ".join(f"{bound:.4f}" for bound in interval)),
            ("units", result.get("units")),
            ("job", job.id),
        ]
    )
    scores = [row for row in result.get("per_class") or [] if isinstance(row, dict)]
    if scores:
        columns = [key for key in _SCORES if key in scores[0]]
        rows = [tuple(_rounded(row.get(key)) for key in columns) for row in scores]
        out.table(tuple("class" if key == "name" else f"{key}>" for key in columns), rows)
    confusion = result.get("confusion") or []
    if confusion:
        names = [str(name) for name in result.get("classes") or range(len(confusion))]
        out.table(
            ("true \\ said", *(f"{name}>" for name in names)),
            [(n, *row) for n, row in zip(names, confusion, strict=False)],
        )


def _show_report(out: Output, job: Job) -> None:
    """The figures of any problem: what it is judged by first, then all, then each class."""
    result = job.result
    out.facts([("judged by", result.get("headline")), ("samples", result.get("samples")), ("job", job.id)])
    rows = [(name, *(_rounded(number) for number in figure)) for name, figure in result["figures"].items()]
    out.table(("figure", "value>", "low>", "high>"), rows)
    scores = result.get("per_class") or []
    if scores:
        names = list(scores[0]["figures"])
        cells = [(row["name"], row["support"], *(_rounded(row["figures"][n][0]) for n in names)) for row in scores]
        out.table(("class", "count>", *(f"{name}>" for name in names)), cells)


def _show_adaptation(out: Output, job: Job, generator: str) -> None:
    out.facts([("job", job.id), *result_facts(job.result)])
    best: dict[str, Any] = job.result.get("best_params") or {}
    out.table(("best parameter", "value>"), [(name, _rounded(value)) for name, value in sorted(best.items())])
    if best:
        options = " ".join(
            f"--param {shlex.quote(f'{name}={json.dumps(value)}')}" for name, value in sorted(best.items())
        )
        out.note(f"order with them: neuromation dataset order {generator} {options} -n UNITS --name NAME")
    show_bill(out, job)


def _rounded(value: Any) -> Any:
    return "-" if value is None else f"{value:.4f}" if isinstance(value, float) else value
