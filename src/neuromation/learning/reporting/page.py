"""A report of one network on real samples beside synthetic ones: a single HTML file with pictures of the worst errors.

Owns what the reader is shown and in which order; the figures come measured. The file loads nothing and runs no script.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from neuromation.learning.card import FIGURE_TITLES
from neuromation.learning.errors import BadAnswers, ReportTooLarge
from neuromation.learning.evaluation.comparison import side_by_side
from neuromation.learning.evaluation.figures import ClassFigures, Figure, Report
from neuromation.learning.problem import Answer, Problem, Samples
from neuromation.learning.reporting import charts
from neuromation.learning.reporting.pictures import error_picture

REPORT_BYTES_MAX = 8_000_000
NOT_MEASURED = Figure(math.nan)
_EXPLAINED = {
    "accuracy": "share of samples whose most likely class is right",
    "coarse_accuracy": "share whose answer lies in the right coarse class",
    "top5": "share whose class is among the five most likely",
    "precision": "of what was answered, the share that is right",
    "recall": "of what is there, the share that was found",
    "f1": "harmonic mean of precision and recall",
    "calibration_error": "how far confidence and truth are apart on average; 0 is best",
    "map": "COCO's mean average precision over IoU 0.5 to 0.95",
    "map50": "mean average precision at IoU 0.5",
    "any": "mean average precision over IoU 0.5 to 0.95 whatever class is said",
    "any50": "average precision at IoU 0.5 whatever class is said",
    "mask_map": "the same as mAP, of masks",
    "mask_map50": "the same as mAP@0.5, of masks",
    "miou": "mean over classes of intersection over union",
    "pixel_accuracy": "share of pixels that are right",
    "false_alarms": "on samples that show nothing of this kind; 0 is best",
}
_OF_CLASS = {
    Problem.CLASSIFICATION: "f1",
    Problem.AUDIO_CLASSIFICATION: "f1",
    Problem.DETECTION: "ap50",
    Problem.INSTANCE_SEGMENTATION: "mask_ap50",
    Problem.SEGMENTATION: "iou",
}
_CLASS_TITLES = {"f1": "F1", "ap50": "AP@0.5", "mask_ap50": "mask AP@0.5", "iou": "IoU"}
_COUNTED = {Problem.DETECTION: "objects", Problem.INSTANCE_SEGMENTATION: "objects", Problem.SEGMENTATION: "pixels"}


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of the table: its title, what it means, both sets, and their difference."""

    title: str
    meaning: str
    synthetic: Figure
    real: Figure

    @property
    def gap(self) -> float:
        """Synthetic minus real."""
        return self.synthetic.value - self.real.value


@dataclass(frozen=True, slots=True)
class Worst:
    """One error: its picture as a data URI, what the sample is called, and a sentence."""

    uri: str
    name: str
    note: str


def write_report(
    path: str | Path,
    real: Report,
    samples: Samples,
    answers: Sequence[Answer],
    *,
    synthetic: Report | None = None,
    title: str = "",
    facts: Mapping[str, Any] | None = None,
    note: str = "",
) -> None:
    """Write the report as one HTML file; equal arguments give equal bytes.

    Args:
        real: figures on `samples`; `answers` are the network's, for the pictures.
        synthetic: the same network on synthetic samples; None shows the column empty and says so.
        title: of the page; facts: further lines of its head, such as the model and its size; note: a sentence below.

    Raises:
        BadAnswers: figures, samples and answers do not belong together.
        ReportTooLarge: over REPORT_BYTES_MAX, which huge pictures alone reach.
    """
    page = render_report(
        real, samples, answers, synthetic=synthetic, title=title, facts=facts or {}, note=note
    ).encode()
    if len(page) > REPORT_BYTES_MAX:
        raise ReportTooLarge(f"the report has {len(page):,} bytes and may have {REPORT_BYTES_MAX:,}")
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(page)


def render_report(
    real: Report,
    samples: Samples,
    answers: Sequence[Answer],
    *,
    synthetic: Report | None,
    title: str,
    facts: Mapping[str, Any],
    note: str,
) -> str:
    """The report's HTML; see `write_report`."""
    if real.samples != len(samples) or len(answers) != len(samples) or real.problem is not samples.problem:
        raise BadAnswers(
            f"figures of {real.samples} samples, {len(samples)} samples and {len(answers)} answers do not belong together"
        )
    if synthetic is not None:
        side_by_side(synthetic, real)
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["points"] = lambda value: f"{100 * value:+.1f}"
    template = environment.from_string(
        files("neuromation.learning.reporting").joinpath("page.html.j2").read_text("utf-8")
    )
    rows = _rows(real, synthetic)
    return template.render(
        title=title or f"{real.problem.value.capitalize()} on real data",
        facts=facts,
        note=note,
        real=real,
        synthetic=synthetic,
        rows=rows,
        main=next(row for row in rows if row.title == FIGURE_TITLES.get(real.headline, real.headline)),
        weakest=_weakest(real),
        class_title=_CLASS_TITLES[_OF_CLASS[real.problem]],
        per_class=charts.bars(_class_rows(real, synthetic)) if real.per_class else "",
        classes_left_out=max(0, len(real.per_class) - charts.CLASSES_SHOWN_MAX),
        reliability=charts.reliability_chart(real.reliability, synthetic.reliability if synthetic else ()),
        cells=charts.confusion_cells(real.confusion) if len(real.confusion) <= charts.MATRIX_MAX else [],
        mistakes=charts.largest_mistakes(real.confusion, real.confusion_names),
        condition_names=_condition_names(real),
        titles=FIGURE_TITLES,
        worst=_worst(real, samples, answers),
        count=_COUNTED.get(real.problem, "samples"),
        score=None if math.isnan(real.score_min) else real.score_min,
    )


def _rows(real: Report, synthetic: Report | None) -> list[Row]:
    other = synthetic.figures if synthetic is not None else {}
    names = [*real.figures, *(name for name in other if name not in real.figures)]
    return [
        Row(
            FIGURE_TITLES.get(name, name),
            _EXPLAINED.get(name, ""),
            other.get(name, NOT_MEASURED),
            real.figures.get(name, NOT_MEASURED),
        )
        for name in names
    ]


def _class_rows(real: Report, synthetic: Report | None) -> list[tuple[str, Figure | None, Figure, str]]:
    """The weakest first, because they are what to work on; those without samples last."""
    name = _OF_CLASS[real.problem]
    other = {c.name: c.figures.get(name) for c in synthetic.per_class} if synthetic is not None else {}

    def weakness(one: ClassFigures) -> tuple[bool, float]:
        value = one.figures[name].value
        return math.isnan(value), value

    order = sorted(real.per_class, key=weakness)[: charts.CLASSES_SHOWN_MAX]
    return [(c.name, other.get(c.name), c.figures[name], f"{c.support:,}") for c in order]


def _weakest(real: Report) -> tuple[str, float] | None:
    name = _OF_CLASS[real.problem]
    known = [(c.figures[name].value, c.name) for c in real.per_class if not math.isnan(c.figures[name].value)]
    return (min(known)[1], min(known)[0]) if len(known) > 1 else None


def _condition_names(real: Report) -> list[str]:
    """Figures that are worth a column by condition: the headline first, four at most."""
    if not real.conditions:
        return []
    names = [real.headline, *(name for name in real.conditions[0].figures if name != real.headline)]
    return names[:4]


def _worst(real: Report, samples: Samples, answers: Sequence[Answer]) -> list[Worst]:
    score_min = 0.0 if math.isnan(real.score_min) else real.score_min
    return [
        Worst(
            error_picture(samples, place, answers[place], score_min=score_min),
            samples.names[place] if samples.names else f"sample {place}",
            sentence,
        )
        for place, sentence in zip(real.worst, real.worst_notes, strict=True)
    ]
