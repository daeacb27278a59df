"""Builders: units of every sort, a tiny generator with boxes, and data sets small enough for a test."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from pydantic import BaseModel, ConfigDict, Field

from neuromation.kernel.rng import unit_rng
from neuromation.synthetic import BaseGenerator, Generator, Unit, get_generator, parse_params


class SquaresParams(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    size: float = Field(4.0, ge=1, le=8, json_schema_extra={"log": True})
    hidden: float = Field(0.5, ge=0, le=1, json_schema_extra={"tune": False})


class Squares(BaseGenerator):
    """Coloured squares with boxes: a generator that is not installed."""

    name = "squares"
    title = "Squares"
    description = "One square a picture."
    classes: ClassVar[list[str]] = ["red", "green/blue"]
    cu_per_unit = 0.001
    params_model = SquaresParams

    def unit(self, params: BaseModel, seed: int, index: int) -> Unit:
        assert isinstance(params, SquaresParams)
        rng = unit_rng(seed, index)
        size, label = round(params.size), int(rng.integers(2))
        x, y = (int(value) for value in rng.integers(0, 32 - size, 2))
        image = np.zeros((32, 32, 3), np.uint8)
        image[y : y + size, x : x + size, label] = 255
        return Unit(index, image, label, {"boxes": [{"bbox": [x, y, size, size], "label": label}]})


SQUARES = Squares()


def digits() -> Generator:
    return get_generator("digits")


def digit_params(**values: Any) -> Any:
    return parse_params(digits(), values)


def some_digits(count: int, *, first: int = 0, seed: int = 1) -> list[Unit]:
    return [digits().unit(digit_params(), seed, index) for index in range(first, first + count)]


json_texts = st.text(st.characters(codec="utf-8"), max_size=8)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | json_texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(json_texts, inner, max_size=3),
    max_leaves=6,
)
images = npst.array_shapes(min_dims=2, max_dims=2, max_side=20).flatmap(
    lambda shape: st.sampled_from([shape, (*shape, 3)]).flatmap(lambda full: npst.arrays(np.uint8, full))
)


@st.composite
def runs_of_units(draw: st.DrawFn, *, classes: int = 2) -> list[Unit]:
    """Units with consecutive indices and any content, in any order."""
    first, count = draw(st.integers(0, 10**6)), draw(st.integers(1, 4))
    labels = st.none() | st.integers(0, classes - 1)
    annotations = st.dictionaries(json_texts, json_values, max_size=3)
    units = [Unit(first + n, draw(images), draw(labels), draw(annotations)) for n in range(count)]
    return list(draw(st.permutations(units)))


def printed_by_an_old_processor(script: str, cache: Path) -> str:
    """What a Python script prints on a processor without AVX: compiled for it anew, into `cache`."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parent),
        "NUMBA_CACHE_DIR": str(cache),
        "NUMBA_CPU_NAME": "nehalem",
        "NUMBA_CPU_FEATURES": "",
        "NPY_DISABLE_CPU_FEATURES": "X86_V4 X86_V3",
    }
    command = [sys.executable, "-W", "ignore", "-c", script]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-500:]
    return done.stdout.strip()
