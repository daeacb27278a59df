"""What holds for every generator, its units and its parameters."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from synthetic_builders import SQUARES, digit_params, digits, json_values

from neuromation.synthetic import (
    BadParameters,
    BadUnit,
    Generator,
    Unit,
    UnknownGenerator,
    get_generator,
    list_generators,
    parse_params,
    search_space,
    unit_hash,
)


@given(npst.arrays(np.uint8, (4, 5)), st.integers(0, 19), st.integers(1, 255), st.integers(0, 9))
def test_a_hash_changes_when_one_pixel_changes(image: np.ndarray, place: int, by: int, label: int) -> None:
    other = image.copy()
    other.flat[place] = (int(other.flat[place]) + by) % 256
    assert unit_hash(Unit(0, image, label, {})) != unit_hash(Unit(0, other, label, {}))


@given(st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), json_values, max_size=4))
def test_a_hash_does_not_depend_on_the_order_of_annotations(annotations: dict[str, object]) -> None:
    image = np.zeros((2, 2), np.uint8)
    backwards = dict(reversed(annotations.items()))
    assert unit_hash(Unit(0, image, 1, annotations)) == unit_hash(Unit(0, image, 1, backwards))


def test_a_hash_knows_label_shape_and_annotations_but_not_the_index() -> None:
    image = np.zeros((2, 6), np.uint8)
    base = unit_hash(Unit(0, image, 1, {"a": 0.5}))
    assert unit_hash(Unit(7, image, 1, {"a": 0.5})) == base
    changed = [
        Unit(0, image, 2, {"a": 0.5}),
        Unit(0, image, None, {"a": 0.5}),
        Unit(0, image.reshape(6, 2), 1, {"a": 0.5}),
        Unit(0, image, 1, {"a": 0.51}),
    ]
    assert base not in {unit_hash(unit) for unit in changed}


def test_a_hash_forgives_the_last_bit_of_a_float() -> None:
    image = np.zeros((2, 2), np.uint8)
    assert unit_hash(Unit(0, image, 0, {"a": 0.1 + 0.2, "b": -0.0})) == unit_hash(
        Unit(0, image, 0, {"a": 0.3, "b": 0.0})
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), "\ud800"])
def test_annotations_that_are_no_json_are_refused(value: object) -> None:
    with pytest.raises(BadUnit, match="annotations"):
        unit_hash(Unit(3, np.zeros((2, 2), np.uint8), 0, {"a": value}))


@pytest.mark.parametrize(
    "image",
    [np.zeros((2, 2), np.float32), np.zeros(4, np.uint8), np.zeros((2, 2, 4), np.uint8), np.zeros((0, 2), np.uint8)],
)
def test_an_image_of_another_sort_is_refused(image: np.ndarray) -> None:
    with pytest.raises(BadUnit, match="image"):
        Unit(0, image, 0, {})


def test_digits_is_installed_and_is_a_generator() -> None:
    assert "digits" in [generator.name for generator in list_generators()]
    assert isinstance(get_generator("digits"), Generator)
    assert isinstance(SQUARES, Generator)


def test_an_unknown_generator_or_version_is_refused_by_name() -> None:
    with pytest.raises(UnknownGenerator, match="digits"):
        get_generator("nonsense")
    with pytest.raises(UnknownGenerator, match="version"):
        get_generator("digits", "999")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"slant_deg": 99}, ["slant_deg", "99", "-30", "30"]),
        ({"nonsense": 1}, ["nonsense", "slant_deg"]),
        ({"noise": "much"}, ["noise", "much", "number"]),
        ({"noise": float("nan")}, ["noise", "finite"]),
        ({"jitter": True}, ["jitter"]),
        ({"class_weights": [1.0]}, ["class_weights", "10 numbers"]),
        ({"class_weights": [0.0] * 10}, ["class_weights", "sum"]),
    ],
)
def test_wrong_parameters_are_refused_with_field_and_range(values: dict[str, object], words: list[str]) -> None:
    with pytest.raises(BadParameters) as refusal:
        parse_params(digits(), values)
    assert all(word in refusal.value.message for word in words), refusal.value.message


def test_the_search_space_names_bounded_numbers_with_their_defaults() -> None:
    assert [(t.name, t.low, t.high, t.default, t.log) for t in search_space(SQUARES)] == [("size", 1.0, 8.0, 4.0, True)]
    space = search_space(digits())
    assert len(space) >= 8
    for tunable in space:
        assert tunable.low <= tunable.default <= tunable.high
        for value in (tunable.low, tunable.high):
            digits().unit(digit_params(**{tunable.name: value}), 1, 0)


def test_importing_the_library_loads_no_picture_or_table_library() -> None:
    check = "import sys, neuromation.synthetic; sys.exit(bool({'PIL', 'pyarrow', 'torch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
