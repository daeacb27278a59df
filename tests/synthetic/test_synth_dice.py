"""Dice: physics, labels and boxes of a photograph's plan, and of the units that come of it."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuromation.synthetic import get_generator, parse_params, unit_hash
from neuromation.synthetic.errors import BadParameters
from neuromation.synthetic.exact import rotated, transposed
from neuromation.synthetic.generators.dice import DICE, DiceParams, annotated_box
from neuromation.synthetic.generators.dice_body import CUTS, ROUNDINGS, die_mesh, face_normals, support
from neuromation.synthetic.generators.dice_layout import Footprint, overlap
from neuromation.synthetic.generators.dice_scene import CLASSES, DICE_MAX, Die, tabletop
from neuromation.synthetic.render.labels import placed, projected

CROWDED = DiceParams(
    dice_mean=20, cluster_share=0.6, stack_share=0.15, leaning_share=0.15, tray_share=0.4, null_share=0.1
)
SMALL = DiceParams(width=192, height=192, dice_mean=6, labels=["masks", "amodal", "pose"], stack_share=0.1)
INDEXES = st.integers(0, 10_000)


def axes_of(die: Die) -> list[tuple[float, float, float]]:
    r = die.rotation
    return [(r[k], r[3 + k], r[6 + k]) for k in range(3)]


def gap_between(one: Die, other: Die) -> float:
    """The widest gap along the axes that may separate two cubes, metres; negative when they overlap."""
    offset = np.array(other.centre) - np.array(one.centre)
    candidates = [np.array(axis) for axis in (*axes_of(one), *axes_of(other))]
    candidates += [np.cross(a, b) for a, b in product(axes_of(one), axes_of(other))]
    gaps = []
    for axis in candidates:
        length = float(np.sqrt((axis * axis).sum()))
        if length < 1e-6:
            continue
        direction = axis / length
        reach = sum(reach_along(die, direction) for die in (one, other))
        gaps.append(abs(float((offset * direction).sum())) - reach)
    return max(gaps)


def reach_along(die: Die, direction: np.ndarray) -> float:
    own = rotated(transposed(die.rotation), (float(direction[0]), float(direction[1]), float(direction[2])))
    return support(own, die.look, die.side_m)


@pytest.mark.parametrize("left_handed", [False, True])
def test_opposite_faces_sum_to_seven(left_handed: bool) -> None:
    normals = face_normals(left_handed)

    for face, normal in normals.items():
        opposite = normals[7 - face]
        assert all(a == -b for a, b in zip(normal, opposite, strict=True))


def test_a_western_die_shows_one_two_three_counter_clockwise() -> None:
    one, two, three = (np.array(face_normals(False)[face]) for face in (1, 2, 3))

    assert float((np.cross(one, two) * three).sum()) == 1.0


@pytest.mark.parametrize("cut", range(len(CUTS)))
@pytest.mark.parametrize("rounding", range(len(ROUNDINGS)))
def test_a_die_is_a_closed_shape_of_side_one_that_looks_outwards(rounding: int, cut: int) -> None:
    mesh = die_mesh(rounding, cut, False)
    a, b, c = (mesh.positions[mesh.triangles[:, k]] for k in range(3))
    outward = np.cross(b - a, c - a)

    assert mesh.bounds == ((-0.5, -0.5, -0.5), (0.5, 0.5, 0.5))
    assert ((outward * (a + b + c)).sum(axis=1) > -1e-12).all()
    assert np.allclose((mesh.normals * mesh.normals).sum(axis=2), 1.0)
    assert (mesh.uvs >= 0).all() and (mesh.uvs <= 1).all()


@settings(max_examples=12, deadline=None)
@given(index=INDEXES)
def test_the_class_is_the_face_that_looks_up_most(index: int) -> None:
    for die in tabletop(CROWDED, 3, index).dice:
        heights = {
            face: rotated(die.rotation, normal)[2] for face, normal in face_normals(die.look.left_handed).items()
        }
        instance = die.instance()

        assert heights[die.face] == max(heights.values()) > 0.97
        assert instance.is_null != die.look.pips
        assert instance.label == (die.face - 1 if die.look.pips else None)


@settings(max_examples=12, deadline=None)
@given(index=INDEXES)
def test_no_two_dice_touch_through_each_other(index: int) -> None:
    for one, other in combinations(tabletop(CROWDED, 5, index).dice, 2):
        assert gap_between(one, other) > -1e-9


@settings(max_examples=12, deadline=None)
@given(index=INDEXES)
def test_every_die_rests_on_the_table_or_on_another_die(index: int) -> None:
    dice = tabletop(CROWDED, 7, index).dice
    tops = [die.centre[2] + die.side_m / 2 for die in dice if die.rest == "flat"]

    for die in dice:
        low = die.centre[2] - reach_along(die, np.array([0.0, 0.0, -1.0]))
        if die.rest == "stacked":
            assert min(abs(low - top) for top in tops) < 1e-9
        else:
            assert abs(low) < 1e-9


@settings(max_examples=8, deadline=None)
@given(index=INDEXES)
def test_dice_of_a_tray_lie_inside_it(index: int) -> None:
    plan = tabletop(CROWDED.model_copy(update={"tray_share": 1.0}), 9, index)
    walls = [thing for thing in plan.others if thing.group == "tray" and thing.mesh.bounds[1][2] > 0]

    for die, wall in product(plan.dice, walls):
        local = [a - b for a, b in zip(die.centre, wall.pose.position, strict=True)]
        x, y, _ = rotated(transposed(wall.pose.rotation), (local[0], local[1], local[2]))
        low, high = wall.mesh.bounds
        assert not (low[0] <= x <= high[0] and low[1] <= y <= high[1])


@settings(max_examples=60, deadline=None)
@given(x=st.floats(-3, 3), y=st.floats(-3, 3), turns=st.floats(0, 1), other_turns=st.floats(0, 1))
def test_overlap_is_symmetric_and_sure_within_the_inner_circles(
    x: float, y: float, turns: float, other_turns: float
) -> None:
    one, other = Footprint(0, 0, turns, 1.0, 0.6), Footprint(x, y, other_turns, 0.8, 0.9)

    assert overlap(one, other) == overlap(other, one)
    if x * x + y * y < (0.6 + 0.8 - 1e-9) ** 2:
        assert overlap(one, other)


@given(x=st.integers(0, 90), y=st.integers(0, 90), w=st.integers(1, 40), h=st.integers(1, 40), margin=st.floats(0, 12))
def test_an_annotators_box_holds_the_tight_one_and_stays_inside(x: int, y: int, w: int, h: int, margin: float) -> None:
    tight = [x, y, min(w, 100 - x), min(h, 100 - y)]
    left, top, wide, high = annotated_box(tight, margin_px=margin, is_square=True, width=100, height=100)

    assert 0 <= left <= tight[0] and 0 <= top <= tight[1]
    assert tight[0] + tight[2] <= left + wide <= 100 and tight[1] + tight[3] <= top + high <= 100
    assert annotated_box(tight, margin_px=0, is_square=False, width=100, height=100) == tight


@given(
    x=st.integers(0, 99), y=st.integers(0, 99), w=st.integers(1, 40), h=st.integers(1, 40), margin=st.floats(-6, 0),
    is_square=st.booleans(),
)  # fmt: skip
def test_a_tight_annotators_box_keeps_a_pixel_inside(
    x: int, y: int, w: int, h: int, margin: float, is_square: bool
) -> None:
    tight = [x, y, min(w, 100 - x), min(h, 100 - y)]
    left, top, wide, high = annotated_box(tight, margin_px=margin, is_square=is_square, width=100, height=100)

    assert wide >= 1 and high >= 1
    assert 0 <= left <= 99 and left + wide <= 100 and 0 <= top <= 99 and top + high <= 100
    if not is_square:
        assert wide <= tight[2] and high <= tight[3]


@pytest.mark.parametrize("field", ["dice_mean", "null_share", "annotation_margin_px", "tilt_deg", "side_mm"])
def test_a_parameter_out_of_range_is_refused_with_its_name(field: str) -> None:
    with pytest.raises(BadParameters, match=field):
        parse_params(DICE, {field: 1e9})


def test_a_photograph_has_at_most_the_dice_asked_for() -> None:
    params = DiceParams(dice_mean=20, dice_max=4, null_share=0.3)

    for index in range(20):
        plan = tabletop(params, 1, index)
        objects = [thing for thing in plan.scene().instances if thing.is_object]
        assert 1 <= len(plan.dice) <= 4
        assert len(objects) <= 4 + 1  # a chip that a die leans on may come on top
    assert DICE_MAX == 30


@pytest.mark.parametrize("tilt_deg", [0.0, 60.0])
@pytest.mark.parametrize("distance_m", [0.15, 2.0])
def test_extreme_cameras_still_see_a_table(distance_m: float, tilt_deg: float) -> None:
    params = DiceParams(
        distance_m=distance_m, distance_spread=0.6, tilt_deg=tilt_deg, view_deg=90, side_mm=30, spread=0.5
    )

    for index in range(4):
        plan = tabletop(params, 4, index)
        assert plan.dice
        assert plan.camera.position[2] > 0


def test_the_share_of_look_alikes_is_the_one_asked_for() -> None:
    params = DiceParams(null_share=0.3, leaning_share=0.0)
    things = [thing for index in range(80) for thing in tabletop(params, 2, index).scene().instances if thing.is_object]
    share = sum(thing.is_null for thing in things) / len(things)

    assert 0.2 < share < 0.36


@pytest.fixture(scope="module")
def units() -> list:
    return [DICE.unit(SMALL, 11, index) for index in range(4)]


def test_the_generator_is_installed() -> None:
    assert get_generator("dice") is DICE


def test_units_repeat_to_the_bit(units: list) -> None:
    assert unit_hash(DICE.unit(SMALL, 11, 2)) == unit_hash(units[2])
    assert unit_hash(DICE.unit(SMALL, 12, 2)) != unit_hash(units[2])


def test_boxes_are_the_tight_boxes_of_masks_grown_by_the_margin(units: list) -> None:
    for unit in units:
        for entry in unit.annotations["objects"]:
            rows, columns = np.nonzero(unit.layers["instances"] == entry["id"])
            left, top = int(columns.min()), int(rows.min())
            tight = [left, top, int(columns.max()) + 1 - left, int(rows.max()) + 1 - top]
            assert entry["bbox_tight"] == tight
            assert entry["bbox"] == annotated_box(tight, margin_px=3.0, is_square=True, width=192, height=192)


def test_poses_project_into_whole_boxes(units: list) -> None:
    for index, unit in enumerate(units):
        camera = tabletop(SMALL, 11, index).camera
        cx, cy = camera.centre
        for entry in unit.annotations["objects"]:
            left, top, width, height = entry["bbox_amodal"]
            is_cut = left <= 0 or top <= 0 or left + width >= 192 or top + height >= 192
            if entry["class"] in CLASSES and not is_cut:
                x, y, z = entry["pose"]["translation_m"]
                assert left <= cx + camera.focal_px * x / z <= left + width
                assert top <= cy + camera.focal_px * y / z <= top + height


def test_keypoints_are_where_the_scene_has_them(units: list) -> None:
    for index, unit in enumerate(units):
        plan = tabletop(SMALL, 11, index)
        scene = plan.scene()
        wanted = []
        for instance in scene.instances:
            point = instance.mesh.keypoints.get("face_1")
            if instance.is_object and point is not None:
                wanted.append(projected(scene.camera, placed(instance, point)))
        for entry in unit.annotations["objects"]:
            if "keypoints" in entry and entry["keypoints"]["face_1"][2] > 0:
                x, y, _ = entry["keypoints"]["face_1"]
                assert min(abs(x - spot[0]) + abs(y - spot[1]) for spot in wanted if spot) < 1e-6
