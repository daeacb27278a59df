"""Surfaces repeat without a seam, differ by variant alone, and are the same bytes every time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuromation.synthetic.errors import BadScene
from neuromation.synthetic.scene import packaging_canvas, packaging_packshot, placement_fall, textures, textures_noise
from neuromation.synthetic.scene.model import Texture
from neuromation.synthetic.scene.textures_noise import blurred, grain, noise, scratches, smeared, toned
from neuromation.synthetic.scene.warming import warm_scenes

BY_VARIANT: dict[str, Callable[[int], Texture]] = {
    name: getattr(textures, name)
    for name in (
        "wood", "planks", "brushed_metal", "plastic", "cardboard", "fabric", "felt", "concrete", "tiles", "marble",
        "paper", "wall_paint", "vinyl_floor", "speckle", "shop_out_of_focus",
    )
}  # fmt: skip
TONED = {name: make for name, make in BY_VARIANT.items() if name != "shop_out_of_focus"}
RED = (200.0, 40.0, 30.0)


def roughest(lines: np.ndarray) -> float:
    """The mean step between neighbouring rows."""
    return float(np.abs(np.diff(lines.astype(int), axis=0)).mean())


@pytest.mark.parametrize("name", BY_VARIANT)
def test_variants_differ_and_one_stays_the_same(name: str) -> None:
    make = BY_VARIANT[name]
    first = make(1)
    assert make(1) is first
    assert not first.pixels.flags.writeable
    assert not np.array_equal(first.pixels, make(2).pixels)
    make.cache_clear()  # type: ignore[attr-defined]
    assert np.array_equal(make(1).pixels, first.pixels)


@pytest.mark.parametrize("name", TONED)
def test_a_surface_has_the_tone_asked_for(name: str) -> None:
    mean = TONED[name](3, RED).pixels.reshape(-1, 3).mean(axis=0)  # type: ignore[call-arg]
    assert mean[0] > 1.8 * mean[1]
    assert 60 < mean[0] < 240


@pytest.mark.parametrize("name", sorted(TONED.keys() - {"planks", "tiles", "vinyl_floor", "wood"}))
def test_surfaces_repeat_without_a_seam(name: str) -> None:
    pixels = TONED[name](5).pixels
    for axis in (0, 1):
        lines = np.moveaxis(pixels, axis, 0).astype(int)
        seam = float(np.abs(lines[0] - lines[-1]).mean())
        assert seam <= 1.6 * roughest(lines) + 1.0


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31 - 1), cells=st.integers(1, 16), octaves=st.integers(1, 5))
def test_noise_lies_between_0_and_1(seed: int, cells: int, octaves: int) -> None:
    field = noise(32, 48, cells_y=cells, cells_x=cells, seed=seed, octaves=octaves)
    assert field.dtype == np.float32
    assert field.min() >= 0.0 and field.max() <= 1.0 + 1e-6
    assert field.shape == (32, 48)


def test_grain_is_spread_evenly() -> None:
    field = grain(200, 200, 7)
    counts, _ = np.histogram(field, 10, (0, 1))
    assert counts.min() > 3700
    assert abs(float(np.corrcoef(field[:-1].ravel(), field[1:].ravel())[0, 1])) < 0.02


def test_smearing_and_blurring_keep_the_mean() -> None:
    field = grain(64, 64, 3)
    for out in (smeared(field, 5, across=True), smeared(field, 5, across=False), blurred(field, 4)):
        assert float(out.mean()) == pytest.approx(float(field.mean()), abs=1e-4)
        assert out.std() < 0.6 * field.std()


def test_scratches_are_on_nothing() -> None:
    field = scratches(64, 64, count=5, seed=1)
    assert 0.0 < float((field > 0).mean()) < 0.4
    assert not scratches(64, 64, count=0, seed=1).any()


def test_tones_are_met_at_the_ends_and_in_the_middle() -> None:
    field = np.array([[0.0, 0.5, 1.0, -3.0, 7.0]], dtype=np.float32)
    assert toned(field, (10, 20, 30), (100, 110, 120), (255, 255, 255))[0].tolist() == [
        [10, 20, 30], [100, 110, 120], [255, 255, 255], [10, 20, 30], [255, 255, 255]
    ]  # fmt: skip


def test_wear_brightens_and_keeps_the_rest() -> None:
    fresh = textures.plastic(1)
    worn = textures.worn(fresh, 2, 1.0)
    assert worn.pixels.mean() > fresh.pixels.mean()
    assert np.array_equal(textures.worn(fresh, 2, 1.0).pixels, worn.pixels)


def test_patterns_have_their_counts() -> None:
    black, white = (0.0, 0.0, 0.0), (255.0, 255.0, 255.0)
    row = textures.stripes(black, white, 8).pixels[0, :, 0].astype(int)
    assert int((np.abs(np.diff(row)) > 0).sum()) == 15
    board = textures.checker(black, white, 4).pixels[:, :, 0]
    assert board[0, 0] == 0 and board[0, 70] == 255 and board[70, 70] == 0
    holes = textures.perforated(white, 4, 0.5).pixels[:, :, 0]
    assert float((holes < 128).mean()) == pytest.approx(np.pi * 0.25**2, rel=0.05)


def test_textures_have_the_bytes_that_they_always_had() -> None:
    digest = hashlib.sha256()
    for name in sorted(BY_VARIANT):
        digest.update(BY_VARIANT[name](11).pixels.tobytes())
    assert digest.hexdigest() == TEXTURES_DIGEST


TEXTURES_DIGEST = "d9f21496aea1aec7abd4bd8cdcd3ab895ef9d38deb5b3d1a7851567ad6b21edf"


def test_everything_that_is_compiled_is_warmed() -> None:
    warm_scenes()
    called = {
        textures_noise: ("_add_octave", "_grain", "_smear", "_scratch", "_toned"),
        packaging_canvas: ("_accumulate", "_blend", "_multiply", "_box"),
        packaging_packshot: ("_flood", "_evened"),
        placement_fall: ("settled", "splat", "lower_of"),
    }
    cold = [name for module, names in called.items() for name in names if not getattr(module, name).signatures]
    assert cold == []


def test_a_texture_that_cannot_be_is_refused() -> None:
    with pytest.raises(BadScene, match="variant"):
        textures.wood(-1)
    with pytest.raises(BadScene, match="pixels"):
        textures.wood(0, size_px=10_000)
    with pytest.raises(BadScene, match="holes"):
        textures.perforated(holes=0)
