"""JAX functions as models, and their way to ONNX by jax2onnx; refuses to know other frameworks."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from neuromation.learning.conversion.onnx_models import Array, Slot
from neuromation.learning.errors import MissingLibrary, NoConversion


@dataclass(frozen=True)
class JaxModel:
    """A pure function of arrays; weights are what it closes over. The first size of an input may be None: the batch."""

    function: Callable[..., Any]
    inputs: tuple[Slot, ...]

    kind = "jax"

    def run(self, arrays: Sequence[Array]) -> list[Array]:
        """The outputs on these inputs."""
        jax = _jax()
        return [np.asarray(one) for one in jax.tree.leaves(self.function(*arrays))]

    def to_onnx(self, _example: Sequence[Array], *, opset: int) -> bytes:
        """The function as an ONNX file. Raises NoConversion, MissingLibrary."""
        jax, exporter = _jax(), _exporter()
        shapes = [
            jax.ShapeDtypeStruct(slot.shape, slot.dtype)
            if all(size is not None for size in slot.shape)
            else tuple("B" if size is None else size for size in slot.shape)
            for slot in self.inputs
        ]
        log = logging.getLogger("onnx_ir")
        level = log.level
        log.setLevel(logging.ERROR)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                made = exporter.to_onnx(self.function, shapes, opset=opset)
            return bytes(made.SerializeToString())
        except Exception as error:  # the exporter raises classes of its own, without a common public base
            raise NoConversion(
                f"JAX cannot write this function as ONNX ({' '.join(str(error).split())[:200]})"
            ) from error
        finally:
            log.setLevel(level)


def jax_model(function: Callable[..., Any], *shapes: Sequence[int | None]) -> JaxModel:
    """A function of float32 arrays of these shapes; None for the free batch."""
    return JaxModel(function, tuple(Slot(f"in_{n}", "float32", tuple(shape)) for n, shape in enumerate(shapes)))


def _jax() -> Any:
    try:
        import jax
    except ImportError as error:
        raise MissingLibrary("jax", extra="jax") from error
    return jax


def _exporter() -> Any:
    try:
        import jax2onnx
    except ImportError as error:
        raise MissingLibrary("jax2onnx", extra="jax") from error
    return jax2onnx
