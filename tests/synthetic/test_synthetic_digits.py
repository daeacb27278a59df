"""The digits generator: repeatable, within its bounds, and following its parameters."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_builders import digit_params, some_digits

from neuromation.kernel.hashing import merkle_root
from neuromation.kernel.rng import SEED_MAX
from neuromation.synthetic import search_space, unit_hash
from neuromation.synthetic.generators.digits import DIGITS, bitmap
from neuromation.synthetic.generators.normalise import block_counts, even_ink, normalise, upright
from neuromation.synthetic.generators.skeletons import FORMS

# Version 1 of the generator at default parameters, seed 1, units 0..199. Another root means another version.
ROOT_OF_VERSION_1 = "a80bd52ed87d4ec51a37616499f7408c2482b480e8f1e82e81e36ca8975c2d49"


@st.composite
def any_params(draw: st.DrawFn) -> object:
    values = {t.name: draw(st.floats(t.low, t.high)) for t in search_space(DIGITS)}
    weights = st.none() | st.lists(st.floats(0, 10), min_size=10, max_size=10).filter(lambda w: sum(w) > 0)
    return digit_params(**values, class_weights=draw(weights))


@settings(max_examples=60)
@given(any_params(), st.integers(0, SEED_MAX), st.integers(0, 10**9))
def test_every_parameter_in_range_makes_a_good_unit_twice(params: object, seed: int, index: int) -> None:
    unit = DIGITS.unit(params, seed, index)  # type: ignore[arg-type]
    assert unit.image.shape == (8, 8)
    assert 0 < unit.image.max() <= 16
    assert unit.annotations["digit"] == unit.label
    assert unit == DIGITS.unit(params, seed, index)  # type: ignore[arg-type]


def test_units_do_not_depend_on_the_order_they_are_made_in() -> None:
    params = digit_params()
    backwards = [DIGITS.unit(params, 1, index) for index in reversed(range(30))]
    assert backwards[::-1] == some_digits(30)


def test_the_units_of_version_1_stay_as_they_are() -> None:
    assert merkle_root([unit_hash(unit) for unit in some_digits(200)]) == ROOT_OF_VERSION_1


def test_a_processor_without_wide_instructions_makes_the_same_units() -> None:
    check = (
        "from synthetic_builders import some_digits; from neuromation.synthetic import unit_hash;"
        "from neuromation.kernel.hashing import merkle_root;"
        "print(merkle_root([unit_hash(unit) for unit in some_digits(200)]))"
    )
    # NumPy warns on names that it or the processor does not know; what counts is the root.
    names = ("X86_V4 X86_V3", "AVX512F AVX2 FMA3 AVX512_SKX AVX512_ICL")
    for features in names:
        environment = {
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parent),
            "NPY_DISABLE_CPU_FEATURES": features,
            "OPENBLAS_CORETYPE": "Prescott",
        }
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", check], env=environment, capture_output=True, text=True, check=False
        )
        assert done.stdout.strip() == ROOT_OF_VERSION_1, done.stderr[-500:]


def test_the_image_counts_the_pixels_of_the_bitmap() -> None:
    params = digit_params()
    for index in range(20):
        whole = bitmap(params, 1, index)
        assert whole.shape == (32, 32)
        blocks = [[whole[4 * r : 4 * r + 4, 4 * c : 4 * c + 4].sum() for c in range(8)] for r in range(8)]
        assert (DIGITS.unit(params, 1, index).image == np.array(blocks)).all()


def test_every_form_of_every_digit_is_drawn() -> None:
    drawn = {(unit.label, unit.annotations["form"]) for unit in some_digits(3_000)}
    assert drawn == {(digit, form.name) for digit, forms in enumerate(FORMS) for form in forms}


def test_without_mix_only_school_forms_are_drawn() -> None:
    params = digit_params(variant_mix=0.0)
    drawn = {(u.label, u.annotations["form"]) for u in (DIGITS.unit(params, 1, index) for index in range(300))}
    assert drawn == {(digit, forms[0].name) for digit, forms in enumerate(FORMS)}


def test_classes_are_as_common_as_their_weights_say() -> None:
    params = digit_params(class_weights=[0.0, 3.0, 1.0, *[0.0] * 7])
    labels = [DIGITS.unit(params, 1, index).label for index in range(1_000)]
    assert set(labels) == {1, 2}
    # Binomial with p = 3/4: 1,000 draws have a standard deviation of 13.7.
    assert abs(labels.count(1) - 750) < 70


def test_slant_and_pen_follow_their_parameters() -> None:
    wide = [DIGITS.unit(digit_params(pen_width=0.25, slant_deg=20), 1, index).annotations for index in range(300)]
    assert np.mean([facts["pen_width"] for facts in wide]) == pytest.approx(0.25, rel=0.05)
    # 300 draws with a spread of 8 degrees have a standard error of 0.46.
    assert np.mean([facts["slant_deg"] for facts in wide]) == pytest.approx(20, abs=2)


def test_ink_is_evened_towards_its_bounds() -> None:
    full = np.ones((32, 32), np.bool_)
    assert even_ink(full).sum() == 28 * 28
    thin = np.zeros((32, 32), np.bool_)
    thin[:, 15] = True
    assert even_ink(thin).sum() == 5 * 32
    middle = np.zeros((32, 32), np.bool_)
    middle[:, 10:20] = True
    assert (even_ink(middle) == middle).all()


@given(st.integers(-9, 9))
def test_a_leaning_line_is_set_upright(lean: int) -> None:
    leaning = np.zeros((32, 32), np.bool_)
    for row in range(32):
        start = 14 + round(lean * (16 - row) / 16)
        leaning[row, start : start + 4] = True
    left = upright(leaning).argmax(axis=1)
    assert np.ptp(left) <= 2  # both the line and the shift are rounded to whole pixels
    assert upright(leaning).sum() == leaning.sum()


def test_an_empty_box_stays_empty() -> None:
    assert block_counts(normalise(np.zeros((32, 20), np.bool_))).sum() == 0
