"""From a scene and what a renderer saw of it to a labelled unit; and the parameters that all scenes with a camera share.

Owns the names and meanings of dense layers and of annotations, which docs/annotations.md spells out. Labels come from the
scene's state and the renderer's exact maps, never from the picture.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator

from neuromation.kernel.rng import SEED_MAX, unit_rng
from neuromation.synthetic.errors import BadScene
from neuromation.synthetic.generator import Layer, Unit
from neuromation.synthetic.render.protocol import Frame, Pass
from neuromation.synthetic.render.quantise import stored_depth, stored_illumination, stored_normals
from neuromation.synthetic.render.rle import measured, rle_text, rle_texts
from neuromation.synthetic.scene.model import Camera, Instance, Rotation, Scene, Vector

LabelName = Literal["masks", "amodal", "depth", "normals", "illumination", "pose"]
Tier = Literal["exact", "photoreal", "gpu"]

NULL_CLASS = "none"
BYTE_CLASSES_MAX = 253  # more do not fit a semantic mask of bytes beside background and null
KEYPOINT_REACH_M = 0.01  # a keypoint so far below the surface still counts as seen
KEYPOINTS_MAX = 64  # of one mesh

_PASSES: dict[LabelName, Pass] = {
    "amodal": "amodal",
    "depth": "depth",
    "normals": "normals",
    "illumination": "illumination",
}


class SceneParams(BaseModel):
    """What every generator with a camera lets its users choose: size, labels, and the character of the camera."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    width: int = Field(640, ge=64, le=1920, description="width of the picture, pixels")
    height: int = Field(480, ge=64, le=1920, description="height of the picture, pixels")
    samples: int = Field(1, ge=1, le=4, description="shading samples a pixel's side: 1 is fast, 2 is smooth")
    labels: list[LabelName] = Field(
        ["masks"],
        description="dense labels wanted beside boxes and classes: masks, amodal, depth, normals, illumination, pose",
    )
    tier: Tier = Field(
        "exact",
        description="renderer: exact (the same bits everywhere), photoreal or gpu (compared by tolerance, not by hash)",
    )
    exposure: float = Field(
        1.0,
        ge=0.25,
        le=4.0,
        description="mean exposure, times what the scene asks for",
        json_schema_extra={"log": True},
    )
    exposure_spread: float = Field(0.12, ge=0, le=0.6, description="spread of the exposure between pictures, relative")
    white_balance_spread: float = Field(
        0.04, ge=0, le=0.25, description="spread of the white balance between pictures, warm to cool, relative"
    )
    contrast: float = Field(0.5, ge=0, le=1, description="how softly highlights roll off: 0 clips them, 1 is film-like")
    noise: float = Field(1.5, ge=0, le=12, description="mean noise of a mid-grey pixel, 255ths of white")
    blur_px: float = Field(0.5, ge=0, le=6, description="mean radius of an unsharp lens, pixels")
    motion_px: float = Field(0.6, ge=0, le=16, description="longest movement during the exposure, pixels")
    aperture_mm: float = Field(
        0.0, ge=0, le=20, description="width of the lens's opening, which blurs what is out of focus; 0: nothing is"
    )
    vignette: float = Field(0.15, ge=0, le=0.8, description="mean darkening of the corners")
    fringe_px: float = Field(0.4, ge=0, le=3, description="largest shift of red against blue at the corners, pixels")
    sharpening: float = Field(0.4, ge=0, le=1.5, description="mean overdrawing of detail by the camera's software")
    jpeg: float = Field(0.12, ge=0, le=1, description="mean strength of JPEG artefacts: 0 none, 1 quality 10")

    @field_validator("labels")
    @classmethod
    def _each_once(cls, labels: list[LabelName]) -> list[LabelName]:
        if len(set(labels)) != len(labels):
            raise ValueError("each label is named once")
        return labels


def passes_for(labels: Sequence[LabelName]) -> frozenset[Pass]:
    """What a renderer has to draw for these labels. Depth is always there: it tells which keypoints are seen."""
    return frozenset({"rgb", "ids", "depth", *(_PASSES[label] for label in labels if label in _PASSES)})


def scene_layers(params: SceneParams, *, classes: int = 1) -> tuple[Layer, ...]:
    """The layers of units with these parameters, for `Generator.layers`.

    Args:
        params: whose `labels` decide.
        classes: how many classes there are; over 253 the semantic mask has 16 bits.
    """
    wide = classes > BYTE_CLASSES_MAX
    kinds = {
        "masks": (
            Layer("instances", "image", "uint16", "id of the object seen at each pixel, 0 for none"),
            Layer(
                "semantic",
                "image",
                "uint16" if wide else "uint8",
                f"label plus 1 of the object seen at each pixel, 0 for none, {65_535 if wide else 255} for a null object",
            ),
        ),
        "depth": (Layer("depth", "image", "uint16", "distance along the camera's axis in millimetres, 0 for nothing"),),
        "normals": (
            Layer(
                "normals", "image", "uint8", "surface normal in the camera's frame, 127.5 + 127.5 n, zeros for nothing"
            ),
        ),
        "illumination": (
            Layer("illumination", "image", "uint8", "light that falls on the surface, 128 times its root"),
        ),
    }
    return tuple(layer for label in get_args(LabelName) if label in params.labels for layer in kinds.get(label, ()))


def seen_through(camera: Camera, params: SceneParams, rng: Generator) -> Camera:
    """The camera with the character that the parameters give its pictures, drawn from `rng`.

    What a generator decides stays: size, view, focus. Its own exposure and white balance are multiplied. The same number
    of draws is taken whatever the parameters, so that turning one slider leaves all else as it was.
    """
    draws = [float(draw) for draw in rng.random(18)]
    brighter = params.exposure_spread * _bell(draws[0:3])
    warmer = params.white_balance_spread * _bell(draws[3:6])
    greener = 0.4 * params.white_balance_spread * _bell(draws[6:9])
    red, green, blue = camera.white_balance
    x, y = _direction(draws[9], draws[10])
    length = params.motion_px * draws[11] * draws[11]  # most pictures are held still
    loss = params.jpeg * (0.5 + draws[15])
    return replace(
        camera,
        exposure=camera.exposure * params.exposure * _factor(brighter),
        white_balance=(red * _factor(warmer), green * _factor(greener), blue * _factor(-warmer)),
        contrast=params.contrast,
        noise=params.noise * (0.5 + draws[12]),
        blur_px=params.blur_px * (0.5 + draws[13]),
        aperture_mm=params.aperture_mm,
        motion_px=(length * x, length * y),
        vignette=min(params.vignette * (0.5 + draws[16]), 0.9),
        fringe_px=params.fringe_px * (2.0 * draws[14] - 1.0),
        sharpening=params.sharpening * (0.5 + draws[17]),
        jpeg_quality=max(10, round(100.0 - 90.0 * loss)) if loss > 0.0 else 0,
    )


def _bell(draws: Sequence[float]) -> float:
    """A number of mean 0 and spread 1, at most 3 away, from three uniform draws; a true normal needs a logarithm."""
    return 2.0 * (draws[0] + draws[1] + draws[2] - 1.5)


def _factor(change: float) -> float:
    """1 + change for more, and its inverse for as much less."""
    return 1.0 + change if change >= 0.0 else 1.0 / (1.0 - change)


def _direction(draw: float, half: float) -> tuple[float, float]:
    """A unit vector from the tangent of half its angle, which needs no sine; `half` turns it round."""
    t = 2.0 * draw - 1.0
    scale = (1.0 if half < 0.5 else -1.0) / (1.0 + t * t)
    return (1.0 - t * t) * scale, 2.0 * t * scale


def drawn_unit(
    index: int,
    scene: Scene,
    params: SceneParams,
    *,
    seed: int,
    classes: Sequence[str],
    label: int | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Unit:
    """Draw a scene with the renderer, the passes and the samples that the parameters ask for, and label it.

    Args:
        index, seed: of the unit; the camera's noise is drawn from them.
        scene, params: what to draw, and how.
        classes, label, extra: as of `labelled_unit`.
    """
    from neuromation.synthetic.render import renderer_named

    noise_seed = int(unit_rng(seed, index, "camera noise").integers(SEED_MAX))
    frame = renderer_named(params.tier).render(
        scene, passes_for(params.labels), seed=noise_seed, samples=params.samples
    )
    return labelled_unit(index, scene, frame, classes=classes, label=label, extra=extra, labels=params.labels)


def labelled_unit(
    index: int,
    scene: Scene,
    frame: Frame,
    *,
    classes: Sequence[str],
    labels: Sequence[LabelName],
    label: int | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Unit:
    """The unit of a scene as a renderer saw it: picture, layers and annotations that agree with each other.

    Args:
        index: the unit's place in its data set.
        scene: what was drawn.
        frame: what came of it, with the passes that `passes_for(labels)` names.
        classes: names of the classes that the instances' labels number.
        labels: dense labels wanted; boxes, classes and keypoints are always there.
        label: the one class of the whole unit, or None.
        extra: further annotations beside "camera" and "objects".

    Raises:
        BadScene: a pass is missing, or a label numbers no class.
    """
    ids, depth_m = _needed(frame.ids, "ids"), _needed(frame.depth_m, "depth")
    areas, boxes = measured(ids, len(scene.instances))
    seen = [place for place, instance in enumerate(scene.instances) if instance.is_object and areas[place + 1] > 0]
    numbers = np.zeros(len(scene.instances) + 1, np.uint16)
    numbers[np.array(seen, np.int64) + 1] = np.arange(1, len(seen) + 1)
    instances = numbers[ids]
    masks = rle_texts(instances, len(seen)) if "masks" in labels else None
    view = _View(scene.camera, ids, depth_m)
    objects = []
    for number, place in enumerate(seen, 1):
        instance = scene.instances[place]
        entry = _classed(number, instance, classes)
        entry["bbox"] = boxes[place + 1].tolist()
        entry["area"] = int(areas[place + 1])
        if masks is not None:
            entry["rle"] = masks[number - 1]
        if "amodal" in labels:
            entry |= _amodal(frame, place + 1, entry["area"])
        if "pose" in labels:
            entry["pose"] = _pose(instance, scene.camera, view.size_of(instance))
        if instance.mesh.keypoints:
            entry["keypoints"] = view.keypoints(instance, place + 1)
        if instance.attributes:
            entry["attributes"] = dict(instance.attributes)
        objects.append(entry)
    annotations = {**_picture_facts(scene.camera), "objects": objects, **(extra or {})}
    layers = _layers(frame, instances, [scene.instances[place] for place in seen], len(classes), labels)
    return Unit(index, _needed(frame.rgb, "rgb"), label, annotations, layers)


def _needed(array: NDArray[Any] | None, name: str) -> NDArray[Any]:
    if array is None:
        raise BadScene(f"labels need the pass {name!r}, which was not drawn; ask the renderer for `passes_for(labels)`")
    return array


def _classed(number: int, instance: Instance, classes: Sequence[str]) -> dict[str, Any]:
    """Id, label and class of an object."""
    if instance.is_null:
        return {"id": number, "label": None, "class": NULL_CLASS, "null": True}
    label = cast(int, instance.label)
    if not 0 <= label < len(classes):
        raise BadScene(f"label {label} of an object is none of the {len(classes)} classes")
    return {"id": number, "label": label, "class": classes[label]}


def _amodal(frame: Frame, instance_id: int, area: int) -> dict[str, Any]:
    """Box, mask and visible share of an object as if nothing stood before it, inside the picture."""
    whole = frame.amodal.get(instance_id)
    if whole is None:
        raise BadScene("labels need the pass 'amodal', which was not drawn; ask the renderer for `passes_for(labels)`")
    height, width = _needed(frame.ids, "ids").shape
    rows, columns = whole.mask.shape
    text = rle_text(whole.mask, left=whole.left, top=whole.top, width=width, height=height)
    pixels = int(np.count_nonzero(whole.mask))
    return {
        "bbox_amodal": [whole.left, whole.top, columns, rows],
        "visibility": area / pixels,
        "rle_amodal": text,
    }


def _picture_facts(camera: Camera) -> dict[str, Any]:
    cx, cy = camera.centre
    return {
        "width": camera.width,
        "height": camera.height,
        "camera": {
            "fx": camera.focal_px,
            "fy": camera.focal_px,
            "cx": cx,
            "cy": cy,
            "k1": camera.k1,
            "k2": camera.k2,
            "rotation": list(camera.rotation),
            "position_m": list(camera.position),
        },
    }


def turned(rotation: Rotation, vector: Vector) -> Vector:
    """A rotation times a vector, in Python's own arithmetic, which is the same everywhere."""
    r, (x, y, z) = rotation, vector
    return (r[0] * x + r[1] * y + r[2] * z, r[3] * x + r[4] * y + r[5] * z, r[6] * x + r[7] * y + r[8] * z)


def in_camera(camera: Camera, point: Vector) -> Vector:
    """A point of the world in the camera's frame, metres: x to the right, y down, z ahead."""
    px, py, pz = camera.position
    return turned(camera.rotation, (point[0] - px, point[1] - py, point[2] - pz))


def projected(camera: Camera, point: Vector) -> tuple[float, float, float] | None:
    """Where a camera sees a point of the world: x and y in pixels and its depth in metres; None for what is behind it."""
    x, y, z = in_camera(camera, point)
    if z <= 1e-6:
        return None
    x, y = x / z, y / z
    square = x * x + y * y
    stretch = 1.0 + camera.k1 * square + camera.k2 * square * square
    cx, cy = camera.centre
    return cx + camera.focal_px * x * stretch, cy + camera.focal_px * y * stretch, z


def placed(instance: Instance, point: Vector) -> Vector:
    """A point of an instance's mesh in the world, metres."""
    pose = instance.pose
    x, y, z = turned(pose.rotation, (point[0] * pose.scale[0], point[1] * pose.scale[1], point[2] * pose.scale[2]))
    return x + pose.position[0], y + pose.position[1], z + pose.position[2]


def _pose(instance: Instance, camera: Camera, size_m: Vector) -> dict[str, Any]:
    """Rotation, translation and size of an object in the camera's frame."""
    r = instance.pose.rotation
    columns = [turned(camera.rotation, (r[axis], r[3 + axis], r[6 + axis])) for axis in range(3)]
    return {
        "rotation": [columns[axis][row] for row in range(3) for axis in range(3)],
        "translation_m": list(in_camera(camera, instance.pose.position)),
        "size_m": list(size_m),
    }


@dataclass(frozen=True, eq=False)
class _View:
    """What decides whether a point is seen; sizes of meshes are measured once a picture."""

    camera: Camera
    ids: NDArray[np.uint16]
    depth_m: NDArray[np.float32]
    sizes: dict[int, Vector] = field(default_factory=dict)

    def size_of(self, instance: Instance) -> Vector:
        """Extent along the instance's own axes, metres."""
        key = id(instance.mesh)
        if key not in self.sizes:
            low, high = instance.mesh.bounds
            self.sizes[key] = (high[0] - low[0], high[1] - low[1], high[2] - low[2])
        size, scale = self.sizes[key], instance.pose.scale
        return size[0] * scale[0], size[1] * scale[1], size[2] * scale[2]

    def keypoints(self, instance: Instance, instance_id: int) -> dict[str, list[float]]:
        """Place and visibility of every named point of an instance: 2 seen, 1 hidden, 0 outside the picture."""
        named = instance.mesh.keypoints
        if len(named) > KEYPOINTS_MAX:
            raise BadScene(f"a mesh has at most {KEYPOINTS_MAX} keypoints, not {len(named)}")
        return {name: self._keypoint(placed(instance, point), instance_id) for name, point in sorted(named.items())}

    def _keypoint(self, point: Vector, instance_id: int) -> list[float]:
        found = projected(self.camera, point)
        height, width = self.ids.shape
        if found is None or not (0.0 <= found[0] < width and 0.0 <= found[1] < height):
            return [0.0, 0.0, 0]
        x, y, depth_m = found
        column, row = int(x), int(y)
        # The pixel's centre lies beside the point, so the surface there may be a little nearer or just be gone: a corner
        # counts as seen when any pixel around it shows its object at its depth.
        rows = slice(max(row - 1, 0), row + 2)
        columns = slice(max(column - 1, 0), column + 2)
        near = depth_m - KEYPOINT_REACH_M - 0.01 * depth_m
        is_seen = (self.ids[rows, columns] == instance_id) & (self.depth_m[rows, columns] >= near)
        return [x, y, 2 if is_seen.any() else 1]


def _layers(
    frame: Frame,
    instances: NDArray[np.uint16],
    seen: Sequence[Instance],
    classes: int,
    labels: Sequence[LabelName],
) -> dict[str, NDArray[Any]]:
    """The maps that `scene_layers` declares."""
    layers: dict[str, NDArray[Any]] = {}
    if "masks" in labels:
        wide = classes > BYTE_CLASSES_MAX
        null = 65_535 if wide else 255
        values = [0, *(null if instance.is_null else cast(int, instance.label) + 1 for instance in seen)]
        layers["instances"] = instances
        layers["semantic"] = np.array(values, np.uint16 if wide else np.uint8)[instances]
    writers: dict[LabelName, tuple[Callable[[Any], NDArray[Any]], NDArray[np.float32] | None]] = {
        "depth": (stored_depth, frame.depth_m),
        "normals": (stored_normals, frame.normals),
        "illumination": (stored_illumination, frame.illumination),
    }
    for name, (write, values_m) in writers.items():
        if name in labels:
            layers[name] = write(_needed(values_m, name))
    return layers
