"""Retail shelves: every label agrees with the plan and the catalogue, and a larger catalogue changes few units."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neuromation.synthetic import get_generator, parse_params
from neuromation.synthetic.errors import BadCatalogue, BadParameters
from neuromation.synthetic.generator import Unit, unit_hash
from neuromation.synthetic.generators.retail_shelf import RETAIL_SHELF, RetailShelfParams
from neuromation.synthetic.generators.retail_shelf_scene import draw_shelf_scene
from neuromation.synthetic.products.builtin import built_in_catalogue
from neuromation.synthetic.products.growing import changed_units

SMALL: dict[str, Any] = {"width": 192, "height": 144, "facings": 16, "assortment": 8, "products": 60}


def a_unit(index: int = 0, **values: Any) -> Unit:
    return RETAIL_SHELF.unit(parse_params(RETAIL_SHELF, {**SMALL, **values}), 5, index)


@pytest.fixture(scope="module")
def units() -> list[Unit]:
    wild = {"gap": 0.2, "misplaced": 0.1, "null": 0.1, "labels": ["masks", "amodal", "depth"]}
    return [a_unit(index, **wild) for index in range(6)]


def test_boxes_lie_inside_the_picture_and_fit_their_masks(units: list[Unit]) -> None:
    for unit in units:
        ids = unit.layers["instances"]
        for thing in unit.annotations["objects"]:
            rows, columns = np.nonzero(ids == thing["id"])
            x, y, width, height = thing["bbox"]
            assert (columns.min(), rows.min()) == (x, y)
            assert (np.ptp(columns) + 1, np.ptp(rows) + 1) == (width, height)
            assert thing["area"] == len(rows) and 0 < thing["visibility"] <= 1


def test_skus_and_classes_agree_with_the_catalogue(units: list[Unit]) -> None:
    catalogue = built_in_catalogue()
    for unit in units:
        for thing in unit.annotations["objects"]:
            sku = thing["attributes"]["sku"]
            if thing.get("null"):
                assert thing["label"] is None and thing["class"] == "none" and sku.startswith("NX-")
            else:
                assert thing["class"] == sku == catalogue.product(thing["label"]).sku
                assert unit.annotations["products"][sku]["class"] == catalogue.product(thing["label"]).category


def test_every_package_is_as_planned_or_says_what_is_planned(units: list[Unit]) -> None:
    for unit in units:
        slots = {(slot["row"], slot["slot"]): slot for slot in unit.annotations["planogram"]["slots"]}
        for thing in unit.annotations["objects"]:
            seen = thing["attributes"]
            planned = slots[seen["row"], seen["slot"]]
            assert 0 <= seen["facing"] < planned["facings"] and 0 <= seen["depth"] < planned["depth"]
            assert seen["misplaced"] == (seen["sku"] != planned["sku"])
            assert seen.get("planned_sku", planned["sku"]) == planned["sku"]


def test_gaps_are_in_the_picture_and_hold_no_package(units: list[Unit]) -> None:
    found = 0
    for unit in units:
        places = {
            (thing["attributes"]["row"], thing["attributes"]["slot"], thing["attributes"]["facing"])
            for thing in unit.annotations["objects"]
        }
        for gap in unit.annotations["gaps"]:
            found += 1
            x, y, width, height = gap["bbox"]
            assert (gap["row"], gap["slot"], gap["facing"]) not in places
            assert x >= 0 and y >= 0 and x + width <= SMALL["width"] and y + height <= SMALL["height"]
    assert found > 5


def test_there_are_null_objects_and_misplaced_ones(units: list[Unit]) -> None:
    things = [thing for unit in units for thing in unit.annotations["objects"]]
    nulls = sum(bool(thing.get("null")) for thing in things)
    strangers = sum(thing["attributes"]["misplaced"] for thing in things)
    assert 0 < nulls < strangers < len(things) / 2


def test_the_same_seed_gives_the_same_unit_and_another_another() -> None:
    assert unit_hash(a_unit(3)) == unit_hash(a_unit(3))
    assert unit_hash(a_unit(3)) != unit_hash(a_unit(4))


@pytest.mark.parametrize("fixture", ["gondola", "cooler", "wire", "chest", "pallet"])
def test_every_kind_of_furniture_shows_packages(fixture: str) -> None:
    unit = a_unit(1, fixtures=[fixture])
    assert unit.annotations["planogram"]["fixture"] == fixture
    assert len(unit.annotations["objects"]) >= 4


@pytest.mark.parametrize(
    ("naming", "count", "first"), [("product", 1, "product"), ("class", 30, "milk"), ("coarse", 11, "dairy")]
)
def test_a_naming_decides_the_classes(naming: str, count: int, first: str) -> None:
    params = parse_params(RETAIL_SHELF, {**SMALL, "naming": naming})
    classes = RETAIL_SHELF.classes_for(params)
    assert (len(classes), classes[0]) == (count, first)
    for thing in RETAIL_SHELF.unit(params, 5, 0).annotations["objects"]:
        assert thing.get("null") or thing["class"] == classes[thing["label"]]


def test_one_more_product_changes_only_the_units_that_show_it() -> None:
    before, after = (parse_params(RETAIL_SHELF, {**SMALL, "naming": "class", "products": n}) for n in (60, 61))
    changed = set(changed_units(before, after, seed=5, units=24))
    assert 0 < len(changed) < 24
    new = built_in_catalogue().product(60).sku
    for index in [*sorted(changed)[:2], *sorted(set(range(24)) - changed)[:4]]:
        one, other = (RETAIL_SHELF.unit(params, 5, index) for params in (before, after))
        assert unit_hash(one) == unit_hash(other) or (index in changed and new in other.annotations["products"])
        assert index in changed or unit_hash(one) == unit_hash(other)


def test_other_parameters_than_the_catalogue_change_every_unit() -> None:
    before, after = (parse_params(RETAIL_SHELF, {**SMALL, "gap": share}) for share in (0.1, 0.2))
    with pytest.raises(BadParameters, match="more than the catalogue"):
        changed_units(before, after, seed=1, units=4)


def test_more_classes_than_a_byte_holds_change_every_unit() -> None:
    before, after = (parse_params(RETAIL_SHELF, {**SMALL, "products": n}) for n in (253, 254))
    assert changed_units(before, after, seed=1, units=4) == [0, 1, 2, 3]


def test_more_products_than_the_catalogue_has_are_refused() -> None:
    with pytest.raises(BadCatalogue, match="fewer than the 5,000 asked for"):
        a_unit(0, products=5_000)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"facings": 0}, "facings"),
        ({"gap": 1.5}, "gap"),
        ({"fixtures": []}, "fixtures"),
        ({"fixtures": ["wire", "wire"]}, "named once"),
        ({"catalogue": "/etc/passwd"}, "catalogue"),
        ({"naming": "brand"}, "naming"),
    ],
)
def test_parameters_out_of_range_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(BadParameters, match=message):
        parse_params(RETAIL_SHELF, values)


def test_an_unknown_catalogue_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEUROMATION_CATALOGUES", str(tmp_path))
    with pytest.raises(BadCatalogue, match="is not on this machine"):
        a_unit(0, catalogue="sha256:" + "0" * 64)


def test_a_scene_is_plain_data_that_needs_no_renderer() -> None:
    drawn = draw_shelf_scene(RetailShelfParams(facings=40), 1, 0)
    packages = [instance for instance in drawn.scene.instances if instance.is_object]
    assert 10 < len(packages) <= len(drawn.shelf.placed)


def test_the_generator_is_installed() -> None:
    assert get_generator("retail-shelf") is RETAIL_SHELF
