"""Stained blood smears under a microscope: red cells, white cells and platelets with boxes and masks.

Stain is laid down cell by cell and takes light away by the law of Beer and Lambert, so that cells that lie on each other
darken each other. Owns the order of drawing, the microscope, and the rules by which an annotator draws boxes; no
photograph is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from neuromation.kernel.rng import unit_rng
from neuromation.synthetic.generator import BaseGenerator, Layer, Unit
from neuromation.synthetic.generators import blood_cells_stain as st
from neuromation.synthetic.generators.blood_cells_smear import Smear, SmearParams, sample_smear
from neuromation.synthetic.generators.ink import Floats, Plane, bell_kernel, blur_plane
from neuromation.synthetic.render.lens import develop
from neuromation.synthetic.render.rle import rle_texts
from neuromation.synthetic.scene.model import UPRIGHT, Camera

CLASSES = ("RBC", "WBC", "Platelets")
RED, WHITE, PLATELET = range(3)
_EDGE_FADE_PX = 3.0  # how far the eye sees a soft cell beyond its half-density line

Ids = NDArray[np.uint16]


class BloodCellsParams(SmearParams):
    """A smear, the microscope and camera that see it, and the annotator who draws boxes."""

    focus_blur_px: float = Field(2.2, ge=0, le=8, description="mean blur radius of the microscope, pixels")
    focus_spread: float = Field(0.35, ge=0, le=1, description="of the blur between pictures, relative")
    defocus_share: float = Field(0.05, ge=0, le=1, description="share of pictures that are badly out of focus")
    fringe_px: float = Field(2.4, ge=0, le=5, description="shift between red and blue by the optics, pixels")
    lamp: float = Field(0.595, ge=0.2, le=1, description="linear brightness of the empty field, 1: white")
    lamp_spread: float = Field(0.03, ge=0, le=0.3, description="of the brightness between pictures, relative")
    tint_spread: float = Field(0.015, ge=0, le=0.2, description="of the field's colour between pictures, relative")
    vignette: float = Field(0.16, ge=0, le=0.8, description="mean fall of light from the middle to a side, relative")
    noise: float = Field(1.5, ge=0, le=10, description="sensor noise at mid-grey, in 255ths of white")
    sharpening: float = Field(0.7, ge=0, le=2, description="by the camera, with its halos")
    jpeg_quality: int = Field(82, ge=0, le=100, description="of the camera's JPEG, 0: none")
    annotation_margin_px: float = Field(5.5, ge=-10, le=30, description="from a cell's edge to its box, pixels")
    annotation_jitter_px: float = Field(3.0, ge=0, le=15, description="spread of every side of a box, pixels")
    annotation_inside_min: float = Field(0.68, ge=0, le=1, description="cells with less inside the picture get no box")
    annotation_covered_max: float = Field(
        0.5, ge=0, le=1, description="red cells and platelets with more under or on other cells get no box"
    )
    annotation_miss_rate: float = Field(0.12, ge=0, le=1, description="share of other red cells and platelets left out")
    labels: list[Literal["masks", "layers"]] = Field(
        ["masks"], description="`masks`: run lengths of every cell; `layers`: maps of cells and classes"
    )


@dataclass(frozen=True, eq=False)
class Drawn:
    """A smear after drawing: its stain, which cell is on top, and what every cell measures."""

    stain: Plane  # (height, width, STAINS)
    ids: Ids  # (height, width): 0 or place of the cell + 1, in the order red, white, platelets
    kinds: list[int]
    boxes: Floats  # (N, 4): left, top, right, bottom of the outline inside the picture
    inside: Floats  # (N,): share of the outline that is in the picture
    covered: Floats  # (N,): share of that part that shares its place with another cell
    pixels: Floats  # (N,): of the outline, in the picture or not


def draw(smear: Smear) -> Drawn:
    """Lay all cells of a smear down, in the order in which later ones hide earlier ones in the map of ids."""
    shape = (smear.height, smear.width)
    stain = np.zeros((*shape, st.STAINS), np.float32)
    ids = np.zeros(shape, np.uint16)
    cover = np.zeros(shape, np.uint8)
    st.lay_red_cells(stain, smear.red, smear.red_outlines, smear.lattice, smear.pile)
    st.lay_bubbles(stain, smear.bubbles, smear.bubble_outlines)
    found = st.count_red_cells(cover, ids, smear.red, smear.red_outlines, 1).astype(np.float64)
    rows = [found[n] for n in range(len(found))]
    kinds = [RED] * len(found)
    regions: list[tuple[NDArray[np.bool_], int]] = []
    for cell in smear.white:
        region = np.zeros(shape, np.bool_)
        whole = st.lay_white_cell(stain, region, cell.numbers, cell.outline, cell.lobes, smear.lattice)
        st.lay_dots(stain, cell.granules, cell.granule_planes)
        regions.append((region, whole))
        kinds.append(WHITE)
    for numbers, outline in zip(smear.platelets, smear.platelet_outlines, strict=True):
        region = np.zeros(shape, np.bool_)
        whole = st.lay_platelet(stain, region, numbers, outline, smear.lattice)
        regions.append((region, whole))
        kinds.append(PLATELET)
    shared = []
    for region, whole in regions:
        rows.append(_region_row(region, whole))
        ids[region] = len(rows)
        shared.append(float((cover[region] > 0).mean()) if region.any() else 0.0)
        cover[region] += 1
    st.lay_dots(stain, smear.dots, smear.dot_planes)
    covered = np.concatenate([st.covered_share(cover, smear.red, smear.red_outlines), np.array(shared)])
    table = np.array(rows, dtype=np.float64).reshape(-1, 6)
    return Drawn(stain, ids, kinds, table[:, :4], table[:, 4] / np.maximum(table[:, 5], 1), covered, table[:, 5])


def _region_row(region: NDArray[np.bool_], whole: int) -> Floats:
    """Box, pixels inside and pixels of all of a cell, as `count_red_cells` gives them."""
    columns, lines = np.flatnonzero(region.any(axis=0)), np.flatnonzero(region.any(axis=1))
    if not len(columns):
        return np.array([0, 0, 0, 0, 0, whole], np.float64)
    seen = int(region.sum())
    return np.array([columns[0], lines[0], columns[-1] + 1, lines[-1] + 1, seen, max(whole, seen)], np.float64)


def photograph(params: BloodCellsParams, smear: Smear, drawn: Drawn, seed: int, index: int) -> NDArray[np.uint8]:
    """What the camera on the microscope sees of a drawn smear: uint8 (height, width, 3)."""
    rng = unit_rng(seed, index, "microscope")
    b = (rng.random(16) + rng.random(16) + rng.random(16) - 1.5) * 2.0
    level = params.lamp * max(0.3, 1 + params.lamp_spread * b[0])
    tint = [1 + params.tint_spread * value for value in b[1:4]]
    vignette = params.vignette * (0.6 + 0.4 * abs(b[5]))
    lamp = np.array(
        [
            *(0.995 * level * tint[0], 1.015 * level * tint[1], 0.965 * level * tint[2]),
            *(0.03 + 0.035 * b[6], 0.03 + 0.035 * b[7], 0.6 * vignette, 0.55 + 0.12 * b[8], 0.52 + 0.12 * b[9], 0.02),
            *(0.02 + 0.015 * b[13], 0.02 + 0.015 * b[14]),
        ]
    )
    light = st.light_through(drawn.stain, smear.densities, lamp, smear.lattice)
    blur = params.focus_blur_px * max(0.2, 1 + params.focus_spread * b[10])
    if float(rng.random()) < params.defocus_share:
        blur += 3.0 + 3.0 * float(rng.random())
    # A lens off its axis shifts colours alike over the whole field; blue, which it focuses worst, is also softer.
    shift_x, shift_y = params.fringe_px * (0.8 + 0.4 * b[11]), params.fringe_px * (0.8 + 0.4 * b[12])
    picture = np.empty((params.height, params.width, 3), np.float32)
    for channel, (part, softer) in enumerate(((0.5, 1.0), (0.0, 1.0), (-0.5, 1.35))):
        across = bell_kernel(1.9 * blur * softer, part * shift_x)
        down = bell_kernel(1.9 * blur * softer, part * shift_y)
        picture[:, :, channel] = blur_plane(light[channel], across, down)
    camera = Camera(
        params.width,
        params.height,
        focal_px=float(params.width),
        position=(0.0, 0.0, 0.0),
        rotation=UPRIGHT,
        contrast=0.0,
        noise=params.noise * (0.7 + 0.6 * float(rng.random())),
        sharpening=params.sharpening,
        jpeg_quality=params.jpeg_quality,
    )
    return develop(picture, camera, depth_m=None, rng=unit_rng(seed, index, "noise"))


def _annotated(params: BloodCellsParams, drawn: Drawn, rng: np.random.Generator) -> list[int]:
    """The places of the cells that an annotator boxes: not those mostly outside or deep in a pile, and not quite all."""
    missed = rng.random(len(drawn.kinds))
    kept = []
    for place, kind in enumerate(drawn.kinds):
        if drawn.inside[place] == 0 or drawn.inside[place] < params.annotation_inside_min * (
            0.6 if kind == WHITE else 1
        ):
            continue
        if kind != WHITE and drawn.covered[place] > params.annotation_covered_max:
            continue
        if kind != WHITE and missed[place] < params.annotation_miss_rate:
            continue
        kept.append(place)
    return kept


def _drawn_box(params: BloodCellsParams, outline: Floats, shake: Floats) -> list[int]:
    """An annotator's box about an outline, whole pixels inside the picture, at least one wide."""
    margin, jitter = params.annotation_margin_px, params.annotation_jitter_px
    left, top, right, bottom = outline.tolist()
    x0 = int(min(max(left - margin + jitter * shake[0], 0), params.width - 1) + 0.5)
    y0 = int(min(max(top - margin + jitter * shake[1], 0), params.height - 1) + 0.5)
    x0, y0 = min(x0, params.width - 1), min(y0, params.height - 1)
    x1 = int(min(max(right + margin + jitter * shake[2], x0 + 1), params.width) + 0.5)
    y1 = int(min(max(bottom + margin + jitter * shake[3], y0 + 1), params.height) + 0.5)
    return [x0, y0, x1 - x0, y1 - y0]


def annotate(
    params: BloodCellsParams, smear: Smear, drawn: Drawn, seed: int, index: int
) -> tuple[list[dict[str, Any]], Ids]:
    """The objects of a drawn smear as annotations, and the map of their ids, 1.. in their order.

    A cell's box goes around all of it that lies in the picture, for one sees through the cells above; its mask and area
    are the part that no other labelled or unlabelled cell lies on.
    """
    rng = unit_rng(seed, index, "annotator")
    kept = _annotated(params, drawn, rng)
    shakes = (rng.random((3, len(drawn.kinds), 4)).sum(axis=0) - 1.5) * 2.0
    numbers = np.zeros(len(drawn.kinds) + 1, np.uint16)
    numbers[[place + 1 for place in kept]] = np.arange(1, len(kept) + 1)
    ids = numbers[drawn.ids]
    areas = np.bincount(ids.ravel(), minlength=len(kept) + 1)
    texts = rle_texts(ids, len(kept)) if "masks" in params.labels else []
    objects = []
    first_white = len(smear.red)
    for number, place in enumerate(kept, 1):
        kind = drawn.kinds[place]
        item: dict[str, Any] = {
            "id": number,
            "label": kind,
            "class": CLASSES[kind],
            "bbox": _drawn_box(params, drawn.boxes[place], shakes[place]),
            "area": int(areas[number]),
            "visibility": float(areas[number]) / max(1.0, float(drawn.pixels[place])),
        }
        if kind == WHITE:
            item["attributes"] = {"kind": smear.white[place - first_white].kind}
        if texts:
            item["rle"] = texts[number - 1]
        objects.append(item)
    return objects, ids


class BloodCells(BaseGenerator):
    """Photographs of stained blood smears, 640 x 480 unless asked otherwise."""

    name = "blood-cells"
    title = "Blood cells"
    description = (
        "Stained blood smears under a microscope: red cells with pale middles, piles and odd shapes, five kinds of white "
        "cells, platelets, dust and drying spots, with boxes, classes and masks."
    )
    classes: ClassVar[list[str]] = list(CLASSES)
    cu_per_unit = 0.14
    params_model = BloodCellsParams

    def layers(self, params: BaseModel) -> tuple[Layer, ...]:
        """Maps of cells and classes, where asked for."""
        assert isinstance(params, BloodCellsParams), "parse_params makes the parameters"
        if "layers" not in params.labels:
            return ()
        return (
            Layer("instances", "image", "uint16", "0, or the id of the object on top at the pixel"),
            Layer("semantic", "image", "uint8", "0 background, else class label + 1"),
        )

    def unit(self, params: BaseModel, seed: int, index: int) -> Unit:
        """The unit `index`: a photograph, its cells as objects, and their maps where asked for."""
        assert isinstance(params, BloodCellsParams), "parse_params makes the parameters"
        smear = sample_smear(params, seed, index)
        drawn = draw(smear)
        image = photograph(params, smear, drawn, seed, index)
        objects, ids = annotate(params, smear, drawn, seed, index)
        layers: dict[str, NDArray[Any]] = {}
        if "layers" in params.labels:
            classes = np.array([0, *(item["label"] + 1 for item in objects)], np.uint8)
            layers = {"instances": ids, "semantic": classes[ids]}
        annotations = {"width": params.width, "height": params.height, "objects": objects}
        return Unit(index, image, None, annotations, layers)


BLOOD_CELLS = BloodCells()
