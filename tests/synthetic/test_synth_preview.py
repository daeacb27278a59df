"""Contact sheets: every kind of unit is shown with its labels, the same picture twice."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from dataset_builders import BLOCKS, EVERY, Blocks, NoParams
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from neuromation.synthetic import BadDataset, Generator, Layer, Unit, colours, preview
from neuromation.synthetic.panels import Look, panels

PARAMS = NoParams()
LOOK = Look("#ffffff", "#000000", "#888888", "#eeeeee")


def size_of(data: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(data)) as picture:
        return picture.size


@pytest.mark.parametrize("generator", EVERY, ids=lambda g: g.name)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_kind_of_unit_has_a_row_the_same_twice(generator: Generator, theme: Any) -> None:
    one, two = (preview(generator, PARAMS, seed=1, units=count, theme=theme) for count in (1, 2))
    assert preview(generator, PARAMS, seed=1, units=2, theme=theme) == two
    assert size_of(two)[1] > size_of(one)[1]
    assert 400 < size_of(two)[0] <= 2_000


def test_a_unit_with_dense_labels_shows_each_beside_its_image() -> None:
    unit = BLOCKS.unit(PARAMS, 1, 1)
    shown = panels(unit, BLOCKS.layers(PARAMS), BLOCKS.classes, 255, 200, LOOK)
    titles = ["image", "boxes", "instances", "depth", "normals", "illumination", "flow"]
    assert [panel.title for panel in shown] == titles
    assert {panel.picture.size for panel in shown} == {(200, 150)}
    assert "null" in shown[1].legend.words
    assert shown[3].legend.low.endswith("m")


def test_an_object_is_outlined_in_the_colour_of_its_class() -> None:
    unit = BLOCKS.unit(PARAMS, 1, 0)
    boxes = panels(unit, (), BLOCKS.classes, 255, 640, LOOK)[1].picture
    known = {tuple(pixel) for pixel in np.asarray(boxes).reshape(-1, 3).tolist()}
    assert {colours.class_colour(item["label"]) for item in unit.annotations["objects"]} <= known


def test_a_pose_is_drawn_as_an_oriented_box_with_axes() -> None:
    unit = BLOCKS.unit(PARAMS, 1, 0)
    pose = {"rotation": [1, 0, 0, 0, 1, 0, 0, 0, 1], "translation_m": [0, 0, 1], "size_m": [0.2, 0.2, 0.2]}
    behind = {**pose, "translation_m": [0, 0, -1]}
    objects = [{**unit.annotations["objects"][0], "pose": pose}, {**unit.annotations["objects"][1], "pose": behind}]
    camera = {"fx": 60, "fy": 60, "cx": 32, "cy": 24}
    posed = replace(unit, annotations={"objects": objects, "camera": camera})
    shown = panels(posed, (), BLOCKS.classes, 255, 400, LOOK)
    assert [panel.title for panel in shown] == ["image", "boxes", "pose"]
    assert np.ptp(np.asarray(shown[2].picture), axis=2).max() > 150  # the axes alone are in colour


class Fields(Blocks):
    """Layers that nobody knows, and pictures of any size."""

    def layers(self, params: Any) -> tuple[Layer, ...]:
        return (Layer("heat", "image", "uint16", "kelvin"), Layer("semantic", "image", "uint8", "classes"))

    def unit(self, params: Any, seed: int, index: int) -> Unit:
        flat = np.zeros((5, 900), np.uint16)
        return Unit(index, None, None, {}, {"heat": flat, "semantic": np.full((900, 5), 255, np.uint8)})


def test_layers_of_unknown_meaning_flat_values_and_odd_shapes_are_shown() -> None:
    assert size_of(preview(Fields(), PARAMS, seed=1, units=1))[1] > 100


class Photos(Blocks):
    """Large pictures with a class alone."""

    def layers(self, params: Any) -> tuple[Layer, ...]:
        return ()

    def unit(self, params: Any, seed: int, index: int) -> Unit:
        return Unit(index, np.full((300, 400, 3), index % 256, np.uint8), index % 2, {})


def test_large_pictures_with_a_class_are_few_large_tiles() -> None:
    width, height = size_of(preview(Photos(), PARAMS, seed=1))
    assert (width, height) == size_of(preview(Photos(), PARAMS, seed=1))
    assert 1_200 < width < 1_500
    assert height < 1_200


@pytest.mark.parametrize("wrong", [{"units": 0}, {"units": 5_000}, {"columns": 0}, {"rows": 0}])
def test_absurd_sheets_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(BadDataset):
        preview(BLOCKS, PARAMS, seed=1, **wrong)  # type: ignore[arg-type]


@given(st.integers(0, 5_000), st.integers(0, 5_000))
def test_neighbouring_classes_have_colours_that_differ(label: int, other: int) -> None:
    one, next_one = colours.class_colour(label), colours.class_colour(label + 1)
    assert max(abs(a - b) for a, b in zip(one, next_one, strict=True)) > 40
    assert all(0 <= part <= 255 for part in colours.class_colour(other))
