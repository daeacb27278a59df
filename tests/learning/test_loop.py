"""The loop spends no more than it has, goes on after a kill as if nothing had been, and finds better parameters."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuromation.kernel.rng import unit_rng
from neuromation.learning.adaptation import Parameter
from neuromation.learning.errors import BadBudget, BadRecord
from neuromation.learning.loop import (
    FOCUS_MAX,
    Effort,
    Outcome,
    Plan,
    Stage,
    Training,
    Tried,
    class_weights,
    draw_by_class,
    hard_first,
    run_loop,
    without_loop,
)
from neuromation.learning.trainer import Recipe

SPACE = (Parameter("gap", 0.0, 1.0, 0.2), Parameter("blur", 0.1, 10.0, 1.0, log=True))


class Valley:
    """A subject with a known best place, (0.7, 3): more effort helps a little, better parameters more."""

    def __init__(self, *, noise: float = 0.01, dies_after: int | None = None) -> None:
        self.space: Sequence[Parameter] = SPACE
        self.asked: list[tuple[dict[str, float], float]] = []
        self._noise, self._dies_after = noise, dies_after

    def cost(self, effort: Effort) -> float:
        return 2.0 + effort.of(900) * 0.1

    def trial(self, params: Mapping[str, float], training: Training) -> Outcome:
        if self._dies_after is not None and len(self.asked) >= self._dies_after:
            raise KeyboardInterrupt
        self.asked.append((dict(params), training.effort.share))
        far = (params["gap"] - 0.7) ** 2 + (math.log10(params["blur"] / 3.0)) ** 2
        draw = float(unit_rng(training.seed, round(1e6 * far) % 2**31, "noise").standard_normal())
        score = -far - 0.1 / (1.0 + training.effort.share) + self._noise * draw
        return Outcome(score, min(1.0, max(0.0, 1.0 + score)), (0.1, 0.3, math.nan))


@given(budget=st.floats(60, 3_000), share=st.floats(0.2, 0.8), seed=st.integers(0, 50))
@settings(max_examples=25, deadline=None)
def test_no_loop_spends_more_than_its_budget(budget: float, share: float, seed: int) -> None:
    plan = Plan(budget=budget, final_share=share, seed=seed)
    try:
        result = run_loop(Valley(), plan)
    except BadBudget:
        assert budget * (1 - share) < 2 * Valley().cost(Effort(1 / 9))
        return
    assert result.spent <= budget
    assert result.tried[-1].stage is Stage.FINAL
    assert result.tried[-1].cost >= 0.9 * share * budget - 2.1


@pytest.mark.parametrize("dies_after", [0, 1, 5, 9, 14])
def test_a_killed_loop_ends_as_an_unbroken_one(dies_after: int, tmp_path: Path) -> None:
    plan = Plan(budget=900.0, seed=4)
    unbroken = run_loop(Valley(), plan)
    record = tmp_path / "loop.jsonl"
    with pytest.raises(KeyboardInterrupt):
        run_loop(Valley(dies_after=dies_after), plan, record=record)
    record.write_text(record.read_text() + '{"of": 3, "ru')  # killed in the middle of a line, too
    again = Valley()
    heard: list[Tried] = []
    resumed = run_loop(again, plan, record=record, tell=heard.append)
    assert repr(resumed) == repr(unbroken)  # repr: NaN is not equal to itself
    assert len(again.asked) == len(unbroken.tried) - dies_after
    assert len(heard) == len(unbroken.tried)


class Pupil(Valley):
    """A subject that remembers: its weights count the effort that went into them, and more of it is better."""

    def trial(self, params: Mapping[str, float], training: Training) -> Outcome:
        judged = super().trial(params, training)
        learnt = training.effort.share + (float(training.start["effort"][0]) if training.start else 0.0)
        weights = {"effort": np.array([learnt], np.float32)}
        return Outcome(judged.score - 1.0 / (1.0 + learnt), judged.figure, judged.class_errors, weights)


WARM_PLAN = Plan(budget=1_500.0, final_share=0.4, warm_share=0.3, rounds=2, seed=4)


def test_all_trials_go_on_from_the_warm_start_and_the_last_loses_nothing_of_it() -> None:
    found = run_loop(Pupil(), WARM_PLAN)
    trainings = [t for t in found.tried if t.stage is not Stage.SEARCH]
    assert [t.stage for t in trainings] == [Stage.WARM, Stage.BETWEEN, Stage.FINAL]
    assert trainings[0].params == {"gap": 0.2, "blur": 1.0}
    assert found.went_on_from == tuple(trainings[:-1])
    assert found.final.weights is not None
    assert found.final.weights["effort"][0] == pytest.approx(sum(t.share for t in trainings))
    assert 0.9 * WARM_PLAN.budget < found.spent <= WARM_PLAN.budget


class Annotator(Pupil):
    """A pupil whose errors tell a margin of boxes: people draw them 0.6 wide; what a training says is a little off."""

    MARGIN = Parameter("margin", 0.0, 0.9, 0.0)

    def __init__(self, space: Sequence[Parameter], *, dies_after: int | None = None) -> None:
        super().__init__(dies_after=dies_after)
        self.space = space
        self.margins: list[tuple[Stage, float]] = []

    def trial(self, params: Mapping[str, float], training: Training) -> Outcome:
        judged = super().trial({"gap": 0.2, "blur": 1.0, **params}, training)
        self.margins.append((training.stage, params["margin"]))
        return replace(judged, readings={"margin": 0.6 + 0.1 * (0.6 - params["margin"]), "unknown": 3.0})


def test_what_errors_tell_directly_is_set_and_not_searched() -> None:
    subject = Annotator([*SPACE, Annotator.MARGIN])
    found = run_loop(subject, WARM_PLAN)
    margins = {stage: sorted({round(m, 6) for s, m in subject.margins if s is stage}) for stage in Stage}
    assert margins[Stage.WARM] == [0.0]
    assert margins[Stage.BETWEEN] == [0.66]
    assert margins[Stage.SEARCH] == [0.594, 0.66]  # read again after the training between
    assert margins[Stage.FINAL] == [0.594]
    assert set(found.params) == {"gap", "blur", "margin"}  # a reading of what may not move is left
    assert len({t.params["gap"] for t in found.tried}) > 10


def test_where_all_is_read_nothing_is_searched_and_the_trainings_get_the_budget() -> None:
    found = run_loop(Annotator([Annotator.MARGIN]), WARM_PLAN)
    assert [t.stage for t in found.tried] == [Stage.WARM, Stage.BETWEEN, Stage.FINAL]
    assert found.params["margin"] == pytest.approx(0.594)
    assert 0.9 * WARM_PLAN.budget < found.spent <= WARM_PLAN.budget


def test_a_reading_beyond_the_range_is_its_end() -> None:
    found = run_loop(Annotator([*SPACE, replace(Annotator.MARGIN, high=0.5)]), WARM_PLAN)
    assert found.params["margin"] == 0.5


def test_a_killed_loop_remembers_its_readings(tmp_path: Path) -> None:
    space, record = [*SPACE, Annotator.MARGIN], tmp_path / "loop.jsonl"
    unbroken = run_loop(Annotator(space), WARM_PLAN)
    with pytest.raises(KeyboardInterrupt):
        run_loop(Annotator(space, dies_after=5), WARM_PLAN, record=record)
    assert repr(run_loop(Annotator(space), WARM_PLAN, record=record)) == repr(unbroken)


def test_a_small_search_is_not_cut_into_rounds() -> None:
    found = run_loop(Pupil(), replace(WARM_PLAN, budget=600.0))
    assert [t.stage for t in found.tried if t.stage is not Stage.SEARCH] == [Stage.WARM, Stage.FINAL]


def test_each_round_searches_around_what_the_one_before_found() -> None:
    found = run_loop(Pupil(), WARM_PLAN)
    between = next(place for place, t in enumerate(found.tried) if t.stage is Stage.BETWEEN)
    first, second = found.tried[1:between], found.tried[between + 1 : -1]
    assert len(first) == len(second) + 1  # the defaults besides
    assert np.mean([t.params["gap"] for t in second]) == pytest.approx(found.tried[between].params["gap"], abs=0.1)


@pytest.mark.parametrize(("dies_after", "again_trained"), [(0, 0), (1, 1), (6, 1), (25, 2), (None, 2)])
def test_a_killed_loop_trains_once_more_what_it_goes_on_from(
    dies_after: int | None, again_trained: int, tmp_path: Path
) -> None:
    record = tmp_path / "loop.jsonl"
    unbroken = run_loop(Pupil(), WARM_PLAN, record=tmp_path / "unbroken.jsonl")
    if dies_after is None:
        run_loop(Pupil(), WARM_PLAN, record=record)
    else:
        with pytest.raises(KeyboardInterrupt):
            run_loop(Pupil(dies_after=dies_after), WARM_PLAN, record=record)
    again = Pupil()
    resumed = run_loop(again, WARM_PLAN, record=record)
    assert repr(resumed) == repr(unbroken)
    assert resumed.final.weights == unbroken.final.weights
    assert record.read_text() == (tmp_path / "unbroken.jsonl").read_text()
    left = 1 if dies_after is None else len(unbroken.tried) - dies_after  # the last training is wanted at any rate
    assert len(again.asked) == left + again_trained


class Spoilt(Pupil):
    """Its last training goes wrong."""

    def trial(self, params: Mapping[str, float], training: Training) -> Outcome:
        judged = super().trial(params, training)
        return replace(judged, score=judged.score - 10.0) if training.seed == WARM_PLAN.seed + 1 else judged


def test_what_did_best_is_kept_also_when_it_was_not_the_last() -> None:
    found = run_loop(Spoilt(), WARM_PLAN)
    best = max((t for t in found.tried[:-1] if t.stage is not Stage.SEARCH), key=lambda t: t.outcome.score)
    assert found.kept == best
    assert found.went_on_from == ((found.tried[0],) if best.stage is Stage.BETWEEN else ())
    assert found.params == best.params
    assert found.final.weights is not None
    assert found.final.weights["effort"][0] == pytest.approx(best.share + sum(t.share for t in found.went_on_from))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_loop_beats_the_same_budget_without_it_where_the_defaults_are_wrong(seed: int) -> None:
    plan = Plan(budget=3_000.0, seed=seed)
    result = run_loop(Valley(), plan)
    assert result.final.score > without_loop(Valley(), plan).score + 0.1
    assert abs(result.params["gap"] - 0.7) < 0.3


def test_what_the_search_found_is_checked_beside_the_defaults_with_a_full_trial() -> None:
    result = run_loop(Valley(), Plan(budget=1_200.0, seed=9))
    defaults, found = (t for t in result.tried if t.stage is Stage.CHECK)
    assert defaults.params == {"gap": 0.2, "blur": 1.0} != found.params
    assert defaults.share == found.share == 1.0
    assert result.tried[-1].params == found.params


class Misled(Valley):
    """Short trials like what full ones do not."""

    def trial(self, params: Mapping[str, float], training: Training) -> Outcome:
        judged = super().trial(params, training)
        return judged if training.effort.share < 1.0 else replace(judged, score=-abs(params["gap"] - 0.2))


def test_the_defaults_stay_where_short_trials_mislead() -> None:
    result = run_loop(Misled(), Plan(budget=1_200.0, seed=9))
    assert result.tried[-1].params == {"gap": 0.2, "blur": 1.0}


def test_a_small_search_has_no_check() -> None:
    result = run_loop(Valley(), Plan(budget=200.0, seed=9))
    search = result.tried[:-1]
    assert [t.stage for t in search] == [Stage.SEARCH] * len(search)
    assert result.tried[-1].params == max(search, key=lambda t: t.outcome.score).params


@given(errors=st.lists(st.one_of(st.floats(0, 1), st.just(math.nan)), min_size=1, max_size=40))
def test_class_weights_follow_the_errors_within_limits(errors: list[float]) -> None:
    weights = class_weights(errors)
    assert np.mean(weights) == pytest.approx(1.0, abs=1e-4)
    assert max(weights) <= FOCUS_MAX * min(weights) + 1e-4
    known = [(e, w) for e, w in zip(errors, weights, strict=True) if not math.isnan(e)]
    assert all(wa <= wb + 1e-6 for a, wa in known for b, wb in known if a <= b)


@given(
    labels=st.lists(st.integers(0, 4), min_size=1, max_size=60),
    weights=st.lists(st.floats(0.5, 3), min_size=5, max_size=5),
    count=st.integers(1, 200),
    seed=st.integers(0, 9),
)
def test_classes_are_drawn_in_the_ratio_of_their_weights(
    labels: list[int], weights: list[float], count: int, seed: int
) -> None:
    chosen = draw_by_class(labels, weights, count, seed=seed)
    assert len(chosen) == count
    drawn = np.bincount(np.asarray(labels)[chosen], minlength=5)
    present = sorted(set(labels))
    total = sum(weights[c] for c in present)
    for c in present:
        assert abs(drawn[c] - count * weights[c] / total) <= 1.0


@given(losses=st.lists(st.floats(0, 10), min_size=2, max_size=80), seed=st.integers(0, 9))
def test_hard_samples_come_more_often_and_half_is_plain(losses: list[float], seed: int) -> None:
    chosen = hard_first(losses, seed=seed)
    assert len(chosen) == len(losses)
    assert len(set(chosen.tolist())) >= len(losses) - round(len(losses) * 0.5)


def test_a_hard_half_is_drawn_by_its_loss() -> None:
    losses = [0.0] * 500 + [5.0] * 500
    chosen = hard_first(losses, seed=0)
    assert 0.70 < np.mean(chosen >= 500) < 0.80


def test_a_budget_for_nothing_says_what_is_needed() -> None:
    with pytest.raises(BadBudget, match="give at least"):
        run_loop(Valley(), Plan(budget=20.0))


@pytest.mark.parametrize(
    "wrong",
    [{"budget": math.nan}, {"trial_share": 0.0}, {"trial_share": 1.5}, {"final_share": 1.0}, {"warm_share": 0.5}],
)
def test_a_plan_that_cannot_be_spent_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(BadBudget):
        Plan(**{"budget": 100.0, **wrong})  # type: ignore[arg-type]


def test_a_warm_start_needs_weights_to_go_on_from() -> None:
    with pytest.raises(BadBudget, match="leave warm_share at 0"):
        run_loop(Valley(), WARM_PLAN)


def test_another_loops_record_is_refused(tmp_path: Path) -> None:
    record = tmp_path / "loop.jsonl"
    run_loop(Valley(), Plan(budget=300.0, seed=1), record=record)
    with pytest.raises(BadRecord, match="another loop"):
        run_loop(Valley(), Plan(budget=300.0, seed=2), record=record)


def test_a_damaged_record_is_refused(tmp_path: Path) -> None:
    record = tmp_path / "loop.jsonl"
    run_loop(Valley(), Plan(budget=300.0, seed=1), record=record)
    lines = record.read_text().splitlines()
    line = json.loads(lines[1])
    del line["outcome"]
    record.write_text("\n".join([lines[0], json.dumps(line), ""]))
    with pytest.raises(BadRecord, match="damaged"):
        run_loop(Valley(), Plan(budget=300.0, seed=1), record=record)


def test_a_loop_without_a_record_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_loop(Valley(), Plan(budget=300.0))
    assert list(tmp_path.iterdir()) == []


def test_only_a_short_trial_that_goes_on_takes_smaller_steps() -> None:
    recipe, start = Recipe(steps=10, lr=0.01), {"effort": np.zeros(1, np.float32)}
    for stage in Stage:
        lr = Training(Effort(1.0), 1, start=start, stage=stage).recipe(recipe).lr
        assert lr == pytest.approx(0.003 if stage is Stage.SEARCH else 0.01)
        assert Training(Effort(1.0), 1, stage=stage).recipe(recipe) == recipe
