"""The synthesis engine: CPU-ms of a labelled unit, encoded and written, flat over many units, and beside its peers.

120 packages at 640x480 with RGB, ids, semantic classes, depth, normals, illumination, boxes and run lengths, packed into
shards and written; 400 packages at 1280x960; where the time goes; two processes at once; the other renderers. CPU-ms are
process CPU time over all threads, medians. Run: `python benchmarks/bench_synthesis.py [--units 200] [--quick]`, and with
`--peers [--mitsuba-python PATH] [--bpy-python PATH]` the same scenes by moderngl, Mitsuba and Blender's Cycles in the
same run; each peer has an interpreter of its own, in which it is installed, and is left out with a reason otherwise.
"""

from __future__ import annotations

import argparse
import importlib
import json
import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from neuromation.synthetic.formats.recipe import recipe_of
from neuromation.synthetic.formats.shard import BYTES_MAX, ShardPacker
from neuromation.synthetic.render import default_renderer, renderer_named, warm_up
from neuromation.synthetic.render.labels import passes_for
from neuromation.synthetic.render.raster_pack import pack_scene
from synthesis_scene import SHOP, ShopParams, shop_scene

PEERS_SCRIPT = Path(__file__).with_name("synthesis_peers.py")
LARGE = {"width": 1280, "height": 960, "products": 400, "rows": 8}
SMALL_AIM_MS, LARGE_AIM_MS, SCALING_AIM = 100.0, 400.0, 1.9
SHARD_UNITS = 16

# Where the time of a unit goes: a step, and the functions that it consists of.
STEPS = {
    "sampling the scene": ("synthesis_scene", ["shop_scene"]),
    "packing the scene": ("neuromation.synthetic.render.exact_renderer", ["pack_scene"]),
    "visibility": ("neuromation.synthetic.render.exact_renderer", ["draw", "_ids_and_depth"]),
    "sky openness": ("neuromation.synthetic.render.exact_renderer", ["sky_openness"]),
    "places and soft shadows": (
        "neuromation.synthetic.render.exact_renderer",
        ["grid_places", "receivers_of", "lights_seen"],
    ),
    "shadow maps": ("neuromation.synthetic.render.exact_renderer", ["shadow_maps"]),
    "shading": ("neuromation.synthetic.render.exact_renderer", ["shade"]),
    "camera": ("neuromation.synthetic.render.exact_renderer", ["develop"]),
    "labels": ("neuromation.synthetic.render.labels", ["labelled_unit"]),
    "pictures packed": ("neuromation.synthetic.formats.columns", ["pack"]),
    "annotations written": ("neuromation.synthetic.formats.shard", ["annotations_text"]),
    "hash": ("neuromation.synthetic.formats.shard", ["content_hash"]),
}


def cpu_ms() -> float:
    """CPU time of this process over all threads, ms."""
    return 1000.0 * time.process_time()


def rss_mib() -> float:
    """Memory of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def written_units(params: ShopParams, first: int, units: int, out: Path) -> Iterator[tuple[float, float]]:
    """CPU-ms and resident MiB of every unit, generated, packed and written; a shard's end counts to its last unit."""
    recipe = recipe_of(SHOP, params, 1)
    packer = ShardPacker(recipe)
    for index in range(first, first + units):
        started = cpu_ms()
        packer.add(SHOP.unit(params, 1, index))
        if (index - first) % SHARD_UNITS == SHARD_UNITS - 1 or packer.packed_bytes > BYTES_MAX // 2:
            (out / f"{index}.parquet").write_bytes(packer.finish().data)
            (out / f"{index}.parquet").unlink()
            packer = ShardPacker(recipe)
        yield cpu_ms() - started, rss_mib()


@contextmanager
def timed_steps(found: dict[str, list[float]]) -> Iterator[None]:
    """Measure the functions of `STEPS` while this is open; time of a step inside a step counts twice."""
    undo: list[tuple[Any, str, Any]] = []
    for step, (module_name, names) in STEPS.items():
        module = importlib.import_module(module_name)
        for name in names:
            original = getattr(module, name, None)
            if original is not None:
                undo.append((module, name, original))
                setattr(module, name, _timed(original, step, found))
    try:
        yield
    finally:
        for module, name, original in undo:
            setattr(module, name, original)


def _timed(function: Callable[..., Any], step: str, found: dict[str, list[float]]) -> Callable[..., Any]:
    def measured(*args: Any, **kwargs: Any) -> Any:
        started = cpu_ms()
        try:
            return function(*args, **kwargs)
        finally:
            found[step].append(cpu_ms() - started)

    return measured


def slope_per_1000(values: list[float]) -> str:
    """Growth over 1,000 units of the straight line through these; of a few units it says nothing."""
    if len(values) < 50:
        return "-"
    return f"{float(np.polyfit(np.arange(len(values)), np.array(values), 1)[0]) * 1000:+.1f} ms"


def main_table(console: Console, units: int, large_units: int, out: Path) -> float:
    """The figures of a unit; the median of the small scene, CPU-ms."""
    table = Table("scene", "units", "median CPU-ms", "aim", "10 %", "90 %", "per 1,000 units", "RSS MiB", "more RSS")
    medians = {}
    for name, params, count, aim in (
        ("120 packages, 640x480", ShopParams(), units, SMALL_AIM_MS),
        ("400 packages, 1280x960", ShopParams(**LARGE), large_units, LARGE_AIM_MS),
    ):
        list(written_units(params, 0, 2, out))  # tables and textures
        rows = list(written_units(params, 0, count, out))
        times, memory = [row[0] for row in rows], [row[1] for row in rows]
        medians[name] = statistics.median(times)
        low, high = np.percentile(times, [10, 90])
        table.add_row(
            name, str(count), f"{medians[name]:.1f}", f"<= {aim:.0f}", f"{low:.1f}", f"{high:.1f}",
            slope_per_1000(times), f"{memory[-1]:.0f}", f"{memory[-1] - memory[len(memory) // 10]:+.1f}",
        )  # fmt: skip
    console.print(table)
    return medians["120 packages, 640x480"]


def parts_table(console: Console, units: int) -> None:
    """Where the time of a small unit goes."""
    params = ShopParams()
    found: dict[str, list[float]] = defaultdict(list)
    with timed_steps(found):
        packer = ShardPacker(recipe_of(SHOP, params, 1))
        started = cpu_ms()
        for index in range(units):
            packer.add(SHOP.unit(params, 1, index))
        total = (cpu_ms() - started) / units
    table = Table("part of a unit", "CPU-ms", "share")
    for step in STEPS:
        spent = sum(found[step]) / units
        table.add_row(step, f"{spent:.1f}", f"{100 * spent / total:.0f} %")
    rest = total - sum(sum(values) for values in found.values()) / units
    table.add_row("the rest", f"{rest:.1f}", f"{100 * rest / total:.0f} %")
    table.add_row("all", f"{total:.1f}", "100 %")
    console.print(table)


def _work(units: int, start: Any, done: Any) -> None:
    """One process of the scaling test: warm, wait for the others, make units, tell how long it took."""
    with tempfile.TemporaryDirectory() as folder:
        list(written_units(ShopParams(), 0, 2, Path(folder)))
        start.wait()
        began = time.perf_counter()
        list(written_units(ShopParams(), 0, units, Path(folder)))
        done.put(time.perf_counter() - began)


def scaling(processes: int, units: int) -> float:
    """Units a second of so many processes at once, by the wall clock."""
    context = multiprocessing.get_context("spawn")
    start, done = context.Barrier(processes), context.Queue()
    workers = [context.Process(target=_work, args=(units, start, done)) for _ in range(processes)]
    for worker in workers:
        worker.start()
    longest: float = max(done.get() for _ in workers)
    for worker in workers:
        worker.join()
    return processes * units / longest


def scaling_table(console: Console, units: int) -> None:
    alone, both = scaling(1, units), scaling(2, units)
    table = Table("processes", "units/s", "times one", "aim")
    table.add_row("1", f"{alone:.1f}", "1.00", "")
    table.add_row("2", f"{both:.1f}", f"{both / alone:.2f}", f">= {SCALING_AIM}")
    console.print(table)


def tier_times(name: str, frames: int) -> list[float]:
    """CPU-ms of frames by one of our own renderers, labels and picture, neither packed nor written."""
    params = ShopParams()
    renderer = renderer_named(name)  # type: ignore[arg-type]
    times = []
    for index in range(frames + 1):
        scene = shop_scene(params, 1, index)
        started = cpu_ms()
        renderer.render(scene, passes_for(params.labels), seed=index)
        times.append(cpu_ms() - started)
    return times[1:]  # the first one compiles


def write_scenes(frames: int, folder: Path) -> list[Path]:
    """The benchmark's scenes as arrays that any interpreter can read."""
    params, paths = ShopParams(), []
    for index in range(frames):
        scene = shop_scene(params, 1, index)
        packed = pack_scene(scene)
        normals = np.einsum("fij,fkj->fki", packed.turns.reshape(-1, 3, 3)[packed.owner], packed.normals[packed.source])
        normals /= np.sqrt((normals * normals).sum(axis=2, keepdims=True))
        camera = scene.camera
        arrays = {
            "vertices": packed.vertices[packed.triangles].astype(np.float32),  # (F, 3, 3)
            "normals": normals.astype(np.float32),
            "uvs": packed.uvs[packed.source],
            "owner": packed.owner,
            "material": packed.material,
            "materials": packed.materials,
            "camera": np.array([camera.width, camera.height, camera.focal_px, *camera.position, *camera.rotation]),
            "lights": np.array([[*light.position, *light.u, *light.v, light.strength] for light in scene.lights]),
            "sky": np.array(scene.sky.zenith),
            **{f"texture{n}": texture.pixels[..., :3] for n, texture in enumerate(packed.textures)},
        }
        paths.append(folder / f"scene{index}.npz")
        np.savez(paths[-1], **arrays)
    return paths


def peer_times(peer: str, python: str, paths: list[Path]) -> list[float] | str:
    """CPU-ms of each frame by a peer in its own interpreter, or why there are none."""
    try:
        made = subprocess.run(
            [python, str(PEERS_SCRIPT), peer, *map(str, paths)],
            capture_output=True,
            text=True,
            timeout=1800,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)[:100]
    if made.returncode != 0:
        return (made.stderr.strip().splitlines() or ["no reason given"])[-1][:100]
    times: list[float] = json.loads(made.stdout.strip().splitlines()[-1])
    return times


def peers_table(console: Console, arguments: argparse.Namespace) -> None:
    """Frames by every renderer that is here, one after the other, as ratios to the default."""
    found: dict[str, list[float] | str] = {"exact (default)": tier_times("exact", arguments.frames)}
    for label, tier in (("gpu tier: moderngl", "gpu"), ("photoreal tier: Embree + OIDN", "photoreal")):
        try:
            found[label] = tier_times(tier, max(2, arguments.frames // 2))
        except Exception as error:  # a benchmark tells what is missing and goes on
            found[label] = str(error)[:100]
    with tempfile.TemporaryDirectory() as folder:
        paths = write_scenes(max(2, arguments.frames // 3), Path(folder))
        for label, peer, python in (
            ("Mitsuba 3, llvm, path, 4 samples", "mitsuba", arguments.mitsuba_python),
            ("Blender Cycles, 4 samples", "cycles", arguments.bpy_python),
            ("Blender Cycles, 1 sample", "cycles1", arguments.bpy_python),
        ):
            found[label] = peer_times(peer, python or sys.executable, paths)
    table = Table("renderer", "CPU-ms a frame", "times the default", "frames")
    ours = found["exact (default)"]
    assert not isinstance(ours, str)
    for label, times in found.items():
        if isinstance(times, str):
            table.add_row(label, "-", times, "0")
        else:
            middle = statistics.median(times)
            table.add_row(label, f"{middle:,.0f}", f"{middle / statistics.median(ours):.1f}", str(len(times)))
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=200, help="units of the small scene")
    parser.add_argument("--frames", type=int, default=10, help="frames of every renderer with --peers")
    parser.add_argument("--quick", action="store_true", help="few units, no second process")
    parser.add_argument("--peers", action="store_true", help="also the other renderers")
    parser.add_argument("--peers-only", action="store_true", help="nothing but the other renderers")
    parser.add_argument("--mitsuba-python", help="an interpreter with mitsuba")
    parser.add_argument("--bpy-python", help="an interpreter with bpy")
    arguments = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    console = Console(width=140)
    units = 12 if arguments.quick else arguments.units
    warm_up()
    default_renderer()
    if not arguments.peers_only:
        with tempfile.TemporaryDirectory() as folder:
            main_table(console, units, max(6, units // 10), Path(folder))
        parts_table(console, min(units, 40))
        if not arguments.quick:
            scaling_table(console, min(units, 100))
    if arguments.peers or arguments.peers_only:
        peers_table(console, arguments)


if __name__ == "__main__":
    main()
