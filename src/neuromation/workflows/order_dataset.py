"""Ordering a data set: shards of a generator's units, made by a pool, assembled to an immutable version."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from pydantic import BaseModel

from neuromation.catalog import service as catalog
from neuromation.catalog.model import FileRef, Viewer
from neuromation.client import schemas as wire
from neuromation.jobs.model import BreakReason, Job, NewTask, Task, TaskKind, TaskState
from neuromation.kernel.errors import Invalid
from neuromation.synthetic.formats import manifest as manifests
from neuromation.synthetic.formats import shard as shards
from neuromation.synthetic.formats.card import card
from neuromation.synthetic.formats.certificate import LEAVES_FILE, certificate, leaves_of
from neuromation.synthetic.formats.croissant import croissant
from neuromation.synthetic.generator import Generator, check_exact, get_generator, parse_params
from neuromation.workflows import publishing
from neuromation.workflows.plans import AuditOrder, Json, Plan, Rejected, order_of
from neuromation.workflows.world import World

MICRO = 1_000_000
SHARD_CU = 10.0  # a default shard at most: some three seconds of work on one core, which a node that vanishes loses
SHARDS_MIN = 8  # so that a small order still spreads over a pool
SHARD_FILE = "shard.parquet"
REMEMBERED_MAX = 20_000  # shards


class DatasetWork:
    """One generate task a shard."""

    def __init__(self) -> None:
        self._counts: dict[str, shards.Counts] = {}  # of shards checked in this process, by their sha256

    def plan(self, world: World, conn: sa.Connection, customer: str, order: wire.DatasetOrder) -> Plan:
        """Cut the order into shards of equal work. Raises what a wrong generator, parameter or size raises."""
        generator = get_generator(order.generator)
        params = parse_params(generator, order.params)
        check_exact(generator, params)
        publishing.check_name_free(order.name)
        largest = units_that_fit(generator, params, order.seed)
        size = order.shard_units or min(largest, default_shard_units(order.units, generator.cu_per_unit))
        if size > 2 * largest:  # the first unit is a sample; what is clearly too large would fail on every node
            raise Invalid(
                f"{size:,} units of {order.generator} with these parameters do not fit into a shard; order at most {largest:,}"
            )
        tasks = -(-order.units // size)
        if tasks > manifests.SHARDS_MAX:
            raise Invalid(
                f"{order.units:,} units in shards of {size:,} are {tasks:,} shards; "
                f"the most is {manifests.SHARDS_MAX:,}: use larger shards"
            )
        item = catalog.get_item(conn, order.generator, Viewer(customer), kind="generator")
        return Plan(
            work="render",
            tasks=tasks,
            cu_per_task=max(1, round(size * generator.cu_per_unit * MICRO)),
            pool_min=min(order.nodes_min, tasks),
            share_max_bp=share_max_bp(order.nodes_min),
            royalty_micro=(item.price * order.units).micro,
            vendor=item.owner,
            facts={
                "generator": generator.name,
                "version": generator.version,
                "params": params.model_dump(mode="json"),
                "shard_units": size,
                "units": order.units,
                "seed": order.seed,
                "licence": item.licence,
            },
        )

    def next_tasks(self, world: World, conn: sa.Connection, job: Job, plan: Plan) -> tuple[Plan, list[NewTask]]:
        """All shards at once, the first time."""
        if plan.memory.get("enqueued"):
            return plan, []
        facts, size = plan.facts, plan.facts["shard_units"]
        tasks = []
        for seq in range(plan.tasks):
            units = min(size, facts["units"] - seq * size)
            spec = {k: facts[k] for k in ("generator", "version", "params", "seed")} | {
                "first_unit": seq * size,
                "units": units,
            }
            tasks.append(
                NewTask(
                    kind=TaskKind.GENERATE,
                    seq=seq,
                    spec=spec,
                    cu=plan.cu_per_task * units // size,
                    memory_gib=plan.memory_gib,
                )
            )
        return plan.remembering(enqueued=True), tasks

    def check(self, world: World, job: Job, task: Task) -> None:
        """The shard must hold the very units that were asked for, and hash to what was committed."""
        data = committed_output(world, task, SHARD_FILE)
        try:
            shard = shards.check_shard(data)
        except Invalid as error:
            raise Rejected(BreakReason.WRONG_RESULT, f"the shard cannot be read: {error.message}") from error
        spec = task.spec
        asked = {k: spec[k] for k in ("generator", "version", "params", "seed")}
        made = {k: getattr(shard.recipe, k) for k in asked}
        if made != asked or (shard.first_unit, len(shard.hashes)) != (spec["first_unit"], spec["units"]):
            raise Rejected(BreakReason.WRONG_RESULT, "the shard holds other units than were asked for")
        assert task.commit is not None
        if shard.hashes != task.commit["leaves"]:
            raise Rejected(BreakReason.WRONG_RESULT, "the shard's units do not hash to what was committed")
        while len(self._counts) >= REMEMBERED_MAX:
            del self._counts[next(iter(self._counts))]
        self._counts[task.commit["outputs"][SHARD_FILE]["sha256"]] = shard.counts

    def audit_order(self, world: World, task: Task, units: list[int]) -> AuditOrder:
        """Some of the shard's units, to be generated again."""
        cu = max(1, task.cu * len(units) // task.spec["units"])
        return AuditOrder(spec={"of": {"kind": task.kind.value, "spec": task.spec}}, inputs={}, cu=cu)

    def agrees(self, world: World, task: Task, unit: int, audit: Task) -> bool:
        """Generators are exact to the bit on every machine (DESIGN: synthesis), so another hash is another unit."""
        return False

    def deliver(self, world: World, conn: sa.Connection, job: Job, plan: Plan) -> Json:
        """Assemble the accepted shards to a version with manifest, Croissant, card and Merkle root."""
        order: wire.DatasetOrder = order_of(job)
        generator = get_generator(plan.facts["generator"])
        facts: list[shards.ShardFacts] = []
        files: dict[str, FileRef] = {}
        makers: dict[str, int] = {}
        for task in publishing.all_tasks(conn, job, TaskKind.GENERATE, [TaskState.ACCEPTED]):
            made = self._facts(world, task)
            facts.append(made)
            files[made.file] = FileRef(made.sha256, made.size, "application/vnd.apache.parquet")
            makers[task.node_id or ""] = makers.get(task.node_id or "", 0) + 1
        params = parse_params(generator, plan.facts["params"])
        licence = plan.facts["licence"]
        manifest = manifests.assemble(
            facts, generator=generator, params=params, seed=plan.facts["seed"], licence=licence
        )
        documents = {
            "manifest.json": manifest.to_json(),
            "croissant.json": croissant(manifest),
            "README.md": card(manifest),
            "certificate.json": certificate(manifest),
            LEAVES_FILE: leaves_of(facts),
        }
        for name, data in documents.items():
            files[name] = publishing.file_ref(publishing.store(world, conn, data, owner=job.customer), name)
        shown = manifest.model_dump(mode="json", exclude={"shards", "created"})
        version = publishing.publish(
            world,
            conn,
            job,
            kind="dataset",
            name=order.name,
            title=f"{plan.facts['units']:,} units of {generator.title}",
            licence=plan.facts["licence"],
            manifest=shown | {"kind": "synthetic", "shards": len(facts)},
            files=files,
            content_hash=manifest.identity,
            lineage={
                "job": job.id,
                "generator": f"{generator.name}@{generator.version}",
                "params": plan.facts["params"],
                "seed": plan.facts["seed"],
                "nodes": makers,
            },
        )
        return {
            "dataset": f"{order.name}@{version.number}",
            "version": version.id,
            "merkle_root": manifest.merkle_root,
            "units": plan.facts["units"],
            "shards": len(facts),
        }

    def _facts(self, world: World, task: Task) -> shards.ShardFacts:
        """Of an accepted shard; read once more only where another process has checked it."""
        assert task.commit is not None
        ref = task.commit["outputs"][SHARD_FILE]
        counts = self._counts.get(ref["sha256"]) or shards.counts_of(committed_output(world, task, SHARD_FILE))
        name, leaves = manifests.shard_file(task.seq), tuple(task.commit["leaves"])
        first, root = task.spec["first_unit"], task.commit["root"]
        return shards.ShardFacts(name, ref["sha256"], ref["size"], first, leaves, root, *counts)


def share_max_bp(nodes_min: int) -> int:
    """The largest share of one owner: with two nodes at least, at most 60 %; nobody gets all but one task."""
    return min(10_000, 12_000 // nodes_min)


def default_shard_units(units: int, cu_per_unit: float) -> int:
    """A shard of at most SHARD_CU, smaller where an order would otherwise make fewer than SHARDS_MIN shards.

    Whole branches of the data set's Merkle tree, a power of two, need no second hashing when it is assembled. An order of
    very many units makes larger shards, no more than a data set may have.
    """
    by_work = 1 << int(math.log2(max(1.0, SHARD_CU / cu_per_unit)))
    by_count = -(-units // manifests.SHARDS_MAX)
    return max(1, min(max(by_work, by_count), -(-units // SHARDS_MIN), wire.SHARD_UNITS_MAX))


@lru_cache(maxsize=1_000)
def _fitting(generator: str, version: str, params: str, seed: int) -> int:
    found = get_generator(generator, version)
    return shards.units_a_shard(
        found, found.params_model.model_validate_json(params), seed, units_max=wire.SHARD_UNITS_MAX
    )


def units_that_fit(generator: Generator, params: BaseModel, seed: int) -> int:
    """How many units a shard holds with room to spare, by the bytes of the order's first unit; it is made once."""
    return _fitting(generator.name, generator.version, params.model_dump_json(), seed)


def committed_output(world: World, task: Task, name: str) -> bytes:
    """The bytes that a task committed under a name. Raises Rejected when there are none."""
    assert task.commit is not None
    ref: dict[str, Any] | None = task.commit["outputs"].get(name)
    if ref is None:
        raise Rejected(BreakReason.OUTPUT_MISSING, f"the commit has no output {name}")
    return world.blobs.get(ref["sha256"])
