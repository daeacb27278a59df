"""Streams for torch: every sample once, in an order that the seed decides, as detectors take them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from dataset_builders import BLOCKS, CLIPS, TONES, NoParams
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from synthetic_builders import digit_params, digits
from torch.utils.data import DataLoader

from neuromation.synthetic import BadDataset, export_dataset, generate_dataset
from neuromation.synthetic.annotations import objects_of
from neuromation.synthetic.importing import import_folder
from neuromation.synthetic.loaders import UnitStream, collate

PARAMS = NoParams()
UNITS = 23


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Blocks in 5 shards, tones and clips in one each, to be read only."""
    root = tmp_path_factory.mktemp("streams")
    for generator, size in ((BLOCKS, 5), (TONES, 50), (CLIPS, 50)):
        generate_dataset(generator, PARAMS, seed=2, units=UNITS, out=root / generator.name, shard_units=size)
    return root


def ids(stream: Any) -> list[int]:
    return [target["image_id"] for _, target in stream]


def test_a_target_is_what_torchvision_takes(made: Path) -> None:
    for image, target in UnitStream(made / "blocks", masks=True):
        unit = BLOCKS.unit(PARAMS, 2, target["image_id"])
        things = [thing for thing in objects_of(unit.annotations, BLOCKS.classes) if not thing.is_null]
        assert (image.shape, image.dtype) == ((3, 48, 64), torch.float32)
        assert (image.permute(1, 2, 0).mul(255).round().numpy() == unit.picture).all()
        x, y, w, h = torch.tensor([thing.box for thing in things]).T
        assert torch.equal(target["boxes"], torch.stack([x, y, x + w, y + h], 1))
        assert target["labels"].tolist() == [thing.label + 1 for thing in things if thing.label is not None]
        assert target["masks"].sum((1, 2)).tolist() == [thing.area for thing in things] == target["area"].tolist()
        assert target["masks"].dtype == torch.uint8


@pytest.mark.filterwarnings("ignore:.*suggested max number of worker.*:UserWarning")
@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_gives_every_sample_once(made: Path, workers: int) -> None:
    stream = UnitStream(made / "blocks", shuffle=7, seed=1)
    found = [
        t["image_id"] for _, targets in DataLoader(stream, 4, num_workers=workers, collate_fn=collate) for t in targets
    ]
    assert sorted(found) == list(range(UNITS))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(ranks=st.integers(1, 9), shuffle=st.integers(0, 30), seed=st.integers(0, 99), epoch=st.integers(0, 3))
def test_ranks_share_the_samples_without_overlap(made: Path, ranks: int, shuffle: int, seed: int, epoch: int) -> None:
    counted: Counter[int] = Counter()
    for rank in range(ranks):
        stream = UnitStream(made / "blocks", shuffle=shuffle, seed=seed, rank=rank, world_size=ranks)
        stream.set_epoch(epoch)
        counted.update(ids(stream))
    assert counted == Counter(range(UNITS))


def test_seed_and_epoch_decide_the_order(made: Path) -> None:
    def order(seed: int, epoch: int) -> list[int]:
        stream = UnitStream(made / "blocks", shuffle=10, seed=seed)
        stream.set_epoch(epoch)
        return ids(stream)

    assert order(1, 0) == order(1, 0)
    assert len({tuple(order(*case)) for case in ((1, 0), (2, 0), (1, 1))}) == 3
    assert ids(UnitStream(made / "blocks")) == list(range(UNITS))


def test_layers_come_as_whole_numbers(made: Path) -> None:
    _, target = next(iter(UnitStream(made / "blocks", layers=["depth", "normals"])))
    unit = BLOCKS.unit(PARAMS, 2, 0)
    assert (target["layers"]["depth"].numpy() == unit.layers["depth"]).all()
    assert target["layers"]["depth"].dtype == torch.int32
    assert (target["layers"]["normals"].numpy() == unit.layers["normals"]).all()


def test_sounds_clips_and_small_pictures_are_inputs_too(made: Path, tmp_path: Path) -> None:
    sound, label = next(iter(UnitStream(made / "tones", input="audio", targets="class")))
    unit = TONES.unit(PARAMS, 2, 0)
    assert (label, sound.shape) == (unit.label, (1, 1600))
    assert (sound[0].mul(32768).numpy() == unit.layers["audio"]).all()
    clip, facts = next(iter(UnitStream(made / "clips", input="video", targets="annotations")))
    assert (clip.shape, facts["index"], len(facts["events"])) == ((6, 3, 24, 32), 0, 1)
    generate_dataset(digits(), digit_params(), seed=1, units=3, out=tmp_path)
    picture, label = next(iter(UnitStream(tmp_path, targets="class")))
    assert (picture.shape, label) == ((1, 8, 8), digits().unit(digit_params(), 1, 0).label)
    assert 0.5 < float(picture.max()) <= 1


def test_an_imported_set_streams_by_split(made: Path, tmp_path: Path) -> None:
    export_dataset(made / "blocks", "coco", tmp_path / "coco")
    import_folder(tmp_path / "coco", "coco", tmp_path / "real")
    sizes = {split: len(ids(UnitStream(tmp_path / "real", split=split))) for split in ("validation", "test")}
    assert sum(sizes.values()) == UNITS
    _, target = next(iter(UnitStream(tmp_path / "real", masks=True)))
    assert target["masks"].sum((1, 2)).tolist() == target["area"].tolist()


def test_imported_recordings_stream_as_they_were(made: Path, tmp_path: Path) -> None:
    export_dataset(made / "tones", "audiofolder", tmp_path / "folder")
    import_folder(tmp_path / "folder", "audiofolder", tmp_path / "real")
    for sound, facts in UnitStream(tmp_path / "real", input="audio", targets="annotations"):
        assert (sound.shape, facts["rate_hz"]) == ((1, 1600), 8000)
    every = {sound.numpy().tobytes() for sound, _ in UnitStream(made / "tones", input="audio")}
    assert {sound.numpy().tobytes() for sound, _ in UnitStream(tmp_path / "real", input="audio")} == every


def test_a_transform_is_applied(made: Path) -> None:
    stream = UnitStream(made / "blocks", transform=lambda image, target: (image.flip(-1), target))
    plain = UnitStream(made / "blocks")
    assert torch.equal(next(iter(stream))[0].flip(-1), next(iter(plain))[0])


def test_some_files_alone_can_be_streamed(made: Path) -> None:
    files = sorted((made / "blocks/data").iterdir())
    assert ids(UnitStream(files[1:2])) == list(range(5, 10))


@pytest.mark.parametrize(
    "wrong", [{"input": "heat"}, {"layers": ["heat"]}, {"shuffle": -1}, {"rank": 3, "world_size": 2}]
)
def test_what_is_not_there_is_refused(made: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(BadDataset):
        list(UnitStream(made / "blocks", **wrong))


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadDataset):
        UnitStream(tmp_path)
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(BadDataset):
        list(UnitStream(tmp_path / "a.parquet"))


def test_a_recording_is_no_detection_target_but_an_empty_one(made: Path) -> None:
    _, target = next(iter(UnitStream(made / "tones", input="audio")))
    assert (target["boxes"].shape, target["labels"].shape) == ((0, 4), (0,))
    assert np.isfinite(target["boxes"].numpy()).all()
