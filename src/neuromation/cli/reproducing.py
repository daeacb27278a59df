"""`neuromation model reproduce`: a delivered model made again from its lineage, and compared."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from neuromation.cli.commands import command, needing
from neuromation.cli.models import app
from neuromation.cli.output import Output
from neuromation.kernel.errors import Invalid, NeuromationError

if TYPE_CHECKING:
    from neuromation.learning.problem import Samples


class NotReproduced(NeuromationError):
    """A model's weights are not those that its lineage leads to."""


@command(app, "reproduce", example="neuromation model reproduce digits-net")
def reproduce(
    out: Output,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A downloaded model.")],
) -> None:
    """Make a downloaded model again from its lineage, here, and compare the weights.

    Its data set is generated again, and must lead to the Merkle root of the lineage; then every round is trained again. On
    the same kind of processor the weights come out equal; on others they come out so near that no cheat does.
    """
    with needing("learning"), needing("synthetic"):
        from neuromation.learning.export import load_exported
        from neuromation.learning.gathering import joined
        from neuromation.learning.rounds import REPRODUCED_WITHIN, Course, replay
        from neuromation.learning.weights import relative_distance, weights_hash
        from neuromation.learning.zoo import initial_weights

        held = load_exported(folder)
        lineage = held.facts.get("lineage", {})
        if "recipe" not in lineage or "rounds" not in lineage.get("training", {}):
            raise Invalid(f"{folder} does not tell how its data and weights were made; only ordered models do")
        course = Course.from_json(lineage["training"])
        shards = _made_again(out, lineage["recipe"], held)
        parts = [joined(course.shards_of(replica, shards[:-1])) for replica in range(course.replicas)]
        with out.bar("training again", course.rounds * course.replicas, "tasks") as update:
            weights = replay(held.model, held.config, course, parts, tell=lambda done, _: update(done))
        start = initial_weights(held.model, held.config, held.classes, course.seed)
        apart = relative_distance(held.weights, weights, start=start)
        equal = weights_hash(weights) == weights_hash(held.weights)
    verdict = "equal" if equal else "as near as rounding" if apart <= REPRODUCED_WITHIN else "NOT the same"
    value = {"folder": folder.resolve(), "equal": equal, "distance": apart, "within": REPRODUCED_WITHIN}
    facts = [
        ("model", folder.resolve()),
        ("verdict", verdict),
        ("distance", f"{apart:.2g} of the way that the weights went"),
    ]
    out.result(value, lambda: out.facts(facts))
    if apart > REPRODUCED_WITHIN and not equal:
        raise NotReproduced(f"{folder} is not what its lineage leads to; do not trust it, and tell its vendor")


def _made_again(out: Output, recipe: Mapping[str, Any], held: Any) -> list[Samples]:
    """The samples of each shard of a data set, when its units lead to the recipe's Merkle root."""
    from neuromation.cli.sample_sets import samples_made
    from neuromation.kernel.hashing import merkle_root
    from neuromation.synthetic import get_generator, parse_params, unit_hash

    generator = get_generator(recipe["generator"], recipe["version"])
    params = parse_params(generator, recipe["params"])
    leaves: list[str] = []
    shards = []
    with out.bar("generating again", recipe["units"], "units") as update:
        for first in range(0, recipe["units"], recipe["shard_units"]):
            count = min(recipe["shard_units"], recipe["units"] - first)
            units = [generator.unit(params, recipe["seed"], index) for index in range(first, first + count)]
            leaves += [unit_hash(unit) for unit in units]
            shards.append(samples_made(generator, params, units, held.problem, held.input))
            update(first + count)
    if merkle_root(leaves) != recipe["merkle_root"]:
        raise NotReproduced(
            "the data set of the lineage comes out with another Merkle root; it was not made by its recipe"
        )
    return shards
