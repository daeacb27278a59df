"""Deltas survive compression, strangers' deltas are checked, and no liar turns the outer step."""

from __future__ import annotations

import itertools
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from learning_builders import some_weights

from neuromation.learning.diloco import (
    CLIP,
    applied,
    compress_delta,
    decompress_delta,
    delta_bytes_max,
    delta_of,
    learning_rates,
    outer_step,
    residual_after,
    settled,
)
from neuromation.learning.errors import BadDelta, BadRecipe, BadWeights
from neuromation.learning.weights import REPLAY_TOLERANCE, Weights, difference, norm, relative_distance

SEEDS = st.integers(0, 10_000)
LIES = st.sampled_from([-1e6, -1e3, -1.0, 0.0, 1e-3, 30.0, 1e6])
PREFIX = 8 + 32  # magic and layout


def scaled(weights: Weights, factor: float) -> Weights:
    return {name: np.asarray(array * np.float32(factor)) for name, array in weights.items()}


def constant(like: Weights, value: float) -> Weights:
    return {name: np.full_like(array, value) for name, array in like.items()}


def close(left: Weights, right: Weights, *, within: float = 1e-5) -> bool:
    return all(np.allclose(left[name], right[name], atol=within, rtol=within) for name in left)


@given(SEEDS, st.floats(1e-6, 1e3))
def test_decompressing_is_within_half_a_level_of_the_delta(seed: int, size: float) -> None:
    delta = scaled(some_weights(seed=seed), size)
    read = decompress_delta(compress_delta(delta), delta)
    for name, values in delta.items():
        assert np.max(np.abs(read[name] - values)) <= 0.501 * np.max(np.abs(values)) / 127


@given(SEEDS, st.floats(0.05, 0.95))
def test_a_sparse_delta_keeps_the_largest_values_and_drops_the_others(seed: int, keep: float) -> None:
    delta = some_weights(seed=seed, tensors={"a": (20, 10)})
    read = decompress_delta(compress_delta(delta, keep=keep), delta)["a"].ravel()
    order = np.argsort(-np.abs(delta["a"].ravel()))
    kept = round(keep * 200)
    assert np.all(read[order[kept:]] == 0)
    assert np.allclose(read[order[:kept]], delta["a"].ravel()[order[:kept]], atol=0.02)


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.floats(0.05, 1.0))
def test_error_feedback_sends_everything_in_the_long_run(seed: int, keep: float) -> None:
    delta = some_weights(seed=seed)
    residual, sent, rounds = None, constant(delta, 0.0), 40
    for _ in range(rounds):
        data = compress_delta(delta, residual, keep=keep)
        residual = residual_after(delta, data, residual)
        sent = {name: sent[name] + array for name, array in decompress_delta(data, delta).items()}
    mean = scaled(sent, 1 / rounds)
    # What is still owed stays bounded, so the mean error falls with the number of rounds.
    assert norm(difference(mean, delta)) <= norm(delta) * 2 / (keep * rounds)


def test_a_delta_of_zeros_stays_zero() -> None:
    zeros = constant(some_weights(), 0.0)
    assert close(decompress_delta(compress_delta(zeros), zeros), zeros, within=0)


def test_a_full_delta_takes_a_byte_a_value() -> None:
    delta = some_weights(tensors={"a": (300, 100)})
    assert len(compress_delta(delta)) < 30_000
    assert len(compress_delta(delta, keep=0.1)) < 7_000


@given(st.binary(max_size=200))
def test_random_bytes_are_no_delta(data: bytes) -> None:
    with pytest.raises(BadDelta):
        decompress_delta(data, some_weights())


@given(st.binary(max_size=120))
def test_a_right_header_with_random_content_is_refused_or_in_range(body: bytes) -> None:
    reference = some_weights(tensors={"a": (8, 8)})
    data = compress_delta(reference)[:PREFIX] + zlib.compress(body)
    try:
        read = decompress_delta(data, reference)
    except BadDelta:
        return
    assert np.all(np.isfinite(read["a"]))


@pytest.mark.parametrize("cut", [1, 5, 30])
def test_a_truncated_delta_is_refused(cut: int) -> None:
    delta = some_weights()
    with pytest.raises(BadDelta):
        decompress_delta(compress_delta(delta)[:-cut], delta)


def test_a_delta_with_bytes_behind_it_is_refused() -> None:
    delta = some_weights()
    with pytest.raises(BadDelta):
        decompress_delta(compress_delta(delta) + b"x", delta)


def test_a_delta_of_another_network_is_refused() -> None:
    with pytest.raises(BadDelta, match="no delta of this network"):
        decompress_delta(compress_delta(some_weights()), some_weights(tensors={"a.weight": (6, 5)}))


def test_a_bomb_is_refused_without_unpacking_it() -> None:
    reference = some_weights()
    bomb = compress_delta(reference)[:PREFIX] + zlib.compress(b"\x00" * 200_000, 9)
    assert len(bomb) < delta_bytes_max(reference)
    with pytest.raises(BadDelta, match="longer"):
        decompress_delta(bomb, reference)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e7])
def test_a_delta_that_diverged_cannot_be_sent(value: float) -> None:
    with pytest.raises(BadDelta, match="diverged"):
        compress_delta({"a": np.array([value, 1.0], np.float32)})


@pytest.mark.parametrize("keep", [0.0, -1.0, 1.5])
def test_the_share_that_is_kept_must_be_a_share(keep: float) -> None:
    with pytest.raises(BadRecipe):
        compress_delta(some_weights(), keep=keep)


@given(SEEDS, st.integers(1, 4))
def test_who_has_the_start_and_the_deltas_has_the_bits_of_every_checkpoint(seed: int, segments: int) -> None:
    start = before = some_weights(seed=seed)
    sent: list[bytes] = []
    for segment in range(1, segments + 1):
        after = some_weights(seed=seed + segment)
        data, end = settled(before, after)
        sent.append(data)
        assert all(np.array_equal(end[name], value) for name, value in applied(start, *sent).items())
        assert relative_distance(end, after, start=before) < 0.02  # the grid of the delta
        before = end


@given(SEEDS)
def test_who_trains_as_other_processors_do_settles_within_the_tolerance_of_an_audit(seed: int) -> None:
    before, after = some_weights(seed=seed), some_weights(seed=seed + 1)
    noise = scaled(difference(some_weights(seed=seed + 2), before), 2e-5)
    ends = [settled(before, one)[1] for one in (after, difference(after, noise))]
    assert relative_distance(ends[1], ends[0], start=before) < REPLAY_TOLERANCE


def test_a_way_out_of_range_is_refused() -> None:
    start = constant(some_weights(), 9e5)
    with pytest.raises(BadWeights, match="over 1e"):
        applied(start, compress_delta(constant(start, -2e5)))
    with pytest.raises(BadDelta):
        applied(start, b"nonsense")


@given(SEEDS, st.integers(1, 6), st.sampled_from(["mean", "median", "trimmed-mean"]))
def test_equal_deltas_without_momentum_are_one_plain_step(seed: int, replicas: int, robust: str) -> None:
    start, end = some_weights(seed=seed), some_weights(seed=seed + 1)
    deltas = [delta_of(start, end)] * replicas
    weights, _ = outer_step(start, deltas, lr=1.0, momentum=0.0, robust=robust)  # type: ignore[arg-type]
    assert close(weights, end)


@given(SEEDS, st.integers(2, 5), st.sampled_from(["mean", "median", "trimmed-mean"]))
def test_the_order_of_replicas_does_not_matter(seed: int, replicas: int, robust: str) -> None:
    start = some_weights(seed=seed)
    deltas = [some_weights(seed=seed + 1 + k) for k in range(replicas)]
    results = [
        outer_step(start, list(order), robust=robust)[0]  # type: ignore[arg-type]
        for order in itertools.islice(itertools.permutations(deltas), 6)
    ]
    assert all(np.array_equal(results[0][name], other[name]) for other in results for name in start)


def test_momentum_is_nesterovs() -> None:
    start, delta = {"a": np.array([1.0], np.float32)}, {"a": np.array([0.5], np.float32)}
    first, state = outer_step(start, [delta], lr=0.7, momentum=0.9)
    second, state = outer_step(first, [delta], state, lr=0.7, momentum=0.9)
    assert state["a"][0] == pytest.approx(0.9 * 0.5 + 0.5)
    assert first["a"][0] == pytest.approx(1.0 - 0.7 * (0.5 + 0.9 * 0.5))
    assert second["a"][0] == pytest.approx(first["a"][0] - 0.7 * (0.5 + 0.9 * 0.95))


@given(SEEDS, st.integers(3, 8), LIES, st.sampled_from(["median", "trimmed-mean"]))
def test_a_liar_among_three_or_more_stays_between_the_honest(seed: int, replicas: int, lie: float, robust: str) -> None:
    start = some_weights(seed=seed)
    honest = [some_weights(seed=seed + 1 + k) for k in range(replicas - 1)]
    deltas = [*honest, constant(start, lie)]
    weights, _ = outer_step(start, deltas, lr=1.0, momentum=0.0, robust=robust)  # type: ignore[arg-type]
    for name, array in weights.items():
        step = start[name] - array
        stacked = np.stack([delta[name] for delta in honest])
        assert np.all(step >= stacked.min(axis=0) - 1e-4)
        assert np.all(step <= stacked.max(axis=0) + 1e-4)


@given(SEEDS, LIES)
def test_a_liar_of_two_moves_the_weights_no_further_than_clipping_allows(seed: int, lie: float) -> None:
    start, honest = some_weights(seed=seed), some_weights(seed=seed + 1)
    weights, _ = outer_step(start, [honest, constant(start, lie)], lr=1.0, momentum=0.0)
    assert norm(difference(start, weights)) <= norm(honest) * (1 + CLIP) / 2 * 1.001 + 1e-3


@given(SEEDS, st.floats(0.0, 1e3))
def test_a_liar_of_two_can_waste_a_round_but_hardly_turn_it(seed: int, size: float) -> None:
    start, honest = some_weights(seed=seed), some_weights(seed=seed + 1)
    weights, _ = outer_step(start, [honest, scaled(honest, -size)], lr=1.0, momentum=0.0)
    step = difference(start, weights)
    along = sum(float(np.sum(step[name] * honest[name])) for name in step) / norm(honest) ** 2
    assert along >= -(CLIP - 1) / 2 - 1e-3


def test_a_delta_of_zeros_from_one_of_two_cannot_stop_a_running_training() -> None:
    start, honest = some_weights(seed=1), some_weights(seed=2)
    _, state = outer_step(start, [honest, honest])
    weights, _ = outer_step(start, [honest, constant(start, 0.0)], state, lr=1.0, momentum=0.0)
    assert norm(difference(start, weights)) > 0.06 * norm(honest)


def test_a_delta_that_is_not_finite_is_refused() -> None:
    start = some_weights()
    with pytest.raises(BadWeights):
        outer_step(start, [constant(start, float("nan"))])


@pytest.mark.parametrize("wrong", [{"lr": 0.0}, {"lr": 3.0}, {"momentum": 1.0}, {"momentum": -0.1}])
def test_an_outer_step_out_of_range_is_refused(wrong: dict[str, float]) -> None:
    start = some_weights()
    with pytest.raises(BadRecipe):
        outer_step(start, [start], **wrong)  # type: ignore[arg-type]


def test_an_outer_step_without_deltas_is_refused() -> None:
    with pytest.raises(BadRecipe):
        outer_step(some_weights(), [])


@given(st.integers(1, 20))
def test_learning_rates_of_rounds_join_and_fall(rounds: int) -> None:
    rates = learning_rates(0.01, rounds=rounds)
    assert rates[0][0] == 0.01
    assert rates[-1][1] == pytest.approx(0.0005)
    assert all(end == begin for (_, end), (begin, _) in itertools.pairwise(rates))
    assert all(begin > end for begin, end in rates)


NORMALISED = {"a.weight": (4, 3), "n.running_mean": (6,), "n.running_var": (6,)}


def test_statistics_of_normalisation_are_sent_as_they_are() -> None:
    delta = some_weights(tensors=NORMALISED)
    delta["n.running_var"][:] = [1e4, 1e-6, 0.0, -3e-5, 2.0, 1.0]
    sent = decompress_delta(compress_delta(delta, keep=0.1), delta)
    assert np.array_equal(sent["n.running_var"], delta["n.running_var"])
    assert np.array_equal(sent["n.running_mean"], delta["n.running_mean"])
    assert not np.array_equal(sent["a.weight"], delta["a.weight"])
    assert len(compress_delta(delta)) < delta_bytes_max(delta)


@given(st.floats(width=32))
def test_a_statistic_that_is_no_number_is_refused(value: float) -> None:
    delta = some_weights(tensors={"n.running_var": (2,)})
    data = compress_delta(delta)
    body = bytearray(zlib.decompress(data[PREFIX:]))
    body[-4:] = np.float32(value).tobytes()
    forged = data[:PREFIX] + zlib.compress(bytes(body), 6)
    if np.isfinite(value) and abs(value) <= 1e6:
        assert decompress_delta(forged, delta)["n.running_var"][1] == np.float32(value)
    else:
        with pytest.raises(BadDelta, match="finite"):
            decompress_delta(forged, delta)


@given(SEEDS, st.floats(0.1, 0.9))
def test_a_variance_is_never_led_below_zero(seed: int, momentum: float) -> None:
    start = {"n.running_var": np.array([1e-3, 2.0], np.float32)}
    weights, velocity = outer_step(start, [some_weights(seed=seed, tensors={"n.running_var": (2,)})] * 3)
    weights, _ = outer_step(weights, [constant(start, 0.01)] * 3, velocity, momentum=momentum)
    assert (weights["n.running_var"] >= 0).all()
