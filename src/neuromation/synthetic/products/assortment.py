"""The parameters by which a generator names its catalogue, and the products that one of its units shows."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from pydantic import Field

from neuromation.synthetic.errors import BadCatalogue
from neuromation.synthetic.products.builtin import BUILT_IN_DEFAULT, LOOKALIKE_FIRST
from neuromation.synthetic.products.choosing import choose
from neuromation.synthetic.products.model import (
    BUILT_IN,
    PRODUCTS_MAX,
    Catalogue,
    Naming,
    label_text,
    product_key,
)
from neuromation.synthetic.products.planogram import Listed
from neuromation.synthetic.products.store import open_catalogue
from neuromation.synthetic.render.labels import SceneParams


class CatalogueParams(SceneParams):
    """Which products are shown and how they are named. The catalogue goes by its content's hash, never by a path."""

    catalogue: str = Field(
        BUILT_IN,
        pattern=r"^(built-in|sha256:[0-9a-f]{64})$",
        description="built-in, or sha256: and the digest that importing a catalogue gave",
    )
    products: int | None = Field(
        None, ge=1, le=PRODUCTS_MAX, description="draw from the first so many products; null: built-in 400, else all"
    )
    naming: Naming = Field("sku", description="what a label tells apart: product (one class), coarse, class or sku")

    def opened(self) -> Catalogue:
        """The catalogue. Raises BadCatalogue when it is not here."""
        return open_catalogue(self.catalogue)

    def class_names(self) -> tuple[str, ...]:
        """The classes that labels number. Raises BadCatalogue when they are too many."""
        return _names(self.catalogue, self.naming, self.count)

    def shown_max(self) -> dict[str, int]:
        """How many products a unit shows at most, by the stream that chooses them; what `changed_units` looks at."""
        return {"": 1}

    @property
    def count(self) -> int:
        """How many of its products, from the first, may be shown. Raises BadCatalogue when it has fewer."""
        held = len(self.opened())
        wanted = self.products or (BUILT_IN_DEFAULT if self.catalogue == BUILT_IN else held)
        if wanted > held:
            raise BadCatalogue(f"the catalogue has {held:,} products, fewer than the {wanted:,} asked for")
        return wanted


def shown_products(params: CatalogueParams, *, seed: int, unit: int, count: int, stream: str = "") -> list[Listed]:
    """The products of one unit; growing the catalogue changes only units that show what was added."""
    catalogue = params.opened()
    numbers = choose(catalogue.keys[: params.count], seed=seed, unit=unit, count=count, stream=stream)
    return [Listed(number, catalogue.product(number)) for number in numbers]


def label_of(params: CatalogueParams, listed: Listed) -> int | None:
    """The place of a product's class in the classes of these parameters; None for a look-alike."""
    if listed.is_null:
        return None
    if params.naming == "product":
        return 0
    if params.naming == "sku":
        return listed.number
    return _places(params.catalogue, params.naming, params.count)[label_text(listed.product, params.naming)]


@lru_cache(maxsize=16)
def _names(reference: str, naming: Naming, count: int) -> tuple[str, ...]:
    # A reference is the hash of what it names, so what was once read stays true.
    return tuple(open_catalogue(reference).names(naming, count))


@lru_cache(maxsize=16)
def _places(reference: str, naming: Naming, count: int) -> dict[str, int]:
    return {name: place for place, name in enumerate(_names(reference, naming, count))}


def lookalike(of: Listed, which: int) -> Listed:
    """A package of the same form and size as a product, with another maker's label: number `which` of its kind."""
    sku = f"NX-{product_key(of.product.sku) % 1_000_000_007:010d}-{which:02d}"
    product = replace(of.product, sku=sku, name="", brand="", variety="", amount="", packshot=None)
    # Numbers beyond every catalogue, so that a look-alike is never taken for the product itself.
    return Listed(LOOKALIKE_FIRST + of.number * 64 + which, product, is_null=True)
