"""Compiles every installed generator ahead of time, by drawing one unit of each: `python -m neuromation.synthetic.warm`."""

from __future__ import annotations

import sys
from collections.abc import Callable

from neuromation.kernel import machine_code
from neuromation.kernel.errors import NeuromationError
from neuromation.synthetic.formats.shard import pack_shard
from neuromation.synthetic.generator import list_generators, parse_params


def compile_generators(on_progress: Callable[[str, int, int], None] | None = None) -> dict[str, str]:
    """Make one unit of each installed generator; why not, by name, of those that cannot work here.

    The first time on a machine takes a minute or two, later ones a few seconds. `on_progress` is told the name, how many
    are done, and how many there are.
    """
    with machine_code.alone():
        return {} if machine_code.is_ready() else _compile(on_progress)


def _compile(on_progress: Callable[[str, int, int], None] | None) -> dict[str, str]:
    failures: dict[str, str] = {}
    generators = list_generators()
    for done, generator in enumerate(generators):
        if on_progress:
            on_progress(generator.name, done, len(generators))
        try:
            params = parse_params(generator, {})
            pack_shard([generator.unit(params, 0, 0)], generator=generator, params=params, seed=0)
        except NeuromationError as error:  # a program that it needs is not installed, say
            failures[generator.name] = error.message
    if on_progress:
        on_progress("", len(generators), len(generators))
    machine_code.note_ready()
    return failures


if __name__ == "__main__":
    sys.exit(bool(compile_generators()))
