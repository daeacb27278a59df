"""Cards of architectures: size, cost, origin, and latency measured here and now; refuses to know trained models."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from neuromation.kernel.rng import unit_rng
from neuromation.learning.problem import InputSpec
from neuromation.learning.zoo.initial import initial_weights
from neuromation.learning.zoo.registry import get_model
from neuromation.learning.zoo.spec import ModelSpec

CLASSES = 10  # of a card, where nothing else is said
RUNS = 20
RUNS_MAX = 1_000
_SECONDS_MAX = 20.0  # of one runtime


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds for one input on this machine, the median and the slowest of `runs`, on one thread.

    `onnx_ms` is None where ONNX was not measured.
    """

    runs: int
    torch_ms: float
    torch_worst_ms: float
    onnx_ms: float | None
    onnx_worst_ms: float | None


@dataclass(frozen=True, slots=True)
class ArchitectureCard:
    """What can be said of a network of a configuration and a number of classes without training it.

    Attributes:
        parameters: values that training changes and running statistics; `bytes` as float32.
        latency: only when it was measured.
    """

    name: str
    title: str
    problem: str
    family: str
    licence: str
    library: str
    paper: str
    url: str
    config: Mapping[str, Any]
    classes: int
    input: str
    input_shape: tuple[int, ...]
    output: str
    parameters: int
    bytes: int
    cu_per_sample: float
    exporter: str
    export_note: str
    pretrained: str
    latency: Latency | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def architecture_card(
    name: str, config: Mapping[str, object] | None = None, *, classes: int = CLASSES, measure: bool = False
) -> ArchitectureCard:
    """The card of a network. `measure` runs it for some seconds, in torch and in ONNX Runtime.

    Raises UnknownModel, BadConfig, MissingLibrary.
    """
    from neuromation.learning.engine import shapes_of

    spec = get_model(name)
    settings = spec.check_config(config or {})
    names = [f"class {number}" for number in range(classes)]
    parameters = sum(math.prod(shape) for shape in shapes_of(name, config or {}, names).values())
    return ArchitectureCard(
        name=name,
        title=spec.title,
        problem=spec.problem.value,
        family=spec.family,
        licence=spec.licence,
        library=spec.source.library,
        paper=spec.source.paper,
        url=spec.source.url,
        config=settings.model_dump(mode="json"),
        classes=classes,
        input=spec.input_description,
        input_shape=spec.input_of(settings).shape,
        output=spec.output_description,
        parameters=parameters,
        bytes=4 * parameters,
        cu_per_sample=spec.cu_per_sample,
        exporter=spec.exporter.value,
        export_note=spec.export_note,
        pretrained=spec.pretrained,
        latency=measured_latency(spec, settings, names) if measure else None,
    )


def measured_latency(spec: ModelSpec, settings: Any, classes: list[str], *, runs: int = RUNS) -> Latency:
    """How long one input takes on this machine, now, on one thread, with first weights."""
    import torch

    from neuromation.learning import engine
    from neuromation.learning.evaluation import onnx_session
    from neuromation.learning.evaluation.predicting import onnx_run
    from neuromation.learning.onnx_writing import to_onnx

    config = settings.model_dump()
    module = engine.module_of(initial_weights(spec.name, config, classes, 0), spec.name, config, classes).eval()
    takes = spec.input_of(settings)
    one = some_input(takes)
    with engine.canonical_runtime(), torch.inference_mode():
        tensor = torch.from_numpy(one)
        by_torch = _timed(lambda: module(tensor), runs)
    session = onnx_session(to_onnx(module, takes, one, spec.exporter))
    run = onnx_run(session, takes)
    by_onnx = _timed(lambda: run(one), runs)
    return Latency(len(by_torch), *_middle_and_worst(by_torch), *_middle_and_worst(by_onnx))


def some_input(takes: InputSpec, count: int = 1) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Inputs (count, *shape) of noise in the range of values that a network takes, always the same."""
    rng = unit_rng(0, 0, "zoo-input")
    if takes.rate_hz is not None:
        return (0.1 * rng.standard_normal((count, *takes.shape))).astype(np.float32)
    return (rng.random((count, *takes.shape)) * takes.value_max).astype(np.float32)


def _timed(call: Callable[[], object], runs: int) -> list[float]:
    call()  # the first pays for what is prepared once
    times: list[float] = []
    while len(times) < runs and sum(times) < 1_000 * _SECONDS_MAX:
        began = time.perf_counter()
        call()
        times.append(1_000 * (time.perf_counter() - began))
    return times


def _middle_and_worst(times: list[float]) -> tuple[float, float]:
    return round(statistics.median(times), 3), round(max(times), 3)
