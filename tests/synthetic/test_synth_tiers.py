"""The renderers beside the default one agree with it: labels within a few pixels, pictures within a tolerance."""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from neuromation.client import schemas as wire
from neuromation.synthetic.errors import BadParameters, BadScene, RendererMissing
from neuromation.synthetic.generator import check_exact, get_generator, parse_params
from neuromation.synthetic.render import renderer_named
from neuromation.synthetic.render.labels import labelled_unit, passes_for
from neuromation.synthetic.render.protocol import Frame, Renderer
from neuromation.synthetic.scene.meshes_packages import box, can
from neuromation.synthetic.scene.model import (
    AreaLight,
    Camera,
    Instance,
    Material,
    Pose,
    Rotation,
    Scene,
    Sky,
    Sun,
    Texture,
)
from neuromation.workflows.order_dataset import DatasetWork

WIDTH, HEIGHT = 128, 96
BORDER_SHARE_MAX = 0.01  # of pixels whose id may differ: where a border passes close to the pixel's middle
ALL = passes_for(["masks", "depth", "normals", "illumination"])
TILTED: Rotation = (1.0, 0.0, 0.0, 0.0, -0.28, -0.96, 0.0, 0.96, -0.28)


def a_texture() -> Texture:
    rows, columns = np.mgrid[0:32, 0:32]
    board = ((rows // 8 + columns // 8) % 2 * 180 + 40).astype(np.uint8)
    return Texture(np.stack([board, 255 - board, board // 2 + 60], axis=-1))


def a_scene(**camera: Any) -> Scene:
    """Two boxes, one behind the other, and a can on a floor, under a lamp, a sun and the sky."""
    printed = Material((1.0, 1.0, 1.0), texture=a_texture(), kind="coat", roughness=0.4)
    matt, metal = Material((0.7, 0.3, 0.2)), Material((0.8, 0.8, 0.8), kind="metal", roughness=0.3)
    floor = Instance(box((4.0, 4.0, 0.02)), (Material((0.6, 0.6, 0.6)),) * 6, Pose((0.0, 0.0, -0.02)))
    crate = box((0.12, 0.1, 0.2))
    instances = (
        floor,
        Instance(crate, (printed, *[matt] * 5), Pose((0.0, 0.0, 0.0)), label=0),
        Instance(crate, (matt,) * 6, Pose((0.09, 0.16, 0.0)), label=0),
        Instance(can(0.04, 0.12), (matt, metal, metal), Pose((-0.13, -0.03, 0.0)), label=1),
    )
    lights = (
        AreaLight((0.5, -0.6, 0.9), (0.15, 0.0, 0.0), (0.0, -0.15, 0.0), strength=14.0),
        Sun((-0.4, 0.5, -1.0), strength=0.8),
    )
    seen = Camera(WIDTH, HEIGHT, 130.0, (0.0, -0.75, 0.36), TILTED, contrast=0.5, **camera)
    return Scene(instances, seen, lights, Sky((0.5, 0.5, 0.55), (0.45, 0.45, 0.45), (0.2, 0.2, 0.2)))


def the_renderer(tier: Any) -> Renderer:
    try:
        return renderer_named(tier)
    except RendererMissing as missing:
        pytest.skip(str(missing))


@cache
def seen_by(tier: str) -> Frame:
    return the_renderer(tier).render(a_scene(), ALL, seed=3)


def smooth(picture: NDArray[Any]) -> NDArray[np.float64]:
    """Means of 8 x 8 pixels: noise and borders weigh little."""
    blocks = picture.astype(np.float64).reshape(HEIGHT // 8, 8, WIDTH // 8, 8, -1)
    means: NDArray[np.float64] = blocks.mean(axis=(1, 3))
    return means


def arrays_of(frame: Frame) -> tuple[NDArray[Any], ...]:
    found = (frame.rgb, frame.ids, frame.depth_m, frame.normals, frame.illumination)
    assert all(array is not None for array in found)
    return found  # type: ignore[return-value]


@pytest.mark.parametrize("tier", ["photoreal", "gpu"])
def test_a_tier_sees_the_same_things_at_the_same_places(tier: str) -> None:
    _, ids, depth_m, normals, _ = arrays_of(seen_by(tier))
    _, our_ids, our_depth_m, our_normals, _ = arrays_of(seen_by("exact"))
    same = ids == our_ids
    assert 1 - same.mean() <= (0 if tier == "photoreal" else BORDER_SHARE_MAX)
    there = same & (our_ids > 0)
    assert np.abs(depth_m - our_depth_m)[there].max() <= 0.002
    # Where a corner runs through the pixel's middle, either of its sides may be seen.
    assert np.quantile(np.abs(normals - our_normals)[there], 0.99) <= 0.02
    assert not depth_m[ids == 0].any() and not normals[ids == 0].any()


@pytest.mark.parametrize("tier", ["photoreal", "gpu"])
def test_a_tiers_light_is_about_the_defaults(tier: str) -> None:
    rgb, _, _, _, illumination = arrays_of(seen_by(tier))
    our_rgb, _, _, _, our_illumination = arrays_of(seen_by("exact"))
    apart = np.abs(smooth(rgb) - smooth(our_rgb))
    assert apart.mean() <= 14 and abs(float(rgb.mean()) - float(our_rgb.mean())) <= 12
    assert np.abs(smooth(illumination) - smooth(our_illumination)).mean() <= 0.08


@pytest.mark.parametrize("tier", ["photoreal", "gpu"])
def test_a_tier_repeats_on_one_machine_and_is_not_called_exact(tier: Any) -> None:
    renderer = the_renderer(tier)
    again = renderer.render(a_scene(), ALL, seed=3)
    for one, other in zip(arrays_of(again), arrays_of(seen_by(tier)), strict=True):
        assert np.array_equal(one, other)
    assert (renderer.name, renderer.is_exact) == (tier, False)


@pytest.mark.parametrize("tier", ["photoreal", "gpu"])
def test_a_tiers_frames_make_units(tier: Any) -> None:
    labels: list[Any] = ["masks", "amodal", "depth", "normals", "illumination", "pose"]
    scene = a_scene()
    frame = the_renderer(tier).render(scene, passes_for(labels), seed=3)
    objects = labelled_unit(0, scene, frame, classes=["box", "can"], labels=labels).annotations["objects"]
    assert [entry["class"] for entry in objects] == ["box", "box", "can"]
    assert 0.3 < objects[1]["visibility"] < 1 and objects[0]["visibility"] == pytest.approx(1, abs=0.02)


def test_the_photoreal_tier_draws_what_bent_lenses_see() -> None:
    renderer = the_renderer("photoreal")
    bent = renderer.render(a_scene(k1=0.2), {"rgb"}, seed=3).rgb
    exact = renderer_named("exact").render(a_scene(k1=0.2), {"rgb"}, seed=3).rgb
    assert bent is not None and exact is not None
    assert np.abs(smooth(bent) - smooth(exact)).mean() <= 14


def test_the_photoreal_tier_blurs_what_is_out_of_focus() -> None:
    renderer = the_renderer("photoreal")
    sharp, blurred = (
        renderer.render(a_scene(aperture_mm=size, focus_m=3.0), {"rgb"}, seed=3).rgb for size in (0.0, 60.0)
    )
    assert sharp is not None and blurred is not None
    assert np.abs(np.diff(blurred.astype(int), axis=1)).mean() < 0.7 * np.abs(np.diff(sharp.astype(int), axis=1)).mean()


def test_the_gpu_tier_refuses_bent_lenses() -> None:
    with pytest.raises(BadScene, match="straight lenses alone"):
        the_renderer("gpu").render(a_scene(k1=0.2), {"rgb"}, seed=3)


@pytest.mark.parametrize("tier", ["photoreal", "gpu"])
def test_an_empty_scene_is_sky(tier: Any) -> None:
    scene = Scene((), a_scene().camera, (), Sky((0.5, 0.5, 0.5), (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)))
    frame = the_renderer(tier).render(scene, ALL, seed=3)
    assert frame.rgb is not None and frame.ids is not None
    assert not frame.ids.any() and 170 <= frame.rgb.min() <= frame.rgb.max() <= 200


@pytest.mark.parametrize("tier", ["photoreal", "gpu"])
def test_too_many_samples_are_refused(tier: Any) -> None:
    with pytest.raises(BadScene, match="1 to 4 samples a pixel's side, not 9"):
        the_renderer(tier).render(a_scene(), {"rgb"}, seed=3, samples=9)


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from neuromation.synthetic.render.gpu import GpuRenderer

    monkeypatch.setitem(sys.modules, "moderngl", None)
    with pytest.raises(RendererMissing, match=r"pip install 'neuromation\[gpu\]'"):
        GpuRenderer(renderer_named("exact"))


def test_missing_tracers_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from neuromation.synthetic.render import photoreal

    monkeypatch.setattr(photoreal, "find_spec", lambda name: None)
    with pytest.raises(RendererMissing, match=r"needs embreex and pyoidn; pip install 'neuromation\[photoreal\]'"):
        photoreal.PhotorealRenderer(renderer_named("exact"))


def test_another_name_is_refused() -> None:
    with pytest.raises(BadParameters, match="no renderer is called 'best'; there are: exact, photoreal, gpu"):
        renderer_named("best")  # type: ignore[arg-type]


def test_units_that_differ_between_machines_cannot_be_ordered() -> None:
    dice = get_generator("dice")
    check_exact(dice, parse_params(dice, {}))
    check_exact(get_generator("digits"), parse_params(get_generator("digits"), {}))
    with pytest.raises(BadParameters, match="units of dice with tier 'photoreal' differ in bits between machines"):
        check_exact(dice, parse_params(dice, {"tier": "photoreal"}))


def test_an_order_of_another_tier_is_refused_before_anything_is_looked_up() -> None:
    order = wire.DatasetOrder(generator="dice", units=8, seed=1, name="some-dice", params={"tier": "gpu"})
    nothing: Any = None
    with pytest.raises(BadParameters, match="order tier 'exact'"):
        DatasetWork().plan(nothing, nothing, "a customer", order)
