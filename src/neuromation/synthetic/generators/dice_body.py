"""What dice are made of: their shapes, their printed faces and their kinds of plastic, metal and wood.

Owns the body of a single die of side 1, in its own frame; knows no table, no light and no camera. In that frame face 1
looks along +x, 2 along +y and 3 along +z, with opposite faces summing to seven: seen from their common corner 1, 2 and 3
go counter-clockwise, as on western dice. A left-handed die has 3 and 4 exchanged.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from neuromation.synthetic.compiled import compiled
from neuromation.synthetic.scene.model import Material, Mesh, Texture, Vector

Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]
Finish = Literal["opaque", "pearl", "clear", "metal", "wood"]

ROUNDINGS = (0.04, 0.07, 0.1, 0.14, 0.18)  # radius of the edges, in sides
CUTS = (0.0, 0.78, 0.73)  # radius of a sphere that cuts the corners off, in sides; 0: none
CELL_PX = 64  # side of a face in its texture
GRAINS = 24  # kinds of marbling and grain
_HALF = 0.5
_STRIP_CELLS = 3  # of the mesh across a rounded edge
_PIPS = np.array(  # by face - 1 and place: the four corners, the two sides, the centre
    [
        [0, 0, 0, 0, 0, 0, 1],
        [1, 0, 0, 1, 0, 0, 0],
        [1, 0, 0, 1, 0, 0, 1],
        [1, 1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0, 0, 1],
        [1, 1, 1, 1, 1, 1, 0],
    ],
    dtype=np.int64,
)
_PLACES = np.array([[-1, -1], [1, -1], [-1, 1], [1, 1], [-1, 0], [1, 0], [0, 0]], dtype=np.float64)
# The frames of the six sides of a cube: u, v and outward normal, u x v = normal.
_FRAMES = np.array(
    [
        [[0, 1, 0], [0, 0, 1], [1, 0, 0]],
        [[0, 0, 1], [1, 0, 0], [0, 1, 0]],
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        [[0, 1, 0], [1, 0, 0], [0, 0, -1]],
        [[1, 0, 0], [0, 0, 1], [0, -1, 0]],
        [[0, 0, 1], [0, 1, 0], [-1, 0, 0]],
    ],
    dtype=np.float64,
)
_SIDES: dict[bool, tuple[int, ...]] = {False: (1, 2, 3, 4, 5, 6), True: (1, 2, 4, 3, 5, 6)}


@dataclass(frozen=True)
class Look:
    """How a die looks, whatever its size.

    Attributes:
        colour, second: sRGB, 0..255: of its body, and what it is marbled with.
        pip: sRGB, 0..255.
        one: sRGB of the single pip of face 1, which some makers print in red.
        finish: what it is made of.
        pip_radius, pip_spread: radius of a pip, and distance of the outer pips from the middle, in sides.
        one_scale: how much larger the pip of face 1 is.
        inlay: how deep pips look, 0 (printed) to 1 (drilled).
        gloss: 0 (matt) to 1 (polished).
        rounding, cut: places in `ROUNDINGS` and `CUTS`.
        left_handed: faces 3 and 4 exchanged.
        pips: without, it is a blank cube.
        grain: which of `GRAINS` its marbling or the grain of its wood is.
    """

    name: str
    colour: Vector
    second: Vector
    pip: Vector
    one: Vector
    finish: Finish
    pip_radius: float
    pip_spread: float
    one_scale: float
    inlay: float
    gloss: float
    rounding: int
    cut: int
    left_handed: bool
    pips: bool
    grain: int


def face_normals(left_handed: bool) -> dict[int, Vector]:
    """By face 1..6, where it looks to in the frame of the die."""
    return {
        face: (float(frame[2][0]), float(frame[2][1]), float(frame[2][2]))
        for face, frame in zip(_SIDES[left_handed], _FRAMES, strict=True)
    }


def support(direction: Vector, look: Look, side_m: float) -> float:
    """How far the die reaches from its centre in a direction of unit length, in its own frame; metres.

    Exact for the rounded cube; for one whose corners a sphere cuts, the smaller of both bounds, so exact wherever a face
    or the sphere alone carries it.
    """
    radius = ROUNDINGS[look.rounding] * side_m
    across = abs(direction[0]) + abs(direction[1]) + abs(direction[2])
    reach = (_HALF * side_m - radius) * across + radius
    cut = CUTS[look.cut] * side_m
    return min(reach, cut) if cut > 0 else reach


@lru_cache(maxsize=64)
def die_mesh(rounding: int, cut: int, left_handed: bool) -> Mesh:
    """A die of side 1 about the origin: faces in a texture of 3 x 2 cells, face 1 at the top left.

    Parts: 0 faces, 1 rounded edges and corners.

    Keypoints: `face_1`.. `face_6`, the middles of the faces; `corner_1`.. `corner_8`, by x, then y, then z.
    """
    radius, sphere = ROUNDINGS[rounding], CUTS[cut]
    strip = 2 * radius * np.arange(_STRIP_CELLS + 1) / _STRIP_CELLS
    inner = np.linspace(-1 + 2 * radius, 1 - 2 * radius, 9 if sphere else 2)
    nodes = np.concatenate([-1 + strip[:-1], inner, 1 - strip[-2::-1]])
    positions, normals, uvs, faces = [], [], [], []
    for place, (face, frame) in enumerate(zip(_SIDES[left_handed], _FRAMES, strict=True)):
        points, outward = _rounded(nodes, frame, radius, sphere)
        positions.append(points)
        normals.append(outward)
        uvs.append(_cell_uvs(nodes, face))
        faces.append(_grid(len(nodes)) + place * len(nodes) ** 2)
    triangles = np.concatenate(faces).astype(np.int32)
    every_normal, every_uv = np.concatenate(normals), np.concatenate(uvs)
    return Mesh(
        positions=np.concatenate(positions),
        triangles=triangles,
        normals=every_normal[triangles],
        uvs=every_uv[triangles],
        parts=np.tile(_edges(len(nodes)), 6),
        keypoints=_keypoints(radius, sphere, left_handed),
    )


def _rounded(nodes: Floats, frame: Floats, radius: float, sphere: float) -> tuple[Floats, Floats]:
    """Points and normals, each (n * n, 3), of one side of a cube whose edges are rounded and corners cut."""
    v, u = np.meshgrid(nodes * _HALF, nodes * _HALF, indexing="ij")
    flat = u.reshape(-1, 1) * frame[0] + v.reshape(-1, 1) * frame[1] + _HALF * frame[2]
    core = np.clip(flat, -_HALF + radius, _HALF - radius)
    out = flat - core
    outward = out / _lengths(out)
    points = core + radius * outward
    if sphere:
        reach = _lengths(points)
        beyond = reach > sphere
        outward = np.where(beyond, points / reach, outward)
        points = np.where(beyond, points * (sphere / reach), points)
    return points, outward


def _lengths(rows: Floats) -> Floats:
    squares = rows * rows
    lengths: Floats = np.sqrt(squares[:, :1] + squares[:, 1:2] + squares[:, 2:])
    return lengths


def _cell_uvs(nodes: Floats, face: int) -> Floats:
    v, u = np.meshgrid((nodes + 1) / 2, (nodes + 1) / 2, indexing="ij")
    # Half a texel stays free on all sides, so that filtering does not mix in the neighbour in the texture.
    margin = _HALF / CELL_PX
    inside = [margin + (1 - 2 * margin) * part.reshape(-1) for part in (u, v)]
    column, row = (face - 1) % 3, (face - 1) // 3
    return np.stack([(column + inside[0]) / 3, (row + inside[1]) / 2], axis=1)


def _grid(count: int) -> NDArray[np.int64]:
    """Triangles (2 (n-1)^2, 3) of a grid whose rows go along v and whose columns go along u."""
    row, column = np.meshgrid(np.arange(count - 1), np.arange(count - 1), indexing="ij")
    corner = (row * count + column).reshape(-1)
    one = np.stack([corner, corner + 1, corner + count + 1], axis=1)
    two = np.stack([corner, corner + count + 1, corner + count], axis=1)
    return np.concatenate([one, two])


def _edges(count: int) -> NDArray[np.int32]:
    """By triangle of `_grid`: 1 where it belongs to a rounded edge, else 0."""
    row, column = np.meshgrid(np.arange(count - 1), np.arange(count - 1), indexing="ij")
    low, high = _STRIP_CELLS, count - 1 - _STRIP_CELLS
    inner = (row >= low) & (row < high) & (column >= low) & (column < high)
    flags = np.where(inner, 0, 1).astype(np.int32).reshape(-1)
    return np.concatenate([flags, flags])


def _keypoints(radius: float, sphere: float, left_handed: bool) -> dict[str, Vector]:
    points = {
        f"face_{face}": (_HALF * normal[0], _HALF * normal[1], _HALF * normal[2])
        for face, normal in sorted(face_normals(left_handed).items())
    }
    root = 1.7320508075688772
    reach = (_HALF - radius) * root + radius  # of the rounded corner along the diagonal
    at = (min(reach, sphere) if sphere else reach) / root
    signs = [(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
    return points | {f"corner_{place + 1}": (x * at, y * at, z * at) for place, (x, y, z) in enumerate(signs)}


@lru_cache(maxsize=256)
def die_materials(look: Look) -> tuple[Material, Material]:
    """Its printed surface, on the faces and on the edges.

    An edge is about a pixel wide and turns by a right angle: its gloss is wider, as the mean over the edge would be, for a
    sharp one would glitter from pixel to pixel.
    """
    texture = Texture(_painted(look), repeats=False)
    white = (1.0, 1.0, 1.0)
    if look.finish == "metal":
        rough = 0.5 - 0.25 * look.gloss
        face = Material(white, texture, kind="metal", roughness=rough)
        return face, replace(face, roughness=0.6)
    if look.finish == "wood" or look.gloss < 0.15:
        matt = Material(white, texture)
        return matt, matt
    face = Material(white, texture, kind="coat", roughness=0.42 - 0.27 * look.gloss)
    return face, Material(white, texture, kind="coat", roughness=0.62, specular=0.05)


def _painted(look: Look) -> Bytes:
    colours = np.array([look.colour, look.second, look.pip, look.one], dtype=np.float64)
    finish = ("opaque", "pearl", "clear", "metal", "wood").index(look.finish)
    shape = np.array([look.pip_radius, look.pip_spread, look.one_scale, look.inlay], dtype=np.float64)
    sides = _PIPS if look.pips else np.zeros_like(_PIPS)
    return _paint(CELL_PX, colours, _mixes(finish, look.left_handed, look.grain % GRAINS), shape, sides)


@lru_cache(maxsize=256)
def _mixes(finish: int, left_handed: bool, grain: int) -> NDArray[np.float32]:
    """How much of the second colour is where on the faces 1..6, float32 (6, cell, cell)."""
    frames = _FRAMES[[_SIDES[left_handed].index(face) for face in range(1, 7)]]
    return _marbled(CELL_PX, finish, frames, 10 * grain)


@compiled
def hash01(x: int, y: int, z: int, salt: int) -> float:
    """A number of 0..1 that depends on whole coordinates alone; 32-bit mixing with wrap-around."""
    mask = 0xFFFFFFFF
    h = (x * 374761393 + y * 668265263 + z * 1274126177 + salt * 974711) & mask
    h = ((h ^ (h >> 13)) * 1103515245) & mask
    h = ((h ^ (h >> 16)) * 1540483477) & mask
    return ((h ^ (h >> 15)) & 0xFFFFFF) / 16777216.0


@compiled
def _noise(x: float, y: float, z: float, salt: int) -> float:
    """Smooth value noise of 0..1 with features of size 1."""
    ix, iy, iz = int(np.floor(x)), int(np.floor(y)), int(np.floor(z))
    fx, fy, fz = x - ix, y - iy, z - iz
    fx, fy, fz = fx * fx * (3 - 2 * fx), fy * fy * (3 - 2 * fy), fz * fz * (3 - 2 * fz)
    total = 0.0
    for dx in range(2):
        wx = fx if dx else 1 - fx
        for dy in range(2):
            wy = fy if dy else 1 - fy
            for dz in range(2):
                wz = fz if dz else 1 - fz
                total += wx * wy * wz * hash01(ix + dx, iy + dy, iz + dz, salt)
    return total


@compiled
def _body_mix(x: float, y: float, z: float, finish: int, salt: int) -> float:
    """How much of the second colour is at a point of the surface, 0..1."""
    if finish == 1:  # swirls: noise whose place is moved by noise
        a = _noise(2 * x + 7, 2 * y, 2 * z, salt)
        b = _noise(2 * x, 2 * y + 5, 2 * z, salt + 1)
        swirl = _noise(3 * x + 3 * a, 3 * y + 3 * b, 4 * z + 2 * a, salt + 2)
        return min(1.0, max(0.0, 2.6 * (swirl - 0.5) + 0.5))
    if finish == 2:  # clear: light gathers at the edges
        edge = (
            max(abs(x), abs(y)) if abs(z) > 0.499 else (max(abs(x), abs(z)) if abs(y) > 0.499 else max(abs(y), abs(z)))
        )
        rim = min(1.0, max(0.0, (edge - 0.3) / 0.2))
        return 0.25 * _noise(4 * x, 4 * y, 4 * z, salt) + 0.6 * rim * rim
    if finish == 4:  # wood: rings about an axis beside the die
        wobble = _noise(3 * x, 3 * y, z, salt)
        ring = np.sqrt((x + 1.3) * (x + 1.3) + (y + 0.9) * (y + 0.9)) * 9 + wobble
        ring = ring - np.floor(ring)
        fibre = _noise(40 * x, 40 * y, 3 * z, salt + 1)
        return 0.7 * ring + 0.3 * fibre
    return 0.15 * _noise(5 * x, 5 * y, 5 * z, salt)


@compiled
def _marbled(cell: int, finish: int, frames: Floats, salt: int) -> NDArray[np.float32]:
    out = np.empty((6, cell, cell), dtype=np.float32)
    for face in range(6):
        for row in range(cell):
            v = (row + 0.5) / cell - 0.5
            for column in range(cell):
                u = (column + 0.5) / cell - 0.5
                x = u * frames[face, 0, 0] + v * frames[face, 1, 0] + 0.5 * frames[face, 2, 0]
                y = u * frames[face, 0, 1] + v * frames[face, 1, 1] + 0.5 * frames[face, 2, 1]
                z = u * frames[face, 0, 2] + v * frames[face, 1, 2] + 0.5 * frames[face, 2, 2]
                out[face, row, column] = _body_mix(x, y, z, finish, salt)
    return out


@compiled
def _paint(cell: int, colours: Floats, mixes: NDArray[np.float32], shape: Floats, sides: NDArray[np.int64]) -> Bytes:
    """The faces of a die, uint8 (2 cell, 3 cell, 3)."""
    out = np.empty((2 * cell, 3 * cell, 3), dtype=np.uint8)
    radius, spread, one_scale, inlay = shape[0], shape[1], shape[2], shape[3]
    for face in range(6):
        top, left = (face // 3) * cell, (face % 3) * cell
        size = radius * one_scale if face == 0 else radius
        for row in range(cell):
            v = (row + 0.5) / cell - 0.5
            for column in range(cell):
                u = (column + 0.5) / cell - 0.5
                second = mixes[face, row, column]
                near, slope = 9.0, 0.0
                for spot in range(7):
                    if sides[face, spot]:
                        du, dv = u - _PLACES[spot, 0] * spread, v - _PLACES[spot, 1] * spread
                        far = np.sqrt(du * du + dv * dv)
                        if far < near:
                            near, slope = far, (du + dv) / size
                cover = min(1.0, max(0.0, (size - near) * cell * 0.8 + 0.5))
                # A drilled pip is darker towards its rim and lit on one flank; its lip shades the body a little.
                deep = near / size
                tone = 1.0 - inlay * (0.3 * deep * deep * deep * deep + 0.12 * slope)
                lip = 1.0 - 0.25 * inlay * min(1.0, max(0.0, 1.0 - (near - size) * cell * 0.5)) * (1.0 - cover)
                for c in range(3):
                    body = (colours[0, c] * (1 - second) + colours[1, c] * second) * lip
                    pip = (colours[3, c] if face == 0 else colours[2, c]) * tone
                    value = body + cover * (pip - body) + 0.5
                    out[top + row, left + column, c] = np.uint8(min(255.0, max(0.0, value)))
    return out
