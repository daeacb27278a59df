"""What a product and a catalogue of products are. Owns the words and their limits; reads no file and draws nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

Form = Literal["carton", "gable", "can", "bottle", "pouch", "jar", "tub"]
Naming = Literal["product", "coarse", "class", "sku"]
Keys = NDArray[np.uint64]

FORMS: tuple[Form, ...] = get_args(Form)
ROUND_FORMS: frozenset[Form] = frozenset({"can", "bottle", "jar", "tub"})
SIDE_MIN_M, SIDE_MAX_M = 0.01, 0.8
PRODUCTS_MAX = 1_000_000  # of one catalogue
CLASSES_MAX = 10_000  # that a data set can name
TEXT_MAX = 120  # characters of a SKU, a name, a class
BUILT_IN = "built-in"
ONE_CLASS = "product"


@dataclass(frozen=True)
class Packshot:
    """The one photo of a product: its path below the catalogue's folder of images, and what the file holds."""

    file: str
    sha256: str
    width: int
    height: int


@dataclass(frozen=True)
class Product:
    """One article of a shop.

    Attributes:
        sku: its number, unique in its catalogue; its look depends on this alone (and on its packshot).
        name, brand: what its label says.
        category: its class; coarse: the class above that.
        form: the kind of its package.
        size_m: width, depth and height as it stands on a shelf, metres.
        packshot: the photo that is printed on it; None where the look is procedural.
        variety, amount: words for a procedural label, "" for what the SKU decides.
    """

    sku: str
    name: str
    brand: str
    category: str
    coarse: str
    form: Form
    size_m: tuple[float, float, float]
    packshot: Packshot | None = None
    variety: str = ""
    amount: str = ""

    def to_json(self) -> dict[str, Any]:
        """Everything that defines the product: the photo by its hash, for where it lies is the reader's business."""
        return {
            "sku": self.sku,
            "name": self.name,
            "brand": self.brand,
            "class": self.category,
            "coarse_class": self.coarse,
            "form": self.form,
            "size_mm": [round(side * 1000) for side in self.size_m],
            "packshot": self.packshot.sha256 if self.packshot else None,
        }


def product_key(sku: str) -> int:
    """64 bits that stand for a SKU wherever something is drawn for it."""
    return int.from_bytes(hashlib.sha256(sku.encode()).digest()[:8], "little")


class Catalogue(Protocol):
    """Products by number. What a number means never changes when products are appended."""

    reference: str  # "built-in", or "sha256:" and 64 hex digits over every product in order

    def __len__(self) -> int: ...

    @property
    def keys(self) -> Keys:
        """uint64 (products,), `product_key` of each."""

    def product(self, number: int) -> Product:
        """Product `number`, 0 and up. Raises BadCatalogue."""

    def names(self, naming: Naming, count: int) -> Sequence[str]:
        """The classes by which the first `count` products are labelled. Raises BadCatalogue when they are too many."""

    def packshot_pixels(self, product: Product) -> NDArray[np.uint8]:
        """The photo of a product, uint8 (height, width, 3 or 4). Raises BadCatalogue."""


def label_text(product: Product, naming: Naming) -> str:
    """The class of a product under a naming."""
    if naming == "product":
        return ONE_CLASS
    return {"coarse": product.coarse, "class": product.category, "sku": product.sku}[naming]
