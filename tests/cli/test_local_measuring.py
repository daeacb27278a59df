"""A model's folder is measured on a folder of photos and made smaller, without any platform."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from neuromation.kernel.rng import unit_rng
from neuromation.learning.export import INT8_FILE, export_model
from neuromation.learning.zoo import initial_weights

Run = Callable[..., Any]
CLASSES = ("bar", "post")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained network of two classes."""
    folder = tmp_path_factory.mktemp("net")
    weights = initial_weights("digits-cnn", {"channels": 8}, CLASSES, 1)
    for name, data in export_model(weights, "digits-cnn", {"channels": 8}, CLASSES, card={}).items():
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folders of pictures, named by class."""
    root, rng = tmp_path_factory.mktemp("photos"), unit_rng(1, 0)
    for name in CLASSES:
        (root / name).mkdir()
        for number in range(8):
            Image.fromarray(rng.integers(0, 17, (8, 8)).astype(np.uint8)).save(root / name / f"{number}.png")
    return root


def test_a_folder_is_measured_and_a_page_is_written(anyone: Run, model: Path, photos: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = anyone(
        "model",
        "measure",
        str(model),
        "--real",
        str(photos),
        "--synthetic",
        str(photos),
        "--report",
        str(page),
        "--json",
    )
    assert done.code == 0, done.err
    told = done.json()
    assert told["real"]["samples"] == 16
    assert told["gap"] == 0.0
    assert "Worst errors" in page.read_text()


def test_classes_by_other_names_are_matched_when_told(anyone: Run, model: Path, photos: Path, tmp_path: Path) -> None:
    for name, other in (("bar", "beam"), ("post", "post")):
        (tmp_path / other).mkdir()
        for path in (photos / name).iterdir():
            (tmp_path / other / path.name).write_bytes(path.read_bytes())
    refused = anyone("model", "measure", str(model), "--real", str(tmp_path))
    assert refused.code == 2
    assert "'beam'" in refused.err
    asked = ("model", "measure", str(model), "--real", str(tmp_path), "--json")
    assert anyone(*asked, "--called", "beam=bar").json()["real"]["samples"] == 16
    assert anyone(*asked, "--called", "beam=").json()["real"]["null_samples"] == 8


def test_coarse_classes_come_from_a_file(anyone: Run, model: Path, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "coarse.csv").write_text("bar,line\npost,line\n")
    done = anyone(
        "model", "measure", str(model), "--real", str(photos), "--coarse", str(tmp_path / "coarse.csv"), "--json"
    )
    assert done.json()["real"]["figures"]["coarse_accuracy"][0] == 1.0


def test_a_model_is_compressed_to_8_bits_and_measured_so(
    anyone: Run, model: Path, photos: Path, tmp_path: Path
) -> None:
    small = tmp_path / "small"
    given = ("--int8", "--data", str(photos), "--real", str(photos), "--out", str(small), "--json")
    done = anyone("model", "compress", str(model), *given)
    assert done.code == 0, done.err
    assert [stage["name"] for stage in done.json()["stages"]] == ["as it came", "int8"]
    assert (small / INT8_FILE).is_file()
    again = anyone("model", "measure", str(small), "--real", str(photos), "--int8")
    assert again.code == 0
    assert "accuracy" in again.out


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((), "nothing is asked for"),
        (("--prune", "0.5"), "needs samples"),
        (("--int8", "--report", "x.html"), "give --real"),
    ],
)
def test_what_cannot_be_done_is_said(
    given: tuple[str, ...], words: str, anyone: Run, model: Path, tmp_path: Path
) -> None:
    done = anyone("model", "compress", str(model), *given, "--out", str(tmp_path / "small"))
    assert done.code == 2
    assert words in done.err
