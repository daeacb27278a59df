"""Masks as COCO's run lengths, areas and boxes: one pass says the same as COCO's own library, object by object."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray

from neuromation.synthetic.errors import BadUnit
from neuromation.synthetic.render.rle import mask_of, measured, rle_text, rle_texts

COUNT = 5

shapes = st.tuples(st.integers(1, 40), st.integers(1, 40))
few_ids = shapes.flatmap(lambda shape: npst.arrays(np.uint16, shape, elements=st.integers(0, COUNT)))


@st.composite
def blocky_ids(draw: st.DrawFn) -> NDArray[np.uint16]:
    """Rectangles over each other, as objects are: long runs, some of which go on from column to column."""
    height, width = draw(shapes)
    ids = np.zeros((height, width), np.uint16)
    for _ in range(draw(st.integers(0, 8))):
        y0, y1 = sorted(draw(st.tuples(st.integers(0, height), st.integers(0, height))))
        x0, x1 = sorted(draw(st.tuples(st.integers(0, width), st.integers(0, width))))
        ids[y0:y1, x0:x1] = draw(st.integers(0, COUNT))
    return ids


def coco_text(mask: NDArray[np.bool_]) -> str:
    from pycocotools import mask as coco

    text: str = coco.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
    return text


@given(few_ids | blocky_ids())
def test_every_text_is_the_one_that_coco_writes(ids: NDArray[np.uint16]) -> None:
    assert rle_texts(ids, COUNT) == [coco_text(ids == number) for number in range(1, COUNT + 1)]


def test_a_large_picture_is_written_as_coco_does() -> None:
    y, x = np.mgrid[0:480, 0:640]
    ids = ((x // 53 + 12 * (y // 61)) % 100 * ((x * x + y * y) % 97 > 3)).astype(np.uint16)
    texts = rle_texts(ids, 99)
    assert all(texts[number - 1] == coco_text(ids == number) for number in range(1, 100, 7))


@given(few_ids | blocky_ids())
def test_decoding_undoes_encoding(ids: NDArray[np.uint16]) -> None:
    height, width = ids.shape
    for number, text in enumerate(rle_texts(ids, COUNT), 1):
        assert np.array_equal(mask_of(text, width=width, height=height), ids == number)


@given(few_ids | blocky_ids())
def test_areas_and_boxes_are_those_of_the_masks(ids: NDArray[np.uint16]) -> None:
    areas, boxes = measured(ids, COUNT)
    for number in range(COUNT + 1):
        ys, xs = np.nonzero(ids == number)
        assert areas[number] == len(ys)
        tight = [xs.min(), ys.min(), np.ptp(xs) + 1, np.ptp(ys) + 1] if len(ys) else [0] * 4
        assert boxes[number].tolist() == tight


@given(npst.arrays(np.bool_, shapes), st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))
def test_a_part_of_a_picture_is_written_as_the_whole(
    mask: NDArray[np.bool_], left: int, right: int, top: int, bottom: int
) -> None:
    whole = np.pad(mask, ((top, bottom), (left, right)))
    height, width = whole.shape
    assert rle_text(mask, left=left, top=top, width=width, height=height) == coco_text(whole)


@given(st.text(max_size=30), st.integers(1, 20), st.integers(1, 20))
@settings(max_examples=200)
def test_nonsense_is_refused_or_a_mask_of_the_right_size(text: str, width: int, height: int) -> None:
    try:
        mask = mask_of(text, width=width, height=height)
    except BadUnit:
        return
    assert mask.shape == (height, width)


@pytest.mark.parametrize("place", [{"left": 7, "top": 0}, {"left": 0, "top": -1}])
def test_a_mask_that_leaves_its_picture_is_refused(place: dict[str, Any]) -> None:
    with pytest.raises(BadUnit, match="leaves its picture of 8 x 6"):
        rle_text(np.ones((2, 2), np.bool_), width=8, height=6, **place)


def test_an_id_beyond_the_count_is_refused() -> None:
    with pytest.raises(BadUnit, match="names 7, but there are only 5"):
        measured(np.full((2, 2), 7, np.uint16), 5)
