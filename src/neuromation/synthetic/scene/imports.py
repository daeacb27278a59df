"""Meshes and pictures from files that others made: OBJ, glTF, GLB, STL, PLY to `Mesh` and `Material`, checked and scaled.

Files are read by trimesh; this module decides what may be read at all. Whatever is wrong with a file ends in BadScene,
and nothing outside of the file's own folder is opened.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuromation.synthetic.errors import BadScene
from neuromation.synthetic.scene.meshes_build import SIZE_MAX_M, MeshBuilder
from neuromation.synthetic.scene.model import TEXTURE_SIDE_MAX, TRIANGLES_MAX, Material, Mesh, Texture, Vector

BYTES_MAX = 128 * 2**20  # of one file, and of all that it names together
FILES_MAX = 64  # that one mesh may name
PARTS_MAX = 256
SUFFIXES = (".obj", ".glb", ".gltf", ".stl", ".ply")
_ARCHIVES = (
    b"PK",
    b"\x1f\x8b",
    b"BZh",
    b"7z\xbc\xaf",
    b"\xfd7zXZ",
    b"\x28\xb5\x2f\xfd",
)  # zip, gzip, bzip2, 7z, xz, zstd
UNITS_M = {"m": 1.0, "cm": 0.01, "mm": 0.001, "in": 0.0254, "ft": 0.3048}
PICTURE_PIXELS_MAX = TEXTURE_SIDE_MAX * TEXTURE_SIDE_MAX


@dataclass(frozen=True, eq=False)
class Imported:
    """A mesh, one material for each of its parts, and the names they had."""

    mesh: Mesh
    materials: tuple[Material, ...]
    names: tuple[str, ...]


def load_mesh(
    path: Path,
    *,
    unit: str = "m",
    up: str = "",
    size_m: float | None = None,
    triangles_max: int = 200_000,
) -> Imported:
    """The mesh of a file: z up, standing on z = 0 around the middle of its footprint.

    Args:
        path: an .obj (with .mtl and pictures beside it), .glb, .gltf, .stl or .ply.
        unit: what a length of 1 in the file means: "m", "cm", "mm", "in" or "ft". glTF is in metres by its standard.
        up: the axis that points up in the file, "y" or "z"; "" for what is usual: y for OBJ and glTF, z for the others.
        size_m: its largest side in metres; the file's own lengths are then not used.
        triangles_max: more are refused.

    Raises BadScene: no such file, another kind of file, broken, empty, NaN, over a limit, or a path that leads out of
    the file's folder.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind not in SUFFIXES:
        raise BadScene(f"{path.name!r} is no mesh that can be read; these are: {', '.join(SUFFIXES)}")
    if unit not in UNITS_M or up not in ("", "y", "z"):
        raise BadScene(f"unit is one of {', '.join(UNITS_M)} and up is y or z, not {unit!r} and {up!r}")
    if size_m is not None and not 0.0 < size_m <= SIZE_MAX_M:
        raise BadScene(f"a mesh's size is more than 0 and at most {SIZE_MAX_M:g} m, not {size_m}")
    scene = _read(path, kind)
    pieces = _pieces(scene, path.name, min(triangles_max, TRIANGLES_MAX))
    up = up or ("y" if kind in (".obj", ".glb", ".gltf") else "z")
    return _joined(pieces, path.name, UNITS_M[unit], up, size_m)


class _Folder:
    """Opens files of one folder and of no other, for trimesh: what it calls a resolver."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._opened = 0
        self._left = BYTES_MAX

    def get(self, name: str) -> bytes:
        """The bytes of a file beside the mesh. Raises BadScene."""
        asked = Path(name.strip())
        there = (self._folder / asked).resolve()
        if asked.is_absolute() or not there.is_relative_to(self._folder):
            raise BadScene(f"the mesh names {name[:80]!r}, which is not in its folder")
        if not there.is_file():
            raise BadScene(f"the mesh names {name[:80]!r}, which is not there")
        self._opened += 1
        if self._opened > FILES_MAX:
            raise BadScene(f"the mesh names more than {FILES_MAX} files")
        data = _bytes_of(there, self._left)
        self._left -= len(data)
        return data

    def namespaced(self, _name: str) -> _Folder:
        return self

    def keys(self) -> list[str]:
        return sorted(item.name for item in self._folder.iterdir() if item.is_file())

    def __getitem__(self, name: str) -> bytes:
        return self.get(name)


def _bytes_of(path: Path, limit: int) -> bytes:
    try:
        if path.stat().st_size > limit:
            raise BadScene(f"{path.name!r} has {path.stat().st_size:,} bytes; {limit:,} can be read")
        return path.read_bytes()
    except OSError as error:
        raise BadScene(f"{path.name!r} cannot be read: {error.strerror}") from error


def _read(path: Path, kind: str) -> Any:
    """What trimesh makes of a file: a scene of meshes."""
    import trimesh

    data = _bytes_of(path, BYTES_MAX)
    if not data:
        raise BadScene(f"{path.name!r} is empty")
    if data.startswith(_ARCHIVES):
        raise BadScene(f"{path.name!r} is an archive, not a mesh")
    resolver: Any = _Folder(path.parent)
    if kind == ".obj":
        _check_obj(data, resolver, path.name)
    try:
        return trimesh.load_scene(io.BytesIO(data), file_type=kind[1:], resolver=resolver)
    except BadScene:
        raise
    except Exception as error:  # whatever a parser of foreign bytes may raise
        raise BadScene(f"{path.name!r} is broken: {str(error)[:120] or type(error).__name__}") from error


def _check_obj(data: bytes, folder: _Folder, name: str) -> None:
    """Look at what an OBJ names before anything is opened: trimesh passes over what it cannot find."""
    for line in data.splitlines():
        words = line.split(maxsplit=1)
        if len(words) == 2 and words[0] == b"mtllib":
            library = words[1].decode("utf-8", "replace")
            for row in folder.get(library).splitlines():
                entry = row.split()
                if (
                    entry
                    and entry[0].lower().startswith((b"map_", b"bump", b"disp", b"decal", b"refl"))
                    and len(entry) > 1
                ):
                    folder.get(entry[-1].decode("utf-8", "replace"))
        elif words and words[0] == b"v" and b"nan" in line.lower():
            raise BadScene(f"{name!r} has a vertex that is not a number")


def _pieces(scene: Any, name: str, triangles_max: int) -> list[tuple[str, Any]]:
    """Every mesh of a scene in its place, with its name. Raises BadScene for nothing, too much, NaN."""
    pieces: list[tuple[str, Any]] = []
    count = 0
    for node in scene.graph.nodes_geometry:
        transform, geometry = scene.graph[node]
        shape = scene.geometry[geometry]
        if not hasattr(shape, "faces"):
            continue
        count += len(shape.faces)
        if count > triangles_max:
            raise BadScene(f"{name!r} has more than {triangles_max:,} triangles")
        placed = shape.copy()
        placed.apply_transform(transform)
        pieces.append((str(geometry), placed))
    if count == 0:
        raise BadScene(f"{name!r} holds no triangles")
    if len(pieces) > PARTS_MAX:
        raise BadScene(f"{name!r} has {len(pieces):,} parts; at most {PARTS_MAX} can be read")
    if not all(np.isfinite(shape.vertices).all() for _, shape in pieces):
        raise BadScene(f"{name!r} has a vertex that is not a number")
    return pieces


def _joined(pieces: list[tuple[str, Any]], name: str, unit_m: float, up: str, size_m: float | None) -> Imported:
    corners = [
        _stood_up(np.asarray(shape.vertices, dtype=np.float64), up)[np.asarray(shape.faces)] for _, shape in pieces
    ]
    low = np.min([c.reshape(-1, 3).min(axis=0) for c in corners], axis=0)
    high = np.max([c.reshape(-1, 3).max(axis=0) for c in corners], axis=0)
    largest = float((high - low).max())
    if not largest > 0.0:
        raise BadScene(f"{name!r} has no size: all its vertices are one point")
    scale = size_m / largest if size_m is not None else unit_m
    if largest * scale > SIZE_MAX_M:
        raise BadScene(f"{name!r} is {largest * scale:,.0f} m large; say in which unit it is, or its size")
    foot = np.array([0.5 * (low[0] + high[0]), 0.5 * (low[1] + high[1]), low[2]])
    builder = MeshBuilder()
    for part, ((_, shape), points) in enumerate(zip(pieces, corners, strict=True)):
        normals = _stood_up(np.asarray(shape.vertex_normals, dtype=np.float64), up)[np.asarray(shape.faces)]
        normals = np.where(np.isfinite(normals), normals, 0.0)
        builder.triangles((points - foot) * scale, _uvs(shape), part=part, normals=normals)
    try:
        mesh = builder.build()
    except ValueError as error:
        raise BadScene(f"{name!r} holds no triangles that have an area") from error
    return Imported(mesh, tuple(_material(shape, name) for _, shape in pieces), tuple(text for text, _ in pieces))


def _stood_up(vectors: NDArray[np.float64], up: str) -> NDArray[np.float64]:
    if up == "z":
        return vectors
    turned: NDArray[np.float64] = np.stack([vectors[:, 0], -vectors[:, 2], vectors[:, 1]], axis=1)
    return turned


def _uvs(shape: Any) -> NDArray[np.float64]:
    """Texture places of every corner, (0, 0) at the top left; zeros where it has none."""
    uv = getattr(shape.visual, "uv", None)
    faces = np.asarray(shape.faces)
    if uv is None or len(uv) != len(shape.vertices):
        return np.zeros((len(faces), 3, 2))
    places: NDArray[np.float64] = np.asarray(uv, dtype=np.float64)[:, :2][faces]
    if not np.isfinite(places).all():
        raise BadScene("a mesh has texture places that are no numbers")
    places[..., 1] = 1.0 - places[..., 1]
    return places


def _material(shape: Any, name: str) -> Material:
    """The material nearest to what the file says: colour, picture, metal or coat."""
    source = getattr(shape.visual, "material", None)
    colour = (0.6, 0.6, 0.6)
    texture = None
    metal, roughness = 0.0, 0.6
    if source is not None:
        image = _first(source, "baseColorTexture", "image")
        texture = _texture(image, name) if image is not None else None
        plain = _first(source, "baseColorFactor", "diffuse", "main_color")
        if plain is not None:
            colour = _linear(plain)
        metal = float(_first(source, "metallicFactor") or 0.0)
        rough = _first(source, "roughnessFactor")
        roughness = float(rough) if rough is not None else 0.6
    elif getattr(shape.visual, "kind", None) in ("face", "vertex"):
        colour = _linear(shape.visual.main_color)
    roughness = min(1.0, max(0.0, roughness))
    if texture is not None:
        colour = (1.0, 1.0, 1.0)
    kind = "metal" if metal > 0.5 else "coat" if roughness < 0.7 else "diffuse"
    return Material(colour, texture, kind, roughness)  # type: ignore[arg-type]


def _first(source: Any, *names: str) -> Any:
    for name in names:
        value = getattr(source, name, None)
        if value is not None:
            return value
    return None


def _linear(colour: Any) -> Vector:
    """A colour of bytes or of 0..1 as linear light; the sRGB curve by a polynomial that is good to 0.005."""
    values = [float(value) for value in np.asarray(colour).ravel()[:3]]
    if np.asarray(colour).dtype.kind in "ui":
        values = [value / 255.0 for value in values]
    red, green, blue = (min(1.0, max(0.0, v * (v * (v * 0.305306011 + 0.682171111) + 0.012522878))) for v in values)
    return red, green, blue


def _texture(image: Any, name: str) -> Texture:
    """A picture of a mesh, made smaller where it is larger than textures may be."""
    if image.width * image.height > 4 * PICTURE_PIXELS_MAX:
        raise BadScene(f"a picture of {name!r} is too large: {image.width} x {image.height} pixels")
    while max(image.size) > TEXTURE_SIDE_MAX:
        image = image.reduce(2)
    has_alpha = image.mode in ("RGBA", "LA", "PA")
    pixels = np.asarray(image.convert("RGBA" if has_alpha else "RGB")).copy()
    pixels.setflags(write=False)
    return Texture(pixels)
