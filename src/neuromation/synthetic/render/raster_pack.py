"""A scene as flat arrays, as the compiled code wants it: one list of vertices, of triangles, of materials.

Checks what the scene's own classes do not: poses, cameras and sizes that cannot be drawn. Arrays of a mesh that never
change are kept as long as the mesh lives.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from neuromation.synthetic.compiled import kernel
from neuromation.synthetic.errors import BadScene
from neuromation.synthetic.scene.model import Camera, Material, Mesh, Rotation, Scene, Texture

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Ints = NDArray[np.int32]

SCENE_TRIANGLES_MAX = 4_000_000  # of all instances together
LIGHTS_MAX = 16
DISTANCE_MAX_M = 1e6
SCALE_MAX = 1e6
NEAR_M = 0.01  # nothing nearer to a camera or a lamp is drawn
_ORTHONORMAL = 1e-6

# Columns of the table of materials.
RED, GREEN, BLUE, KIND, ROUGHNESS, SPECULAR, TRANSLUCENCY, EMISSION, TEXTURE, TWO_SIDED, CUTOUT = range(11)
MATERIAL_COLUMNS = 11
DIFFUSE, COAT, METAL, TRANSLUCENT = range(4)
_KINDS = {"diffuse": DIFFUSE, "coat": COAT, "metal": METAL, "translucent": TRANSLUCENT}

# Entries of a camera's array: nine of its rotation, three of its place, then these.
CAM_FOCAL, CAM_CX, CAM_CY = 12, 13, 14


@dataclass(frozen=True)
class PackedScene:
    """Everything that stands in a scene, in the world's frame.

    Attributes:
        vertices: float64 (V, 3), metres.
        triangles: int32 (F, 3), places in `vertices`.
        owner: int32 (F,), the instance of each triangle; `material`: int32 (F,), its row in `materials`; `source`: int32
            (F,), where its corners lie in `normals` and `uvs`.
        normals: float32 (N, 3, 3) and uvs: float32 (N, 3, 2), of the corners of all meshes, in their own frames.
        turns: float64 (I, 9), what turns an instance's normals into the world, not yet of unit length.
        first_triangle, first_vertex: int64 (I + 1,), where an instance's begin.
        materials: float64 (M, MATERIAL_COLUMNS).
        textures: those that the materials name, by their number.
    """

    vertices: Floats
    triangles: Ints
    owner: Ints
    material: Ints
    source: Ints
    normals: Singles
    uvs: Singles
    turns: Floats
    first_triangle: NDArray[np.int64]
    first_vertex: NDArray[np.int64]
    materials: Floats
    textures: list[Texture]


@dataclass(frozen=True)
class _PackedMesh:
    positions: Floats
    triangles: Ints
    normals: Singles
    uvs: Singles
    parts: Ints


_meshes: WeakKeyDictionary[Mesh, _PackedMesh] = WeakKeyDictionary()


def _packed_mesh(mesh: Mesh) -> _PackedMesh:
    packed = _meshes.get(mesh)
    if packed is None:
        packed = _PackedMesh(
            positions=np.ascontiguousarray(mesh.positions, dtype=np.float64),
            triangles=np.ascontiguousarray(mesh.triangles, dtype=np.int32),
            normals=np.ascontiguousarray(mesh.normals, dtype=np.float32),
            uvs=np.ascontiguousarray(mesh.uvs, dtype=np.float32),
            parts=np.ascontiguousarray(mesh.parts, dtype=np.int32),
        )
        _meshes[mesh] = packed
    return packed


def pack_scene(scene: Scene) -> PackedScene:
    """The scene as flat arrays. Raises BadScene for what cannot be drawn."""
    if len(scene.lights) > LIGHTS_MAX:
        raise BadScene(f"a scene has at most {LIGHTS_MAX} lights, not {len(scene.lights)}; the sky can do the rest")
    materials, textures, starts, rows = _materials(scene)
    places, meshes = _meshes_of(scene)
    poses = np.empty((len(scene.instances), 15))
    for place, instance in enumerate(scene.instances):
        pose = instance.pose
        poses[place, 0:9] = pose.rotation
        poses[place, 9:12] = pose.scale
        poses[place, 12:15] = pose.position
    _check_poses(poses)

    vertex_counts = np.array([len(mesh.positions) for mesh in meshes], dtype=np.int64)
    triangle_counts = np.array([len(mesh.triangles) for mesh in meshes], dtype=np.int64)
    first_vertex = _running(vertex_counts[places])
    first_triangle = _running(triangle_counts[places])
    if first_triangle[-1] > SCENE_TRIANGLES_MAX:
        raise BadScene(f"a scene has at most {SCENE_TRIANGLES_MAX:,} triangles in all, not {int(first_triangle[-1]):,}")
    vertices = np.empty((int(first_vertex[-1]), 3))
    triangles = np.empty((int(first_triangle[-1]), 3), dtype=np.int32)
    owner, material, source = (np.empty(len(triangles), dtype=np.int32) for _ in range(3))
    turns = np.empty((len(scene.instances), 9))
    _place(
        _joined([mesh.positions for mesh in meshes], (0, 3), np.float64),
        _joined([mesh.triangles for mesh in meshes], (0, 3), np.int32),
        _joined([mesh.parts for mesh in meshes], (0,), np.int32),
        (_running(vertex_counts), _running(triangle_counts)),
        (places, poses, starts, rows),
        (first_vertex, first_triangle),
        (vertices, triangles, owner, material, source, turns),
    )
    normals = _joined([mesh.normals for mesh in meshes], (0, 3, 3), np.float32)
    uvs = _joined([mesh.uvs for mesh in meshes], (0, 3, 2), np.float32)
    return PackedScene(
        vertices,
        triangles,
        owner,
        material,
        source,
        normals,
        uvs,
        turns,
        first_triangle,
        first_vertex,
        materials,
        textures,
    )


def pack_camera(camera: Camera, samples: int = 1) -> Floats:
    """A camera as 15 numbers, for a picture `samples` times as wide and high. Raises BadScene."""
    numbers = (*camera.rotation, *camera.position, camera.focal_px, *camera.centre, camera.k1, camera.k2)
    if not all(math.isfinite(number) for number in numbers):
        raise BadScene("a camera's place, rotation or lens holds NaN or infinity")
    if not is_rotation(camera.rotation):
        raise BadScene(f"a camera's rotation has three rows of unit length at right angles, not {camera.rotation}")
    cx, cy = camera.centre
    lens = (camera.focal_px * samples, cx * samples, cy * samples)
    return np.array([*camera.rotation, *camera.position, *lens])


def is_rotation(rotation: Rotation) -> bool:
    """Whether the nine numbers are a turn: rows of unit length at right angles, not mirrored."""
    a, b, c, d, e, f, g, h, i = rotation
    dots = (
        a * a + b * b + c * c - 1,
        d * d + e * e + f * f - 1,
        g * g + h * h + i * i - 1,
        a * d + b * e + c * f,
        a * g + b * h + c * i,
        d * g + e * h + f * i,
    )
    turn = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    return all(abs(dot) <= _ORTHONORMAL for dot in dots) and turn > 0


def _check_poses(poses: Floats) -> None:
    good = np.isfinite(poses).all(axis=1)
    scales, positions, r = poses[:, 9:12], poses[:, 12:15], poses[:, 0:9].reshape(-1, 3, 3)
    with np.errstate(invalid="ignore", over="ignore"):
        good &= (scales > 0).all(axis=1) & (scales <= SCALE_MAX).all(axis=1)
        good &= (np.abs(positions) <= DISTANCE_MAX_M).all(axis=1)
        x, y, z = r[:, 0], r[:, 1], r[:, 2]
        for one, other, wanted in ((x, x, 1), (y, y, 1), (z, z, 1), (x, y, 0), (x, z, 0), (y, z, 0)):
            good &= np.abs((one * other).sum(axis=1) - wanted) <= _ORTHONORMAL
    if not good.all():
        place = int(np.argmin(good))
        raise BadScene(
            f"the pose of instance {place} cannot be drawn: a rotation of orthonormal rows, scales above 0 and finite "
            f"positions are needed, not {[float(number) for number in poses[place]]}"
        )


def _materials(scene: Scene) -> tuple[Floats, list[Texture], NDArray[np.int64], Ints]:
    """The table of distinct materials, their textures, and which rows the parts of every instance have."""
    rows: dict[int, int] = {}
    textures: dict[int, int] = {}
    table: list[tuple[float, ...]] = []
    kept: list[Texture] = []
    starts = np.zeros(len(scene.instances) + 1, dtype=np.int64)
    picked: list[int] = []
    for place, instance in enumerate(scene.instances):
        for material in instance.materials:
            row = rows.get(id(material))
            if row is None:
                row = rows[id(material)] = len(table)
                texture = material.texture
                if texture is not None and id(texture) not in textures:
                    textures[id(texture)] = len(kept)
                    kept.append(texture)
                table.append(_material_row(material, -1 if texture is None else textures[id(texture)]))
            picked.append(row)
        starts[place + 1] = len(picked)
    packed = np.array(table, dtype=np.float64).reshape(-1, MATERIAL_COLUMNS)
    return packed, kept, starts, np.array(picked, dtype=np.int32)


def _material_row(material: Material, texture: int) -> tuple[float, ...]:
    cutout = material.texture is not None and material.texture.pixels.shape[2] == 4
    return (
        *material.colour,
        float(_KINDS[material.kind]),
        material.roughness,
        material.specular,
        material.translucency,
        material.emission,
        float(texture),
        float(material.two_sided),
        float(cutout),
    )


def _meshes_of(scene: Scene) -> tuple[NDArray[np.int64], list[_PackedMesh]]:
    """Which of the distinct meshes every instance has, and those meshes."""
    numbers: dict[int, int] = {}
    meshes: list[_PackedMesh] = []
    places = np.empty(len(scene.instances), dtype=np.int64)
    for place, instance in enumerate(scene.instances):
        number = numbers.get(id(instance.mesh))
        if number is None:
            number = numbers[id(instance.mesh)] = len(meshes)
            meshes.append(_packed_mesh(instance.mesh))
        places[place] = number
    return places, meshes


def _running(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    total = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=total[1:])
    return total


def _joined(arrays: list[Any], shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    if not arrays:
        return np.empty(shape, dtype=dtype)
    return np.concatenate(arrays) if len(arrays) > 1 else np.asarray(arrays[0])


@kernel
def _place(
    positions: Floats,
    triangles: Ints,
    parts: Ints,
    mesh_starts: tuple[NDArray[np.int64], NDArray[np.int64]],
    standing: tuple[NDArray[np.int64], Floats, NDArray[np.int64], Ints],
    starts: tuple[NDArray[np.int64], NDArray[np.int64]],
    made: tuple[Floats, Ints, Ints, Ints, Ints, Floats],
) -> None:
    """Copy every instance's mesh into the world."""
    mesh_vertex, mesh_triangle = mesh_starts
    places, poses, material_starts, rows = standing
    first_vertex, first_triangle = starts
    out_vertices, out_triangles, owner, material, source, turns = made
    for i in range(len(places)):
        mesh = places[i]
        r00, r01, r02 = poses[i, 0], poses[i, 1], poses[i, 2]
        r10, r11, r12 = poses[i, 3], poses[i, 4], poses[i, 5]
        r20, r21, r22 = poses[i, 6], poses[i, 7], poses[i, 8]
        sx, sy, sz = poses[i, 9], poses[i, 10], poses[i, 11]
        px, py, pz = poses[i, 12], poses[i, 13], poses[i, 14]
        turns[i, 0], turns[i, 1], turns[i, 2] = r00 / sx, r01 / sy, r02 / sz
        turns[i, 3], turns[i, 4], turns[i, 5] = r10 / sx, r11 / sy, r12 / sz
        turns[i, 6], turns[i, 7], turns[i, 8] = r20 / sx, r21 / sy, r22 / sz
        start = mesh_vertex[mesh]
        for v in range(start, mesh_vertex[mesh + 1]):
            x, y, z = positions[v, 0] * sx, positions[v, 1] * sy, positions[v, 2] * sz
            to = first_vertex[i] + v - start
            out_vertices[to, 0] = r00 * x + r01 * y + r02 * z + px
            out_vertices[to, 1] = r10 * x + r11 * y + r12 * z + py
            out_vertices[to, 2] = r20 * x + r21 * y + r22 * z + pz
        start = mesh_triangle[mesh]
        shift = first_vertex[i]
        for f in range(start, mesh_triangle[mesh + 1]):
            to = first_triangle[i] + f - start
            out_triangles[to, 0] = triangles[f, 0] + shift
            out_triangles[to, 1] = triangles[f, 1] + shift
            out_triangles[to, 2] = triangles[f, 2] + shift
            owner[to] = i
            material[to] = rows[material_starts[i] + parts[f]]
            source[to] = f
