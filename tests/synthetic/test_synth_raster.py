"""The exact renderer: no cracks, right depths, light that adds up, memory that stays, and clear refusals."""

from __future__ import annotations

import gc
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scene_builders import EVEN_SKY, NO_SKY, WHITE, a_camera, a_lamp, a_plane, a_scene, an_object

from neuromation.synthetic.errors import BadScene
from neuromation.synthetic.exact import look_at, rotation_about, rotation_z
from neuromation.synthetic.render import default_renderer, raster_pack
from neuromation.synthetic.render.exact_renderer import ExactRenderer
from neuromation.synthetic.render.protocol import Frame, Pass
from neuromation.synthetic.render.shade_textures import TexturePool
from neuromation.synthetic.scene.meshes_packages import box
from neuromation.synthetic.scene.meshes_parts import sphere
from neuromation.synthetic.scene.model import Camera, Instance, Material, Mesh, Pose, Scene, Sun, Texture

LABELS: frozenset[Pass] = frozenset({"ids", "depth", "normals", "illumination"})
UPWARD = (0.0, 0.0, 1.0)


def _render(scene: Scene, passes: frozenset[Pass] | set[Pass] = LABELS, samples: int = 1) -> Frame:
    return default_renderer().render(scene, passes, seed=3, samples=samples)


def _shards(seed: int, count: int = 6) -> list[Mesh]:
    """A square of 2 x 2 m cut into triangles at random, a mesh each."""
    rng = np.random.default_rng(seed)
    grid = np.linspace(-1.0, 1.0, count + 1)
    points = np.stack([*np.meshgrid(grid, grid), np.zeros((count + 1, count + 1))], axis=-1)
    points[1:-1, 1:-1, :2] += rng.uniform(-0.2, 0.2, (count - 1, count - 1, 2)) * (2 / count)
    meshes = []
    normals = np.broadcast_to(np.array(UPWARD), (1, 3, 3)).copy()
    for i in range(count):
        for j in range(count):
            a, b, c, d = points[i, j], points[i, j + 1], points[i + 1, j + 1], points[i + 1, j]
            for corners in ((a, b, c), (a, c, d)):
                order = np.array([[0, 1, 2]], dtype=np.int32)
                meshes.append(Mesh(np.array(corners), order, normals, np.zeros((1, 3, 2)), np.zeros(1, dtype=np.int32)))
    return meshes


@given(seed=st.integers(0, 1000), turn=st.floats(-1, 1), k1=st.sampled_from([0.0, -0.12, 0.1]))
@settings(max_examples=12, deadline=None)
def test_neighbouring_triangles_neither_overlap_nor_leave_a_gap(seed: int, turn: float, k1: float) -> None:
    things = tuple(Instance(mesh, (WHITE,), Pose(), label=0) for mesh in _shards(seed))
    eye = (0.15, -0.1, 0.9)
    camera = a_camera(eye, (0.05, 0.1, 0.0), k1=k1, focal_px=120.0)
    camera = replace(camera, rotation=look_at(eye, (0.1 * turn, 0.1, 0.0), (math.sin(turn), math.cos(turn), 0.3)))
    frame = _render(Scene(things, camera), {"ids", "amodal"})
    times = np.zeros((72, 96), dtype=int)
    for whole in frame.amodal.values():
        bottom, right = whole.top + whole.mask.shape[0], whole.left + whole.mask.shape[1]
        times[whole.top : bottom, whole.left : right] += whole.mask
    assert (times == 1).all()
    assert (np.asarray(frame.ids) > 0).all()


@pytest.mark.parametrize("k1", [0.0, -0.1, 0.08])
def test_depth_is_that_of_the_ray_through_the_lens(k1: float) -> None:
    camera = a_camera((0.0, -1.0, 1.0), (0.0, 0.3, 0.0), k1=k1, k2=0.01 if k1 else 0.0)
    frame = _render(Scene((an_object(a_plane(50.0), (0.0, 0.0, 0.0)),), camera), {"depth", "ids"})
    axes = np.array(camera.rotation).reshape(3, 3)
    for row, column in ((5, 7), (36, 48), (60, 90), (71, 0)):
        x, y = (column + 0.5 - 48) / 90, (row + 0.5 - 36) / 90
        u, v = x, y
        for _ in range(50):
            factor = 1 + camera.k1 * (u * u + v * v) + camera.k2 * (u * u + v * v) ** 2
            u, v = x / factor, y / factor
        ray = np.array([u, v, 1.0]) @ axes
        assert frame.depth_m is not None
        assert frame.depth_m[row, column] == pytest.approx(-1.0 / ray[2], rel=2e-4)


def test_a_floor_that_reaches_behind_the_camera_is_cut_there() -> None:
    camera = a_camera((0.0, 0.0, 0.05), (0.0, 1.0, 0.05))
    frame = _render(Scene((an_object(a_plane(50.0), (0.0, 0.0, 0.0)),), camera), {"depth", "ids"})
    assert frame.ids is not None and frame.depth_m is not None
    assert (frame.ids[38:] == 1).all() and (frame.ids[:36] == 0).all()
    assert frame.depth_m[71, 48] == pytest.approx(0.05 / (35.5 / 90), rel=1e-3)


@pytest.mark.parametrize("samples", [2, 3, 4])
def test_labels_do_not_depend_on_samples(samples: int) -> None:
    passes: set[Pass] = {"rgb", *LABELS}
    one, many = _render(a_scene(), passes), _render(a_scene(), passes, samples)
    assert np.array_equal(np.asarray(one.ids), np.asarray(many.ids))
    assert np.array_equal(np.asarray(one.depth_m), np.asarray(many.depth_m))
    assert np.array_equal(np.asarray(one.normals), np.asarray(many.normals))
    assert np.array_equal(np.asarray(one.illumination), np.asarray(many.illumination))
    difference = np.abs(np.asarray(one.rgb).astype(int) - np.asarray(many.rgb))
    assert difference.max() > 0 and difference.mean() < 4


def test_a_white_ball_in_an_even_sky_cannot_be_seen() -> None:
    ball = an_object(sphere(0.3, 48), (0.0, 0.0, 0.0))
    camera = a_camera((0.0, -1.5, 0.3), (0.0, 0.0, 0.3))
    frame = _render(Scene((ball,), camera, (), EVEN_SKY), {"ids", "illumination", "rgb"})
    assert frame.ids is not None and frame.illumination is not None and frame.rgb is not None
    light = frame.illumination[frame.ids == 1]
    assert light.mean() == pytest.approx(1.0, abs=0.01)
    assert light.min() > 0.93
    assert (frame.rgb >= 245).all()


def test_things_that_touch_darken_each_other() -> None:
    things = (an_object(a_plane(), (0.0, 0.0, 0.0), label=None), an_object(box((0.3, 0.3, 0.3)), (0.0, 0.0, 0.0)))
    frame = _render(Scene(things, a_camera((0.0, -1.0, 0.6), (0.0, 0.0, 0.1)), (), EVEN_SKY))
    assert frame.ids is not None and frame.illumination is not None
    foot = int(np.nonzero(frame.ids[:, 48] == 2)[0].max()) + 1
    near, far = frame.illumination[foot + 1, 48], frame.illumination[min(71, foot + 20), 48]
    assert near < 0.85 * far
    assert far > 0.9


def test_in_full_shadow_without_a_sky_there_is_no_light() -> None:
    things = (
        an_object(a_plane(1.0), (0.0, 0.0, 0.0), label=None),
        an_object(box((6.0, 6.0, 0.1)), (0.0, 0.0, 2.0), label=None),
    )
    for light in (Sun((0.0, 0.0, -1.0)), a_lamp((0.0, 0.0, 3.0))):
        frame = _render(Scene(things, a_camera(), (light,), NO_SKY))
        assert frame.ids is not None and frame.illumination is not None
        assert (frame.illumination[frame.ids == 1] == 0).all()


def test_a_wider_sun_makes_softer_shadows() -> None:
    things = (an_object(a_plane(), (0.0, 0.0, 0.0), label=None), an_object(box((0.2, 0.2, 0.6)), (-0.2, 0.0, 0.0)))
    halves = []
    for size in (0.2, 8.0):
        frame = _render(Scene(things, a_camera(), (Sun((1.0, 0.2, -1.0), size_deg=size),), NO_SKY))
        light = np.asarray(frame.illumination)[np.asarray(frame.ids) == 1]
        halves.append(int(((light > 0.1 * light.max()) & (light < 0.9 * light.max())).sum()))
    assert halves[1] > 2 * halves[0]


def test_flow_is_the_projection_of_motion() -> None:
    scene = a_scene()
    moved = tuple(
        replace(thing, pose=replace(thing.pose, position=(thing.pose.position[0] + 0.03, *thing.pose.position[1:])))
        if thing.is_object
        else thing
        for thing in scene.instances
    )
    frame = default_renderer().render(
        scene, {"flow", "ids", "depth"}, seed=1, following=replace(scene, instances=moved)
    )
    assert frame.flow_px is not None and frame.ids is not None and frame.depth_m is not None
    assert frame.flow_px[frame.ids == 1] == pytest.approx(0.0, abs=1e-3)
    ball = frame.ids == 3
    assert frame.flow_px[ball][:, 0] == pytest.approx(90 * 0.03 / frame.depth_m[ball], abs=0.02)
    assert np.abs(frame.flow_px[ball][:, 1]).max() < 0.02


def test_holes_of_a_texture_show_what_is_behind() -> None:
    pixels = np.full((8, 8, 4), 255, dtype=np.uint8)
    pixels[:, 4:, 3] = 0
    card = Material(texture=Texture(pixels, repeats=False), colour=(1.0, 1.0, 1.0))
    camera = a_camera((0.0, 0.0, 2.0), (0.0, 0.0, 0.0))
    things = (an_object(a_plane(5.0), (0.0, 0.0, 0.0), label=None), an_object(a_plane(0.5), (0.0, 0.0, 0.5), card))
    frame = _render(Scene(things, camera), {"ids", "amodal"})
    row = np.asarray(frame.ids)[36]
    assert (row[20:47] == 2).all() and (row[50:76] == 1).all()
    assert frame.amodal[2].mask.sum() == (np.asarray(frame.ids) == 2).sum()


def test_a_fine_pattern_far_away_is_the_mean_of_its_light() -> None:
    y, x = np.mgrid[0:64, 0:64]
    checks = np.repeat(((x + y) % 2 * 255).astype(np.uint8)[:, :, None], 3, axis=2)
    texture = Material(colour=(1.0, 1.0, 1.0), texture=Texture(checks))
    camera = a_camera((0.0, 0.0, 4.0), (0.0, 0.0, 0.0))
    frame = _render(Scene((an_object(a_plane(2.0), (0.0, 0.0, 0.0), texture),), camera, (), EVEN_SKY), {"rgb"})
    middle = np.asarray(frame.rgb)[26:46, 38:58].astype(int)
    assert np.abs(middle - 188).max() <= 6  # half the light of white, as sRGB


def test_two_sided_materials_alone_are_seen_from_behind() -> None:
    camera = a_camera((0.0, 0.0, -2.0), (0.0, 0.0, 0.0))
    for two_sided, seen in ((False, False), (True, True)):
        sheet = an_object(a_plane(0.5), (0.0, 0.0, 0.0), Material(two_sided=two_sided))
        frame = _render(Scene((sheet,), camera), {"ids", "normals"})
        assert bool(np.asarray(frame.ids).any()) is seen
        if seen:
            assert np.asarray(frame.normals)[36, 48] == pytest.approx((0.0, 0.0, -1.0), abs=1e-4)


def test_an_empty_scene_is_sky() -> None:
    frame = _render(Scene((), a_camera(), (), EVEN_SKY), {"rgb", "ids", "amodal", *LABELS})
    assert (np.asarray(frame.ids) == 0).all() and (np.asarray(frame.rgb) >= 250).all()


def test_threads_do_not_disturb_each_other() -> None:
    scenes = [a_scene(camera=a_camera((0.1 * k, -1.0, 0.5))) for k in range(4)]
    alone = [_render(scene, {"rgb"}).rgb for scene in scenes]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda scene: _render(scene, {"rgb"}).rgb, scenes))
    for one, other in zip(alone, together, strict=True):
        assert np.array_equal(np.asarray(one), np.asarray(other))


def test_pictures_do_not_depend_on_what_was_drawn_before() -> None:
    first = _render(a_scene(), {"rgb"}).rgb
    other = a_scene(camera=replace(a_camera(), width=160, height=120))
    _render(other, {"rgb"})
    assert np.array_equal(np.asarray(first), np.asarray(_render(a_scene(), {"rgb"}).rgb))
    fresh = ExactRenderer().render(a_scene(), {"rgb"}, seed=3).rgb
    assert np.array_equal(np.asarray(first), np.asarray(fresh))


def test_textures_that_pass_by_leave_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    from neuromation.synthetic.render import shade_textures

    monkeypatch.setattr(shade_textures, "POOL_BYTES", 2**20)
    gc.collect()
    others = set(shade_textures._chains)  # of textures that earlier tests keep
    pool = TexturePool()
    sizes = set()
    for shade in range(40):
        texture = Texture(np.full((128, 128, 3), shade, dtype=np.uint8))
        table = pool.table([texture])
        assert (table.texels.view(np.uint8).reshape(-1, 4)[table.rows[0, 4], :3] == shade).all()
        sizes.add(table.texels.nbytes)
    assert max(sizes) <= 2 * 2**20
    del texture
    gc.collect()
    assert len(set(shade_textures._chains) - others) <= 2


@pytest.mark.parametrize(
    ("pose", "what"),
    [
        (Pose((math.nan, 0.0, 0.0)), "pose of instance 0"),
        (Pose((0.0, 0.0, 0.0), scale=(1.0, 0.0, 1.0)), "pose of instance 0"),
        (Pose((0.0, 0.0, 0.0), rotation=(2.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)), "pose of instance 0"),
        (Pose((1e9, 0.0, 0.0)), "pose of instance 0"),
    ],
)
def test_poses_that_cannot_be_drawn_are_refused(pose: Pose, what: str) -> None:
    with pytest.raises(BadScene, match=what):
        _render(Scene((Instance(a_plane(), (WHITE,), pose),), a_camera()))


@pytest.mark.parametrize(
    ("camera", "what"),
    [
        (replace(a_camera(), rotation=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, -1.0)), "right angles"),
        (replace(a_camera(), position=(math.nan, 0.0, 0.0)), "NaN"),
        (replace(a_camera(), k1=-3.0), "folds"),
        (Camera(8000, 8000, 900.0, (0.0, 0.0, 1.0), look_at((0.0, 0.0, 1.0), (0.0, 1.0, 0.0))), "pixels"),
    ],
)
def test_cameras_that_cannot_see_are_refused(camera: Camera, what: str) -> None:
    with pytest.raises(BadScene, match=what):
        _render(replace(a_scene(), camera=camera))


def test_too_much_of_anything_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadScene, match="lights"):
        _render(a_scene(lights=(Sun((0.0, 0.0, -1.0)),) * 17))
    with pytest.raises(BadScene, match="samples"):
        _render(a_scene(), samples=5)
    with pytest.raises(BadScene, match="one moment later"):
        _render(a_scene(), {"flow"})
    monkeypatch.setattr(raster_pack, "SCENE_TRIANGLES_MAX", 10)
    with pytest.raises(BadScene, match="triangles"):
        _render(a_scene())


def test_lights_without_a_direction_are_refused() -> None:
    with pytest.raises(BadScene, match="light 0"):
        _render(a_scene(lights=(Sun((0.0, 0.0, 0.0)),)))
    with pytest.raises(BadScene, match="light 0"):
        _render(a_scene(lights=(a_lamp(half_m=0.0),)))


def test_a_turned_instance_is_seen_turned() -> None:
    card = box((0.4, 0.1, 0.02))
    camera = a_camera((0.0, 0.0, 2.0), (0.0, 0.0, 0.0))
    for rotation, tall in ((rotation_z(0.0), False), (rotation_z(math.pi / 2), True)):
        frame = _render(Scene((an_object(card, (0.0, 0.0, 0.0), rotation=rotation),), camera), {"amodal"})
        rows, columns = frame.amodal[1].mask.shape
        assert (rows > columns) is tall
    assert rotation_about(UPWARD, 0.5) == pytest.approx(rotation_z(0.5))
