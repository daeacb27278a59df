"""Shards with layers: every array comes back as it was, in the types that other tools read, and nothing else gets in."""

from __future__ import annotations

import io
import json
import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from dataset_builders import BLOCKS, CLIPS, EVERY, PHRASES, TONES, Blocks, NoParams, Tones, arrays_of
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from PIL import Image

from neuromation.synthetic import (
    BadShard,
    BadUnit,
    BaseGenerator,
    Layer,
    ShardTooLarge,
    Unit,
    decode_shard,
    encode_shard,
    read_shard,
    shard_hashes,
    unit_hash,
)
from neuromation.synthetic.formats import png, shard, wav
from neuromation.synthetic.formats.recipe import read_recipe, recipe_of, same_recipe, write_recipe

PARAMS = NoParams()
LAYERS = [
    Layer("mask", "image", "uint8", "a mask"),
    Layer("far", "image", "uint16", "mm"),
    Layer("sound", "audio", "int16", "pressure", 16_000),
    Layer("clip", "video", "uint8", "sRGB", 25.0),
    Layer("picture", "video", "uint16", "mm", 25.0),
]


class Anything(BaseGenerator):
    """A generator whose units a test makes."""

    name, title, description = "anything", "Anything", "Any unit."
    params_model = NoParams

    def __init__(self, layers: tuple[Layer, ...]) -> None:
        self._layers = layers

    def layers(self, params: Any) -> tuple[Layer, ...]:
        return self._layers

    def unit(self, params: Any, seed: int, index: int) -> Unit:
        raise AssertionError("its units are made by tests")


@st.composite
def layered_units(draw: st.DrawFn) -> tuple[Anything, list[Unit]]:
    layers = tuple(draw(st.lists(st.sampled_from(LAYERS), unique_by=lambda layer: layer.name, max_size=3)))
    images = st.none() | npst.arrays(np.uint8, st.sampled_from([(3, 5), (70, 90, 3)]))
    units = [
        Unit(index, draw(images), None, {"n": index}, {layer.name: draw(arrays_of(layer)) for layer in layers})
        for index in range(draw(st.integers(1, 3)))
    ]
    return Anything(layers), units


def shard_of(generator: Any, count: int = 4, **params: Any) -> bytes:
    chosen = NoParams(**params)
    units = [generator.unit(chosen, 3, index) for index in range(count)]
    return encode_shard(units, generator=generator, params=chosen, seed=3)


def rewritten(data: bytes, column: str, values: pa.Array) -> bytes:
    table = pq.read_table(pa.BufferReader(data))
    table = table.set_column(table.schema.get_field_index(column), table.schema.field(column), values)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="none", use_dictionary=False)
    return bytes(sink.getvalue())


def files(values: list[bytes | None], path: str | None = None) -> pa.Array:
    return pa.array(
        [None if v is None else {"bytes": v, "path": path} for v in values], shard.columns.arrow_type(LAYERS[0])
    )


@settings(max_examples=60)
@given(layered_units())
def test_every_layer_comes_back_as_it_was(case: tuple[Anything, list[Unit]]) -> None:
    generator, units = case
    data = encode_shard(units, generator=generator, params=PARAMS, seed=1)
    assert decode_shard(data) == units
    assert shard_hashes(data) == [unit_hash(unit) for unit in units]


@given(arrays_of(LAYERS[1]))
def test_any_library_reads_a_png_of_16_bits(image: np.ndarray) -> None:
    data = png.encode_png(image)
    assert (png.decode_png(data, dtype="uint16") == image).all()
    if image.ndim == 2:  # Pillow has no 16-bit RGB
        assert (np.asarray(Image.open(io.BytesIO(data))) == image).all()


@given(arrays_of(LAYERS[2]), st.sampled_from([8_000, 16_000, 44_100]))
def test_any_library_reads_a_recording(samples: np.ndarray, rate: int) -> None:
    data = wav.encode_wav(samples, rate_hz=rate)
    assert (wav.decode_wav(data, rate_hz=rate) == samples).all()
    heard, heard_rate = soundfile.read(io.BytesIO(data), dtype="int16")
    assert heard_rate == rate
    assert (heard == samples).all()


@given(npst.arrays(np.uint8, st.sampled_from([(30, 40), (30, 40, 3)])), st.data())
def test_either_packer_reads_the_other_and_refuses_the_same(image: np.ndarray, draw: st.DataObject) -> None:
    data = bytearray(png.encode_png(image))
    if draw.draw(st.booleans()):
        data[draw.draw(st.integers(0, len(data) - 1))] ^= 1 << draw.draw(st.integers(0, 7))

    def decoded() -> object:
        try:
            return png.decode_png(bytes(data)).tolist()
        except BadShard:
            return None

    by_default = decoded()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(png, "_packing", zlib)
        assert decoded() == by_default
        assert (png.decode_png(png.encode_png(image)) == image).all()


@given(npst.arrays(np.uint8, st.sampled_from([(3, 8, 8), (2, 5, 7, 3)]), elements=st.integers(0, 16)), st.data())
def test_small_pictures_read_at_once_are_those_read_one_by_one(images: np.ndarray, draw: st.DataObject) -> None:
    files = [bytearray(png.encode_png(image, value_max=16)) for image in images]
    assert (np.stack(png.decode_pngs([bytes(f) for f in files], value_max=16, bytes_max=10**4)) == images).all()
    if draw.draw(st.booleans()):
        hit = draw.draw(st.sampled_from(files))
        hit[draw.draw(st.integers(0, len(hit) - 1))] ^= 1 << draw.draw(st.integers(0, 7))

    def decoded() -> object:
        try:
            return [
                image.tolist() for image in png.decode_pngs([bytes(f) for f in files], value_max=16, bytes_max=10**9)
            ]
        except BadShard:
            return None

    at_once = decoded()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(png, "_stored", lambda files, size: None)
        assert decoded() == at_once


def test_a_shard_of_each_kind_says_what_its_columns_are() -> None:
    wanted = {
        "blocks": ["index", "image", "instances", "depth", "normals", "illumination", "flow"],
        "tones": ["index", "audio"],
        "clips": ["index", "image", "video", "range"],
        "phrases": ["index"],
        "pairs": ["index"],
    }
    for generator in EVERY:
        schema = pq.read_schema(pa.BufferReader(shard_of(generator)))
        assert schema.names == [*wanted[generator.name], "label", "annotations", "unit_hash"]
        features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
        assert list(features) == schema.names


def test_parameters_decide_which_layers_a_shard_has() -> None:
    assert [layer.name for layer in read_shard(shard_of(BLOCKS, dense=False)).recipe.layers] == ["instances"]


@given(st.permutations(LAYERS))
def test_a_recipe_reads_what_it_wrote_and_knows_itself(layers: list[Layer]) -> None:
    recipe = recipe_of(Anything(tuple(layers)), PARAMS, 5)
    assert read_recipe(write_recipe(recipe)) == recipe
    assert same_recipe(recipe, recipe.claim())
    assert not same_recipe(recipe, replace(recipe, layers=recipe.layers[:-1]))


@pytest.mark.parametrize(
    "change",
    [
        {"layers": [{"name": "image", "kind": "image", "dtype": "uint8", "meaning": ""}]},
        {"layers": [{"name": "a", "kind": "image", "dtype": "float32", "meaning": ""}]},
        {"layers": [{"name": "a", "kind": "audio", "dtype": "int16", "meaning": "", "rate_hz": 0}]},
        {"layers": [{"name": "a", "kind": "audio", "dtype": "int16", "meaning": "", "rate_hz": "8000"}]},
        {"layers": [{"name": "a", "kind": "image", "dtype": "uint8", "meaning": "x" * 9_000}]},
        {"layers": [{"name": "a", "kind": "image", "dtype": "uint8", "meaning": "", "more": 1}]},
        {"layers": [{"name": f"a{n}", "kind": "image", "dtype": "uint8", "meaning": ""} for n in range(40)]},
        {"layers": [{"name": "a", "kind": "image", "dtype": "uint8", "meaning": ""}] * 2},
        {"layers": 3},
        {"image": "no"},
        {"value_max": 0},
    ],
    ids=str,
)
def test_a_strangers_recipe_is_checked_field_by_field(change: dict[str, Any]) -> None:
    claim = json.loads(write_recipe(recipe_of(BLOCKS, PARAMS, 1)))
    with pytest.raises(BadShard):
        read_recipe(json.dumps({**claim, **change}).encode())


def test_a_changed_layer_is_refused_although_its_own_checksums_hold() -> None:
    data = shard_of(BLOCKS)
    units = decode_shard(data)
    units[2].layers["depth"][5, 5] ^= 1
    changed = files([png.encode_png(unit.layers["depth"]) for unit in units])
    with pytest.raises(BadShard, match="unit 2"):
        read_shard(rewritten(data, "depth", changed))


@pytest.mark.parametrize("path", ["/etc/passwd", ""])
def test_a_file_beside_its_bytes_is_refused(path: str) -> None:
    data = shard_of(BLOCKS)
    held = [png.encode_png(unit.layers["depth"]) for unit in decode_shard(data)]
    with pytest.raises(BadShard, match="path"):
        read_shard(rewritten(data, "depth", files([*held], path)))  # type: ignore[list-item]


def test_a_layer_that_is_missing_or_of_other_depth_is_refused() -> None:
    data = shard_of(BLOCKS)
    held: list[bytes | None] = [png.encode_png(unit.layers["depth"]) for unit in decode_shard(data)]
    for wrong in (None, b"", png.encode_png(np.zeros((48, 64), np.uint8))):
        with pytest.raises(BadShard):
            read_shard(rewritten(data, "depth", files([wrong, *held[1:]])))


def test_a_clip_without_frames_or_with_frames_of_two_sizes_is_refused() -> None:
    data = shard_of(CLIPS)
    frame, other = (png.encode_png(np.zeros((4, side), np.uint8)) for side in (4, 5))
    kind = shard.columns.arrow_type(LAYERS[3])
    for rows in ([[]] * 4, [None] * 4, [[frame, other]] * 4, [[frame, None]] * 4):
        clips = [row and [file and {"bytes": file, "path": None} for file in row] for row in rows]
        with pytest.raises(BadShard):
            read_shard(rewritten(data, "video", pa.array(clips, kind)))


@pytest.mark.parametrize("place", [4, 22, 24, 40])
def test_a_recording_of_another_dialect_is_refused(place: int) -> None:
    data = shard_of(TONES)
    held = bytearray(wav.encode_wav(decode_shard(data)[0].layers["audio"], rate_hz=8000))
    held[place] ^= 3
    with pytest.raises(BadShard):
        read_shard(rewritten(data, "audio", files([bytes(held)] * 4)))


def test_units_that_are_not_what_their_generator_declares_are_not_stored() -> None:
    unit = BLOCKS.unit(PARAMS, 1, 0)
    depth = unit.layers["depth"]
    wrong: list[tuple[Any, Unit]] = [
        (BLOCKS, replace(unit, layers={})),
        (BLOCKS, replace(unit, layers={**unit.layers, "more": depth})),
        (BLOCKS, replace(unit, layers={**unit.layers, "depth": depth.astype(np.uint8)})),
        (BLOCKS, replace(unit, layers={**unit.layers, "depth": depth[:0]})),
        (PHRASES, replace(PHRASES.unit(PARAMS, 1, 0), image=unit.image)),
        (TONES, replace(TONES.unit(PARAMS, 1, 0), layers={"audio": np.zeros((5, 1), np.int16)})),
    ]
    for generator, bad in wrong:
        with pytest.raises(BadUnit):
            encode_shard([bad], generator=generator, params=PARAMS, seed=1)


def test_annotations_have_a_maximum() -> None:
    unit = replace(PHRASES.unit(PARAMS, 1, 0), annotations={"text": "x" * shard.ANNOTATION_BYTES_MAX})
    with pytest.raises(BadUnit, match="annotations"):
        encode_shard([unit], generator=PHRASES, params=PARAMS, seed=1)


def test_what_a_shard_unpacks_to_is_bounded_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    data = shard_of(BLOCKS)
    monkeypatch.setattr(shard, "PIXEL_BYTES_MAX", 100_000)
    monkeypatch.setattr(shard, "content_hash", lambda *_: pytest.fail("it was unpacked"))
    with pytest.raises(ShardTooLarge):
        read_shard(data)


class Large(Blocks):
    """Blocks whose pictures do not pack."""

    def unit(self, params: Any, seed: int, index: int) -> Unit:
        unit = super().unit(params, seed, index)
        noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3)).astype(np.uint8)
        return replace(unit, image=noise)


def test_units_a_shard_follow_from_the_size_of_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shard.units_a_shard(TONES, PARAMS, 1, units_max=1_000) == 1_000
    # 360 kB and a little: 24 MiB hold 69 of them, and 60 is the round number below.
    assert shard.units_a_shard(Large(), PARAMS, 1, units_max=1_000) == 60
    monkeypatch.setattr(shard, "SHARD_BYTES_AIM", 10)
    assert shard.units_a_shard(Large(), PARAMS, 1, units_max=1_000) == 1


def test_a_mono_recording_has_one_shape() -> None:
    assert Tones().unit(PARAMS, 1, 0).layers["audio"].ndim == 1
    with pytest.raises(BadUnit, match="one channel"):
        wav.encode_wav(np.zeros((5, 1), np.int16), rate_hz=8000)
