"""The adaptation loop: errors on a few real samples re-tune a generator, within a budget; refuses to know the generator.

Parameters are proposed by an ask/tell optimiser (`adaptation`), which learns from many cheap trials together: one of them
is too short to trust. What they speak for gets the rest of the budget: the final set and training, drawing classes that the
model confuses on the real samples more often.

Where a training costs more than a search can spend again and again, a model is trained once on the defaults (`warm_share`)
and all else goes on from it, so that nothing of what was spent is lost. Short trials then say which way the data should
move, and exaggerate how far: a few steps on boxes much too large do the same good as many on the right ones. So the search
comes in `rounds`, each from a model that has learnt what the round before it found. What the errors of a whole training
tell directly (`Outcome.readings`) is not searched: it is set, and read again after the next one. Trials that begin anew do not
exaggerate, but may mislead; what they speak for is tried with more effort beside the defaults first.

The unit of the budget is the caller's: CPU seconds, computing units or micro-NTK, as `Subject.cost` counts. Every trial
is a line of a record; a loop that was killed reads it, repeats nothing, and ends as it would have ended.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from neuromation.kernel.hashing import hash_json
from neuromation.kernel.rng import unit_rng
from neuromation.learning.adaptation import GENERATION, TRIALS_MAX, Parameter, Tuner, check_space
from neuromation.learning.errors import BadBudget, BadRecord
from neuromation.learning.problem import Samples
from neuromation.learning.weights import Weights

if TYPE_CHECKING:
    from neuromation.learning.trainer import Recipe

ROUNDS_MAX = 10
ROUND_TRIALS = 12  # of fewer a mean says little, and a training cut in two learns less
RECORD_MAX_BYTES = 16 * 1024 * 1024
FORMAT = "neuromation-loop/4"
# Of a learning rate, for a short trial that goes on: at the full one it forgets more than it brings back.
SHORT_LR = 0.3
# What served of a budget, where training costs most: two rounds of some fourteen short trials.
USUAL_FINAL_SHARE, USUAL_WARM_SHARE, USUAL_TRIAL_SHARE, USUAL_ROUNDS = 0.4, 0.3, 0.05, 2
CHECKED_FROM = 6  # trials of a search: of fewer, what they speak for is worth no check
# Of the spread of short trials: by so much the defaults must be better in the one check to count more than all the trials.
DOUBT = 0.5
FOCUS_MAX = 3.0  # no class is drawn over three times as often as another: rare errors are noisy


class Stage(StrEnum):
    """What a trial of a loop is for."""

    WARM = "warm start"
    SEARCH = "search"
    CHECK = "check"
    BETWEEN = "training between"
    FINAL = "final training"


GOES_ON = (Stage.WARM, Stage.BETWEEN)  # whose weights what comes after them begins with


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
        readings: what its errors say that parameters should be, where they tell it directly: a model whose boxes are all
            three pixels narrower than those that people drew needs no search for the margin.
    """

    score: float
    figure: float
    class_errors: tuple[float, ...] = ()
    weights: Weights | None = field(default=None, compare=False, repr=False)
    readings: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Training:
    """How a trial trains, beside the parameters of its data.

    Attributes:
        effort: how much is made and trained.
        seed: of the samples and of the training.
        class_weights: how often each class is drawn; empty: all alike.
        start: weights to go on from; None: anew.
        stage: what the trial is for.
    """

    effort: Effort
    seed: int
    class_weights: tuple[float, ...] = ()
    start: Weights | None = field(default=None, repr=False)
    stage: Stage = Stage.FINAL

    def recipe(self, recipe: Recipe) -> Recipe:
        """A recipe as it is for this training: a short one that goes on takes smaller steps."""
        is_short = self.start is not None and self.stage is Stage.SEARCH
        return replace(recipe, lr=recipe.lr * SHORT_LR) if is_short else recipe

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
        final_share: of the budget that trainings with what was found get, one a round.
        warm_share: of the budget for one training on the defaults that all others go on from; 0: each begins anew.
        rounds: how often it is searched at most; more than one need a warm start and ROUND_TRIALS trials each.
        trial_share: effort of a trial of the search, as a share of a full trial: that of the two checks.
        seed: fixes proposals and trials.
    """

    budget: float
    final_share: float = 0.5
    warm_share: float = 0.0
    rounds: int = 1
    trial_share: float = 1 / 9
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises BadBudget."""
        if not (math.isfinite(self.budget) and self.budget > 0 and 0 < self.trial_share <= 1):
            raise BadBudget(
                f"a loop needs a budget over 0 and trials of a share over 0 up to 1, not {self.budget}, {self.trial_share}"
            )
        if not 1 <= self.rounds <= (ROUNDS_MAX if self.warm_share else 1):
            raise BadBudget(
                f"a loop searches once, or in up to {ROUNDS_MAX} rounds from a warm start, not {self.rounds}"
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
    """One line of the record. `of` is the proposal's number; of what the search found, the number after its last."""

    of: int
    stage: Stage
    share: float
    params: dict[str, float]
    cost: float
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class LoopResult:
    """What was kept, with its weights, and everything that was tried.

    `kept` is the last training, or an earlier one that did better on the same real samples; no trial of a search.
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
    def went_on_from(self) -> tuple[Tried, ...]:
        """The trainings that the kept one went on from, the first one first; none when it began anew."""
        before = self.tried[
            : next(i for i, t in enumerate(self.tried) if (t.of, t.stage) == (self.kept.of, self.kept.stage))
        ]
        return tuple(t for t in before if t.stage in GOES_ON)

    @property
    def spent(self) -> float:
        return sum(t.cost for t in self.tried)


Tell = Callable[[Tried], None]


def outcome_of(
    answers: Sequence[Any],
    samples: Samples,
    weights: Weights | None = None,
    readings: Mapping[str, float] | None = None,
) -> Outcome:
    """What a trial came to, by its model's answers to the real validation samples. Raises what `measure` raises."""
    from neuromation.learning.evaluation import measure, trial_score

    report = measure(answers, samples, resamples=0)
    figure = report.figures[report.headline].value
    errors: tuple[float, ...] = ()
    if samples.problem.is_classification:
        errors = tuple(1.0 - c.figures["recall"].value for c in report.per_class)
    return Outcome(trial_score(answers, samples, report), figure, errors, weights, readings or {})


@dataclass(slots=True)
class _Run:
    """The record as it grows, and the weights of what was trained in this process."""

    subject: Subject
    plan: Plan
    record: Path | None
    tell: Tell | None
    tried: list[Tried] = field(default_factory=list)
    heard: int = 0  # lines of the record that were asked for again
    weighted: dict[int, tuple[float, ...]] = field(default_factory=dict)  # class weights of those that had some
    trained: dict[int, Weights] = field(default_factory=dict)  # but of trials of a search
    read: dict[str, float] = field(default_factory=dict)  # parameters that the last whole training's errors told

    @property
    def spent(self) -> float:
        return sum(t.cost for t in self.tried[: self.heard])

    def attempt(
        self, of: int, stage: Stage, share: float, params: Mapping[str, float], class_weights: Sequence[float] = ()
    ) -> Tried:
        """The recorded trial of this place, or a new one, recorded before it counts."""
        place, params = self.heard, {**params, **self.read}
        self.weighted[place] = tuple(class_weights)
        if place < len(self.tried):
            known = self.tried[place]
            if (known.of, known.stage, known.share) != (of, stage, share) or known.params != params:
                raise BadRecord(
                    f"trial {place} of the record is another one than this loop asks for; begin a new record"
                )
        else:
            new = Tried(of, stage, share, params, self.subject.cost(Effort(share)), _NOT_YET)
            outcome = self._trained(place, new)
            _append(self.record, replace(new, outcome=outcome))
            known = replace(new, outcome=replace(outcome, weights=None if outcome.weights is None else {}))
            self.tried.append(known)
        self.heard += 1
        if stage in GOES_ON:
            self.read |= {
                p.name: min(p.high, max(p.low, known.outcome.readings[p.name]))
                for p in self.subject.space
                if p.name in known.outcome.readings
            }
        if self.tell is not None:
            self.tell(known)
        return known

    def _trained(self, place: int, tried: Tried) -> Outcome:
        # Search and check share one seed, so that trials differ by their parameters; the others have their own.
        seed = self.plan.seed + {Stage.FINAL: 1, Stage.WARM: 2, Stage.BETWEEN: 3 + place}.get(tried.stage, 0)
        how = Training(Effort(tried.share), seed, self.weighted[place], self._start(place), tried.stage)
        outcome = self.subject.trial(tried.params, how)
        if outcome.weights is None and self.plan.warm_share:
            raise BadBudget("a warm start needs a subject whose trials give their weights; leave warm_share at 0")
        if outcome.weights is not None and tried.stage is not Stage.SEARCH:
            self.trained[place] = outcome.weights
        return outcome

    def _start(self, place: int) -> Weights | None:
        """What a trial goes on from; what is on record and was trained in another process is trained once more."""
        last = max((i for i, t in enumerate(self.tried[:place]) if t.stage in GOES_ON), default=None)
        return None if last is None else self._weights(last)

    def _weights(self, place: int) -> Weights:
        if place not in self.trained:
            self._trained(place, self.tried[place])
        return self.trained[place]

    def whole(self, place: int) -> Tried:
        """A trial with its weights, trained once more where it was on record."""
        tried = self.tried[place]
        if tried.outcome.weights is None:
            return tried
        return replace(tried, outcome=replace(tried.outcome, weights=self._weights(place)))


_NOT_YET = Outcome(math.nan, math.nan)


def run_loop(subject: Subject, plan: Plan, *, record: Path | None = None, tell: Tell | None = None) -> LoopResult:
    """Search, then train with what was found, and spend no more than the budget.

    Args:
        record: a file of JSON lines, begun here or by the same loop before; None keeps no record.
        tell: hears of every trial, recorded ones too.

    Raises:
        BadBudget: the budget does not pay for two trials, or there is a warm share and the subject's outcomes have no
            weights.
        BadRecord: the record is damaged or of another loop.
        BadSpace: see `adaptation.check_space`.
    """
    space = check_space(subject.space)
    run = _Run(subject, plan, record, tell, _read(record, _fingerprint(subject, plan)))
    plan = replace(plan, rounds=min(plan.rounds, max(1, _trials(subject, replace(plan, rounds=1)) // ROUND_TRIALS)))
    _check_budget(subject, plan)
    if plan.warm_share:
        run.attempt(0, Stage.WARM, affordable(subject, plan.budget * plan.warm_share), _defaults(space))
    count = _trials(subject, plan)
    # A round is a generation, and the first has the defaults besides.
    generation = max(2, (count - 1) // 2 * 2) if plan.rounds > 1 else GENERATION
    searched = [p for p in space if p.name not in run.read]
    tuner = Tuner(searched, seed=plan.seed, generation=generation) if searched else None
    for done in range(plan.rounds):
        best = _search(run, tuner, count if plan.rounds == 1 else generation + (done == 0)) if tuner else run.tried[0]
        weights = class_weights(best.outcome.class_errors)
        if done + 1 < plan.rounds:
            share = affordable(subject, plan.budget * plan.final_share / plan.rounds)
            run.attempt(best.of, Stage.BETWEEN, share, best.params, weights)
    run.attempt(best.of, Stage.FINAL, affordable(subject, plan.budget - run.spent), best.params, weights)
    # Of equals the last, which has seen most. Of many short trials one is always lucky: none of them is kept.
    whole = [place for place, t in enumerate(run.tried[: run.heard]) if t.stage is not Stage.SEARCH]
    kept = max(reversed(whole), key=lambda place: run.tried[place].outcome.score)
    return LoopResult(run.whole(kept), tuple(run.tried[: run.heard]), weights)


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


def _trials(subject: Subject, plan: Plan) -> int:
    """How many short trials a round has: what is left of its share of the budget by the check, where there is one."""
    short = subject.cost(Effort(plan.trial_share))
    left = plan.budget * plan.search_share / plan.rounds - (
        2 * subject.cost(Effort(1.0)) if _is_checked(subject, plan) else 0
    )
    return min(TRIALS_MAX // plan.rounds, int(left / short * (1 + 1e-9)))


def _is_checked(subject: Subject, plan: Plan) -> bool:
    least = CHECKED_FROM * subject.cost(Effort(plan.trial_share)) + 2 * subject.cost(Effort(1.0))
    return not plan.warm_share and plan.budget * plan.search_share >= least


def _search(run: _Run, tuner: Tuner, count: int) -> Tried:
    """Short trials, and what to go on with: what they speak for, as far as a check beside the defaults agrees.

    Where the budget does not pay for a check that is due, the best of the short trials.
    """
    plan = run.plan
    tried = []
    for _ in range(count):
        (trial,) = tuner.ask()
        tried.append(run.attempt(trial.number, Stage.SEARCH, plan.trial_share, trial.params))
        tuner.tell(trial.number, tried[-1].outcome.score)
    best = max(tried, key=lambda t: (t.outcome.score, -t.of))
    if plan.warm_share:
        return replace(best, of=tried[-1].of + 1, params=tuner.recommended())
    if not _is_checked(run.subject, plan):
        return best
    defaults = run.attempt(0, Stage.CHECK, 1.0, tried[0].params)
    found = run.attempt(count, Stage.CHECK, 1.0, tuner.recommended())
    doubt = DOUBT * float(np.std([t.outcome.score for t in tried]))
    return defaults if defaults.outcome.score > found.outcome.score + doubt else found


def _check_budget(subject: Subject, plan: Plan) -> None:
    least = subject.cost(Effort(plan.trial_share))
    smallest = min(share for share in (plan.final_share, plan.warm_share) if share)
    if 2 * least > plan.budget * plan.search_share / plan.rounds or affordable(subject, plan.budget * smallest) <= 0:
        raise BadBudget(
            f"a budget of {plan.budget:g} does not pay for two trials of {least:g} and a training before or after; "
            f"give at least {2 * least * plan.rounds / plan.search_share:g}"
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
    readings = {str(k): float(v) for k, v in found["readings"].items()}
    outcome = Outcome(float(found["score"]), float(found["figure"]), errors, {} if found["weights"] else None, readings)
    params = {str(k): float(v) for k, v in line["params"].items()}
    return Tried(int(line["of"]), Stage(line["stage"]), float(line["share"]), params, float(line["cost"]), outcome)


def _append(record: Path | None, tried: Tried) -> None:
    if record is None:
        return
    outcome = tried.outcome
    line = {
        **{name: getattr(tried, name) for name in ("of", "stage", "share", "params", "cost")},
        "outcome": {
            "score": outcome.score,
            "figure": outcome.figure,
            "class_errors": [None if math.isnan(e) else e for e in outcome.class_errors],
            "readings": dict(outcome.readings),
            "weights": outcome.weights is not None,
        },
    }
    with record.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
