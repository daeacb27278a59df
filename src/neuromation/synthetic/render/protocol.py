"""What every renderer does: a scene in, a picture and its labels out. One conformance test holds all of them to it."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from neuromation.synthetic.scene.model import Scene

Pass = Literal["rgb", "ids", "depth", "normals", "illumination", "amodal", "flow"]
DEPTH_UNIT_M = 0.001  # of a stored depth
DEPTH_MAX_M = 65.535
LIGHT_SCALE = 128.0  # a stored illumination is this times the root of the irradiance


@dataclass(frozen=True, eq=False)
class Amodal:
    """One instance as if nothing stood before it: bounds in pixels (left, top, right, bottom), right and bottom beyond
    it; mask bool (bottom - top, right - left)."""

    left: int
    top: int
    mask: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Frame:
    """What a renderer saw; what was not asked for is None.

    Attributes:
        rgb: uint8 (height, width, 3), sRGB, after the camera.
        ids: uint16 (height, width): 0 nothing, else the instance's place in the scene plus 1, at the pixel's centre.
        depth_m: float32 (height, width), metres along the camera's axis, 0 where there is nothing.
        normals: float32 (height, width, 3), camera frame, unit length, pointing to the camera; zeros for nothing.
        illumination: float32 (height, width), the mean over red, green and blue of the light that falls on the surface
            (irradiance / pi, so that a white matt surface at exposure 1 looks 1), whatever its colour.
        flow_px: float32 (height, width, 2), where the surface point of this pixel is in the next scene, minus here.
        amodal: by id, every instance asked for that would be in the picture if it stood alone.
    """

    rgb: NDArray[np.uint8] | None = None
    ids: NDArray[np.uint16] | None = None
    depth_m: NDArray[np.float32] | None = None
    normals: NDArray[np.float32] | None = None
    illumination: NDArray[np.float32] | None = None
    flow_px: NDArray[np.float32] | None = None
    amodal: dict[int, Amodal] = field(default_factory=dict)


class Renderer(Protocol):
    """Draws scenes. The default one is exact: the same bits on every x86 processor."""

    name: str
    is_exact: bool  # equal bits everywhere; else its pictures are compared by tolerance

    def render(
        self,
        scene: Scene,
        passes: Set[Pass],
        *,
        seed: int,
        samples: int = 1,
        following: Scene | None = None,
    ) -> Frame:
        """Draw a scene.

        Args:
            scene: what to draw.
            passes: what to return.
            seed: of the camera's noise, and of sampling where a renderer samples.
            samples: quality; for the default renderer shading samples a pixel's side, 1 to 4, with smoothed edges at
                1 already.
            following: the scene one moment later, with the same instances, for `flow`.

        Raises BadScene.
        """
