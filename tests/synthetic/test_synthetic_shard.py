"""Shards: what goes in comes out, and nothing else gets in."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from PIL import Image
from synthetic_builders import SQUARES, SquaresParams, digit_params, digits, images, runs_of_units, some_digits

from neuromation.synthetic import (
    BadShard,
    BadUnit,
    ShardTooLarge,
    Unit,
    decode_shard,
    encode_shard,
    facts_of,
    read_shard,
    shard_hashes,
    unit_hash,
)
from neuromation.synthetic.formats import png, shard
from neuromation.synthetic.generator import annotations_text


def encode_squares(units: list[Unit]) -> bytes:
    return encode_shard(units, generator=SQUARES, params=SquaresParams(), seed=1)


@pytest.fixture(scope="module")
def data() -> bytes:
    return encode_shard(some_digits(30, first=60), generator=digits(), params=digit_params(), seed=1)


def rewritten(data: bytes, column: str, values: pa.Array, **options: object) -> bytes:
    """The shard with one column replaced, as a stranger could write it."""
    table = pq.read_table(pa.BufferReader(data))
    table = table.set_column(table.schema.get_field_index(column), table.schema.field(column), values)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, **{"compression": "none", "use_dictionary": False, **options})
    return bytes(sink.getvalue())


@given(runs_of_units())
def test_decoding_undoes_encoding(units: list[Unit]) -> None:
    stored = [replace(unit, annotations=json.loads(annotations_text(unit))) for unit in units]
    assert decode_shard(encode_squares(units)) == sorted(stored, key=lambda unit: unit.index)


@given(runs_of_units())
def test_hashes_are_those_of_the_units_in_order(units: list[Unit]) -> None:
    ordered = sorted(units, key=lambda unit: unit.index)
    assert shard_hashes(encode_squares(units)) == [unit_hash(unit) for unit in ordered]


@given(images)
def test_any_picture_library_reads_our_png(image: np.ndarray) -> None:
    data = png.encode_png(image)
    assert (np.asarray(Image.open(io.BytesIO(data))) == image).all()
    assert (png.decode_png(data) == image).all()


@given(
    st.integers(1, 255).flatmap(
        lambda top: st.tuples(st.just(top), npst.arrays(np.uint8, (3, 4), elements=st.integers(0, top)))
    )
)
def test_values_of_any_range_are_spread_without_loss(case: tuple[int, np.ndarray]) -> None:
    value_max, image = case
    assert (png.decode_png(png.encode_png(image, value_max=value_max), value_max=value_max) == image).all()


def test_a_unit_alone_is_the_unit_in_the_shard(data: bytes) -> None:
    for unit in decode_shard(data):
        assert unit == digits().unit(digit_params(), 1, unit.index)


def test_facts_tell_place_counts_and_root(data: bytes) -> None:
    facts = facts_of(data, file="data/shard-00002.parquet")
    assert (facts.first_unit, facts.units, facts.size) == (60, 30, len(data))
    assert sum(facts.class_counts) == 30
    assert shard.counts_of(data) == (facts.class_counts, facts.objects)
    recipe = read_shard(data).recipe
    assert (recipe.generator, recipe.seed, recipe.params["noise"]) == ("digits", 1, 0.5)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_cut_shard_is_refused(data: bytes, draw: st.DataObject) -> None:
    with pytest.raises(BadShard):
        read_shard(data[: draw.draw(st.integers(0, len(data) - 1))])


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_shard_is_refused_or_holds_the_same_units(data: bytes, draw: st.DataObject) -> None:
    place, bit = draw.draw(st.integers(0, len(data) - 1)), draw.draw(st.integers(0, 7))
    damaged = bytearray(data)
    damaged[place] ^= 1 << bit
    try:
        found = read_shard(bytes(damaged))
    except BadShard:
        return
    assert found.units == decode_shard(data)


def test_a_doctored_picture_is_refused_although_its_own_checksums_hold(data: bytes) -> None:
    units = decode_shard(data)
    units[3].image[0, 0] ^= 1
    pngs = [png.encode_png(unit.image, value_max=16) for unit in units]
    column = pa.StructArray.from_arrays([pa.array(pngs, pa.binary()), pa.nulls(30, pa.string())], ["bytes", "path"])
    with pytest.raises(BadShard, match="hash"):
        read_shard(rewritten(data, "image", column))


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("index", pa.array([0, *range(61, 90)])),
        ("index", pa.array([None, *range(61, 90)], pa.int64())),
        ("label", pa.array([10] * 30)),
        ("label", pa.array([-1] * 30)),
        ("annotations", pa.array(["[]"] * 30)),
        ("annotations", pa.array(["{"] * 30)),
        ("annotations", pa.array(['{"a": NaN}'] * 30)),
        ("annotations", pa.array(['{"a": 1e999}'] * 30)),
        ("annotations", pa.array(['{"a":' + "[" * 50_000 + "]" * 50_000 + "}"] * 30)),
        ("annotations", pa.array([None] * 30, pa.string())),
        ("unit_hash", pa.array(["0" * 64] * 30)),
        ("unit_hash", pa.array([None] * 30, pa.string())),
    ],
    ids=str,
)
def test_a_wrong_column_is_refused(data: bytes, column: str, values: pa.Array) -> None:
    with pytest.raises(BadShard):
        read_shard(rewritten(data, column, values))


@pytest.mark.parametrize("options", [{"compression": "zstd"}, {"use_dictionary": True}])
def test_a_file_that_could_grow_in_memory_is_refused(data: bytes, options: dict[str, object]) -> None:
    same = pq.read_table(pa.BufferReader(data))["annotations"]
    with pytest.raises(BadShard, match="packed"):
        read_shard(rewritten(data, "annotations", same, **options))


def test_another_parquet_file_is_refused() -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"a": [1]}), sink)
    with pytest.raises(BadShard, match="columns"):
        read_shard(bytes(sink.getvalue()))


def test_limits_are_kept(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, limit in (("BYTES_MAX", 100), ("UNITS_MAX", 29), ("PIXEL_BYTES_MAX", 100)):
        with monkeypatch.context() as patch:
            patch.setattr(shard, name, limit)
            with pytest.raises(ShardTooLarge):
                read_shard(data)


def test_a_picture_that_unpacks_to_more_than_it_says_is_refused() -> None:
    large = png.encode_png(np.zeros((2_000, 2_000), np.uint8))
    small = png.encode_png(np.zeros((2, 2), np.uint8))
    with pytest.raises(BadShard):
        png.decode_png(small[:33] + large[33:])


@pytest.mark.parametrize("mode", ["P", "RGBA", "1", "I;16"])
def test_a_png_of_another_dialect_is_refused(mode: str) -> None:
    sink = io.BytesIO()
    Image.new(mode, (9, 9)).save(sink, "PNG")
    with pytest.raises(BadShard):
        png.decode_png(sink.getvalue())


@pytest.mark.parametrize(("indices", "error"), [([], ShardTooLarge), ([0, 2], BadShard), ([1, 1], BadShard)])
def test_units_that_are_no_run_are_not_encoded(indices: list[int], error: type[Exception]) -> None:
    with pytest.raises(error):
        encode_squares([Unit(index, np.zeros((2, 2), np.uint8), 0, {}) for index in indices])


def test_a_value_over_the_generators_range_is_not_encoded() -> None:
    with pytest.raises(BadUnit, match="17"):
        unit = Unit(0, np.full((8, 8), 17, np.uint8), 0, {})
        encode_shard([unit], generator=digits(), params=digit_params(), seed=1)
