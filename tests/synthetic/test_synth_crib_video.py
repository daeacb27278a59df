"""Clips of an infant: the story agrees with itself, the body with the story, and the labels with both."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuromation.synthetic import get_generator, parse_params, unit_hash
from neuromation.synthetic.errors import BadParameters
from neuromation.synthetic.generators.crib_body import KEYPOINTS, Limb, Posture, bones
from neuromation.synthetic.generators.crib_plan import EVENT_KINDS, LYING, story
from neuromation.synthetic.generators.crib_video import CRIB_VIDEO, CribVideoParams

BUSY = CribVideoParams(turning_share=0.7, waking_share=0.6, crying_share=0.6)
LONG = CribVideoParams(frames=240, rate_hz=12.0)
TINY = CribVideoParams(width=96, height=72, frames=4, labels=["masks", "depth"], flow=True, turning_share=1.0)
INDEXES = st.integers(0, 10_000)


@given(index=INDEXES)
def test_events_lie_inside_the_clip_in_order(index: int) -> None:
    told = story(BUSY, 1, index)

    assert list(told.events) == sorted(told.events, key=lambda event: (event.start_s, event.kind))
    for event in told.events:
        assert event.kind in EVENT_KINDS
        assert 0 <= event.start_s < event.end_s <= told.duration_s + 1e-9


@given(index=INDEXES)
def test_nothing_happens_while_all_is_still(index: int) -> None:
    told = story(BUSY, 2, index)
    quiet = [event for event in told.events if event.kind == "still"]

    for still in quiet:
        others = [event for event in told.events if event.kind != "still"]
        assert all(other.end_s <= still.start_s or other.start_s >= still.end_s for other in others)
        roll = told.roll(still.start_s)
        assert told.roll(0.5 * (still.start_s + still.end_s)) == pytest.approx(roll)
        assert told.mouth(0.5 * (still.start_s + still.end_s)) == 0.0


@given(index=INDEXES)
def test_a_turn_begins_and_ends_as_its_label_says(index: int) -> None:
    told = story(BUSY, 3, index)
    turning = told.event("turning")

    if turning is None:
        assert told.lying(0.0) == told.lying(told.duration_s)
    else:
        assert told.lying(turning.start_s) == turning.detail["from"]
        assert told.lying(turning.end_s) == turning.detail["to"] != turning.detail["from"]


@given(index=INDEXES)
def test_the_period_of_the_chest_is_the_labelled_rate_of_breathing(index: int) -> None:
    told = story(LONG, 4, index)
    times = np.arange(1200) / 60
    swing = np.array([told.chest(float(time)) for time in times])
    rises = times[1:][(swing[:-1] < 0) & (swing[1:] >= 0)]
    period_s = float(rises[-1] - rises[0]) / (len(rises) - 1)

    assert period_s == pytest.approx(60 / told.breaths_per_min, rel=0.02)
    assert np.abs(swing).max() == pytest.approx(told.breath_depth, rel=0.02)


@given(index=INDEXES)
def test_the_phase_of_a_breath_tells_how_deep_the_chest_is(index: int) -> None:
    told = story(BUSY, 5, index)

    for time in (0.0, 0.7, 1.9):
        phase = told.breath_phase(time)
        assert 0 <= phase < 1
        assert told.chest(time) == pytest.approx(told.breath_depth * np.sin(2 * np.pi * phase), abs=1e-9)


ANGLES = st.floats(-1.5, 2.5)
LIMBS = st.builds(Limb, ANGLES, ANGLES, ANGLES, ANGLES)


@settings(max_examples=60, deadline=None)
@given(roll=st.floats(-3.1, 3.1), heading=st.floats(-3, 3), arm=LIMBS, leg=LIMBS)
def test_bones_keep_their_lengths_and_stay_above_the_mattress(
    roll: float, heading: float, arm: Limb, leg: Limb
) -> None:
    posture = Posture(0.0, 0.0, heading, roll, 0.0, arm, arm, leg, leg, 0.0, 0.0, 0.0)
    joints = bones(posture, 1.0).joints

    for side in ("left", "right"):
        for upper, lower, length in (
            ("shoulder", "elbow", 0.085),
            ("elbow", "wrist", 0.078),
            ("hip", "knee", 0.1),
            ("knee", "ankle", 0.095),
        ):
            way = np.array(joints[f"{side}_{upper}"]) - np.array(joints[f"{side}_{lower}"])
            assert float(np.sqrt((way * way).sum())) == pytest.approx(length, rel=1e-6)
    assert min(joint[2] for joint in joints.values()) > -0.02


@given(index=INDEXES)
def test_the_chest_rises_when_the_infant_breathes_in(index: int) -> None:
    told = story(BUSY.model_copy(update={"turning_share": 0.0, "waking_share": 0.0}), 6, index)
    deep = 60 / told.breaths_per_min
    full = (1.25 - told.breath_start) % 1 * deep
    empty = (1.75 - told.breath_start) % 1 * deep
    heights = [bones(told.posture(time), 1.0).chest_top_m(told.chest(time)) for time in (full, empty)]

    assert heights[0] >= heights[1]


@pytest.fixture(scope="module")
def unit():  # type: ignore[no-untyped-def]
    return CRIB_VIDEO.unit(TINY, 3, 1)


def test_the_generator_is_installed() -> None:
    assert get_generator("crib-video") is CRIB_VIDEO


def test_a_clip_repeats_to_the_bit(unit) -> None:  # type: ignore[no-untyped-def]
    assert unit_hash(CRIB_VIDEO.unit(TINY, 3, 1)) == unit_hash(unit)


def test_a_clip_has_the_layers_it_declares(unit) -> None:  # type: ignore[no-untyped-def]
    declared = {layer.name: layer for layer in CRIB_VIDEO.layers(TINY)}

    assert set(unit.layers) == set(declared) == {"frames", "infant", "depth", "flow"}
    for name, layer in declared.items():
        layer.check(unit.layers[name])
        assert len(unit.layers[name]) == TINY.frames
    assert np.array_equal(unit.image, unit.layers["frames"][TINY.frames // 2])


def test_frames_tell_joints_boxes_and_how_it_lies(unit) -> None:  # type: ignore[no-untyped-def]
    facts = unit.annotations["frames"]

    assert len(facts) == TINY.frames
    for number, frame in enumerate(facts):
        rows, columns = np.nonzero(unit.layers["infant"][number])
        left, top = int(columns.min()), int(rows.min())
        assert frame["bbox"] == [left, top, int(columns.max()) + 1 - left, int(rows.max()) + 1 - top]
        assert set(frame["keypoints"]) == set(KEYPOINTS)
        for x, y, seen in frame["keypoints"].values():
            if seen == 2:
                assert left - 1 <= x <= left + frame["bbox"][2] + 1 and top - 1 <= y <= top + frame["bbox"][3] + 1
    assert LYING[unit.label] == facts[TINY.frames // 2]["lying"]


def test_nights_are_grey() -> None:
    params = TINY.model_copy(update={"night_share": 1.0, "frames": 2, "flow": False, "labels": []})
    frames = CRIB_VIDEO.unit(params, 1, 0).layers["frames"]

    assert np.array_equal(frames[..., 0], frames[..., 1]) and np.array_equal(frames[..., 1], frames[..., 2])


@pytest.mark.parametrize("field", ["breaths_per_min", "rate_hz", "tilt_deg", "blanket_share"])
def test_a_parameter_out_of_range_is_refused_with_its_name(field: str) -> None:
    with pytest.raises(BadParameters, match=field):
        parse_params(CRIB_VIDEO, {field: 1e9})


def test_a_clip_that_would_fill_the_memory_is_refused() -> None:
    with pytest.raises(BadParameters, match="too large"):
        parse_params(CRIB_VIDEO, {"frames": 240, "width": 640, "height": 640, "flow": True})


def test_labels_that_clips_do_not_offer_are_refused() -> None:
    with pytest.raises(BadParameters, match="normals"):
        parse_params(CRIB_VIDEO, {"labels": ["normals"]})
