"""Small scenes for the renderers' tests, and a ray caster to hold them to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuromation.synthetic.exact import look_at, rotation_about
from neuromation.synthetic.scene.meshes_packages import box
from neuromation.synthetic.scene.meshes_parts import sphere
from neuromation.synthetic.scene.model import (
    UPRIGHT,
    AreaLight,
    Camera,
    Instance,
    Material,
    Mesh,
    Pose,
    Scene,
    Sky,
    Sun,
    Vector,
)

NO_SKY = Sky((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
EVEN_SKY = Sky((1.0, 1.0, 1.0), (1.0, 1.0, 1.0), (1.0, 1.0, 1.0))
WHITE = Material(colour=(1.0, 1.0, 1.0))


def a_camera(position: Vector = (0.0, -1.0, 0.5), target: Vector = (0.0, 0.0, 0.1), **changes: Any) -> Camera:
    """A plain camera of 96 x 72 pixels that neither curves light nor adds noise."""
    plain = Camera(96, 72, 90.0, position, look_at(position, target), contrast=0.0)
    return replace(plain, **changes)


def a_plane(half_m: float = 5.0, height_m: float = 0.0) -> Mesh:
    """A square that faces up."""
    corners = np.array([[-1.0, -1.0, 0.0], [1.0, -1.0, 0.0], [1.0, 1.0, 0.0], [-1.0, 1.0, 0.0]])
    corners = corners * half_m + np.array([0.0, 0.0, height_m])
    triangles = np.array([[0, 1, 2], [0, 2, 3]], dtype=np.int32)
    normals = np.zeros((2, 3, 3))
    normals[:, :, 2] = 1.0
    return Mesh(corners, triangles, normals, corners[triangles][:, :, :2] + 0.5, np.zeros(2, dtype=np.int32))


def an_object(mesh: Mesh, position: Vector, material: Material = WHITE, label: int | None = 0, **pose: Any) -> Instance:
    parts = int(mesh.parts.max()) + 1
    return Instance(mesh, (material,) * parts, Pose(position, **pose), label=label)


def a_scene(**changes: Any) -> Scene:
    """A box, a ball and a leaning box on a floor, under a sun and a grey sky."""
    lean = rotation_about((1.0, 2.0, 0.5), 0.7)
    things = (
        an_object(a_plane(), (0.0, 0.0, 0.0), label=None),
        an_object(box((0.2, 0.15, 0.3)), (-0.2, 0.0, 0.0)),
        an_object(sphere(0.1, 24), (0.08, -0.1, 0.0)),
        an_object(box((0.2, 0.1, 0.2), 0.01), (0.25, 0.2, 0.1), rotation=lean),
    )
    plain = Scene(things, a_camera(), (Sun((0.4, 0.5, -1.0)),), Sky((0.3, 0.3, 0.3), (0.3, 0.3, 0.3), (0.1, 0.1, 0.1)))
    return replace(plain, **changes)


def a_lamp(position: Vector = (0.0, 0.0, 2.0), half_m: float = 0.2, strength: float = 20.0) -> AreaLight:
    """A square that shines straight down."""
    return AreaLight(position, (half_m, 0.0, 0.0), (0.0, -half_m, 0.0), strength=strength)


def cast(scene: Scene) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Ids and depths (metres along the axis, 0 for nothing) of the pixels' centres, by asking every triangle.

    Möller and Trumbore (1997) in double precision; without lens distortion.
    """
    camera = scene.camera
    cx, cy = camera.centre
    y, x = np.mgrid[0 : camera.height, 0 : camera.width] + 0.5
    local = np.stack([(x - cx) / camera.focal_px, (y - cy) / camera.focal_px, np.ones_like(x)], axis=-1).reshape(-1, 3)
    axes = np.array(camera.rotation).reshape(3, 3)
    rays = local @ axes
    ids, depth = np.zeros(len(rays), dtype=np.int64), np.full(len(rays), np.inf)
    for place, instance in enumerate(scene.instances):
        pose, mesh = instance.pose, instance.mesh
        turn = np.array(pose.rotation if pose.rotation else UPRIGHT).reshape(3, 3)
        world = (mesh.positions * np.array(pose.scale)) @ turn.T + np.array(pose.position) - np.array(camera.position)
        for triangle in mesh.triangles:
            a, b, c = world[triangle]
            normal = np.cross(b - a, c - a)
            facing = rays @ normal
            with np.errstate(divide="ignore", invalid="ignore"):
                z = (normal @ a) / facing
            hit = rays * z[:, None]
            inside = facing < 0
            for p, q in ((a, b), (b, c), (c, a)):
                inside &= np.cross(q - p, hit - p) @ normal >= 0
            nearer = inside & (z > 0.01) & (z < depth)
            depth[nearer], ids[nearer] = z[nearer], place + 1
    shape = (camera.height, camera.width)
    return ids.reshape(shape), np.where(np.isinf(depth), 0.0, depth).reshape(shape)
