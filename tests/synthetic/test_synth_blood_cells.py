"""Blood smears: repeatable, boxes and masks that agree, absorption that adds up, annotators' rules that hold."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_builders import printed_by_an_old_processor

from neuromation.kernel.hashing import merkle_root
from neuromation.kernel.rng import SEED_MAX, unit_rng
from neuromation.synthetic import search_space, unit_hash
from neuromation.synthetic.errors import BadParameters
from neuromation.synthetic.generator import parse_params
from neuromation.synthetic.generators import blood_cells_stain as stain
from neuromation.synthetic.generators import ink
from neuromation.synthetic.generators.blood_cells import (
    BLOOD_CELLS,
    RED,
    WHITE,
    BloodCellsParams,
    annotate,
    draw,
)
from neuromation.synthetic.generators.blood_cells_smear import KINDS, sample_smear
from neuromation.synthetic.render.rle import mask_of

# Version 1 at default parameters, seed 1, units 0..1. Another root means another version.
ROOT_OF_VERSION_1 = "1661f6bfb0836418680a76a876c3e1f5b8ea989036ccbb9daac045d7bafca74c"


def params(**values: Any) -> BloodCellsParams:
    made = parse_params(BLOOD_CELLS, values)
    assert isinstance(made, BloodCellsParams)
    return made


@st.composite
def any_params(draw_: st.DrawFn) -> BloodCellsParams:
    values = {t.name: draw_(st.floats(t.low, t.high)) for t in search_space(BLOOD_CELLS)}
    return params(width=96, height=72, **values)


@settings(max_examples=30, deadline=None)
@given(any_params(), st.integers(0, SEED_MAX), st.integers(0, 10**9))
def test_every_parameter_in_range_makes_the_same_good_unit_twice(p: BloodCellsParams, seed: int, index: int) -> None:
    unit = BLOOD_CELLS.unit(p, seed, index)
    assert unit.picture.shape == (72, 96, 3)
    for item in unit.annotations["objects"]:
        x, y, width, height = item["bbox"]
        assert 0 <= x < x + width <= 96
        assert 0 <= y < y + height <= 72
        assert 0 < item["visibility"] <= 1
        assert mask_of(item["rle"], width=96, height=72).sum() == item["area"] > 0
    assert unit == BLOOD_CELLS.unit(p, seed, index)


def test_the_units_of_version_1_stay_as_they_are() -> None:
    units = [BLOOD_CELLS.unit(params(), 1, index) for index in range(2)]
    assert merkle_root([unit_hash(unit) for unit in units]) == ROOT_OF_VERSION_1


@pytest.mark.slow
def test_an_old_processor_makes_the_same_units(tmp_path: Path) -> None:
    check = (
        "from test_synth_blood_cells import BLOOD_CELLS, merkle_root, params, unit_hash;"
        "print(merkle_root([unit_hash(BLOOD_CELLS.unit(params(), 1, index)) for index in range(2)]))"
    )
    assert printed_by_an_old_processor(check, tmp_path) == ROOT_OF_VERSION_1


def test_boxes_hold_their_masks_with_the_margin_asked_for() -> None:
    p = params(annotation_margin_px=4.0, annotation_jitter_px=0.0, labels=["masks", "layers"])
    for index in range(3):
        unit = BLOOD_CELLS.unit(p, 3, index)
        ids = unit.layers["instances"]
        for item in unit.annotations["objects"]:
            rows, columns = np.nonzero(ids == item["id"])
            assert len(rows) == item["area"]
            x, y, width, height = item["bbox"]
            assert x <= max(0, columns.min() - 4)
            assert y <= max(0, rows.min() - 4)
            assert x + width >= min(640, columns.max() + 5)
            assert y + height >= min(480, rows.max() + 5)


def test_layers_say_what_the_objects_say() -> None:
    p = params(labels=["layers"])
    assert [layer.name for layer in BLOOD_CELLS.layers(p)] == ["instances", "semantic"]
    unit = BLOOD_CELLS.unit(p, 1, 4)
    for layer in BLOOD_CELLS.layers(p):
        layer.check(unit.layers[layer.name])
    for item in unit.annotations["objects"]:
        where = unit.layers["instances"] == item["id"]
        assert set(unit.layers["semantic"][where]) == {item["label"] + 1}
        assert "rle" not in item
    assert BLOOD_CELLS.layers(params()) == ()


def _counts(p: BloodCellsParams, units: int) -> dict[str, float]:
    found = [item["class"] for index in range(units) for item in BLOOD_CELLS.unit(p, 5, index).annotations["objects"]]
    return {name: found.count(name) / units for name in BLOOD_CELLS.classes}


def test_cells_are_as_many_as_asked_for() -> None:
    assert _counts(params(red_cells=0.0, white_cells=0.0, platelets=0.0), 3) == {"RBC": 0, "WBC": 0, "Platelets": 0}
    few, many = _counts(params(red_cells=8.0), 3), _counts(params(red_cells=30.0), 3)
    assert few["RBC"] < 0.6 * many["RBC"]
    assert _counts(params(white_cells=2.0, red_cells=0.0, annotation_inside_min=0.0), 4)["WBC"] > 1.3


def test_only_the_kinds_asked_for_are_drawn() -> None:
    weights = [float(kind == "lymphocyte") for kind in KINDS]
    unit = BLOOD_CELLS.unit(params(kind_weights=weights, white_cells=3.0, red_cells=0.0), 1, 0)
    kinds = {item["attributes"]["kind"] for item in unit.annotations["objects"] if item["label"] == WHITE}
    assert kinds == {"lymphocyte"}


def test_cells_that_are_cut_or_covered_get_boxes_only_where_the_annotator_draws_them() -> None:
    loose = params(annotation_inside_min=0.0, annotation_covered_max=1.0, annotation_miss_rate=0.0)
    strict = params(annotation_inside_min=1.0, annotation_covered_max=0.0, annotation_miss_rate=0.0)
    smear = sample_smear(loose, 2, 0)
    drawn = draw(smear)
    everyone, _ = annotate(loose, smear, drawn, 2, 0)
    chosen, ids = annotate(strict, smear, drawn, 2, 0)
    assert len(chosen) < len(everyone)
    assert int(ids.max()) == len(chosen)
    whole_and_free = sum(
        kind == RED and inside == 1 and covered == 0
        for kind, inside, covered in zip(drawn.kinds, drawn.inside, drawn.covered, strict=True)
    )
    assert sum(item["label"] == RED for item in chosen) == whole_and_free
    assert annotate(params(annotation_miss_rate=1.0), smear, drawn, 2, 0)[0] == [
        item for item in annotate(params(annotation_miss_rate=1.0), smear, drawn, 2, 0)[0] if item["label"] == WHITE
    ]


def test_light_falls_where_more_stain_lies() -> None:
    amounts = np.zeros((1, 4, stain.STAINS), np.float32)
    amounts[0, :, stain.HAEMOGLOBIN] = [0, 1, 2, 3]
    densities = np.zeros((stain.STAINS, 3))
    densities[stain.HAEMOGLOBIN] = [0.3, 0.7, 0.5]
    lamp = np.array([0.8, 0.8, 0.8, 0, 0, 0, 0.5, 0.5, 0, 0, 0])
    light = stain.light_through(amounts, densities, lamp, np.zeros((64, 64), np.float32))
    # Beer and Lambert: equal steps of stain take equal shares of the light.
    shares = light[:, 0, 1:] / light[:, 0, :-1]
    assert shares == pytest.approx(np.exp(-densities[stain.HAEMOGLOBIN])[:, None].repeat(3, axis=1), rel=1e-4)


@given(st.floats(-2, 3))
def test_the_share_of_light_that_passes_is_an_exponential(density: float) -> None:
    assert ink.transmission(density) == pytest.approx(math.exp(-density), rel=2e-5)


@given(st.floats(0, 10), st.floats(-4, 4))
def test_a_soft_focus_keeps_the_light_and_moves_it_as_far_as_asked(radius: float, shift: float) -> None:
    kernel = ink.bell_kernel(radius, shift)
    taps = np.arange(len(kernel)) - len(kernel) // 2
    assert kernel.min() >= 0
    assert kernel.sum() == pytest.approx(1)
    assert (kernel * taps).sum() == pytest.approx(shift, abs=0.15)
    plane = np.full((5, 7), 0.5, np.float32)
    assert ink.blur_plane(plane, kernel, kernel) == pytest.approx(plane, rel=1e-5)


@given(st.floats(0, 1))
def test_an_outline_has_the_radius_of_its_series(turns: float) -> None:
    cosines, sines = np.array([[0.0, 0.1, 0.05]]), np.array([[0.0, -0.1, 0.02]])
    outline = ink.outlines(cosines, sines)[0]
    angle = 2 * math.pi * turns
    series = 1 + sum(
        float(cosines[0, k - 1]) * math.cos(k * angle) + float(sines[0, k - 1]) * math.sin(k * angle) for k in (1, 2, 3)
    )
    assert ink.radius_at(outline, math.cos(angle), math.sin(angle)) == pytest.approx(series, abs=2e-3)


def test_noise_stays_in_its_range_and_is_continuous() -> None:
    table = ink.lattice(unit_rng(1, 0))
    along = np.array([ink.noise_at(table, x, 3.7) for x in np.linspace(-70, 70, 4001)])
    assert np.abs(along).max() <= 1
    assert np.abs(np.diff(along)).max() < 0.12
    assert np.ptp(along) > 1


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"red_cells": 1e9}, "red_cells"),
        ({"kind_weights": [1.0]}, "6 numbers"),
        ({"labels": ["depth"]}, "labels"),
        ({"width": 5}, "width"),
    ],
)
def test_wrong_parameters_are_named(values: dict[str, Any], words: str) -> None:
    with pytest.raises(BadParameters, match=words):
        params(**values)
