"""Bins of parts: what lies in them, and that masks, depth, poses and boxes of a unit tell the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuromation.synthetic import Unit, get_generator, parse_params, unit_hash
from neuromation.synthetic.errors import BadParameters
from neuromation.synthetic.generators.warehouse_bin import WAREHOUSE_BIN, WarehouseBinParams, bin_scene
from neuromation.synthetic.generators.warehouse_bin_parts import CLASSES, SIZES, part_shape
from neuromation.synthetic.render.labels import placed

FEW = WarehouseBinParams(width=160, height=120, parts_mean=14, parts_spread=0.3)


@pytest.mark.parametrize("size", range(SIZES))
@pytest.mark.parametrize("label", range(len(CLASSES)))
def test_named_points_of_a_part_lie_on_or_in_it(label: int, size: int) -> None:
    mesh, longest_m = part_shape(label, size)
    low, high = mesh.bounds

    assert longest_m == pytest.approx(max(b - a for a, b in zip(low, high, strict=True)), rel=0.2)
    assert mesh.keypoints
    for point in mesh.keypoints.values():
        assert all(a - 1e-9 <= p <= b + 1e-9 for a, p, b in zip(low, point, high, strict=True))


@settings(max_examples=5, deadline=None)
@given(index=st.integers(0, 1000))
def test_parts_lie_on_the_floor_or_above_it_and_none_beside_the_bin(index: int) -> None:
    plan = bin_scene(FEW, 3, index)
    parts = [instance for instance in plan.scene.instances if instance.is_object]
    low, high = next(thing for thing in plan.scene.instances if thing.group == "container").mesh.bounds

    assert parts
    for part in parts:
        x, y, z = zip(*(placed(part, tuple(corner)) for corner in part.mesh.positions.tolist()), strict=True)
        assert min(z) > 0.0
        assert low[0] < np.mean(x) < high[0] and low[1] < np.mean(y) < high[1]


@given(index=st.integers(0, 10_000))
@settings(max_examples=5, deadline=None)
def test_a_bin_has_at_most_the_parts_asked_for(index: int) -> None:
    params = WarehouseBinParams(parts_mean=40, parts_max=9)

    assert 1 <= len(bin_scene(params, 1, index).parts) <= 9


@pytest.mark.parametrize("tilt_deg", [0.0, 40.0])
@pytest.mark.parametrize("width_m", [0.12, 0.8])
def test_the_narrowest_and_the_widest_bins_can_be_filled(width_m: float, tilt_deg: float) -> None:
    params = WarehouseBinParams(
        bin_width_m=width_m, bin_spread=0.5, tilt_deg=tilt_deg, camera_height_m=0.3, parts_mean=4
    )

    for index in range(4):
        assert len(bin_scene(params, 2, index).scene.instances) >= 2


@pytest.fixture(scope="module")
def unit() -> Unit:
    return WAREHOUSE_BIN.unit(FEW, 5, 0)


def test_the_generator_is_installed() -> None:
    assert get_generator("warehouse-bin") is WAREHOUSE_BIN


def test_a_unit_repeats_to_the_bit(unit: Unit) -> None:
    assert unit_hash(WAREHOUSE_BIN.unit(FEW, 5, 0)) == unit_hash(unit)
    assert unit_hash(WAREHOUSE_BIN.unit(FEW, 6, 0)) != unit_hash(unit)


def test_what_can_be_grasped_is_what_is_seen(unit: Unit) -> None:
    for entry in unit.annotations["objects"]:
        assert 0 < entry["visibility"] <= 1
        assert entry["attributes"]["graspable"] == (entry["visibility"] >= FEW.graspable_from)
        assert entry["class"] == CLASSES[entry["label"]]


def test_boxes_are_tight_and_lie_in_whole_boxes(unit: Unit) -> None:
    for entry in unit.annotations["objects"]:
        rows, columns = np.nonzero(unit.layers["instances"] == entry["id"])
        left, top = int(columns.min()), int(rows.min())
        assert entry["bbox"] == [left, top, int(columns.max()) + 1 - left, int(rows.max()) + 1 - top]
        x, y, width, height = entry["bbox_amodal"]
        assert x <= left and y <= top
        assert x + width >= left + entry["bbox"][2] and y + height >= top + entry["bbox"][3]


def test_depth_and_pose_agree_within_a_parts_size(unit: Unit) -> None:
    depth_m = unit.layers["depth"] / 1000
    for entry in unit.annotations["objects"]:
        seen = depth_m[unit.layers["instances"] == entry["id"]]
        size = float(np.sqrt(sum(side * side for side in entry["pose"]["size_m"])))
        distance = entry["pose"]["translation_m"][2]
        assert distance - size - 0.002 <= float(seen.min()) <= float(seen.max()) <= distance + size + 0.002


def test_the_layers_are_those_declared(unit: Unit) -> None:
    declared = {layer.name: layer for layer in WAREHOUSE_BIN.layers(FEW)}

    assert set(declared) == set(unit.layers)
    for name, layer in declared.items():
        layer.check(unit.layers[name])


@pytest.mark.parametrize("field", ["parts_mean", "bin_width_m", "rust_share"])
def test_a_parameter_out_of_range_is_refused_with_its_name(field: str) -> None:
    with pytest.raises(BadParameters, match=field):
        parse_params(WAREHOUSE_BIN, {field: 1e9})


def test_weights_need_one_number_a_class() -> None:
    with pytest.raises(BadParameters, match="class_weights"):
        parse_params(WAREHOUSE_BIN, {"class_weights": [1.0, 2.0]})
