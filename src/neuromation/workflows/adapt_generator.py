"""The loop: errors on a small real validation set re-tune a generator's parameters, trial by trial.

A node makes a small set with proposed parameters and trains a small model on it; the platform measures that model on the
real split, which no node ever sees, and proposes the next parameters.
"""

from __future__ import annotations

import math
from statistics import median
from typing import Any

import numpy as np
import sqlalchemy as sa

from neuromation.catalog import service as catalog
from neuromation.catalog.model import Viewer
from neuromation.client import schemas as wire
from neuromation.jobs import service as jobs
from neuromation.jobs.model import BreakReason, Job, NewTask, Task, TaskKind, TaskState
from neuromation.kernel.errors import Invalid
from neuromation.learning import evaluation
from neuromation.learning.adaptation import Parameter, Trial, Tuner, around, best
from neuromation.learning.errors import ClassesMismatch
from neuromation.learning.loop import outcome_of
from neuromation.learning.problem import Problem, Samples
from neuromation.learning.weights import REPLAY_TOLERANCE, relative_distance, weights_from_bytes, weights_hash
from neuromation.learning.zoo import get_model, initial_weights
from neuromation.synthetic.generator import BOX_MARGIN, check_exact, get_generator, parse_params, search_space
from neuromation.workflows import publishing
from neuromation.workflows.learning_data import check_suits, samples_of
from neuromation.workflows.order_dataset import committed_output, share_max_bp
from neuromation.workflows.plans import AuditOrder, Json, Plan, Rejected, order_of
from neuromation.workflows.train_model import pins
from neuromation.workflows.world import World

MICRO = 1_000_000
FINALISTS = 3  # what the trials together speak for, the defaults and the best trial: one lucky trial must not decide
WEIGHTS = "weights.safetensors"
_OBJECTIVES = {
    True: "Trials are judged by the mean log-probability of the right class on the validation split.",
    False: "Trials are judged by the main figure of their problem, of boxes also by how well they fit, on the validation split.",
}


class AdaptationWork:
    """Trials in waves of `parallel`; the last wave tries the finalists with other seeds."""

    def plan(self, world: World, conn: sa.Connection, customer: str, order: wire.AdaptationOrder) -> Plan:
        """One trial task each. Raises what wrong names, splits, classes and parameters raise."""
        generator = get_generator(order.generator)
        parsed = parse_params(generator, order.params)
        check_exact(generator, parsed)
        params = parsed.model_dump(mode="json")
        real = catalog.get_version(conn, order.real, Viewer(customer), kind="dataset")
        publishing.check_split(real, order.split)
        model = get_model(order.model)
        known, made = check_suits(model, real, order.real), generator.classes_for(parsed)
        if publishing.classes_of(real) != made:
            raise ClassesMismatch(
                f"the real set {order.real} has the classes {publishing.classes_of(real)} and the generator makes "
                f"{made}; they must be the same, in the same order"
            )
        config = model.check_config(order.config).model_dump(mode="json")
        tunable = [t.name for t in search_space(generator)]
        strange = sorted(set(order.tune) - set(tunable))
        if strange:
            raise Invalid(f"{generator.name} has no parameter {strange[0][:60]!r} to tune; it has {', '.join(tunable)}")
        item = catalog.get_item(conn, order.generator, Viewer(customer), kind="generator")
        has_margin = model.problem is Problem.DETECTION and BOX_MARGIN in (order.tune or tunable)
        cu = order.units * generator.cu_per_unit + order.steps * order.batch_size * model.cu_per_sample
        return Plan(
            work="train",
            tasks=order.trials,
            cu_per_task=max(1, round(cu * MICRO)),
            pool_min=min(2, order.parallel, order.trials),
            share_max_bp=share_max_bp(min(2, order.parallel)),
            royalty_micro=(item.price * (order.units * order.trials)).micro,
            vendor=item.owner,
            facts={
                "generator": generator.name,
                "version": generator.version,
                "params": params,
                "classes": known,
                "config": config,
                "real": real.id,
                **({"made_shape": generator.unit(parsed, order.seed, 0).picture.shape[:2]} if has_margin else {}),
            },
        )

    def next_tasks(self, world: World, conn: sa.Connection, job: Job, plan: Plan) -> tuple[Plan, list[NewTask]]:
        """Measure the wave that is done, then propose the next."""
        order: wire.AdaptationOrder = order_of(job)
        trials: list[dict[str, Any]] = list(plan.memory.get("trials", []))
        if trials:
            trials = self._measured(world, conn, job, order, plan, trials)
        proposals = propose(order, plan, trials)
        wave = plan.memory.get("round", -1) + 1
        plan = plan.remembering(trials=[*trials, *proposals], round=wave)
        pinned = pins(conn, job, len(proposals))
        return plan, [_task(order, plan, trial, pinned_to=node) for trial, node in zip(proposals, pinned, strict=True)]

    def _measured(
        self,
        world: World,
        conn: sa.Connection,
        job: Job,
        order: wire.AdaptationOrder,
        plan: Plan,
        trials: list[dict[str, Any]],
    ) -> list[dict[str, Any]]:
        """Fill in the figures of every trial whose weights have come."""
        spec = get_model(order.model)
        real = publishing.version_by_id(conn, plan.facts["real"])
        taken = spec.input_of(spec.check_config(plan.facts["config"]))
        samples = samples_of(world, real, spec.problem, taken, split=order.split)
        done = []
        for trial in trials:
            if trial["score"] is None:
                tasks = jobs.tasks_of(
                    conn, job.id, kind=TaskKind.TRIAL, round=trial["wave"], states=[TaskState.ACCEPTED]
                )
                mine = next(t for t in tasks if t.seq == trial["number"])
                told = {**trial, **_measure(world, order, plan, mine, samples), "node": mine.node_id}
                shown = {k: told[k] for k in ("number", "accuracy", "score", "params", "final")}
                jobs.emit(conn, job.id, "trial", shown, now=world.now())
                done.append(told)
                continue
            done.append(trial)
        return done

    def check(self, world: World, job: Job, task: Task) -> None:
        """The weights must be weights of this network and hash to what was committed."""
        assert task.commit is not None
        spec = task.spec
        try:
            reference = initial_weights(spec["model"], spec["config"], spec["classes"], 0)
            weights = weights_from_bytes(committed_output(world, task, WEIGHTS), reference)
        except Invalid as error:
            raise Rejected(BreakReason.WRONG_RESULT, f"the weights cannot be read: {error.message}") from error
        leaves = task.commit["leaves"]
        if len(leaves) != 2 or weights_hash(weights) != leaves[1]:
            raise Rejected(BreakReason.WRONG_RESULT, "the weights do not hash to what was committed")

    def audit_order(self, world: World, task: Task, units: list[int]) -> AuditOrder:
        """The whole trial again: it is small, and its end depends on all of it."""
        return AuditOrder(spec={"of": {"kind": task.kind.value, "spec": task.spec}}, inputs={}, cu=task.cu)

    def agrees(self, world: World, task: Task, unit: int, audit: Task) -> bool:
        """Weights trained on another kind of machine agree within a small relative distance."""
        spec = task.spec
        start = initial_weights(spec["model"], spec["config"], spec["classes"], spec["train_seed"])
        try:
            claimed = weights_from_bytes(committed_output(world, task, WEIGHTS), start)
            replayed = weights_from_bytes(committed_output(world, audit, f"unit-{unit}.safetensors"), start)
        except (Invalid, Rejected):
            return False
        return relative_distance(claimed, replayed, start=start) <= REPLAY_TOLERANCE

    def deliver(self, world: World, conn: sa.Connection, job: Job, plan: Plan) -> Json:
        """The parameters that are most credibly the best, and every trial."""
        order: wire.AdaptationOrder = order_of(job)
        trials = plan.memory["trials"]
        winner = best(_heard(trials, _space(order, plan)))
        same = [t["accuracy"] for t in trials if t["params"] == dict(winner.params)]
        baseline = [t["accuracy"] for t in trials if t["params"] == trials[0]["params"]]
        return {
            "best_params": _full(plan, winner.params),
            "best_accuracy": float(np.mean(same)),
            "baseline_accuracy": float(np.mean(baseline)),
            "objective": _OBJECTIVES[get_model(order.model).problem.is_classification],
            "trials": [{k: t[k] for k in ("number", "params", "accuracy", "score", "final")} for t in trials],
            "split": order.split,
        }


def _space(order: wire.AdaptationOrder, plan: Plan) -> list[Parameter]:
    """What may be tuned: the generator's numbers, within `reach` of the order's own values."""
    own = plan.facts["params"]
    whole = [
        Parameter(t.name, t.low, t.high, float(own.get(t.name, t.default)), t.log)
        for t in search_space(get_generator(plan.facts["generator"]))
        if not order.tune or t.name in order.tune
    ]
    return around(whole, order.reach)


def _heard(trials: list[dict[str, Any]], space: list[Parameter]) -> list[Trial]:
    names = [p.name for p in space]
    return [Trial(t["number"], {n: t["params"][n] for n in names}, t["score"]) for t in trials]


def _full(plan: Plan, tuned: Any) -> dict[str, Any]:
    """All parameters: the order's own, with the tuned ones replaced."""
    return {**plan.facts["params"], **{name: round(float(value), 6) for name, value in tuned.items()}}


def propose(order: wire.AdaptationOrder, plan: Plan, trials: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The next wave of trials; at the end the finalists, with other seeds; none when all are asked."""
    left = order.trials - len(trials)
    if left == 0:
        return []
    wave = plan.memory.get("round", -1) + 1
    finalists = min(FINALISTS, max(0, order.trials - 2))
    heard = _heard(trials, _space(order, plan))
    tuner, told = Tuner.replay(_space(order, plan), heard, order.seed), _told(order, plan, trials)
    if left > finalists:
        asked = [({**t.params, **told}, False) for t in tuner.ask(min(order.parallel, left - finalists))]
    else:
        luckiest = max(heard, key=lambda t: -math.inf if t.value is None else t.value)
        candidates = ({**tuner.recommended(), **told}, trials[0]["params"], dict(luckiest.params))
        asked = [(params, True) for params in candidates[:left]]
    return [
        {
            "number": len(trials) + i,
            "wave": wave,
            "params": dict(params),
            "accuracy": None,
            "score": None,
            "final": final,
            "margin": None,
            "node": None,
        }
        for i, (params, final) in enumerate(asked)
    ]


def _told(order: wire.AdaptationOrder, plan: Plan, trials: list[dict[str, Any]]) -> dict[str, float]:
    """The margin of boxes by the errors of all trials so far: what is told needs no search."""
    margins = [trial["margin"] for trial in trials if trial.get("margin") is not None]
    return {
        p.name: min(p.high, max(p.low, median(margins)))
        for p in _space(order, plan)
        if p.name == BOX_MARGIN and margins
    }


def _task(order: wire.AdaptationOrder, plan: Plan, trial: dict[str, Any], *, pinned_to: str | None) -> NewTask:
    """A trial as a task. The search shares one seed, so that trials differ by their parameters alone."""
    draw = trial["number"] + 1 if trial["final"] else 0
    spec = {
        "generator": plan.facts["generator"],
        "version": plan.facts["version"],
        "params": _full(plan, trial["params"]),
        "seed": (order.seed + 7_919 * (draw + 1)) % 2**62,
        "units": order.units,
        "model": order.model,
        "config": plan.facts["config"],
        "classes": plan.facts["classes"],
        "steps": order.steps,
        "batch_size": order.batch_size,
        "lr": order.learning_rate,
        "train_seed": (order.seed + draw) % 2**62,
    }
    return NewTask(
        kind=TaskKind.TRIAL,
        round=trial["wave"],
        seq=trial["number"],
        spec=spec,
        cu=plan.cu_per_task,
        pinned_to=pinned_to,
    )


def _measure(world: World, order: wire.AdaptationOrder, plan: Plan, task: Task, samples: Samples) -> dict[str, Any]:
    """A trial's model on the real split: the figure that its problem is judged by, the score that trials are, and the
    margin of boxes that its errors tell."""
    config, classes = plan.facts["config"], plan.facts["classes"]
    weights = weights_from_bytes(
        committed_output(world, task, WEIGHTS), initial_weights(order.model, config, classes, 0)
    )
    answers = evaluation.predict(weights, order.model, config, samples)
    outcome, shape, margin = outcome_of(answers, samples), plan.facts.get("made_shape"), None
    if shape:
        spec = get_model(order.model)
        inputs, own = spec.input_of(spec.check_config(config)), task.spec["params"][BOX_MARGIN]
        margin = evaluation.margin_told(own, answers, samples, made=shape, inputs=inputs)
    return {"accuracy": round(outcome.figure, 6), "score": round(outcome.score, 6), "margin": margin}
