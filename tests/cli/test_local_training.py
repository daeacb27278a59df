"""Training and the loop on one machine, as their user runs them: from folders, without any platform."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
SMALL = ("--config", "height=32", "--config", "width=32", "--config", "channels=1")


@pytest.fixture
def digits(anyone: Run, tmp_path: Path) -> Path:
    """A small generated data set."""
    folder = tmp_path / "digits"
    assert anyone("synth", "generate", "digits", "-n", "200", "--seed", "3", "--out", str(folder)).code == 0
    return folder


@pytest.fixture
def photos(anyone: Run, tmp_path: Path) -> Path:
    """Labelled pictures in folders, as a user has them."""
    folder = tmp_path / "photos"
    given = ("-n", "80", "--seed", "9", "--param", "noise=0.2", "--format", "imagefolder", "--out", str(folder))
    assert anyone("synth", "generate", "digits", *given).code == 0
    return folder


def test_a_model_is_trained_from_a_folder_and_measured_beside_real_data(
    anyone: Run, digits: Path, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "net"
    asked = ("--model", "small-resnet", *SMALL, "--steps", "6", "--batch-size", "16", "--out", str(out))
    done = anyone("model", "fit", str(digits), *asked, "--real", str(photos), "--json")
    assert done.code == 0, done.err
    told = done.json()
    assert set(told["figures"]) == {"synthetic", "real"}
    assert {path.name for path in out.iterdir()} == {
        "README.md",
        "config.json",
        "history.json",
        "model.onnx",
        "model.safetensors",
    }
    assert told["lineage"]["synthetic_units"] == 200
    again = anyone("model", "fit", str(digits), *asked)
    assert again.code != 0
    assert "already holds a finished model" in again.err


@pytest.mark.slow
def test_a_warm_start_begins_where_the_other_ended(anyone: Run, digits: Path, tmp_path: Path) -> None:
    out = tmp_path / "net"
    asked = ("--model", "small-resnet", *SMALL, "--steps", "12", "--batch-size", "16", "--out", str(out))
    assert anyone("model", "fit", str(digits), *asked).code == 0
    warm = anyone("model", "fit", str(digits), *asked[:-2], "--start", str(out), "--out", str(tmp_path / "warm"))
    assert warm.code == 0, warm.err
    losses = [json.loads((folder / "history.json").read_text())[0]["loss"] for folder in (out, tmp_path / "warm")]
    assert losses[1] < losses[0]


def test_the_loop_tunes_a_generator_by_a_folder_of_photos(anyone: Run, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "tuned"
    asked = ("--real", str(photos), "--tune", "noise", "--minutes", "0.1", "--out", str(out), "--json")
    done = anyone("model", "tune", "digits", "--model", "small-resnet", *SMALL, *asked)
    assert done.code == 0, done.err
    told = done.json()
    assert told["minutes"] <= 0.1
    assert list(told["params"]) == ["noise"]
    assert json.loads((out / "params.json").read_text())["noise"] == pytest.approx(told["params"]["noise"])
    record = (out / "loop.jsonl").read_text().splitlines()
    assert len(record) == told["trials"] + 1


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("fit", "nowhere", "--model", "small-resnet"), "there is no folder"),
        (("fit", "{digits}", "--model", "no-such-net"), "there is no model"),
        (("fit", "{digits}", "--model", "small-resnet", "--augment", "spin=1"), "spin"),
        (("fit", "{digits}", "--model", "heatmap-detector"), "boxes of objects"),
        (("tune", "digits", "--model", "small-resnet", "--real", "{photos}", "--tune", "colour"), "no parameter"),
        (("tune", "digits", "--model", "small-resnet", "--real", "{photos}", "--choose", "none"), "no samples"),
    ],
)
def test_what_cannot_be_trained_is_refused(
    asked: tuple[str, ...], said: str, anyone: Run, digits: Path, photos: Path, tmp_path: Path
) -> None:
    words = [word.format(digits=digits, photos=photos) for word in asked]
    done = anyone("model", *words, "--out", str(tmp_path / "out"))
    assert done.code != 0
    assert said in done.err
    assert not (tmp_path / "out" / "config.json").exists()
