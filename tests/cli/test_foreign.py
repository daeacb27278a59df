"""`neuromation model import` and `convert`, as somebody types them."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from cli.conftest import Run

MLPROJECT = """
name: tiny
python_env: env.yaml
entry_points:
  train:
    description: ignored by MLflow
    parameters:
      times: {type: int, default: 2}
      tag: {default: a}
    command: python -S main.py {times} {tag} {outputs}
"""
CODE = """
import json, sys
times, tag, outputs = int(sys.argv[1]), sys.argv[2], sys.argv[3]
print("training", tag, flush=True)
assert times < 9, "too often"
json.dump({"score": times / 2}, open(outputs + "/metrics.json", "w"))
"""
needs_bwrap = pytest.mark.skipif(
    shutil.which("bwrap") is None, reason="bubblewrap is not installed: apt install bubblewrap"
)


@pytest.fixture
def archive(tmp_path: Path) -> str:
    with zipfile.ZipFile(tmp_path / "tiny.zip", "w") as made:
        made.writestr("MLproject", MLPROJECT)
        made.writestr("env.yaml", "python: '3.10'\ndependencies: [numpy]\n")
        made.writestr("main.py", CODE)
    return str(tmp_path / "tiny.zip")


def test_a_project_is_looked_at_before_it_runs(anyone: Run, archive: str) -> None:
    shown = anyone("model", "import", archive, "--dry-run", "--json").json()
    assert shown["name"] == "tiny" and shown["files"] == 3
    assert shown["entry_points"]["train"]["parameters"]["times"]["type"] == "int"
    assert shown["libraries"] == {"python": "3.10", "needed": ["numpy"], "noted": [], "missing": [], "differing": []}
    assert "times" in anyone("model", "import", archive, "--dry-run").out


@needs_bwrap
def test_a_project_runs_and_its_metrics_are_printed(anyone: Run, archive: str, tmp_path: Path) -> None:
    done = anyone(
        "model", "import", archive, "--param", "times=3", "--param", "tag=007", "--out", str(tmp_path / "o"), "--json"
    )
    assert done.code == 0, done.err
    value = done.json()
    assert value["metrics"] == {"score": 1.5} and value["parameters"] == {"times": 3, "tag": "007"}
    assert "training 007" in done.err
    assert json.loads((tmp_path / "o/run.json").read_text())["project"]["content_hash"] == value["content_hash"]


@needs_bwrap
def test_a_project_that_fails_shows_the_end_of_its_log(anyone: Run, archive: str, tmp_path: Path) -> None:
    done = anyone("model", "import", archive, "--param", "times=9", "--out", str(tmp_path / "o"))
    assert done.code == 7
    assert "AssertionError: too often" in done.err and "exit code 1" in done.err
    assert not (tmp_path / "o").exists()


def test_what_is_typed_wrongly_is_usage(anyone: Run, archive: str, tmp_path: Path) -> None:
    assert anyone("model", "import", archive).code == 2
    assert anyone("model", "import", archive, "--out", str(tmp_path / "o"), "--param", "times").code == 2
    assert anyone("model", "import", archive, "--out", str(tmp_path / "o"), "--param", "times=x").code == 2
    assert anyone("model", "import", str(tmp_path / "none.zip"), "--dry-run").code == 2


@pytest.fixture
def linear(tmp_path: Path) -> Path:
    """An ONNX file: one matrix."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", size]) for name, size in (("x", 4), ("y", 3)))
    weight = numpy_helper.from_array(np.arange(12, dtype=np.float32).reshape(4, 3), "w")
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [x], [y], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    return tmp_path / "m.onnx"


def test_a_model_is_converted_and_compared(anyone: Run, linear: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((3, 4), np.float32))
    given = ("--samples", str(tmp_path / "x.npy"), "--out", str(tmp_path / "m"))
    made = anyone("model", "convert", str(linear), "--to", "torch", *given, "--json")
    assert made.code == 0, made.err
    value = made.json()
    assert (value["random"], value["given"]) == (16, 3) and value["max_abs_diff"] < 1e-4
    assert Path(value["path"]).name == "m.pt2" and Path(value["path"]).stat().st_size == value["bytes"]


def test_what_cannot_be_converted_is_a_sentence(anyone: Run, linear: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "o")
    (tmp_path / "m.pt").write_bytes(b"x")
    met = anyone("model", "convert", str(tmp_path / "m.pt"), "--to", "onnx", "--out", out)
    assert met.code == 2 and "may hold code" in met.err
    buffer = io.BytesIO()
    np.save(buffer, np.array([{}], object), allow_pickle=True)
    (tmp_path / "x.npy").write_bytes(buffer.getvalue())
    met = anyone("model", "convert", str(linear), "--to", "onnx", "--samples", str(tmp_path / "x.npy"), "--out", out)
    assert met.code == 2 and "plain arrays" in met.err
