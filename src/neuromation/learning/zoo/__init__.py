"""The zoo: networks by name with their configurations, first weights and cards; refuses to know data and training.

Nothing here loads torch: the networks themselves are built late, from the modules of `zoo.networks`.
"""

from neuromation.learning.zoo.initial import initial_weights
from neuromation.learning.zoo.pictures import DigitsCnnConfig
from neuromation.learning.zoo.registry import get_model, list_models
from neuromation.learning.zoo.spec import (
    CLASS_NAME_MAX,
    CLASSES_MAX,
    Exporter,
    ModelConfig,
    ModelSpec,
    PictureConfig,
    Source,
    check_classes,
)

__all__ = [
    "CLASSES_MAX",
    "CLASS_NAME_MAX",
    "DigitsCnnConfig",
    "Exporter",
    "ModelConfig",
    "ModelSpec",
    "PictureConfig",
    "Source",
    "check_classes",
    "get_model",
    "initial_weights",
    "list_models",
]
