"""Traffic signs at the roadside or one to a picture, drawn from their definitions; look-alike advertising is labelled as none.

Owns the order of drawing, the camera and the labels. No photograph, font or clip art is used.
"""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from neuromation.kernel.rng import unit_rng
from neuromation.synthetic.generator import BaseGenerator, Layer, Unit
from neuromation.synthetic.generators import traffic_signs_draw as td
from neuromation.synthetic.generators.ink import Floats, Plane, bell_kernel, blur_plane
from neuromation.synthetic.generators.traffic_signs_catalogue import NAMES, signs
from neuromation.synthetic.generators.traffic_signs_scene import Roadside, RoadsideParams, StandingSign, sample_roadside
from neuromation.synthetic.render.lens import develop
from neuromation.synthetic.render.rle import measured, rle_texts
from neuromation.synthetic.scene.model import UPRIGHT, Camera

Ids = NDArray[np.uint16]
_NULL = 255  # of look-alikes in the map of classes


@cache
def _behind() -> Floats:
    """What the lens does to what is farther than the signs, at half the pixels."""
    return bell_kernel(1.8, 0.0)


class TrafficSignsParams(RoadsideParams):
    """A roadside and the camera that passes."""

    exposure_spread: float = Field(0.18, ge=0, le=0.8, description="of the exposure between pictures, relative")
    tint_spread: float = Field(0.04, ge=0, le=0.3, description="of the white balance between pictures, relative")
    blur_px: float = Field(0.7, ge=0, le=6, description="mean blur radius of the lens, pixels")
    motion_px: float = Field(1.2, ge=0, le=20, description="mean movement during the exposure, pixels")
    noise: float = Field(2.0, ge=0, le=30, description="mean sensor noise at mid-grey, in 255ths of white")
    jpeg_quality_min: int = Field(55, ge=5, le=100, description="of the camera's JPEG, at worst; at best 95")
    labels: list[Literal["masks", "layers"]] = Field(
        ["masks"], description="`masks`: run lengths of every sign; `layers`: maps of signs and classes"
    )


def draw(roadside: Roadside) -> tuple[Plane, Ids, list[int]]:
    """A roadside in linear light, float32 (height, width, 3); which sign is seen where, its place in `signs` plus 1;
    and how many pixels each whole plate has."""
    height, width = roadside.height, roadside.width
    step = 2 if width >= 256 else 1  # what is behind is out of focus: half the pixels are enough
    behind = td.draw_roadside(
        -(-height // step), -(-width // step), step, roadside.view, roadside.buildings, roadside.trees, roadside.lattice
    )
    if step > 1:
        for channel in range(3):
            behind[:, :, channel] = blur_plane(np.ascontiguousarray(behind[:, :, channel]), _behind(), _behind())
    light = td.enlarge(behind, height, width)
    ids = np.zeros((height, width), np.uint16)
    whole = []
    for number, sign in enumerate(roadside.signs, 1):
        td.lay_post(light, sign.post, sign.post_colour)
        whole.append(
            td.lay_sign(light, ids, number, sign.to_sign, sign.window, sign.ink, sign.surface, roadside.lattice)
        )
        td.lay_leaves(light, ids, sign.leaves)
    for sign in roadside.signs:
        td.lay_glow(light, sign.glow)
    td.lay_rain(light, roadside.rain)
    return light, ids, whole


def photograph(
    params: TrafficSignsParams, roadside: Roadside, light: Plane, seed: int, index: int
) -> NDArray[np.uint8]:
    """What the passing camera makes of it: uint8 (height, width, 3)."""
    rng = unit_rng(seed, index, "camera")
    f = rng.random(12).tolist()
    b = [f[0] + f[1] + f[2] - 1.5, f[3] + f[4] + f[5] - 1.5]
    small = min(1.0, roadside.width / 200)  # a crop comes from a larger picture and shakes less across
    moved = params.motion_px * small * 2.4 * f[6] * f[6]
    camera = Camera(
        roadside.width,
        roadside.height,
        focal_px=float(roadside.view[td.V_FOCAL]),
        position=(0.0, 0.0, 0.0),
        rotation=UPRIGHT,
        exposure=1.25 * max(0.15, 1 + 2 * params.exposure_spread * b[0]),
        white_balance=(1 + 2 * params.tint_spread * b[1], 1.0, 1 - 2 * params.tint_spread * b[1]),
        contrast=0.35,
        noise=params.noise * (0.4 + 1.2 * f[7]) * (2.2 if roadside.weather == "night" else 1.0),
        blur_px=params.blur_px * (0.4 + 1.6 * f[8] * f[8]) * (0.5 + 0.5 * small),
        motion_px=(moved, moved * 0.6 * (f[9] - 0.5)),
        vignette=0.25 * f[10] if params.mode == "scene" else 0.0,
        sharpening=0.6 * f[11],
        jpeg_quality=params.jpeg_quality_min + int((96 - min(95, params.jpeg_quality_min)) * float(rng.random())),
    )
    picture = develop(light, camera, depth_m=None, rng=unit_rng(seed, index, "noise"))
    if params.mode == "crop" and roadside.width != params.crop_px:
        larger = td.enlarge(picture.astype(np.float32), params.crop_px, params.crop_px)
        picture = (larger + np.float32(0.5)).astype(np.uint8)
    return picture


def annotate(params: TrafficSignsParams, roadside: Roadside, ids: Ids, whole: list[int]) -> tuple[list[Any], Ids]:
    """The signs of which a pixel is seen, as annotations, and the map of their ids, 1.. in their order."""
    areas, boxes = measured(ids, len(roadside.signs))
    seen = [place for place in range(len(roadside.signs)) if areas[place + 1] > 0]
    numbers = np.zeros(len(roadside.signs) + 1, np.uint16)
    numbers[[place + 1 for place in seen]] = np.arange(1, len(seen) + 1)
    texts = rle_texts(ids, len(roadside.signs)) if "masks" in params.labels else []
    objects = []
    for number, place in enumerate(seen, 1):
        sign = roadside.signs[place]
        item: dict[str, Any] = {
            "id": number,
            "label": sign.label,
            "class": sign.name,
            "bbox": boxes[place + 1].tolist(),
            "area": int(areas[place + 1]),
            "visibility": min(1.0, float(areas[place + 1]) / max(1, whole[place])),
            "keypoints": _corners(sign, ids, place + 1),
        }
        if sign.label is None:
            item["null"] = True
        else:
            item["attributes"] = {"group": signs()[sign.label].group}
        if texts:
            item["rle"] = texts[place]
        objects.append(item)
    return objects, numbers[ids]


def _corners(sign: StandingSign, ids: Ids, number: int) -> dict[str, list[float]]:
    """The middle of a plate, 2 where it is seen, 1 where something is before it, 0 outside the picture."""
    x, y = sign.centre
    height, width = ids.shape
    if not (0 <= x < width and 0 <= y < height):
        return {"centre": [x, y, 0]}
    return {"centre": [x, y, 2 if ids[int(y), int(x)] == number else 1]}


class TrafficSigns(BaseGenerator):
    """Roadsides with signs and boxes, or single signs to classify."""

    name = "traffic-signs"
    title = "Traffic signs"
    description = (
        f"{len(NAMES)} signs of the Vienna Convention drawn from their definitions, by day, night, fog and rain, worn, "
        "dirty and half hidden, with boxes and masks, and advertising that looks alike and is labelled as none."
    )
    classes: ClassVar[list[str]] = list(NAMES)
    cu_per_unit = 0.07
    params_model = TrafficSignsParams

    def layers(self, params: BaseModel) -> tuple[Layer, ...]:
        """Maps of signs and classes, where asked for; of scenes only."""
        assert isinstance(params, TrafficSignsParams), "parse_params makes the parameters"
        if "layers" not in params.labels or params.mode == "crop":
            return ()
        return (
            Layer("instances", "image", "uint16", "0, or the id of the sign seen at the pixel"),
            Layer("semantic", "image", "uint8", "0 surroundings, 255 advertising, else class label + 1"),
        )

    def unit(self, params: BaseModel, seed: int, index: int) -> Unit:
        """The unit `index`: a scene with its signs as objects, or a crop with its class as label."""
        assert isinstance(params, TrafficSignsParams), "parse_params makes the parameters"
        roadside = sample_roadside(params, seed, index)
        light, ids, whole = draw(roadside)
        image = photograph(params, roadside, light, seed, index)
        if params.mode == "crop":
            sign = roadside.signs[0]
            facts = {"class": sign.name, "null": sign.label is None, "resolution_px": roadside.width}
            return Unit(index, image, sign.label, {**facts, "weather": roadside.weather})
        objects, numbers = annotate(params, roadside, ids, whole)
        layers: dict[str, NDArray[Any]] = {}
        if "layers" in params.labels:
            classes = [_NULL if item["label"] is None else item["label"] + 1 for item in objects]
            layers = {"instances": numbers, "semantic": np.array([0, *classes], np.uint8)[numbers]}
        facts = {"width": params.width, "height": params.height, "weather": roadside.weather, "objects": objects}
        return Unit(index, image, None, facts, layers)


TRAFFIC_SIGNS = TrafficSigns()
