"""Traffic signs: repeatable, boxes and masks that agree, signs that differ, look-alikes that are none."""

from __future__ import annotations

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
from neuromation.synthetic.generators import traffic_signs_draw as td
from neuromation.synthetic.generators.traffic_signs import TRAFFIC_SIGNS, TrafficSignsParams
from neuromation.synthetic.generators.traffic_signs_catalogue import NAMES, Sign, signs
from neuromation.synthetic.generators.traffic_signs_lures import lure
from neuromation.synthetic.generators.traffic_signs_marks import Mark, box, disc, inked, lettering, placed, polygon
from neuromation.synthetic.generators.traffic_signs_scene import _homography, _inverse
from neuromation.synthetic.render.rle import mask_of

# Version 1 at default parameters, seed 1, units 0..1, then two crops. Another root means another version.
ROOT_OF_VERSION_1 = "1eb3fd3e77a41e49e49832ebed4f9568369c883b0d5f6d6a89586692c1b4c42e"


def params(**values: Any) -> TrafficSignsParams:
    made = parse_params(TRAFFIC_SIGNS, values)
    assert isinstance(made, TrafficSignsParams)
    return made


def seen_from_the_front(marks: list[Mark], side: int = 48) -> np.ndarray[Any, np.dtype[np.float32]]:
    """A new sign in even light on grey, (side, side, 3)."""
    light = np.full((side, side, 3), 0.2, np.float32)
    half = side / 2
    to_sign = np.array([1 / half, 0, -1, 0, 1 / half, -1, 0, 0, 1.0]) * np.array([1.12] * 6 + [1.0] * 3)
    surface = np.zeros(td.SURFACE)
    surface[td.S_AMBIENT] = surface[td.S_CLEAR] = 1.0
    ids = np.zeros((side, side), np.uint16)
    window = np.array([0, 0, side, side])
    td.lay_sign(light, ids, 1, to_sign, window, inked(marks), surface, np.zeros((64, 64), np.float32))
    return light


@st.composite
def any_params(draw: st.DrawFn) -> TrafficSignsParams:
    values = {t.name: draw(st.floats(t.low, t.high)) for t in search_space(TRAFFIC_SIGNS)}
    if values["size_min_px"] > values["size_max_px"]:
        values["size_min_px"], values["size_max_px"] = values["size_max_px"], values["size_min_px"]
    values["size_max_px"] = max(8.0, values["size_max_px"])
    mode = draw(st.sampled_from(["scene", "crop"]))
    return params(mode=mode, width=128, height=96, crop_px=40, **values)


@settings(max_examples=30, deadline=None)
@given(any_params(), st.integers(0, SEED_MAX), st.integers(0, 10**9))
def test_every_parameter_in_range_makes_the_same_good_unit_twice(p: TrafficSignsParams, seed: int, index: int) -> None:
    unit = TRAFFIC_SIGNS.unit(p, seed, index)
    assert unit.picture.shape == ((40, 40, 3) if p.mode == "crop" else (96, 128, 3))
    for item in unit.annotations.get("objects", []):
        mask = mask_of(item["rle"], width=128, height=96)
        rows, columns = np.nonzero(mask)
        x, y = int(columns.min()), int(rows.min())
        assert item["bbox"] == [x, y, int(columns.max()) + 1 - x, int(rows.max()) + 1 - y]
        assert mask.sum() == item["area"] > 0
        assert 0 < item["visibility"] <= 1
    assert unit == TRAFFIC_SIGNS.unit(p, seed, index)


def test_the_units_of_version_1_stay_as_they_are() -> None:
    units = [TRAFFIC_SIGNS.unit(params(mode=mode), 1, index) for mode in ("scene", "crop") for index in range(2)]
    assert merkle_root([unit_hash(unit) for unit in units]) == ROOT_OF_VERSION_1


@pytest.mark.slow
def test_an_old_processor_makes_the_same_units(tmp_path: Path) -> None:
    check = (
        "from test_synth_traffic_signs import TRAFFIC_SIGNS, merkle_root, params, unit_hash;"
        "units = [TRAFFIC_SIGNS.unit(params(mode=m), 1, i) for m in ('scene', 'crop') for i in range(2)];"
        "print(merkle_root([unit_hash(unit) for unit in units]))"
    )
    assert printed_by_an_old_processor(check, tmp_path) == ROOT_OF_VERSION_1


def test_there_are_many_signs_and_each_has_its_own_name() -> None:
    assert len(NAMES) == len(set(NAMES)) >= 30
    assert tuple(sign.name for sign in signs()) == NAMES
    assert {sign.group for sign in signs()} == {"priority", "prohibition", "warning", "mandatory", "information"}
    assert all(name == name.lower() and " " not in name for name in NAMES)


def test_no_two_signs_look_alike() -> None:
    looks = [seen_from_the_front(list(sign.marks)) for sign in signs()]
    for place, one in enumerate(looks):
        for other, sign in zip(looks[place + 1 :], signs()[place + 1 :], strict=True):
            # At 48 pixels two signs differ by at least as much as 9 pixels that turn from black to white.
            assert np.abs(one - other).sum() > 3 * 9 * 0.7, (signs()[place].name, sign.name)


def test_left_and_right_are_mirror_images() -> None:
    by_name = {sign.name: sign for sign in signs()}
    for left, right in [("turn-left", "turn-right"), ("keep-left", "keep-right"), ("bend-left", "bend-right")]:
        one = seen_from_the_front(list(by_name[left].marks))
        other = seen_from_the_front(list(by_name[right].marks))
        assert np.abs(one - other[:, ::-1]).max() < 1e-4


def _colour_share(sign: Sign, low: tuple[float, float, float], high: tuple[float, float, float]) -> float:
    picture = seen_from_the_front(list(sign.marks))
    inside = ((picture >= low) & (picture <= high)).all(axis=2)
    return float(inside.mean())


def test_groups_have_the_colours_of_the_convention() -> None:
    red, blue = ((0.3, 0.0, 0.0), (0.6, 0.1, 0.1)), ((0.0, 0.05, 0.3), (0.05, 0.15, 0.45))
    for sign in signs():
        if sign.group == "warning" or (sign.group == "prohibition" and not sign.name.startswith("end-")):
            assert _colour_share(sign, *red) > 0.1, sign.name
        if sign.group == "mandatory":
            assert _colour_share(sign, *blue) > 0.3, sign.name


@given(st.floats(-2, 2), st.floats(-2, 2))
def test_distances_to_discs_and_boxes_are_what_geometry_says(u: float, v: float) -> None:
    marks = inked([disc("red", 0.1, 0.2, 0.5), box("red", 0, 0, 0.6, 0.4)])
    assert td.mark_distance(marks, 0, u, v) == pytest.approx(np.hypot(u - 0.1, v - 0.2) - 0.5, abs=1e-9)
    dx, dy = abs(u) - 0.6, abs(v) - 0.4
    outside = np.hypot(max(dx, 0), max(dy, 0)) + min(0, max(dx, dy))
    assert td.mark_distance(marks, 1, u, v) == pytest.approx(outside, abs=1e-9)


@given(st.lists(st.floats(-3, 3), min_size=3, max_size=3), st.floats(-1, 1), st.floats(-1, 1))
def test_a_point_of_a_plate_comes_back_from_the_picture(turns: list[float], u: float, v: float) -> None:
    matrix = np.array(_homography(params(perspective=0.3), turns, 100.0, 80.0, 40.0)).reshape(3, 3)
    there = matrix @ [u, v, 1]
    back = _inverse(matrix.ravel().tolist()).reshape(3, 3) @ there
    assert back[:2] / back[2] == pytest.approx([u, v], abs=1e-9)


def test_signs_are_only_those_asked_for() -> None:
    p = params(only=["stop", "yield"], null_share=0.0, signs=4.0, width=256, height=192)
    found = {item["class"] for index in range(6) for item in TRAFFIC_SIGNS.unit(p, 1, index).annotations["objects"]}
    assert found == {"stop", "yield"}


def test_look_alikes_have_no_label() -> None:
    p = params(null_share=1.0, labels=["masks", "layers"], width=256, height=192)
    for index in range(4):
        unit = TRAFFIC_SIGNS.unit(p, 1, index)
        assert all(item["null"] and item["label"] is None for item in unit.annotations["objects"])
        assert set(np.unique(unit.layers["semantic"])) <= {0, 255}
    assert TRAFFIC_SIGNS.unit(params(mode="crop", null_share=1.0), 1, 0).label is None


def test_no_look_alike_is_a_sign() -> None:
    looks = [seen_from_the_front(list(sign.marks)) for sign in signs()]
    for index in range(60):
        _, marks = lure(unit_rng(1, index))
        fake = seen_from_the_front(marks)
        assert min(float(np.abs(fake - look).sum()) for look in looks) > 100


def test_a_crop_has_the_label_of_its_sign() -> None:
    p = params(mode="crop", null_share=0.0, only=["no-entry"], crop_px=48)
    unit = TRAFFIC_SIGNS.unit(p, 1, 0)
    assert unit.label == NAMES.index("no-entry")
    assert unit.annotations["class"] == "no-entry"
    assert unit.picture.shape == (48, 48, 3)


def test_leaves_hide_part_of_a_sign() -> None:
    covered = params(leaves_share=1.0, null_share=0.0, width=256, height=192, size_min_px=50.0)
    free = params(leaves_share=0.0, null_share=0.0, width=256, height=192, size_min_px=50.0, signs=1.0)
    hidden = [i["visibility"] for n in range(8) for i in TRAFFIC_SIGNS.unit(covered, 1, n).annotations["objects"]]
    whole = [i["visibility"] for n in range(8) for i in TRAFFIC_SIGNS.unit(free, 1, n).annotations["objects"]]
    assert np.mean(hidden) < np.mean(whole) - 0.05


def test_layers_say_what_the_objects_say() -> None:
    p = params(labels=["layers"], width=256, height=192)
    unit = TRAFFIC_SIGNS.unit(p, 4, 0)
    for layer in TRAFFIC_SIGNS.layers(p):
        layer.check(unit.layers[layer.name])
    for item in unit.annotations["objects"]:
        where = unit.layers["instances"] == item["id"]
        assert where.sum() == item["area"]
        expected = 255 if item["label"] is None else item["label"] + 1
        assert set(unit.layers["semantic"][where]) == {expected}
    assert TRAFFIC_SIGNS.layers(params(mode="crop", labels=["layers"])) == ()


def test_marks_can_be_moved_and_mirrored() -> None:
    (moved,) = placed([polygon("red", (0.1, 0.2), (0.5, 0.2), (0.1, 0.6))], x=1.0, y=2.0, scale=2.0, mirror=True)
    assert moved.points == ((0.8, 2.4), (0.0, 2.4), (0.8, 3.2))


def test_words_are_centred() -> None:
    points = [point for mark in lettering("black", "STOP", height=0.5) for point in mark.points]
    xs, ys = [x for x, _ in points], [y for _, y in points]
    assert abs(min(xs) + max(xs)) < 0.05
    assert abs(min(ys) + max(ys)) < 0.01


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"only": ["no-such-sign"]}, "no-such-sign"),
        ({"only": []}, "at least one"),
        ({"size_min_px": 100.0, "size_max_px": 50.0}, "more than size_max_px"),
        ({"mode": "crop", "crop_px": 16, "resolution_min_px": 40}, "more than crop_px"),
        ({"mode": "film"}, "mode"),
    ],
)
def test_wrong_parameters_are_named(values: dict[str, Any], words: str) -> None:
    with pytest.raises(BadParameters, match=words):
        params(**values)
