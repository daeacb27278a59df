"""Limits, answers and names of the sandbox; pure rules, refuses to know processes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from neuromation.kernel.errors import Invalid

FILES_MAX = 256
REQUEST_MAX = 4 << 20
STDERR_KEPT = 4096
STDERR_MAX = 64 << 20
TEXT_MAX = 2000
PROGRESS_INTERVAL_S = 0.1

# What makes numbers repeatable on every node: one thread for maths and one kernel of the BLAS.
CANONICAL_RUNTIME = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_CORETYPE": "Haswell",
    "PYTHONHASHSEED": "0",
}

# Where a task finds what its host has compiled, read-only.
MACHINE_CODE = Path("/machine-code")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_REASON = re.compile(r"[a-z0-9]+(-[a-z0-9]+){0,7}")
_REASON_MAX = 64
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


class Isolation(StrEnum):
    """How far a task is kept from the host. Namespaces share the host's kernel: this is not a virtual machine."""

    BUBBLEWRAP = "bubblewrap"
    NONE = "none"


@dataclass(frozen=True)
class SandboxLimits:
    """The most that one session may use.

    memory_mib counts the whole process tree with the files in /out, /tmp and /dev/shm; processes counts threads too;
    cpu_s is for one process over the session's life; out_mib bounds the outputs of one request, which are held in the
    host's memory; tmp_mib bounds /tmp and, separately, /dev/shm; wall_s caps the time-out of one request.
    """

    memory_mib: int = 2048
    processes: int = 64
    cpu_s: int = 86_400
    out_mib: int = 512
    tmp_mib: int = 512
    wall_s: float = 3600.0
    open_files: int = 256

    def __post_init__(self) -> None:
        for name, low, high in _RANGES:
            value = getattr(self, name)
            if not low <= value <= high:
                raise Invalid(f"the sandbox limit {name} is {value}; give {low} to {high}")


_RANGES = (
    ("memory_mib", 32, 4 << 20),
    ("processes", 1, 4096),
    ("cpu_s", 1, 30 * 86_400),
    ("out_mib", 1, 16 << 10),
    ("tmp_mib", 1, 64 << 10),
    ("wall_s", 0.01, 7 * 86_400),
    ("open_files", 16, 65_536),
)


@dataclass(frozen=True)
class Response:
    """One answered request: the handler's result and the files that it wrote to /out, by name."""

    result: dict[str, Any]
    outputs: dict[str, bytes] = field(default_factory=dict)


def is_plain_name(name: object) -> bool:
    """Whether `name` is a file name that cannot leave its folder, hide itself or surprise a shell."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def is_reason(reason: object) -> bool:
    """Whether `reason` looks like a typed reason: kebab case, short."""
    return isinstance(reason, str) and len(reason) <= _REASON_MAX and _REASON.fullmatch(reason) is not None


def printable(text: str, *, length_max: int = TEXT_MAX) -> str:
    """`text` of a stranger, made safe to show: no control characters but tab and newline, cut to its end."""
    return _CONTROL.sub("?", text[-length_max:])
