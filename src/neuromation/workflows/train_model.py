"""Ordering a training: DiLoCo rounds as leased tasks; every round is checked, replayable and payable."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from neuromation import __version__
from neuromation.catalog import service as catalog
from neuromation.catalog.model import FileRef, Version, Viewer
from neuromation.client import schemas as wire
from neuromation.jobs import service as jobs
from neuromation.jobs.model import BreakReason, Job, NewTask, Task, TaskKind, TaskState
from neuromation.kernel.errors import Invalid
from neuromation.kernel.hashing import hash_json
from neuromation.learning import diloco, evaluation
from neuromation.learning.rounds import Course, delta_file, outer_step
from neuromation.learning.weights import (
    REPLAY_TOLERANCE,
    Weights,
    relative_distance,
    weights_from_bytes,
    weights_hash,
    weights_to_bytes,
)
from neuromation.learning.zoo import get_model, initial_weights
from neuromation.synthetic.formats.manifest import parse_manifest
from neuromation.workflows import publishing
from neuromation.workflows.learning_data import check_suits, headline, held_out, measured
from neuromation.workflows.order_dataset import committed_output
from neuromation.workflows.plans import AuditOrder, Json, Plan, Rejected, order_of
from neuromation.workflows.world import World

MICRO = 1_000_000
WORSE_MAX = 1.5  # a replica may raise the loss on held-out data by so much of itself plus LOSS_SLACK, not more
LOSS_SLACK = 0.2


class TrainingWork:
    """`replicas` train tasks a round; the outer step is the platform's own."""

    def plan(self, world: World, conn: sa.Connection, customer: str, order: wire.TrainingOrder) -> Plan:
        """Rounds x replicas tasks. Raises what a wrong data set, model or configuration raises."""
        version = catalog.get_version(conn, order.dataset, Viewer(customer), kind="dataset")
        spec = get_model(order.model)
        classes = check_suits(spec, version, order.dataset)
        config = spec.check_config(order.config).model_dump(mode="json")
        publishing.check_name_free(order.name)
        shards = sorted(name for name in version.files if name.endswith(".parquet"))
        if not publishing.is_synthetic(version):
            raise Invalid(
                f"data set {order.dataset} is an imported one; its owner's data never go to nodes: train on a generated set"
            )
        if len(shards) < order.replicas + 1:
            raise Invalid(
                f"{order.replicas} replicas need {order.replicas + 1} shards (one is held out), {order.dataset} has {len(shards)}"
            )
        if order.segments > order.steps:
            raise Invalid(f"{order.segments} segments need at least as many steps, not {order.steps}")
        return Plan(
            work="train",
            tasks=order.rounds * order.replicas,
            cu_per_task=max(1, round(order.steps * order.batch_size * spec.cu_per_sample * MICRO)),
            pool_min=min(2, order.replicas),
            share_max_bp=10_000 if order.replicas == 1 else 5_000,
            facts={
                "dataset": version.id,
                "dataset_name": order.dataset,
                "generator": version.lineage.get("generator", ""),
                "classes": classes,
                "config": config,
                "shards": shards[:-1],
                "held_out": version.files[shards[-1]].sha256,  # no node is given this shard
            },
        )

    def next_tasks(self, world: World, conn: sa.Connection, job: Job, plan: Plan) -> tuple[Plan, list[NewTask]]:
        """The next round, from the weights that the last one gave."""
        order: wire.TrainingOrder = order_of(job)
        memory = plan.memory
        if memory.get("weights") is None:
            start = initial_weights(order.model, plan.facts["config"], plan.facts["classes"], order.seed)
            ref = publishing.store(world, conn, weights_to_bytes(start), owner=job.id)
            plan = plan.remembering(weights=ref, momentum=None, round=0, history=[])
        else:
            plan = self._outer_step(world, conn, job, order, plan)
        if plan.memory["round"] == order.rounds:
            return plan, []
        return plan, self._round(conn, world, job, order, plan)

    def _round(
        self, conn: sa.Connection, world: World, job: Job, order: wire.TrainingOrder, plan: Plan
    ) -> list[NewTask]:
        number = plan.memory["round"]
        files = publishing.version_by_id(conn, plan.facts["dataset"]).files
        training = plan.facts["shards"]
        pinned = pins(conn, job, order.replicas)
        course = _course(order)
        tasks = []
        for replica in range(order.replicas):
            inputs = {
                f"data-{i}.parquet": {"sha256": files[name].sha256, "size": files[name].size}
                for i, name in enumerate(course.shards_of(replica, training))
            }
            spec: dict[str, Any] = {
                "model": order.model,
                "config": plan.facts["config"],
                "classes": plan.facts["classes"],
                "round": number,
                "replica": replica,
                **course.task(number, replica),
            }
            tasks.append(
                NewTask(
                    kind=TaskKind.TRAIN,
                    round=number,
                    seq=replica,
                    spec=spec,
                    inputs={"start.safetensors": plan.memory["weights"], **inputs},
                    cu=plan.cu_per_task,
                    pinned_to=pinned[replica],
                )
            )
        return tasks

    def _outer_step(self, world: World, conn: sa.Connection, job: Job, order: wire.TrainingOrder, plan: Plan) -> Plan:
        """Make the accepted deltas of a round into the next round's weights."""
        number, reference = plan.memory["round"], _reference(order, plan)
        start = weights_from_bytes(world.blobs.get(plan.memory["weights"]["sha256"]), reference)
        kept = plan.memory["momentum"]
        momentum = weights_from_bytes(world.blobs.get(kept["sha256"]), reference) if kept else None
        accepted = [TaskState.ACCEPTED]
        tasks = jobs.tasks_of(conn, job.id, kind=TaskKind.TRAIN, round=number, states=accepted)
        sent = [_deltas(world, task, order.segments) for task in tasks]
        deltas = [diloco.delta_of(start, diloco.applied(start, *mine)) for mine in sent]
        weights, momentum = outer_step(start, deltas, momentum)
        judge = _Judge(world, order.model, plan)
        name, value = headline(judge.measured(weights, intervals=False))
        story = {
            "round": number,
            "replicas": len(deltas),
            "held_out_loss": round(judge.loss(weights), 5),
            f"held_out_{name}": round(value, 5),
            "delta_bytes": sum(len(data) for deltas in sent for data in deltas),
        }
        jobs.emit(conn, job.id, "round", story, now=world.now())
        return plan.remembering(
            weights=publishing.store(world, conn, weights_to_bytes(weights), owner=job.id),
            momentum=publishing.store(world, conn, weights_to_bytes(momentum), owner=job.id),
            round=number + 1,
            history=[*plan.memory["history"], story],
        )

    def check(self, world: World, job: Job, task: Task) -> None:
        """Deltas must lead to the checkpoints that were committed, and the model must not have got worse on data that the
        node never saw."""
        assert task.commit is not None
        order: wire.TrainingOrder = order_of(job)
        plan = Plan.from_json(job.plan)
        reference = _reference(order, plan)
        leaves = task.commit["leaves"]
        if len(leaves) != order.segments:
            raise Rejected(
                BreakReason.WRONG_RESULT, f"{len(leaves)} segments were committed, {order.segments} asked for"
            )
        start = weights_from_bytes(world.blobs.get(task.inputs["start.safetensors"]["sha256"]), reference)
        end = start
        for number, leaf in enumerate(leaves, 1):
            try:
                end = diloco.applied(end, committed_output(world, task, delta_file(number)))
            except Invalid as error:
                raise Rejected(BreakReason.WRONG_RESULT, f"a delta cannot be read: {error.message}") from error
            if weights_hash(end) != leaf:  # else a node could commit an honest training and send another
                raise Rejected(BreakReason.WRONG_RESULT, f"segment {number} does not hash to what was committed")
        judge = _Judge(world, order.model, plan)
        before, after = judge.loss(start), judge.loss(end)
        if not after <= before * WORSE_MAX + LOSS_SLACK:
            raise Rejected(BreakReason.POOR_RESULT, f"the loss on held-out data rose from {before:.3f} to {after:.3f}")

    def audit_order(self, world: World, task: Task, units: list[int]) -> AuditOrder:
        """One segment, replayed from the checkpoint before it, to which the deltas before it lead."""
        assert task.commit is not None
        before = [delta_file(number) for number in range(1, units[0] + 1)]
        return AuditOrder(
            spec={"of": {"kind": task.kind.value, "spec": task.spec}},
            inputs={**task.inputs, **{name: task.commit["outputs"][name] for name in before}},
            cu=max(1, task.cu // task.spec["segments"]),
        )

    def agrees(self, world: World, task: Task, unit: int, audit: Task) -> bool:
        """Weights replayed on another kind of machine agree within a small relative distance."""
        spec = task.spec
        reference = initial_weights(spec["model"], spec["config"], spec["classes"], 0)
        start = weights_from_bytes(world.blobs.get(task.inputs["start.safetensors"]["sha256"]), reference)
        before = diloco.applied(start, *_deltas(world, task, unit))
        try:
            claimed = diloco.applied(before, committed_output(world, task, delta_file(unit + 1)))
            replayed = diloco.applied(before, committed_output(world, audit, f"unit-{unit}.delta"))
        except (Invalid, Rejected):
            return False
        return relative_distance(claimed, replayed, start=before) <= REPLAY_TOLERANCE

    def deliver(self, world: World, conn: sa.Connection, job: Job, plan: Plan) -> Json:
        """Export to safetensors and ONNX, which must agree, with a card; publish as a model."""
        order: wire.TrainingOrder = order_of(job)
        weights = weights_from_bytes(world.blobs.get(plan.memory["weights"]["sha256"]), _reference(order, plan))
        version = publishing.version_by_id(conn, plan.facts["dataset"])
        synthetic = _Judge(world, order.model, plan).measured(weights)
        makers = _makers(conn, job)
        card = {
            "title": order.name,
            "dataset": f"{plan.facts['dataset_name']} ({version.content_hash[:16]})",
            "generator": plan.facts["generator"],
            "generator_params": version.lineage.get("params", {}),
            "synthetic_units": version.manifest.get("units"),
            "recipe": _data_recipe(world, version),
            "training": asdict(_course(order)),
            "code_version": __version__,
            "nodes": makers,
            "synthetic": synthetic,
        }
        files, agreement = exported(world, conn, job, weights, order.model, plan.facts, card)
        made = publishing.publish(
            world,
            conn,
            job,
            kind="model",
            name=order.name,
            title=f"{get_model(order.model).title}, trained on {plan.facts['dataset_name']}",
            licence=version.item.licence,  # a model carries the licence of the data that it was trained on
            manifest={
                "architecture": order.model,
                "problem": get_model(order.model).problem.value,
                "config": plan.facts["config"],
                "classes": plan.facts["classes"],
                "synthetic": synthetic,
                "agreement": agreement,
                "rounds": plan.memory["history"],
            },
            files=files,
            content_hash=hash_json({name: file.sha256 for name, file in files.items()}),
            lineage={
                "job": job.id,
                "dataset": plan.facts["dataset"],
                "order": job.spec,
                "nodes": makers,
                "code": __version__,
            },
        )
        judged_by, value = headline(synthetic)
        return {
            "model": f"{order.name}@{made.number}",
            "version": made.id,
            "rounds": plan.memory["history"],
            f"synthetic_{judged_by}": value,
            "agreement": agreement,
        }


def exported(
    world: World,
    conn: sa.Connection,
    job: Job,
    weights: Weights,
    model: str,
    facts: dict[str, Any],
    card: dict[str, Any],
) -> tuple[dict[str, FileRef], dict[str, Any]]:
    """The files of a finished model, stored, and how far its two runtimes agree."""
    import json

    from neuromation.learning.export import export_model

    files = export_model(weights, model, facts["config"], facts["classes"], card=card)
    agreement = json.loads(files["config.json"])["agreement"]
    stored = {name: publishing.store(world, conn, data, owner=job.customer) for name, data in files.items()}
    return {name: publishing.file_ref(address, name) for name, address in stored.items()}, agreement


def _deltas(world: World, task: Task, segments: int) -> list[bytes]:
    """What a task committed for its first segments."""
    return [committed_output(world, task, delta_file(number)) for number in range(1, segments + 1)]


def _course(order: wire.TrainingOrder) -> Course:
    return Course.from_json(order.model_dump(mode="json"))


def _data_recipe(world: World, version: Version) -> Json:
    """What it takes to make the data set again, and to know that it is the same."""
    manifest = parse_manifest(world.blobs.get(version.files["manifest.json"].sha256))
    return {
        "generator": manifest.generator,
        "version": manifest.version,
        "params": manifest.params,
        "seed": manifest.seed,
        "units": manifest.units,
        "shard_units": manifest.shards[0].units,  # all have as many, but the last
        "merkle_root": manifest.merkle_root,
    }


def _reference(order: wire.TrainingOrder, plan: Plan) -> Weights:
    return initial_weights(order.model, plan.facts["config"], plan.facts["classes"], order.seed)


def pins(conn: sa.Connection, job: Job, replicas: int) -> list[str | None]:
    """A different node for each of a round's tasks, those with most work left first; None where there are too few."""
    rooms: dict[str, int] = {}
    for quota in jobs.quotas_of(conn, job.id):
        if quota.is_open and quota.taken < quota.awarded:
            rooms[quota.node_id] = rooms.get(quota.node_id, 0) + quota.awarded - quota.taken
    by_room = sorted(rooms, key=lambda node: (-rooms[node], node))
    return [by_room[i] if i < len(by_room) else None for i in range(replicas)]


def _makers(conn: sa.Connection, job: Job) -> dict[str, int]:
    made: dict[str, int] = {}
    for task in publishing.all_tasks(conn, job, TaskKind.TRAIN, [TaskState.ACCEPTED]):
        made[task.node_id or ""] = made.get(task.node_id or "", 0) + 1
    return made


class _Judge:
    """Measures weights on the shard that no node is given."""

    def __init__(self, world: World, model: str, plan: Plan) -> None:
        self._model, self._config = model, plan.facts["config"]
        spec = get_model(model)
        self._input = spec.input_of(spec.check_config(self._config))
        self._samples = held_out(world, plan.facts["held_out"], spec.problem, self._input)

    def loss(self, weights: Weights) -> float:
        """Of classes the cross-entropy of their probabilities, of all else the loss that the network is trained by."""
        if not self._samples.problem.is_classification:
            from neuromation.learning import engine

            module = engine.module_of(weights, self._model, self._config, self._samples.classes)
            return engine.loss_of(module, self._input, self._samples)
        return -evaluation.log_score(self._answers(weights), self._samples, chance_min=1e-9)

    def measured(self, weights: Weights, *, intervals: bool = True) -> Json:
        """The figures of the problem."""
        return measured(self._answers(weights), self._samples, intervals=intervals)

    def _answers(self, weights: Weights) -> list[Any]:
        return evaluation.predict(weights, self._model, self._config, self._samples)
