"""One project each in PyTorch, Keras and JAX: taken from git or an archive, trained in the sandbox on generated digits."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from neuromation.agent.project_runner import ProjectRun, run_project
from neuromation.learning.projects.sources import take_project
from neuromation.synthetic import generate_dataset, get_generator, parse_params
from neuromation.synthetic.export import export_dataset

EXAMPLES = Path(__file__).parent / "projects"
GUESSING = 0.1
pytestmark = pytest.mark.skipif(
    shutil.which("bwrap") is None, reason="bubblewrap is not installed: apt install bubblewrap"
)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder a class of 8x8 pictures, as `dataset export --format imagefolder` writes it."""
    folder = tmp_path_factory.mktemp("digits")
    generator = get_generator("digits")
    generate_dataset(generator, parse_params(generator, {}), seed=7, units=600, out=folder / "set")
    return export_dataset(folder / "set", "imagefolder", folder / "inputs")


def trained(source: str, tmp_path: Path, digits: Path, **parameters: int) -> ProjectRun:
    taken = take_project(source, tmp_path / "project")
    origin = {"source": taken.source, "commit": taken.commit, "content_hash": taken.content_hash}
    done = run_project(taken.folder, tmp_path / "out", parameters=parameters, data=digits, origin=origin)
    assert json.loads((tmp_path / "out/run.json").read_text())["project"]["commit"] == taken.commit
    assert done.metrics["accuracy"] > 6 * GUESSING, done.log
    return done


def test_a_pytorch_project_with_an_mlproject_file_comes_from_git(tmp_path: Path, digits: Path) -> None:
    shutil.copytree(EXAMPLES, tmp_path / "repo", ignore=shutil.ignore_patterns("__pycache__"))
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    env = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], [*identity, "commit", "-q", "-m", "projects"]):
        subprocess.run(["git", *words], cwd=tmp_path / "repo", env=env, check=True)
    done = trained(f"{tmp_path / 'repo'}#pytorch", tmp_path, digits, epochs=5)
    assert (done.entry, done.values["data"], done.values["epochs"]) == ("main", "inputs", 5)
    assert list(done.outputs) == ["metrics.json", "model.onnx", "model.safetensors"]


def test_a_keras_project_comes_as_a_zip(tmp_path: Path, digits: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "keras"), "zip", EXAMPLES, "keras")
    assert list(trained(archive, tmp_path, digits).outputs) == ["metrics.json", "model.keras"]


def test_a_jax_project_comes_as_a_tar(tmp_path: Path, digits: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "jax"), "gztar", EXAMPLES, "jax")
    assert list(trained(archive, tmp_path, digits).outputs) == ["metrics.json", "model.safetensors"]
