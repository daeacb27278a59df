"""The renderer for graphics cards: OpenGL without a display, by moderngl on EGL.

The same materials, lamps and sky as the default renderer's, with shadow maps and openness to the sky found on the card.
Ids, depth and normals are its own and equal the default's but for pixels at borders; amodal masks and flow are the
default's. Owns the card's memory and the order of its passes; the programs are in `gpu_shaders.py`.
"""

from __future__ import annotations

import math
from collections.abc import Set
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from neuromation.kernel.rng import unit_rng
from neuromation.synthetic.errors import BadScene, RendererMissing
from neuromation.synthetic.render import gpu_shaders as shaders
from neuromation.synthetic.render.lens import develop
from neuromation.synthetic.render.protocol import Frame, Pass, Renderer
from neuromation.synthetic.render.raster_pack import (
    BLUE,
    CUTOUT,
    EMISSION,
    GREEN,
    KIND,
    RED,
    ROUGHNESS,
    SPECULAR,
    TEXTURE,
    TRANSLUCENCY,
    TWO_SIDED,
    PackedScene,
    pack_scene,
)
from neuromation.synthetic.scene.model import AreaLight, Camera, Scene, Sun, Texture

Singles = NDArray[np.float32]

SAMPLES_MAX = 4
FINE_PIXELS_MAX = 2**24  # of the picture before it is averaged
SHADOW_SIDE = 2048
NEAR_M = 0.01
_SRGB_WITH_ALPHA = 0x8C43  # GL_SRGB8_ALPHA8, of which moderngl has no name
_STRIDE_PX = 8  # between the places that shadow maps are fitted to
_REACH_M = 0.3  # how far away something may stand that hides the sky
_PATCHES = 4  # of an area light, as the default renderer has it
_MATERIAL_COLUMNS = (
    RED, GREEN, BLUE, KIND, ROUGHNESS, SPECULAR, TRANSLUCENCY, TRANSLUCENCY, EMISSION, TWO_SIDED, CUTOUT, CUTOUT,
)  # fmt: skip


@dataclass(frozen=True)
class _Batch:
    """Triangles with one texture: their first corner, how many corners, and the texture's number or -1."""

    first: int
    corners: int
    texture: int


@dataclass(frozen=True)
class _Drawing:
    """A scene on the card."""

    scene: Scene
    packed: PackedScene
    corners: Any  # the buffer
    batches: list[_Batch]
    materials: Any  # the texture
    view: dict[str, Any]  # uniforms of the camera


class GpuRenderer:
    """Draws scenes on a graphics card, or on a driver that stands in for one. One thread. See `protocol.Renderer`."""

    name = "gpu"
    is_exact = False

    def __init__(self, labels: Renderer) -> None:
        """`labels`: where amodal masks and flow come from. Raises RendererMissing."""
        try:
            import moderngl
        except ImportError as error:
            raise RendererMissing(
                "the gpu renderer needs moderngl; install it by: pip install 'neuromation[gpu]'"
            ) from error
        try:
            opener: Any = moderngl  # its settings have the wrong type
            self._gl: Any = opener.create_context(standalone=True, backend="egl", require=330)
        except Exception as error:  # moderngl raises bare Exception, and OSError where libEGL is missing
            raise RendererMissing(
                f"the gpu renderer found no OpenGL 3.3 by EGL on this machine ({str(error)[:80]}); a graphics driver is "
                "needed, or a stand-in: on Debian, apt install libegl1 libgl1-mesa-dri"
            ) from error
        self._labels = labels
        self._skins: WeakKeyDictionary[Texture, Any] = WeakKeyDictionary()
        self._is_software = any(word in self.device.lower() for word in ("llvmpipe", "softpipe", "swrast"))
        # Holes of textures are looked up as the default renderer does: the nearest texel, whole or not there.
        self._nearest = self._gl.sampler(filter=(self._gl.NEAREST, self._gl.NEAREST))
        program = self._gl.program
        self._label_program = program(vertex_shader=shaders.SURFACE_VERTEX, fragment_shader=shaders.LABEL_FRAGMENT)
        self._shade_program = program(vertex_shader=shaders.SURFACE_VERTEX, fragment_shader=shaders.SHADE_FRAGMENT)
        self._shadow_program = program(vertex_shader=shaders.SHADOW_VERTEX, fragment_shader=shaders.SHADOW_FRAGMENT)
        self._depth_program = program(vertex_shader=shaders.SURFACE_VERTEX, fragment_shader=shaders.DEPTH_FRAGMENT)
        self._sky_program = program(vertex_shader=shaders.SCREEN_VERTEX, fragment_shader=shaders.SKY_FRAGMENT)
        self._open_program = program(vertex_shader=shaders.SCREEN_VERTEX, fragment_shader=shaders.OPEN_FRAGMENT)
        self._mean_program = program(vertex_shader=shaders.SCREEN_VERTEX, fragment_shader=shaders.MEAN_FRAGMENT)

    @property
    def device(self) -> str:
        """What the driver calls the card."""
        return str(self._gl.info["GL_RENDERER"])

    def render(
        self, scene: Scene, passes: Set[Pass], *, seed: int, samples: int = 1, following: Scene | None = None
    ) -> Frame:
        """See `protocol.Renderer`. Raises BadScene, also for a lens that distorts."""
        camera = scene.camera
        if not 1 <= samples <= SAMPLES_MAX:
            raise BadScene(f"a picture has 1 to {SAMPLES_MAX} samples a pixel's side, not {samples}")
        if camera.k1 != 0.0 or camera.k2 != 0.0:
            raise BadScene("the gpu renderer draws straight lenses alone; take the exact or the photoreal one")
        rest = passes & {"amodal", "flow"}
        frame = self._labels.render(scene, rest, seed=seed, following=following) if rest else Frame()
        with ExitStack() as made:
            drawing = self._upload(scene, made)
            ids, surfaces, surface_map = self._label_maps(drawing, made)
            depth_m = np.ascontiguousarray(surfaces[..., 3])
            shadows: list[dict[str, Any]] = []
            openness: Any = None
            if passes & {"rgb", "illumination"}:
                shadows = self._shadows(drawing, depth_m, made)
                openness = self._openness(drawing, surface_map, made)
            if "illumination" in passes:
                light = self._light(drawing, shadows, openness, 1, made)
                frame = replace(frame, illumination=np.ascontiguousarray(light[..., 3]))
            if "rgb" in passes:
                side = max(1, min(samples + 1, math.isqrt(FINE_PIXELS_MAX // (camera.width * camera.height))))
                light = self._light(drawing, shadows, openness, side, made)
                rgb = develop(light[..., :3], camera, depth_m=depth_m, rng=unit_rng(seed, 0, "camera"))
                frame = replace(frame, rgb=rgb)
        return replace(
            frame,
            ids=ids if "ids" in passes else None,
            depth_m=depth_m if "depth" in passes else None,
            normals=np.ascontiguousarray(surfaces[..., :3]) if "normals" in passes else None,
        )

    def _kept(self, made: ExitStack, thing: Any) -> Any:
        """A thing on the card that goes when the picture is done."""
        made.callback(thing.release)
        return thing

    def _upload(self, scene: Scene, made: ExitStack) -> _Drawing:
        packed = pack_scene(scene)
        table = packed.materials[:, list(_MATERIAL_COLUMNS)].astype(np.float32)
        if not len(table):
            table = np.zeros((1, len(_MATERIAL_COLUMNS)), np.float32)
        materials = self._kept(made, self._gl.texture((3, len(table)), 4, table.tobytes(), dtype="f4"))
        materials.filter = (self._gl.NEAREST, self._gl.NEAREST)
        corners, batches = _corners(packed)
        buffer = self._kept(made, self._gl.buffer(corners.tobytes() or b"\0" * 40))
        return _Drawing(scene, packed, buffer, batches, materials, _view(scene.camera, packed))

    def _skin(self, texture: Texture) -> Any:
        """A texture on the card, with its smaller copies; it stays as long as the texture lives."""
        held = self._skins.get(texture)
        if held is None:
            pixels = texture.pixels
            if pixels.shape[2] == 3:
                full = np.full((*pixels.shape[:2], 1), 255, np.uint8)
                pixels = np.concatenate([pixels, full], axis=2)
            size = (pixels.shape[1], pixels.shape[0])
            data = np.ascontiguousarray(pixels).tobytes()
            held = self._gl.texture(size, 4, data, internal_format=_SRGB_WITH_ALPHA)
            held.build_mipmaps()
            held.filter = (self._gl.LINEAR_MIPMAP_LINEAR, self._gl.LINEAR)
            if not self._is_software:  # a driver that compiles for the processor takes seconds to build this filter
                held.anisotropy = 8.0
            held.repeat_x = held.repeat_y = texture.repeats
            self._skins[texture] = held
        return held

    def _draw(self, drawing: _Drawing, program: Any, made: ExitStack) -> None:
        """Draw all triangles, one texture after another."""
        names = [name for name in ("in_place", "in_normal", "in_uv", "in_what") if name in program]
        layout = " ".join(_LAYOUT[name] if name in names else _SKIPPED[name] for name in _LAYOUT)
        array = self._kept(made, self._gl.vertex_array(program, [(drawing.corners, layout, *names)]))
        drawing.materials.use(1)
        _set(program, materials=1, skin=0)
        for batch in drawing.batches:
            _set(program, has_skin=batch.texture >= 0)
            if batch.texture >= 0:
                texture = drawing.packed.textures[batch.texture]
                self._skin(texture).use(0)
                if program is not self._shade_program:
                    self._nearest.repeat_x = self._nearest.repeat_y = texture.repeats
                    self._nearest.use(0)
            array.render(vertices=batch.corners, first=batch.first)
        self._nearest.clear(0)

    def _begin(self, target: Any) -> None:
        gl = self._gl
        target.use()
        gl.disable(gl.BLEND | gl.CULL_FACE)
        gl.enable(gl.DEPTH_TEST)
        gl.front_face = "cw"  # the picture is drawn upside down, so that its first row is read first
        gl.depth_func = "<"

    def _label_maps(self, drawing: _Drawing, made: ExitStack) -> tuple[NDArray[np.uint16], Singles, Any]:
        """Ids, (normal, depth) of every pixel, and the latter on the card."""
        gl, camera = self._gl, drawing.scene.camera
        size = (camera.width, camera.height)
        ids = self._kept(made, gl.texture(size, 1, dtype="u2"))
        surfaces = self._kept(made, gl.texture(size, 4, dtype="f4"))
        surfaces.filter = (gl.NEAREST, gl.NEAREST)
        surfaces.repeat_x = surfaces.repeat_y = False
        depth = self._kept(made, gl.depth_renderbuffer(size))
        target = self._kept(made, gl.framebuffer([ids, surfaces], depth))
        self._begin(target)
        target.clear()
        _set(self._label_program, **drawing.view)
        self._draw(drawing, self._label_program, made)
        shape = (camera.height, camera.width)
        found = np.frombuffer(ids.read(), np.uint16).reshape(shape).copy()
        read = np.frombuffer(surfaces.read(), np.float32).reshape(*shape, 4).copy()
        read[found == 0] = 0.0
        return found, read, surfaces

    def _shadows(self, drawing: _Drawing, depth_m: Singles, made: ExitStack) -> list[dict[str, Any]]:
        """A shadow map of every lamp and the uniforms that read it; the map itself stands under "map"."""
        gl = self._gl
        places = _seen_places(drawing.scene.camera, depth_m)
        found = []
        for light in drawing.scene.lights:
            shadow = _fitted(light, places, drawing.packed.vertices)
            distances = self._kept(made, gl.texture((SHADOW_SIDE, SHADOW_SIDE), 1, dtype="f4"))
            distances.filter = (gl.NEAREST, gl.NEAREST)
            distances.repeat_x = distances.repeat_y = False
            depth = self._kept(made, gl.depth_renderbuffer((SHADOW_SIDE, SHADOW_SIDE)))
            target = self._kept(made, gl.framebuffer([distances], depth))
            self._begin(target)
            target.clear()
            _set(self._shadow_program, **shadow)
            self._draw(drawing, self._shadow_program, made)
            found.append({**shadow, "map": distances})
        return found

    def _openness(self, drawing: _Drawing, surfaces: Any, made: ExitStack) -> Any:
        """How open to the sky every pixel's surface is, 0..1, on the card."""
        gl, camera = self._gl, drawing.scene.camera
        found = self._kept(made, gl.texture((camera.width, camera.height), 1, dtype="f4"))
        found.repeat_x = found.repeat_y = False
        self._kept(made, gl.framebuffer([found])).use()
        gl.disable(gl.DEPTH_TEST)
        surfaces.use(3)
        self._screen(self._open_program, made, surfaces=3, lens=drawing.view["lens"], reach=_REACH_M)
        return found

    def _light(
        self, drawing: _Drawing, shadows: list[dict[str, Any]], openness: Any, side: int, made: ExitStack
    ) -> Singles:
        """Linear light and, last, what falls on the surface, float32 (height, width, 4), from side x side samples."""
        gl, scene, program = self._gl, drawing.scene, self._shade_program
        camera = scene.camera
        size = (camera.width * side, camera.height * side)
        fine = self._kept(made, gl.texture(size, 4, dtype="f4"))
        target = self._kept(made, gl.framebuffer([fine], self._kept(made, gl.depth_renderbuffer(size))))
        self._begin(target)
        target.clear()
        sky = {"zenith": scene.sky.zenith, "horizon": scene.sky.horizon, "ground": scene.sky.ground}
        gl.disable(gl.DEPTH_TEST)
        self._screen(self._sky_program, made, **sky, turn=drawing.view["turn"], lens=drawing.view["lens"])
        gl.enable(gl.DEPTH_TEST)
        # Depth alone first, so that only what is seen is shaded; then light upon light.
        target.color_mask = (False, False, False, False)
        _set(self._depth_program, **drawing.view)
        self._draw(drawing, self._depth_program, made)
        target.color_mask = (True, True, True, True)
        gl.depth_func = "=="
        openness.use(3)
        fine_size = tuple(float(pixels) for pixels in size)
        _set(program, **drawing.view, **sky, openness=3, shadow=2, size=fine_size, lamp=0)
        self._draw(drawing, program, made)
        gl.enable(gl.BLEND)
        gl.blend_func = gl.ONE, gl.ONE
        for light, shadow in zip(scene.lights, shadows, strict=True):
            shadow["map"].use(2)
            _set(program, **{name: value for name, value in shadow.items() if name != "map"}, **_lamp(light))
            self._draw(drawing, program, made)
        gl.disable(gl.BLEND)
        if side > 1:
            fine = self._averaged(fine, side, (camera.width, camera.height), made)
        return np.frombuffer(fine.read(), np.float32).reshape(camera.height, camera.width, 4)

    def _averaged(self, fine: Any, side: int, size: tuple[int, int], made: ExitStack) -> Any:
        gl = self._gl
        mean = self._kept(made, gl.texture(size, 4, dtype="f4"))
        self._kept(made, gl.framebuffer([mean])).use()
        gl.disable(gl.DEPTH_TEST)
        fine.use(0)
        self._screen(self._mean_program, made, fine=0, side=side)
        return mean

    def _screen(self, program: Any, made: ExitStack, **uniforms: Any) -> None:
        """Run a program for every pixel."""
        _set(program, **uniforms)
        self._kept(made, self._gl.vertex_array(program, [])).render(vertices=3)


_LAYOUT = {"in_place": "3f", "in_normal": "3f", "in_uv": "2f", "in_what": "2f"}
_SKIPPED = {"in_place": "12x", "in_normal": "12x", "in_uv": "8x", "in_what": "8x"}


def _set(program: Any, **uniforms: Any) -> None:
    """Set those of the uniforms that the program uses; matrices are given row by row, as arrays (3, 3)."""
    for name, value in uniforms.items():
        if name in program:
            if isinstance(value, np.ndarray):
                program[name].write(np.ascontiguousarray(value.T, dtype=np.float32).tobytes())
            else:
                program[name].value = value


def _corners(packed: PackedScene) -> tuple[Singles, list[_Batch]]:
    """What the card reads of every corner (place, normal, uv, material, owner), float32 (3 F, 10), batch by batch."""
    textures = packed.materials[:, TEXTURE].astype(np.int64) if len(packed.materials) else np.zeros(0, np.int64)
    texture = textures[packed.material]
    order = np.argsort(texture, kind="stable")
    out = np.empty((len(order), 3, 10), np.float32)
    out[..., 0:3] = packed.vertices[packed.triangles[order]]
    turns = packed.turns.reshape(-1, 3, 3)[packed.owner[order]]
    normals = np.einsum("fij,fkj->fki", turns, packed.normals[packed.source[order]])
    out[..., 3:6] = normals / np.maximum(np.sqrt((normals * normals).sum(axis=2, keepdims=True)), 1e-12)
    out[..., 6:8] = packed.uvs[packed.source[order]]
    out[..., 8] = packed.material[order, None]
    out[..., 9] = packed.owner[order, None]
    names, firsts, counts = np.unique(texture[order], return_index=True, return_counts=True)
    batches = [
        _Batch(3 * int(first), 3 * int(count), int(name))
        for name, first, count in zip(names, firsts, counts, strict=True)
    ]
    return out, batches


def _view(camera: Camera, packed: PackedScene) -> dict[str, Any]:
    """Uniforms of a camera whose depth reaches just behind what is farthest."""
    cx, cy = camera.centre
    turn = np.array(camera.rotation, np.float64).reshape(3, 3)
    ahead = (packed.vertices - np.array(camera.position)) @ turn[2] if len(packed.vertices) else np.ones(1)
    far = max(float(ahead.max()) * 1.01, 2 * NEAR_M)
    # As near as the nearest thing ahead: depth is finest there.
    near = max(NEAR_M, 0.9 * min(float(ahead[ahead > NEAR_M].min(initial=far)), far / 2)) if ahead.min() > 0 else NEAR_M
    return {
        "turn": turn,
        "eye": camera.position,
        "lens": (
            2 * camera.focal_px / camera.width,
            2 * camera.focal_px / camera.height,
            2 * cx / camera.width - 1,
            2 * cy / camera.height - 1,
        ),
        "range": ((far + near) / (far - near), -2 * far * near / (far - near)),
    }


def _seen_places(camera: Camera, depth_m: Singles) -> NDArray[np.float64]:
    """Places in the world that the camera sees, float64 (N, 3), every few pixels."""
    rows, columns = np.mgrid[0 : camera.height : _STRIDE_PX, 0 : camera.width : _STRIDE_PX]
    depth = depth_m[rows, columns].astype(np.float64)
    rows, columns, depth = rows[depth > 0], columns[depth > 0], depth[depth > 0]
    cx, cy = camera.centre
    x, y = (columns + 0.5 - cx) / camera.focal_px * depth, (rows + 0.5 - cy) / camera.focal_px * depth
    turn = np.array(camera.rotation, np.float64).reshape(3, 3)
    places: NDArray[np.float64] = np.stack([x, y, depth], axis=1) @ turn + np.array(camera.position)
    return places


def _fitted(light: Sun | AreaLight, places: NDArray[np.float64], vertices: NDArray[np.float64]) -> dict[str, Any]:
    """Uniforms of a lamp's shadow map that covers these places and whatever may shade them."""
    middle = places.mean(axis=0) if len(places) else np.zeros(3)
    is_area, half = isinstance(light, AreaLight), np.zeros(2)
    if isinstance(light, AreaLight):
        origin = np.array(light.position, np.float64)
        ahead = _unit(middle - origin)
        shines = _unit(np.cross(light.u, light.v))
        if float(ahead @ shines) < 0.3:
            ahead = _unit(ahead + shines)
    else:
        origin, ahead = middle, _unit(np.array(light.direction, np.float64))
    right = _unit(np.cross(ahead, (0.0, 0.0, 1.0) if abs(ahead[2]) < 0.9 else (1.0, 0.0, 0.0)))
    axes = np.stack([right, np.cross(ahead, right), ahead])
    if isinstance(light, AreaLight):
        half = np.abs(axes[:2] @ np.array(light.u)) + np.abs(axes[:2] @ np.array(light.v))
    seen = (places - origin) @ axes.T
    depths = (vertices - origin) @ ahead
    if is_area:
        seen = seen[seen[:, 2] > NEAR_M]
        flat = seen[:, :2] / seen[:, 2:] if len(seen) else np.zeros((1, 2))
        flat = np.clip(flat, -6.0, 6.0)
        span = (max(NEAR_M, float(depths.min())), max(float(depths.max()), 2 * NEAR_M) * 1.01)
    else:
        flat = seen[:, :2] if len(seen) else np.zeros((1, 2))
        # Distances count from before everything: 0 says that the map is empty there.
        before = float(depths.min()) - 0.02
        origin = origin + before * ahead
        span = (0.01, float(depths.max()) - before + 0.01)
    low, high = flat.min(axis=0), flat.max(axis=0)
    room = 0.02 * (high - low) + 1e-3
    scale = 2.0 / (high - low + 2 * room)
    shift = -1.0 - (low - room) * scale
    # Metres; of a lamp in perspective, per metre away from it.
    texel = float((1.0 / scale).max()) * 2.0 / SHADOW_SIDE
    return {
        "axes": axes,
        "origin": tuple(origin.tolist()),
        "fit": (*scale.tolist(), *shift.tolist()),
        "span": span,
        "perspective": is_area,
        "size_m": tuple(half.tolist()),
        "bias": 1.5 * texel,
    }


def _lamp(light: Sun | AreaLight) -> dict[str, Any]:
    """Uniforms of a lamp's light."""
    if isinstance(light, Sun):
        return {
            "lamp": 1,
            "lamp_place": tuple(_unit(np.array(light.direction, np.float64)).tolist()),
            "lamp_light": tuple(channel * light.strength / math.pi for channel in light.colour),
            "sun_spread": math.tan(math.radians(min(30.0, max(0.0, light.size_deg)) / 2)),
        }
    across = np.cross(light.u, light.v)
    length_u, length_v = (math.sqrt(sum(part * part for part in side)) for side in (light.u, light.v))
    along = 1 if length_u < 0.4 * length_v else _PATCHES if length_u > 2.5 * length_v else 2
    return {
        "lamp": 2,
        "lamp_place": light.position,
        "lamp_light": tuple(channel * light.strength for channel in light.colour),
        "lamp_u": light.u,
        "lamp_v": light.v,
        "lamp_shines": tuple(_unit(across).tolist()),
        "lamp_patches": (float(along), float(_PATCHES // along)),
        "patch_area": 4.0 * math.sqrt(float((across * across).sum())) / _PATCHES,
    }


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    length = math.sqrt(float((vector * vector).sum()))
    if not length > 0.0:
        raise BadScene("a lamp shines in a direction, or has a width and a height")
    return vector / length


@cache
def gpu_renderer() -> GpuRenderer:
    """The renderer of this process's graphics card. Raises RendererMissing."""
    from neuromation.synthetic.render import default_renderer

    return GpuRenderer(default_renderer())
