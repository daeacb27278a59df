"""A model's card: Markdown with Hugging Face front matter; owns its words, refuses to compute what it states."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

FACT_MAX = 2_000  # characters of one fact; customers' texts end here
_LINEAGE = (
    ("dataset", "Data set"),
    ("generator", "Generator"),
    ("generator_params", "Generator parameters"),
    ("synthetic_units", "Synthetic samples"),
    ("training", "Training"),
    ("code_version", "Code version"),
    ("nodes", "Trained by nodes"),
)


def model_card(facts: Mapping[str, Any], card: Mapping[str, Any]) -> str:
    """README.md of an exported model.

    Args:
        facts: what `export_model` wrote to config.json.
        card: all optional. "title", "description", "licence" (an SPDX id, default "other"); the lineage "dataset",
            "generator", "generator_params", "synthetic_units", "training", "code_version", "nodes" (texts, numbers,
            lists or dicts); "synthetic" and "real": results as `Evaluation.to_json()` gives them; "limits": a text.
    """
    title = _line(card.get("title") or f"{facts['model']} for {len(facts['classes'])} classes")
    parts = [_front_matter(facts, card), f"# {title}\n"]
    if card.get("description"):
        parts.append(_line(card["description"]) + "\n")
    parts.append(_results(card.get("synthetic"), card.get("real")))
    parts.append(_lineage(card))
    parts.append(_usage(facts))
    if card.get("limits"):
        parts.append(f"## Limits\n\n{_line(card['limits'])}\n")
    return "\n".join(part for part in parts if part)


def _front_matter(facts: Mapping[str, Any], card: Mapping[str, Any]) -> str:
    lines = [
        "---",
        f"license: {json.dumps(_line(card.get('licence') or 'other').lower())}",
        "library_name: onnx",
        "pipeline_tag: image-classification",
        "tags:",
        "- neuromation",
        "- synthetic-data",
        f"- {facts['model']}",
    ]
    real = card.get("real")
    if real:
        lines += [
            "model-index:",
            f"- name: {facts['model']}",
            "  results:",
            "  - task: {type: image-classification}",
            "    dataset: {name: real test split, type: real}",
            "    metrics:",
            f"    - {{type: accuracy, value: {float(real['accuracy']):.4f}}}",
            f"    - {{type: f1, value: {float(real['f1']):.4f}}}",
        ]
    return "\n".join([*lines, "---", ""])


def _results(synthetic: Mapping[str, Any] | None, real: Mapping[str, Any] | None) -> str:
    if not synthetic and not real:
        return "## Results\n\nNot measured.\n"
    rows = [
        ("Pictures", "units"),
        ("Accuracy", "accuracy"),
        ("Precision (macro)", "precision"),
        ("Recall (macro)", "recall"),
    ]
    rows += [("F1 (macro)", "f1"), ("Calibration error", "calibration_error")]
    lines = ["## Results", "", "| | Synthetic | Real |", "|---|---|---|"]
    lines += [f"| {label} | {_figure(synthetic, key)} | {_figure(real, key)} |" for label, key in rows]
    for label, result in (("synthetic", synthetic), ("real", real)):
        if result and result.get("accuracy_interval"):
            low, high = result["accuracy_interval"]
            lines.append(f"\n95 % interval of the accuracy on {label} pictures: {low:.4f} to {high:.4f} (bootstrap).")
    return "\n".join([*lines, ""]) + _per_class(real or synthetic or {})


def _per_class(result: Mapping[str, Any]) -> str:
    scores: Sequence[Mapping[str, Any]] = result.get("per_class", ())
    if not scores:
        return ""
    lines = ["", "| Class | Precision | Recall | F1 | Pictures |", "|---|---|---|---|---|"]
    lines += [
        f"| {_cell(s['name'])} | {s['precision']:.3f} | {s['recall']:.3f} | {s['f1']:.3f} | {s['support']} |"
        for s in scores
    ]
    return "\n".join([*lines, ""])


def _lineage(card: Mapping[str, Any]) -> str:
    lines = [f"| {label} | {_cell(card[key])} |" for key, label in _LINEAGE if card.get(key) not in (None, "", [], {})]
    return "\n".join(["## Lineage", "", "| | |", "|---|---|", *lines, ""]) if lines else ""


def _usage(facts: Mapping[str, Any]) -> str:
    config, agreement = facts["config"], facts["agreement"]
    shape = f"(batch, 1, {config.get('height', 'height')}, {config.get('width', 'width')})"
    return f"""## Use

`model.onnx` (opset {facts["onnx"]["opset"]}, {facts["parameters"]:,} parameters) takes `images`,
float32 {shape}, raw values 0..{config.get("value_max", 255):g}, and gives `logits`, one a class, in the order of
`classes` in `config.json`:

```python
import json, numpy, onnxruntime

classes = json.load(open("config.json"))["classes"]
session = onnxruntime.InferenceSession("model.onnx")
images = numpy.zeros((1, 1, {config.get("height", 8)}, {config.get("width", 8)}), "float32")
print(classes[session.run(None, {{"images": images}})[0][0].argmax()])
```

ONNX Runtime and torch were compared on {agreement["samples"]} pictures: the largest difference of a logit is
{agreement["max_abs_diff"]:.1e}, and {agreement["argmax_equal"]} answers are equal.
Hash of the weights: `{facts["weights_hash"]}`.
"""


def _figure(result: Mapping[str, Any] | None, key: str) -> str:
    value = None if result is None else result.get(key)
    return "-" if value is None else str(value) if isinstance(value, int) else f"{float(value):.4f}"


def _line(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    return " ".join(text.split())[:FACT_MAX]


def _cell(value: Any) -> str:
    return _line(value).replace("|", "\\|")
