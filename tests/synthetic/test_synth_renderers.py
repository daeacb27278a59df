"""What every renderer must do: the same labels, up to a few pixels at borders; and pictures that agree."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from scene_builders import NO_SKY, a_camera, a_lamp, a_plane, a_scene, an_object, cast

from neuromation.synthetic.errors import RendererMissing
from neuromation.synthetic.render import renderer_named
from neuromation.synthetic.render.labels import Tier
from neuromation.synthetic.render.protocol import Pass, Renderer
from neuromation.synthetic.scene.meshes_packages import box
from neuromation.synthetic.scene.model import Sun

EVERYTHING: frozenset[Pass] = frozenset({"rgb", "ids", "depth", "normals", "illumination", "amodal"})
PIXELS_OFF = 0.003  # share of pixels whose label may differ from the ray caster's


@pytest.fixture(params=get_args(Tier))
def renderer(request: pytest.FixtureRequest) -> Renderer:
    try:
        return renderer_named(request.param)
    except RendererMissing as missing:
        pytest.skip(str(missing))


def test_shapes_and_types_are_those_of_the_protocol(renderer: Renderer) -> None:
    frame = renderer.render(a_scene(), EVERYTHING, seed=1)
    assert frame.rgb is not None and frame.rgb.dtype == np.uint8 and frame.rgb.shape == (72, 96, 3)
    assert frame.ids is not None and frame.ids.dtype == np.uint16 and frame.ids.shape == (72, 96)
    assert frame.depth_m is not None and frame.depth_m.dtype == np.float32 and frame.depth_m.shape == (72, 96)
    assert frame.normals is not None and frame.normals.dtype == np.float32 and frame.normals.shape == (72, 96, 3)
    assert frame.illumination is not None and frame.illumination.shape == (72, 96)
    assert set(frame.amodal) == {2, 3, 4}


def test_what_is_not_asked_for_is_none(renderer: Renderer) -> None:
    frame = renderer.render(a_scene(), {"ids"}, seed=1)
    assert frame.rgb is frame.depth_m is frame.normals is frame.illumination is frame.flow_px is None
    assert frame.amodal == {}


def test_ids_and_depths_are_those_of_a_ray_caster(renderer: Renderer) -> None:
    scene = a_scene()
    frame = renderer.render(scene, {"ids", "depth"}, seed=1)
    ids, depth = cast(scene)
    assert frame.ids is not None and frame.depth_m is not None
    assert np.mean(frame.ids != ids) <= PIXELS_OFF
    same = frame.ids == ids
    assert np.abs(frame.depth_m - depth)[same].max() < 0.002


def test_labels_of_a_pixel_belong_together(renderer: Renderer) -> None:
    frame = renderer.render(a_scene(), EVERYTHING, seed=1)
    assert frame.ids is not None and frame.depth_m is not None
    assert frame.normals is not None and frame.illumination is not None
    something = frame.ids > 0
    assert ((frame.depth_m > 0) == something).all()
    lengths = np.sqrt((frame.normals**2).sum(axis=2))
    assert np.abs(lengths[something] - 1).max() < 1e-3
    assert (lengths[~something] == 0).all()
    assert (frame.illumination[~something] == 0).all() and (frame.illumination >= 0).all()


def test_normals_face_the_camera(renderer: Renderer) -> None:
    scene = a_scene()
    frame = renderer.render(scene, {"ids", "normals"}, seed=1)
    assert frame.ids is not None and frame.normals is not None
    y, x = np.mgrid[0:72, 0:96] + 0.5
    rays = np.stack([(x - 48) / 90, (y - 36) / 90, np.ones_like(x)], axis=-1)
    facing = (frame.normals * rays).sum(axis=2)
    assert (facing[frame.ids > 0] < 0).all()


def test_what_is_behind_the_camera_is_not_seen(renderer: Renderer) -> None:
    behind = an_object(box((0.3, 0.3, 0.3)), (0.0, -1.6, 0.5))
    scene = a_scene()
    alone = renderer.render(scene, {"ids", "amodal"}, seed=1)
    both = renderer.render(replace(scene, instances=(*scene.instances, behind)), {"ids", "amodal"}, seed=1)
    assert np.array_equal(alone.ids, both.ids)  # type: ignore[arg-type]
    assert alone.amodal.keys() == both.amodal.keys()


def test_a_mask_without_what_stands_before_it_holds_the_visible_one(renderer: Renderer) -> None:
    frame = renderer.render(a_scene(), {"ids", "amodal"}, seed=1)
    assert frame.ids is not None
    for number, whole in frame.amodal.items():
        canvas = np.zeros(frame.ids.shape, dtype=bool)
        bottom, right = whole.top + whole.mask.shape[0], whole.left + whole.mask.shape[1]
        canvas[whole.top : bottom, whole.left : right] = whole.mask
        assert (canvas[frame.ids == number]).all()
        assert whole.mask.any(axis=0)[[0, -1]].all() and whole.mask.any(axis=1)[[0, -1]].all()


def test_shadow_is_dark_and_moves_with_the_light(renderer: Renderer) -> None:
    things = (
        an_object(a_plane(), (0.0, 0.0, 0.0), label=None),
        an_object(box((0.2, 0.2, 0.2)), (0.0, 0.0, 0.0)),
    )
    shadows = []
    for side in (-1.0, 1.0):
        scene = a_scene(instances=things, lights=(Sun((side, 0.0, -1.0)),), sky=NO_SKY)
        frame = renderer.render(scene, {"ids", "illumination"}, seed=1)
        assert frame.ids is not None and frame.illumination is not None
        dark = (frame.ids == 1) & (frame.illumination < 1e-3)
        assert dark.sum() > 50
        shadows.append(np.nonzero(dark)[1].mean())
    assert shadows[0] < 40 and shadows[1] > 56


def test_a_lamp_lights_what_is_below_it_most(renderer: Renderer) -> None:
    floor = an_object(a_plane(), (0.0, 0.0, 0.0), label=None)
    camera = a_camera((0.0, 0.0, 1.5), (0.0, 0.0, 0.0))
    scene = a_scene(instances=(floor,), lights=(a_lamp(),), sky=NO_SKY, camera=camera)
    light = renderer.render(scene, {"illumination"}, seed=1).illumination
    assert light is not None
    assert light[36, 48] == pytest.approx(20 * 0.16 / (np.pi * 4), rel=0.1)
    assert light[36, 48] > light[36, 4] > 0
