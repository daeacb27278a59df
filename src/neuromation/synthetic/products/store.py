"""Imported catalogues on disk: a CSV and photos are read once, in a stream, into an index that any number of units read.

Owns the index's files: `catalogue.json` (what it is), `products.jsonl` (one product a line), `offsets.npy` (where each
line begins) and `keys.npy` (the hash of each SKU). A catalogue is named by the sha256 of its content, so that a data set
says exactly which products it was drawn from; the photos stay where they lie and are told apart by their hashes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuromation.kernel.hashing import canonical_json
from neuromation.synthetic.errors import BadCatalogue
from neuromation.synthetic.products.builtin import built_in_catalogue
from neuromation.synthetic.products.model import (
    BUILT_IN,
    CLASSES_MAX,
    ONE_CLASS,
    Catalogue,
    Keys,
    Naming,
    Packshot,
    Product,
    product_key,
)
from neuromation.synthetic.products.packshots import inspect, photo_pixels
from neuromation.synthetic.products.reading import Faults, Row, read_rows

FORMAT = "neuromation-catalogue/1"
REFERENCE = re.compile(r"sha256:[0-9a-f]{64}")
_HEAD_BYTES_MAX = 64 * 2**20


def catalogues_dir() -> Path:
    """Where imported catalogues lie: $NEUROMATION_CATALOGUES, else ~/.local/share/neuromation/catalogues."""
    named = os.environ.get("NEUROMATION_CATALOGUES")
    return Path(named) if named else Path.home() / ".local" / "share" / "neuromation" / "catalogues"


class StoredCatalogue:
    """An imported catalogue; a product is read from the disk when it is asked for."""

    def __init__(self, folder: Path) -> None:
        """Open the index in `folder`. Raises BadCatalogue when it is none, or damaged."""
        try:
            with (folder / "catalogue.json").open("rb") as file:
                head = json.loads(file.read(_HEAD_BYTES_MAX))
            if head["format"] != FORMAT:
                raise ValueError(f"format {head['format']!r}")
            self.reference = str(head["reference"])
            self.images = Path(head["images"])
            self._count = int(head["products"])
            self._firsts: dict[str, list[list[Any]]] = {"class": head["classes"], "coarse": head["coarse_classes"]}
            self._offsets: NDArray[np.uint64] = np.load(folder / "offsets.npy", mmap_mode="r")
            self._keys: Keys = np.load(folder / "keys.npy", mmap_mode="r")
            self._lines = (folder / "products.jsonl").open("rb")  # it lives as long as the catalogue
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            raise BadCatalogue(
                f"the index of catalogue {folder.name[:12]} is damaged ({error}); import it again"
            ) from error
        if not len(self._keys) == len(self._offsets) - 1 == self._count:
            raise BadCatalogue(f"the index of catalogue {folder.name[:12]} is incomplete; import it again")

    def __len__(self) -> int:
        return self._count

    def __del__(self) -> None:
        lines = getattr(self, "_lines", None)
        if lines is not None:
            lines.close()

    @property
    def keys(self) -> Keys:
        return self._keys

    def product(self, number: int) -> Product:
        """Product `number`, read from its line."""
        if not 0 <= number < self._count:
            raise BadCatalogue(f"the catalogue has {self._count:,} products and none of number {number}")
        begin, end = int(self._offsets[number]), int(self._offsets[number + 1])
        try:
            return _from_line(os.pread(self._lines.fileno(), end - begin, begin))
        except (OSError, ValueError, KeyError) as error:
            raise BadCatalogue(f"product {number} of the catalogue cannot be read; import it again") from error

    def number_of(self, sku: str) -> int:
        """The number of a SKU. Raises BadCatalogue."""
        for number in np.flatnonzero(self._keys == np.uint64(product_key(sku))):
            if self.product(int(number)).sku == sku:
                return int(number)
        raise BadCatalogue(f"the catalogue has no SKU {sku[:40]!r}")

    def names(self, naming: Naming, count: int) -> Sequence[str]:
        """Classes in the order in which they first appear, so that appended products leave the numbers alone."""
        if naming == "product":
            return [ONE_CLASS]
        if naming == "sku":
            if count > CLASSES_MAX:
                raise BadCatalogue(
                    f"a data set names at most {CLASSES_MAX:,} classes, and these are {count:,} SKUs; label by class, "
                    "coarse or product (every object carries its SKU as an attribute all the same)"
                )
            return [self.product(number).sku for number in range(count)]
        return [name for name, first in self._firsts[naming] if first < count]

    def packshot_pixels(self, product: Product) -> NDArray[np.uint8]:
        """The photo of a product, checked against its hash."""
        if product.packshot is None:
            raise BadCatalogue(f"SKU {product.sku} has no packshot")
        return photo_pixels(self.images, product.packshot)


def import_catalogue(
    csv_path: Path, images_dir: Path, *, home: Path | None = None, decode: bool = True
) -> StoredCatalogue:
    """Read a catalogue of products, CSV and photos, into an index on disk, and open it.

    Rows stream through: 100,000 SKUs take some tens of megabytes, whatever their photos weigh.

    Args:
        csv_path: with the columns sku, name, class, form, width_mm, depth_mm, height_mm and, if wanted, brand,
            coarse_class and packshot, a path relative to `images_dir`.
        images_dir: the folder of the photos; it has to stay where it is.
        home: where indices are kept; None for `catalogues_dir()`.
        decode: decode every photo once, so that damage is found now; else heads only, ten times as fast.

    Raises BadCatalogue with line numbers: for missing columns, unknown forms, sizes out of range, double SKUs, photos
    that are missing, damaged, too large or outside the folder, and when there is no product at all. Nothing is then
    left behind.
    """
    home = home or catalogues_dir()
    home.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".import-", dir=home))
    try:
        digest = _write_index(work, csv_path, images_dir.resolve(), decode=decode)
        folder = home / digest
        if folder.exists():
            # The same content was imported before, perhaps with its photos elsewhere: only that is news.
            (work / "catalogue.json").replace(folder / "catalogue.json")
        else:
            work.replace(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return StoredCatalogue(folder)


def open_catalogue(reference: str, *, home: Path | None = None) -> Catalogue:
    """The catalogue that a data set's parameters name: "built-in", or the hash of an imported one. Raises BadCatalogue."""
    if reference == BUILT_IN:
        return built_in_catalogue()
    if not REFERENCE.fullmatch(reference):
        raise BadCatalogue(f"{reference[:40]!r} names no catalogue; use {BUILT_IN!r} or sha256: and 64 hex digits")
    folder = (home or catalogues_dir()) / reference.removeprefix("sha256:")
    if not folder.is_dir():
        raise BadCatalogue(
            f"the catalogue {reference[:19]}... is not on this machine; import its CSV and photos here first "
            f"(orders on a platform use the {BUILT_IN} one)"
        )
    return _opened(folder)


def imported_catalogues(home: Path | None = None) -> list[StoredCatalogue]:
    """Every catalogue that was imported here and can be opened, by name."""
    folder = home or catalogues_dir()
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    found = []
    for name in names:
        if REFERENCE.fullmatch(f"sha256:{name}"):
            with contextlib.suppress(BadCatalogue):
                found.append(StoredCatalogue(folder / name))
    return found


@lru_cache(maxsize=8)
def _opened(folder: Path) -> StoredCatalogue:
    return StoredCatalogue(folder)


def _write_index(work: Path, csv_path: Path, images: Path, *, decode: bool) -> str:
    """Write the four files of an index into `work`; the digest of its content, 64 hex digits."""
    faults = Faults(csv_path)
    digest = hashlib.sha256()
    offsets: list[int] = [0]
    keys: list[int] = []
    firsts: dict[str, dict[str, int]] = {"class": {}, "coarse": {}}
    with (work / "products.jsonl").open("wb") as out:
        for row in read_rows(csv_path, faults):
            try:
                product = _product(row, images, decode=decode)
            except BadCatalogue as error:
                faults.add(row.line, error.message)
                continue
            facts = product.to_json()
            digest.update(canonical_json(facts) + b"\n")
            firsts["class"].setdefault(product.category, len(keys))
            firsts["coarse"].setdefault(product.coarse, len(keys))
            keys.append(product_key(product.sku))
            offsets.append(offsets[-1] + out.write(_line(product, facts)))
    faults.raise_any()
    if not keys:
        raise BadCatalogue(f"{csv_path.name} holds no product; a catalogue has at least one row below its head")
    if max(map(len, firsts.values())) > CLASSES_MAX:
        raise BadCatalogue(f"{csv_path.name} names more than {CLASSES_MAX:,} classes")
    np.save(work / "offsets.npy", np.array(offsets, dtype=np.uint64))
    np.save(work / "keys.npy", np.array(keys, dtype=np.uint64))
    head = {
        "format": FORMAT,
        "reference": f"sha256:{digest.hexdigest()}",
        "source": csv_path.name,
        "images": str(images),
        "products": len(keys),
        "classes": [list(item) for item in firsts["class"].items()],
        "coarse_classes": [list(item) for item in firsts["coarse"].items()],
    }
    (work / "catalogue.json").write_bytes(canonical_json(head))
    return digest.hexdigest()


def _product(row: Row, images: Path, *, decode: bool) -> Product:
    packshot = inspect(images, row.packshot, decode=decode) if row.packshot else None
    return Product(row.sku, row.name, row.brand, row.category, row.coarse, row.form, row.size_m, packshot)


def _line(product: Product, facts: dict[str, Any]) -> bytes:
    shot = product.packshot
    where = {"file": shot.file, "width": shot.width, "height": shot.height} if shot else None
    return canonical_json({**facts, "photo": where}) + b"\n"


def _from_line(line: bytes) -> Product:
    facts = json.loads(line)
    photo = facts["photo"]
    packshot = Packshot(photo["file"], facts["packshot"], photo["width"], photo["height"]) if photo else None
    width_mm, depth_mm, height_mm = facts["size_mm"]
    return Product(
        sku=facts["sku"],
        name=facts["name"],
        brand=facts["brand"],
        category=facts["class"],
        coarse=facts["coarse_class"],
        form=facts["form"],
        size_m=(width_mm / 1000, depth_mm / 1000, height_mm / 1000),
        packshot=packshot,
    )
