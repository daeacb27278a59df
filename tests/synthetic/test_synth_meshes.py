"""Every shape is closed, stands on the ground, is as large as asked, and its labels are neither mirrored nor stretched."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from neuromation.synthetic.errors import BadScene
from neuromation.synthetic.scene import meshes
from neuromation.synthetic.scene.meshes_build import circle, sine_cosine, turned_about
from neuromation.synthetic.scene.model import Mesh

Floats = NDArray[np.float64]
lengths = st.floats(0.03, 0.6).map(lambda value: round(value, 4))
sizes = st.tuples(lengths, lengths, lengths)

CLOSED: dict[str, Callable[[], Mesh]] = {
    "box": lambda: meshes.box((0.1, 0.2, 0.3)),
    "bevelled box": lambda: meshes.box((0.1, 0.2, 0.3), 0.01),
    "gable carton": lambda: meshes.gable_carton((0.07, 0.07, 0.23)),
    "gable carton with a cap": lambda: meshes.gable_carton((0.07, 0.07, 0.23), 0.015),
    "brick carton": lambda: meshes.brick_carton((0.07, 0.06, 0.2)),
    "brick carton with a cap": lambda: meshes.brick_carton((0.07, 0.06, 0.2), 0.012),
    **{f"{kind} can": partial(meshes.can, 0.033, 0.115, kind) for kind in ("drink", "food", "flat")},
    **{f"{kind} bottle": partial(meshes.bottle, kind, 0.035, 0.24) for kind in meshes.BOTTLE_KINDS},
    **{f"fine {kind} bottle": partial(meshes.bottle, kind, 0.035, 0.24, 48) for kind in meshes.BOTTLE_KINDS},
    "cup": lambda: meshes.cup(0.05, 0.09),
    "beaker": lambda: meshes.cup(0.05, 0.09, lid=False),
    "tube": lambda: meshes.tube(0.06, 0.16),
    "pillow bag": lambda: meshes.pouch((0.2, 0.07, 0.3)),
    "standing pouch": lambda: meshes.pouch((0.14, 0.06, 0.2), "standing"),
    "die": lambda: meshes.die(0.016),
    "sphere": lambda: meshes.sphere(0.05),
    "ellipsoid": lambda: meshes.ellipsoid((0.1, 0.2, 0.05)),
    "capsule": lambda: meshes.capsule(0.01, 0.05),
    "cylinder": lambda: meshes.cylinder(0.02, 0.05),
    "ring": lambda: meshes.ring(0.02, 0.01, 0.01),
    "torus": lambda: meshes.torus(0.03, 0.01),
    "bolt": lambda: meshes.bolt(0.01, 0.05),
    "nut": lambda: meshes.nut(0.01),
    "washer": lambda: meshes.washer(0.01),
    "gear": lambda: meshes.gear(0.03, 0.01),
    "bracket": lambda: meshes.bracket(0.05, 0.03, 0.003),
    "hand": meshes.hand,
    "board": lambda: meshes.board((1.0, 0.5, 0.02)),
    "tray": lambda: meshes.tray((0.4, 0.3, 0.1), slope=0.1),
    "bowl": lambda: meshes.bowl(0.08, 0.06),
    "plate": lambda: meshes.plate(0.12, 0.02),
    "price tag": lambda: meshes.price_tag(0.06, 0.04),
    "screw cap": lambda: meshes.screw_cap(0.015, 0.012),
}
OTHERS: dict[str, Callable[[], Mesh]] = {
    "slatted crate": lambda: meshes.crate((0.4, 0.3, 0.2)),
    "perforated crate": lambda: meshes.crate((0.4, 0.3, 0.2), "perforated"),
    "wire basket": lambda: meshes.wire_basket((0.4, 0.3, 0.15)),
    "cooler door": lambda: meshes.cooler_door(0.7, 1.8),
    "shelf board": lambda: meshes.shelf_board((1.0, 0.4, 0.03)),
    "plane": lambda: meshes.plane((1.0, 2.0), 0.5),
    "room": lambda: meshes.room((4.0, 5.0, 2.5)),
    "backdrop": lambda: meshes.backdrop((2.0, 2.0, 1.5), 0.5),
    "back panel": lambda: meshes.back_panel((1.0, 0.4)),
    "upright": lambda: meshes.upright(2.0),
}
ALL = CLOSED | OTHERS


def faces_of(mesh: Mesh) -> Floats:
    """Normals of the triangles, unit length."""
    a, b, c = (mesh.positions[mesh.triangles[:, k]] for k in range(3))
    face = np.cross(b - a, c - a)
    unit: Floats = face / np.linalg.norm(face, axis=1)[:, None]
    return unit


def edges_of(mesh: Mesh) -> NDArray[np.int64]:
    t = mesh.triangles.astype(np.int64)
    return np.concatenate([t[:, [0, 1]], t[:, [1, 2]], t[:, [2, 0]]])


def volume_of(mesh: Mesh) -> float:
    a, b, c = (mesh.positions[mesh.triangles[:, k]] for k in range(3))
    return float((a * np.cross(b, c)).sum() / 6)


def assert_closed(mesh: Mesh) -> None:
    edges, count = edges_of(mesh), len(mesh.positions)
    there, back = edges[:, 0] * count + edges[:, 1], edges[:, 1] * count + edges[:, 0]
    assert len(np.unique(there)) == len(there), "two triangles go along one edge in the same direction"
    assert set(there.tolist()) == set(back.tolist()), "an edge has one triangle alone"


@pytest.mark.parametrize("name", CLOSED)
def test_every_edge_has_two_opposite_neighbours(name: str) -> None:
    mesh = CLOSED[name]()
    assert_closed(mesh)
    assert volume_of(mesh) > 0


@pytest.mark.parametrize("name", ALL)
def test_normals_are_unit_and_on_the_outside_of_their_triangles(name: str) -> None:
    mesh = ALL[name]()
    assert np.allclose(np.linalg.norm(mesh.normals, axis=2), 1.0)
    agreement = (mesh.normals * faces_of(mesh)[:, None, :]).sum(axis=2)
    assert agreement.min() > 0.25


@pytest.mark.parametrize("name", ALL)
def test_arrays_cannot_be_written_to(name: str) -> None:
    mesh = ALL[name]()
    for array in (mesh.positions, mesh.triangles, mesh.normals, mesh.uvs, mesh.parts):
        assert not array.flags.writeable


@pytest.mark.parametrize("name", CLOSED)
def test_places_in_textures_are_between_0_and_1(name: str) -> None:
    mesh = CLOSED[name]()
    assert mesh.uvs.min() >= 0.0
    assert mesh.uvs.max() <= 1.0


@pytest.mark.parametrize("name", sorted(ALL.keys() - {"shelf board"}))
def test_a_shape_stands_on_the_ground(name: str) -> None:
    assert ALL[name]().bounds[0][2] == pytest.approx(0.0, abs=1e-12)


def test_a_shelfs_board_carries_what_stands_at_zero() -> None:
    assert meshes.shelf_board((1.0, 0.4, 0.03)).bounds[1][2] == pytest.approx(0.0, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(size=sizes, bevel=st.floats(0.0, 0.5), steps=st.integers(1, 3))
def test_boxes_are_as_large_as_asked(size: tuple[float, float, float], bevel: float, steps: int) -> None:
    mesh = meshes.box(size, bevel * min(size), steps)
    low, high = np.array(mesh.bounds)
    assert high - low == pytest.approx(size, abs=1e-9)
    assert low[:2] == pytest.approx(-high[:2], abs=1e-9)
    if bevel < 0.49:  # a box that is all bevel has no faces left
        assert_closed(mesh)


@settings(max_examples=30, deadline=None)
@given(size=sizes)
def test_cartons_and_bags_are_as_large_as_asked(size: tuple[float, float, float]) -> None:
    for mesh in (
        meshes.gable_carton(size),
        meshes.brick_carton(size),
        meshes.pouch(size),
        meshes.pouch(size, "standing"),
    ):
        low, high = np.array(mesh.bounds)
        assert high - low == pytest.approx(size, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(radius=st.floats(0.01, 0.2), height=st.floats(0.05, 0.6), kind=st.sampled_from(meshes.BOTTLE_KINDS))
def test_bottles_are_as_large_as_asked(radius: float, height: float, kind: str) -> None:
    low, high = np.array(meshes.bottle(kind, radius, height).bounds)
    assert high[2] - low[2] == pytest.approx(height)
    assert high[0] - low[0] == pytest.approx(2 * radius, abs=1e-6)


@pytest.mark.parametrize(("part", "right", "up"), [
    (0, (1, 0, 0), (0, 0, 1)), (1, (0, 1, 0), (0, 0, 1)), (2, (-1, 0, 0), (0, 0, 1)), (3, (0, -1, 0), (0, 0, 1)),
    (4, (1, 0, 0), (0, 1, 0)), (5, (1, 0, 0), (0, -1, 0)),
])  # fmt: skip
def test_pictures_on_a_box_are_upright_and_not_mirrored(
    part: int, right: tuple[int, int, int], up: tuple[int, int, int]
) -> None:
    mesh = meshes.box((0.1, 0.2, 0.3), 0.01)
    mine = mesh.parts == part
    corners, uvs = mesh.positions[mesh.triangles][mine].reshape(-1, 3), mesh.uvs[mine].reshape(-1, 2)
    across, upwards = corners @ np.array(right), corners @ np.array(up)
    size = abs(np.array(right)) @ (0.1, 0.2, 0.3), abs(np.array(up)) @ (0.1, 0.2, 0.3)
    middle = 0.15 if part < 4 else 0.0
    assert np.allclose(uvs[:, 0], 0.5 + across / size[0], atol=1e-9)
    assert np.allclose(uvs[:, 1], 0.5 - (upwards - middle) / size[1], atol=1e-9)


@pytest.mark.parametrize("mesh", [meshes.can(0.033, 0.115), meshes.bottle("wine", 0.038, 0.3), meshes.cup(0.05, 0.09)])
def test_a_label_goes_around_from_the_back_with_its_middle_in_front(mesh: Mesh) -> None:
    part = 1 if mesh is meshes.bottle("wine", 0.038, 0.3) else 0
    mine = mesh.parts == part
    corners, uvs = mesh.positions[mesh.triangles][mine].reshape(-1, 3), mesh.uvs[mine].reshape(-1, 2)
    front = corners[:, 1] < corners[:, 1].min() + 1e-9
    assert np.allclose(uvs[front][:, 0], 0.5)
    right = uvs[(corners[:, 0] > 0) & (np.abs(corners[:, 0]) > 1e-6)][:, 0]
    assert (right >= 0.5 - 1e-9).all()
    top, bottom = corners[:, 2].argmax(), corners[:, 2].argmin()
    assert uvs[top, 1] == pytest.approx(0.0)
    assert uvs[bottom, 1] == pytest.approx(1.0)


def test_opposite_faces_of_a_die_sum_to_seven_and_turn_as_western_dice() -> None:
    die = meshes.die(0.02)
    middles = {number: np.array(die.keypoints[f"face_{number}"]) - (0, 0, 0.01) for number in range(1, 7)}
    for number in range(1, 7):
        assert np.allclose(middles[number], -middles[7 - number])
        mine = die.parts == number - 1
        normal = die.normals[mine].mean(axis=(0, 1))
        assert np.allclose(normal / np.linalg.norm(normal), middles[number] / 0.01, atol=1e-6)
    assert np.linalg.det(np.array([middles[1], middles[2], middles[3]])) > 0


def test_the_same_parameters_give_the_very_same_mesh() -> None:
    assert meshes.can(0.033, 0.115) is meshes.can(0.033, 0.115)


def test_meshes_have_the_bits_that_they_always_had() -> None:
    digest = hashlib.sha256()
    for name in sorted(ALL):
        mesh = ALL[name]()
        for array in (mesh.positions, mesh.triangles, mesh.normals, mesh.uvs, mesh.parts):
            digest.update(array.tobytes())
    assert digest.hexdigest() == MESHES_DIGEST


MESHES_DIGEST = "da31b49a23d737631a54ee798f6bc7acda400f94ed3cf0a03ad6d5cfe7c0f310"


@given(turns=st.floats(-3, 3))
def test_sine_and_cosine_are_those_of_mathematics(turns: float) -> None:
    sine, cosine = sine_cosine(turns)
    assert sine == pytest.approx(float(np.sin(2 * np.pi * turns)), abs=1e-14)
    assert cosine == pytest.approx(float(np.cos(2 * np.pi * turns)), abs=1e-14)


def test_a_circle_is_symmetric() -> None:
    ring = circle(24)
    assert np.abs(ring[:12] + ring[12:]).max() <= 1e-15
    assert np.abs(np.sort(ring[:, 0]) - np.sort(ring[:, 1])).max() <= 1e-15


@given(axis=st.sampled_from("xyz"), turns=st.floats(-2, 2))
def test_rotations_keep_lengths_and_hands(axis: str, turns: float) -> None:
    matrix = np.array(turned_about(axis, turns)).reshape(3, 3)
    assert np.allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(matrix) == pytest.approx(1.0)


BAD: dict[str, tuple[Callable[[], Mesh], str]] = {
    "no width": (lambda: meshes.box((0.0, 1.0, 1.0)), "width"),
    "no number": (lambda: meshes.box((float("nan"), 1.0, 1.0)), "width"),
    "a bevel too large": (lambda: meshes.box((0.1, 0.1, 0.1), 0.06), "bevels"),
    "an unknown bottle": (lambda: meshes.bottle("amphora", 0.05, 0.3), "amphora"),
    "an unknown can": (lambda: meshes.can(0.03, 0.1, "jerry"), "jerry"),
    "an unknown pouch": (lambda: meshes.pouch((0.1, 0.05, 0.2), "kangaroo"), "kangaroo"),
    "too many segments": (lambda: meshes.cylinder(0.1, 0.1, 5000), "segments"),
    "a hole larger than its ring": (lambda: meshes.ring(0.1, 0.2, 0.1), "hole"),
    "walls thicker than the tray": (lambda: meshes.tray((0.1, 0.1, 0.1), 0.06), "do not fit"),
    "a die that is a ball": (lambda: meshes.die(0.02, 0.6), "rounding"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_shape_that_cannot_be_is_refused(name: str) -> None:
    make, reason = BAD[name]
    with pytest.raises(BadScene, match=reason):
        make()
