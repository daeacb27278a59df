"""Exact functions agree with the library's to its own accuracy, and rotations turn."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuromation.synthetic.errors import BadScene
from neuromation.synthetic.exact import (
    composed,
    exact_acos,
    exact_atan2,
    exact_cos,
    exact_exp,
    exact_log,
    exact_pow,
    exact_sin,
    exact_tan,
    look_at,
    rotated,
    rotation_about,
    rotation_z,
    transposed,
)
from neuromation.synthetic.scene.model import Rotation, Vector

angles = st.floats(-1e6, 1e6)
numbers = st.floats(-1e3, 1e3)
vectors = st.tuples(numbers, numbers, numbers)


@given(angles)
def test_sine_cosine_and_tangent_are_those_of_the_library(x: float) -> None:
    assert exact_sin(x) == pytest.approx(math.sin(x), abs=1e-14)
    assert exact_cos(x) == pytest.approx(math.cos(x), abs=1e-14)
    if abs(math.cos(x)) > 1e-3:
        assert exact_tan(x) == pytest.approx(math.tan(x), rel=1e-10)


@given(st.floats(-700, 700))
def test_exponential_and_logarithm_undo_each_other(x: float) -> None:
    assert exact_exp(x) == pytest.approx(math.exp(x), rel=1e-14)
    assert exact_log(exact_exp(x)) == pytest.approx(x, rel=1e-14, abs=1e-14)


@given(st.floats(1e-3, 1e3), st.floats(-30, 30))
def test_powers_are_those_of_the_library(x: float, y: float) -> None:
    assert exact_pow(x, y) == pytest.approx(x**y, rel=1e-12)


def test_the_ends_of_the_range_are_zero_and_infinity() -> None:
    assert exact_exp(800.0) == math.inf
    assert exact_exp(-800.0) == 0.0
    assert exact_log(0.0) == -math.inf
    assert math.isnan(exact_log(-1.0))
    assert exact_pow(0.0, 2.0) == 0.0
    assert exact_pow(7.0, 0.0) == 1.0


@given(numbers, numbers)
def test_the_angle_of_a_point_is_that_of_the_library(y: float, x: float) -> None:
    if x or y:
        assert exact_atan2(y, x) == pytest.approx(math.atan2(y + 0.0, x + 0.0), abs=1e-14)


@given(st.floats(-1, 1))
def test_the_arc_cosine_is_that_of_the_library(x: float) -> None:
    assert exact_acos(x) == pytest.approx(math.acos(x), abs=1e-12)


def _length(v: Vector) -> float:
    return math.sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2])


@given(vectors.filter(lambda v: _length(v) > 1e-3), st.floats(-10, 10), vectors)
def test_a_turn_keeps_lengths_and_is_undone_by_its_transpose(axis: Vector, angle: float, v: Vector) -> None:
    turn = rotation_about(axis, angle)
    assert _length(rotated(turn, v)) == pytest.approx(_length(v), rel=1e-9, abs=1e-9)
    assert rotated(transposed(turn), rotated(turn, v)) == pytest.approx(v, abs=1e-9)


@given(st.floats(-10, 10), st.floats(-10, 10))
def test_turns_about_the_vertical_add_up(one: float, other: float) -> None:
    together = composed(rotation_z(one), rotation_z(other))
    assert together == pytest.approx(rotation_z(one + other), abs=1e-12)
    assert rotation_about((0.0, 0.0, 2.0), one) == pytest.approx(rotation_z(one), abs=1e-15)


def _rows(r: Rotation) -> tuple[Vector, Vector, Vector]:
    return (r[0], r[1], r[2]), (r[3], r[4], r[5]), (r[6], r[7], r[8])


def test_a_camera_sees_what_it_looks_at_upright() -> None:
    right, down, ahead = _rows(look_at((0.0, -2.0, 1.0), (0.0, 0.0, 1.0)))
    assert right == (1.0, 0.0, 0.0)
    assert down == (0.0, 0.0, -1.0)
    assert ahead == (0.0, 1.0, 0.0)


def test_a_camera_may_look_straight_down() -> None:
    right, down, ahead = _rows(look_at((0.0, 0.0, 3.0), (0.0, 0.0, 0.0)))
    assert (right, down, ahead) == ((1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, -1.0))


def test_a_camera_cannot_look_at_itself() -> None:
    with pytest.raises(BadScene, match="line of sight"):
        look_at((1.0, 2.0, 3.0), (1.0, 2.0, 3.0))


def test_an_axis_needs_a_direction() -> None:
    with pytest.raises(BadScene, match="axis"):
        rotation_about((0.0, 0.0, 0.0), 1.0)
