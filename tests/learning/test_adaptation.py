"""The tuner resumes where it stopped, stays in its space, and is not fooled by one lucky value."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from neuromation.kernel.rng import unit_rng
from neuromation.learning.adaptation import (
    GENERATION,
    Parameter,
    Trial,
    Tuner,
    around,
    best,
    check_params,
    check_space,
    recombined,
    space_from_schema,
)
from neuromation.learning.errors import BadSpace

SPACE = (Parameter("slant", -1.0, 1.0, 0.0), Parameter("width", 0.01, 1.0, 0.1, log=True))


def score(trial: Trial) -> float:
    return -((trial.params["slant"] - 0.6) ** 2) - 0.1 * np.log(trial.params["width"] / 0.3) ** 2


def tuned(trials: int, *, seed: int, batch: int = 4) -> Tuner:
    tuner = Tuner(SPACE, seed=seed)
    while len(tuner.trials) < trials:
        for trial in tuner.ask(batch):
            tuner.tell(trial.number, score(trial))
    return tuner


def test_the_first_trial_is_the_defaults() -> None:
    assert Tuner(SPACE, seed=1).ask()[0] == Trial(0, {"slant": 0.0, "width": 0.1})


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000), st.integers(0, 20), st.integers(0, 4))
def test_a_replayed_tuner_asks_the_same_next(seed: int, told: int, pending: int) -> None:
    tuner = Tuner(SPACE, seed=seed)
    for _ in range(told):
        trial = tuner.ask()[0]
        tuner.tell(trial.number, score(trial))
    if pending:
        tuner.ask(pending)
    assert Tuner.replay(SPACE, tuner.trials, seed).ask(3) == tuner.ask(3)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_every_proposal_lies_in_the_space_and_differs_from_the_pending_ones(seed: int) -> None:
    tuner = tuned(12, seed=seed)
    asked = tuner.ask(4)
    for trial in tuner.trials:
        check_params(SPACE, trial.params)
    assert len({tuple(trial.params.values()) for trial in asked}) == 4


def test_the_tuner_comes_near_the_best_point() -> None:
    found = [score(Trial(0, tuned(60, seed=seed).recommended())) for seed in range(5)]
    assert min(found) > -0.05
    assert np.median(found) > -0.01


def test_trials_of_a_generation_lie_in_pairs_around_its_centre() -> None:
    tuner = tuned(1, seed=3, batch=1)
    pairs = tuner.ask(GENERATION)
    for one, other in zip(pairs[::2], pairs[1::2], strict=True):
        assert one.params["slant"] == pytest.approx(-other.params["slant"])  # the default is in the middle
    for trial in pairs:
        tuner.tell(trial.number, score(trial))
    centre = tuner.recommended()
    assert centre == recombined(SPACE, tuner.trials[1:])
    nearer = tuner.ask(GENERATION)
    assert all(abs(t.params["slant"] - centre["slant"]) <= 0.7 + 1e-9 for t in nearer)
    assert np.mean([t.params["slant"] for t in nearer]) == pytest.approx(centre["slant"], abs=0.15)


def test_what_noisy_trials_speak_for_beats_the_luckiest_of_them() -> None:
    space = [Parameter(f"p{i}", -1.0, 1.0, 0.0) for i in range(8)]
    spoken_for, luckiest = [], []
    for seed in range(30):
        bottom, noise = unit_rng(seed, 1).uniform(-0.6, 0.6, 8), unit_rng(seed, 2).standard_normal(41)

        def truth(params: Mapping[str, float], bottom: NDArray[np.float64] = bottom) -> float:
            return -float(np.sum((np.array(list(params.values())) - bottom) ** 2))

        tuner = Tuner(space, seed=seed)
        for trial in tuner.ask(41):
            tuner.tell(trial.number, truth(trial.params) + 0.5 * float(noise[trial.number]))
        spoken_for.append(truth(tuner.recommended()))
        luckiest.append(truth(best(tuner.trials).params))
    assert np.mean(spoken_for) > np.mean(luckiest) + 0.3
    assert np.mean(np.greater(spoken_for, luckiest)) > 0.8


def test_nothing_told_recommends_the_defaults() -> None:
    tuner = Tuner(SPACE, seed=1)
    tuner.ask(5)
    assert tuner.recommended() == {"slant": 0.0, "width": 0.1}


def test_trials_without_a_value_are_not_recombined() -> None:
    with pytest.raises(BadSpace, match="no value"):
        recombined(SPACE, [Trial(3, {"slant": 0.0, "width": 0.1}), Trial(4, {"slant": 0.1, "width": 0.1}, 1.0)])


@pytest.mark.parametrize("generation", [0, 1, 7, 10_000])
def test_a_generation_has_pairs(generation: int) -> None:
    with pytest.raises(BadSpace, match="even"):
        Tuner(SPACE, seed=1, generation=generation)


def test_a_failed_trial_stays_without_a_value_and_does_not_stop_the_loop() -> None:
    tuner = Tuner(SPACE, seed=1)
    tuner.ask(GENERATION + 2)
    for trial in tuner.trials[3:]:
        tuner.tell(trial.number, score(trial))
    assert tuner.ask()[0].number == GENERATION + 2
    assert best(tuner.trials).value is not None


def test_the_best_of_noisy_trials_is_not_the_luckiest() -> None:
    lucky = Trial(0, {"x": 0.1}, 0.97)
    steady = [Trial(n, {"x": 0.2}, 0.965) for n in range(1, 5)]
    others = [Trial(5 + n, {"x": 0.3 + n / 10}, 0.93) for n in range(3)]
    chosen = best([lucky, *steady, *others])
    assert chosen.number == 1
    assert chosen.value == pytest.approx(0.965)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_without_repeats_the_best_is_the_highest(seed: int) -> None:
    values = unit_rng(seed, 0).random(9)
    trials = [Trial(n, {"x": n / 10}, float(value)) for n, value in enumerate(values)]
    assert best(trials).number == int(np.argmax(values))


def test_nothing_told_has_no_best() -> None:
    with pytest.raises(BadSpace, match="no trial"):
        best(Tuner(SPACE, seed=1).ask(3))


@pytest.mark.parametrize(
    "space",
    [
        [],
        [Parameter("a", 0, 1, 0.5), Parameter("a", 0, 1, 0.5)],
        [Parameter("a", 1, 0, 0.5)],
        [Parameter("a", 0, 1, 2)],
        [Parameter("a", 0, float("inf"), 2)],
        [Parameter("a", 0, 1, 0.5, log=True)],
    ],
)
def test_a_space_that_cannot_be_searched_is_refused(space: list[Parameter]) -> None:
    with pytest.raises(BadSpace):
        check_space(space)


@pytest.mark.parametrize(
    "trials",
    [
        [Trial(0, {"slant": 0.0})],
        [Trial(0, {"slant": 5.0, "width": 0.1})],
        [Trial(-1, {"slant": 0.0, "width": 0.1})],
        [Trial(0, {"slant": 0.0, "width": 0.1}), Trial(0, {"slant": 0.0, "width": 0.1})],
        [Trial(0, {"slant": 0.0, "width": 0.1}, float("nan"))],
    ],
)
def test_recorded_trials_that_do_not_fit_are_refused(trials: list[Trial]) -> None:
    with pytest.raises(BadSpace):
        Tuner.replay(SPACE, trials, 1)


def test_telling_what_was_not_asked_or_is_no_number_is_refused() -> None:
    tuner = Tuner(SPACE, seed=1)
    with pytest.raises(BadSpace, match="never asked"):
        tuner.tell(0, 0.5)
    tuner.ask()
    with pytest.raises(BadSpace, match="finite"):
        tuner.tell(0, float("nan"))


def test_a_space_is_read_from_a_schema() -> None:
    schema = {
        "properties": {
            "pen": {"minimum": 0.1, "maximum": 2, "default": 1, "log": True},
            "noise": {"minimum": 0, "maximum": 1, "default": 0.5},
            "name": {"type": "string"},
        }
    }
    assert space_from_schema(schema, ["pen", "noise"]) == [
        Parameter("pen", 0.1, 2, 1, log=True),
        Parameter("noise", 0, 1, 0.5),
    ]
    with pytest.raises(BadSpace, match="name"):
        space_from_schema(schema, ["name"])


@given(
    reach=st.floats(0.01, 1.0),
    default=st.floats(0.5, 8.0),
    log=st.booleans(),
)
def test_a_search_around_the_defaults_stays_in_the_space_and_holds_them(
    reach: float, default: float, log: bool
) -> None:
    near = around([Parameter("p", 0.5, 8.0, default, log)], reach)[0]
    assert 0.5 <= near.low <= default <= near.high <= 8.0
    wider = around([Parameter("p", 0.5, 8.0, default, log)], min(1.0, 2 * reach))[0]
    assert wider.low <= near.low and near.high <= wider.high


def test_a_reach_of_nothing_is_refused() -> None:
    with pytest.raises(BadSpace, match="reach"):
        around([Parameter("p", 0.0, 1.0, 0.5)], 0.0)
