"""What data sets know becomes the samples of a model's problem; what does not suit it is said at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from neuromation.learning.errors import BadTrainingData, WrongProblem
from neuromation.learning.gathering import BACKGROUND, Offers, check_offers, gathered, joined, reduced
from neuromation.learning.problem import NO_CLASS, Boxes, InputSpec, Problem
from neuromation.synthetic.formats.examples import Examples, examples_of_generator, examples_of_shard, examples_of_table
from neuromation.synthetic.formats.labelled import Labelled, encode_labelled
from neuromation.synthetic.formats.shard import encode_shard
from neuromation.synthetic.generator import Unit, get_generator, parse_params

DICE = {"width": 96, "height": 96, "labels": ["masks"]}


def made(name: str, raw: dict[str, Any], count: int, *, masks: bool = False) -> Examples:
    generator = get_generator(name)
    params = parse_params(generator, raw)
    units = [generator.unit(params, 3, index) for index in range(count)]
    shard = encode_shard(units, generator=generator, params=params, seed=3)
    found = examples_of_shard(shard, masks=masks)
    direct = examples_of_generator(generator, params, units, masks=masks)
    assert all(np.array_equal(one, other) for one, other in zip(found.inputs, direct.inputs, strict=True))
    assert found.labels == direct.labels and found.classes == direct.classes and found.rate_hz == direct.rate_hz
    return found


def test_digits_are_pictures_with_a_class() -> None:
    samples = gathered(Problem.CLASSIFICATION, made("digits", {}, 6))
    assert samples.inputs[0].shape == (8, 8) and samples.classes == tuple("0123456789")
    assert all(0 <= target < 10 for target in samples.targets)


def test_dice_are_boxes_and_masks_and_regions_that_agree() -> None:
    known = made("dice", DICE, 3, masks=True)
    boxes, cut, regions = (
        gathered(problem, known) for problem in (Problem.DETECTION, Problem.INSTANCE_SEGMENTATION, Problem.SEGMENTATION)
    )
    assert regions.classes == (BACKGROUND, *boxes.classes)
    for plain, masked, region in zip(boxes.targets, cut.targets, regions.targets, strict=True):
        assert isinstance(plain, Boxes) and plain.masks is None and len(plain) == len(masked.masks) > 0
        assert np.array_equal(plain.xywh, masked.xywh)
        for (x, y, width, height), label, mask in zip(plain.xywh.astype(int), plain.labels, masked.masks, strict=True):
            assert mask.sum() == mask[y : y + height, x : x + width].sum() > 0
            assert np.all(region[mask] == label + 1)


def test_spoken_digits_are_sounds_at_their_rate() -> None:
    samples = gathered(Problem.AUDIO_CLASSIFICATION, made("spoken-digits", {}, 2))
    assert samples.rate_hz == 8_000 and samples.inputs[0].dtype == np.int16 and samples.inputs[0].ndim == 1


def test_imported_tables_are_read_by_split() -> None:
    images = np.arange(4 * 64, dtype=np.uint8).reshape(4, 8, 8) % 17
    splits = np.array(["test", "train", "test", "train"])
    table = encode_labelled(Labelled(images, np.array([0, 1, 1, 0]), splits, ("a", "b"), 16))
    found = examples_of_table(table, split="test")
    assert found.labels == [0, 1] and np.array_equal(found.inputs[1], images[2])
    assert not examples_of_table(table, split="nowhere").inputs


def test_samples_of_no_class_are_kept_and_null_objects_are_background() -> None:
    objects = [{"label": None, "null": True, "bbox": [1, 1, 3, 3]}, {"label": 0, "bbox": [2, 2, 4, 4]}]
    picture = np.zeros((8, 8, 3), np.uint8)
    units = [Unit(0, picture, None, {"objects": objects}), Unit(1, picture, 1, {"objects": []})]
    generator = get_generator("digits")
    known = examples_of_generator(generator, generator.params_model(), units)
    assert gathered(Problem.CLASSIFICATION, known).targets == [NO_CLASS, 1]
    assert [len(target) for target in gathered(Problem.DETECTION, known).targets] == [1, 0]


@pytest.mark.parametrize("problem", [Problem.DETECTION, Problem.INSTANCE_SEGMENTATION, Problem.SEGMENTATION])
def test_what_is_not_known_is_said(problem: Problem) -> None:
    with pytest.raises(WrongProblem, match=f"a model of {problem} needs"):
        gathered(problem, made("digits", {}, 2))


def test_pictures_are_reduced_to_what_a_network_needs() -> None:
    samples = gathered(Problem.INSTANCE_SEGMENTATION, made("dice", DICE, 2, masks=True))
    small = reduced(samples, InputSpec(height=32, width=32))
    assert small.inputs[0].shape == (48, 48, 3)
    for before, after in zip(samples.targets, small.targets, strict=True):
        assert np.allclose(after.xywh, before.xywh[: len(after)] / 2, atol=1e-4)
        assert after.masks.shape[1:] == (48, 48)
    assert reduced(samples, InputSpec(height=96, width=96)).inputs[0].shape == (96, 96, 3)


def test_parts_of_one_set_are_joined_and_others_are_not() -> None:
    part = gathered(Problem.CLASSIFICATION, made("digits", {}, 3))
    assert len(joined([part, part])) == 6
    with pytest.raises(BadTrainingData, match="differ in their classes"):
        joined([part, gathered(Problem.AUDIO_CLASSIFICATION, made("spoken-digits", {}, 2))])


@pytest.mark.parametrize(
    ("problem", "offers", "words"),
    [
        (Problem.CLASSIFICATION, Offers(objects=True), "needs the class of each picture"),
        (Problem.DETECTION, Offers(labels=True), "needs boxes of objects; data set d@1 has none"),
        (Problem.INSTANCE_SEGMENTATION, Offers(objects=True), 'order it with the label "masks"'),
        (Problem.SEGMENTATION, Offers(objects=True, masks=True), "needs a semantic layer"),
        (Problem.AUDIO_CLASSIFICATION, Offers(labels=True), "takes sounds and data set d@1 has pictures"),
        (Problem.CLASSIFICATION, Offers(labels=True, sounds=True), "takes pictures and data set d@1 has sounds"),
    ],
)
def test_a_data_set_that_does_not_suit_a_model_is_refused(problem: Problem, offers: Offers, words: str) -> None:
    with pytest.raises(WrongProblem, match=words):
        check_offers(problem, offers, model="m", dataset="d@1")
