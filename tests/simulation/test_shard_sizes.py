"""How an order is cut into shards when the customer does not say."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from neuromation.client.schemas import SHARD_UNITS_MAX, UNITS_MAX
from neuromation.synthetic.formats.manifest import SHARDS_MAX
from neuromation.workflows.order_dataset import SHARD_CU, SHARDS_MIN, default_shard_units


@given(st.integers(1, UNITS_MAX), st.floats(1e-4, 20))
def test_an_order_has_neither_too_few_nor_too_many_shards_nor_too_long_ones(units: int, cu_per_unit: float) -> None:
    size = default_shard_units(units, cu_per_unit)
    shards = -(-units // size)
    assert 1 <= size <= SHARD_UNITS_MAX
    assert min(units, SHARDS_MIN / 2) <= shards <= SHARDS_MAX
    is_large = units > SHARDS_MAX * max(1, SHARD_CU / cu_per_unit / 2)
    assert size == 1 or is_large or size * cu_per_unit <= SHARD_CU


def test_large_orders_have_shards_that_are_branches_of_the_merkle_tree() -> None:
    assert default_shard_units(5_000_000, 0.001) == 8192
    assert default_shard_units(5_000_000, 0.01) == 512
    assert default_shard_units(6_000, 0.001) == 750
