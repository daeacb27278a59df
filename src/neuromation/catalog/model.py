"""Items, versions, references to them, and the rules for each; pure."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from neuromation.catalog.errors import BadItem, BadVersion, VersionTooLarge
from neuromation.kernel.hashing import canonical_json
from neuromation.kernel.money import Ntk

Kind = Literal["generator", "dataset", "model"]
Visibility = Literal["private", "listed"]

KINDS = ("generator", "dataset", "model")
VISIBILITIES = ("private", "listed")
PRICED_PER = {"generator": "unit", "dataset": "licence", "model": "licence"}
# SPDX identifiers (spdx.org/licenses); "proprietary" grants nothing but the use that was bought.
LICENCES = frozenset(
    {
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "CC-BY-4.0",
        "CC-BY-NC-4.0",
        "CC-BY-NC-SA-4.0",
        "CC-BY-SA-4.0",
        "CC0-1.0",
        "CDLA-Permissive-2.0",
        "ISC",
        "MIT",
        "MPL-2.0",
        "ODC-By-1.0",
        "ODbL-1.0",
        "PDDL-1.0",
        "proprietary",
    }
)

TITLE_MAX = 200
DESCRIPTION_MAX = 10_000
PRICE_MAX = Ntk(1_000_000 * 1_000_000)
MANIFEST_MAX = 256 * 1024  # bytes of canonical JSON
LINEAGE_MAX = 256 * 1024
DEPTH_MAX = 32
FILES_MAX = 10_000
FILE_NAME_MAX = 200
FILE_SIZE_MAX = 2**40
VERSIONS_MAX = 100_000
ITEMS_MAX = 10_000
PAGE_MAX = 200

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
_REF = re.compile(r"([a-z0-9][a-z0-9._-]{0,63})(?:@([1-9][0-9]{0,8}))?", re.ASCII)
_ID = re.compile(r"(?:item|ver)_[0-9a-hjkmnp-tv-z]{26}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(?:/[A-Za-z0-9][A-Za-z0-9._-]*)*", re.ASCII)
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,63}", re.ASCII)  # RFC 6838 4.2


@dataclass(frozen=True)
class Viewer:
    """Who looks. `account_id` "" is a passer-by; an operator sees and may change everything."""

    account_id: str
    operator: bool = False


@dataclass(frozen=True)
class Item:
    """A thing on the shelf. `price` is per generated unit for a generator, per licence for a data set or a model."""

    id: str
    kind: str
    owner: str
    name: str
    title: str
    description: str
    licence: str
    price: Ntk
    visibility: str
    versions: int
    created: datetime


@dataclass(frozen=True)
class FileRef:
    """A file of a version: the address, size in bytes and media type of its blob."""

    sha256: str
    size: int
    media_type: str = "application/octet-stream"


@dataclass(frozen=True)
class Version:
    """One immutable state of an item: facts for its page, files, and what made it. Numbers count from 1."""

    id: str
    item: Item
    number: int
    content_hash: str
    manifest: dict[str, Any]
    files: dict[str, FileRef]
    lineage: dict[str, Any]
    created: datetime


@dataclass(frozen=True)
class Ref:
    """What a reference names: an id of an item or a version, or a name with a number (None: the newest)."""

    item_id: str = ""
    version_id: str = ""
    name: str = ""
    number: int | None = None


def parse_ref(text: str) -> Ref:
    """Read `ver_...`, `item_...`, `name` or `name@3`. Raises BadItem."""
    if _ID.fullmatch(text):
        return Ref(version_id=text) if text.startswith("ver_") else Ref(item_id=text)
    match = _REF.fullmatch(text)
    if match is None:
        raise BadItem(
            f"{text[:120]!r} is no reference; write an id, a name, or a name with a version such as digits@3",
            reason="bad-ref",
        )
    number = match.group(2)
    return Ref(name=match.group(1), number=int(number) if number else None)


def may_see(item: Item, viewer: Viewer) -> bool:
    """Tell whether the item exists for this viewer."""
    return item.visibility == "listed" or viewer.operator or item.owner == viewer.account_id


def may_change(item: Item, viewer: Viewer) -> bool:
    """Tell whether the viewer may change the item and add versions."""
    return viewer.operator or item.owner == viewer.account_id


def checked_kind(kind: str) -> str:
    """One of the three kinds. Raises BadItem."""
    if kind not in KINDS:
        raise BadItem(f"an item is a {', a '.join(KINDS)}, not {kind[:40]!r}", reason="bad-kind")
    return kind


def checked_name(name: str) -> str:
    """A name for people and URLs, 1..64 characters. Raises BadItem."""
    if not _NAME.fullmatch(name) or _ID.fullmatch(name):
        raise BadItem(
            f"{name[:80]!r} is no name; use 1 to 64 of a-z 0-9 . _ - after a letter or digit, such as digits-10k",
            reason="bad-name",
        )
    return name


def checked_owner(owner: str) -> str:
    """An account's id. Raises BadItem."""
    if not 1 <= len(owner) <= 100 or not owner.isprintable():
        raise BadItem(f"{owner[:80]!r} is no owner; give an account's id", reason="bad-owner")
    return owner


def checked_title(title: str) -> str:
    """One printable line of 1..200 characters. Raises BadItem."""
    title = unicodedata.normalize("NFC", title.strip())
    if not 1 <= len(title) <= TITLE_MAX or not title.isprintable():
        raise BadItem(
            f"a title is one line of 1 to {TITLE_MAX} printable characters, not {title[:60]!r}", reason="bad-title"
        )
    return title


def checked_description(text: str) -> str:
    """Text of at most 10,000 characters, line breaks and tabs included. Raises BadItem."""
    if len(text) > DESCRIPTION_MAX or any(unicodedata.category(c) in {"Cc", "Cs"} and c not in "\n\r\t" for c in text):
        raise BadItem(
            f"a description has at most {DESCRIPTION_MAX:,} characters, none for control; this one has {len(text):,}",
            reason="bad-description",
        )
    return text


def checked_licence(licence: str) -> str:
    """An SPDX identifier of the list, or "proprietary". Raises BadItem."""
    if licence not in LICENCES:
        raise BadItem(
            f"{licence[:60]!r} is no licence we know; choose one of {', '.join(sorted(LICENCES))}", reason="bad-licence"
        )
    return licence


def checked_price(price: Ntk) -> Ntk:
    """A price of 0..1,000,000 NTK. Raises BadItem."""
    if not 0 <= price.micro <= PRICE_MAX.micro:
        raise BadItem(f"a price is 0 to {PRICE_MAX} NTK, not {price}", reason="bad-price")
    return price


def checked_visibility(visibility: str) -> str:
    """private or listed. Raises BadItem."""
    if visibility not in VISIBILITIES:
        raise BadItem(f"an item is {' or '.join(VISIBILITIES)}, not {visibility[:40]!r}", reason="bad-visibility")
    return visibility


def checked_page(limit: int) -> int:
    """A page's size, 1..200. Raises BadItem."""
    if not 1 <= limit <= PAGE_MAX:
        raise BadItem(f"a page has 1 to {PAGE_MAX} rows, not {limit}; ask for several pages", reason="bad-page")
    return limit


def checked_hash(content_hash: str) -> str:
    """64 lower-case hex digits. Raises BadVersion."""
    if not _SHA256.fullmatch(content_hash):
        raise BadVersion(
            f"{content_hash[:80]!r} is no sha256; write its 64 hex digits in lower case", reason="bad-sha256"
        )
    return content_hash


def checked_facts(facts: Mapping[str, Any], what: str, *, size_max: int) -> dict[str, Any]:
    """Facts as plain JSON of bounded size and depth. Raises BadVersion or VersionTooLarge."""
    if not isinstance(facts, Mapping):
        raise BadVersion(f"the {what} is an object of facts, not {type(facts).__name__}", reason=f"bad-{what}")
    plain: dict[str, Any] = _plain(facts, what, depth=0)
    try:
        size = len(canonical_json(plain))
    except ValueError as error:  # a number of thousands of digits
        raise BadVersion(f"the {what} cannot be written as JSON: {error}", reason=f"bad-{what}") from None
    if size > size_max:
        raise VersionTooLarge(what, met=size, maximum=size_max, unit="bytes")
    return plain


def _plain(value: Any, what: str, *, depth: int) -> Any:
    """A copy in JSON's own types. What PostgreSQL cannot hold is refused: NaN, NUL, half a surrogate pair."""
    if depth > DEPTH_MAX:
        raise BadVersion(f"the {what} is nested deeper than {DEPTH_MAX} levels; flatten it", reason=f"bad-{what}")
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, str) and "\0" not in value and not any("\ud800" <= c <= "\udfff" for c in value):
        return value
    if isinstance(value, list | tuple):
        return [_plain(part, what, depth=depth + 1) for part in value]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {_plain(k, what, depth=depth): _plain(v, what, depth=depth + 1) for k, v in value.items()}
    raise BadVersion(
        f"the {what} holds {repr(value)[:60]}; use text, finite numbers, true, false, null, lists and objects",
        reason=f"bad-{what}",
    )


def checked_files(files: Mapping[str, FileRef]) -> dict[str, FileRef]:
    """The files in order of name, with relative names that no unpacker can be led astray by. Raises BadVersion."""
    if len(files) > FILES_MAX:
        raise VersionTooLarge("version", met=len(files), maximum=FILES_MAX, unit="files")
    for name, file in files.items():
        if len(name) > FILE_NAME_MAX or not _FILE.fullmatch(name):
            raise BadVersion(
                f"{name[:80]!r} is no file name; use letters, digits, . _ - and folders, such as data/part-0.parquet",
                reason="bad-file-name",
            )
        checked_hash(file.sha256)
        if not 0 <= file.size <= FILE_SIZE_MAX:
            raise BadVersion(
                f"the file {name!r} has 0 to {FILE_SIZE_MAX:,} bytes, not {file.size}", reason="bad-file-size"
            )
        if not _MEDIA_TYPE.fullmatch(file.media_type):
            raise BadVersion(
                f"{file.media_type[:80]!r} of {name!r} is no media type; write one such as image/png",
                reason="bad-media-type",
            )
    return dict(sorted(files.items()))
