"""Things that fell lie as things lie: on something, in nothing, and alike on every machine."""

from __future__ import annotations

import hashlib
import itertools
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from neuromation.kernel.rng import unit_rng
from neuromation.synthetic.errors import BadScene
from neuromation.synthetic.scene import meshes
from neuromation.synthetic.scene.meshes_build import rotated
from neuromation.synthetic.scene.model import Mesh, Pose
from neuromation.synthetic.scene.placement import (
    PENETRATION_MAX_M,
    Pile,
    drop,
    leaning,
    lowest_gap_m,
    random_rotation,
    resting_rotation,
    row,
    stack,
    standing,
)

Floats = NDArray[np.float64]
BLOCKS = (meshes.box((0.05, 0.03, 0.02)), meshes.box((0.03, 0.03, 0.03)), meshes.box((0.08, 0.02, 0.012)))
PARTS = (*BLOCKS, meshes.bolt(0.01, 0.05), meshes.nut(0.016), meshes.cylinder(0.012, 0.05), meshes.sphere(0.015))
HALF_X_M, HALF_Y_M = 0.13, 0.1


def a_pile_of(shapes: tuple[Mesh, ...], count: int, seed: int) -> list[tuple[Mesh, Pose]]:
    rng = unit_rng(seed, 0, "pile")
    thrown = [shapes[int(k)] for k in rng.integers(0, len(shapes), count)]
    poses = drop(thrown, rng, half_x_m=HALF_X_M, half_y_m=HALF_Y_M)
    return [(mesh, pose) for mesh, pose in zip(thrown, poses, strict=True) if pose is not None]


def points_of(mesh: Mesh, pose: Pose) -> Floats:
    return rotated(mesh.positions, pose.rotation) + np.array(pose.position)


def depth_of_overlap_m(one: tuple[Mesh, Pose], other: tuple[Mesh, Pose]) -> float:
    """How far two boxes reach into each other: the least overlap along the fifteen axes that could separate them."""
    axes = [np.array(pose.rotation).reshape(3, 3).T[k] for _, pose in (one, other) for k in range(3)]
    axes += [np.cross(a, b) for a, b in itertools.product(axes[:3], axes[3:])]
    first, second = points_of(*one), points_of(*other)
    overlaps = []
    for axis in axes:
        length = float(np.linalg.norm(axis))
        if length > 1e-6:
            a, b = first @ (axis / length), second @ (axis / length)
            overlaps.append(min(a.max(), b.max()) - max(a.min(), b.min()))
    return float(min(overlaps))


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_boxes_that_fell_do_not_reach_into_each_other(seed: int) -> None:
    pile = a_pile_of(BLOCKS, 24, seed)
    assert len(pile) == 24
    assert max(depth_of_overlap_m(a, b) for a, b in itertools.combinations(pile, 2)) <= PENETRATION_MAX_M


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_nothing_sticks_in_the_floor_or_in_the_walls(seed: int) -> None:
    for mesh, pose in a_pile_of(PARTS, 20, seed):
        points = points_of(mesh, pose)
        assert points[:, 2].min() >= -1e-9
        assert np.abs(points[:, 0]).max() <= HALF_X_M + 1e-9
        assert np.abs(points[:, 1]).max() <= HALF_Y_M + 1e-9


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_nothing_floats(seed: int) -> None:
    pile = Pile(HALF_X_M, HALF_Y_M)
    for mesh, pose in a_pile_of(PARTS, 20, seed):
        # Straight down it is stopped within two millimetres by what fell before it.
        assert -PENETRATION_MAX_M <= lowest_gap_m(pile, mesh, pose) <= PENETRATION_MAX_M
        pile.add(mesh, pose)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), which=st.integers(0, len(PARTS) - 1))
def test_on_a_floor_the_centre_of_mass_is_over_what_carries_it(seed: int, which: int) -> None:
    mesh = PARTS[which]
    rotation = resting_rotation(mesh, unit_rng(seed, 0))
    points = points_of(mesh, standing(mesh, rotation, 0.0, 0.0))
    carrying = points[points[:, 2] <= 0.0006][:, :2]
    centre = 0.5 * (points.min(axis=0) + points.max(axis=0))[:2] if which != 3 else None
    if centre is None:  # a bolt's centre of mass is not the middle of its box
        return
    assert (carrying.min(axis=0) <= centre + 1e-3).all() and (centre - 1e-3 <= carrying.max(axis=0)).all()


def test_a_flat_box_lies_on_its_large_sides_most_often() -> None:
    rng = unit_rng(3, 0)
    ups = [tuple(abs(round(value)) for value in resting_rotation(BLOCKS[0], rng)[6:9]) for _ in range(120)]
    counts = [ups.count(axis) for axis in ((0, 0, 1), (0, 1, 0), (1, 0, 0))]
    assert sum(counts) == 120
    assert counts[0] > counts[1] > counts[2]


def test_every_side_of_a_cube_is_alike_likely() -> None:
    rng = unit_rng(4, 0)
    rests = [np.array(resting_rotation(BLOCKS[1], rng)).reshape(3, 3)[2] for _ in range(300)]
    faces = [int(np.abs(up).argmax()) + 3 * int(up[np.abs(up).argmax()] < 0) for up in rests]
    assert min(faces.count(face) for face in range(6)) > 25


def test_directions_of_drawn_rotations_are_spread_evenly() -> None:
    rng = unit_rng(5, 0)
    ups = np.array([random_rotation(rng)[6:9] for _ in range(3000)])
    assert np.abs(ups.mean(axis=0)).max() < 0.05
    assert np.abs((ups * ups).mean(axis=0) - 1 / 3).max() < 0.03


def test_the_same_seed_gives_the_same_pile_to_the_bit() -> None:
    assert [pose for _, pose in a_pile_of(PARTS, 12, 7)] == [pose for _, pose in a_pile_of(PARTS, 12, 7)]


def test_a_pile_has_the_bits_that_it_always_had() -> None:
    poses = [pose for _, pose in a_pile_of(PARTS, 12, 8)]
    assert hashlib.sha256(repr(poses).encode()).hexdigest() == PILE_DIGEST


PILE_DIGEST = "35ee38dcb40aa2ed058ee3640870e935bbd85c8f676c6d1422faf1078fee0eb0"


def test_what_would_stand_out_of_the_bin_is_left_out() -> None:
    rng = unit_rng(6, 0)
    poses = drop([BLOCKS[1]] * 60, rng, half_x_m=0.06, half_y_m=0.05, height_max_m=0.07)
    placed = [pose for pose in poses if pose is not None]
    assert 0 < len(placed) < 60
    assert max(points_of(BLOCKS[1], pose)[:, 2].max() for pose in placed) <= 0.07


def test_a_thing_too_large_for_the_bin_finds_no_place() -> None:
    assert drop([meshes.box((0.5, 0.5, 0.5))], unit_rng(1, 0), half_x_m=0.1, half_y_m=0.1) == [None]


def test_a_map_of_too_many_cells_is_refused() -> None:
    with pytest.raises(BadScene, match="larger than"):
        Pile(10.0, 10.0, cell_m=0.001)


@lru_cache
def sizes() -> list[tuple[float, float, float]]:
    return [(0.2, 0.15, 0.1), (0.18, 0.15, 0.08), (0.1, 0.1, 0.1)]


def test_stacked_boxes_stand_on_each_other() -> None:
    poses = stack(sizes(), unit_rng(2, 0))
    tops = np.cumsum([size[2] for size in sizes()])
    assert [pose.position[2] for pose in poses] == pytest.approx([0.0, *tops[:-1]])
    for below, above, size in zip(poses, poses[1:], sizes(), strict=False):
        assert abs(above.position[0] - below.position[0]) <= 0.25 * size[0]


@given(lean=st.floats(0.0, 0.2))
def test_a_leaning_box_touches_the_floor_and_the_wall(lean: float) -> None:
    size = (0.03, 0.15, 0.22)
    points = points_of(meshes.box(size), leaning(size, lean, wall_x_m=0.4))
    assert points[:, 2].min() == pytest.approx(0.0, abs=1e-9)
    assert points[:, 0].max() == pytest.approx(0.4, abs=1e-9)


@given(seed=st.integers(0, 10_000), count=st.integers(1, 30))
def test_things_in_a_row_do_not_touch_and_stay_on_the_shelf(seed: int, count: int) -> None:
    rng = unit_rng(seed, 0)
    widths = [0.03 + 0.1 * float(draw) for draw in rng.random(count)]
    items = row(widths, rng, length_m=1.2)
    ends = []
    for item in items:
        half = 0.5 * widths[item.which]
        ends.append((item.x_m - half, item.x_m + half))
    assert all(a[1] <= b[0] + 1e-12 for a, b in itertools.pairwise(ends))
    assert not ends or (ends[0][0] >= -0.6 and ends[-1][1] <= 0.6)
