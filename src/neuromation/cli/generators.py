"""`neuromation generator`: what makes data, on a platform or installed here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from neuromation.cli.commands import Connection, ParamOption, command, group, needing, values_of
from neuromation.kernel.errors import Invalid

if TYPE_CHECKING:
    from neuromation.cli.output import Output
    from neuromation.synthetic import Generator

app = group("What makes data: list, show, preview.")

OfflineOption = Annotated[bool, typer.Option("--offline", help="What is installed here, without any platform.")]
GeneratorArgument = Annotated[
    str, typer.Argument(metavar="GENERATOR", help="Its name; see `neuromation generator list`.")
]


@command(app, "list", alias="ls", example="neuromation generator list --offline")
def list_generators(connection: Connection, offline: OfflineOption = False) -> None:
    """The generators that can be ordered from, or with --offline those installed here."""
    found = [_facts(g) for g in _installed()] if offline else [g.model_dump() for g in connection.client.generators()]
    rows = [
        (g["name"], g["version"], g["modality"], len(g["classes"]), g["cu_per_unit"], g.get("royalty_per_unit", ""))
        for g in found
    ]
    columns = ("generator", "version", "modality", "classes>", "CU per unit>", "royalty NTK>")
    connection.out.result({"generators": found}, lambda: connection.out.table(columns, rows))


@command(app, "show", example="neuromation generator show digits")
def show(connection: Connection, generator: GeneratorArgument, offline: OfflineOption = False) -> None:
    """One generator: its parameters with their ranges, its price, its licence."""
    facts = _facts(installed(generator)) if offline else connection.client.generator(generator).model_dump()
    connection.out.result(facts, lambda: _show(connection.out, facts))


@command(app, "price", example="neuromation generator price shades 0.0005")
def price(
    connection: Connection,
    generator: GeneratorArgument,
    royalty: Annotated[str, typer.Argument(metavar="NTK", help="For one unit, such as 0.0005; 0 gives it away.")],
) -> None:
    """Set what you take for a unit of a generator of yours. Quotes and orders that are out keep their price."""
    facts = connection.client.set_royalty(generator, royalty).model_dump()
    connection.out.result(facts, lambda: connection.out.say(f"{generator}: {facts['royalty_per_unit']} NTK a unit"))


@command(app, "preview", example="neuromation generator preview digits --seed 7 --param noise=0.5 --out digits.png")
def preview(
    connection: Connection,
    *,
    generator: GeneratorArgument,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="The same seed gives the same picture.")] = 0,
    param: ParamOption = None,
    units: Annotated[
        int | None,
        typer.Option("--units", "-n", min=1, max=1000, help="About so many samples; default: by their kind."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The PNG file; default: GENERATOR-preview.png.")
    ] = None,
    online: Annotated[
        bool, typer.Option("--online", help="Let the platform draw it; its parameters are the defaults.")
    ] = False,
) -> None:
    """A contact sheet of samples with their labels, as PNG: drawn here, or with --online by the platform.

    Small pictures lie side by side; samples with boxes, masks, depth, sound or frames have a row each, with a legend.
    """
    values = values_of(param)
    if online and values:
        raise Invalid("the platform draws with default parameters only; leave out --param or --online")
    data = (
        connection.client.preview(generator, seed=seed, units=min(units or 100, 100))
        if online
        else _drawn(generator, values, seed, units)
    )
    path = out or Path(f"{generator}-preview.png")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    connection.out.result({"path": path.resolve(), "bytes": len(data)}, lambda: connection.out.say(path))


def _drawn(generator: str, values: dict[str, Any], seed: int, units: int | None) -> bytes:
    with needing("synthetic"):
        from neuromation.synthetic import parse_params
        from neuromation.synthetic import preview as draw

        found = installed(generator)
        tiles = units or 120
        columns = min(12, tiles)
        params = parse_params(found, values)
        return draw(found, params, seed=seed, columns=columns, rows=-(-tiles // columns), units=units)


def installed(name: str) -> Generator:
    """The generator of that name that is installed here. Raises UnknownGenerator."""
    with needing("synthetic"):
        from neuromation.synthetic import get_generator

        return get_generator(name)


def _installed() -> list[Generator]:
    with needing("synthetic"):
        from neuromation.synthetic import list_generators as every

        return every()


def _facts(generator: Generator) -> dict[str, Any]:
    names = ("name", "version", "title", "description", "modality", "classes", "cu_per_unit")
    return {name: getattr(generator, name) for name in names} | {
        "parameters": generator.params_model.model_json_schema()
    }


def _show(out: Output, facts: dict[str, Any]) -> None:
    shown = ("title", "description", "modality", "cu_per_unit", "royalty_per_unit", "vendor", "licence")
    out.facts(
        [
            ("generator", f"{facts['name']}, version {facts['version']}"),
            *((name.replace("_", " "), facts[name]) for name in shown if name in facts),
            ("classes", ", ".join(facts["classes"][:40])),
        ]
    )
    parameters: dict[str, dict[str, Any]] = facts["parameters"].get("properties", {})
    told = ("type", "minimum", "maximum", "default", "description")
    rows = [(name, *(field.get(key, "") for key in told)) for name, field in parameters.items()]
    out.table(("parameter", "type", "from>", "to>", "default>", "what it does"), rows)
