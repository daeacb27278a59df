"""A training's state in one file, so that a run that was cut goes on; refuses to know what the state is for.

The file is safetensors: tensors under their names, and in its header who it belongs to. It is read by strangers' hands
too, so that nothing in it is run, and nothing believed before its digest was checked.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuromation.kernel.files import write_whole
from neuromation.kernel.hashing import canonical_json
from neuromation.learning.errors import BadCheckpoint

FORMAT = "neuromation-checkpoint/1"
FILE = "checkpoint.safetensors"
EVERY_STEPS = 200
BYTES_MAX = 16 * 2**30

Tensors = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """Where a run keeps its state, and after how many steps: one file, replaced as a whole."""

    folder: Path
    every_steps: int = EVERY_STEPS

    def __post_init__(self) -> None:
        if self.every_steps < 1:
            raise BadCheckpoint(f"a run is kept every 1 or more steps, not {self.every_steps}")

    @property
    def path(self) -> Path:
        return self.folder / FILE


@dataclass(frozen=True, slots=True)
class State:
    """All that a run needs to go on: the steps done, its tensors, and what it has told so far (plain data)."""

    step: int
    tensors: Tensors
    told: list[Any]


def save(path: Path, state: State, owner: Mapping[str, str]) -> None:
    """Write a state so that a reader meets the old file or the new one, whatever happens in between.

    Args:
        owner: by title ("recipe", "model", "data"), what the run is; it must be the same when the state is read.
    """
    from safetensors.numpy import save as to_bytes

    facts = {
        "format": FORMAT,
        "owner": json.dumps(dict(owner), sort_keys=True),
        "step": str(state.step),
        "told": json.dumps(state.told),
        "digest": _digest(state.tensors),
    }
    data = to_bytes({name: np.array(array, order="C") for name, array in state.tensors.items()}, metadata=facts)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, data)


def load(path: Path, owner: Mapping[str, str]) -> State | None:
    """The state that was kept there; None when there is none.

    Raises:
        BadCheckpoint: damaged, of another version of the format, or of another run than `owner`.
    """
    if not path.exists():
        return None
    from safetensors import SafetensorError, safe_open

    if path.stat().st_size > BYTES_MAX:
        raise BadCheckpoint(f"the checkpoint {path} has over {BYTES_MAX:,} bytes; remove it to begin again")
    try:
        with safe_open(path, framework="numpy") as file:
            facts = file.metadata() or {}
            _check_owner(path, facts, owner)
            tensors: Tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no mapping
        state = State(int(facts["step"]), tensors, json.loads(facts["told"]))
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise BadCheckpoint(
            f"the checkpoint {path} is damaged ({str(error)[:120]}); remove it to begin again", field="file"
        ) from error
    if _digest(tensors) != facts.get("digest"):
        raise BadCheckpoint(f"the checkpoint {path} is damaged; remove it to begin again", field="file")
    return state


def _check_owner(path: Path, facts: Mapping[str, str], owner: Mapping[str, str]) -> None:
    if facts.get("format") != FORMAT:
        found = facts.get("format", "no checkpoint of ours")[:60]
        raise BadCheckpoint(
            f"the checkpoint {path} is {found!r} and this version reads {FORMAT!r}; finish the run with the version that "
            "began it, or remove the file to begin again",
            field="format",
        )
    kept = json.loads(facts.get("owner", "{}"))
    for title in sorted(owner):
        if kept.get(title) != owner[title]:
            raise BadCheckpoint(
                f"the checkpoint {path} belongs to another {title}; go on with the same one, or choose another folder",
                field=title,
            )


def _digest(tensors: Mapping[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        array = np.ascontiguousarray(tensors[name])
        digest.update(canonical_json([name, str(array.dtype), list(array.shape)]))
        digest.update(array.tobytes())
    return digest.hexdigest()
