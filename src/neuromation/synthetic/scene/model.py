"""What a scene is: meshes, textures, materials, lights, a camera, and the things that stand in it.

Plain frozen data, in metres, right-handed, z up. A camera looks along its own +z with x to the right and y down, as
OpenCV has it. Colours are linear light with the primaries of sRGB, 0..1 for what reflects; textures alone are stored as
sRGB bytes. Nothing here draws, and nothing here is random.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from neuromation.synthetic.errors import BadScene

Floats = NDArray[np.float64]
Vector = tuple[float, float, float]
Rotation = tuple[float, float, float, float, float, float, float, float, float]  # row by row

TRIANGLES_MAX = 2_000_000  # of one mesh
INSTANCES_MAX = 65_535  # ids are 16 bits
TEXTURE_SIDE_MAX = 4096
SIDE_MAX = 8192
UPRIGHT: Rotation = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles, counter-clockwise seen from outside.

    Attributes:
        positions: float64 (V, 3), metres, in the mesh's own frame.
        triangles: int32 (F, 3), places in `positions`.
        normals: float64 (F, 3, 3), unit length, of every corner: smooth or faceted as the shape wants it.
        uvs: float64 (F, 3, 2), where every corner lies in its texture; (0, 0) is the top left, and they may repeat.
        parts: int32 (F,), which of an instance's materials a triangle has.
        keypoints: named points in the mesh's own frame, float64 (3,), which become labels.
    """

    positions: Floats
    triangles: NDArray[np.int32]
    normals: Floats
    uvs: Floats
    parts: NDArray[np.int32]
    keypoints: dict[str, Vector] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = len(self.triangles)
        if not 1 <= count <= TRIANGLES_MAX:
            raise BadScene(f"a mesh has 1 to {TRIANGLES_MAX:,} triangles, not {count:,}")
        wanted: dict[str, tuple[NDArray[Any], tuple[int, ...]]] = {
            "positions": (self.positions, (len(self.positions), 3)),
            "triangles": (self.triangles, (count, 3)),
            "normals": (self.normals, (count, 3, 3)),
            "uvs": (self.uvs, (count, 3, 2)),
            "parts": (self.parts, (count,)),
        }
        for name, (array, shape) in wanted.items():
            if array.shape != shape:
                raise BadScene(f"a mesh's {name} have shape {array.shape}; {shape} is needed")
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise BadScene(f"a mesh's {name} hold NaN or infinity")
        if self.triangles.min() < 0 or self.triangles.max() >= len(self.positions):
            raise BadScene("a triangle of a mesh names a vertex that is not there")
        if self.parts.min() < 0:
            raise BadScene("a triangle of a mesh has a negative part")

    @property
    def bounds(self) -> tuple[Vector, Vector]:
        """The lowest and the highest corner of its box, metres."""
        low, high = self.positions.min(axis=0), self.positions.max(axis=0)
        return (float(low[0]), float(low[1]), float(low[2])), (float(high[0]), float(high[1]), float(high[2]))


@dataclass(frozen=True, eq=False)
class Texture:
    """An image on a surface: sRGB bytes, uint8 (height, width, 3), or (height, width, 4) with coverage 0..255.

    `repeats`: beyond its border it starts again; otherwise its border goes on.
    """

    pixels: NDArray[np.uint8]
    repeats: bool = True

    def __post_init__(self) -> None:
        shape = self.pixels.shape
        if self.pixels.dtype != np.uint8 or len(shape) != 3 or shape[2] not in (3, 4):
            raise BadScene(f"a texture is uint8 (height, width, 3 or 4), not {self.pixels.dtype} {shape}")
        if not (1 <= shape[0] <= TEXTURE_SIDE_MAX and 1 <= shape[1] <= TEXTURE_SIDE_MAX):
            raise BadScene(f"a texture is at most {TEXTURE_SIDE_MAX} pixels wide and high, not {shape[1]} x {shape[0]}")


@dataclass(frozen=True)
class Material:
    """How a surface answers light: a diffuse base under an optional glossy coat, or a metal.

    Attributes:
        colour: reflectance, linear; multiplied with the texture where there is one.
        texture: what is printed on it, or None.
        kind: `diffuse`, plain; `coat`, diffuse under a clear gloss (print, plastic, glaze); `metal`, whose colour tints
            its reflections; `translucent`, diffuse that also lets light through from behind (paper, milk bottles).
        roughness: of the gloss or the metal, 0 (mirror) to 1 (matt).
        specular: strength of the gloss at normal incidence, 0.04 for most plastics and glasses.
        translucency: share of light from behind that comes through, 0..1, of `translucent`.
        emission: light of its own, in the unit of what the lights give.
        two_sided: seen from behind too.
    """

    colour: Vector = (0.5, 0.5, 0.5)
    texture: Texture | None = None
    kind: Literal["diffuse", "coat", "metal", "translucent"] = "diffuse"
    roughness: float = 0.5
    specular: float = 0.04
    translucency: float = 0.0
    emission: float = 0.0
    two_sided: bool = False

    def __post_init__(self) -> None:
        shares = (*self.colour, self.roughness, self.specular, self.translucency)
        if not all(0.0 <= share <= 1.0 for share in shares) or not 0.0 <= self.emission <= 1e6:
            raise BadScene(f"a material's colour, roughness, specular and translucency are 0..1, not {shares}")


@dataclass(frozen=True)
class Pose:
    """Where something stands: first scaled in its own frame, then rotated, then moved."""

    position: Vector = (0.0, 0.0, 0.0)
    rotation: Rotation = UPRIGHT
    scale: Vector = (1.0, 1.0, 1.0)


@dataclass(frozen=True, eq=False)
class Instance:
    """A mesh that stands somewhere. With a `label` it is an object that annotations tell of; without, surroundings.

    Attributes:
        mesh, materials: its shape, and one material for each of the mesh's parts.
        pose: where it stands.
        label: number of its class in the generator's `classes`; None for surroundings.
        is_null: looks like an object and is none: annotated as class "none", which no detector shall report.
        attributes: what else is known of it, plain JSON: a SKU, a face of a die, a place in the planogram.
        group: semantic class of surroundings ("shelf", "table"); of objects it is their class.
    """

    mesh: Mesh
    materials: tuple[Material, ...]
    pose: Pose = Pose()
    label: int | None = None
    is_null: bool = False
    attributes: dict[str, Any] = field(default_factory=dict)
    group: str = ""

    @property
    def is_object(self) -> bool:
        return self.label is not None or self.is_null


@dataclass(frozen=True)
class Sun:
    """Light from far away, all of one direction; `direction` is where it shines to. `size_deg`: 0.5 for the real one."""

    direction: Vector
    colour: Vector = (1.0, 1.0, 1.0)
    strength: float = 3.0  # irradiance on a surface that faces it
    size_deg: float = 0.5


@dataclass(frozen=True)
class AreaLight:
    """A rectangle that shines to one side: a lamp, a window, or, long and thin, a strip of tubes.

    `u` and `v` are half its sides, metres; it shines along u x v. `strength` is its radiance.
    """

    position: Vector
    u: Vector
    v: Vector
    colour: Vector = (1.0, 1.0, 1.0)
    strength: float = 10.0


@dataclass(frozen=True)
class Sky:
    """Light from all around: of one colour above, of others at the horizon and below. Radiances."""

    zenith: Vector = (0.5, 0.5, 0.5)
    horizon: Vector = (0.4, 0.4, 0.4)
    ground: Vector = (0.15, 0.15, 0.15)


@dataclass(frozen=True)
class Camera:
    """A camera: what it sees and how it renders it.

    Attributes:
        width, height: of the picture, pixels.
        focal_px: focal length in pixels, square pixels; cx, cy: principal point, None for the middle.
        position, rotation: where it is, metres; the rows of `rotation` are its x, y and z axes in the world.
        k1, k2: radial distortion (Brown): x' = x (1 + k1 r^2 + k2 r^4).
        exposure: factor on all light before the picture is written.
        white_balance: factors of red, green and blue, by which a camera is a little wrong.
        contrast: how strongly highlights are rolled off, 0 (clipped) to 1 (film-like).
        noise: of a mid-grey pixel at exposure, in 255ths of white; shot noise grows with light, read noise does not.
        blur_px: radius of an out-of-focus or soft lens, pixels, everywhere.
        focus_m, aperture_mm: depth of field where the aperture is > 0.
        motion_px: how far the picture moves during the exposure, pixels (x, y).
        vignette: darkening of the corners, 0..1.
        fringe_px: how far red and blue are shifted at the border, pixels.
        sharpening: how far small detail is overdrawn by the camera's own software, 0..2, with the halos that come of it.
        jpeg_quality: 1..100, or 0 for none.
    """

    width: int
    height: int
    focal_px: float
    position: Vector
    rotation: Rotation
    cx: float | None = None
    cy: float | None = None
    k1: float = 0.0
    k2: float = 0.0
    exposure: float = 1.0
    white_balance: Vector = (1.0, 1.0, 1.0)
    contrast: float = 0.3
    noise: float = 0.0
    blur_px: float = 0.0
    focus_m: float = 1.0
    aperture_mm: float = 0.0
    motion_px: tuple[float, float] = (0.0, 0.0)
    vignette: float = 0.0
    fringe_px: float = 0.0
    sharpening: float = 0.0
    jpeg_quality: int = 0

    def __post_init__(self) -> None:
        if not (1 <= self.width <= SIDE_MAX and 1 <= self.height <= SIDE_MAX):
            raise BadScene(f"a picture is 1 to {SIDE_MAX} pixels wide and high, not {self.width} x {self.height}")
        if not self.focal_px > 0:
            raise BadScene(f"a focal length is > 0 pixels, not {self.focal_px}")

    @property
    def centre(self) -> tuple[float, float]:
        """The principal point, pixels; (0, 0) is the corner of the top left pixel."""
        cx = self.width / 2 if self.cx is None else self.cx
        return cx, self.height / 2 if self.cy is None else self.cy


@dataclass(frozen=True, eq=False)
class Scene:
    """Everything that is seen. An instance's id in masks is its place in `instances` plus 1; 0 is nothing."""

    instances: tuple[Instance, ...]
    camera: Camera
    lights: tuple[Sun | AreaLight, ...] = ()
    sky: Sky = Sky()

    def __post_init__(self) -> None:
        if len(self.instances) > INSTANCES_MAX:
            raise BadScene(f"a scene has at most {INSTANCES_MAX:,} instances, not {len(self.instances):,}")
        for place, instance in enumerate(self.instances):
            if int(instance.mesh.parts.max()) >= len(instance.materials):
                raise BadScene(f"instance {place} has {len(instance.materials)} materials; its mesh names more parts")
