"""What may go wrong with blobs."""

from __future__ import annotations

from neuromation.kernel.errors import Conflict, Invalid, NeuromationError, NotFound, TooLarge


class NoSuchBlob(NotFound):
    def __init__(self, sha256: str) -> None:
        super().__init__(f"there is no blob {sha256[:64]!r}; upload it first, under the sha256 of its bytes")


class HashMismatch(Invalid):
    def __init__(self, *, expected: str, met: str) -> None:
        super().__init__(
            f"the bytes have the sha256 {met}, not {expected}; nothing was kept, send them again",
            expected=expected,
            met=met,
        )


class BlobTooLarge(TooLarge):
    def __init__(self, *, maximum: int, what: str = "send it in smaller files") -> None:
        super().__init__(f"the blob is over the limit of {maximum:,} bytes; {what}", maximum=maximum)


class SizeDiffers(Conflict):
    def __init__(self, sha256: str, *, met: int, known: int) -> None:
        super().__init__(
            f"blob {sha256} has {known:,} bytes, not {met:,}; state the size of the bytes that were hashed"
        )


class BadBlob(Invalid):
    """A hash, owner, media type or range that breaks a rule."""


class BlobCorrupted(NeuromationError):
    """Stored bytes that are no longer what their address says. No fault of the caller's: the platform's own alarm."""

    def __init__(self, sha256: str, *, met: str) -> None:
        super().__init__(
            f"the stored bytes of blob {sha256} now have the sha256 {met}; delete them and store the blob anew", met=met
        )
