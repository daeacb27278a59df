"""The exact renderer gives the same bits on every kind of x86 processor."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from neuromation.synthetic.render import default_renderer
from neuromation.synthetic.render.protocol import Frame, Pass
from neuromation.synthetic.render.warming import tiny_scene

ALL: frozenset[Pass] = frozenset({"rgb", "ids", "depth", "normals", "illumination", "amodal", "flow"})
# What every machine gives for the tiny scene. A change that means to alter pictures alters this, and the version of
# every generator that draws scenes.
LABELS_SHA256 = "dfdab7295dae2eb7a3774a7ceb5ce5d2933234d7e69fdb34797d4909873cda9a"


def frame_hash(frame: Frame) -> str:
    digest = hashlib.sha256()
    for array in (frame.rgb, frame.ids, frame.depth_m, frame.normals, frame.illumination, frame.flow_px):
        if array is not None:
            digest.update(array.tobytes())
    for number, whole in sorted(frame.amodal.items()):
        digest.update(f"{number} {whole.left} {whole.top} {whole.mask.shape}".encode() + whole.mask.tobytes())
    return digest.hexdigest()


def draw_tiny() -> str:
    """Hashes of the tiny scene in every pass, and supersampled; printed by the subprocesses below."""
    scene = tiny_scene()
    one = default_renderer().render(scene, ALL, seed=5, following=scene)
    fine = default_renderer().render(scene, {"rgb"}, seed=5, samples=2)
    return frame_hash(one) + frame_hash(fine)


def _drawn_elsewhere(folder: Path, cpu: str, emulator: list[str]) -> str:
    """What a process draws whose code is compiled for another processor, with a cache of its own."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder / cpu), "NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": ""}
    here = str(Path(__file__).parent)
    code = f"import sys; sys.path.insert(0, {here!r}); import test_synth_exactness as t; print(t.draw_tiny())"
    done = subprocess.run(
        [*emulator, sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=1800,
    )
    return done.stdout.strip()


def test_labels_of_the_tiny_scene_are_the_recorded_ones() -> None:
    frame = default_renderer().render(tiny_scene(), ALL - {"rgb", "flow"}, seed=5)
    assert frame_hash(frame) == LABELS_SHA256


@pytest.mark.slow
@pytest.mark.parametrize("cpu", ["nehalem", "haswell"])
def test_code_for_other_processors_gives_the_same_bits(cpu: str, tmp_path: Path) -> None:
    assert _drawn_elsewhere(tmp_path, cpu, []) == draw_tiny()


@pytest.mark.slow
def test_an_emulated_processor_gives_the_same_bits(tmp_path: Path) -> None:
    emulator = shutil.which("qemu-x86_64") or shutil.which("qemu-x86_64-static")
    if emulator is None:
        pytest.skip("qemu-user is not installed")
    # Compiled here for that processor, run there: emulating the compiler as well takes half an hour.
    here = _drawn_elsewhere(tmp_path, "nehalem", [])
    assert _drawn_elsewhere(tmp_path, "nehalem", [emulator, "-cpu", "Nehalem"]) == here == draw_tiny()
