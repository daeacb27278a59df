"""The adaptation loop: errors on a few real samples re-tune a generator, within a budget; refuses to know the generator.

Three ideas, each on its own well known, share one budget. Parameters are proposed by an ask/tell optimiser (TPE, in
`adaptation`). Most are tried cheaply: successive halving (Jamieson and Talwalkar 2016) gives the best third of each
rung three times the effort, up to full trials. What is left of the budget makes the final set with the parameters
found, drawing classes that the model confuses on the real samples more often. Where a training costs more than a search
can spend again and again, a model is trained once on the defaults (`warm_share`) and every trial goes on from it: what
moves then is what better data teach, and the final training loses nothing of what was spent before.

The unit of the budget is the caller's: CPU seconds, computing units or micro-NTK, as `Subject.cost` counts. Every trial
is a line of a record; a loop that was killed reads it, repeats nothing, and ends as it would have ended.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from neuromation.kernel.hashing import hash_json
from neuromation.kernel.rng import unit_rng
from neuromation.learning.adaptation import TRIALS_MAX, Parameter, Tuner, check_space
from neuromation.learning.errors import BadBudget, BadRecord
from neuromation.learning.problem import Samples
from neuromation.learning.weights import Weights

if TYPE_CHECKING:
    from neuromation.learning.trainer import Recipe

RUNGS_MAX = 6
RECORD_MAX_BYTES = 16 * 1024 * 1024
FORMAT = "neuromation-loop/2"
FINAL, WARM = -1, -2  # in the place of a rung
# Of a learning rate, for a training that goes on: a full one forgets more than a short trial brings back.
GO_ON_LR = 0.3
# What served of a budget, where training costs most: a bracket of nine trials with its promotions takes half of the search.
USUAL_FINAL_SHARE, USUAL_WARM_SHARE, USUAL_TRIAL_SHARE = 0.4, 0.3, 0.05
FOCUS_MAX = 3.0  # no class is drawn over three times as often as another: rare errors are noisy


@dataclass(frozen=True, slots=True)
class Effort:
    """How much a trial makes and trains: `share` of a full trial, and from it the subject's units and steps."""

    share: float

    def of(self, full: int) -> int:
        """So many of `full` units or steps, at least 1."""
        return max(1, round(full * self.share))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a trial.

    Attributes:
        score: on the real validation samples, higher is better: a smooth figure, such as a mean log-probability,
            tells trials apart where an accuracy of some hundred samples cannot.
        figure: the figure that people read (accuracy, mAP), 0..1.
        class_errors: by class, the share of its real validation samples that went wrong; NaN where there are none.
        weights: what was trained, for trials that go on from it; empty where they were, and no record keeps them.
    """

    score: float
    figure: float
    class_errors: tuple[float, ...] = ()
    weights: Weights | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Training:
    """How a trial trains, beside the parameters of its data.

    Attributes:
        effort: how much is made and trained.
        seed: of the samples and of the training.
        class_weights: how often each class is drawn; empty: all alike.
        start: weights to go on from; None: anew.
    """

    effort: Effort
    seed: int
    class_weights: tuple[float, ...] = ()
    start: Weights | None = field(default=None, repr=False)

    def recipe(self, recipe: Recipe) -> Recipe:
        """The recipe of a training anew, as it is for this one: one that goes on takes smaller steps."""
        return recipe if self.start is None else replace(recipe, lr=recipe.lr * GO_ON_LR)

    def drawn(self, samples: Samples) -> Samples:
        """As many samples of a classification, in the ratio of the class weights; of all else those that are given."""
        if not (self.class_weights and samples.problem.is_classification):
            return samples
        return samples.only(draw_by_class(samples.targets, self.class_weights, len(samples), seed=self.seed))


class Subject(Protocol):
    """What the loop tunes: a generator, a model trained on its samples, and a few real samples to judge by."""

    @property
    def space(self) -> Sequence[Parameter]:
        """The generator's parameters that may move."""

    def cost(self, effort: Effort) -> float:
        """What a trial of this effort costs, > 0, growing with it; the same number at every call."""

    def trial(self, params: Mapping[str, float], training: Training) -> Outcome:
        """Make samples with these parameters, train, measure; the same arguments give the same outcome."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How the budget is spent.

    Attributes:
        budget: in the unit of `Subject.cost`.
        final_share: of the budget that the final set and training get.
        warm_share: of the budget for one training on the defaults that all others go on from; 0: each begins anew.
        rungs: efforts of the search, as shares of a full trial, rising.
        keep: one in so many trials of a rung goes up to the next.
        seed: fixes proposals and trials.
    """

    budget: float
    final_share: float = 0.5
    warm_share: float = 0.0
    rungs: tuple[float, ...] = (1 / 9, 1 / 3, 1.0)
    keep: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises BadBudget."""
        rising = all(a < b for a, b in zip(self.rungs, self.rungs[1:], strict=False))
        if not 1 <= len(self.rungs) <= RUNGS_MAX or not rising or not 0 < self.rungs[0] <= self.rungs[-1] <= 1:
            raise BadBudget(
                f"rungs are 1 to {RUNGS_MAX} rising shares of a full trial, over 0 up to 1, not {self.rungs}"
            )
        if not (math.isfinite(self.budget) and self.budget > 0 and 2 <= self.keep <= 10):
            raise BadBudget(
                f"a loop needs a budget over 0 and keeps one trial in 2 to 10, not {self.budget}, {self.keep}"
            )
        if not (self.final_share > 0 and self.warm_share >= 0 and self.search_share > 0):
            raise BadBudget(
                f"a loop's final share is over 0, its warm share at least 0, and both leave something for the search, "
                f"not {self.final_share} and {self.warm_share}"
            )

    @property
    def search_share(self) -> float:
        """Of the budget, what is neither the warm start's nor the final training's."""
        return 1.0 - self.final_share - self.warm_share


@dataclass(frozen=True, slots=True)
class Tried:
    """One line of the record. `of` names the proposal; `rung` counts from 0, is FINAL of the last training, WARM of the first."""

    of: int
    rung: int
    share: float
    params: dict[str, float]
    cost: float
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class LoopResult:
    """What was kept, with its weights, and everything that was tried.

    `kept` is the last training, or an earlier one that did better on the same real samples.
    """

    kept: Tried
    tried: tuple[Tried, ...]
    class_weights: tuple[float, ...]

    @property
    def params(self) -> dict[str, float]:
        return self.kept.params

    @property
    def final(self) -> Outcome:
        return self.kept.outcome

    @property
    def warm_start(self) -> Tried | None:
        """The training that the kept one went on from; None when it began anew."""
        first = self.tried[0]
        return first if first.rung == WARM != self.kept.rung else None

    @property
    def spent(self) -> float:
        return sum(t.cost for t in self.tried)


Tell = Callable[[Tried], None]


def outcome_of(answers: Sequence[Any], samples: Samples, weights: Weights | None = None) -> Outcome:
    """What a trial came to, by its model's answers to the real validation samples. Raises what `measure` raises."""
    from neuromation.learning.evaluation import measure, trial_score

    report = measure(answers, samples, resamples=0)
    figure = report.figures[report.headline].value
    errors: tuple[float, ...] = ()
    if samples.problem.is_classification:
        errors = tuple(1.0 - c.figures["recall"].value for c in report.per_class)
    return Outcome(trial_score(answers, samples, report), figure, errors, weights)


@dataclass(slots=True)
class _Run:
    subject: Subject
    plan: Plan
    record: Path | None
    tell: Tell | None
    tried: list[Tried] = field(default_factory=list)
    heard: int = 0  # lines of the record that were asked for again
    start: Weights | None = None
    best: tuple[float, Weights] | None = None  # of what was trained here: score and weights

    @property
    def spent(self) -> float:
        return sum(t.cost for t in self.tried[: self.heard])

    def attempt(
        self, of: int, rung: int, share: float, params: Mapping[str, float], class_weights: Sequence[float] = ()
    ) -> Tried:
        """The recorded trial of this place, or a new one, recorded before it counts."""
        if self.heard < len(self.tried):
            known = self.tried[self.heard]
            if (known.of, known.rung, known.share) != (of, rung, share) or known.params != dict(params):
                raise BadRecord(
                    f"trial {self.heard} of the record is another one than this loop asks for; begin a new record"
                )
        else:
            effort = Effort(share)
            outcome = self._trained(params, effort, rung, class_weights)
            known = Tried(of, rung, share, dict(params), self.subject.cost(effort), outcome)
            _append(self.record, known)
            self.tried.append(replace(known, outcome=replace(outcome, weights=None if outcome.weights is None else {})))
        self.heard += 1
        if self.tell is not None:
            self.tell(known)
        return known

    def _trained(
        self, params: Mapping[str, float], effort: Effort, rung: int, class_weights: Sequence[float]
    ) -> Outcome:
        if rung != WARM and self.plan.warm_share and self.start is None:  # it was on record: trained once more
            warm = self.tried[0]
            self._trained(warm.params, Effort(warm.share), WARM, ())
        # The search shares one seed, so that trials differ by their parameters; the others have their own.
        seed = self.plan.seed + {WARM: 2, FINAL: 1}.get(rung, 0)
        outcome = self.subject.trial(params, Training(effort, seed, tuple(class_weights), self.start))
        if rung == WARM:
            if outcome.weights is None:
                raise BadBudget("a warm start needs a subject whose trials give their weights; leave warm_share at 0")
            self.start = outcome.weights
        if outcome.weights is not None and (self.best is None or outcome.score > self.best[0]):
            self.best = outcome.score, outcome.weights
        return outcome

    def whole(self, tried: Tried, class_weights: Sequence[float]) -> Outcome:
        """The outcome of the best of all trials with its weights; trained once more when it was on record."""
        outcome = tried.outcome
        if outcome.weights is None:
            return outcome
        if self.best is None or self.best[0] != outcome.score:
            self._trained(tried.params, Effort(tried.share), tried.rung, class_weights if tried.rung == FINAL else ())
        assert self.best is not None
        return replace(outcome, weights=self.best[1])


def run_loop(subject: Subject, plan: Plan, *, record: Path | None = None, tell: Tell | None = None) -> LoopResult:
    """Search, then train with what was found, and spend no more than the budget.

    Args:
        record: a file of JSON lines, begun here or by the same loop before; None keeps no record.
        tell: hears of every trial, recorded ones too.

    Raises:
        BadBudget: the budget does not pay for two trials of the lowest rung and a final training as large, or there
            is a warm share and the subject's outcomes have no weights.
        BadRecord: the record is damaged or of another loop.
        BadSpace: see `adaptation.check_space`.
    """
    space = check_space(subject.space)
    run = _Run(subject, plan, record, tell, _read(record, _fingerprint(subject, plan)))
    _check_budget(subject, plan)
    if plan.warm_share:
        run.attempt(0, WARM, affordable(subject, plan.budget * plan.warm_share), _defaults(space))
    best = _search(run, Tuner(space, seed=plan.seed), plan.budget * (1.0 - plan.final_share))
    weights = class_weights(best.outcome.class_errors)
    run.attempt(best.of, FINAL, affordable(subject, plan.budget - run.spent), best.params, weights)
    tried = run.tried[: run.heard]
    kept = max(reversed(tried), key=lambda t: t.outcome.score)  # of equals the last, which has seen most
    return LoopResult(replace(kept, outcome=run.whole(kept, weights)), tuple(tried), weights)


def without_loop(subject: Subject, plan: Plan) -> Outcome:
    """The yardstick: the default parameters and one training get the whole budget."""
    effort = Effort(affordable(subject, plan.budget))
    params = _defaults(check_space(subject.space))
    return subject.trial(params, Training(effort, plan.seed + 1))


def _defaults(space: Sequence[Parameter]) -> dict[str, float]:
    return {p.name: float(p.default) for p in space}


def affordable(subject: Subject, budget: float) -> float:
    """The largest effort, as a share of a full trial, that costs at most `budget`; to about 1 %."""
    low, high = 0.0, 1.0
    while subject.cost(Effort(high)) <= budget and high < 1e6:
        low, high = high, 2 * high
    while high - low > 0.01 * high:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if subject.cost(Effort(middle)) <= budget else (low, middle)
    return low


def class_weights(errors: Sequence[float], *, strength: float = 1.0) -> tuple[float, ...]:
    """How often each class is drawn: 1 + strength x its error over the mean error, at most FOCUS_MAX, mean 1.

    Args:
        errors: share of wrong answers by class, 0..1; NaN counts as the mean.
    """
    if not errors:
        return ()
    known = np.asarray(errors, np.float64)
    if np.isnan(known).all():
        return tuple(1.0 for _ in errors)
    known = np.where(np.isnan(known), np.nanmean(known), known)
    mean = max(float(known.mean()), 1e-9)
    weights = np.minimum(1.0 + strength * known / mean, FOCUS_MAX)
    return tuple(round(float(w), 6) for w in weights / weights.mean())


def draw_by_class(
    labels: Sequence[int] | NDArray[np.int64], weights: Sequence[float], count: int, *, seed: int
) -> NDArray[np.int64]:
    """Places of `count` samples of a pool, so that classes come in the ratio of their weights; few repeats.

    Every class is shuffled and read round and round. Classes without a sample in the pool are left out.
    """
    pool = np.asarray(labels, np.int64)
    present = [c for c in range(len(weights)) if bool((pool == c).any())]
    shares = np.array([weights[c] for c in present], np.float64)
    exact = count * shares / shares.sum()
    counts = np.floor(exact).astype(np.int64)
    counts[np.argsort(counts - exact, kind="stable")[: count - int(counts.sum())]] += 1
    chosen = []
    for label, wanted in zip(present, counts, strict=True):
        places = unit_rng(seed, label, "draw-by-class").permutation(np.flatnonzero(pool == label))
        chosen.append(np.resize(places, int(wanted)))
    return unit_rng(seed, len(weights), "draw-by-class").permutation(np.concatenate(chosen))


def hard_first(losses: Sequence[float], *, share: float = 0.5, seed: int) -> NDArray[np.int64]:
    """Places of as many samples as there are losses: a random half stays, the rest are drawn by their loss.

    Model-driven sampling of hard samples, in the manner of Katharopoulos and Fleuret 2018, with a plain share kept so
    that easy ones are not forgotten. Losses must be finite and >= 0; outliers count as the 95th percentile, for a
    sample that no model can learn is no lesson.
    """
    values = np.asarray(losses, np.float64)
    if not np.isfinite(values).all() or (values < 0).any():
        raise BadBudget("losses must be finite and not negative to draw samples by them")
    rng = unit_rng(seed, 0, "hard-first")
    capped = np.minimum(values, np.quantile(values, 0.95)) + 1e-9
    hard = round(len(values) * share)
    plain = rng.permutation(len(values))[: len(values) - hard]
    drawn = rng.choice(len(values), size=hard, replace=True, p=capped / capped.sum())
    return rng.permutation(np.concatenate([plain, drawn])).astype(np.int64)


def _search(run: _Run, tuner: Tuner, until: float) -> Tried:
    """Brackets of successive halving until the next would spend more than `until`; the best of the highest rung."""
    subject, plan = run.subject, run.plan
    costs = [subject.cost(Effort(share)) for share in plan.rungs]
    width = plan.keep ** (len(plan.rungs) - 1)
    while len(tuner.trials) < TRIALS_MAX - width:
        left = until - run.spent
        # A bracket that can be finished; at first also one that cannot, which is better than no search.
        count = _bracket(costs, plan.keep, width, left) or (0 if tuner.trials else min(width, int(left // costs[0])))
        if count == 0:
            break
        standing = [run.attempt(t.number, 0, plan.rungs[0], t.params) for t in tuner.ask(count)]
        for trial in standing:
            tuner.tell(trial.of, trial.outcome.score)
        for rung, share in enumerate(plan.rungs[1:], 1):
            kept = _best_first(standing)[: max(1, len(standing) // plan.keep)]
            if len(kept) * costs[rung] > until - run.spent:
                break
            standing = [run.attempt(t.of, rung, share, t.params) for t in kept]
    tried = run.tried[: run.heard]
    return _best_first([t for t in tried if t.rung == max(t.rung for t in tried)])[0]


def _bracket(costs: Sequence[float], keep: int, width: int, left: float) -> int:
    """With how many trials a bracket can begin and be finished; 0 when not with two."""
    for count in range(width, 1, -1):
        standing, cost = count, count * costs[0]
        for rung_cost in costs[1:]:
            standing = max(1, standing // keep)
            cost += standing * rung_cost
        if cost <= left:
            return count
    return 0


def _best_first(tried: Sequence[Tried]) -> list[Tried]:
    return sorted(tried, key=lambda t: (-t.outcome.score, t.of))


def _check_budget(subject: Subject, plan: Plan) -> None:
    least = subject.cost(Effort(plan.rungs[0]))
    smallest = min(share for share in (plan.final_share, plan.warm_share) if share)
    if 2 * least > plan.budget * plan.search_share or affordable(subject, plan.budget * smallest) <= 0:
        raise BadBudget(
            f"a budget of {plan.budget:g} does not pay for two trials of {least:g} and a training before or after; "
            f"give at least {2 * least / plan.search_share:g}"
        )


def _fingerprint(subject: Subject, plan: Plan) -> str:
    return hash_json([FORMAT, asdict(plan), [asdict(p) for p in subject.space]])


def _read(record: Path | None, fingerprint: str) -> list[Tried]:
    """The trials of a record, which is begun when it is not there; a last line that was cut off is dropped."""
    if record is None:
        return []
    if not record.exists():
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_text(json.dumps({"format": FORMAT, "loop": fingerprint}) + "\n", encoding="utf-8")
        return []
    if record.stat().st_size > RECORD_MAX_BYTES:
        raise BadRecord(f"{record.name} is larger than {RECORD_MAX_BYTES} bytes; it is no record of a loop")
    lines = record.read_text(encoding="utf-8").split("\n")
    whole, cut = lines[:-1], lines[-1]
    try:
        head = json.loads(whole[0])
        if head.get("loop") != fingerprint:
            raise BadRecord(f"{record.name} records another loop (plan, space or format differ); begin a new record")
        tried = [_tried(json.loads(line)) for line in whole[1:]]
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise BadRecord(f"{record.name} is damaged ({str(error)[:120]}); begin a new record") from error
    if cut:
        record.write_text("\n".join(whole) + "\n", encoding="utf-8")
    return tried


def _tried(line: Mapping[str, Any]) -> Tried:
    found = line["outcome"]
    errors = tuple(math.nan if e is None else float(e) for e in found["class_errors"])
    outcome = Outcome(float(found["score"]), float(found["figure"]), errors, {} if found["weights"] else None)
    params = {str(k): float(v) for k, v in line["params"].items()}
    return Tried(int(line["of"]), int(line["rung"]), float(line["share"]), params, float(line["cost"]), outcome)


def _append(record: Path | None, tried: Tried) -> None:
    if record is None:
        return
    outcome = tried.outcome
    line = {
        **{name: getattr(tried, name) for name in ("of", "rung", "share", "params", "cost")},
        "outcome": {
            "score": outcome.score,
            "figure": outcome.figure,
            "class_errors": [None if math.isnan(e) else e for e in outcome.class_errors],
            "weights": outcome.weights is not None,
        },
    }
    with record.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
