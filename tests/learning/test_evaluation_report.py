"""A report is one file that loads nothing, says what was measured, shows the worst errors, and refuses what does not fit."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from measuring_builders import CLASSES, a_picture, classified, detected
from PIL import Image

from neuromation.kernel.rng import unit_rng
from neuromation.learning.errors import BadAnswers
from neuromation.learning.evaluation import Report, measure
from neuromation.learning.evaluation.figures import Bin, Figure
from neuromation.learning.problem import IGNORED, Boxes, Problem, Samples
from neuromation.learning.reporting.charts import bars, confusion_cells, largest_mistakes, reliability_chart
from neuromation.learning.reporting.page import write_report
from neuromation.learning.reporting.pictures import SAID, TRUTH, error_picture, spectrogram


def pixels(uri: str) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))).convert("RGB"))


def a_report(tmp_path: Path, *, seed: int = 1) -> tuple[str, Report]:
    answers, samples = classified(80, seed, skill=1.5)
    real = measure(answers, samples, resamples=50)
    easy, other = classified(80, 2, skill=4.0)
    path = tmp_path / "report.html"
    write_report(path, real, samples, answers, synthetic=measure(easy, other, resamples=50), title="A & <B>")
    return path.read_text(), real


def test_the_page_loads_nothing_and_runs_nothing(tmp_path: Path) -> None:
    page, _ = a_report(tmp_path)
    assert "<script" not in page
    assert re.findall(r'(?:src|href)="(?!data:)', page) == []
    assert "default-src 'none'" in page
    assert "A &amp; &lt;B&gt;" in page


def test_synthetic_and_real_stand_side_by_side_with_intervals(tmp_path: Path) -> None:
    page, real = a_report(tmp_path)
    main = real.main
    assert f"{main.value:.3f}" in page
    assert f"{main.low:.3f}–{main.high:.3f}" in page
    assert "synthetic minus real" in page


def test_every_worst_error_is_shown(tmp_path: Path) -> None:
    page, real = a_report(tmp_path)
    assert page.count('<img src="data:') == len(real.worst) > 0


def test_equal_arguments_give_equal_bytes(tmp_path: Path) -> None:
    assert a_report(tmp_path)[0] == a_report(tmp_path)[0]


def test_figures_of_other_samples_are_refused(tmp_path: Path) -> None:
    answers, samples = classified(20, 1)
    with pytest.raises(BadAnswers, match="belong together"):
        write_report(tmp_path / "r.html", measure(answers, samples, resamples=0), samples, answers[:-1])
    with pytest.raises(BadAnswers, match="side by side"):
        other = measure(*detected(2, 1), resamples=0)
        write_report(tmp_path / "r.html", measure(answers, samples, resamples=0), samples, answers, synthetic=other)


def test_boxes_are_drawn_green_for_the_truth_and_red_for_the_answer() -> None:
    truth = Boxes(np.array([[100, 100, 80, 80]], np.float32), np.array([0]))
    said = Boxes(np.array([[300, 300, 60, 60]], np.float32), np.array([1]), np.array([0.8], np.float32))
    samples = Samples(Problem.DETECTION, [a_picture(400, 400)], [truth], ("one", "two"))
    drawn = pixels(error_picture(samples, 0, said, score_min=0.5)).astype(int)
    assert np.abs(drawn[100:103, 120:160] - TRUTH).mean() < 40
    assert np.abs(drawn[300:302, 320:340] - SAID).mean() < 60
    quiet = pixels(error_picture(samples, 0, said, score_min=0.9)).astype(int)
    assert np.abs(quiet[300:302, 320:340]).mean() < 20


def test_a_tone_is_a_line_in_its_spectrogram() -> None:
    rate, hz = 8000, 1000
    tone = (8000 * np.sin(2 * np.pi * hz * np.arange(rate) / rate)).astype(np.int16)
    picture = spectrogram(tone)
    row = int(picture.astype(int).sum(axis=1).argmax())
    assert picture.shape[0] - 1 - row == pytest.approx(hz * 256 / rate, abs=1)


@pytest.mark.parametrize("problem", [Problem.SEGMENTATION, Problem.AUDIO_CLASSIFICATION, Problem.DETECTION])
def test_every_problem_has_its_report(problem: Problem, tmp_path: Path) -> None:
    rng = unit_rng(1, 0)
    if problem is Problem.SEGMENTATION:
        masks = [rng.integers(0, 3, (20, 24)).astype(np.uint8) for _ in range(3)]
        masks[0][:4] = IGNORED
        samples = Samples(problem, [a_picture(20, 24)] * 3, masks, ("background", "a", "b"))
        answers = [np.roll(m, 1) % 3 for m in masks]
    elif problem is Problem.AUDIO_CLASSIFICATION:
        sounds = [rng.integers(-900, 900, 1500).astype(np.int16) for _ in range(4)]
        samples = Samples(problem, sounds, [0, 1, 0, 1], ("a", "b"), rate_hz=8000, conditions={"who": list("xxyy")})
        answers = [np.array([0.9, 0.1], np.float32)] * 4
    else:
        found, samples = detected(4, 3)
        answers = list(found)
    write_report(tmp_path / "r.html", measure(answers, samples, resamples=20), samples, answers)
    page = (tmp_path / "r.html").read_text()
    assert "Worst errors" in page
    assert "not measured" in page


def test_a_class_without_samples_is_a_dash_at_the_end() -> None:
    samples = Samples(Problem.CLASSIFICATION, [a_picture()] * 2, [0, 1], CLASSES)
    report = measure(list(np.eye(7, dtype=np.float32)[[0, 6]]), samples, resamples=0)
    assert np.isnan(report.per_class[6].figures["f1"].value)


def test_charts_escape_names_and_leave_out_what_is_unknown() -> None:
    drawn = bars([("<b>", None, Figure(float("nan")), "0"), ("x" * 50, Figure(0.5), Figure(0.4, 0.3, 0.6), "7")])
    assert "&lt;b&gt;" in drawn
    assert drawn.count('class="bar"') == drawn.count('class="ring"') == 1
    assert "reliability" in reliability_chart([Bin(3, 0.5, 0.4)], [])


def test_the_confusion_deepens_with_mistakes() -> None:
    cells = confusion_cells([[8, 2], [4, 0]])
    assert (cells[0][0].look, cells[0][0].strength) == ("hit", 0.8)
    assert cells[1][0].strength > cells[0][1].strength > 0
    assert largest_mistakes([[8, 2], [4, 0]], ("a", "b")) == [("b", "a", 4), ("a", "b", 2)]
