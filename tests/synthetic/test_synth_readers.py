"""Data sets of every kind as other people's tools read them: Hugging Face, DuckDB, Croissant, and eyes."""

from __future__ import annotations

import io
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
from dataset_builders import BLOCKS, CLIPS, EVERY, PAIRS, PHRASES, TONES, NoParams
from PIL import Image

from neuromation.synthetic import Generator, Unit, generate_dataset, load_manifest

PARAMS = NoParams()
UNITS = 7


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of every kind, to be read only."""
    root = tmp_path_factory.mktemp("kinds")
    for generator in EVERY:
        generate_dataset(generator, PARAMS, seed=2, units=UNITS, out=root / generator.name, shard_units=4)
    return root


def units_of(generator: Generator) -> list[Unit]:
    return [generator.unit(PARAMS, 2, index) for index in range(UNITS)]


def hugging_face(folder: Path, cache: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # third-party deprecations at import
        from datasets import Audio, load_dataset

        read = load_dataset("parquet", data_files=str(folder / "data/*.parquet"), split="train", cache_dir=str(cache))
        # Decoding needs torchcodec; the bytes are what is asked for here.
        return read.cast_column("audio", Audio(8000, decode=False)) if "audio" in read.features else read


def test_hugging_face_reads_pictures_with_all_their_layers(made: Path, tmp_path: Path) -> None:
    for row, unit in zip(hugging_face(made / "blocks", tmp_path), units_of(BLOCKS), strict=True):
        assert (np.asarray(row["image"]) == unit.image).all()
        for name in ("instances", "depth", "normals", "illumination"):
            assert (np.asarray(row[name]) == unit.layers[name]).all(), name
        # Pillow reads 16-bit RGB with 8 bits; the file holds all of them.
        assert row["flow"].size == (64, 48)
        assert json.loads(row["annotations"])["objects"][0]["id"] == 1


def test_hugging_face_reads_recordings(made: Path, tmp_path: Path) -> None:
    read = hugging_face(made / "tones", tmp_path)
    schema = pq.read_schema(next((made / "tones/data").iterdir()))
    assert json.loads(schema.metadata[b"huggingface"])["info"]["features"]["audio"]["sampling_rate"] == 8000
    for row, unit in zip(read, units_of(TONES), strict=True):
        heard, rate = soundfile.read(io.BytesIO(row["audio"]["bytes"]), dtype="int16")
        assert (row["label"], rate) == (unit.label, 8000)
        assert (heard == unit.layers["audio"]).all()


def test_hugging_face_reads_clips_as_lists_of_frames(made: Path, tmp_path: Path) -> None:
    for row, unit in zip(hugging_face(made / "clips", tmp_path), units_of(CLIPS), strict=True):
        assert (np.stack([np.asarray(frame) for frame in row["video"]]) == unit.layers["video"]).all()
        assert (np.stack([np.asarray(frame) for frame in row["range"]]) == unit.layers["range"]).all()


def test_hugging_face_reads_texts_and_rows(made: Path, tmp_path: Path) -> None:
    for generator in (PHRASES, PAIRS):
        read = hugging_face(made / generator.name, tmp_path)
        assert "image" not in read.features
        for row, unit in zip(read, units_of(generator), strict=True):
            assert (json.loads(row["annotations"]), row["label"]) == (unit.annotations, unit.label)


@pytest.mark.parametrize("generator", EVERY, ids=lambda g: g.name)
def test_duckdb_reads_every_kind(made: Path, generator: Generator) -> None:
    import duckdb

    files = f"read_parquet('{made / generator.name}/data/*.parquet')"
    assert duckdb.sql(f'select count(*), min("index"), max("index") from {files}').fetchall() == [(UNITS, 0, UNITS - 1)]
    columns = {"blocks": "octet_length(depth.bytes)", "tones": "octet_length(audio.bytes)", "clips": "len(video)"}
    if generator.name in columns:
        sizes = duckdb.sql(f"select {columns[generator.name]} from {files}").fetchall()
        assert min(sizes)[0] >= 6


def test_duckdb_looks_into_annotations(made: Path) -> None:
    import duckdb

    query = f"select sum(json_array_length(annotations, '$.objects')) from '{made}/blocks/data/*.parquet'"
    counted = duckdb.sql(query).fetchall()[0][0]
    assert counted == sum(len(unit.annotations["objects"]) for unit in units_of(BLOCKS))


@pytest.mark.parametrize("generator", EVERY, ids=lambda g: g.name)
def test_croissant_describes_every_kind_and_its_records_read(made: Path, generator: Generator) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # third-party deprecations at import
        import mlcroissant

        described = mlcroissant.Dataset(jsonld=str(made / generator.name / "croissant.json"))
        records = list(described.records("units"))
    assert not described.metadata.issues.errors
    for record, unit in zip(records, units_of(generator), strict=True):
        names = {key.removeprefix("units/") for key in record}
        assert names - {"image"} == {"index", "label", "annotations", "unit_hash", *unit.layers}
        if "depth" in unit.layers:
            assert (np.asarray(record["units/depth"]) == unit.layers["depth"]).all()
        if "audio" in unit.layers:
            heard = soundfile.read(io.BytesIO(record["units/audio"]), dtype="int16")[0]
            assert (heard == unit.layers["audio"]).all()
        if "video" in unit.layers:
            frames = [Image.open(io.BytesIO(frame)) for frame in record["units/video"]]
            assert (np.stack([np.asarray(frame) for frame in frames]) == unit.layers["video"]).all()


def test_the_manifest_counts_objects_of_all_shards(made: Path) -> None:
    manifest = load_manifest(made / "blocks")
    every = [item for unit in units_of(BLOCKS) for item in unit.annotations["objects"]]
    assert sum(manifest.object_counts) + manifest.null_objects == len(every)
    assert manifest.null_objects == sum(bool(item.get("null")) for item in every)
    assert manifest.object_counts[0] == sum(item["label"] == 0 for item in every)
    assert load_manifest(made / "tones").object_counts == []


def test_the_card_names_task_classes_objects_and_layers(made: Path) -> None:
    text = (made / "blocks/README.md").read_text()
    front = text.split("---")[1]
    assert "object-detection" in front
    assert "| class | units | objects |" in text
    for layer in BLOCKS.layers(PARAMS):
        assert f"| `{layer.name}` | image of {layer.dtype} | {layer.meaning} |" in text
    assert "null objects" in text
    assert "| `audio` | audio of int16, 8000 Hz |" in (made / "tones/README.md").read_text()


def test_a_class_cannot_break_the_cards_table(tmp_path: Path) -> None:
    class Strange(type(PAIRS)):  # type: ignore[misc]
        classes = ["a|b", "c\nd"]  # noqa: RUF012

    generate_dataset(Strange(), PARAMS, seed=1, units=2, out=tmp_path)
    assert "| a\\|b | 0 |\n| c d | 0 |" in (tmp_path / "README.md").read_text()
