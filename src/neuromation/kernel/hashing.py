"""Hashes that prove things: sha256 of bytes and of JSON, and Merkle trees over units of work.

The tree follows RFC 6962 (Certificate Transparency): leaves and nodes are hashed with different prefixes, so that a node
can never be passed off as a leaf, and a tree of any size has one root.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

# One encoder for all: json.dumps builds a new one for every call with options, which costs more than a small value does.
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
_LEAF, _NODE = b"\x00", b"\x01"


def sha256_hex(data: bytes) -> str:
    """The sha256 of `data`, 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def canonical_json(value: Any) -> bytes:
    """One spelling for one value: sorted keys, no spaces, UTF-8, no NaN. Raises ValueError for NaN or infinity."""
    return _ENCODER.encode(value).encode()


def hash_json(value: Any) -> str:
    """The sha256 of a value's canonical JSON, 64 hex digits."""
    return sha256_hex(canonical_json(value))


def _leaves(leaf_hashes: Sequence[str]) -> list[bytes]:
    sha256 = hashlib.sha256  # the tree of a large data set has millions of nodes: no call that can be spared
    return [sha256(_LEAF + bytes.fromhex(leaf)).digest() for leaf in leaf_hashes]


def _above(row: list[bytes]) -> list[bytes]:
    sha256 = hashlib.sha256
    pairs = [sha256(_NODE + left + right).digest() for left, right in zip(row[::2], row[1::2], strict=False)]
    return pairs + row[-1:] if len(row) % 2 else pairs


def merkle_root(leaf_hashes: Sequence[str]) -> str:
    """The root over unit hashes (hex) in order, 64 hex digits; of nothing, the sha256 of nothing (RFC 6962)."""
    if not leaf_hashes:
        return hashlib.sha256(b"").hexdigest()
    return _top(_leaves(leaf_hashes))


def merkle_root_of_runs(runs: Sequence[tuple[Sequence[str], str]]) -> str:
    """The root over the leaves of many runs, one after another, each given with the root over its own leaves.

    Equal runs of a power of two leaves are whole branches of the tree (the last run may be shorter): then their roots are
    enough, and millions of leaves need not be hashed again. A wrong root of a run leads to a wrong root.
    """
    sizes = [len(leaves) for leaves, _ in runs]
    if len(sizes) < 2 or not 0 < sizes[-1] <= sizes[0] or set(sizes[:-1]) != {sizes[0]} or sizes[0].bit_count() != 1:
        return merkle_root([leaf for leaves, _ in runs for leaf in leaves])
    return _top([bytes.fromhex(root) for _, root in runs])


def _top(row: list[bytes]) -> str:
    while len(row) > 1:
        row = _above(row)
    return row[0].hex()


def merkle_proof(leaf_hashes: Sequence[str], index: int) -> list[str]:
    """The siblings, leaf to root, that prove that leaf `index` belongs to the root; "" where a row has no sibling."""
    if not 0 <= index < len(leaf_hashes):
        raise IndexError(f"leaf {index} of {len(leaf_hashes)}")
    proof, row = [], _leaves(leaf_hashes)
    while len(row) > 1:
        sibling = index ^ 1
        proof.append(row[sibling].hex() if sibling < len(row) else "")
        row, index = _above(row), index // 2
    return proof


def proves(leaf_hash: str, index: int, proof: Sequence[str], root: str, *, count: int) -> bool:
    """Tell whether `proof` shows this leaf to be number `index` of the `count` leaves under `root`.

    The count is needed: without it a proof could be read as one for another place in a larger tree.
    """
    if not 0 <= index < count:
        return False
    at, steps = _leaves([leaf_hash])[0], list(proof)
    while count > 1:
        if not steps:
            return False
        sibling = steps.pop(0)
        has_sibling = (index ^ 1) < count
        if bool(sibling) != has_sibling:
            return False
        if has_sibling:
            other = bytes.fromhex(sibling)
            at = _above([other, at] if index % 2 else [at, other])[0]
        index, count = index // 2, -(-count // 2)
    return not steps and at.hex() == root
