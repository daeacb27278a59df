"""Compiles what draws textures and packages and lets things fall ahead of time, by using each once, small."""

from __future__ import annotations

import numpy as np

from neuromation.kernel.rng import unit_rng
from neuromation.synthetic.scene.meshes import box
from neuromation.synthetic.scene.model import Pose
from neuromation.synthetic.scene.packaging import design_for, face
from neuromation.synthetic.scene.packaging_canvas import Canvas, rectangle
from neuromation.synthetic.scene.packaging_packshot import packshot_texture
from neuromation.synthetic.scene.placement import Pile, lowest_gap_m
from neuromation.synthetic.scene.textures import plastic, shop_out_of_focus


def warm_scenes() -> None:
    """Use everything that has code to compile."""
    face(design_for("warm"), "front", 16, 16)
    canvas = Canvas(16, 16)
    canvas.picture(np.zeros((4, 4, 3), dtype=np.uint8), rectangle(2, 2, 8, 8))
    plastic(0, size_px=16)
    shop_out_of_focus(0, 1, 16)
    photo = np.full((16, 16, 3), 255, dtype=np.uint8)
    photo[4:12, 4:12] = 0
    packshot_texture(photo, 8, 8)
    pile, cube = Pile(0.1, 0.1, cell_m=0.01), box((0.02, 0.03, 0.04))
    pose = pile.drop(cube, unit_rng(0, 0))
    lowest_gap_m(pile, cube, pose or Pose())
