"""Product photos: one product each, in the picture, with the label of its catalogue; new products cost only their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from neuromation.synthetic import get_generator, parse_params
from neuromation.synthetic.generator import Unit, unit_hash
from neuromation.synthetic.generators.product_photo import PRODUCT_PHOTO
from neuromation.synthetic.generators.product_photo_hand import grip
from neuromation.synthetic.products.builtin import built_in_catalogue
from neuromation.synthetic.products.growing import changed_units
from neuromation.synthetic.products.store import import_catalogue

SMALL: dict[str, Any] = {"width": 96, "height": 96, "samples": 1, "products": 40}


def a_unit(index: int, **values: Any) -> Unit:
    return PRODUCT_PHOTO.unit(parse_params(PRODUCT_PHOTO, {**SMALL, **values}), 2, index)


@pytest.fixture(scope="module")
def units() -> list[Unit]:
    return [a_unit(index) for index in range(8)]


def test_the_subject_is_the_first_object_and_well_in_the_picture(units: list[Unit]) -> None:
    for unit in units:
        first = unit.annotations["objects"][0]
        assert first["attributes"]["sku"] == unit.annotations["subject"]["sku"]
        assert first["label"] == unit.label and first["area"] > 0.01 * 96 * 96


def test_labels_are_numbers_of_the_catalogue(units: list[Unit]) -> None:
    for unit in units:
        assert unit.label is not None and 0 <= unit.label < 40
        assert built_in_catalogue().product(unit.label).sku == unit.annotations["subject"]["sku"]


def test_products_are_held_and_stand(units: list[Unit]) -> None:
    assert {unit.annotations["subject"]["held"] for unit in units} == {True, False}


def test_the_same_seed_gives_the_same_photo() -> None:
    assert unit_hash(a_unit(1)) == unit_hash(a_unit(1))
    assert unit_hash(a_unit(1)) != unit_hash(a_unit(2))


def test_a_new_product_takes_over_a_few_units_and_leaves_the_others_alone() -> None:
    before, after = (parse_params(PRODUCT_PHOTO, {**SMALL, "products": n}) for n in (40, 41))
    changed = changed_units(before, after, seed=2, units=200)
    assert 1 <= len(changed) <= 15  # 200 / 41 = 5 are expected
    for index in (changed[0], *[unit for unit in range(200) if unit not in changed][:3]):
        one, other = (PRODUCT_PHOTO.unit(params, 2, index) for params in (before, after))
        assert (unit_hash(one) != unit_hash(other)) == (index in changed)
        assert index not in changed or other.label == 40


def test_clutter_of_the_catalogue_is_labelled() -> None:
    things = [thing for index in range(4) for thing in a_unit(index, clutter="catalogue").annotations["objects"]]
    assert len({thing["label"] for thing in things}) > 4


def test_a_look_alike_has_no_label() -> None:
    unit = a_unit(0, null=0.9, held=1.0)
    assert unit.label is None and unit.annotations["objects"][0]["null"]


def test_one_packshot_makes_many_photos_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEUROMATION_CATALOGUES", str(tmp_path / "home"))
    Image.new("RGB", (80, 200), (230, 20, 20)).save(tmp_path / "red.png")
    table = tmp_path / "products.csv"
    forms = ("carton", "gable", "can", "bottle", "pouch", "jar", "tub")
    rows = [f"{form},{form},{form},{form},70,70,160,red.png" for form in forms]
    table.write_text("\n".join(["sku,name,class,form,width_mm,depth_mm,height_mm,packshot", *rows]))
    catalogue = import_catalogue(table, tmp_path)
    for index in range(6):
        unit = a_unit(index, catalogue=catalogue.reference, products=None, fill=1.2, yaw_deg=20.0)
        seen = unit.picture[unit.layers["instances"] == 1].astype(np.int64)
        red = (seen[:, 0] > 1.6 * seen[:, 1]) & (seen[:, 0] > 1.6 * seen[:, 2])
        assert red.mean() > 0.2, unit.annotations["subject"]


@pytest.mark.parametrize("is_round", [True, False])
@pytest.mark.parametrize("variant", range(4))
def test_a_hand_is_a_closed_surface_around_its_package(is_round: bool, variant: int) -> None:
    mesh = grip(0.07, 0.07, is_round=is_round, variant=variant).flesh
    edges: dict[tuple[int, int], int] = {}
    for a, b, c in mesh.triangles.tolist():
        for one, other in ((a, b), (b, c), (c, a)):
            edges[min(one, other), max(one, other)] = edges.get((min(one, other), max(one, other)), 0) + 1
    assert set(edges.values()) <= {2, 4}
    low, high = mesh.bounds
    assert low[0] < -0.1 and low[1] < -0.035 and high[1] > 0.035


def test_the_generator_is_installed() -> None:
    assert get_generator("product-photo") is PRODUCT_PHOTO
