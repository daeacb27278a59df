"""Embree, the ray tracer inside the `embreex` wheel, called from compiled code.

Owns the C interface: one mesh a scene, and one ray at a time through the addresses of two functions, which compiled code
gets as numbers so that it can be kept on disk. Knows no materials.
"""

from __future__ import annotations

import ctypes
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from neuromation.synthetic.errors import RendererMissing

Singles = NDArray[np.float32]

# Values of Embree 4's headers: kinds of geometry, buffers, formats and flags.
_TRIANGLES = 0
_INDEX_BUFFER, _VERTEX_BUFFER = 0, 1
_UINT3, _FLOAT3 = 0x5003, 0x9003
_ROBUST = 1 << 2
NO_HIT = 0xFFFFFFFF

# Places in a ray: 32-bit numbers, floats but for the last two.
ORIGIN, NEAR, DIRECTION, FAR, MASK = 0, 3, 4, 8, 9
GEOMETRIC_NORMAL, U, V, TRIANGLE, GEOMETRY = 12, 15, 16, 17, 18
_RAY_NUMBERS = 32  # more than the largest layout of a ray with its hit
_ALIGNMENT = 64


@cache
def _library() -> Any:
    """Embree, loaded. Raises RendererMissing."""
    spec = find_spec("embreex")
    if spec is None or spec.origin is None:
        raise RendererMissing(
            "the photoreal renderer needs Embree; install it by: pip install 'neuromation[photoreal]'"
        )
    import embreex.rtcore  # noqa: F401  # brings the library's own dependencies into the process

    found = sorted((Path(spec.origin).parents[1] / "embreex.libs").glob("libembree4*.so*"))
    if not found:
        raise RendererMissing("the installed embreex brings no Embree library for this system; Linux on x86-64 has one")
    library = ctypes.CDLL(str(found[0]))
    handle, number, size = ctypes.c_void_p, ctypes.c_uint, ctypes.c_size_t
    for name, result, arguments in (
        ("rtcNewDevice", handle, [ctypes.c_char_p]),
        ("rtcGetDeviceError", number, [handle]),
        ("rtcNewScene", handle, [handle]),
        ("rtcSetSceneFlags", None, [handle, number]),
        ("rtcNewGeometry", handle, [handle, number]),
        ("rtcSetSharedGeometryBuffer", None, [handle, number, number, number, handle, size, size, size]),
        ("rtcCommitGeometry", None, [handle]),
        ("rtcAttachGeometry", number, [handle, handle]),
        ("rtcReleaseGeometry", None, [handle]),
        ("rtcCommitScene", None, [handle]),
        ("rtcReleaseScene", None, [handle]),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


@cache
def _device() -> int:
    """The one device of the process, single-threaded: other cores belong to other units."""
    device: int | None = _library().rtcNewDevice(b"threads=1,user_threads=1")
    if not device:
        raise RendererMissing("Embree found no way to run on this processor")
    return device


class RayScene:
    """Triangles that rays can meet; give it back by `close`, or use it in a `with`.

    Attributes:
        handles: int64 (4,): addresses of the functions that intersect and that test occlusion, of the scene and of a ray.
        ray: float32 (32,), the ray that they read and write, and `ray_bits`, the same numbers as uint32.
    """

    def __init__(self, vertices: NDArray[np.float64], triangles: NDArray[np.int32]) -> None:
        """Build the tree over `triangles`, int32 (F, 3), places in `vertices`, float64 (V, 3), metres."""
        library = _library()
        # Embree reads 16 bytes a vertex, also of the last one.
        self._vertices = np.zeros((len(vertices) + 2, 3), np.float32)
        self._vertices[: len(vertices)] = vertices
        self._triangles = np.ascontiguousarray(triangles, dtype=np.uint32)
        self._scene: int | None = library.rtcNewScene(_device())
        library.rtcSetSceneFlags(self._scene, _ROBUST)
        geometry = library.rtcNewGeometry(_device(), _TRIANGLES)
        for buffer, layout, array, count in (
            (_INDEX_BUFFER, _UINT3, self._triangles, len(triangles)),
            (_VERTEX_BUFFER, _FLOAT3, self._vertices, len(vertices)),
        ):
            library.rtcSetSharedGeometryBuffer(geometry, buffer, 0, layout, array.ctypes.data, 0, 12, count)
        library.rtcCommitGeometry(geometry)
        library.rtcAttachGeometry(self._scene, geometry)
        library.rtcReleaseGeometry(geometry)
        library.rtcCommitScene(self._scene)
        code = library.rtcGetDeviceError(_device())
        if code:
            self.close()
            raise RuntimeError(f"Embree could not build the scene: error {code}")
        spare = np.zeros(_RAY_NUMBERS + _ALIGNMENT // 4, np.float32)
        shift = -spare.ctypes.data % _ALIGNMENT // 4
        self.ray: Singles = spare[shift : shift + _RAY_NUMBERS]
        self.ray_bits: NDArray[np.uint32] = self.ray.view(np.uint32)
        functions = [ctypes.cast(getattr(library, name), ctypes.c_void_p).value for name in _FUNCTIONS]
        self.handles = np.array([*functions, self._scene, self.ray.ctypes.data], dtype=np.int64)

    def close(self) -> None:
        """Free the tree; twice is once."""
        if self._scene is not None:
            _library().rtcReleaseScene(self._scene)
            self._scene = None

    def __enter__(self) -> RayScene:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_FUNCTIONS = ("rtcIntersect1", "rtcOccluded1")


def _call_embree(typing: Any, function: Any, scene: Any, ray: Any) -> Any:
    """Call the function at an address with a scene, a ray and no options, from compiled code; all three are int64."""
    from llvmlite import ir

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word = ir.IntType(64)
        kind = ir.FunctionType(ir.VoidType(), [word, word, word])
        address, *given = arguments
        builder.call(builder.inttoptr(address, kind.as_pointer()), [*given, ir.Constant(word, 0)])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), code


call_embree: Any = intrinsic(_call_embree)
