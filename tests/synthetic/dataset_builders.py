"""Small generators of every kind of unit: pictures with layers and objects, recordings, clips, texts and rows."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray
from pycocotools import mask as coco_mask
from pydantic import BaseModel, ConfigDict, Field

from neuromation.kernel.rng import unit_rng
from neuromation.synthetic import BaseGenerator, Layer, Unit

WIDTH, HEIGHT, RATE_HZ = 64, 48, 8000


class NoParams(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    dense: bool = True
    size: int = Field(14, ge=2, le=20)


def rle_of(mask: NDArray[np.bool_]) -> str:
    """COCO's compressed text of a mask, by its own library."""
    return str(coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode())


class Blocks(BaseGenerator):
    """Blocks before each other on a table, the last one often a null object, with every dense label."""

    name = "blocks"
    title = "Blocks"
    description = "Blocks on a table."
    classes: ClassVar[list[str]] = ["brick", "cube", "null-look"]
    params_model = NoParams

    def layers(self, params: BaseModel) -> tuple[Layer, ...]:
        assert isinstance(params, NoParams)
        return (
            Layer("instances", "image", "uint16", "0 or the object's id"),
            Layer("depth", "image", "uint16", "millimetres, 0 for nothing"),
            Layer("normals", "image", "uint8", "round(127.5 + 127.5 n), camera frame"),
            Layer("illumination", "image", "uint8", "128 times the root of the irradiance"),
            Layer("flow", "image", "uint16", "KITTI coding"),
        )[: 5 if params.dense else 1]

    def unit(self, params: BaseModel, seed: int, index: int) -> Unit:
        assert isinstance(params, NoParams)
        rng = unit_rng(seed, index)
        image = rng.integers(90, 110, (HEIGHT, WIDTH, 3)).astype(np.uint8)
        ids = np.zeros((HEIGHT, WIDTH), np.uint16)
        placed = []
        for number in range(1, 5):
            x, y = int(rng.integers(0, WIDTH - params.size)), int(rng.integers(0, HEIGHT - params.size))
            ids[y : y + params.size, x : x + params.size] = number
            placed.append((x, y, int(rng.integers(2)), bool(number == 4 and index % 2)))
        objects = []
        for number, (x, y, label, null) in enumerate(placed, 1):
            mask = ids == number
            if not mask.any():
                continue
            image[mask] = (60 * label + 90, 200 - 40 * number, 40)
            rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
            corner = [int(columns[0]), int(rows[0])]
            objects.append(
                {
                    "id": number,
                    "label": None if null else label,
                    "class": "none" if null else self.classes[label],
                    **({"null": True} if null else {}),
                    "bbox": [*corner, int(columns[-1]) - corner[0] + 1, int(rows[-1]) - corner[1] + 1],
                    "bbox_amodal": [x, y, params.size, params.size],
                    "area": int(mask.sum()),
                    "visibility": round(float(mask.sum()) / params.size**2, 6),
                    "rle": rle_of(mask),
                    "keypoints": {"top": [x + 2.0, float(y), 2], "corner": [float(x), float(y), 1]},
                    "attributes": {"sku": f"S{label}"},
                }
            )
        depth = (900 - 50 * ids.astype(int)).astype(np.uint16)
        normals = np.stack([np.full_like(ids, 127), np.full_like(ids, 127), np.full_like(ids, 255)], -1)
        flow = np.stack([depth, depth[::-1], np.ones_like(depth)], -1)
        every: dict[str, NDArray[Any]] = {
            "instances": ids,
            "depth": depth,
            "normals": normals.astype(np.uint8),
            "illumination": (ids * 20 + 60).astype(np.uint8),
            "flow": flow,
        }
        wanted = {layer.name: every[layer.name] for layer in self.layers(params)}
        return Unit(index, image, None, {"width": WIDTH, "height": HEIGHT, "objects": objects}, wanted)


class Tones(BaseGenerator):
    """A tone of one of three pitches, a fifth of a second."""

    name, title, description, modality = "tones", "Tones", "One tone a recording.", "audio"
    classes: ClassVar[list[str]] = ["low", "middle", "high"]
    params_model = NoParams

    def layers(self, params: BaseModel) -> tuple[Layer, ...]:
        return (Layer("audio", "audio", "int16", "sound pressure, full scale 32767", RATE_HZ),)

    def unit(self, params: BaseModel, seed: int, index: int) -> Unit:
        label = int(unit_rng(seed, index).integers(3))
        ramp = np.arange(RATE_HZ // 5) * (37 * 2**label) % 400
        sound = (np.abs(ramp - 200) * 60 - 6000).astype(np.int16)
        events = [{"class": self.classes[label], "label": label, "onset_s": 0.05, "offset_s": 0.15}]
        return Unit(index, None, label, {"events": events, "text": self.classes[label]}, {"audio": sound})


class Clips(BaseGenerator):
    """A dot that walks across a small clip."""

    name, title, description, modality = "clips", "Clips", "A dot walks.", "video"
    classes: ClassVar[list[str]] = ["left", "right"]
    params_model = NoParams

    def layers(self, params: BaseModel) -> tuple[Layer, ...]:
        return (Layer("video", "video", "uint8", "sRGB", 5.0), Layer("range", "video", "uint16", "mm", 5.0))

    def unit(self, params: BaseModel, seed: int, index: int) -> Unit:
        label = int(unit_rng(seed, index).integers(2))
        frames = np.zeros((6, 24, 32, 3), np.uint8)
        for time in range(6):
            x = 3 + 4 * time if label else 27 - 4 * time
            frames[time, 10:14, x : x + 3] = (250, 180, 60)
        events = [{"class": self.classes[label], "label": label, "onset_s": 0.2, "offset_s": 1.0}]
        depth = frames[..., 0].astype(np.uint16) * 9
        return Unit(index, frames[0], label, {"events": events}, {"video": frames, "range": depth})


class Phrases(BaseGenerator):
    """Short orders with an intent."""

    name, title, description, modality = "phrases", "Phrases", "Orders.", "text"
    classes: ClassVar[list[str]] = ["stop", "go"]
    params_model = NoParams

    def unit(self, params: BaseModel, seed: int, index: int) -> Unit:
        label = int(unit_rng(seed, index).integers(2))
        text = f"{'go to' if label else 'stop at'} gate {index}"
        return Unit(index, None, label, {"text": text, "slots": [{"name": "gate", "value": str(index)}]})


class Pairs(BaseGenerator):
    """Rows of numbers."""

    name, title, description, modality = "pairs", "Pairs", "A number and its square.", "table"
    params_model = NoParams

    def unit(self, params: BaseModel, seed: int, index: int) -> Unit:
        x = round(float(unit_rng(seed, index).random()), 6)
        return Unit(index, None, None, {"x": x, "y": round(x * x, 6), "series": [x, 2 * x]})


BLOCKS, TONES, CLIPS, PHRASES, PAIRS = Blocks(), Tones(), Clips(), Phrases(), Pairs()
EVERY = (BLOCKS, TONES, CLIPS, PHRASES, PAIRS)


def arrays_of(layer: Layer) -> st.SearchStrategy[NDArray[Any]]:
    """Any array that a layer takes."""
    sides = st.tuples(st.integers(1, 40), st.integers(1, 40))
    images = st.one_of(sides, sides.map(lambda s: (*s, 3)))
    if layer.kind == "audio":
        shapes = st.one_of(st.tuples(st.integers(1, 90)), st.tuples(st.integers(1, 90), st.integers(2, 8)))
        return shapes.flatmap(lambda shape: npst.arrays(np.int16, shape))
    if layer.kind == "video":
        images = st.tuples(st.integers(1, 4), images).map(lambda pair: (pair[0], *pair[1]))
    return images.flatmap(lambda shape: npst.arrays(np.dtype(layer.dtype), shape))
