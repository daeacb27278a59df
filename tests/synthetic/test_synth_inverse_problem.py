"""Inverse problems: forward models obey their equations, priors are what they say, third parties can add a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuromation.kernel.rng import unit_rng
from neuromation.synthetic import BadParameters, BadUnit, parse_params, search_space, unit_hash
from neuromation.synthetic.generators.inverse_problem import InverseProblem, Prior, normal
from neuromation.synthetic.generators.inverse_problem_models import (
    INVERSE_PROBLEM,
    DampedOscillator,
    OneCompartment,
    TwoCompartments,
)

MODELS = ("one-compartment", "two-compartments", "damped-oscillator")
seeds = st.integers(0, 2**63 - 1)
rates = st.floats(0.05, 4.0)
volumes = st.floats(5.0, 90.0)


def a_unit(seed: int = 1, index: int = 0, **params: Any) -> Any:
    return INVERSE_PROBLEM.unit(parse_params(INVERSE_PROBLEM, params), seed, index)


def by_steps(slope: Callable[[np.ndarray], np.ndarray], state: np.ndarray, end: float) -> np.ndarray:
    """The state at `end` by the classic Runge-Kutta method, 2,000 steps."""
    step = end / 2000
    for _ in range(2000):
        a = slope(state)
        b = slope(state + step / 2 * a)
        c = slope(state + step / 2 * b)
        d = slope(state + step * c)
        state = state + step / 6 * (a + 2 * b + 2 * c + d)
    return state


@given(seed=seeds, index=st.integers(0, 10**6), model=st.sampled_from(MODELS))
@settings(max_examples=30, deadline=None)
def test_a_unit_is_the_same_every_time_and_holds_its_truth(seed: int, index: int, model: str) -> None:
    unit, again = a_unit(seed, index, model=model), a_unit(seed, index, model=model)
    assert unit_hash(unit) == unit_hash(again)
    assert unit.image is None and unit.label is None
    series = list(unit.annotations["observation"].values())
    assert [len(values) for values in series] == [12, 12]
    assert series[0] == sorted(series[0])
    assert set(unit.annotations) == {"model", "parameters", "conditions", "observation", "noiseless"}


@given(absorption=rates, clearance=st.floats(0.5, 20), volume=volumes, end=st.floats(0.5, 20))
@settings(max_examples=15, deadline=None)
def test_one_compartment_solves_its_equations(absorption: float, clearance: float, volume: float, end: float) -> None:
    def slope(state: np.ndarray) -> np.ndarray:
        return np.array([-absorption * state[0], absorption * state[0] - clearance / volume * state[1]])

    truth = {"absorption_per_h": absorption, "clearance_l_per_h": clearance, "volume_l": volume}
    conditions = {"dose_mg": 100.0, "dose_times_h": [0.0]}
    formula = OneCompartment().observed(truth, conditions, np.array([end]))[0]
    expected = by_steps(slope, np.array([100.0, 0.0]), end)[1] / volume
    assert formula == pytest.approx(expected, rel=2e-3, abs=1e-5)


@given(st.tuples(rates, st.floats(0.5, 20), volumes, st.floats(0.5, 20), volumes), st.floats(0.5, 20))
@settings(max_examples=15, deadline=None)
def test_two_compartments_solve_their_equations(values: tuple[float, ...], end: float) -> None:
    absorption, clearance, volume, exchange, tissue = values

    def slope(state: np.ndarray) -> np.ndarray:
        gut, plasma, deep = state
        flow = exchange * (plasma / volume - deep / tissue)
        return np.array([-absorption * gut, absorption * gut - clearance / volume * plasma - flow, flow])

    truth = dict(zip((prior.name for prior in TwoCompartments.priors), values, strict=True))
    conditions = {"dose_mg": 100.0, "dose_times_h": [0.0]}
    formula = TwoCompartments().observed(truth, conditions, np.array([end]))[0]
    expected = by_steps(slope, np.array([100.0, 0.0, 0.0]), end)[1] / volume
    assert formula == pytest.approx(expected, rel=2e-3, abs=1e-5)


def test_doses_add_up() -> None:
    truth = {"absorption_per_h": 1.0, "clearance_l_per_h": 4.0, "volume_l": 30.0}
    times = np.array([1.0, 7.0, 20.0])
    one = OneCompartment().observed(truth, {"dose_mg": 50.0, "dose_times_h": [0.0]}, times)
    late = OneCompartment().observed(truth, {"dose_mg": 50.0, "dose_times_h": [6.0]}, times)
    both = OneCompartment().observed(truth, {"dose_mg": 50.0, "dose_times_h": [0.0, 6.0]}, times)
    assert both == pytest.approx(one + late)
    assert late[0] == 0.0


def test_equal_rates_of_absorption_and_elimination_are_no_trouble() -> None:
    truth = {"absorption_per_h": 0.2, "clearance_l_per_h": 6.0, "volume_l": 30.0}
    seen = OneCompartment().observed(truth, {"dose_mg": 90.0, "dose_times_h": [0.0]}, np.array([5.0]))[0]
    assert seen == pytest.approx(90.0 / 30.0 * 0.2 * 5 * np.exp(-1.0), rel=1e-3)  # the limit of the Bateman function


def test_the_oscillator_starts_where_it_is_let_go_and_follows_newton() -> None:
    truth, conditions = {"frequency_hz": 0.7, "damping_ratio": 0.1}, {"start_m": 0.4}
    turn = 2 * np.pi * 0.7

    def slope(state: np.ndarray) -> np.ndarray:
        return np.array([state[1], -turn * turn * state[0] - 2 * 0.1 * turn * state[1]])

    seen = DampedOscillator().observed(truth, conditions, np.array([0.0, 2.3]))
    assert seen[0] == pytest.approx(0.4)
    assert seen[1] == pytest.approx(by_steps(slope, np.array([0.4, 0.0]), 2.3)[0], rel=1e-6)


def test_normal_draws_have_the_moments_of_the_bell() -> None:
    rng = unit_rng(5, 0)
    draws = np.array([normal(rng) for _ in range(20_000)])
    assert abs(draws.mean()) < 0.03
    assert abs(draws.std() - 1) < 0.03
    assert abs((draws**3).mean()) < 0.1
    assert abs((draws**4).mean() - 3) < 0.25


def test_priors_draw_what_they_say() -> None:
    rng = unit_rng(6, 0)
    lognormal = [Prior("a", "lognormal", 5.0, 0.4).drawn(rng) for _ in range(4000)]
    assert np.median(lognormal) == pytest.approx(5.0, rel=0.05)
    assert np.log(lognormal).std() == pytest.approx(0.4, rel=0.06)
    loguniform = [Prior("a", "loguniform", 0.1, 10.0).drawn(rng) for _ in range(4000)]
    assert min(loguniform) >= 0.1 and max(loguniform) <= 10.0
    assert np.median(loguniform) == pytest.approx(1.0, rel=0.15)
    narrow = [Prior("a", "uniform", 2.0, 4.0).drawn(rng, width=0.5) for _ in range(500)]
    assert min(narrow) >= 2.5 and max(narrow) <= 3.5


def test_without_noise_an_observation_is_exact_and_with_it_errors_have_the_spread_asked_for() -> None:
    clean = a_unit(noise_relative=0.0, noise_absolute=0.0)
    assert clean.annotations["observation"]["concentration_mg_per_l"] == clean.annotations["noiseless"]
    errors = []
    for index in range(150):
        facts = a_unit(index=index, noise_relative=0.2, noise_absolute=0.0).annotations
        seen, exact = facts["observation"]["concentration_mg_per_l"], facts["noiseless"]
        errors += [a / b - 1 for a, b in zip(seen, exact, strict=True) if b > 1e-3]
    assert np.std(errors) == pytest.approx(0.2, rel=0.08)


def test_missing_observations_are_null() -> None:
    seen = [
        value
        for index in range(50)
        for value in a_unit(index=index, missing_share=0.5).annotations["observation"]["concentration_mg_per_l"]
    ]
    assert 0.35 < sum(value is None for value in seen) / len(seen) < 0.65


class Cooling:
    """A cup of tea: a third party's forward model."""

    name, title = "cooling", "a cup that cools"
    priors: tuple[Prior, ...] = (Prior("rate_per_min", "lognormal", 0.05, 0.3),)
    observable, time, duration, scale, positive = "temperature_c", "time_min", 60.0, 50.0, True

    def conditions(self, rng: np.random.Generator) -> dict[str, Any]:
        return {"room_c": 15.0 + 10.0 * float(rng.random())}

    def observed(self, parameters: Mapping[str, float], conditions: Mapping[str, Any], times: Any) -> Any:
        gap = (90.0 - conditions["room_c"]) / (1.0 + parameters["rate_per_min"] * times)
        return conditions["room_c"] + gap


def test_a_third_party_adds_a_forward_model_in_a_few_lines() -> None:
    mine = InverseProblem([Cooling()], name="tea")
    unit = mine.unit(parse_params(mine, {"samples": 5}), 1, 2)
    assert set(unit.annotations["observation"]) == {"time_min", "temperature_c"}
    assert mine.name == "tea" and "cooling" in mine.description


def test_a_model_that_gives_nonsense_is_named() -> None:
    class Broken(Cooling):
        def observed(self, parameters: Any, conditions: Any, times: Any) -> Any:
            return np.full(times.shape, np.nan)

    mine = InverseProblem([Broken()], name="tea")
    with pytest.raises(BadUnit, match="cooling did not give 12 finite numbers"):
        mine.unit(parse_params(mine, {}), 1, 2)


def test_an_unknown_model_and_an_impossible_prior_are_refused() -> None:
    with pytest.raises(BadParameters, match="model"):
        parse_params(INVERSE_PROBLEM, {"model": "three-compartments"})
    with pytest.raises(BadUnit, match="cannot be uniform"):
        Prior("a", "uniform", 2.0, 1.0)


def test_its_floats_can_be_searched() -> None:
    assert {"prior_width", "noise_relative"} <= {tunable.name for tunable in search_space(INVERSE_PROBLEM)}


def test_the_forward_model_of_the_documentation_works() -> None:
    page = (Path(__file__).parents[2] / "docs" / "generators" / "inverse-problem.md").read_text("utf-8")
    namespace: dict[str, Any] = {}
    exec(page.split("```python")[1].split("```")[0], namespace)  # our own page
    tea = namespace["TEA"]
    facts = tea.unit(parse_params(tea, {}), 1, 0).annotations
    assert facts["noiseless"] == sorted(facts["noiseless"], reverse=True)
    assert 15 < min(facts["noiseless"]) < max(facts["noiseless"]) < 95
