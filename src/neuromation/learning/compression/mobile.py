"""A network as a program for phones, by ExecuTorch with XNNPACK; owns the way there, and one to run it here.

ExecuTorch comes with the extra `mobile`; nothing of it is loaded before it is asked for.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neuromation.learning.compression.latency import WATCH_S, fastest_ms
from neuromation.learning.errors import BadExport
from neuromation.learning.quiet import quiet

if TYPE_CHECKING:
    import torch

    from neuromation.learning.learner import Learner

MOBILE_FILE = "model.pte"


def has_mobile() -> bool:
    """Whether ExecuTorch is installed; it comes with the extra `mobile`."""
    return importlib.util.find_spec("executorch") is not None


def mobile_program(module: Learner, inputs: NDArray[np.float32], *, int8: bool = False) -> bytes:
    """An ExecuTorch program for XNNPACK, which runs on phones and here.

    Args:
        module: the float network.
        inputs: float32 (N, ...); with `int8` they show how far activations reach.
        int8: weights for every channel and activations in 8 bits, by PT2E.

    Raises BadExport when ExecuTorch is not installed or cannot lower the network.
    """
    if not has_mobile():
        raise BadExport("a mobile file needs ExecuTorch; install neuromation[mobile]")
    import torch

    module.eval()
    example = (_laid_out(inputs[:1]),)
    with quiet(""), contextlib.redirect_stdout(io.StringIO()):
        try:
            from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
            from executorch.exir import to_edge_transform_and_lower

            program = torch.export.export(module, example)
            if int8:
                program = torch.export.export(_in_8_bits(program, inputs), example)
            lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
            return bytes(lowered.to_executorch().buffer)
        except Exception as error:  # compilers of three libraries raise here, without a common base
            raise BadExport(f"ExecuTorch cannot lower this network ({str(error)[:200]})") from error


def _laid_out(inputs: NDArray[np.float32]) -> torch.Tensor:
    """A copy with the usual strides: numpy gives new axes a stride of 0, torch keeps it, and ExecuTorch refuses it."""
    import torch

    return torch.empty(inputs.shape).copy_(torch.from_numpy(inputs))


def _in_8_bits(program: Any, inputs: NDArray[np.float32]) -> Any:
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    quantiser = XNNPACKQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=True))
    prepared = prepare_pt2e(program.module(), quantiser)
    for row in inputs:
        prepared(_laid_out(row[None]))
    return convert_pt2e(prepared)


def mobile_run(data: bytes) -> Callable[[NDArray[np.float32]], Sequence[NDArray[np.float32]]]:
    """What runs a batch of 1 through a program. Raises BadExport when ExecuTorch cannot load it."""
    with quiet(""), contextlib.redirect_stdout(io.StringIO()):
        from executorch.runtime import Runtime

        try:
            program = Runtime.get().load_program(data)
            program.load_method("forward")
        except RuntimeError as error:
            raise BadExport(f"ExecuTorch cannot load this program ({str(error)[:120]})") from error

    def run(inputs: NDArray[np.float32]) -> Sequence[NDArray[np.float32]]:
        # Asked for each time: the method alone does not keep the program's bytes, from which it reads its weights.
        return [output.numpy() for output in program.load_method("forward").execute([_laid_out(inputs)])]

    return run


def mobile_ms(data: bytes, inputs: NDArray[np.float32], *, watch_s: float = WATCH_S) -> float:
    """Of one input by ExecuTorch's own runtime, here."""
    run = mobile_run(data)
    return fastest_ms(lambda: run(inputs[:1]), watch_s=watch_s)
