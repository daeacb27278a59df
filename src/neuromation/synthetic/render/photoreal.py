"""The photoreal renderer: light traced along paths by Embree, cleaned by Open Image Denoise.

Its labels are the default renderer's, so that they keep their hashes; its pictures are compared by tolerance, for neither
library rounds alike on all processors. Owns the joining of the two; both are loaded at the first picture.
"""

from __future__ import annotations

import math
from collections.abc import Set
from dataclasses import replace
from functools import cache
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from neuromation.kernel.rng import unit_rng
from neuromation.synthetic.errors import BadScene, RendererMissing
from neuromation.synthetic.render.lens import develop
from neuromation.synthetic.render.protocol import Frame, Pass, Renderer
from neuromation.synthetic.render.raster_pack import PackedScene, pack_scene
from neuromation.synthetic.render.shade_textures import LINEAR, TexturePool
from neuromation.synthetic.scene.model import AreaLight, Camera, Scene, Sun

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

SAMPLES_MAX = 4
PATHS_A_SAMPLE = 2  # of a pixel's side: `samples` 1 traces 4 paths a pixel, 4 traces 64
BOUNCES = 3


class PhotorealRenderer:
    """Pictures with light that goes round corners: some seconds of a processor each. See `protocol.Renderer`."""

    name = "photoreal"
    is_exact = False

    def __init__(self, labels: Renderer) -> None:
        """`labels`: the renderer that all but the picture comes from. Raises RendererMissing."""
        missing = [name for name in ("embreex", "pyoidn") if find_spec(name) is None]
        if missing:
            raise RendererMissing(
                f"the photoreal renderer needs {' and '.join(missing)}; pip install 'neuromation[photoreal]' brings both"
            )
        self._labels = labels
        self._pool = TexturePool()

    def render(
        self, scene: Scene, passes: Set[Pass], *, seed: int, samples: int = 1, following: Scene | None = None
    ) -> Frame:
        """See `protocol.Renderer`."""
        if not 1 <= samples <= SAMPLES_MAX:
            raise BadScene(f"a picture has 1 to {SAMPLES_MAX} samples a pixel's side, not {samples}")
        frame = self._labels.render(scene, passes - {"rgb"}, seed=seed, samples=1, following=following)
        if "rgb" not in passes:
            return frame
        light = self.light(scene, seed=seed, samples=samples)
        # The lens's own blur was traced.
        camera = replace(scene.camera, aperture_mm=0.0)
        return replace(frame, rgb=develop(light, camera, depth_m=None, rng=unit_rng(seed, 0, "camera")))

    def light(self, scene: Scene, *, seed: int, samples: int = 1) -> Singles:
        """The light that reaches the camera, float32 (height, width, 3), linear, denoised."""
        from pyoidn.denoise import denoise

        from neuromation.synthetic.render.embree import RayScene
        from neuromation.synthetic.render.photoreal_trace import trace

        packed = pack_scene(scene)
        camera = scene.camera
        table = self._pool.table(packed.textures)
        with RayScene(packed.vertices, packed.triangles) as tree:
            surfaces = (
                packed.vertices, packed.triangles, packed.owner, packed.material, packed.source, packed.normals,
                packed.uvs, packed.turns, packed.materials, table.texels, table.rows, LINEAR, _spreads(packed),
            )  # fmt: skip
            world = ((tree.handles, tree.ray, tree.ray_bits), surfaces, _lights(scene), _sky(scene))
            light, albedo, normal = trace(
                world,
                _camera(camera),
                (camera.width, camera.height),
                PATHS_A_SAMPLE * samples,
                BOUNCES,
                seed & 0xFFFFFFFF,
            )
        cleaned: Singles = np.asarray(denoise(light, albedo, normal, hdr=True, quality="high"), dtype=np.float32)
        return cleaned


def _spreads(packed: PackedScene) -> Floats:
    """How far a texture moves per metre on each triangle, the root of the ratio of the areas."""
    corners = packed.vertices[packed.triangles]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.sqrt((across * across).sum(axis=1))
    uv = packed.uvs[packed.source].astype(np.float64)
    e, f = uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]
    spreads: Floats = np.sqrt(np.abs(e[:, 0] * f[:, 1] - e[:, 1] * f[:, 0]) / np.maximum(area, 1e-12))
    return spreads


def _lights(scene: Scene) -> Floats:
    """The table of lamps that `photoreal_trace` reads."""
    from neuromation.synthetic.render import photoreal_trace as columns

    table = np.zeros((len(scene.lights), columns.LIGHT_COLUMNS))
    for row, light in zip(table, scene.lights, strict=True):
        row[columns.LIGHT : columns.LIGHT + 3] = np.array(light.colour) * light.strength
        if isinstance(light, Sun):
            row[columns.IS_SUN] = 1.0
            way = np.array(light.direction, np.float64)
            row[columns.NORMAL : columns.NORMAL + 3] = way / math.sqrt(float((way * way).sum()))
            row[columns.HALF_SIZE] = math.tan(math.radians(min(light.size_deg, 170.0) / 2))
        else:
            _area_light(row, light)
    return table


def _area_light(row: Floats, light: AreaLight) -> None:
    from neuromation.synthetic.render import photoreal_trace as columns

    across = np.cross(np.array(light.u, np.float64), np.array(light.v, np.float64))
    size = math.sqrt(float((across * across).sum()))
    row[columns.PLACE : columns.PLACE + 3] = light.position
    row[columns.SIDE_U : columns.SIDE_U + 3] = light.u
    row[columns.SIDE_V : columns.SIDE_V + 3] = light.v
    row[columns.NORMAL : columns.NORMAL + 3] = across / max(size, 1e-12)
    row[columns.AREA] = 4.0 * size


def _sky(scene: Scene) -> Floats:
    return np.array([scene.sky.zenith, scene.sky.horizon, scene.sky.ground], np.float64)


def _camera(camera: Camera) -> Floats:
    """The array of a camera that `photoreal_trace` reads."""
    lens = (camera.focal_px, *camera.centre, camera.k1, camera.k2, 0.001 * camera.aperture_mm, camera.focus_m)
    return np.array([*camera.rotation, *camera.position, *lens], np.float64)


@cache
def photoreal_renderer() -> PhotorealRenderer:
    """The photoreal renderer of this process. Raises RendererMissing."""
    from neuromation.synthetic.render import default_renderer

    return PhotorealRenderer(default_renderer())
