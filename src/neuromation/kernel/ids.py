"""Identifiers: short typed texts such as `job_01k2...`, sortable by time of birth."""

from __future__ import annotations

import re
import secrets
from datetime import datetime

from neuromation.kernel.errors import Invalid

# Crockford's base 32: no i, l, o, u, so an id can be read over the phone.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PATTERN = re.compile(r"[a-z]{2,12}_[0-9a-hjkmnp-tv-z]{26}", re.ASCII)

ID_PATTERN = r"^[a-z]{2,12}_[0-9a-hjkmnp-tv-z]{26}$"


def new_id(prefix: str, now: datetime) -> str:
    """A fresh id: prefix, 48 bits of milliseconds, 80 random bits (the layout of a ULID)."""
    value = (int(now.timestamp() * 1000) << 80) | secrets.randbits(80)
    digits = "".join(_ALPHABET[(value >> shift) & 31] for shift in range(125, -1, -5))
    return f"{prefix}_{digits}"


def check_id(text: str, prefix: str) -> str:
    """Return `text` when it is an id of this kind. Raises Invalid otherwise."""
    if not _PATTERN.fullmatch(text) or not text.startswith(prefix + "_"):
        raise Invalid(
            f"{text[:60]!r} is no {prefix} id; ids look like {prefix}_01k2m3n4p5q6r7s8t9v0w1x2y3", reason="bad-id"
        )
    return text
