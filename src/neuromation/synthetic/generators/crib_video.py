"""Clips of an infant in a crib from above: how it lies, breathes, turns, wakes and cries, with times and joints.

Owns the parameters and the unit; `crib_plan` tells the story, `crib_body` the body and `crib_scene` all around it.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, model_validator

from neuromation.kernel.rng import SEED_MAX, unit_rng
from neuromation.synthetic.generator import LAYER_BYTES_MAX, BaseGenerator, Layer, Unit
from neuromation.synthetic.generators.crib_body import KEYPOINTS, Bones, bones
from neuromation.synthetic.generators.crib_plan import LYING, Story, story
from neuromation.synthetic.generators.crib_scene import Room, room
from neuromation.synthetic.render.labels import LabelName, SceneParams, projected
from neuromation.synthetic.render.protocol import Frame, Pass
from neuromation.synthetic.render.quantise import stored_depth
from neuromation.synthetic.scene.model import Scene

_OFFERED = ("masks", "depth")
_BYTES_A_PIXEL = {"frames": 3, "masks": 1, "depth": 2, "flow": 6}
_SEEN_WITHIN_M = 0.05  # joints lie inside the body: so far behind the surface one still counts as seen
_FLOW_SCALE, _FLOW_ZERO = 64.0, 32768.0  # KITTI's coding of optical flow


class CribVideoParams(SceneParams):
    """The clip, what happens in it, the infant and the crib. Shares are parts of all clips."""

    width: int = Field(160, ge=64, le=640, description="width of the picture, pixels")
    height: int = Field(120, ge=64, le=640, description="height of the picture, pixels")
    labels: list[LabelName] = Field([], description="dense labels wanted for every frame: masks, depth")
    frames: int = Field(16, ge=2, le=240, description="number of frames of a clip")
    rate_hz: float = Field(4.0, ge=1, le=30, description="frames a second", json_schema_extra={"tune": False})
    flow: bool = Field(False, description="optical flow from every frame to the next")
    night_share: float = Field(0.5, ge=0, le=1, description="share of clips in infrared light, grey")
    back_share: float = Field(0.5, ge=0, le=1, description="how common lying on the back is at the beginning")
    side_share: float = Field(0.3, ge=0, le=1, description="how common lying on a side is at the beginning")
    belly_share: float = Field(0.2, ge=0, le=1, description="how common lying on the belly is at the beginning")
    turning_share: float = Field(0.35, ge=0, le=1, description="share of clips in which it turns over by a quarter")
    waking_share: float = Field(0.35, ge=0, le=1, description="share of clips in which it wakes: eyes open, limbs move")
    crying_share: float = Field(0.4, ge=0, le=1, description="share of wakings that end in crying")
    breaths_per_min: float = Field(38.0, ge=15, le=80, description="mean rate of breathing, breaths a minute")
    breaths_spread: float = Field(0.3, ge=0, le=0.6, description="spread of the rate between clips, relative")
    breath_depth: float = Field(
        0.06,
        ge=0.005,
        le=0.2,
        description="mean swing of the chest's depth in breathing, a share",
        json_schema_extra={"log": True},
    )
    size: float = Field(1.0, ge=0.8, le=1.25, description="mean size of the infant: 1 is about 62 cm long")
    blanket_share: float = Field(0.4, ge=0, le=1, description="share of clips with a blanket over legs and trunk")
    toy_share: float = Field(0.5, ge=0, le=1, description="share of clips with a toy in the crib")
    camera_height_m: float = Field(
        1.7, ge=1.0, le=3.0, description="mean height of the camera above the mattress, metres"
    )
    tilt_deg: float = Field(18.0, ge=0, le=45, description="largest lean of the camera from straight above, degrees")
    from_side: float = Field(0.5, ge=0, le=1, description="share of cameras that lean from the side, not from an end")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        unknown = [label for label in self.labels if label not in _OFFERED]
        if unknown:
            raise ValueError(f"clips offer the labels {', '.join(_OFFERED)}, not {unknown[0]}")
        layers = ["frames", *self.labels, *(["flow"] if self.flow else [])]
        size = self.frames * self.width * self.height * sum(_BYTES_A_PIXEL[layer] for layer in layers)
        if size > LAYER_BYTES_MAX:
            raise ValueError(
                f"a clip of {size:,} bytes is too large; at most {LAYER_BYTES_MAX:,}: fewer or smaller frames"
            )
        return self


class CribVideo(BaseGenerator):
    """Infants in cribs, filmed from above."""

    name = "crib-video"
    title = "An infant in a crib"
    description = (
        "Clips from above a crib by day and in infrared: a procedural infant that breathes, turns over, wakes and cries, "
        "with joints and lying side for every frame, and events with their times."
    )
    version = "2"
    modality = "video"
    classes: ClassVar[list[str]] = list(LYING)
    cu_per_unit = 0.95
    params_model = CribVideoParams

    def layers(self, params: BaseModel) -> tuple[Layer, ...]:
        """The clip, and what the parameters ask for beside it."""
        assert isinstance(params, CribVideoParams), "parse_params makes the parameters"
        rate = params.rate_hz
        layers = [Layer("frames", "video", "uint8", "the clip, sRGB; grey at night", rate)]
        if "masks" in params.labels:
            layers.append(Layer("infant", "video", "uint8", "1 where the infant is seen, else 0", rate))
        if "depth" in params.labels:
            layers.append(Layer("depth", "video", "uint16", "distance along the camera's axis in millimetres", rate))
        if params.flow:
            meaning = "movement to the next frame as KITTI codes it: 64 u + 32768, 64 v + 32768, 1 where it is known"
            layers.append(Layer("flow", "video", "uint16", meaning, rate))
        return tuple(layers)

    def unit(self, params: BaseModel, seed: int, index: int) -> Unit:
        """The clip `index`: its middle frame as image, how the infant lies there as label."""
        assert isinstance(params, CribVideoParams), "parse_params makes the parameters"
        told = story(params, seed, index)
        head_sign = 1.0 if abs(told.heading) < 1.5 else -1.0
        place = room(params, seed, index, head_sign=head_sign)
        clip = _Clip(params, told, place)
        noise = unit_rng(seed, index, "camera noise").integers(SEED_MAX, size=params.frames)
        moments = [clip.drawn(number, int(noise[number])) for number in range(params.frames)]
        middle = params.frames // 2
        layers = {name: np.stack([moment.layers[name] for moment in moments]) for name in moments[0].layers}
        annotations = {
            "width": params.width,
            "height": params.height,
            "rate_hz": params.rate_hz,
            "duration_s": told.duration_s,
            "light": "infrared" if place.is_night else "day",
            "blanket": place.blanket_to > 0,
            "breathing": {"rate_per_min": told.breaths_per_min, "swing": told.breath_depth},
            "events": [event.facts() for event in told.events],
            "frames": [moment.facts for moment in moments],
            "camera": clip.camera_facts(),
        }
        label = LYING.index(told.lying(middle / params.rate_hz))
        return Unit(index, moments[middle].layers["frames"], label, annotations, layers)


class _Moment:
    """One frame: its layers and what is known of it."""

    def __init__(self, layers: dict[str, NDArray[Any]], facts: dict[str, Any]) -> None:
        self.layers, self.facts = layers, facts


class _Clip:
    """Draws the frames of one story in one room."""

    def __init__(self, params: CribVideoParams, told: Story, place: Room) -> None:
        self._params, self._story, self._room = params, told, place

    def _scene(self, number: int) -> tuple[Scene, Bones]:
        posture = self._story.posture(number / self._params.rate_hz)
        skeleton = bones(posture, self._room.dress.size)
        return self._room.scene(posture, skeleton), skeleton

    def drawn(self, number: int, noise_seed: int) -> _Moment:
        """Frame `number`, its layers and facts."""
        from neuromation.synthetic.render import renderer_named

        params = self._params
        scene, skeleton = self._scene(number)
        passes: set[Pass] = {"rgb", "ids", "depth"}
        following = None
        if params.flow:
            passes.add("flow")
            following = self._scene(min(number + 1, params.frames - 1))[0]
        frame = renderer_named(params.tier).render(
            scene, passes, seed=noise_seed, samples=params.samples, following=following
        )
        assert frame.rgb is not None and frame.ids is not None and frame.depth_m is not None
        body = np.array([0, *(instance.group == "infant" for instance in scene.instances)], dtype=np.uint8)
        mask: NDArray[np.uint8] = body[frame.ids]
        layers: dict[str, NDArray[Any]] = {"frames": _grey(frame.rgb) if self._room.is_night else frame.rgb}
        if "masks" in params.labels:
            layers["infant"] = mask
        if "depth" in params.labels:
            layers["depth"] = stored_depth(frame.depth_m)
        if params.flow:
            layers["flow"] = _coded_flow(frame, known=number + 1 < params.frames)
        return _Moment(layers, self._facts(number, scene, skeleton, mask, frame))

    def _facts(
        self, number: int, scene: Scene, skeleton: Bones, mask: NDArray[np.uint8], frame: Frame
    ) -> dict[str, Any]:
        time_s = number / self._params.rate_hz
        told = self._story
        points = {}
        for name in KEYPOINTS:
            points[name] = _keypoint(scene, frame, mask, skeleton.joints[name])
        rows, columns = np.nonzero(mask)
        box = None
        if len(rows):
            left, top = int(columns.min()), int(rows.min())
            box = [left, top, int(columns.max()) + 1 - left, int(rows.max()) + 1 - top]
        return {
            "time_s": time_s,
            "lying": told.lying(time_s),
            "roll_deg": told.roll(time_s),
            "breath_phase": told.breath_phase(time_s),
            "chest_m": skeleton.chest_top_m(told.chest(time_s)),
            "eyes_open": told.eyes(time_s),
            "mouth_open": told.mouth(time_s),
            "bbox": box,
            "keypoints": points,
            "joints_m": {name: list(skeleton.joints[name]) for name in KEYPOINTS},
        }

    def camera_facts(self) -> dict[str, Any]:
        camera = self._room.camera
        cx, cy = camera.centre
        return {
            "fx": camera.focal_px,
            "fy": camera.focal_px,
            "cx": cx,
            "cy": cy,
            "k1": camera.k1,
            "k2": camera.k2,
            "rotation": list(camera.rotation),
            "position_m": list(camera.position),
        }


def _keypoint(scene: Scene, frame: Frame, mask: NDArray[np.uint8], point: tuple[float, float, float]) -> list[float]:
    """Place and visibility of a joint: 2 when the body is seen there at about its depth, 1 hidden, 0 outside."""
    assert frame.depth_m is not None
    found = projected(scene.camera, point)
    height, width = mask.shape
    if found is None or not (0 <= found[0] < width and 0 <= found[1] < height):
        return [0.0, 0.0, 0]
    x, y, depth_m = found
    row, column = int(y), int(x)
    is_seen = mask[row, column] and float(frame.depth_m[row, column]) >= depth_m - _SEEN_WITHIN_M
    return [x, y, 2 if is_seen else 1]


def _grey(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture in shades of grey, as an infrared camera gives it."""
    wide = rgb.astype(np.uint16)
    grey = ((77 * wide[..., 0] + 150 * wide[..., 1] + 29 * wide[..., 2]) >> 8).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def _coded_flow(frame: Frame, *, known: bool) -> NDArray[np.uint16]:
    assert frame.flow_px is not None and frame.ids is not None
    coded = np.zeros((*frame.ids.shape, 3), dtype=np.uint16)
    if known:
        flow = frame.flow_px.astype(np.float64)
        valid = (frame.ids > 0) & np.isfinite(flow).all(axis=2)
        steps = np.floor(np.where(valid[..., None], flow, 0.0) * _FLOW_SCALE + (_FLOW_ZERO + 0.5))
        coded[..., :2] = np.clip(steps, 0, 65_535).astype(np.uint16)
        coded[..., 2] = valid
    return coded


CRIB_VIDEO = CribVideo()
