"""The benchmark's scenes by other renderers: run by an interpreter in which the peer is installed, not ours.

`python benchmarks/synthesis_peers.py PEER SCENE.npz...` prints a list of CPU-ms, one a scene, as JSON; PEER is mitsuba,
cycles or cycles1 (one sample). Each scene is built anew from arrays in memory, as ours is, and gives picture, ids, depth and
normals.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np


def groups(data: Any) -> list[tuple[int, int, np.ndarray]]:
    """Instance, material and triangles of everything that has one of each."""
    keys = data["owner"].astype(np.int64) * 100_000 + data["material"]
    return [(int(key) // 100_000, int(key) % 100_000, np.flatnonzero(keys == key)) for key in np.unique(keys)]


def by_mitsuba(data: Any, state: dict[str, Any]) -> None:
    """Path tracing with 4 samples and depth 3, on LLVM: version 16 or later, where DRJIT_LIBLLVM_PATH says."""
    import mitsuba as mi

    if not state:
        mi.set_variant("llvm_ad_rgb")
    width, height, focal = (float(number) for number in data["camera"][:3])
    position, turn = data["camera"][3:6], data["camera"][6:].reshape(3, 3)
    to_world = np.eye(4)
    to_world[:3, 0], to_world[:3, 1], to_world[:3, 2], to_world[:3, 3] = -turn[0], -turn[1], turn[2], position
    scene: dict[str, Any] = {
        "type": "scene",
        "integrator": {
            "type": "aov", "aovs": "depth:depth,normal:sh_normal,id:shape_index",
            "image": {"type": "path", "max_depth": 3},
        },
        "sensor": {
            "type": "perspective", "fov": float(np.degrees(2 * np.arctan(width / 2 / focal))), "fov_axis": "x",
            "to_world": mi.ScalarTransform4f(to_world),
            "film": {"type": "hdrfilm", "width": int(width), "height": int(height), "rfilter": {"type": "box"}},
            "sampler": {"type": "independent", "sample_count": 4},
        },
        "sky": {"type": "constant", "radiance": {"type": "rgb", "value": data["sky"].tolist()}},
    }  # fmt: skip
    for n, row in enumerate(data["lights"]):
        u, v = row[3:6], row[6:9]
        across = np.cross(u, v)
        world = np.eye(4)
        world[:3, 0], world[:3, 1], world[:3, 2], world[:3, 3] = u, v, across / np.linalg.norm(across), row[:3]
        scene[f"light{n}"] = {
            "type": "rectangle", "to_world": mi.ScalarTransform4f(world),
            "emitter": {"type": "area", "radiance": {"type": "rgb", "value": [float(row[9])] * 3}},
        }  # fmt: skip
    for instance, material, faces in groups(data):
        row = data["materials"][material]
        colour: dict[str, Any] = {"type": "rgb", "value": row[:3].tolist()}
        if row[8] >= 0:
            pixels = data[f"texture{int(row[8])}"]
            colour = {"type": "bitmap", "bitmap": mi.Bitmap(pixels), "raw": False}
        smooth = {"type": "plastic", "diffuse_reflectance": colour}
        bsdf = mi.load_dict(smooth if row[3] == 1 else {"type": "diffuse", "reflectance": colour})
        properties = mi.Properties()
        properties["mesh_bsdf"] = bsdf
        count = 3 * len(faces)
        mesh = mi.Mesh(
            f"m{instance}-{material}",
            count,
            len(faces),
            props=properties,
            has_vertex_normals=True,
            has_vertex_texcoords=True,
        )
        arrays = mi.traverse(mesh)
        arrays["vertex_positions"] = data["vertices"][faces].ravel()
        arrays["vertex_normals"] = data["normals"][faces].ravel()
        arrays["vertex_texcoords"] = data["uvs"][faces].ravel()
        arrays["faces"] = np.arange(count, dtype=np.uint32)
        arrays.update()
        scene[f"mesh{instance}-{material}"] = mesh
    made = np.array(mi.render(mi.load_dict(scene)))
    assert made.shape[2] >= 8, made.shape
    state["last"] = made


def by_cycles(data: Any, state: dict[str, Any], samples: int) -> None:
    """Blender's path tracer, with index, depth and normal passes, written as EXR, which is how they are had."""
    import bpy
    import mathutils

    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.samples, scene.cycles.max_bounces, scene.cycles.use_denoising = samples, 2, False
    width, height, focal = (float(number) for number in data["camera"][:3])
    scene.render.resolution_x, scene.render.resolution_y = int(width), int(height)
    layer = bpy.context.view_layer
    layer.use_pass_object_index = layer.use_pass_z = layer.use_pass_normal = True
    scene.render.image_settings.file_format = "OPEN_EXR_MULTILAYER" if bpy.app.version < (5, 0, 0) else "OPEN_EXR"
    scene.world = bpy.data.worlds.new("world")
    scene.world.color = data["sky"].tolist()
    lens = bpy.data.cameras.new("camera")
    lens.sensor_width, lens.lens = 36.0, focal / width * 36.0
    camera = bpy.data.objects.new("camera", lens)
    turn = data["camera"][6:].reshape(3, 3)
    matrix = np.eye(4)
    matrix[:3, 0], matrix[:3, 1], matrix[:3, 2], matrix[:3, 3] = turn[0], -turn[1], -turn[2], data["camera"][3:6]
    camera.matrix_world = mathutils.Matrix(matrix.tolist())
    scene.collection.objects.link(camera)
    scene.camera = camera
    for n, row in enumerate(data["lights"]):
        lamp = bpy.data.lights.new(f"light{n}", "AREA")
        u, v = row[3:6], row[6:9]
        sides = 2 * np.linalg.norm(u), 2 * np.linalg.norm(v)
        lamp.shape, lamp.size, lamp.size_y = "RECTANGLE", sides[0], sides[1]
        lamp.energy = float(row[9]) * sides[0] * sides[1] * np.pi
        world = np.eye(4)
        across = np.cross(u, v)
        world[:3, 0], world[:3, 1] = u / np.linalg.norm(u), -v / np.linalg.norm(v)
        world[:3, 2], world[:3, 3] = -across / np.linalg.norm(across), row[:3]
        thing = bpy.data.objects.new(f"light{n}", lamp)
        thing.matrix_world = mathutils.Matrix(world.tolist())
        scene.collection.objects.link(thing)
    materials = [_cycles_material(bpy, data, row) for row in data["materials"]]
    for instance in np.unique(data["owner"]):
        faces = np.flatnonzero(data["owner"] == instance)
        mesh = bpy.data.meshes.new(f"mesh{instance}")
        count = 3 * len(faces)
        mesh.vertices.add(count)
        mesh.vertices.foreach_set("co", data["vertices"][faces].ravel())
        mesh.loops.add(count)
        mesh.loops.foreach_set("vertex_index", np.arange(count, dtype=np.int32))
        mesh.polygons.add(len(faces))
        mesh.polygons.foreach_set("loop_start", np.arange(0, count, 3, dtype=np.int32))
        rows, slots = np.unique(data["material"][faces], return_inverse=True)
        mesh.polygons.foreach_set("material_index", slots.astype(np.int32))
        uvs = data["uvs"][faces].reshape(-1, 2) * np.array([1, -1]) + np.array([0, 1])
        mesh.uv_layers.new().data.foreach_set("uv", uvs.astype(np.float32).ravel())
        for row in rows:
            mesh.materials.append(materials[row])
        mesh.update()
        mesh.normals_split_custom_set(data["normals"][faces].reshape(-1, 3).tolist())
        thing = bpy.data.objects.new(f"thing{instance}", mesh)
        thing.pass_index = int(instance) + 1
        scene.collection.objects.link(thing)
    scene.render.filepath = str(Path(state.setdefault("folder", tempfile.mkdtemp())) / "frame.exr")
    bpy.ops.render.render(write_still=True)


def _cycles_material(bpy: Any, data: Any, row: np.ndarray) -> Any:
    material = bpy.data.materials.new("material")
    material.use_nodes = True
    shader = material.node_tree.nodes["Principled BSDF"]
    shader.inputs["Base Color"].default_value = (*row[:3].tolist(), 1.0)
    shader.inputs["Roughness"].default_value = float(row[4])
    shader.inputs["Metallic"].default_value = float(row[3] == 2)
    if row[8] >= 0:
        pixels = data[f"texture{int(row[8])}"]
        name = f"texture{int(row[8])}"
        image = bpy.data.images.get(name)
        if image is None:
            image = bpy.data.images.new(name, pixels.shape[1], pixels.shape[0])
            full = np.ones((*pixels.shape[:2], 4), np.float32)
            full[..., :3] = pixels[::-1] / 255.0
            image.pixels.foreach_set(full.ravel())
        node = material.node_tree.nodes.new("ShaderNodeTexImage")
        node.image = image
        material.node_tree.links.new(node.outputs["Color"], shader.inputs["Base Color"])
    return material


def main() -> None:
    peer, *paths = sys.argv[1:]
    state: dict[str, Any] = {}
    times = []
    for path in [paths[0], *paths]:  # the first one compiles
        data = dict(np.load(path))
        started = time.process_time()
        if peer == "mitsuba":
            by_mitsuba(data, state)
        else:
            by_cycles(data, state, 1 if peer == "cycles1" else 4)
        times.append(1000 * (time.process_time() - started))
    print(json.dumps(times[1:]))


if __name__ == "__main__":
    main()
