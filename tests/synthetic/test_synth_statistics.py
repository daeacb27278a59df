"""Statistics: what is counted is there, duplicates are found, pages are drawn."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_builders import BLOCKS, EVERY, Blocks, NoParams
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from neuromation.synthetic import BadDataset, Generator, Unit, export_dataset, generate_dataset
from neuromation.synthetic.annotations import objects_of
from neuromation.synthetic.importing import import_folder
from neuromation.synthetic.statistics import Histogram, perceptual_hash, statistics_of
from neuromation.synthetic.statistics_page import statistics_html, statistics_png

PARAMS = NoParams()


@pytest.fixture(scope="module")
def blocks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("blocks")
    generate_dataset(BLOCKS, PARAMS, seed=1, units=12, out=folder)
    return folder


def test_objects_classes_sizes_and_null_objects_are_counted(blocks: Path) -> None:
    found = statistics_of(blocks)
    units = [BLOCKS.unit(PARAMS, 1, index) for index in range(12)]
    things = [thing for unit in units for thing in objects_of(unit.annotations, BLOCKS.classes)]
    real = [thing for thing in things if not thing.is_null]
    assert found.samples == 12
    assert sum(found.objects.values()) == len(real) == found.object_sizes["small"]
    assert found.nulls == len(things) - len(real) > 0
    assert found.objects["brick"] == sum(thing.name == "brick" for thing in real)
    assert found.visibility.mean == pytest.approx(np.mean([thing.visibility for thing in real]))
    assert found.objects_a_sample.number == 12
    assert found.picture_sizes == {"64 x 48": 12}
    assert found.brightness.mean == pytest.approx(np.mean([unit.picture.mean() / 255 for unit in units]))


def test_a_generated_and_an_imported_set_count_alike(blocks: Path, tmp_path: Path) -> None:
    export_dataset(blocks, "coco", tmp_path / "coco")
    import_folder(tmp_path / "coco", "coco", tmp_path / "real")
    one, two = statistics_of(blocks), statistics_of(tmp_path / "real")
    assert (one.objects, one.picture_sizes) == (two.objects, two.picture_sizes)
    assert one.brightness.to_dict() == two.brightness.to_dict()


@pytest.mark.parametrize("generator", EVERY, ids=lambda g: g.name)
def test_every_kind_of_data_set_is_counted_and_drawn(generator: Generator, tmp_path: Path) -> None:
    generate_dataset(generator, PARAMS, seed=1, units=5, out=tmp_path)
    told: list[tuple[int, int]] = []
    found = statistics_of(tmp_path, on_progress=lambda *at: told.append(at))
    assert told == [(done, 5) for done in range(1, 6)]
    assert json.loads(json.dumps(found.to_dict()))["samples"] == 5
    with Image.open(io.BytesIO(statistics_png(found))) as picture:
        assert picture.width > 400
    page = statistics_html(found).decode()
    assert found.title in page
    assert "data:image/png" in page


class Again(Blocks):
    """Units 0 and 3 are equal, units 1 and 4 look alike."""

    def unit(self, params: Any, seed: int, index: int) -> Unit:
        unit = super().unit(params, seed, {3: 0, 4: 1}.get(index, index))
        pixels = unit.picture if index != 4 else np.clip(unit.picture.astype(int) + 2, 0, 255).astype(np.uint8)
        return replace(unit, index=index, image=pixels)


def test_equal_pictures_and_pictures_that_look_alike_are_found(tmp_path: Path) -> None:
    generate_dataset(Again(), PARAMS, seed=1, units=6, out=tmp_path)
    found = statistics_of(tmp_path)
    assert found.exact == [["unit 0", "unit 3"]]
    assert found.near == [("unit 1", "unit 4")]
    assert (found.exact_samples, found.near_samples, found.across_splits) == (2, 2, 0)


def test_duplicates_in_different_splits_are_told(tmp_path: Path) -> None:
    for name in ("train/a/1.png", "test/a/2.png", "train/b/3.png"):
        path = tmp_path / "folder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 20), "#102030" if "a/" in name else "#405060").save(path)
    import_folder(tmp_path / "folder", "imagefolder", tmp_path / "out")
    assert statistics_of(tmp_path / "out").across_splits == 2


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadDataset, match=r"real\.json"):
        statistics_of(tmp_path)


@given(st.lists(st.floats(-5, 5), min_size=1), st.data())
def test_a_histogram_counts_every_number_once(values: list[float], draw: st.DataObject) -> None:
    counts = Histogram(0, 1)
    for value in values:
        counts.add(value)
    assert counts.number == len(values)
    assert (counts.least, counts.most) == (min(values), max(values))
    assert counts.mean == pytest.approx(np.mean(values))


@given(st.integers(0, 10**6), st.integers(-20, 20))
def test_a_brighter_picture_has_the_same_perceptual_hash(seed: int, by: int) -> None:
    picture = np.random.default_rng(seed).integers(20, 200, (36, 40))
    brighter = (picture + by).astype(np.uint8)
    assert perceptual_hash(brighter) == perceptual_hash(picture.astype(np.uint8)) is not None


def test_plain_and_tiny_pictures_have_none() -> None:
    assert perceptual_hash(np.full((90, 90, 3), 7, np.uint8)) is None
    assert perceptual_hash(np.arange(64, dtype=np.uint8).reshape(8, 8)) is None
