"""The real agent with one change: what came out of the sandbox is altered before it is uploaded. CHEAT names the lie."""

from __future__ import annotations

import os
import struct
import sys
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from neuromation.agent.sandbox import Session
from neuromation.agent.sandbox.model import Response
from neuromation.cli.main import main
from neuromation.kernel.hashing import merkle_root

Request = dict[str, Any]


def wrong_pixels(request: Request, honest: Response) -> Response:
    """Negatives: a shard of plausible pictures whose hashes and root fit, but not the ones of the seed."""
    from neuromation.synthetic.formats.shard import read_shard

    units = list(read_shard(honest.outputs["shard.parquet"]).units)
    return _shard(request, honest, [replace(u, image=u.image.max() - u.image) for u in units])


def truncated(request: Request, honest: Response) -> Response:
    """A shard that ends early."""
    from neuromation.synthetic.formats.shard import read_shard

    return _shard(request, honest, list(read_shard(honest.outputs["shard.parquet"]).units)[:-2])


def _shard(request: Request, honest: Response, units: list[Any]) -> Response:
    from neuromation.synthetic.formats.shard import encode_shard
    from neuromation.synthetic.generator import get_generator, parse_params, unit_hash

    spec = request["spec"]
    generator = get_generator(spec["generator"], spec["version"])
    params = parse_params(generator, spec["params"])
    data = encode_shard(units, generator=generator, params=params, seed=spec["seed"])
    return _committing(honest, [unit_hash(u) for u in units], {"shard.parquet": data})


def _committing(honest: Response, leaves: list[str], outputs: dict[str, bytes]) -> Response:
    result = {**honest.result, "leaves": leaves, "root": merkle_root(leaves)}
    return replace(honest, result=result, outputs={**honest.outputs, **outputs})


def false_audit(request: Request, honest: Response) -> Response:
    """Says of everybody's work that it is wrong."""
    return _committing(honest, ["ab" * 32 for _ in honest.result["leaves"]], {})


def wrong_delta(request: Request, honest: Response) -> Response:
    """The honest hashes beside deltas that lead elsewhere: the first one again in the place of each."""
    return replace(honest, outputs=dict.fromkeys(honest.outputs, honest.outputs["segment-1.delta"]))


def not_a_number(request: Request, honest: Response) -> Response:
    """Deltas that would poison the average: the scale of their first tensor is no number."""
    return replace(honest, outputs={name: poisoned(data) for name, data in honest.outputs.items()})


def poisoned(delta: bytes) -> bytes:
    """A compressed delta whose first tensor leads to no number."""
    head, body = delta[:40], bytearray(zlib.decompress(delta[40:]))
    body[:4] = struct.pack("<f", np.nan)
    return head + zlib.compress(bytes(body))


LIES: dict[str, tuple[str, Callable[[Request, Response], Response]]] = {
    "pixels": ("generate", wrong_pixels),
    "truncated": ("generate", truncated),
    "audit": ("audit", false_audit),
    "delta": ("train", wrong_delta),
    "nan": ("train", not_a_number),
}


def corrupt() -> None:
    """Alter every answer of the sandbox that the lie is about."""
    kind, lie = LIES[os.environ["CHEAT"]]
    run = Session.run

    def lying(self: Session, request: Request, **options: Any) -> Response:
        honest = run(self, request, **options)
        return lie(request, honest) if request["kind"] == kind else honest

    Session.run = lying  # type: ignore[method-assign]


if __name__ == "__main__":
    corrupt()
    sys.exit(main())
