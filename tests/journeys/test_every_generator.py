"""Every generator that ships is ordered on a platform of real processes: made in sandboxes, audited, paid, proven."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import entry_points

import pytest
from rig import Rig

from neuromation.client import schemas as wire
from neuromation.kernel.hashing import merkle_root
from neuromation.synthetic import get_generator, parse_params, unit_hash

SHIPPED = sorted(e.name for e in entry_points(group="neuromation.generators") if e.value.startswith("neuromation."))
NAMES = ("ash", "birch", "cedar")
UNITS, SEED = 4, 11
Ordered = tuple[Rig, dict[str, wire.Job]]


@pytest.fixture(scope="module")
def ordered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ordered]:
    """One small order of each, all at once."""
    with Rig(tmp_path_factory.mktemp("generators")) as rig:
        for name in NAMES:
            rig.start_node(name, floor="1.0", unsafe=False)
        rig.await_nodes(*NAMES)
        yield rig, {name: _order(rig, name) for name in SHIPPED}


def _order(rig: Rig, name: str) -> wire.Job:
    order = wire.DatasetOrder(name=f"some-{name}", generator=name, units=UNITS, shard_units=2, seed=SEED, nodes_min=2)
    return rig.customer.order(rig.customer.quote(order))


@pytest.mark.parametrize("name", SHIPPED)
def test_what_ships_can_be_ordered(ordered: Ordered, name: str) -> None:
    rig, jobs = ordered
    job = rig.ended(jobs[name])
    assert job.state == "settled", rig.about(job)
    generator = get_generator(name)
    params = parse_params(generator, {})
    here = merkle_root([unit_hash(generator.unit(params, SEED, index)) for index in range(UNITS)])
    assert job.result["merkle_root"] == here, "a node made other units than this process"
    rig.check_bill(job)
