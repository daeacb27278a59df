"""`neuromation model fit` and `tune`: training, and the loop that re-tunes a generator, on this machine alone."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from neuromation import __version__
from neuromation.cli.commands import ParamOption, command, needing, values_of
from neuromation.cli.generators import GeneratorArgument
from neuromation.cli.models import BatchOption, ConfigOption, SeedOption, app
from neuromation.cli.output import Output
from neuromation.cli.sample_sets import FRESH_SEED, FRESH_UNITS
from neuromation.kernel.errors import Invalid
from neuromation.kernel.files import write_whole

if TYPE_CHECKING:
    from neuromation.cli.sample_sets import SampleSet
    from neuromation.learning.evaluation.figures import Report
    from neuromation.learning.loop import Effort, Outcome, Training, Tried
    from neuromation.learning.problem import InputSpec, Samples
    from neuromation.learning.trainer import Fitted, Recipe
    from neuromation.learning.zoo import ModelSpec

HELD_BACK_SHARE, HELD_BACK_MAX = 0.1, 1_000  # synthetic samples that measure and never train
CALIBRATION_STEPS, CALIBRATION_UNITS = 8, 16
SAY_EVERY_S = 10.0
COMPARED = 256  # samples that an exported model is compared on, at most

OutOption = Annotated[Path, typer.Option("--out", "-o", help="The model's folder; an interrupted run goes on there.")]
ModelOption = Annotated[str, typer.Option("--model", help="A network of the zoo; see `neuromation model zoo`.")]
AugmentOption = Annotated[
    list[str] | None, typer.Option("--augment", metavar="KEY=VALUE", help="Changes at random; default: by problem.")
]
RealOption = Annotated[Path | None, typer.Option("--real", help="Labelled real data, to measure on only.")]
SplitOption = Annotated[str | None, typer.Option("--split", help="Of the real data; default: all of it.")]
ThreadsOption = Annotated[int, typer.Option("--threads", min=1, max=256, help="Of the processor.")]
LearningRateOption = Annotated[float, typer.Option("--learning-rate", min=1e-9, max=10, help="The highest one.")]


@command(app, "fit", example="neuromation model fit dice-2k --model heatmap-detector --real photos --out dice-net")
def fit(
    out: Output,
    *,
    data: Annotated[Path, typer.Argument(metavar="FOLDER", help="A data set's folder, or one of labelled photos.")],
    model: ModelOption,
    folder: OutOption,
    config: ConfigOption = None,
    steps: Annotated[int, typer.Option(min=1, max=10_000_000, help="Of the optimiser.")] = 2_000,
    batch_size: BatchOption = 32,
    learning_rate: LearningRateOption = 2e-3,
    augment: AugmentOption = None,
    start: Annotated[Path | None, typer.Option(help="A model's folder to begin with: a warm start.")] = None,
    real: RealOption = None,
    split: SplitOption = None,
    seed: SeedOption = 0,
    threads: ThreadsOption = 1,
    bf16: Annotated[
        bool, typer.Option("--bf16", help="Compute in bfloat16: faster where the processor has it.")
    ] = False,
) -> None:
    """Train a network here on a folder of data, and write the model's folder: weights, ONNX and card.

    A tenth of the data measures and does not train. With --real, figures on real data stand beside the synthetic ones.
    """
    with needing("learning"):
        from neuromation.learning.trainer import Recipe
        from neuromation.learning.zoo import get_model

        spec = get_model(model)
        settings = spec.check_config(values_of(config, option="--config"))
        _check_new(folder)
        recipe = Recipe(
            steps=steps,
            batch_size=batch_size,
            lr=learning_rate,
            warmup_steps=min(50, steps // 10),
            seed=seed,
            bf16=bf16,
            augment=_augment(spec, settings, augment),
        )
        given = _read(out, data, spec, spec.input_of(settings))
        training, held_back = _parted(given.samples, seed)
        fitted = _fit(out, spec, settings, training, recipe, folder, start=start, threads=threads)
        measured = _measured(out, spec, settings, fitted, held_back, real, split)
        lineage = {**given.lineage, "training": _story(recipe), "code_version": __version__}
        _write(folder, spec, settings, fitted, training, {**lineage, **_card_figures(measured)})
    _finish(out, folder, spec, measured, {"recipe": recipe.to_json(), "lineage": lineage})


@command(
    app,
    "tune",
    example="neuromation model tune dice --model heatmap-detector --real photos --tune annotation_margin_px --minutes 30 -o net",
)
def tune(
    out: Output,
    *,
    generator: GeneratorArgument,
    model: ModelOption,
    real: Annotated[Path, typer.Option("--real", help="A few labelled real photos or recordings.")],
    folder: OutOption,
    choose: Annotated[str, typer.Option(help="The split that trials are judged on.")] = "validation",
    report: Annotated[str, typer.Option(help="The split that only the end is measured on.")] = "test",
    tuned: Annotated[
        list[str] | None, typer.Option("--tune", metavar="NAME", help="A parameter that may move; default: all.")
    ] = None,
    param: ParamOption = None,
    config: ConfigOption = None,
    minutes: Annotated[float, typer.Option(min=0.1, max=100_000, help="Of one thread, for everything.")] = 30.0,
    reach: Annotated[
        float, typer.Option(min=0.01, max=1.0, help="How far from the values given, as a share of a range.")
    ] = 0.25,
    data_share: Annotated[
        float, typer.Option(min=0.05, max=0.95, help="Of a trial's time that goes into making data.")
    ] = 0.4,
    batch_size: BatchOption = 32,
    learning_rate: LearningRateOption = 2e-3,
    augment: AugmentOption = None,
    seed: SeedOption = 0,
) -> None:
    """Re-tune a generator by the model's errors on a few real samples, within a budget, and train with what was found.

    Nothing real trains the model. Every trial is a line of loop.jsonl in the folder: an interrupted loop goes on there.
    """
    with needing("learning"), needing("synthetic"):
        from neuromation.learning.evaluation import renumbered
        from neuromation.learning.gathering import classes_for
        from neuromation.learning.zoo import get_model
        from neuromation.synthetic import get_generator, parse_params

        spec, source = get_model(model), get_generator(generator)
        settings = spec.check_config(values_of(config, option="--config"))
        parsed = parse_params(source, values_of(param))
        base, classes = parsed.model_dump(mode="json"), classes_for(spec.problem, source.classes_for(parsed))
        _check_new(folder)
        inputs = spec.input_of(settings)
        judged = renumbered(_read(out, real, spec, inputs, split=choose).samples, classes)
        untouched = renumbered(_read(out, real, spec, inputs, split=report).samples, classes)
        trial = _Trials(
            out=out,
            spec=spec,
            settings=settings,
            generator=source,
            base=base,
            names=tuple(tuned or ()),
            reach=reach,
            judged=judged,
            recipe={"batch_size": batch_size, "lr": learning_rate, "augment": _augment(spec, settings, augment)},
        )
        _run(out, trial, untouched, folder, minutes=minutes, data_share=data_share, seed=seed)


def _run(
    out: Output,
    trial: _Trials,
    untouched: Samples,
    folder: Path,
    *,
    minutes: float,
    data_share: float,
    seed: int,
) -> None:
    """Spend the budget, write what came of it, and tell."""
    from neuromation.learning.loop import (
        USUAL_FINAL_SHARE,
        USUAL_ROUNDS,
        USUAL_TRIAL_SHARE,
        USUAL_WARM_SHARE,
        Effort,
        Plan,
        run_loop,
    )

    spec, settings, source = trial.spec, trial.settings, trial.generator
    folder.mkdir(parents=True, exist_ok=True)
    trial.calibrate(folder / "speeds.json", full_minutes=minutes * USUAL_TRIAL_SHARE, data_share=data_share, seed=seed)
    shares = {"final_share": USUAL_FINAL_SHARE, "warm_share": USUAL_WARM_SHARE}
    plan = Plan(budget=minutes, rounds=USUAL_ROUNDS, seed=seed, **shares)
    found = run_loop(trial, plan, record=folder / "loop.jsonl", tell=_teller(out))
    fitted, some = trial.fitted(found.final)
    best = {name: round(value, 6) for name, value in found.params.items()}
    params = {**trial.base, **best}
    units = Effort(found.kept.share).of(trial.units)
    fresh = trial.made(params, min(FRESH_UNITS, units), FRESH_SEED)
    measured = {
        "synthetic": _report(spec, settings, fitted, fresh),
        "real": _report(spec, settings, fitted, untouched),
    }
    lineage: dict[str, Any] = {
        "generator": f"{source.name}@{source.version}",
        "generator_params": params,
        "synthetic_units": units,
        "code_version": __version__,
    }
    lineage["warm_start"] = [
        {
            "generator_params": {**trial.base, **{name: round(value, 6) for name, value in before.params.items()}},
            "synthetic_units": Effort(before.share).of(trial.units),
        }
        for before in found.went_on_from
    ]
    _write(folder, spec, settings, fitted, some, {**lineage, **_card_figures(measured)})
    write_whole(folder / "params.json", (json.dumps(params, indent=1) + "\n").encode())
    told = {"params": best, "trials": len(found.tried), "minutes": round(found.spent, 2), "lineage": lineage}
    _finish(out, folder, spec, measured, told)


@dataclass
class _Trials:
    """The loop's subject: a generator, a network, and the real samples that judge. Costs are minutes of one thread."""

    out: Output
    spec: ModelSpec
    settings: Any
    generator: Any
    base: dict[str, Any]
    names: tuple[str, ...]
    reach: float
    judged: Samples
    recipe: dict[str, Any]
    units: int = 0
    steps: int = 0
    full_minutes: float = 0.0
    _fits: list[tuple[Fitted, Samples]] = field(default_factory=list)

    @property
    def space(self) -> Sequence[Any]:
        """The tunable parameters, around the values that were given."""
        from neuromation.learning.adaptation import Parameter, around
        from neuromation.synthetic import search_space

        known = {t.name: t for t in search_space(self.generator)}
        strange = [name for name in self.names if name not in known]
        if strange:
            raise Invalid(f"{self.generator.name} has no parameter {strange[0]!r} to tune; it has {', '.join(known)}")
        whole = [
            Parameter(t.name, t.low, t.high, min(t.high, max(t.low, float(self.base[t.name]))), t.log)
            for t in known.values()
            if not self.names or t.name in self.names
        ]
        return around(whole, self.reach)

    def calibrate(self, path: Path, *, full_minutes: float, data_share: float, seed: int) -> None:
        """Find out what a full trial makes and trains in its minutes; kept, so that a resumed loop counts the same."""
        from neuromation.learning.loop import Effort, Training

        if path.is_file():
            speeds = json.loads(path.read_text(encoding="utf-8"))
        else:
            self.made(self.base, 1, seed)
            began = time.process_time()
            samples = self.made(self.base, CALIBRATION_UNITS, seed)
            unit_s = (time.process_time() - began) / CALIBRATION_UNITS
            once = Training(Effort(1.0), seed)
            self._fitted(samples, 1, once)  # loads and warms what every process does once
            began = time.process_time()
            self._fitted(samples, CALIBRATION_STEPS, once)
            speeds = {"unit_s": unit_s, "step_s": (time.process_time() - began) / CALIBRATION_STEPS}
            write_whole(path, (json.dumps(speeds) + "\n").encode())
        seconds = 60 * full_minutes
        self.units = max(32, int(seconds * data_share / speeds["unit_s"]))
        self.steps = max(16, int(seconds * (1 - data_share) / speeds["step_s"]))
        self.full_minutes = (self.units * speeds["unit_s"] + self.steps * speeds["step_s"]) / 60

    def cost(self, effort: Effort) -> float:
        """Minutes, by the speeds measured at the start."""
        return float(self.full_minutes * effort.share)

    def trial(self, params: Mapping[str, float], training: Training) -> Outcome:
        """Make, train, measure."""
        from neuromation.learning.evaluation import predict
        from neuromation.learning.loop import Stage, outcome_of

        effort = training.effort
        made = training.drawn(self.made({**self.base, **params}, effort.of(self.units), training.seed))
        fitted = self._fitted(made, effort.of(self.steps), training)
        answers = predict(fitted.weights, self.spec.name, self.settings.model_dump(), self.judged)
        if training.stage is Stage.SEARCH:
            return outcome_of(answers, self.judged, fitted.weights)
        self._fits.append((fitted, made.only(range(min(len(made), COMPARED)))))  # the loop may keep it
        return outcome_of(answers, self.judged, fitted.weights, self._readings({**self.base, **params}, answers))

    def _readings(self, params: Mapping[str, Any], answers: Sequence[Any]) -> dict[str, float]:
        """The margin of boxes that a model's errors tell."""
        from neuromation.learning.evaluation import margin_told
        from neuromation.synthetic import BOX_MARGIN

        if BOX_MARGIN not in params:
            return {}
        shape = self.generator.unit(self._parsed(params), 0, 0).picture.shape
        inputs = self.spec.input_of(self.settings)
        margin = margin_told(params[BOX_MARGIN], answers, self.judged, made=shape, inputs=inputs)
        return {} if margin is None else {BOX_MARGIN: margin}

    def fitted(self, kept: Outcome) -> tuple[Fitted, Samples]:
        """The training of a whole outcome, and some of its data."""
        return next((fitted, some) for fitted, some in self._fits if fitted.weights is kept.weights)

    def made(self, params: Mapping[str, Any], units: int, seed: int) -> Samples:
        """Samples of the generator."""
        from neuromation.cli.sample_sets import samples_made

        parsed = self._parsed(params)
        with self.out.bar("making data", units, "units") as update:

            def made() -> Iterator[Any]:
                for index in range(units):
                    update(index)
                    yield self.generator.unit(parsed, seed, index)

            return samples_made(self.generator, parsed, made(), self.spec.problem, self.spec.input_of(self.settings))

    def _parsed(self, params: Mapping[str, Any]) -> Any:
        from neuromation.synthetic import parse_params

        chosen = {name: round(value, 6) if isinstance(value, float) else value for name, value in params.items()}
        return parse_params(self.generator, chosen)

    def _fitted(self, samples: Samples, steps: int, training: Training) -> Fitted:
        from neuromation.learning.trainer import Recipe, fit

        recipe = training.recipe(
            Recipe(steps=steps, warmup_steps=min(50, steps // 10), seed=training.seed, **self.recipe)
        )
        with _progress(self.out, recipe) as tell:
            return fit(self.spec.name, self.settings.model_dump(), samples, recipe, start=training.start, tell=tell)


def _check_new(folder: Path) -> None:
    if (folder / "config.json").exists():
        raise Invalid(f"{folder} already holds a finished model; name another folder")


def _augment(spec: ModelSpec, settings: Any, given: list[str] | None) -> Any:
    """The changes that were asked for, or what is usual for the network."""
    from neuromation.learning.trainer import Recipe
    from neuromation.learning.training import usual_augment

    if given is not None:
        values = values_of(given, option="--augment")
        return Recipe.from_json({"steps": 1, "augment": values}).augment
    return usual_augment(spec.name, settings.model_dump())


def _read(out: Output, folder: Path, spec: ModelSpec, inputs: InputSpec, *, split: str | None = None) -> SampleSet:
    from neuromation.cli.sample_sets import samples_in

    out.note(f"reading {folder}{f', {split}' if split else ''}")
    with needing("synthetic"):
        return samples_in(folder, spec.problem, inputs, split=split)


def _parted(samples: Samples, seed: int) -> tuple[Samples, Samples]:
    """What trains, and what is held back, drawn by the seed."""
    import numpy as np

    from neuromation.kernel.rng import unit_rng

    order = unit_rng(seed, 0, "held-back").permutation(len(samples))
    back = min(HELD_BACK_MAX, max(1, round(len(samples) * HELD_BACK_SHARE)))
    if len(samples) < 10:
        raise Invalid(f"{len(samples)} samples are too few to train and to measure; give 10 at least")
    return samples.only(np.sort(order[back:])), samples.only(np.sort(order[:back]))


def _fit(
    out: Output,
    spec: ModelSpec,
    settings: Any,
    samples: Samples,
    recipe: Recipe,
    folder: Path,
    *,
    start: Path | None,
    threads: int,
) -> Fitted:
    from neuromation.learning.checkpoints import Checkpoints
    from neuromation.learning.export import load_exported
    from neuromation.learning.trainer import fit as train

    weights = None
    if start is not None:
        begun = load_exported(start)
        if (begun.model, begun.config, begun.classes) != (spec.name, settings.model_dump(), samples.classes):
            raise Invalid(
                f"{start} holds a {begun.model} with other classes or settings than asked for; a warm start needs the same"
            )
        weights = begun.weights
    folder.mkdir(parents=True, exist_ok=True)
    with _progress(out, recipe) as tell:
        return train(
            spec.name,
            settings.model_dump(),
            samples,
            recipe,
            start=weights,
            checkpoints=Checkpoints(folder / "checkpoint"),
            tell=tell,
            threads=threads,
        )


@contextmanager
def _progress(out: Output, recipe: Recipe) -> Iterator[Callable[[int, float, float, float], None]]:
    said = time.monotonic()
    with out.bar("training", recipe.steps, "steps") as update:

        def tell(step: int, loss: float, lr: float, samples_per_s: float) -> None:
            nonlocal said
            update(step)
            if time.monotonic() - said > SAY_EVERY_S or step == recipe.steps:
                said = time.monotonic()
                out.note(f"step {step:,}: loss {loss:.4f}, {samples_per_s:,.0f} samples/s")

        yield tell


def _teller(out: Output) -> Callable[[Tried], None]:
    def tell(tried: Tried) -> None:
        what = f"trial {tried.of}" if tried.stage == "search" else tried.stage
        out.note(f"{what}: {tried.outcome.figure:.4f} on the real samples that judge, {tried.cost:.2f} minutes")

    return tell


def _measured(
    out: Output,
    spec: ModelSpec,
    settings: Any,
    fitted: Fitted,
    held_back: Samples,
    real: Path | None,
    split: str | None,
) -> dict[str, Report]:
    found = {"synthetic": _report(spec, settings, fitted, held_back)}
    if real is not None:
        from neuromation.learning.evaluation import renumbered

        given = _read(out, real, spec, spec.input_of(settings), split=split).samples
        found["real"] = _report(spec, settings, fitted, renumbered(given, held_back.classes))
    return found


def _report(spec: ModelSpec, settings: Any, fitted: Fitted, samples: Samples) -> Report:
    from neuromation.learning.evaluation import measure, predict

    return measure(predict(fitted.weights, spec.name, settings.model_dump(), samples), samples, resamples=200)


def _story(recipe: Recipe) -> dict[str, Any]:
    return {k: v for k, v in recipe.to_json().items() if k in ("steps", "batch_size", "lr", "seed")}


def _card_figures(measured: Mapping[str, Report]) -> dict[str, Any]:
    return {title: report.to_json() for title, report in measured.items()}


def _write(
    folder: Path, spec: ModelSpec, settings: Any, fitted: Fitted, samples: Samples, card: Mapping[str, Any]
) -> None:
    """The model's files; config.json last, and then the checkpoint goes."""
    import shutil

    from neuromation.learning.export import export_model, write_model

    files = export_model(fitted.weights, spec.name, settings.model_dump(), samples.classes, card=card, samples=samples)
    history = json.dumps([asdict(t) for t in fitted.history]) + "\n"
    write_model(folder, {**files, "history.json": history.encode()})
    shutil.rmtree(folder / "checkpoint", ignore_errors=True)


def _finish(
    out: Output, folder: Path, spec: ModelSpec, measured: Mapping[str, Report], more: Mapping[str, Any]
) -> None:
    figures = {title: report.to_json() for title, report in measured.items()}
    value = {"folder": folder.resolve(), "model": spec.name, "figures": figures, **more}
    facts: list[tuple[str, Any]] = [("folder", folder.resolve()), ("model", spec.title)]
    for title, report in measured.items():
        main = report.figures[report.headline]
        facts.append(
            (
                f"{report.headline}, {title}",
                f"{main.value:.4f} ({main.low:.4f} to {main.high:.4f}) on {report.samples:,}",
            )
        )
    out.result(value, lambda: out.facts(facts))
