"""A model's card: Markdown with Hugging Face front matter; owns its words, refuses to compute what it states."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

FACT_MAX = 2_000  # characters of one fact; customers' texts end here
CLASSES_SHOWN_MAX = 200  # rows of the table by class
LINEAGE = (
    ("dataset", "Data set"),
    ("generator", "Generator"),
    ("generator_params", "Generator parameters"),
    ("synthetic_units", "Synthetic samples"),
    ("warm_start", "Went on from"),
    ("recipe", "Data recipe"),
    ("training", "Training"),
    ("code_version", "Code version"),
    ("nodes", "Trained by nodes"),
    ("compressed_from", "Compressed from"),
    ("pretrained", "Pretrained weights"),
)
# By problem: Hugging Face's name of the task, what goes in, and the metrics of its index with the figures they come from.
_PROBLEMS: dict[str, tuple[str, str, tuple[tuple[str, str], ...]]] = {
    "classification": ("image-classification", "pictures", (("accuracy", "accuracy"), ("f1", "f1"))),
    "audio-classification": ("audio-classification", "sounds", (("accuracy", "accuracy"), ("f1", "f1"))),
    "detection": ("object-detection", "pictures", (("mAP@0.5", "map50"), ("mAP", "map"))),
    "instance-segmentation": ("image-segmentation", "pictures", (("mask mAP@0.5", "mask_map50"), ("mAP@0.5", "map50"))),
    "segmentation": ("image-segmentation", "pictures", (("mean_iou", "miou"), ("pixel accuracy", "pixel_accuracy"))),
}
FIGURE_TITLES = {
    "accuracy": "Accuracy",
    "coarse_accuracy": "Accuracy of the coarse class",
    "top5": "Among the best 5",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "calibration_error": "Calibration error",
    "map": "mAP@[.5:.95]",
    "map50": "mAP@0.5",
    "any": "AP@0.5:0.95 of any object",
    "any50": "AP@0.5 of any object",
    "mask_map": "mask mAP@[.5:.95]",
    "mask_map50": "mask mAP@0.5",
    "miou": "Mean IoU",
    "pixel_accuracy": "Pixel accuracy",
    "false_alarms": "False alarms",
}


def model_card(facts: Mapping[str, Any], card: Mapping[str, Any]) -> str:
    """README.md of an exported model.

    Args:
        facts: what `export_model` wrote to config.json.
        card: all optional. "title", "description", "licence" (an SPDX id, default "other"); the lineage "dataset",
            "generator", "generator_params", "synthetic_units", "recipe", "training", "code_version", "nodes", "compressed_from"
            (texts, numbers, lists or dicts); "synthetic" and "real": results as `Evaluation.to_json()` or
            `Report.to_json()` gives them; "limits": a text.
    """
    title = _line(card.get("title") or f"{facts['model']} for {len(facts['classes'])} classes")
    parts = [_front_matter(facts, card), f"# {title}\n"]
    if card.get("description"):
        parts.append(_line(card["description"]) + "\n")
    parts.append(_results(_result(card.get("synthetic")), _result(card.get("real"))))
    parts.append(_lineage(card))
    parts.append(_usage(facts))
    if card.get("limits"):
        parts.append(f"## Limits\n\n{_line(card['limits'])}\n")
    return "\n".join(part for part in parts if part)


def _result(result: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """One form of both kinds of results: figures by name as [value, low, high], samples and rows by class."""
    if not result:
        return None
    if "figures" in result:
        return {"samples": result["samples"], "figures": result["figures"], "per_class": result.get("per_class", ())}
    figures = {
        name: [result[name], *(result.get(f"{name}_interval") or (None, None))]
        for name in FIGURE_TITLES
        if name in result
    }
    rows = [
        {
            "name": row["name"],
            "support": row["support"],
            "figures": {k: [row[k]] for k in ("precision", "recall", "f1")},
        }
        for row in result.get("per_class", ())
    ]
    return {"samples": result.get("units"), "figures": figures, "per_class": rows}


def _front_matter(facts: Mapping[str, Any], card: Mapping[str, Any]) -> str:
    task, _, metrics = _PROBLEMS[facts["problem"]]
    lines = [
        "---",
        f"license: {json.dumps(_line(card.get('licence') or 'other').lower())}",
        "library_name: onnx",
        f"pipeline_tag: {task}",
        "tags:",
        "- neuromation",
        "- synthetic-data",
        f"- {facts['model']}",
    ]
    real = _result(card.get("real"))
    values = [(title, real["figures"][name][0]) for title, name in metrics if real and real["figures"].get(name)]
    values = [(title, value) for title, value in values if value is not None]
    if values:
        lines += [
            "model-index:",
            f"- name: {facts['model']}",
            "  results:",
            f"  - task: {{type: {task}}}",
            "    dataset: {name: real test split, type: real}",
            "    metrics:",
            *(f"    - {{type: {json.dumps(title)}, value: {float(value):.4f}}}" for title, value in values),
        ]
    return "\n".join([*lines, "---", ""])


def _results(synthetic: Mapping[str, Any] | None, real: Mapping[str, Any] | None) -> str:
    if not synthetic and not real:
        return "## Results\n\nNot measured.\n"
    names = [name for name in FIGURE_TITLES if any(r and name in r["figures"] for r in (synthetic, real))]
    lines = ["## Results", "", "| | Synthetic | Real |", "|---|---|---|"]
    lines.append(f"| Samples | {_count(synthetic)} | {_count(real)} |")
    lines += [f"| {FIGURE_TITLES[name]} | {_figure(synthetic, name)} | {_figure(real, name)} |" for name in names]
    if any("[" in line for line in lines[5:]):
        lines.append("\nIn brackets: 95 % intervals by bootstrap over samples.")
    return "\n".join([*lines, ""]) + _per_class(real or synthetic or {})


def _per_class(result: Mapping[str, Any]) -> str:
    scores: Sequence[Mapping[str, Any]] = result.get("per_class", ())
    if not scores:
        return ""
    names = list(scores[0]["figures"])
    lines = ["", f"| Class | {' | '.join(name.replace('_', ' ') for name in names)} | Count |"]
    lines.append("|---" * (len(names) + 2) + "|")
    for row in scores[:CLASSES_SHOWN_MAX]:
        cells = ["-" if row["figures"][n][0] is None else f"{row['figures'][n][0]:.3f}" for n in names]
        lines.append(f"| {_cell(row['name'])} | {' | '.join(cells)} | {row['support']} |")
    return "\n".join([*lines, ""])


def _lineage(card: Mapping[str, Any]) -> str:
    lines = [f"| {label} | {_cell(card[key])} |" for key, label in LINEAGE if card.get(key) not in (None, "", [], {})]
    return "\n".join(["## Lineage", "", "| | |", "|---|---|", *lines, ""]) if lines else ""


def _usage(facts: Mapping[str, Any]) -> str:
    onnx, agreement, spec = facts["onnx"], facts["agreement"], facts["input"]
    sound = spec["rate_hz"] is not None
    shape = [spec["samples"]] if sound else [spec["channels"], spec["height"], spec["width"]]
    values = f"-1..1 at {spec['rate_hz']} Hz" if sound else f"0..{spec['value_max']:g}"
    sizes = ", ".join(map(str, shape))
    note = f"\n{onnx['note'][0].upper()}{onnx['note'][1:]}.\n" if onnx.get("note") else ""
    return f"""## Use

`model.onnx` (opset {onnx["opset"]}, {facts["parameters"]:,} parameters) takes `{onnx["input"]}`,
float32 (batch, {sizes}), raw values {values}, and gives {", ".join(f"`{name}`" for name in onnx["outputs"])}.
{note}
{_logits_code(facts, sizes) if onnx["outputs"] == ["logits"] and "classification" in facts["problem"] else _answers_code(facts)}
ONNX Runtime and torch were compared on {agreement["samples"]} inputs: the largest difference of an output is
{agreement["max_abs_diff"]:.1e}, and {agreement["argmax_equal"]} answers are equal.
Hash of the weights: `{facts["weights_hash"]}`.
"""


def _logits_code(facts: Mapping[str, Any], sizes: str) -> str:
    name = facts["onnx"]["input"]
    return f"""Logits stand one a class, in the order of `classes` in `config.json`:

```python
import json, numpy, onnxruntime

classes = json.load(open("config.json"))["classes"]
session = onnxruntime.InferenceSession("model.onnx")
{name} = numpy.zeros((1, {sizes}), "float32")
print(classes[session.run(None, {{"{name}": {name}}})[0][0].argmax()])
```
"""


def _answers_code(facts: Mapping[str, Any]) -> str:
    task = facts["problem"].replace("-", "_").upper()
    return f"""The raw outputs become answers, in pixels of any picture, by the code that trained it:

```python
import numpy
from neuromation.learning.export import load_exported
from neuromation.learning.problem import Problem, Samples

model = load_exported(".")
picture = numpy.zeros(({facts["input"]["height"]}, {facts["input"]["width"]}, 3), "uint8")
{_EMPTY[facts["problem"]]}
print(model.answers(Samples(Problem.{task}, [picture], [nothing], model.classes)))
```
"""


_BOXES = "from neuromation.learning.problem import Boxes; nothing = Boxes.none()"
_EMPTY = {
    "detection": _BOXES,
    "instance-segmentation": _BOXES,
    "segmentation": 'nothing = numpy.zeros(picture.shape[:2], "uint8")',
    "classification": "nothing = 0",
    "audio-classification": "nothing = 0",
}


def _count(result: Mapping[str, Any] | None) -> str:
    return "-" if result is None or result.get("samples") is None else str(result["samples"])


def _figure(result: Mapping[str, Any] | None, name: str) -> str:
    row = None if result is None else result["figures"].get(name)
    if not row or row[0] is None:
        return "-"
    interval = f" [{row[1]:.4f}, {row[2]:.4f}]" if len(row) > 2 and row[1] is not None else ""
    return f"{float(row[0]):.4f}{interval}"


def _line(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    return " ".join(text.split())[:FACT_MAX]


def _cell(value: Any) -> str:
    return _line(value).replace("|", "\\|")
