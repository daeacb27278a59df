"""Ordering a run of a model project in any framework: one task, run again in full by another owner's node before it is paid.

The project is the customer's own program, so two answers that differ prove nobody a cheat: the majority is taken, and
without one the job ends without goods. A failure of the project's own is work that was done: it is checked and paid alike.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import sqlalchemy as sa

from neuromation.catalog import service as catalog
from neuromation.catalog.model import LICENCES, FileRef, Version, Viewer
from neuromation.client import schemas as wire
from neuromation.jobs import service as jobs
from neuromation.jobs.model import BreakReason, Job, NewTask, Task, TaskKind, TaskState, audit_group
from neuromation.kernel.errors import Invalid, NotFound, TooLarge
from neuromation.kernel.hashing import canonical_json, hash_json
from neuromation.learning.errors import BadMetrics, BadProjectParameters
from neuromation.learning.projects.contract import (
    METRICS_BYTES_MAX,
    METRICS_FILE,
    Project,
    Value,
    check_parameters,
    read_metrics,
    read_project,
)
from neuromation.learning.projects.outcome import RUN_BYTES_MAX, Outcome, read_outcome
from neuromation.learning.projects.sources import take_packed
from neuromation.storage import service as storage
from neuromation.workflows import publishing
from neuromation.workflows.order_dataset import committed_output
from neuromation.workflows.plans import AuditOrder, Json, Plan, Rejected, Undeliverable, order_of
from neuromation.workflows.verification import AUDITS_PER_TASK
from neuromation.workflows.world import World

MICRO = 1_000_000
PARAMETERS_BYTES_MAX = 64 * 1024  # they travel in the task and stand in the version's facts
INPUT_FILES_MAX, INPUT_BYTES_MAX = 1_000, 2 << 30
LOG_TOLD = 4_096  # characters of a failed project's log in the job's result
RUN_FILE, LOG_FILE, OUTPUTS = "run.json", "log.txt", "outputs/"


class ProjectWork:
    """One project task; its outputs become a version of a model."""

    def plan(self, world: World, conn: sa.Connection, customer: str, order: wire.ProjectOrder) -> Plan:
        """Read what the project says of itself. Raises NotFound, and what a wrong archive, entry or parameter raises."""
        publishing.check_name_free(order.name)
        if storage.unreadable(conn, [order.archive], owner=customer):
            raise NotFound(f"there is no upload {order.archive}; upload the archive first, by PUT /v1/uploads/SHA256")
        project, content_hash = _described(world, order.archive)
        name, entry = project.entry(order.entry)
        values = check_parameters(entry, order.params)
        if len(canonical_json(values)) > PARAMETERS_BYTES_MAX:
            raise BadProjectParameters(f"the parameters take over {PARAMETERS_BYTES_MAX} bytes; put texts into files")
        facts: Json = {
            "project": project.name,
            "licence": project.licence if project.licence in LICENCES else "proprietary",
            "content_hash": content_hash,
            "archive": {"sha256": order.archive, "size": world.blobs.size(order.archive)},
            "entry": name,
            "params": values,
            "dataset": _inputs(conn, customer, order.dataset).id if order.dataset else None,
        }
        return Plan(
            work="train",
            tasks=1,
            cu_per_task=max(1, round(order.cu * MICRO)),
            memory_gib=order.memory_mib / 1024,
            sandbox=True,
            reruns=AUDITS_PER_TASK,
            facts=facts,
        )

    def next_tasks(self, world: World, conn: sa.Connection, job: Job, plan: Plan) -> tuple[Plan, list[NewTask]]:
        """The one task, the first time."""
        if plan.memory.get("enqueued"):
            return plan, []
        order: wire.ProjectOrder = order_of(job)
        facts = plan.facts
        files = publishing.version_by_id(conn, facts["dataset"]).files if facts["dataset"] else {}
        names = sorted(files)
        inputs = {f"input-{i}": {"sha256": files[n].sha256, "size": files[n].size} for i, n in enumerate(names)}
        spec = {
            "archive": order.archive,
            "entry": facts["entry"],
            "params": facts["params"],
            "files": names,
            "cu": order.cu,
            "memory_mib": order.memory_mib,
            "tolerance": order.tolerance,
        }
        task = NewTask(
            kind=TaskKind.PROJECT,
            seq=0,
            spec=spec,
            inputs={"project": facts["archive"], **inputs},
            cu=plan.cu_per_task,
            memory_gib=plan.memory_gib,
        )
        return plan.remembering(enqueued=True), [task]

    def check(self, world: World, job: Job, task: Task) -> None:
        """The record must be readable, hash to what was committed, and tell of the very files and metrics beside it."""
        assert task.commit is not None
        outcome, files = _outcome_of(world, task), task.commit["outputs"]
        if task.commit["leaves"] != [outcome.leaf]:
            raise Rejected(BreakReason.WRONG_RESULT, "the record does not hash to what was committed")
        _small_output(world, task, LOG_FILE, RUN_BYTES_MAX)
        there = {name.removeprefix(OUTPUTS): ref["sha256"] for name, ref in files.items() if name.startswith(OUTPUTS)}
        if there != dict(outcome.outputs) or len(files) != len(there) + 2:
            raise Rejected(BreakReason.WRONG_RESULT, "the outputs are not those that the record tells of")
        if not outcome.failed and _written_metrics(world, task) != dict(outcome.metrics):
            raise Rejected(BreakReason.WRONG_RESULT, "the metrics are not those that the project wrote")

    def audit_order(self, world: World, task: Task, units: list[int]) -> AuditOrder:
        """The whole project again: nobody can tell which part of it matters."""
        return AuditOrder(spec={"of": {"kind": task.kind.value, "spec": task.spec}}, inputs=task.inputs, cu=task.cu)

    def agrees(self, world: World, task: Task, unit: int, audit: Task) -> bool:
        """Outputs of the same names, and metrics within the order's tolerance; or two failures."""
        spec = task.spec["of"]["spec"] if task.kind is TaskKind.AUDIT else task.spec
        try:
            mine, theirs = _outcome_of(world, task), _outcome_of(world, audit)
        except Rejected:
            return False
        return mine.agrees(theirs, tolerance=spec["tolerance"])

    def deliver(self, world: World, conn: sa.Connection, job: Job, plan: Plan) -> Json:
        """Publish the outputs. Raises Undeliverable when the project failed, or gave other results each time."""
        order: wire.ProjectOrder = order_of(job)
        task = next(publishing.all_tasks(conn, job, TaskKind.PROJECT, [TaskState.ACCEPTED]))
        assert task.commit is not None
        outcome = _outcome_of(world, task)
        audits = jobs.tasks_of(conn, job.id, kind=TaskKind.AUDIT, groups=[audit_group(task.id, task.attempt)])
        answers = [audit for audit in audits if audit.commit is not None]
        if not any(self.agrees(world, task, 0, audit) for audit in answers):
            raise Undeliverable(
                f"project-unrepeatable: {1 + len(answers)} nodes ran the project and came to different results; fix its "
                "seeds, keep times out of its metrics, or allow a larger tolerance",
                {"failed": "project-unrepeatable"},
            )
        if outcome.failed:
            log = _small_output(world, task, LOG_FILE, RUN_BYTES_MAX).decode(errors="replace")
            told = {"failed": outcome.failed, "message": _plain(outcome.message), "log": _plain(log[-LOG_TOLD:])}
            raise Undeliverable(f"{outcome.failed}: {told['message']}", told)
        return _published(world, conn, job, plan, order, task, outcome)


def _published(
    world: World, conn: sa.Connection, job: Job, plan: Plan, order: wire.ProjectOrder, task: Task, outcome: Outcome
) -> Json:
    assert task.commit is not None
    facts, metrics = plan.facts, dict(outcome.metrics)
    files = {
        name: FileRef(ref["sha256"], ref["size"], "application/octet-stream")
        for name, ref in task.commit["outputs"].items()
    }
    told = {"entry": facts["entry"], "params": facts["params"], "metrics": metrics}
    version = publishing.publish(
        world,
        conn,
        job,
        kind="model",
        name=order.name,
        title=f"Outputs of the project {order.name}",
        licence=facts["licence"],
        manifest={"kind": "project", "project": facts["project"], **told},
        files=files,
        content_hash=hash_json(dict(outcome.outputs)),
        lineage={
            "job": job.id,
            "project": facts["content_hash"],
            "dataset": facts["dataset"],
            "nodes": {task.node_id or "": 1},
        },
    )
    return {
        "model": f"{order.name}@{version.number}",
        "version": version.id,
        "entry": facts["entry"],
        "files": len(files),
        "metrics": metrics,
    }


def _described(world: World, sha256: str) -> tuple[Project, str]:
    """What an uploaded project says of itself, and the hash of its content. Raises BadProjectSource, BadProject, ..."""
    with tempfile.TemporaryDirectory(prefix="neuromation-order-") as folder:
        archive = Path(folder, "archive")
        with archive.open("wb") as file:
            file.writelines(world.blobs.stream(sha256))
        taken = take_packed(archive, Path(folder, "project"))
        return read_project(taken.folder), taken.content_hash


def _inputs(conn: sa.Connection, customer: str, ref: str) -> Version:
    """The data set that a project reads. Raises NotFound, Invalid, TooLarge."""
    version = catalog.get_version(conn, ref, Viewer(customer), kind="dataset")
    if not publishing.is_synthetic(version):
        raise Invalid(f"data set {ref} is an imported one; its owner's data never go to nodes: give a generated set")
    total = sum(file.size for file in version.files.values())
    if len(version.files) > INPUT_FILES_MAX or total > INPUT_BYTES_MAX:
        raise TooLarge(
            f"data set {ref} has {len(version.files)} files of {total:,} bytes; a project is given at most "
            f"{INPUT_FILES_MAX} files and {INPUT_BYTES_MAX:,} bytes"
        )
    return version


def _outcome_of(world: World, task: Task) -> Outcome:
    """What a commit says that came of the project. Raises Rejected."""
    try:
        return read_outcome(_small_output(world, task, RUN_FILE, RUN_BYTES_MAX))
    except Invalid as error:
        raise Rejected(BreakReason.WRONG_RESULT, error.message) from error


def _written_metrics(world: World, task: Task) -> dict[str, Value]:
    try:
        return dict(read_metrics(_small_output(world, task, OUTPUTS + METRICS_FILE, METRICS_BYTES_MAX)))
    except BadMetrics as error:
        raise Rejected(BreakReason.WRONG_RESULT, error.message) from error


def _plain(text: str) -> str:
    """A stranger's text without control characters."""
    return "".join(c for c in text if c.isprintable() or c in "\n\t")


def _small_output(world: World, task: Task, name: str, bytes_max: int) -> bytes:
    """The bytes that a task committed under a name. Raises Rejected when there are none, or too many."""
    assert task.commit is not None
    ref = task.commit["outputs"].get(name)
    if ref is not None and ref["size"] > bytes_max:
        raise Rejected(BreakReason.WRONG_RESULT, f"the output {name} is over {bytes_max} bytes")
    return committed_output(world, task, name)
