"""Measuring a model on a split of a data set, on the platform's own machine: a customer's real data go nowhere else."""

from __future__ import annotations

import sqlalchemy as sa

from neuromation.catalog import service as catalog
from neuromation.catalog.model import Viewer
from neuromation.client import schemas as wire
from neuromation.jobs.model import Job, NewTask, Task
from neuromation.learning import evaluation
from neuromation.learning.errors import ClassesMismatch
from neuromation.workflows import publishing
from neuromation.workflows.plans import AuditOrder, Json, Plan, order_of
from neuromation.workflows.world import World


class EvaluationWork:
    """No tasks: the delivery is the work."""

    def plan(self, world: World, conn: sa.Connection, customer: str, order: wire.EvaluationOrder) -> Plan:
        """Look up what is measured on what. Raises NotFound, ClassesMismatch."""
        model = catalog.get_version(conn, order.model, Viewer(customer), kind="model")
        data = catalog.get_version(conn, order.dataset, Viewer(customer), kind="dataset")
        if not publishing.is_synthetic(data):
            publishing.check_split(data, order.split)
        if publishing.classes_of(model) != publishing.classes_of(data):
            raise ClassesMismatch(
                f"model {order.model} knows the classes {publishing.classes_of(model)} and data set {order.dataset} has "
                f"{publishing.classes_of(data)}; they must be the same, in the same order"
            )
        return Plan(work=None, tasks=1, cu_per_task=1, facts={"model": model.id, "dataset": data.id})

    def next_tasks(self, world: World, conn: sa.Connection, job: Job, plan: Plan) -> tuple[Plan, list[NewTask]]:
        """Nothing for nodes."""
        return plan, []

    def check(self, world: World, job: Job, task: Task) -> None:
        raise AssertionError("an evaluation has no tasks")

    def audit_order(self, world: World, task: Task, units: list[int]) -> AuditOrder:
        raise AssertionError("an evaluation has no tasks")

    def agrees(self, world: World, task: Task, unit: int, audit: Task) -> bool:
        raise AssertionError("an evaluation has no tasks")

    def deliver(self, world: World, conn: sa.Connection, job: Job, plan: Plan) -> Json:
        """Accuracy with its interval, confusion, calibration, the worst errors; by ONNX Runtime, as a customer would."""
        order: wire.EvaluationOrder = order_of(job)
        model = publishing.version_by_id(conn, plan.facts["model"])
        data = publishing.version_by_id(conn, plan.facts["dataset"])
        split = None if publishing.is_synthetic(data) else order.split
        images, labels = publishing.arrays_of(world, data, split=split)
        predict = evaluation.predictor_onnx(world.blobs.get(model.files["model.onnx"].sha256))
        measured = evaluation.evaluate(predict, images, labels, publishing.classes_of(model))
        worst = [{"index": i, "label": int(labels[i]), "predicted": int(measured.predicted[i])} for i in measured.worst]
        return {
            **measured.to_json(),
            "interval": list(measured.accuracy_interval),
            "worst": worst,
            "classes": publishing.classes_of(model),
            "model": model.id,
            "dataset": data.id,
            "split": split or "all",
            "origin": "synthetic" if split is None else "real",
        }
