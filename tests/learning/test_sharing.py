"""A batch is shared only where the mean of the parts is the whole."""

from __future__ import annotations

import pytest
import torch
from learning_builders import CLASSES, MODEL, symbol_samples
from small_networks import CLASSIFIER, PICTURES, some_pictures

from neuromation.kernel.rng import unit_rng
from neuromation.learning import engine
from neuromation.learning.batches import batch
from neuromation.learning.sharing import Share
from neuromation.learning.zoo import get_model, initial_weights


@pytest.mark.parametrize("count", [1, 2, 3, 16])
def test_a_network_whose_samples_never_meet_is_shared(count: int) -> None:
    module = engine.module_of(initial_weights(MODEL, {}, CLASSES, 1), MODEL, {}, CLASSES).train()
    taken = get_model(MODEL).input_of(get_model(MODEL).check_config({}))
    inputs, targets = batch(symbol_samples(9), range(9), taken, rng=unit_rng(0, 0))
    assert Share(0, count).divides(module, torch.from_numpy(inputs), targets, seed=1)


def test_batch_normalisation_and_dropout_are_not_shared_and_nothing_is_changed_by_trying() -> None:
    module = CLASSIFIER.build(None, 2).train()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    inputs, targets = batch(some_pictures(8), range(8), PICTURES, rng=unit_rng(0, 0))
    assert not Share(0, 2).divides(module, torch.from_numpy(inputs), targets, seed=1)
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
