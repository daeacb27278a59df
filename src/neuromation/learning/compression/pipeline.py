"""From a model folder to a smaller one: the steps of a recipe in order, each measured; owns the order and the report.

A student or the model itself loses layers, then channels, learns again from the model as it was, and is written in 8 bits.
Refuses to know where samples come from.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neuromation.kernel.rng import unit_rng
from neuromation.learning.batches import batch, check_compatible
from neuromation.learning.compression import latency
from neuromation.learning.compression.mobile import MOBILE_FILE, mobile_ms, mobile_program, mobile_run
from neuromation.learning.compression.pruning import macs_of, prune_channels, remove_layers
from neuromation.learning.compression.quantising import checked_session, quantised
from neuromation.learning.compression.recipe import CompressionRecipe, CompressionReport, Stage
from neuromation.learning.errors import BadCalibration, BadExport, BadRecipe
from neuromation.learning.evaluation.figures import Report
from neuromation.learning.evaluation.measuring import measure
from neuromation.learning.evaluation.predicting import answers_of, predict_onnx, renumbered
from neuromation.learning.export import (
    INT8_FILE,
    ExportedModel,
    config_bytes,
    export_learner,
    load_exported,
    write_model,
)
from neuromation.learning.problem import Answer, InputSpec, Samples
from neuromation.learning.trainer import Tell
from neuromation.learning.zoo import get_model, initial_weights

if TYPE_CHECKING:
    from neuromation.learning.learner import Learner

REPORT_FILE = "compression.json"
JUDGES = 64  # samples that say which channels and layers matter
RESAMPLES = 300  # of the intervals in the report
INT8_LOSS_MAX = 0.005  # of the headline figure on the calibration samples, before the ends are kept in float

Note = Callable[[str], None]


@dataclass
class _Patient:
    """The model on its way: its network, what was taken out, and its files as they are now."""

    teacher: ExportedModel
    module: Learner
    model: str
    config: dict[str, Any]
    spec: InputSpec
    real: Samples | None
    watch_s: float
    removed: list[str] = field(default_factory=list)
    stages: list[Stage] = field(default_factory=list)
    reports: dict[str, Report] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)


def compress(
    folder: str | Path,
    recipe: CompressionRecipe,
    out: str | Path,
    *,
    samples: Samples | None = None,
    real: Samples | None = None,
    note: Note | None = None,
    tell: Tell | None = None,
    watch_s: float = latency.WATCH_S,
) -> CompressionReport:
    """Make a smaller model of an exported one.

    Args:
        folder: of the model, as `export_model` or a download makes it.
        recipe: the steps.
        out: a new or empty folder: gets the smaller model's files, `model.int8.onnx` and `model.pte` where asked for,
            and compression.json. Nothing is written before all steps have succeeded.
        samples: what is pruned, healed and calibrated by; synthetic ones serve. Labels are matched by their names.
        real: what every step is measured on; None for sizes and times alone.
        note: told the name of each step as it begins; tell: the healing's progress, see `trainer.fit`.
        watch_s: for how long each runtime's time is taken.

    Raises:
        BadExport, BadWeights: the folder is no model, or ONNX Runtime or ExecuTorch cannot take it.
        UnknownOperators: its ONNX file has operators that ONNX Runtime does not know.
        WrongProblem, ClassesMismatch: the samples are not what the model is asked.
        BadCalibration: a step needs samples and there are too few; NothingToPrune: the network has nothing to spare.
        BadRecipe, TrainingDiverged: the recipe is wrong, or the healing did not go well.
    """
    model = load_exported(folder)
    target = Path(out)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise BadExport(f"{target} is not an empty folder; name another one")
    checked_session(model.onnx)
    samples, real = (_suited(model, one) for one in (samples, real))
    say = note or (lambda _step: None)
    one = _admitted(model, recipe, real, watch_s)
    say("the model as it came")
    _note_stage(one, "as it came", model.onnx)
    _operate(one, recipe, samples, say, tell)
    one.files = one.files or _exported(one, samples)
    if recipe.int8:
        say("8 bits")
        _in_8_bits(one, _need(samples, "quantising"), recipe)
    if recipe.mobile:
        say("the mobile file")
        _mobile(one, samples, recipe)
    report = CompressionReport(
        stages=tuple(one.stages),
        headline=next((r.headline for r in one.reports.values()), ""),
        measured_on=0 if real is None else len(real),
        removed=tuple(one.removed),
    )
    _write(one, report, target)
    return report


def _admitted(model: ExportedModel, recipe: CompressionRecipe, real: Samples | None, watch_s: float) -> _Patient:
    if recipe.student is None:
        module = model.learner()
        removed = list(model.removed)
        return _Patient(model, module, model.model, model.config, model.input, real, watch_s, removed)
    entry = get_model(recipe.student)
    settings = entry.check_config(recipe.student_config)
    if entry.problem is not model.problem or entry.input_of(settings) != model.input:
        raise BadRecipe(
            f"{recipe.student} is made for {entry.problem} of {entry.input_of(settings).shape} and the model for "
            f"{model.problem} of {model.input.shape}; give the student the same input by its configuration"
        )
    return _Patient(model, model.learner(), model.model, model.config, model.input, real, watch_s)


def _suited(model: ExportedModel, samples: Samples | None) -> Samples | None:
    if samples is None:
        return None
    check_compatible(model.problem, samples)
    return renumbered(samples, model.classes)


def _need(samples: Samples | None, step: str) -> Samples:
    if samples is None:
        raise BadCalibration(f"{step} needs samples, and there are none; give a data set")
    return samples


def _operate(one: _Patient, recipe: CompressionRecipe, samples: Samples | None, say: Note, tell: Tell | None) -> None:
    """Student, layers, channels, healing: what changes the float network."""
    if recipe.student is not None:
        _enrol(one, recipe)
    if recipe.remove_layers:
        say("fewer layers")
        inputs, targets = _drawn(_need(samples, "removing layers"), one.spec, JUDGES, recipe.seed)
        one.removed += remove_layers(one.module, inputs, targets, count=recipe.remove_layers)
        _measured(one, f"{recipe.remove_layers} blocks removed", samples)
    if recipe.prune:
        say("fewer channels")
        inputs, targets = _drawn(_need(samples, "pruning"), one.spec, JUDGES, recipe.seed)
        prune_channels(one.module, inputs, targets, share=recipe.prune)
        _measured(one, f"{recipe.prune:.0%} of the channels pruned", samples)
    if recipe.heal is not None:
        from neuromation.learning.compression.distillation import taught

        say("learning from the model as it was")
        taught(
            one.module,
            one.teacher.learner(),
            one.spec,
            _need(samples, "learning"),
            recipe.heal,
            share=recipe.teacher_share,
            temperature=recipe.temperature,
            tell=tell,
        )
        _measured(one, "distilled" if recipe.teacher_share else "trained again", samples)


def _enrol(one: _Patient, recipe: CompressionRecipe) -> None:
    """Put an untaught student in the model's place."""
    from neuromation.learning import engine

    assert recipe.student is not None and recipe.heal is not None, "the recipe was checked"
    weights = initial_weights(recipe.student, recipe.student_config, one.teacher.classes, recipe.heal.seed)
    one.model, one.removed = recipe.student, []
    one.config = get_model(recipe.student).check_config(recipe.student_config).model_dump(mode="json")
    one.module = engine.module_of(weights, one.model, one.config, one.teacher.classes)


def _measured(one: _Patient, name: str, samples: Samples | None) -> None:
    one.files = _exported(one, samples)
    _note_stage(one, name, one.files["model.onnx"])


def _note_stage(one: _Patient, name: str, data: bytes) -> None:
    """Size, times and figure of the float network as it is now."""
    example = np.zeros((2, *one.spec.shape), np.float32)
    times = {
        "torch": latency.torch_ms(one.module, example, watch_s=one.watch_s),
        "onnx": latency.onnx_ms(data, example, watch_s=one.watch_s),
    }
    parameters = sum(parameter.numel() for parameter in one.module.parameters())
    figure = None
    if one.real is not None:
        one.reports[name] = _report(predict_onnx(data, one.module.decode, one.spec, one.real), one.real)
        figure = one.reports[name].main
    one.stages.append(Stage(name, parameters, macs_of(copy.deepcopy(one.module), example), len(data), times, figure))


def _in_8_bits(one: _Patient, samples: Samples, recipe: CompressionRecipe) -> None:
    """The int8 file, its ends kept in float when that is clearly better on the samples that calibrate."""
    data = one.files["model.onnx"]
    inputs, _ = _drawn(samples, one.spec, recipe.calibration, recipe.seed)
    judges = samples.only(_places(len(samples), recipe.calibration, recipe.seed))
    before = _value(predict_onnx(data, one.module.decode, one.spec, judges), judges)
    made = quantised(data, inputs)
    after = _value(predict_onnx(made, one.module.decode, one.spec, judges), judges)
    if before - after > INT8_LOSS_MAX:
        other = quantised(data, inputs, keep_ends=True)
        if _value(predict_onnx(other, one.module.decode, one.spec, judges), judges) > after:
            made = other
    one.files[INT8_FILE] = made
    times = {"onnx": latency.onnx_ms(made, inputs, watch_s=one.watch_s)}
    figure = None
    if one.real is not None:
        one.reports["int8"] = _report(predict_onnx(made, one.module.decode, one.spec, one.real), one.real)
        figure = one.reports["int8"].main
    one.stages.append(Stage("int8", one.stages[-1].parameters, one.stages[-1].macs, len(made), times, figure))


def _mobile(one: _Patient, samples: Samples | None, recipe: CompressionRecipe) -> None:
    """The ExecuTorch program of the last stage, its time here and its figure; the other stages get the time alone."""
    int8 = INT8_FILE in one.files
    inputs = (
        np.zeros((2, *one.spec.shape), np.float32)
        if samples is None
        else _drawn(samples, one.spec, min(recipe.calibration, JUDGES), recipe.seed)[0]
    )
    first = mobile_program(one.teacher.learner(), inputs)
    one.stages[0].latency_ms["executorch"] = mobile_ms(first, inputs, watch_s=one.watch_s)
    program = mobile_program(one.module, inputs, int8=int8)
    one.files[MOBILE_FILE] = program
    one.stages[-1].latency_ms["executorch"] = mobile_ms(program, inputs, watch_s=one.watch_s)
    if one.real is not None:
        answers = answers_of(mobile_run(program), one.module.decode, one.spec, one.real, batch_size=1)
        one.reports["mobile"] = _report(answers, one.real)


def _drawn(samples: Samples, spec: InputSpec, count: int, seed: int) -> tuple[NDArray[np.float32], Sequence[Any]]:
    places = _places(len(samples), count, seed)
    return batch(samples, places, spec, rng=unit_rng(seed, 0, "compression"))


def _places(count: int, most: int, seed: int) -> NDArray[np.int64]:
    chosen: NDArray[np.int64] = np.sort(unit_rng(seed, 0, "compression-samples").permutation(count)[:most])
    return chosen


def _report(answers: list[Answer], samples: Samples) -> Report:
    return measure(answers, samples, resamples=RESAMPLES)


def _value(answers: list[Answer], samples: Samples) -> float:
    return measure(answers, samples, resamples=0).main.value


def _exported(one: _Patient, samples: Samples | None) -> dict[str, bytes]:
    """The float files of the network as it is now, with the card's facts of the model that it comes from."""
    lineage: Mapping[str, Any] = one.teacher.facts.get("lineage") or {}
    card = {
        **lineage,
        "licence": one.teacher.facts.get("licence", "other"),
        "compressed_from": str(one.teacher.facts.get("weights_hash", "")),
    }
    return export_learner(
        one.module,
        one.model,
        one.config,
        one.teacher.classes,
        card=card,
        samples=samples,
        removed=one.removed,
        more={"compression": {}},
    )


def _write(one: _Patient, report: CompressionReport, out: Path) -> None:
    facts = json.loads(one.files["config.json"])
    facts["compression"] = report.to_json()
    one.files["config.json"] = config_bytes(facts)
    one.files[REPORT_FILE] = (json.dumps(report.to_json(), indent=1) + "\n").encode()
    readme = one.files["README.md"].decode() + f"\n## Compression\n\n{report.as_text()}\n"
    one.files["README.md"] = readme.encode()
    write_model(out, one.files)
