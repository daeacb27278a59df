"""Measuring a model on a split of a data set, on the platform's own machine: a customer's real data go nowhere else."""

from __future__ import annotations

from typing import Any

import numpy as np
import sqlalchemy as sa

from neuromation.catalog import service as catalog
from neuromation.catalog.model import Version, Viewer
from neuromation.client import schemas as wire
from neuromation.jobs.model import Job, NewTask, Task
from neuromation.kernel.errors import Invalid
from neuromation.learning import evaluation
from neuromation.learning.errors import ClassesMismatch
from neuromation.learning.problem import NO_CLASS, Samples
from neuromation.learning.zoo import get_model
from neuromation.workflows import publishing
from neuromation.workflows.learning_data import check_suits, measured, samples_of
from neuromation.workflows.plans import AuditOrder, Json, Plan, order_of
from neuromation.workflows.world import World


class EvaluationWork:
    """No tasks: the delivery is the work."""

    def plan(self, world: World, conn: sa.Connection, customer: str, order: wire.EvaluationOrder) -> Plan:
        """Look up what is measured on what. Raises NotFound, WrongProblem, ClassesMismatch."""
        model = catalog.get_version(conn, order.model, Viewer(customer), kind="model")
        data = catalog.get_version(conn, order.dataset, Viewer(customer), kind="dataset")
        if not publishing.is_synthetic(data):
            publishing.check_split(data, order.split)
        offered = check_suits(get_model(_architecture(model)), data, order.dataset)
        if publishing.classes_of(model) != offered:
            raise ClassesMismatch(
                f"model {order.model} knows the classes {publishing.classes_of(model)} and data set {order.dataset} has "
                f"{offered}; they must be the same, in the same order"
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
        """The figures with their intervals, and the worst errors; by ONNX Runtime, as a customer would."""
        order: wire.EvaluationOrder = order_of(job)
        model = publishing.version_by_id(conn, plan.facts["model"])
        data = publishing.version_by_id(conn, plan.facts["dataset"])
        split = None if publishing.is_synthetic(data) else order.split
        spec, classes = get_model(_architecture(model)), publishing.classes_of(model)
        settings = spec.check_config(model.manifest.get("config") or {})
        taken = spec.input_of(settings)
        samples = samples_of(world, data, spec.problem, taken, split=split)
        onnx = world.blobs.get(model.files["model.onnx"].sha256)
        answers = evaluation.predict_onnx(onnx, spec.build(settings, len(classes)).decode, taken, samples)
        return {
            **_told(measured(answers, samples), answers, samples),
            "problem": spec.problem.value,
            "classes": classes,
            "model": model.id,
            "dataset": data.id,
            "split": split or "all",
            "origin": "synthetic" if split is None else "real",
        }


def _architecture(model: Version) -> str:
    name = model.manifest.get("architecture")
    if not name:
        raise Invalid(f"model {model.id} names no network of the zoo, so nobody here knows how to read its answers")
    return str(name)


def _told(result: Json, answers: list[Any], samples: Samples) -> Json:
    """The result with its worst errors: of classes the sample, its class and the one it was taken for."""
    if not samples.problem.is_classification:
        return result
    places = [place for place, label in enumerate(samples.targets) if label != NO_CLASS]  # only those were measured
    worst = [
        {"index": places[i], "label": samples.targets[places[i]], "predicted": int(np.argmax(answers[places[i]]))}
        for i in result["worst"]
    ]
    return {**result, "interval": result["accuracy_interval"], "worst": worst}
