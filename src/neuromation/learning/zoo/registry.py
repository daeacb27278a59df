"""The registry of networks by name; refuses to know what they are made of."""

from __future__ import annotations

from neuromation.learning.errors import UnknownModel
from neuromation.learning.zoo import detection, pictures, segmentation, sounds
from neuromation.learning.zoo.spec import ModelSpec

_MODELS = {spec.name: spec for spec in (*pictures.SPECS, *detection.SPECS, *segmentation.SPECS, *sounds.SPECS)}


def get_model(name: str) -> ModelSpec:
    """The registered network of that name. Raises UnknownModel."""
    spec = _MODELS.get(name)
    if spec is None:
        raise UnknownModel(f"there is no model {name[:60]!r}; there are {', '.join(sorted(_MODELS))}")
    return spec


def list_models() -> list[ModelSpec]:
    """Every registered network, by name."""
    return [_MODELS[name] for name in sorted(_MODELS)]
