"""The one door to numba: `compiled` turns a plain function over numbers and arrays into machine code, exact everywhere.

No fastmath and no fused multiply-add: the same bits on every x86 processor. Code is compiled at its first call, which
takes seconds, and kept on disk: beside the module (`__pycache__`), or where that is read-only, in numba's folder in the
user's cache; the variable NUMBA_CACHE_DIR overrules both. Where nothing can be written, each process compiles anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """The function as machine code: IEEE 754 to the letter, division by zero gives infinity, no lock of the interpreter.

    What it calls must be compiled too. numba notices a changed file, but not changed files of what it calls: whoever
    edits these modules removes the `*.nbi` files beside them.
    """
    return _jitted(function)


def kernel(function: Function) -> Function:
    """As `compiled`, for inner loops that get all their arrays from their caller and make none.

    References are not counted then, which in a loop over pixels costs more than the work.
    """
    return _jitted(function, _nrt=False)


def inlined(function: Function) -> Function:
    """As `kernel`, and made part of every compiled function that calls it: for small steps of inner loops.

    A call hands arrays over field by field, which costs more than a few additions.
    """
    return _jitted(function, _nrt=False, forceinline=True)


def _jitted(function: Function, **options: bool) -> Function:
    chosen: dict[str, object] = {"error_model": "numpy", "nogil": True, **options}
    try:
        made: Function = njit(cache=True, **chosen)(function)
    except RuntimeError:  # numba found no folder it may write to
        made = njit(**chosen)(function)
    return made
