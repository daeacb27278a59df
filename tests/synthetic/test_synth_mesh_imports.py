"""Files with meshes that others made are read, stood up and checked; what is wrong with them is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from neuromation.synthetic.errors import BadScene
from neuromation.synthetic.scene import imports
from neuromation.synthetic.scene.imports import load_mesh

QUAD = "v 0 0 0\nv 1 0 0\nv 1 2 0\nv 0 2 0\nvt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\nf 1/1 2/2 3/3\nf 1/1 3/3 4/4\n"


def a_file(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def a_picture(folder: Path, name: str = "paint.png") -> Path:
    pixels = np.zeros((4, 2, 3), dtype=np.uint8)
    pixels[0] = (255, 0, 0)  # the top row is red
    Image.fromarray(pixels).save(folder / name)
    return folder / name


@pytest.mark.parametrize("kind", ["obj", "glb", "stl", "ply"])
def test_a_box_comes_back_with_its_size_on_the_ground(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"box.{kind}"
    trimesh.creation.box((0.2, 0.3, 0.4)).export(path)
    found = load_mesh(path, up="z")
    low, high = found.mesh.bounds
    assert low == pytest.approx((-0.1, -0.15, 0.0), abs=1e-6)
    assert high == pytest.approx((0.1, 0.15, 0.4), abs=1e-6)
    assert len(found.materials) == int(found.mesh.parts.max()) + 1
    assert not found.mesh.positions.flags.writeable


def test_what_has_y_up_is_stood_up(tmp_path: Path) -> None:
    path = tmp_path / "tower.obj"
    trimesh.creation.box((0.2, 0.9, 0.4)).export(path)
    low, high = load_mesh(path).mesh.bounds
    assert (high[0] - low[0], high[1] - low[1], high[2]) == pytest.approx((0.2, 0.4, 0.9))


def test_units_and_sizes_scale(tmp_path: Path) -> None:
    path = tmp_path / "part.stl"
    trimesh.creation.box((20, 30, 40)).export(path)
    assert load_mesh(path, unit="mm").mesh.bounds[1][2] == pytest.approx(0.04)
    assert load_mesh(path, size_m=0.5).mesh.bounds[1][2] == pytest.approx(0.5)


def test_a_picture_stands_upright_on_its_mesh(tmp_path: Path) -> None:
    a_picture(tmp_path)
    a_file(tmp_path, "paint.mtl", "newmtl paint\nKd 1 1 1\nmap_Kd paint.png\n")
    path = a_file(tmp_path, "quad.obj", "mtllib paint.mtl\nusemtl paint\n" + QUAD)
    found = load_mesh(path)
    texture = found.materials[0].texture
    assert texture is not None
    assert tuple(texture.pixels[0, 0]) == (255, 0, 0)
    # The file's y is up: the highest corner has the top of the picture, v = 0.
    corners = found.mesh.positions[found.mesh.triangles]
    top = corners[..., 2] > corners[..., 2].max() - 1e-9
    assert np.allclose(found.mesh.uvs[top][:, 1], 0.0)


def test_colours_of_gltf_materials_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "ball.glb"
    ball = trimesh.creation.icosphere(2, 0.1)
    paint = trimesh.visual.material.PBRMaterial(
        baseColorFactor=(255, 0, 0, 255), metallicFactor=0.9, roughnessFactor=0.2
    )
    ball.visual = trimesh.visual.TextureVisuals(material=paint)
    ball.export(path)
    material = load_mesh(path).materials[0]
    assert material.kind == "metal"
    assert material.roughness == pytest.approx(0.2)
    assert material.colour == pytest.approx((1.0, 0.0, 0.0), abs=0.01)


BROKEN: dict[str, tuple[str, str | bytes, str]] = {
    "another kind": ("mesh.fbx", "x", "no mesh that can be read"),
    "empty": ("mesh.obj", "", "is empty"),
    "no triangles": ("mesh.obj", "v 0 0 0\nv 1 0 0\n", "no triangles|broken"),
    "not a number": ("mesh.obj", QUAD.replace("v 1 2 0", "v nan 2 0"), "not a number"),
    "not binary glTF": ("mesh.glb", b"glTF nonsense that is no file", "broken"),
    "an archive": ("mesh.ply", b"PK\x03\x04 and so on", "archive"),
    "a point": ("mesh.obj", "v 1 1 1\nv 1 1 1\nv 1 1 1\nf 1 2 3\n", "no size|no triangles|broken"),
    "a planet": ("mesh.obj", QUAD.replace("v 1 2 0", "v 1 6371000 0"), "large"),
    "a library elsewhere": ("mesh.obj", "mtllib ../../secret.mtl\n" + QUAD, "not in its folder"),
    "a library of the system": ("mesh.obj", "mtllib /etc/passwd\n" + QUAD, "not in its folder"),
    "no library": ("mesh.obj", "mtllib none.mtl\n" + QUAD, "not there"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_bad_file_is_refused_with_its_reason(tmp_path: Path, case: str) -> None:
    name, content, reason = BROKEN[case]
    with pytest.raises(BadScene, match=reason):
        load_mesh(a_file(tmp_path, name, content))


def test_a_picture_outside_of_the_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "mesh"
    folder.mkdir()
    a_picture(tmp_path)
    a_file(folder, "paint.mtl", "newmtl paint\nmap_Kd ../paint.png\n")
    with pytest.raises(BadScene, match="not in its folder"):
        load_mesh(a_file(folder, "quad.obj", "mtllib paint.mtl\nusemtl paint\n" + QUAD))


def test_a_gltf_that_names_a_buffer_elsewhere_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "mesh"
    folder.mkdir()
    files = trimesh.exchange.gltf.export_gltf(trimesh.Scene(trimesh.creation.box((1, 1, 1))))
    buffer = next(name for name in files if name.endswith(".bin"))
    a_file(tmp_path, buffer, files[buffer])
    path = a_file(folder, "box.gltf", files["model.gltf"].replace(buffer.encode(), f"../{buffer}".encode()))
    with pytest.raises(BadScene, match="not in its folder"):
        load_mesh(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadScene, match=r"none\.obj"):
        load_mesh(tmp_path / "none.obj")


LIMITS: dict[str, Callable[[Path, pytest.MonkeyPatch], object]] = {
    "triangles": lambda path, patch: load_mesh(path, triangles_max=1),
    "bytes": lambda path, patch: (patch.setattr(imports, "BYTES_MAX", 10), load_mesh(path)),
}


@pytest.mark.parametrize("limit", LIMITS)
def test_a_mesh_over_a_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    path = a_file(tmp_path, "quad.obj", QUAD)
    with pytest.raises(BadScene, match=r"more than 1 triangles|can be read"):
        LIMITS[limit](path, monkeypatch)
