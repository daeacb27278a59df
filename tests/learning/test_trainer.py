"""A training learns, repeats, and goes on after it was killed anywhere, in the same bits; wrong input gets its error."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from learning_builders import MODEL, some_symbols
from small_networks import CLASSIFIER, DETECTOR, LISTENER, SmallNetwork, some_objects, some_pictures, some_sounds

from neuromation.learning import engine
from neuromation.learning.augmentation import GENTLE, GENTLE_SOUND, Augment
from neuromation.learning.batches import fit_input
from neuromation.learning.checkpoints import FORMAT, Checkpoints
from neuromation.learning.errors import (
    BadCheckpoint,
    BadRecipe,
    BadWeights,
    OutOfMemory,
    TrainingDiverged,
    UnknownModel,
    WrongProblem,
)
from neuromation.learning.problem import Problem, Samples
from neuromation.learning.trainer import Fitted, Recipe, fit
from neuromation.learning.weights import Weights, weights_hash

RECIPE = Recipe(steps=9, batch_size=6, warmup_steps=2, clip_norm=1.0, average=0.9, augment=replace(GENTLE, mixup=0.2))


class Killed(Exception):
    pass


def killed_after(step: int) -> Any:
    def tell(done: int, loss: float, lr: float, samples_per_s: float) -> None:
        if done == step:
            raise Killed

    return tell


def equal(left: Weights, right: Weights) -> bool:
    return left.keys() == right.keys() and all(np.array_equal(left[name], right[name]) for name in left)


def share_right(network: SmallNetwork, fitted: Fitted, samples: Samples) -> float:
    """Of the samples, how many are answered rightly: the class, or a middle within two pixels."""
    import torch

    module = network.build(None, len(samples.classes))
    engine.load_weights(module, fitted.weights)
    module.eval()
    right = 0
    for made, target in zip(samples.inputs, samples.targets, strict=True):
        taken, place = fit_input(made, network.input_of(None), rate_hz=samples.rate_hz)
        with torch.inference_mode():
            answer = module.decode([out.numpy() for out in module(torch.from_numpy(taken)[None])])[0]
        answer = place.back(answer) if network.problem is Problem.DETECTION else answer
        if network.problem is Problem.DETECTION:
            middles = [b.xywh[0, :2] + b.xywh[0, 2:] / 2 for b in (answer, target)]
            right += bool(np.abs(middles[0] - middles[1]).max() < 2.5)
        else:
            right += int(np.argmax(answer)) == target
    return right / len(samples)


@pytest.mark.parametrize("kind", ["pictures", "objects", "sounds"])
def test_every_kind_of_network_learns(kind: str) -> None:
    network, make, knobs = {
        "pictures": (CLASSIFIER, some_pictures, Augment(shift=0.05, brightness=0.1)),
        "objects": (DETECTOR, some_objects, Augment(shift=0.05, brightness=0.1, flip_x=True)),
        "sounds": (LISTENER, some_sounds, replace(GENTLE_SOUND, shift_s=0.005, mask_frequency=0.02)),
    }[kind]
    recipe = Recipe(steps=90, batch_size=16, lr=1e-2, average=0.9, clip_norm=5.0, augment=knobs)
    fitted = fit(network, {}, make(160), recipe)
    assert fitted.history[-1].loss < fitted.history[0].loss
    assert share_right(network, fitted, make(60, seed=9)) > 0.9


def test_the_zoo_is_trained_by_name() -> None:
    images, labels = some_symbols(200)
    samples = Samples(Problem.CLASSIFICATION, list(images), [int(n) for n in labels], ("bar", "post", "corner"))
    fitted = fit(MODEL, {}, samples, Recipe(steps=3))
    assert engine.module_of(fitted.weights, MODEL, {}, samples.classes)


@pytest.mark.parametrize("bf16", [False, True])
def test_a_training_repeats_bit_by_bit(bf16: bool) -> None:
    first, again = (fit(CLASSIFIER, {}, some_pictures(20), replace(RECIPE, bf16=bf16)) for _ in range(2))
    assert equal(first.weights, again.weights)


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"lr": 1e-3}, {"augment": Augment()}, {"average": 0.0}, {"bf16": True}]
)
def test_another_recipe_gives_other_weights(change: dict[str, Any]) -> None:
    samples = some_pictures(20)
    plain, other = (fit(CLASSIFIER, {}, samples, recipe) for recipe in (RECIPE, replace(RECIPE, **change)))
    assert weights_hash(plain.weights) != weights_hash(other.weights)


@pytest.fixture(scope="module")
def unbroken() -> Fitted:
    return fit(CLASSIFIER, {}, some_pictures(20), RECIPE)


@settings(max_examples=8, deadline=None)
@given(
    kills=st.lists(st.integers(1, RECIPE.steps), max_size=3),
    every=st.integers(1, 5),
)
def test_a_run_that_was_killed_goes_on_to_the_same_bits(
    kills: list[int], every: int, unbroken: Fitted, tmp_path_factory: pytest.TempPathFactory
) -> None:
    keeping = Checkpoints(tmp_path_factory.mktemp("run"), every_steps=every)
    for step in kills:
        try:
            fit(CLASSIFIER, {}, some_pictures(20), RECIPE, checkpoints=keeping, tell=killed_after(step))
        except Killed:
            pass
    resumed = fit(CLASSIFIER, {}, some_pictures(20), RECIPE, checkpoints=keeping)
    assert equal(resumed.weights, unbroken.weights)
    assert [(e.step, e.loss, e.lr) for e in resumed.history] == [(e.step, e.loss, e.lr) for e in unbroken.history]


def test_a_finished_run_is_not_done_again(tmp_path: Path, unbroken: Fitted) -> None:
    keeping = Checkpoints(tmp_path)
    fit(CLASSIFIER, {}, some_pictures(20), RECIPE, checkpoints=keeping)
    told: list[int] = []
    again = fit(CLASSIFIER, {}, some_pictures(20), RECIPE, checkpoints=keeping, tell=lambda step, *_: told.append(step))
    assert not told and equal(again.weights, unbroken.weights)


def a_kept_run(folder: Path) -> Checkpoints:
    keeping = Checkpoints(folder, every_steps=2)
    fit(CLASSIFIER, {}, some_pictures(20), replace(RECIPE, steps=4), checkpoints=keeping)
    return keeping


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    keeping, recipe = a_kept_run(tmp_path), replace(RECIPE, steps=4)
    with pytest.raises(BadCheckpoint, match="another recipe"):
        fit(CLASSIFIER, {}, some_pictures(20), replace(recipe, lr=1e-3), checkpoints=keeping)
    with pytest.raises(BadCheckpoint, match="another set of samples"):
        fit(CLASSIFIER, {}, some_pictures(21), recipe, checkpoints=keeping)
    with pytest.raises(BadCheckpoint, match="another model"):
        fit(replace(CLASSIFIER, name="other"), {}, some_pictures(20), recipe, checkpoints=keeping)
    with pytest.raises(BadCheckpoint, match="another start"):
        start = fit(CLASSIFIER, {}, some_pictures(20), recipe).weights
        fit(CLASSIFIER, {}, some_pictures(20), recipe, start=start, checkpoints=keeping)


def test_a_checkpoint_of_another_version_is_refused(tmp_path: Path) -> None:
    keeping = a_kept_run(tmp_path)
    data = keeping.path.read_bytes()
    keeping.path.write_bytes(data.replace(FORMAT.encode(), b"neuromation-checkpoint/9"))
    with pytest.raises(BadCheckpoint, match=r"checkpoint/9.*finish the run with the version that began it"):
        fit(CLASSIFIER, {}, some_pictures(20), replace(RECIPE, steps=4), checkpoints=keeping)


@settings(max_examples=10, deadline=None)
@given(share=st.floats(0, 0.999), flip=st.booleans())
def test_a_damaged_checkpoint_is_refused(share: float, flip: bool, tmp_path_factory: pytest.TempPathFactory) -> None:
    keeping = a_kept_run(tmp_path_factory.mktemp("run"))
    data = bytearray(keeping.path.read_bytes())
    place = int(share * len(data))
    if flip:
        data[place] ^= 0xFF
    else:
        del data[place:]
    keeping.path.write_bytes(bytes(data))
    with pytest.raises(BadCheckpoint):
        fit(CLASSIFIER, {}, some_pictures(20), replace(RECIPE, steps=4), checkpoints=keeping)


def test_metrics_are_told_as_they_come(unbroken: Fitted) -> None:
    told: list[tuple[int, float, float, float]] = []
    fit(CLASSIFIER, {}, some_pictures(20), RECIPE, tell=lambda *entry: told.append(entry))
    assert [entry[:3] for entry in told] == [(e.step, e.loss, e.lr) for e in unbroken.history]
    assert [entry[0] for entry in told] == list(range(1, RECIPE.steps + 1))
    assert all(entry[3] > 0 for entry in told)


def test_the_learning_rate_rises_and_falls() -> None:
    recipe = Recipe(steps=100, lr=0.1, warmup_steps=9, lr_end_share=0.01)
    rates = [recipe.lr_at(step) for step in range(100)]
    assert np.argmax(rates) in (8, 9, 10) and rates[0] == pytest.approx(0.01, rel=0.01)
    assert rates[-1] == pytest.approx(0.001) and rates[10:] == sorted(rates[10:], reverse=True)


def test_a_start_is_trained_from_and_left_alone() -> None:
    start = fit(CLASSIFIER, {}, some_pictures(20), RECIPE).weights
    before = weights_hash(start)
    after = fit(CLASSIFIER, {}, some_pictures(20), Recipe(steps=1, lr=1e-6), start=start).weights
    assert weights_hash(start) == before
    assert max(float(np.abs(after[name] - start[name]).max()) for name in start if "running" not in name) < 1e-4


def test_the_process_is_as_before() -> None:
    import torch

    torch.manual_seed(4)
    first = torch.rand(3)
    torch.manual_seed(4)
    fit(CLASSIFIER, {}, some_pictures(8), Recipe(steps=1))
    assert torch.equal(torch.rand(3), first)
    assert not torch.are_deterministic_algorithms_enabled()


def test_training_that_diverges_says_so_and_keeps_the_last_good_state(tmp_path: Path) -> None:
    start = fit(CLASSIFIER, {}, some_pictures(20), Recipe(steps=1)).weights
    broken = {name: np.full_like(array, 9e5) for name, array in start.items()}
    with pytest.raises(TrainingDiverged, match="lower the learning rate"):
        fit(CLASSIFIER, {}, some_pictures(20), RECIPE, start=broken, checkpoints=Checkpoints(tmp_path, every_steps=1))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")]
)
def test_too_little_memory_says_what_to_lower(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("neuromation.learning.trainer._Run._step", fail)
    with pytest.raises(OutOfMemory, match=r"batch of 6 samples; lower batch_size \(3, say\)"):
        fit(CLASSIFIER, {}, some_pictures(20), RECIPE)


def test_what_does_not_belong_together_is_refused() -> None:
    with pytest.raises(WrongProblem):
        fit(DETECTOR, {}, some_pictures(4), RECIPE)
    with pytest.raises(UnknownModel):
        fit("digits-rnn", {}, some_pictures(4), RECIPE)
    start = fit(CLASSIFIER, {}, some_pictures(4), Recipe(steps=1)).weights
    three = replace(some_pictures(4), classes=("red", "blue", "green"))
    with pytest.raises(BadWeights, match="head"):
        fit(CLASSIFIER, {}, three, RECIPE, start=start)


@pytest.mark.parametrize(
    "change",
    [
        {"steps": 0},
        {"steps": 2.5},
        {"batch_size": 0},
        {"lr": 0.0},
        {"lr": float("nan")},
        {"average": 1.0},
        {"seed": -1},
        {"clip_norm": -1.0},
    ],
)
def test_a_recipe_out_of_range_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(BadRecipe):
        replace(RECIPE, **change)


def test_a_recipe_survives_json() -> None:
    assert Recipe.from_json(RECIPE.to_json()) == RECIPE
    assert Recipe.from_json({"steps": 5, "augment": {"zoom": [0.5, 2]}}).augment.zoom == (0.5, 2)


@pytest.mark.parametrize(
    "data", [{}, {"steps": "many"}, {"steps": 5, "wings": 2}, {"steps": 5, "augment": {"wings": 2}}, {"steps": None}]
)
def test_a_recipe_of_another_form_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(BadRecipe):
        Recipe.from_json(data)
