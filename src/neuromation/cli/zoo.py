"""`neuromation model zoo` and `import-weights`: architectures, and weights that others trained. Works offline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from neuromation.cli.commands import command, needing, values_of
from neuromation.cli.models import ConfigOption, SeedOption, app
from neuromation.cli.output import Output
from neuromation.kernel.errors import Conflict, Invalid

if TYPE_CHECKING:
    from neuromation.learning.pretrained import Imported
    from neuromation.learning.zoo.card import ArchitectureCard

_CLASSES_FILE_MAX_BYTES = 1024 * 1024


@command(app, "zoo", example="neuromation model zoo mobilenet-v3-small --measure")
def zoo(
    out: Output,
    *,
    name: Annotated[str | None, typer.Argument(metavar="[NETWORK]", help="Its card; without it, all networks.")] = None,
    config: ConfigOption = None,
    classes: Annotated[int, typer.Option(min=2, max=1000, help="Of the card.")] = 10,
    measure: Annotated[
        bool, typer.Option("--measure", help="Run it here: milliseconds for one input, in torch and in ONNX Runtime.")
    ] = False,
) -> None:
    """The networks that can be trained, or the card of one: input, output, size, latency, licence, paper."""
    if name is None:
        if config or measure:
            raise Invalid("--config and --measure are about one network; name it")
        _show_all(out)
        return
    with needing("learning"):
        from neuromation.learning.zoo.card import architecture_card

        card = architecture_card(name, values_of(config, option="--config"), classes=classes, measure=measure)
    out.result(card.to_json(), lambda: _show_card(out, card))


def _show_all(out: Output) -> None:
    from neuromation.learning.zoo import list_models

    found = list_models()
    value = [
        {
            "name": spec.name,
            "title": spec.title,
            "problem": spec.problem.value,
            "family": spec.family,
            "licence": spec.licence,
            "library": spec.source.library,
            "paper": spec.source.paper,
            "url": spec.source.url,
            "input": spec.input_description,
            "output": spec.output_description,
            "cu_per_sample": spec.cu_per_sample,
            "exporter": spec.exporter.value,
            "pretrained": spec.pretrained,
            "config": spec.config_model.model_json_schema(),
        }
        for spec in found
    ]
    rows = [(spec.name, spec.problem.value, spec.family, spec.licence, f"{spec.cu_per_sample:g}") for spec in found]
    columns = ("network", "problem", "family", "licence", "CU per sample>")
    out.result({"networks": value}, lambda: out.table(columns, rows))


def _show_card(out: Output, card: ArchitectureCard) -> None:
    settings = ", ".join(f"{key}={json.dumps(value)}" for key, value in card.config.items())
    facts: list[tuple[str, Any]] = [
        ("network", card.name),
        ("title", card.title),
        ("problem", card.problem),
        ("input", f"{card.input}; one is {card.input_shape}"),
        ("output", card.output),
        ("settings", settings),
        ("parameters", f"{card.parameters:,} for {card.classes} classes"),
        ("size", f"{card.bytes / 1e6:.1f} MB as float32"),
        ("cost", f"{card.cu_per_sample:g} CU a sample and step"),
        ("licence", f"{card.licence} ({card.library})"),
        ("paper", f"{card.paper}, {card.url}"),
        ("ONNX", f"{card.exporter} exporter" + (f"; {card.export_note}" if card.export_note else "")),
        ("published weights", card.pretrained or "none"),
    ]
    if card.latency is not None:
        latency = card.latency
        facts.append(("torch", f"{latency.torch_ms:g} ms, slowest {latency.torch_worst_ms:g} ms"))
        facts.append(("ONNX Runtime", f"{latency.onnx_ms:g} ms, slowest {latency.onnx_worst_ms:g} ms"))
        facts.append(("measured", f"here, {latency.runs} times one input on one thread"))
    out.facts(facts)


@command(
    app,
    "import-weights",
    example="neuromation model import-weights resnet18.pth --model resnet18 --classes cat,dog --licence BSD-3-Clause --out net",
)
def import_weights(
    out: Output,
    *,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="safetensors, a torch state dict, or ONNX.")],
    model: Annotated[str, typer.Option("--model", help="A network of the zoo; see `neuromation model zoo`.")],
    classes: Annotated[str, typer.Option(help="Names with commas between, or a file with one a line.")],
    licence: Annotated[str, typer.Option(help="Of these weights: an SPDX id such as BSD-3-Clause.")],
    folder: Annotated[Path, typer.Option("--out", "-o", help="The model's folder, which must not exist.")],
    sha256: Annotated[str | None, typer.Option(help="What the publisher states; another file is refused.")] = None,
    source: Annotated[str, typer.Option(help="Where they come from, for the record.")] = "",
    config: ConfigOption = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Take what fits and draw the rest anew, instead of refusing.")
    ] = False,
    seed: SeedOption = 0,
) -> None:
    """Take over weights that others trained: checked, mapped to our names, with a new last layer for other classes.

    The result is a model's folder like any other; train it further with `neuromation model fit --start`.
    """
    with needing("learning"):
        from neuromation.learning.export import export_model, write_model
        from neuromation.learning.pretrained import import_weights as imported
        from neuromation.learning.pretrained import read_pretrained

        if folder.exists():
            raise Conflict(f"{folder} exists; name a new folder")
        names, settings = _class_names(classes), values_of(config, option="--config")
        read = read_pretrained(file, sha256=sha256)
        found = imported(read, model, settings, names, licence=licence, source=source, seed=seed, partial=partial)
        card = {"title": f"{model} with weights of {read.name}", "licence": licence, "pretrained": found.origin}
        files = export_model(found.weights, model, settings, names, card=card)
    write_model(folder, files)
    out.result({"folder": folder.resolve(), **found.origin}, lambda: _show_import(out, folder, found))


def _class_names(text: str) -> list[str]:
    path = Path(text)
    if "," not in text and path.is_file():
        if path.stat().st_size > _CLASSES_FILE_MAX_BYTES:
            raise Invalid(f"{path.name} is larger than {_CLASSES_FILE_MAX_BYTES} bytes; it is no list of classes")
        parts = path.read_text(encoding="utf-8").splitlines()
    else:
        parts = text.split(",")
    return [part.strip() for part in parts if part.strip()]


def _show_import(out: Output, folder: Path, found: Imported) -> None:
    origin = found.origin
    out.facts(
        [
            ("folder", str(folder)),
            ("file", f"{origin['file']}, {origin['format']}, sha256 {origin['sha256']}"),
            ("licence", origin["licence"]),
            ("taken", f"{len(found.taken)} tensors"),
            ("last layer drawn anew", ", ".join(found.head) or "no"),
            ("drawn anew", ", ".join(found.drawn) or "none"),
            ("left out", ", ".join(found.left_out) or "none"),
        ]
    )
