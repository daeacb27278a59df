"""The one door to numba: `compiled` turns a plain function over numbers and arrays into machine code, exact everywhere.

No fastmath and no fused multiply-add: the same bits on every x86 processor. Code is compiled at its first call, which
takes seconds, and kept on disk in `machine_code.folder()`. Where nothing can be written, each process compiles anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
from numba import njit

from neuromation.kernel import machine_code

numba.config.CACHE_DIR = str(machine_code.folder())

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """The function as machine code: IEEE 754 to the letter, division by zero gives infinity, no lock of the interpreter.

    What it calls must be compiled too.
    """
    options = {"error_model": "numpy", "nogil": True}
    try:
        made: Function = njit(cache=True, **options)(function)
    except RuntimeError:  # numba found no folder it may write to
        made = njit(**options)(function)
    return made
