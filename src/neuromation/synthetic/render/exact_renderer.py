"""The default renderer: rasterised, lit by shadow maps, and the same to the bit on every x86 processor.

Owns the order of the steps and the memory they share; the steps are in raster*.py, shadow.py and shade*.py.
"""

from __future__ import annotations

import threading
from collections.abc import Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neuromation.kernel.rng import unit_rng
from neuromation.synthetic.compiled import kernel
from neuromation.synthetic.errors import BadScene
from neuromation.synthetic.render.exact_motion import amodal_masks, flow_between
from neuromation.synthetic.render.lens import develop
from neuromation.synthetic.render.protocol import Frame, Pass
from neuromation.synthetic.render.raster import CENTRE, NOTHING, SMOOTH, Visibility, draw
from neuromation.synthetic.render.raster_lens import Lens, lens_of
from neuromation.synthetic.render.raster_pack import (
    CAM_CY,
    Floats,
    Ints,
    PackedScene,
    Singles,
    pack_camera,
    pack_scene,
)
from neuromation.synthetic.render.shade import Lighting, Shaded, Window, shade
from neuromation.synthetic.render.shade_faces import FACE_COLUMNS, FaceTable, face_table
from neuromation.synthetic.render.shade_grid import grid_places, lights_seen, receivers_of
from neuromation.synthetic.render.shade_light import pack_lights
from neuromation.synthetic.render.shade_sky import sky_openness
from neuromation.synthetic.render.shade_textures import TexturePool, TextureTable
from neuromation.synthetic.render.shadow import shadow_maps
from neuromation.synthetic.render.shadow_seen import maps_in_camera
from neuromation.synthetic.scene.model import Mesh, Scene

PIXELS_MAX = 16 * 2**20  # of one picture, as units allow
SAMPLES_MAX = 4
_BAND_PIXELS = 1 << 20  # of a supersampled picture that are in memory at once
_MAP_SIDE = 512
_LARGE_PIXELS = 600_000  # from which pictures have finer shadow maps


class _Workspace(threading.local):
    """Arrays that one thread uses again and again: fresh memory costs more than filling it."""

    def __init__(self) -> None:
        self.textures = TexturePool()
        self._arrays: dict[str, NDArray[np.generic]] = {}

    def singles(self, name: str, count: int) -> Singles:
        return self._array(name, count, np.dtype(np.float32)).view(np.float32)

    def ints(self, name: str, count: int) -> Ints:
        return self._array(name, count, np.dtype(np.int32)).view(np.int32)

    def floats(self, name: str, count: int) -> Floats:
        return self._array(name, count, np.dtype(np.float64)).view(np.float64)

    def _array(self, name: str, count: int, dtype: np.dtype[np.generic]) -> NDArray[np.generic]:
        array = self._arrays.get(name)
        if array is None or len(array) < count or len(array) > 4 * count + 2**20:
            array = self._arrays[name] = np.empty(count, dtype=dtype)
        return array[:count]


@dataclass(frozen=True)
class _Stage:
    """A scene made ready: packed, with its textures."""

    scene: Scene
    packed: PackedScene
    textures: TextureTable


class ExactRenderer:
    """See `protocol.Renderer`. Safe to share between threads; each has memory of its own."""

    name = "exact"
    is_exact = True

    def __init__(self) -> None:
        self._workspace = _Workspace()

    def render(
        self,
        scene: Scene,
        passes: Set[Pass],
        *,
        seed: int,
        samples: int = 1,
        following: Scene | None = None,
    ) -> Frame:
        """Draw a scene, as the protocol says. Labels do not depend on `samples`. Raises BadScene."""
        _check(scene, passes, samples, following)
        camera = scene.camera
        packed = pack_scene(scene)
        stage = _Stage(scene, packed, self._workspace.textures.table(packed.textures))
        cam = pack_camera(camera)
        lens = lens_of(camera, cam, camera.width, camera.height)
        size = (camera.width, camera.height)
        smooth = "rgb" in passes and samples == 1
        offsets = SMOOTH if smooth else CENTRE
        visible = self._visibility(size, len(offsets), len(packed.triangles))
        draw(packed, stage.textures, cam, lens, size, offsets, visible)

        ids, depth_m = _ids_and_depth(visible, packed, size)
        light: Singles | None = None
        shaded: Shaded | None = None
        if passes & {"rgb", "normals", "illumination"}:
            faces = self._faces(packed, visible, cam)
            lighting = self._lighting(stage, cam, lens, size, visible, faces)
            shaded = self._shaded(size)
            shade(packed, stage.textures, Window(cam, lens, *size, offsets), visible, faces, lighting, shaded)
            light = shaded.light
            if "rgb" in passes and not smooth:
                light = self._supersampled(stage, lighting, samples)
        height, width = camera.height, camera.width
        rgb = None
        if "rgb" in passes:
            assert light is not None, "shading fills it"
            rgb = develop(light.reshape(height, width, 3), camera, depth_m=depth_m, rng=unit_rng(seed, 0, "camera"))
        normals = None if shaded is None else shaded.normals.reshape(height, width, 3)
        illumination = None if shaded is None else shaded.illumination.reshape(height, width)
        flow = None
        if following is not None and "flow" in passes:
            flow = flow_between(packed, visible, cam, lens, camera, pack_scene(following), following.camera)
        amodal = amodal_masks(scene, packed, stage.textures, cam, lens) if "amodal" in passes else {}
        return Frame(
            rgb=rgb,
            ids=ids if "ids" in passes else None,
            depth_m=depth_m if "depth" in passes else None,
            normals=normals if "normals" in passes else None,
            illumination=illumination if "illumination" in passes else None,
            flow_px=flow,
            amodal=amodal,
        )

    def _visibility(self, size: tuple[int, int], samples: int, triangles: int) -> Visibility:
        """An empty visibility buffer in this thread's memory."""
        count = size[0] * size[1] * samples
        seen = self._workspace.ints("seen", count).reshape(-1, samples)
        nearness = self._workspace.singles("nearness", count).reshape(-1, samples)
        seen.fill(NOTHING)
        nearness.fill(0.0)
        return Visibility(seen, nearness, self._workspace.floats("planes", 9 * triangles).reshape(-1, 9))

    def _faces(self, packed: PackedScene, visible: Visibility, cam: Floats) -> FaceTable:
        """An empty table of triangles in this thread's memory."""
        rows = self._workspace.singles("faces", FACE_COLUMNS * len(packed.triangles)).reshape(-1, FACE_COLUMNS)
        return face_table(packed, visible.planes, cam, rows)

    def _shaded(self, size: tuple[int, int]) -> Shaded:
        """Room for shading: the light in this thread's memory, the labels fresh, for they are handed out."""
        pixels = size[0] * size[1]
        light = self._workspace.singles("light", 3 * pixels).reshape(-1, 3)
        return Shaded(light, np.empty((pixels, 3), dtype=np.float32), np.empty(pixels, dtype=np.float32))

    def _lighting(
        self, stage: _Stage, cam: Floats, lens: Lens, size: tuple[int, int], visible: Visibility, faces: FaceTable
    ) -> Lighting:
        lights, sky = pack_lights(stage.scene.lights, stage.scene.sky)
        grid = grid_places(visible, faces, cam, lens, size)
        receivers = receivers_of(grid, cam)
        side = _MAP_SIDE if size[0] * size[1] < _LARGE_PIXELS else 2 * _MAP_SIDE
        maps = maps_in_camera(shadow_maps(stage.packed, stage.textures, stage.scene.lights, receivers, side), cam)
        seen = lights_seen(visible, faces, size[0], grid, maps)
        openness = sky_openness(visible, faces.rows, cam, size, grid)
        return Lighting(lights, sky, maps, grid, openness, seen)

    def _supersampled(self, stage: _Stage, lighting: Lighting, samples: int) -> Singles:
        """The light of a picture drawn `samples` times as wide and high, band by band, and averaged."""
        camera = stage.scene.camera
        width = camera.width * samples
        light = np.empty((camera.height * camera.width, 3), dtype=np.float32)
        rows = max(1, _BAND_PIXELS // (width * samples))
        for first in range(0, camera.height, rows):
            count = min(rows, camera.height - first)
            size = (width, count * samples)
            cam = pack_camera(camera, samples)
            cam[CAM_CY] -= first * samples
            lens = lens_of(camera, cam, *size)
            visible = self._visibility(size, len(SMOOTH), len(stage.packed.triangles))
            draw(stage.packed, stage.textures, cam, lens, size, SMOOTH, visible)
            pixels = size[0] * size[1]
            fine = self._workspace.singles("fine", 7 * pixels)
            into = Shaded(
                fine[: 3 * pixels].reshape(-1, 3), fine[3 * pixels : 6 * pixels].reshape(-1, 3), fine[6 * pixels :]
            )
            window = Window(cam, lens, *size, SMOOTH, samples, first * samples)
            faces = self._faces(stage.packed, visible, cam)
            shade(stage.packed, stage.textures, window, visible, faces, lighting, into)
            _average(into.light, camera.width, samples, light[first * camera.width : (first + count) * camera.width])
        return light


def _check(scene: Scene, passes: Set[Pass], samples: int, following: Scene | None) -> None:
    camera = scene.camera
    if not 1 <= samples <= SAMPLES_MAX:
        raise BadScene(f"a pixel has 1 to {SAMPLES_MAX} samples a side, not {samples}")
    if camera.width * camera.height > PIXELS_MAX:
        raise BadScene(f"a picture has at most {PIXELS_MAX:,} pixels, not {camera.width} x {camera.height}")
    if "flow" in passes:
        if following is None:
            raise BadScene("flow needs the scene one moment later")
        now, then = scene.instances, following.instances
        if len(now) != len(then) or not all(_followed(a.mesh, b.mesh) for a, b in zip(now, then, strict=True)):
            raise BadScene("flow needs the same instances, in the same order, one moment later")


def _followed(mesh: Mesh, later: Mesh) -> bool:
    """True when every point of a mesh can be found in what it became: the same triangles, of points that may move."""
    if mesh is later:
        return True
    return len(mesh.positions) == len(later.positions) and np.array_equal(mesh.triangles, later.triangles)


def _ids_and_depth(
    visible: Visibility, packed: PackedScene, size: tuple[int, int]
) -> tuple[NDArray[np.uint16], Singles]:
    ids = np.empty((size[1], size[0]), dtype=np.uint16)
    depth = np.empty((size[1], size[0]), dtype=np.float32)
    _read_labels(visible.seen, visible.nearness, packed.owner, ids.reshape(-1), depth.reshape(-1))
    return ids, depth


@kernel
def _read_labels(seen: Ints, nearness: Singles, owner: Ints, ids: NDArray[np.uint16], depth: Singles) -> None:
    for at in range(len(ids)):
        t = seen[at, 0]
        ids[at] = np.uint16(0)
        depth[at] = np.float32(0.0)
        if t >= 0:
            ids[at] = np.uint16(owner[t] + 1)
            depth[at] = np.float32(1.0) / nearness[at, 0]


@kernel
def _average(fine: Singles, width: int, samples: int, light: Singles) -> None:
    """Mean light of `samples` x `samples` pixels each."""
    share = 1.0 / (samples * samples)
    for at in range(len(light)):
        row, column = at // width, at % width
        for channel in range(3):
            total = 0.0
            for i in range(samples):
                for j in range(samples):
                    total += fine[(row * samples + i) * width * samples + column * samples + j, channel]
            light[at, channel] = np.float32(total * share)
