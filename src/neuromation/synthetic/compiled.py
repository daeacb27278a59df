"""The one door to numba: `compiled` turns a plain function over numbers and arrays into machine code, exact everywhere.

No fastmath and no fused multiply-add: the same bits on every x86 processor. numba is loaded at the first call of any such
function and not before, so that whoever only lists generators or reads their parameters does not pay for it. Code is
compiled at its first call, which takes seconds, and kept on disk in `machine_code.folder()`. Where nothing can be written,
each process compiles anew.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

from neuromation.kernel import machine_code

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """The function as machine code: IEEE 754 to the letter, division by zero gives infinity, no lock of the interpreter.

    What it calls must be compiled too.
    """
    return cast(Function, _Compiled(function))


def kernel(function: Function) -> Function:
    """As `compiled`, for inner loops that get all their arrays from their caller and make none.

    References are not counted then, which in a loop over pixels costs more than the work.
    """
    return cast(Function, _Compiled(function, _nrt=False))


def inlined(function: Function) -> Function:
    """As `kernel`, and made part of every compiled function that calls it: for small steps of inner loops.

    A call hands arrays over field by field, which costs more than a few additions.
    """
    return cast(Function, _Compiled(function, _nrt=False, forceinline=True))


class _Compiled:
    """A function that becomes numba's when it is first needed, be it by Python or by another compiled function."""

    def __init__(self, function: Callable[..., Any], **options: bool) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._options: dict[str, Any] = {"error_model": "numpy", "nogil": True, **options}

    @functools.cached_property
    def _dispatcher(self) -> Any:
        import numba

        numba.config.CACHE_DIR = str(machine_code.folder())  # type: ignore[attr-defined]
        try:
            return numba.njit(cache=True, **self._options)(self._function)
        except RuntimeError:  # numba found no folder that it may write to
            return numba.njit(**self._options)(self._function)

    @property
    def _numba_type_(self) -> Any:
        """What numba takes this for when it meets it in another function: the dispatcher itself."""
        return self._dispatcher._numba_type_

    @property
    def signatures(self) -> Any:
        """The types for which there is machine code in this process."""
        return self._dispatcher.signatures

    @property
    def stats(self) -> Any:
        """numba's counts of how often code was found on disk, and how often it was made."""
        return self._dispatcher.stats

    def __call__(self, *arguments: Any) -> Any:
        return self._dispatcher(*arguments)
