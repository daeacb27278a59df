"""The Python SDK: `Client` for people and programs, `NodeClient` for machines; speaks HTTP, knows only the kernel.

Importing this package loads nothing: the names below arrive when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neuromation.client.errors import (
        Corrupted,
        InsufficientFunds,
        JobFailed,
        NoFeasiblePool,
        ServerFault,
        Unreachable,
        WaitTimedOut,
    )
    from neuromation.client.machine import NodeClient
    from neuromation.client.platform import Client

__all__ = [
    "Client",
    "Corrupted",
    "InsufficientFunds",
    "JobFailed",
    "NoFeasiblePool",
    "NodeClient",
    "ServerFault",
    "Unreachable",
    "WaitTimedOut",
]

_HOMES = {"Client": "neuromation.client.platform", "NodeClient": "neuromation.client.machine"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES.get(name, "neuromation.client.errors")), name)
