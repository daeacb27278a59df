"""What a compression shall do, and what it did; owns the words and the table, refuses to do any of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from neuromation.learning.errors import BadRecipe
from neuromation.learning.evaluation.figures import Figure
from neuromation.learning.trainer import Recipe

PRUNE_MAX = 0.95
REMOVE_MAX = 64
CALIBRATION_MAX = 2_000
TEMPERATURE = 4.0  # Hinton et al., "Distilling the knowledge in a neural network" (2015)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressionRecipe:
    """The steps, in the order in which they are done; what is 0 or None is left out.

    Attributes:
        student: another network of the zoo that learns from the model in its place: its name, and `student_config`.
        remove_layers: so many blocks are taken out, each time the one whose loss grows least.
        prune: share of the channels of every layer that goes.
        heal: how what is left is trained again; needed by each of the three above.
        teacher_share: of the loss of healing that asks to answer as the model did; the rest asks for the truth.
        temperature: of that imitation, for classes.
        int8: weights and activations in 8 bits, an ONNX file beside the float one.
        calibration: samples that show the ranges of activations.
        mobile: an ExecuTorch program, too, where that library is installed.
        seed: decides which samples judge layers and calibrate.

    Raises:
        BadRecipe: a value is out of its range, or nothing is asked for.
    """

    student: str | None = None
    student_config: dict[str, Any] = field(default_factory=dict)
    remove_layers: int = 0
    prune: float = 0.0
    heal: Recipe | None = None
    teacher_share: float = 0.7
    temperature: float = TEMPERATURE
    int8: bool = False
    calibration: int = 128
    mobile: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value, least, most in (
            ("prune", self.prune, 0.0, PRUNE_MAX),
            ("remove_layers", self.remove_layers, 0, REMOVE_MAX),
            ("teacher_share", self.teacher_share, 0.0, 1.0),
            ("temperature", self.temperature, 0.1, 100.0),
            ("calibration", self.calibration, 1, CALIBRATION_MAX),
        ):
            if not least <= value <= most:
                raise BadRecipe(f"{name.replace('_', ' ')} must be {least:g}..{most:g}, not {value}", field=name)
        if not (self.student or self.remove_layers or self.prune or self.heal or self.int8 or self.mobile):
            raise BadRecipe("nothing is asked for; ask for pruning, fewer layers, a student, int8 or a mobile file")
        if self.student and self.heal is None:
            raise BadRecipe("a student knows nothing before it is taught; say how, with `heal`")


@dataclass(frozen=True, slots=True)
class Stage:
    """The model after one step.

    Attributes:
        name: the step.
        parameters: numbers in its weights.
        macs: multiplications with additions for one input; None where it was not counted.
        size_bytes: of the file that is delivered: model.onnx, or its int8 form.
        latency_ms: of one input on one thread by runtime ("torch", "onnx", "executorch"); the least of many runs.
        figure: the headline figure on the samples that it is measured on.
    """

    name: str
    parameters: int
    macs: int | None
    size_bytes: int
    latency_ms: dict[str, float]
    figure: Figure | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "name": self.name,
            "parameters": self.parameters,
            "macs": self.macs,
            "size_bytes": self.size_bytes,
            "latency_ms": dict(self.latency_ms),
            "figure": None if self.figure is None else self.figure.to_json(),
        }


@dataclass(frozen=True, slots=True)
class CompressionReport:
    """What each step did to size, latency and the figure named `headline`; the first stage is the model as it came.

    `measured_on` is how many samples the figures rest on, 0 for none. `removed` are the layers taken out.
    """

    stages: tuple[Stage, ...]
    headline: str = ""
    measured_on: int = 0
    removed: tuple[str, ...] = ()

    @property
    def smaller(self) -> float:
        """How many times smaller the last file is than the first."""
        return self.stages[0].size_bytes / self.stages[-1].size_bytes

    @property
    def faster(self) -> float:
        """How many times faster the last one is in ONNX Runtime; NaN when it was not measured."""
        first, last = (stage.latency_ms.get("onnx", math.nan) for stage in (self.stages[0], self.stages[-1]))
        return first / last

    @property
    def loss_points(self) -> float:
        """Percentage points of the headline figure that were lost (negative: gained); NaN when it was not measured."""
        first, last = self.stages[0].figure, self.stages[-1].figure
        return math.nan if first is None or last is None else 100.0 * (first.value - last.value)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""

        def plain(value: float) -> float | None:
            return None if math.isnan(value) else value

        return {
            "format": "neuromation-compression/1",
            "headline": self.headline,
            "measured_on": self.measured_on,
            "removed": list(self.removed),
            "smaller": self.smaller,
            "faster": plain(self.faster),
            "loss_points": plain(self.loss_points),
            "stages": [stage.to_json() for stage in self.stages],
        }

    def as_text(self) -> str:
        """A Markdown table, one row a step."""
        runtimes = [name for name in ("torch", "onnx", "executorch") if any(name in s.latency_ms for s in self.stages)]
        head = ["step", "parameters", "MACs", "file", *(f"{name} ms" for name in runtimes), self.headline or "figure"]
        lines = [f"| {' | '.join(head)} |", "|---" + "|---:" * (len(head) - 1) + "|"]
        for stage in self.stages:
            times = [f"{stage.latency_ms[name]:.2f}" if name in stage.latency_ms else "-" for name in runtimes]
            macs = "-" if stage.macs is None else f"{stage.macs / 1e6:,.1f} M"
            cells = [stage.name, f"{stage.parameters:,}", macs, f"{stage.size_bytes / 1e3:,.0f} kB", *times]
            lines.append(f"| {' | '.join(cells)} | {stage.figure if stage.figure is not None else '-'} |")
        return "\n".join(lines)
