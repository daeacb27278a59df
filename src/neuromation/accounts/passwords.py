"""Turns passwords into argon2id hashes and checks them; the only file that knows how."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import cached_property

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher


@dataclass(frozen=True)
class Passwords:
    """A hasher with its cost: by default the one of RFC 9106 4, second choice (64 MiB, 3 passes, 4 lanes)."""

    passes: int = 3
    memory_kib: int = 65_536
    lanes: int = 4

    @cached_property
    def _hasher(self) -> PasswordHash:
        return PasswordHash((Argon2Hasher(time_cost=self.passes, memory_cost=self.memory_kib, parallelism=self.lanes),))

    @cached_property
    def _decoy(self) -> str:
        """A well-formed hash of this cost that no password has, but with negligible chance."""
        salt, digest = (base64.b64encode(bytes(length)).decode().rstrip("=") for length in (16, 32))
        return f"$argon2id$v=19$m={self.memory_kib},t={self.passes},p={self.lanes}${salt}${digest}"

    def hashed(self, password: str) -> str:
        """A salted hash to store."""
        return self._hasher.hash(password)

    def check(self, password: str, stored: str | None) -> tuple[bool, str | None]:
        """Tell whether the password is right, with a fresh hash when the stored one has another cost than this one.

        With `stored` None (nobody has the address) the same work is done on a decoy, so that time tells nothing.
        """
        right, fresh = self._hasher.verify_and_update(password, stored or self._decoy)
        return right and stored is not None, fresh


STRONG = Passwords()
