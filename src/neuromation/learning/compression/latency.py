"""How long one input takes on one thread, by runtime; owns the stop-watch, refuses to know why.

The least of many runs is told: what comes on top of it is other work of the machine (as Python's `timeit` argues).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from neuromation.learning.evaluation.classifiers import onnx_session
from neuromation.learning.evaluation.predicting import in_use

if TYPE_CHECKING:
    from neuromation.learning.learner import Learner

RUNS_MIN, RUNS_MAX = 5, 200
WATCH_S = 1.0  # for so long, within these numbers of runs


def fastest_ms(run: Callable[[], object], *, watch_s: float = WATCH_S) -> float:
    """Milliseconds of the fastest of many runs, after two that are not counted."""
    run()
    run()
    found: list[float] = []
    began = time.perf_counter()
    while len(found) < RUNS_MIN or (len(found) < RUNS_MAX and time.perf_counter() - began < watch_s):
        start = time.perf_counter()
        run()
        found.append(time.perf_counter() - start)
    return 1e3 * min(found)


def torch_ms(module: Learner, inputs: NDArray[np.float32], *, watch_s: float = WATCH_S) -> float:
    """Of one input by torch, eager."""
    with in_use(module) as run:
        return fastest_ms(lambda: run(inputs[:1]), watch_s=watch_s)


def onnx_ms(data: bytes, inputs: NDArray[np.float32], *, watch_s: float = WATCH_S) -> float:
    """Of one input by ONNX Runtime."""
    session = onnx_session(data)
    name = session.get_inputs()[0].name
    return fastest_ms(lambda: session.run(None, {name: inputs[:1]}), watch_s=watch_s)
