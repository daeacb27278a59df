"""`neuromation model measure` and `compress`: a model's folder measured on real data and made smaller, on this machine."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from neuromation.cli.commands import command, needing, values_of
from neuromation.cli.models import BatchOption, ConfigOption, SeedOption, app
from neuromation.cli.output import Output
from neuromation.cli.sample_sets import FRESH_UNITS
from neuromation.kernel.errors import Invalid, NotFound

if TYPE_CHECKING:
    from neuromation.learning.compression.recipe import CompressionReport
    from neuromation.learning.evaluation.figures import Report
    from neuromation.learning.export import ExportedModel
    from neuromation.learning.problem import Samples
    from neuromation.learning.trainer import Recipe

COARSE_BYTES_MAX = 1_000_000
TEACHER_SHARE = 0.7  # of the loss while teaching; the labels have the rest

ModelArgument = Annotated[
    Path, typer.Argument(metavar="MODEL_FOLDER", help="As `model fit` or `model download` make it.")
]
SplitOption = Annotated[str | None, typer.Option("--split", help="Of the real data; default: all of it.")]
ReportOption = Annotated[
    Path | None, typer.Option("--report", metavar="FILE", help="Write a page with charts and the worst errors.")
]
CalledOption = Annotated[
    list[str] | None,
    typer.Option("--called", metavar="NAME=CLASS", help="What the model calls a class of the data; may be repeated."),
]


@command(app, "measure", example="neuromation model measure dice-net --real photos --report dice.html")
def measure(
    out: Output,
    *,
    folder: ModelArgument,
    real: Annotated[
        Path, typer.Option("--real", help="Labelled photos or recordings: COCO, YOLO, VOC, folders by class, CSV.")
    ],
    split: SplitOption = None,
    synthetic: Annotated[
        Path | None,
        typer.Option(
            "--synthetic", help="A generated data set to stand beside it, not trained on; default: fresh units."
        ),
    ] = None,
    units: Annotated[
        int, typer.Option("--synthetic-units", min=0, max=10_000, help="So many fresh units of the model's generator.")
    ] = FRESH_UNITS,
    called: CalledOption = None,
    coarse: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Coarse classes: CSV rows of class,coarse, or a JSON object.")
    ] = None,
    alarm_score: Annotated[
        float | None, typer.Option("--alarm-score", min=0, max=1, help="From which score an answer counts.")
    ] = None,
    int8: Annotated[bool, typer.Option("--int8", help="Measure the 8-bit file of a compressed model.")] = False,
    report: ReportOption = None,
    seed: SeedOption = 0,
) -> None:
    """Measure a model's folder on real data, synthetic figures beside it. Nothing leaves this machine.

    Figures come with 95 % intervals. Pictures without labels, or of classes --called sets to nothing, count false alarms.
    """
    with needing("learning"), needing("synthetic"):
        from neuromation.learning.evaluation import measure as measured
        from neuromation.learning.evaluation import side_by_side
        from neuromation.learning.export import load_exported

        model = load_exported(folder)
        names = {key: str(value) for key, value in values_of(called, option="--called").items()}
        groups = None if coarse is None else _coarse(coarse)
        samples = _samples(out, model, real, split, names)
        answers = model.answers(samples, int8=int8)
        on_real = measured(answers, samples, seed=seed, coarse=groups, alarm_score=alarm_score)
        beside = None
        made = _samples(out, model, synthetic, None, names) if synthetic is not None else _fresh(out, model, units)
        if made is not None:
            # At the score chosen on real data: both columns judge one and the same network.
            score = None if math.isnan(on_real.score_min) else on_real.score_min
            beside = measured(model.answers(made, int8=int8), made, seed=seed, coarse=groups, alarm_score=score)
        if report is not None:
            _write_page(
                out, report, model, on_real, samples, answers, beside, title=f"{folder.resolve().name} on real data"
            )
        value = {"model": model.model, "real": on_real.to_json(), "synthetic": beside and beside.to_json()}
        if beside is not None:
            value["gap"] = side_by_side(beside, on_real).to_json()["gap"]
    out.result(value, lambda: _show(out, on_real, beside))


@command(
    app,
    "compress",
    example="neuromation model compress dice-net --prune 0.5 --int8 --data dice-2k --real photos --out dice-small",
)
def compress(
    out: Output,
    *,
    folder: ModelArgument,
    target: Annotated[Path, typer.Option("--out", "-o", help="A new folder for the smaller model.")],
    data: Annotated[
        Path | None, typer.Option("--data", help="Labelled data to prune, teach and calibrate by; synthetic serves.")
    ] = None,
    real: Annotated[
        Path | None, typer.Option("--real", help="Labelled real data; every step is measured on it.")
    ] = None,
    split: SplitOption = None,
    called: CalledOption = None,
    prune: Annotated[
        float, typer.Option(min=0, max=0.95, help="Share of the channels of every layer that goes.")
    ] = 0.0,
    remove_layers: Annotated[int, typer.Option("--remove-layers", min=0, max=64, help="Blocks that go.")] = 0,
    student: Annotated[str | None, typer.Option(help="A smaller network of the zoo that learns in its place.")] = None,
    config: ConfigOption = None,
    distil: Annotated[
        bool, typer.Option("--distil/--no-distil", help="Teach what is left to answer as the model did.")
    ] = True,
    steps: Annotated[int, typer.Option(min=1, max=10_000_000, help="Of that teaching.")] = 1_000,
    batch_size: BatchOption = 32,
    learning_rate: Annotated[float, typer.Option("--learning-rate", min=1e-9, max=10)] = 2e-3,
    temperature: Annotated[float, typer.Option(min=0.1, max=100, help="Of the imitation of classes.")] = 4.0,
    int8: Annotated[bool, typer.Option("--int8", help="An ONNX file with 8-bit weights and activations, too.")] = False,
    mobile: Annotated[
        bool, typer.Option("--mobile", help="An ExecuTorch program, too; needs neuromation[mobile].")
    ] = False,
    report: ReportOption = None,
    seed: SeedOption = 0,
) -> None:
    """Make a model smaller and faster: fewer layers, fewer channels, a teacher's help, 8 bits. Each step is measured.

    --config gives settings of the --student. Without --real, sizes and times are told, and no accuracy.
    """
    with needing("learning"), needing("synthetic"):
        from neuromation.learning.compression.pipeline import compress as compressed
        from neuromation.learning.compression.recipe import CompressionRecipe
        from neuromation.learning.export import load_exported

        model = load_exported(folder)
        names = {key: str(value) for key, value in values_of(called, option="--called").items()}
        if report is not None and real is None:
            raise Invalid("--report shows errors on real data; give --real, or leave it out")
        recipe = CompressionRecipe(
            student=student,
            student_config=values_of(config, option="--config"),
            remove_layers=remove_layers,
            prune=prune,
            heal=_teaching(steps, batch_size, learning_rate, seed) if prune or remove_layers or student else None,
            teacher_share=TEACHER_SHARE if distil else 0.0,
            temperature=temperature,
            int8=int8,
            mobile=mobile,
            seed=seed,
        )
        samples = None if data is None else _samples(out, model, data, None, names)
        on = None if real is None else _samples(out, model, real, split, names)
        with out.bar("teaching", steps, "steps") as update:
            found = compressed(
                folder, recipe, target, samples=samples, real=on, note=out.note, tell=lambda step, *_: update(step)
            )
        if report is not None and on is not None:
            _write_page_of(out, report, target, on, int8=int8, seed=seed)
    out.result({"folder": target.resolve(), **found.to_json()}, lambda: _show_compression(out, target, found))


def _teaching(steps: int, batch_size: int, learning_rate: float, seed: int) -> Recipe:
    from neuromation.learning.trainer import Recipe

    return Recipe(
        steps=steps,
        batch_size=batch_size,
        lr=learning_rate,
        warmup_steps=min(50, steps // 10),
        clip_norm=10.0,
        seed=seed,
    )


def _write_page_of(out: Output, path: Path, folder: Path, samples: Samples, *, int8: bool, seed: int) -> None:
    """The page of a compressed model, as it will be delivered."""
    from neuromation.learning.evaluation import measure as measured
    from neuromation.learning.export import load_exported

    model = load_exported(folder)
    answers = model.answers(samples, int8=int8)
    real = measured(answers, samples, seed=seed)
    _write_page(out, path, model, real, samples, answers, None, title=f"{folder.resolve().name} on real data")


def _samples(out: Output, model: ExportedModel, folder: Path, split: str | None, called: Mapping[str, str]) -> Samples:
    """What a folder holds, its classes numbered as the model numbers them."""
    from neuromation.cli.sample_sets import samples_in
    from neuromation.learning.evaluation import renumbered

    out.note(f"reading {folder}{f', {split}' if split else ''}")
    return renumbered(samples_in(folder, model.problem, model.input, split=split).samples, model.classes, called=called)


def _fresh(out: Output, model: ExportedModel, units: int) -> Samples | None:
    """Units of the model's own generator that it has not seen; None where that is unknown or not installed."""
    from neuromation.cli.sample_sets import samples_of_lineage
    from neuromation.learning.evaluation import renumbered

    if units == 0:
        return None
    out.note(f"making {units} fresh units of the model's generator")
    try:
        made = samples_of_lineage(model.facts.get("lineage", {}), model.problem, model.input, units=units)
    except (Invalid, NotFound) as error:
        out.note(f"no synthetic figures: {error.message}")
        return None
    return renumbered(made, model.classes)


def _coarse(path: Path) -> dict[str, str]:
    try:
        if path.stat().st_size > COARSE_BYTES_MAX:
            raise Invalid(
                f"{path.name} has more than {COARSE_BYTES_MAX:,} bytes; it names a coarse class for each class"
            )
        text = path.read_text("utf-8")
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror}") from error
    try:
        found = (
            json.loads(text)
            if path.suffix == ".json"
            else dict(row[:2] for row in csv.reader(text.splitlines()) if row)
        )
        return {str(key): str(value) for key, value in found.items()}
    except (ValueError, AttributeError) as error:
        raise Invalid(f"{path.name} is neither CSV rows of class,coarse nor a JSON object of them") from error


def _write_page(
    out: Output,
    path: Path,
    model: ExportedModel,
    real: Report,
    samples: Samples,
    answers: Any,
    synthetic: Report | None,
    *,
    title: str,
) -> None:
    from neuromation.learning.reporting.page import write_report

    facts = {"network": model.model, "parameters": f"{sum(a.size for a in model.weights.values()):,}"}
    write_report(path, real, samples, answers, synthetic=synthetic, title=title, facts=facts)
    out.note(f"wrote {path}")


def _show(out: Output, real: Report, synthetic: Report | None) -> None:
    names = [*real.figures, *(n for n in (synthetic.figures if synthetic else {}) if n not in real.figures)]
    if synthetic is None:
        out.table(("figure", "real>"), [(name, str(real.figures[name])) for name in names])
    else:
        rows = [(name, str(synthetic.figures.get(name, "-")), str(real.figures.get(name, "-"))) for name in names]
        out.table(("figure", "synthetic>", "real>"), rows)
    if real.per_class:
        columns = list(real.per_class[0].figures)
        rows_of_class = [
            (c.name, f"{c.support:,}", *(_short(c.figures[column].value) for column in columns)) for c in real.per_class
        ]
        out.table(("class", "count>", *(f"{column}>" for column in columns)), rows_of_class)
    for one in real.conditions:
        out.say(f"{one.title} {one.word}: {one.figures[real.headline]} on {one.samples:,}")


def _short(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


def _show_compression(out: Output, target: Path, report: CompressionReport) -> None:
    head = ("step", "parameters>", "file kB>", "torch ms>", "ONNX ms>", "mobile ms>", f"{report.headline or 'figure'}>")
    rows = [
        (
            stage.name,
            f"{stage.parameters:,}",
            f"{stage.size_bytes / 1e3:,.0f}",
            *(_short(stage.latency_ms.get(name, math.nan)) for name in ("torch", "onnx", "executorch")),
            "-" if stage.figure is None else str(stage.figure),
        )
        for stage in report.stages
    ]
    out.table(head, rows)
    lost = "" if math.isnan(report.loss_points) else f", {report.loss_points:+.1f} points lost"
    out.facts([("result", f"{report.smaller:.1f} x smaller, {report.faster:.1f} x faster{lost}"), ("folder", target)])
