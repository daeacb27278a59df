"""Beginning from another model's weights, and normalisation fitted to unlabelled real samples; knows no generator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neuromation.learning.errors import BadRecipe, BadWeights
from neuromation.learning.weights import Array, Weights

if TYPE_CHECKING:
    from neuromation.learning.problem import Samples
    from neuromation.learning.trainer import Network

_BATCH = 64


@dataclass(frozen=True, slots=True)
class WarmStart:
    """Weights to begin with, and the names of tensors that were taken and of those that stay as drawn."""

    weights: Weights
    taken: tuple[str, ...]
    drawn: tuple[str, ...]


def warm_start(source: Mapping[str, Array], fresh: Mapping[str, Array]) -> WarmStart:
    """As many tensors of another model as fit: same name and shape; the others stay as they are in `fresh`.

    A model of other classes gives all but its last layer. `fresh` are the network's own initial weights
    (`zoo.initial_weights`).

    Raises BadWeights when nothing fits: then it is another network.
    """
    taken = tuple(name for name in sorted(fresh) if name in source and source[name].shape == fresh[name].shape)
    if not taken:
        raise BadWeights("no tensor of the other model has the name and shape of one of this network's; start afresh")
    weights = {name: np.array(source[name] if name in taken else fresh[name], np.float32) for name in fresh}
    return WarmStart(weights, taken, tuple(name for name in sorted(fresh) if name not in taken))


def warm_start_from_folder(folder: str, fresh: Mapping[str, Array]) -> WarmStart:
    """The same from the folder of a downloaded model. Raises BadExport, BadWeights."""
    from neuromation.learning.export import load_exported

    return warm_start(load_exported(folder).weights, fresh)


def with_real_statistics(
    model: str | Network,
    config: Mapping[str, object],
    weights: Mapping[str, Array],
    unlabelled: Samples,
    *,
    share: float = 1.0,
) -> Weights:
    """Weights whose batch normalisation knows real samples: AdaBN (Li et al., "Revisiting batch normalization for
    practical domain adaptation", 2016).

    Means and variances of every BatchNorm layer are measured anew on `unlabelled`, whose targets are not looked at,
    and blended into the old ones.

    Args:
        model, config, weights: a trained network.
        unlabelled: some tens of real samples.
        share: of the new statistics; 0 changes nothing.

    Raises:
        BadRecipe: a share outside of 0..1.
        BadWeights: the weights are another network's, or it has no batch normalisation.
    """
    import torch

    from neuromation.learning import batches, engine
    from neuromation.learning.zoo import get_model

    if not 0.0 <= share <= 1.0:
        raise BadRecipe(f"the share of real statistics is 0..1, not {share}")
    network: Network = get_model(model) if isinstance(model, str) else model
    settings = network.check_config(config)
    module = network.build(settings, len(unlabelled.classes))
    engine.load_weights(module, weights)
    layers = _normalisers(module)
    if not layers:
        raise BadWeights("this network has no batch normalisation, so there is nothing to measure anew")
    old = [(layer.running_mean.clone(), layer.running_var.clone()) for layer in layers]
    module.eval()
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # a plain mean over batches
        layer.train()
    spec = network.input_of(settings)
    with torch.inference_mode():
        for first in range(0, len(unlabelled), _BATCH):
            part = unlabelled.inputs[first : first + _BATCH]
            fitted = [batches.fit_input(made, spec, rate_hz=unlabelled.rate_hz)[0] for made in part]
            module(torch.from_numpy(np.stack(fitted)))
        for layer, (mean, variance) in zip(layers, old, strict=True):
            between = share * (1.0 - share) * (layer.running_mean - mean).square()
            layer.running_var.mul_(share).add_(variance, alpha=1.0 - share).add_(between)
            layer.running_mean.mul_(share).add_(mean, alpha=1.0 - share)
    return engine.weights_of(module)


def _normalisers(module: Any) -> list[Any]:
    from torch import nn

    kinds = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
    return [layer for layer in module.modules() if isinstance(layer, kinds) and layer.track_running_stats]
