"""Exports, each read by a tool that is not ours."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import sys
import warnings
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import soundfile
import xmlschema
import yaml
from dataset_builders import BLOCKS, CLIPS, PAIRS, PHRASES, TONES, NoParams
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from neuromation.synthetic import BadExport, Unit, export_dataset, generate_dataset
from neuromation.synthetic.annotations import objects_of
from neuromation.synthetic.formats import webdataset as webdatasets
from neuromation.synthetic.formats.voc import SCHEMA_FILE

PARAMS = NoParams()
UNITS = 9


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of every kind, to be read only."""
    root = tmp_path_factory.mktemp("kinds")
    for generator in (BLOCKS, TONES, CLIPS, PHRASES, PAIRS):
        generate_dataset(generator, PARAMS, seed=2, units=UNITS, out=root / generator.name, shard_units=5)
    return root


@pytest.fixture(scope="module")
def coco(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_dataset(made / "blocks", "coco", tmp_path_factory.mktemp("coco") / "out")


def quietly_loaded(path: Path) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(path / "annotations.json"))


def tight(mask: np.ndarray) -> list[int]:
    rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
    return [columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1]


def blocks() -> list[Unit]:
    return [BLOCKS.unit(PARAMS, 2, index) for index in range(UNITS)]


def real_objects(unit: Unit) -> list[Any]:
    return [thing for thing in objects_of(unit.annotations, BLOCKS.classes) if not thing.is_null]


def hugging_face(kind: str, folder: Path, cache: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # third-party deprecations at import
        from datasets import Audio, load_dataset

        read = load_dataset(kind, data_dir=str(folder), split="train", cache_dir=str(cache))
        # Decoding needs torchcodec; the bytes are what is asked for here.
        return read.cast_column("audio", Audio(decode=False)) if kind == "audiofolder" else read


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools
def test_coco_masks_boxes_and_areas_agree_with_the_layer_of_ids(coco: Path) -> None:
    read = quietly_loaded(coco)
    for unit in blocks():
        marks = read.loadAnns(read.getAnnIds(imgIds=[unit.index + 1]))
        things = [item for item in unit.annotations["objects"] if not item.get("null")]
        assert len(marks) == len(things)
        for mark, item in zip(marks, things, strict=True):
            mask = read.annToMask(mark).astype(bool)
            assert (mask == (unit.layers["instances"] == item["id"])).all()
            assert (mask.sum(), tight(mask)) == (mark["area"], mark["bbox"])
            assert read.cats[mark["category_id"]]["name"] == item["class"]


def test_coco_evaluates_its_own_truth_as_perfect(coco: Path) -> None:
    truth = quietly_loaded(coco)
    with contextlib.redirect_stdout(io.StringIO()):
        for kind in ("bbox", "segm", "keypoints"):
            found = [{**mark, "score": 1.0} for mark in truth.dataset["annotations"]]
            evaluation = COCOeval(truth, truth.loadRes(found), kind)
            evaluation.params.kpt_oks_sigmas = np.array([0.05, 0.05])
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
            assert evaluation.stats[0] == pytest.approx(1.0), kind


def test_coco_names_keypoints_and_leaves_null_objects_out(coco: Path) -> None:
    read = quietly_loaded(coco)
    assert read.cats[1]["keypoints"] == ["corner", "top"]
    assert {len(mark["keypoints"]) for mark in read.anns.values()} == {6}
    every = [item for unit in blocks() for item in unit.annotations["objects"]]
    assert len(read.anns) == sum(not item.get("null") for item in every) < len(every)


def test_yolo_boxes_are_those_of_the_units(made: Path, tmp_path: Path) -> None:
    out = export_dataset(made / "blocks", "yolo", tmp_path / "out")
    facts = yaml.safe_load((out / "data.yaml").read_text())
    assert facts["names"] == dict(enumerate(BLOCKS.classes))
    for unit in blocks():
        text = (out / "labels/train" / f"{unit.index:08d}.txt").read_text()
        assert (out / facts["path"] / facts["train"] / f"{unit.index:08d}.png").exists()
        for line, thing in zip(text.splitlines(), real_objects(unit), strict=True):
            label, x, y, w, h = (float(word) for word in line.split())
            box = ((x - w / 2) * 64, (y - h / 2) * 48, w * 64, h * 48)
            assert (label, box) == (thing.label, pytest.approx(thing.box, abs=1e-3))


def test_voc_files_are_valid_xml_of_the_schema(made: Path, tmp_path: Path) -> None:
    out = export_dataset(made / "blocks", "voc", tmp_path / "out")
    schema = xmlschema.XMLSchema(str(SCHEMA_FILE))
    stems = (out / "ImageSets/Main/train.txt").read_text().split()
    assert len(stems) == UNITS
    for unit, stem in zip(blocks(), stems, strict=True):
        path = out / "Annotations" / f"{stem}.xml"
        schema.validate(str(path))
        read: Any = schema.to_dict(str(path))
        found = read.get("object", [])
        assert (out / read["folder"] / read["filename"]).exists()
        for item, thing in zip(found, real_objects(unit), strict=True):
            box = item["bndbox"]
            x, y, w, h = thing.box
            assert [box[key] for key in ("xmin", "ymin", "xmax", "ymax")] == [x + 1, y + 1, x + w, y + h]
            assert item["truncated"] == (thing.box != thing.whole)


def test_the_schema_refuses_what_is_no_box() -> None:
    schema = xmlschema.XMLSchema(str(SCHEMA_FILE))
    assert not schema.is_valid("<annotation><folder>a</folder></annotation>")


@pytest.mark.parametrize("name", ["blocks", "tones", "clips", "phrases"])
def test_webdataset_reads_every_kind(made: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import webdataset

    monkeypatch.setattr(webdatasets, "TAR_BYTES", 20_000)
    out = export_dataset(made / name, "webdataset", tmp_path / "out")
    tars = sorted(str(path) for path in out.glob("*.tar"))
    assert len(tars) > (name == "blocks")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read = list(webdataset.WebDataset(tars, shardshuffle=False).decode())
    generator = {"blocks": BLOCKS, "tones": TONES, "clips": CLIPS, "phrases": PHRASES}[name]
    for unit, sample in zip((generator.unit(PARAMS, 2, n) for n in range(UNITS)), read, strict=True):  # type: ignore[attr-defined]
        assert sample["__key__"] == f"{unit.index:08d}"
        assert sample.get("cls") == unit.label
        assert sample["json"].keys() == unit.annotations.keys()
        if name == "blocks":
            assert sample["depth.png"] is not None
        if name == "tones":
            heard = soundfile.read(io.BytesIO(sample["audio.wav"]), dtype="int16")[0]
            assert (heard == unit.layers["audio"]).all()
        if name == "clips":
            assert sum(key.startswith("video.") for key in sample) == 6


def test_a_webdataset_is_the_same_bytes_twice(made: Path, tmp_path: Path) -> None:
    one, two = (export_dataset(made / "blocks", "webdataset", tmp_path / name) for name in ("one", "two"))
    assert (one / "shard-00000.tar").read_bytes() == (two / "shard-00000.tar").read_bytes()


def test_an_image_folder_of_units_with_objects_is_read_with_its_boxes(made: Path, tmp_path: Path) -> None:
    out = export_dataset(made / "blocks", "imagefolder", tmp_path / "out")
    read = hugging_face("imagefolder", out, tmp_path / "cache")
    unit = blocks()[4]
    row = next(row for row in read if row["index"] == 4)
    assert (np.asarray(row["image"]) == unit.image).all()
    assert row["objects"]["bbox"] == [list(thing.box) for thing in real_objects(unit)]


def test_an_audio_folder_is_read_with_its_classes(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Its audio library is asked for before it is known that nothing needs to be encoded.
    for name in ("torchcodec", "torchcodec.encoders"):
        stub: Any = ModuleType(name)
        stub.__spec__, stub.AudioEncoder = ModuleSpec(name, None), None
        monkeypatch.setitem(sys.modules, name, stub)
    out = export_dataset(made / "tones", "audiofolder", tmp_path / "out")
    read = hugging_face("audiofolder", out, tmp_path / "cache")
    for row in read:
        unit = TONES.unit(PARAMS, 2, row["index"])
        audio = row["audio"]
        data = audio["bytes"] or Path(audio["path"]).read_bytes()
        heard, rate = soundfile.read(io.BytesIO(data), dtype="int16")
        assert (row["label"], rate) == (unit.label, 8000)
        assert (heard == unit.layers["audio"]).all()


@pytest.mark.parametrize("name", ["blocks", "clips", "tones", "phrases", "pairs"])
def test_lines_of_json_name_every_file(made: Path, tmp_path: Path, name: str) -> None:
    out = export_dataset(made / name, "jsonl", tmp_path / "out")
    rows = [json.loads(line) for line in (out / "units.jsonl").read_text().splitlines()]
    assert [row["index"] for row in rows] == list(range(UNITS))
    named = [row["image"] for row in rows if "image" in row]
    for row in rows:
        for files in row.get("layers", {}).values():
            named += files if isinstance(files, list) else [files]
    found = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    assert {*named, "units.jsonl"} == found


def test_texts_and_rows_become_a_table(made: Path, tmp_path: Path) -> None:
    out = export_dataset(made / "phrases", "csv", tmp_path / "phrases")
    with (out / "units.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        unit = PHRASES.unit(PARAMS, 2, int(row["index"]))
        assert (row["text"], row["class"]) == (unit.annotations["text"], PHRASES.classes[unit.label or 0])
        assert json.loads(row["slots"]) == unit.annotations["slots"]
    import duckdb

    table = export_dataset(made / "pairs", "csv", tmp_path / "pairs") / "units.csv"
    wrong = duckdb.sql(f"select count(*) from read_csv('{table}') where abs(x * x - y) > 1e-5").fetchall()
    assert wrong == [(0,)]


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("tones", "coco"), ("phrases", "yolo"), ("pairs", "voc"), ("clips", "coco"), ("tones", "imagefolder"),
        ("blocks", "audiofolder"), ("blocks", "csv"), ("tones", "csv"),
    ],
)  # fmt: skip
def test_a_format_that_does_not_suit_is_refused_and_nothing_is_left(
    made: Path, tmp_path: Path, name: str, format: str
) -> None:
    with pytest.raises(BadExport):
        export_dataset(made / name, format, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_exports_tell_how_far_they_are(made: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    export_dataset(made / "blocks", "yolo", tmp_path / "out", on_progress=lambda *at: told.append(at))
    assert told == [(done, UNITS) for done in range(1, UNITS + 1)]
