"""What a shard says it was made with, and how that is spelled in its file; a claim until its units are made again.

Shards of plain pictures name no layers and no `image`: they are spelled as they were before there were any others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import BaseModel
from pydantic_core import from_json

from neuromation.kernel.hashing import canonical_json
from neuromation.synthetic.errors import BadShard, BadUnit
from neuromation.synthetic.generator import LAYERS_MAX, Generator, Layer

FORMAT = "neuromation-shard/1"
CLASSES_MAX = 100_000
RECIPE_BYTES_MAX = 16 * 2**20
MEANING_MAX = 2_000
WITHOUT_IMAGE = frozenset({"audio", "text", "table"})  # modalities whose units are no pictures


@dataclass(frozen=True)
class Recipe:
    """What a shard says it was made with.

    Attributes:
        generator, version, params, seed: what makes its units again.
        classes: what a label numbers.
        value_max: the brightest value of a pixel of an image, 1..255.
        layers: what its units have beside their image, in the generator's order.
        image: whether units may have an image; without, shards have no such column.
    """

    generator: str
    version: str
    params: dict[str, Any]
    seed: int
    classes: tuple[str, ...]
    value_max: int
    layers: tuple[Layer, ...] = ()
    image: bool = True

    def claim(self) -> dict[str, Any]:
        """The recipe as plain JSON."""
        found: dict[str, Any] = {**self.__dict__, "classes": list(self.classes)}
        found["layers"] = [asdict(layer) for layer in self.layers]
        if not self.layers:
            del found["layers"]
        if self.image:
            del found["image"]
        return found


def recipe_of(generator: Generator, params: BaseModel, seed: int) -> Recipe:
    """The recipe that shards of this generator carry."""
    return Recipe(
        generator=generator.name,
        version=generator.version,
        params=params.model_dump(mode="json"),
        seed=seed,
        classes=tuple(generator.classes_for(params)),
        value_max=generator.value_max,
        layers=tuple(generator.layers(params)),
        image=generator.modality not in WITHOUT_IMAGE,
    )


def same_recipe(recipe: Recipe, other: Recipe | Mapping[str, Any]) -> bool:
    """Tell whether two recipes describe the same data set; a mapping is one as `Recipe.claim` spells it."""
    claim = other.claim() if isinstance(other, Recipe) else dict(other)
    return canonical_json(recipe.claim()) == canonical_json({**claim, "classes": list(claim["classes"])})


def write_recipe(recipe: Recipe) -> bytes:
    """The recipe as it stands in a shard's metadata."""
    return canonical_json({"format": FORMAT, **recipe.claim()})


def read_recipe(text: bytes) -> Recipe:
    """A stranger's recipe, every field of it checked. Raises BadShard."""
    if len(text) > RECIPE_BYTES_MAX:
        raise BadShard(f"a shard's recipe takes at most {RECIPE_BYTES_MAX:,} bytes")
    try:
        claim = from_json(text, allow_inf_nan=False)
        found = claim.pop("format")
        layers = tuple(_layer(item) for item in claim.pop("layers", ()))
        recipe = Recipe(**{**claim, "classes": tuple(claim["classes"]), "layers": layers})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadShard("this Parquet file does not say which generator made it") from error
    except BadUnit as error:
        raise BadShard(f"a layer that this shard names cannot be: {error}") from error
    typed = (
        (recipe.generator, str),
        (recipe.version, str),
        (recipe.params, dict),
        (recipe.seed, int),
        (recipe.value_max, int),
        (recipe.image, bool),
    )
    if found != FORMAT or not all(isinstance(value, kind) for value, kind in typed):
        raise BadShard(f"this Parquet file is no shard of format {FORMAT}")
    names = recipe.classes
    if len(names) > CLASSES_MAX or not all(isinstance(name, str) for name in names) or not 1 <= recipe.value_max <= 255:
        raise BadShard("the classes or the values that this shard names are out of bounds")
    if len(layers) > LAYERS_MAX or len({layer.name for layer in layers}) < len(layers):
        raise BadShard(f"a shard has at most {LAYERS_MAX} layers, each of another name")
    return recipe


def _layer(item: dict[str, Any]) -> Layer:
    """One layer of a stranger's recipe. Raises BadUnit, TypeError, ValueError."""
    layer = Layer(**item)
    texts = (layer.name, layer.kind, layer.dtype, layer.meaning)
    rate = layer.rate_hz
    if not all(isinstance(text, str) for text in texts) or len(layer.meaning) > MEANING_MAX:
        raise ValueError("a layer is described by short texts")
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not math.isfinite(rate):
        raise ValueError("a layer's rate is a number")
    return layer
