"""Labels that need more than one look: an instance as if it stood alone, and where a surface moves to."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from neuromation.synthetic.compiled import kernel
from neuromation.synthetic.render.protocol import Amodal
from neuromation.synthetic.render.raster import CENTRE, NOTHING, Visibility, draw
from neuromation.synthetic.render.raster_lens import FIXED, Lens, distorted
from neuromation.synthetic.render.raster_pack import (
    CAM_CX,
    CAM_CY,
    CAM_FOCAL,
    NEAR_M,
    Floats,
    Ints,
    PackedScene,
    Singles,
    pack_camera,
)
from neuromation.synthetic.render.shade_textures import TextureTable
from neuromation.synthetic.scene.model import Camera, Scene

_MARGIN_PX = 2


def amodal_masks(
    scene: Scene, packed: PackedScene, textures: TextureTable, cam: Floats, lens: Lens
) -> dict[int, Amodal]:
    """Every object by its id as if nothing stood before it, those alone that would be in the picture.

    Drawn by the same rule at the same samples as the visible masks, which so lie within.
    """
    camera = scene.camera
    width, height = camera.width, camera.height
    seen = np.full((height * width, 1), NOTHING, dtype=np.int32)
    nearness = np.zeros((height * width, 1), dtype=np.float32)
    alone = Visibility(seen, nearness, np.empty((len(packed.triangles), 9)))
    found = {}
    for place, instance in enumerate(scene.instances):
        if not instance.is_object:
            continue
        start, stop = int(packed.first_vertex[place]), int(packed.first_vertex[place + 1])
        window = _window(packed.vertices[start:stop], cam, (lens.bends, lens.k), width, height)
        if window[0] >= window[2] or window[1] >= window[3]:
            continue
        draw(packed, textures, cam, lens, (width, height), CENTRE, alone, (place, place + 1))
        left, top, right, bottom = _inked(seen, width, window)
        if left < right:
            box = seen.reshape(height, width)[top:bottom, left:right]
            found[place + 1] = Amodal(left, top, box >= 0)
        _wipe(seen, nearness, width, window)
    return found


@kernel
def _window(
    vertices: Floats, cam: Floats, lens: tuple[bool, Floats], width: int, height: int
) -> tuple[int, int, int, int]:
    """Pixels that hold an instance for certain; the whole picture where it reaches behind the camera."""
    focal, cx, cy = cam[CAM_FOCAL], cam[CAM_CX], cam[CAM_CY]
    bends, k = lens
    left, top, right, bottom = 1e30, 1e30, -1e30, -1e30
    behind = 0
    far_out = False
    for v in range(len(vertices)):
        x, y, z = vertices[v, 0] - cam[9], vertices[v, 1] - cam[10], vertices[v, 2] - cam[11]
        ahead = cam[6] * x + cam[7] * y + cam[8] * z
        if ahead < NEAR_M:
            behind += 1
            continue
        across = (cam[0] * x + cam[1] * y + cam[2] * z) / ahead
        down = (cam[3] * x + cam[4] * y + cam[5] * z) / ahead
        if bends:
            far_out = far_out or across * across + down * down > k[2] * k[2]
            across, down = distorted(across, down, k[0], k[1])
        left, right = min(left, across), max(right, across)
        top, bottom = min(top, down), max(bottom, down)
    if behind == len(vertices):
        return 0, 0, 0, 0
    if behind or far_out:
        return 0, 0, width, height
    margin = float(_MARGIN_PX)
    if bends:  # edges between corners bulge
        long = max(right - left, bottom - top) * focal
        margin += (6.0 * abs(k[0]) + 20.0 * abs(k[1]) * k[2] * k[2]) * k[2] / (2.0 * focal) * long * long
    return (
        int(max(0.0, min(float(width), math.floor(left * focal + cx - margin)))),
        int(max(0.0, min(float(height), math.floor(top * focal + cy - margin)))),
        int(max(0.0, min(float(width), math.ceil(right * focal + cx + margin)))),
        int(max(0.0, min(float(height), math.ceil(bottom * focal + cy + margin)))),
    )


@kernel
def _inked(seen: Ints, width: int, window: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """The tight box of what is seen in a window."""
    left, top, right, bottom = 1 << 30, 1 << 30, -1, -1
    for y in range(window[1], window[3]):
        for x in range(window[0], window[2]):
            if seen[y * width + x, 0] >= 0:
                left, right = min(left, x), max(right, x + 1)
                top, bottom = min(top, y), max(bottom, y + 1)
    return left, top, right, bottom


@kernel
def _wipe(seen: Ints, nearness: Singles, width: int, window: tuple[int, int, int, int]) -> None:
    for y in range(window[1], window[3]):
        for x in range(window[0], window[2]):
            seen[y * width + x, 0] = NOTHING
            nearness[y * width + x, 0] = np.float32(0.0)


def flow_between(
    packed: PackedScene,
    visible: Visibility,
    cam: Floats,
    lens: Lens,
    camera: Camera,
    following: PackedScene,
    next_camera: Camera,
) -> Singles:
    """Where the surface point of every pixel is in the next picture, minus where it is in this one, pixels.

    float32 (height, width, 2); zeros where nothing is seen, and NaN where the point passes behind the camera.
    """
    flow = np.zeros((camera.height * camera.width, 2), dtype=np.float32)
    _flow(
        visible.seen,
        visible.planes,
        (cam, lens.bends, lens.centres, camera.width),
        packed.triangles,
        following.vertices,
        (pack_camera(next_camera), next_camera.k1, next_camera.k2),
        flow,
    )
    return flow.reshape(camera.height, camera.width, 2)


@kernel
def _flow(
    seen: Ints,
    planes: Floats,
    view: tuple[Floats, bool, NDArray[np.int32], int],
    triangles: Ints,
    moved: Floats,
    next_view: tuple[Floats, float, float],
    flow: Singles,
) -> None:
    cam, bends, centres, width = view
    then, k1, k2 = next_view
    for at in range(len(flow)):
        t = seen[at, 0]
        if t < 0:
            continue
        here_x, here_y = at % width + 0.5, at // width + 0.5
        px, py = here_x, here_y
        if bends:
            px, py = centres[at, 0] / FIXED, centres[at, 1] / FIXED
        rx, ry = (px - cam[CAM_CX]) / cam[CAM_FOCAL], (py - cam[CAM_CY]) / cam[CAM_FOCAL]
        w0 = planes[t, 0] * rx + planes[t, 1] * ry + planes[t, 2]
        w1 = planes[t, 3] * rx + planes[t, 4] * ry + planes[t, 5]
        w2 = planes[t, 6] * rx + planes[t, 7] * ry + planes[t, 8]
        whole = w0 + w1 + w2
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        x = (w0 * moved[a, 0] + w1 * moved[b, 0] + w2 * moved[c, 0]) / whole - then[9]
        y = (w0 * moved[a, 1] + w1 * moved[b, 1] + w2 * moved[c, 1]) / whole - then[10]
        z = (w0 * moved[a, 2] + w1 * moved[b, 2] + w2 * moved[c, 2]) / whole - then[11]
        ahead = then[6] * x + then[7] * y + then[8] * z
        if ahead < NEAR_M:
            flow[at, 0] = flow[at, 1] = np.float32(np.nan)
            continue
        across = (then[0] * x + then[1] * y + then[2] * z) / ahead
        down = (then[3] * x + then[4] * y + then[5] * z) / ahead
        across, down = distorted(across, down, k1, k2)
        flow[at, 0] = np.float32(across * then[CAM_FOCAL] + then[CAM_CX] - here_x)
        flow[at, 1] = np.float32(down * then[CAM_FOCAL] + then[CAM_CY] - here_y)
