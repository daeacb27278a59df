"""Labels of one unit agree with each other, whatever stands before what."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from neuromation.kernel.rng import unit_rng
from neuromation.synthetic.errors import BadScene
from neuromation.synthetic.generator import Unit, annotations_text
from neuromation.synthetic.render.labels import (
    LabelName,
    SceneParams,
    labelled_unit,
    passes_for,
    placed,
    projected,
    scene_layers,
    seen_through,
)
from neuromation.synthetic.render.protocol import Amodal, Frame
from neuromation.synthetic.render.quantise import (
    depth_m_of,
    flow_px_of,
    illumination_of,
    normals_of,
    stored_depth,
    stored_flow,
    stored_illumination,
    stored_normals,
)
from neuromation.synthetic.render.rle import mask_of
from neuromation.synthetic.scene.model import UPRIGHT, Camera, Instance, Material, Mesh, Pose, Scene

WIDTH, HEIGHT = 40, 30
CLASSES = ["box", "can", "bag"]
ALL: list[LabelName] = list(get_args(LabelName))


def a_board(**changes: Any) -> Mesh:
    """A square of 1 m that faces the camera, with a keypoint at its middle and one far to the side."""
    board = Mesh(
        positions=np.array([[-0.5, -0.5, 0], [0.5, -0.5, 0], [0.5, 0.5, 0], [-0.5, 0.5, 0]], np.float64),
        triangles=np.array([[0, 2, 1], [0, 3, 2]], np.int32),
        normals=np.tile(np.array([0.0, 0.0, -1.0]), (2, 3, 1)),
        uvs=np.zeros((2, 3, 2)),
        parts=np.zeros(2, np.int32),
        keypoints={"middle": (0.0, 0.0, 0.0), "far": (100.0, 0.0, 0.0)},
    )
    return replace(board, **changes)


@dataclass(frozen=True)
class Card:
    """A rectangle of pixels at a depth, as a test wants the renderer to have seen it."""

    left: int
    top: int
    width: int
    height: int
    depth_m: float
    label: int | None
    is_null: bool = False

    @property
    def area(self) -> tuple[slice, slice]:
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)


@st.composite
def some_cards(draw: st.DrawFn) -> list[Card]:
    """Objects, null objects and surroundings, each inside the picture; some hide others wholly."""
    found = []
    for _ in range(draw(st.integers(0, 8))):
        left, top = draw(st.integers(0, WIDTH - 1)), draw(st.integers(0, HEIGHT - 1))
        width, height = draw(st.integers(1, WIDTH - left)), draw(st.integers(1, HEIGHT - top))
        is_null = draw(st.booleans())
        label = None if is_null else draw(st.none() | st.integers(0, 2))
        found.append(Card(left, top, width, height, draw(st.sampled_from([0.5, 1.25, 3.0])), label, is_null))
    return found


def seen(cards: list[Card], camera: Camera) -> tuple[Scene, Frame]:
    """A scene of boards, and the frame of a renderer that saw these cards, the last in front."""
    instances = []
    ids = np.zeros((HEIGHT, WIDTH), np.uint16)
    depth_m = np.zeros((HEIGHT, WIDTH), np.float32)
    amodal = {}
    for number, card in enumerate(cards, 1):
        x = (card.left + card.width / 2 - WIDTH / 2) * card.depth_m / camera.focal_px
        y = (card.top + card.height / 2 - HEIGHT / 2) * card.depth_m / camera.focal_px
        pose = Pose(position=(x, y, card.depth_m), scale=(0.1, 0.2, 0.3))
        attributes = {"sku": f"s{number}"} if number % 2 else {}
        instances.append(
            Instance(a_board(), (Material(),), pose, label=card.label, is_null=card.is_null, attributes=attributes)
        )
        ids[card.area], depth_m[card.area] = number, card.depth_m
        amodal[number] = Amodal(card.left, card.top, np.ones((card.height, card.width), np.bool_))
    frame = Frame(
        rgb=np.zeros((HEIGHT, WIDTH, 3), np.uint8),
        ids=ids,
        depth_m=depth_m,
        normals=np.where(ids[..., None] > 0, np.array([0, 0, -1], np.float32), np.float32(0)),
        illumination=(ids / 8).astype(np.float32),
        amodal=amodal,
    )
    return Scene(tuple(instances), camera), frame


def a_camera() -> Camera:
    return Camera(WIDTH, HEIGHT, 50.0, (0.0, 0.0, 0.0), UPRIGHT)


def unit_of(cards: list[Card], labels: list[LabelName] | None = None) -> Unit:
    scene, frame = seen(cards, a_camera())
    return labelled_unit(3, scene, frame, classes=CLASSES, labels=ALL if labels is None else labels)


@given(some_cards())
@settings(deadline=None)
def test_boxes_masks_areas_and_layers_of_a_unit_agree(cards: list[Card]) -> None:
    unit = unit_of(cards)
    instances, semantic = unit.layers["instances"], unit.layers["semantic"]
    objects = unit.annotations["objects"]
    assert [entry["id"] for entry in objects] == list(range(1, len(objects) + 1))
    assert set(np.unique(instances)) - {0} == {entry["id"] for entry in objects}
    for entry in objects:
        mask = mask_of(entry["rle"], width=WIDTH, height=HEIGHT)
        assert np.array_equal(mask, instances == entry["id"])
        ys, xs = np.nonzero(mask)
        assert entry["bbox"] == [xs.min(), ys.min(), np.ptp(xs) + 1, np.ptp(ys) + 1]
        assert entry["area"] == len(xs)
        assert set(semantic[mask]) == {255 if entry["label"] is None else entry["label"] + 1}
    assert np.array_equal(semantic > 0, instances > 0)


@given(some_cards())
@settings(deadline=None)
def test_what_is_seen_lies_in_what_would_be_seen_alone(cards: list[Card]) -> None:
    for entry in unit_of(cards).annotations["objects"]:
        seen_mask = mask_of(entry["rle"], width=WIDTH, height=HEIGHT)
        whole = mask_of(entry["rle_amodal"], width=WIDTH, height=HEIGHT)
        assert not (seen_mask & ~whole).any()
        assert entry["visibility"] == pytest.approx(seen_mask.sum() / whole.sum())
        assert 0 < entry["visibility"] <= 1
        ys, xs = np.nonzero(whole)
        assert entry["bbox_amodal"] == [xs.min(), ys.min(), np.ptp(xs) + 1, np.ptp(ys) + 1]


@given(some_cards())
@settings(deadline=None)
def test_the_stored_depth_of_a_seen_middle_is_its_poses(cards: list[Card]) -> None:
    unit = unit_of(cards)
    for entry in unit.annotations["objects"]:
        x, y, seen_how = entry["keypoints"]["middle"]
        assert seen_how in (1, 2) and entry["keypoints"]["far"] == [0.0, 0.0, 0]
        if seen_how == 2:
            around = depth_m_of(unit.layers["depth"])[max(int(y) - 1, 0) : int(y) + 2, max(int(x) - 1, 0) : int(x) + 2]
            assert np.abs(around - entry["pose"]["translation_m"][2]).min() < 0.001


@given(some_cards(), st.lists(st.sampled_from(ALL), unique=True))
@settings(deadline=None)
def test_a_unit_has_exactly_the_layers_that_its_parameters_declare(cards: list[Card], labels: list[LabelName]) -> None:
    unit = unit_of(cards, labels)
    declared = scene_layers(SceneParams(labels=labels), classes=len(CLASSES))
    assert set(unit.layers) == {layer.name for layer in declared}
    for layer in declared:
        layer.check(unit.layers[layer.name])
    for entry in unit.annotations["objects"]:
        assert ("rle" in entry, "rle_amodal" in entry, "pose" in entry) == (
            "masks" in labels,
            "amodal" in labels,
            "pose" in labels,
        )
    json.loads(annotations_text(unit))


def test_hidden_objects_are_left_out_and_null_objects_are_told() -> None:
    back, front = Card(5, 5, 4, 4, 3.0, label=1), Card(4, 4, 9, 9, 1.25, label=None, is_null=True)
    objects = unit_of([back, front]).annotations["objects"]
    assert [(entry["class"], entry["label"], entry.get("null")) for entry in objects] == [("none", None, True)]


def test_surroundings_are_no_objects_but_hide_them() -> None:
    objects = unit_of([Card(0, 0, 10, 10, 3.0, label=2), Card(0, 0, 10, 5, 1.25, label=None)]).annotations["objects"]
    assert [(entry["class"], entry["area"], entry["visibility"]) for entry in objects] == [("bag", 50, 0.5)]
    assert objects[0]["attributes"] == {"sku": "s1"}


def test_a_keypoint_behind_something_is_hidden() -> None:
    unit = unit_of([Card(8, 8, 9, 9, 3.0, label=0), Card(10, 10, 5, 5, 1.25, label=1)])
    assert [entry["keypoints"]["middle"][2] for entry in unit.annotations["objects"]] == [1, 2]


def test_a_pose_is_in_the_cameras_frame() -> None:
    turned_camera = Camera(WIDTH, HEIGHT, 50.0, (1.0, 2.0, 3.0), (0.0, 1.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 1.0))
    scene, frame = seen([Card(5, 5, 4, 4, 3.0, label=1)], turned_camera)
    unit = labelled_unit(0, scene, frame, classes=CLASSES, labels=["pose"])
    pose, placed_at = unit.annotations["objects"][0]["pose"], scene.instances[0].pose.position
    assert pose["translation_m"] == [placed_at[1] - 2.0, 1.0 - placed_at[0], placed_at[2] - 3.0]
    assert pose["rotation"] == [0.0, 1.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 1.0]
    assert pose["size_m"] == [0.1, 0.2, 0.0]


def test_a_projected_point_follows_the_lens() -> None:
    straight, bent = a_camera(), replace(a_camera(), k1=0.1, k2=0.01)
    point = placed(seen([Card(0, 0, 4, 4, 2.0, label=0)], straight)[0].instances[0], (0.0, 0.0, 0.0))
    x, y, depth_m = projected(straight, point) or (0, 0, 0)
    assert (x, y, depth_m) == pytest.approx((2.0, 2.0, 2.0))
    bent_x, _, _ = projected(bent, point) or (0, 0, 0)
    square = (point[0] / 2) ** 2 + (point[1] / 2) ** 2
    assert (bent_x - 20) == pytest.approx((x - 20) * (1 + 0.1 * square + 0.01 * square * square))
    assert projected(straight, (0.0, 0.0, -1.0)) is None


@given(st.integers(0, 2**32), st.lists(st.floats(0, 1), min_size=6, max_size=6))
def test_a_camera_drawn_from_parameters_is_one_and_repeats(index: int, shares: list[float]) -> None:
    params = SceneParams(
        noise=12 * shares[0], blur_px=6 * shares[1], motion_px=16 * shares[2], vignette=0.8 * shares[3],
        jpeg=shares[4], exposure_spread=0.6 * shares[5], fringe_px=3 * shares[0], white_balance_spread=0.25 * shares[1],
    )  # fmt: skip
    camera = seen_through(a_camera(), params, unit_rng(1, index))
    assert camera == seen_through(a_camera(), params, unit_rng(1, index))
    assert (camera.width, camera.focal_px) == (WIDTH, 50.0)
    assert 0.3 < camera.exposure < 3 and all(0.5 < factor < 2 for factor in camera.white_balance)
    assert camera.jpeg_quality == 0 or 10 <= camera.jpeg_quality <= 100
    assert 0 <= camera.vignette <= 0.9


def test_one_slider_leaves_the_others_draws_as_they_were() -> None:
    plain = seen_through(a_camera(), SceneParams(), unit_rng(1, 5))
    noisy = seen_through(a_camera(), SceneParams(noise=6.0), unit_rng(1, 5))
    assert noisy == replace(plain, noise=noisy.noise) and noisy.noise == pytest.approx(4 * plain.noise)


def test_a_label_named_twice_is_refused() -> None:
    with pytest.raises(ValidationError, match="each label is named once"):
        SceneParams(labels=["depth", "depth"])


def test_passes_follow_labels() -> None:
    assert passes_for([]) == {"rgb", "ids", "depth"}
    assert passes_for(ALL) == {"rgb", "ids", "depth", "normals", "illumination", "amodal"}


def test_a_pass_that_was_not_drawn_is_named() -> None:
    scene, frame = seen([Card(0, 0, 4, 4, 2.0, label=0)], a_camera())
    with pytest.raises(BadScene, match="labels need the pass 'normals'"):
        labelled_unit(0, scene, replace(frame, normals=None), classes=CLASSES, labels=["normals"])


def test_a_label_beyond_the_classes_is_refused() -> None:
    scene, frame = seen([Card(0, 0, 4, 4, 2.0, label=3)], a_camera())
    with pytest.raises(BadScene, match="label 3 of an object is none of the 3 classes"):
        labelled_unit(0, scene, frame, classes=CLASSES, labels=[])


def test_many_classes_get_a_wider_semantic_mask() -> None:
    scene, frame = seen([Card(0, 0, 4, 4, 2.0, label=300)], a_camera())
    unit = labelled_unit(0, scene, frame, classes=[str(n) for n in range(400)], labels=["masks"])
    assert unit.layers["semantic"].dtype == np.uint16 and unit.layers["semantic"].max() == 301
    assert scene_layers(SceneParams(), classes=400)[1].dtype == "uint16"


floats_of = st.floats(0, 60, width=32)


@given(st.lists(floats_of, min_size=1, max_size=20))
def test_maps_come_back_within_half_a_step(values: list[float]) -> None:
    depth_m: NDArray[np.float32] = np.array([values], np.float32)
    assert np.abs(depth_m_of(stored_depth(depth_m)) - depth_m).max() <= 0.0011
    assert np.array_equal(stored_depth(depth_m) > 0, depth_m > 0)
    light = np.minimum(depth_m / 16, np.float32(3.9))
    assert np.abs(np.sqrt(illumination_of(stored_illumination(light))) - np.sqrt(light)).max() <= 0.0041
    flow = np.stack([depth_m, -depth_m], axis=-1)
    back, valid = flow_px_of(stored_flow(flow, np.ones((1, len(values)), np.uint16)))
    assert valid.all() and np.abs(back - flow).max() <= 0.5 / 64 + 1e-5


@given(st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda v: sum(c * c for c in v) > 0.1))
def test_normals_come_back_within_half_a_step(vector: tuple[float, float, float]) -> None:
    normal = np.array(vector, np.float32)
    normal = (normal / np.sqrt((normal * normal).sum()))[None, None]
    stored = stored_normals(normal)
    assert stored.any() and np.abs(normals_of(stored) - normal).max() <= 0.5 / 127.5 + 1e-5
    assert not normals_of(stored_normals(np.zeros((1, 1, 3), np.float32))).any()


def test_maps_with_nonsense_are_nothing() -> None:
    odd = np.array([[np.nan, -1.0, np.inf]], np.float32)
    assert stored_depth(odd).tolist() == [[0, 0, 65_535]]
    assert stored_illumination(odd).tolist() == [[0, 0, 255]]
