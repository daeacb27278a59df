"""What shading needs of a triangle, worked out once and not at every pixel: its plane, normals and texture as seen.

All in the camera's frame, where a place is a ray (x, y, 1) times its depth, and everything over the depth is linear in
the ray.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neuromation.synthetic.compiled import inlined, kernel
from neuromation.synthetic.render.raster_pack import CAM_FOCAL, Floats, Ints, PackedScene, Singles

# Columns of a triangle's row: its normal over its distance, away from the camera, so that 1 / depth = n . ray, and the
# length of that; the weights of the first two corners over the depth; the normal of the third corner, and how the first
# two differ from it; its texture coordinates and the differences likewise; how those over the depth change to the next
# pixel right and down; the number of its instance.
NEAR, STEEP, FIRST, SECOND, NORMALS, UVS, FEET, OWNER = 0, 3, 4, 7, 10, 19, 25, 29
FACE_COLUMNS = 30

# vertices' normals and texture coordinates, owner, source, turns into the camera's frame, planes, camera, what is known.
Faces = tuple[Singles, Singles, Ints, Ints, Floats, Floats, Floats, NDArray[np.bool_]]


@dataclass(frozen=True)
class FaceTable:
    """What is known of the triangles of a scene.

    Attributes:
        rows: float32 (F, FACE_COLUMNS), set for those that are known.
        given: what the rows are made of, and, last, which of them are known, bool (F,).
    """

    rows: Singles
    given: Faces


def face_table(scene: PackedScene, planes: Floats, cam: Floats, rows: Singles) -> FaceTable:
    """A table in which nothing is known yet; `planes` are of the visibility, `rows` is room for it."""
    turned = np.empty_like(scene.turns)
    _turn_to_camera(scene.turns, cam, turned)
    known = np.zeros(len(scene.triangles), dtype=np.bool_)
    return FaceTable(rows, (scene.normals, scene.uvs, scene.owner, scene.source, turned, planes, cam, known))


@kernel
def _turn_to_camera(turns: Floats, cam: Floats, made: Floats) -> None:
    """Fill in what turns the normals of every instance into the camera's frame."""
    for i in range(len(turns)):
        for row in range(3):
            for column in range(3):
                made[i, 3 * row + column] = (
                    cam[3 * row] * turns[i, column]
                    + cam[3 * row + 1] * turns[i, 3 + column]
                    + cam[3 * row + 2] * turns[i, 6 + column]
                )


@kernel
def describe(t: int, given: Faces, rows: Singles) -> None:
    """Fill in the row of a triangle."""
    normals, uvs, owner, source, turned, planes, cam, known = given
    known[t] = True
    n = (
        planes[t, 0] + planes[t, 3] + planes[t, 6],
        planes[t, 1] + planes[t, 4] + planes[t, 7],
        planes[t, 2] + planes[t, 5] + planes[t, 8],
    )
    for axis in range(3):
        rows[t, NEAR + axis] = n[axis]
        rows[t, FIRST + axis], rows[t, SECOND + axis] = planes[t, axis], planes[t, 3 + axis]
    rows[t, STEEP] = math.sqrt(n[0] * n[0] + n[1] * n[1] + n[2] * n[2])
    at, who = source[t], owner[t]
    rows[t, OWNER] = who
    for axis in range(3):
        a, b, c = turned[who, 3 * axis], turned[who, 3 * axis + 1], turned[who, 3 * axis + 2]
        first = a * normals[at, 0, 0] + b * normals[at, 0, 1] + c * normals[at, 0, 2]
        second = a * normals[at, 1, 0] + b * normals[at, 1, 1] + c * normals[at, 1, 2]
        third = a * normals[at, 2, 0] + b * normals[at, 2, 1] + c * normals[at, 2, 2]
        rows[t, NORMALS + axis] = third
        rows[t, NORMALS + 3 + axis], rows[t, NORMALS + 6 + axis] = first - third, second - third
    for axis in range(2):
        first, second, third = float(uvs[at, 0, axis]), float(uvs[at, 1, axis]), float(uvs[at, 2, axis])
        rows[t, UVS + axis] = third
        rows[t, UVS + 2 + axis], rows[t, UVS + 4 + axis] = first - third, second - third
        for way in range(2):
            slope = planes[t, way] * first + planes[t, 3 + way] * second + planes[t, 6 + way] * third
            rows[t, FEET + 2 * way + axis] = slope / cam[CAM_FOCAL]


@inlined
def facing_same(rows: Singles, t: int, u: int, cosine: np.float32) -> bool:
    """Whether the normals of two triangles are no farther apart than this."""
    dot = rows[t, 0] * rows[u, 0] + rows[t, 1] * rows[u, 1] + rows[t, 2] * rows[u, 2]
    is_same: bool = dot >= cosine * rows[t, STEEP] * rows[u, STEEP]
    return is_same
