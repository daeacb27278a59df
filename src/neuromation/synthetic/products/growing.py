"""What a larger catalogue changes: the units of a data set that have to be made again, found without drawing any."""

from __future__ import annotations

from pydantic import BaseModel

from neuromation.synthetic.errors import BadParameters
from neuromation.synthetic.products.assortment import CatalogueParams, label_of, shown_products
from neuromation.synthetic.render.labels import scene_layers


def changed_units(before: BaseModel, after: BaseModel, *, seed: int, units: int) -> list[int]:
    """The indices of the units that may differ between two catalogues, in order; all others are equal to the bit.

    Args:
        before, after: parameters of one generator that differ in `catalogue` or `products` alone, from `parse_params`.
        seed, units: of the data set.

    Raises BadParameters when they differ in more, for then every unit does, and BadCatalogue.
    """
    if (
        not isinstance(before, CatalogueParams)
        or not isinstance(after, CatalogueParams)
        or type(before) is not type(after)
    ):
        raise BadParameters("two sets of parameters of one generator with a catalogue are needed")
    what = {"catalogue", "products"}
    if before.model_dump(exclude=what) != after.model_dump(exclude=what):
        raise BadParameters("the parameters differ in more than the catalogue, so every unit changes")
    # From 254 classes on a semantic mask takes 16 bits a pixel: then all units are stored otherwise.
    wide = [scene_layers(params, classes=len(params.class_names())) for params in (before, after)]
    if wide[0] != wide[1]:
        return list(range(units))
    return [unit for unit in range(units) if _shown(before, seed, unit) != _shown(after, seed, unit)]


def _shown(params: CatalogueParams, seed: int, unit: int) -> list[tuple[int | None, object]]:
    """Labels and content of the products that a unit can show."""
    return [
        (label_of(params, listed), listed.product.to_json())
        for stream, count in params.shown_max().items()
        for listed in shown_products(params, seed=seed, unit=unit, count=count, stream=stream)
    ]
