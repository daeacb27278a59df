"""`neuromation products`: catalogues of products on this machine, from which shelves and photos are drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from neuromation.cli.commands import command, group, needing
from neuromation.cli.output import Output

app = group("Catalogues of products for shelves and product photos, on this machine.")


@command(app, "import", example="neuromation products import products.csv photos")
def import_products(
    out: Output,
    *,
    table: Annotated[
        Path, typer.Argument(metavar="CSV", help="One product a row; see docs/generators/retail-shelf.md.")
    ],
    images: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the photos lie; they stay there.")],
    quick: Annotated[
        bool, typer.Option("--quick", help="Look at the heads of photos alone, not at every pixel.")
    ] = False,
) -> None:
    """Check a catalogue, CSV and one photo a product, and index it; prints the name by which parameters call it."""
    with needing("synthetic"):
        from neuromation.synthetic.products.store import import_catalogue

        catalogue = import_catalogue(table, images, decode=not quick)
    facts: dict[str, Any] = {
        "catalogue": catalogue.reference,
        "products": len(catalogue),
        "classes": len(catalogue.names("class", len(catalogue))),
        "images": catalogue.images,
    }
    out.result(facts, lambda: out.facts([(name, str(value)) for name, value in facts.items()]))


@command(app, "list", alias="ls", example="neuromation products list")
def list_products(out: Output) -> None:
    """The catalogues that were imported here."""
    with needing("synthetic"):
        from neuromation.synthetic.products.store import imported_catalogues

        found = [
            {"catalogue": catalogue.reference, "products": len(catalogue), "images": str(catalogue.images)}
            for catalogue in imported_catalogues()
        ]
    rows = [(item["catalogue"], item["products"], item["images"]) for item in found]
    out.result({"catalogues": found}, lambda: out.table(("catalogue", "products>", "images"), rows))
