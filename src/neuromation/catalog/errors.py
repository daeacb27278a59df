"""What may go wrong with items and versions."""

from __future__ import annotations

from neuromation.kernel.errors import Conflict, Forbidden, Invalid, NotFound, TooLarge


class NoSuchItem(NotFound):
    """The item or version does not exist, or is somebody else's private one: both read the same."""

    def __init__(self, ref: str, *, kind: str | None = None) -> None:
        what = kind or "item"
        super().__init__(
            f"there is no {what} {ref[:120]!r} that you may see; list the {what}s to see their names and ids"
        )


class NameTaken(Conflict):
    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"there is another {kind} called {name!r} already; publish yours under another name")


class LicenceDiffers(Conflict):
    def __init__(self, name: str, *, met: str, known: str) -> None:
        super().__init__(
            f"{name!r} is published under {known}, which does not change to {met}; publish under another name"
        )


class TooManyVersions(Conflict):
    def __init__(self, name: str, *, maximum: int) -> None:
        super().__init__(f"{name!r} has {maximum:,} versions, the most there may be; publish under another name")


class TooManyItems(Conflict):
    def __init__(self, *, maximum: int) -> None:
        super().__init__(
            f"this account has {maximum:,} items, the most there may be; add versions to one of them instead"
        )


class NotYours(Forbidden):
    def __init__(self, name: str) -> None:
        super().__init__(f"{name!r} belongs to another account; only its owner may change it")


class AmbiguousName(Invalid):
    def __init__(self, ref: str, kinds: list[str]) -> None:
        super().__init__(f"{ref!r} names a {' and a '.join(kinds)}; say which kind is meant, or use the id")


class BadItem(Invalid):
    """A kind, name, text, licence, price or visibility that breaks a rule."""


class BadVersion(Invalid):
    """A hash, manifest, lineage or file of a version that breaks a rule."""


class VersionTooLarge(TooLarge):
    def __init__(self, what: str, *, met: int, maximum: int, unit: str) -> None:
        super().__init__(
            f"the {what} has {met:,} {unit} and at most {maximum:,} are kept; put the rest into a file", maximum=maximum
        )
