"""Compiles the default renderer ahead of time, by drawing one small scene that has everything in it."""

from __future__ import annotations

import numpy as np

from neuromation.synthetic.exact import look_at, rotation_about
from neuromation.synthetic.render.exact_renderer import ExactRenderer
from neuromation.synthetic.render.protocol import Pass
from neuromation.synthetic.scene.model import (
    AreaLight,
    Camera,
    Instance,
    Material,
    Mesh,
    Pose,
    Scene,
    Sky,
    Sun,
    Texture,
)

_PASSES: frozenset[Pass] = frozenset({"rgb", "ids", "depth", "normals", "illumination", "amodal", "flow"})


def tiny_scene() -> Scene:
    """A card with holes, a mirror and a milky sheet over a floor that reaches behind the camera, under all lights."""
    corners = np.array([[-1.0, -1.0, 0.0], [1.0, -1.0, 0.0], [1.0, 1.0, 0.0], [-1.0, 1.0, 0.0]])
    triangles = np.array([[0, 1, 2], [0, 2, 3]], dtype=np.int32)
    normals = np.zeros((2, 3, 3))
    normals[:, :, 2] = 1.0
    uvs = (corners[triangles][:, :, :2] + 1.0) * 0.5
    card = Mesh(corners, triangles, normals, uvs, np.zeros(2, dtype=np.int32))
    y, x = np.mgrid[0:16, 0:16]
    pixels = np.stack([16 * x, 16 * y, 0 * x + 128, 255 * ((x + y) % 8 > 1)], axis=-1).astype(np.uint8)
    printed = Material(texture=Texture(pixels), colour=(1.0, 1.0, 1.0), kind="coat", roughness=0.3)
    mirror = Material(kind="metal", roughness=0.2, two_sided=True)
    milk = Material(kind="translucent", translucency=0.5, two_sided=True)
    stand = rotation_about((1.0, 0.0, 0.0), 1.2)
    instances = (
        Instance(card, (Material(),), Pose(scale=(9.0, 9.0, 1.0))),
        Instance(card, (printed,), Pose((0.0, 0.0, 0.4), stand, (0.3, 0.3, 1.0)), label=0),
        Instance(card, (mirror,), Pose((0.5, 0.0, 0.4), stand, (0.2, 0.2, 1.0)), label=1),
        Instance(card, (milk,), Pose((-0.5, 0.0, 0.4), stand, (0.2, 0.2, 1.0)), is_null=True),
    )
    position, target = (0.2, -2.0, 1.0), (0.0, 0.0, 0.3)
    camera = Camera(64, 48, 60.0, position, look_at(position, target), k1=-0.05, noise=1.0)
    lamp = AreaLight((0.0, -1.0, 2.0), (0.3, 0.0, 0.0), (0.0, -0.3, 0.0))
    return Scene(instances, camera, (Sun((0.3, 0.4, -1.0), size_deg=2.0), lamp), Sky())


def warm_exact() -> None:
    """Draw the tiny scene in every way that needs code of its own."""
    renderer = ExactRenderer()
    scene = tiny_scene()
    renderer.render(scene, _PASSES, seed=0, following=scene)
    renderer.render(scene, frozenset({"rgb"}), seed=0, samples=2)
