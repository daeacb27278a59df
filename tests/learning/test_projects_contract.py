"""What a project says of itself is read as data: types, ranges, quoting, libraries, metrics."""

from __future__ import annotations

import json
import math
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuromation.learning.errors import BadMetrics, BadProject, BadProjectParameters
from neuromation.learning.projects.contract import (
    EntryPoint,
    Parameter,
    Places,
    check_parameters,
    command_line,
    read_metrics,
    read_project,
)

HERE = Places(Path("/p"), Path("/i"), Path("/p.json"), Path("/o"))
OWN = "format: neuromation-project/1\nname: x\nentry_points:\n  train: {command: 'python main.py'}\n"


def a_folder(path: Path, **files: str) -> Path:
    for name, text in files.items():
        (path / {"own": "neuromation-project.yaml", "mlflow": "MLproject"}.get(name, name)).write_text(text)
    return path


def an_entry(command: str, **parameters: Any) -> EntryPoint:
    return EntryPoint.model_validate({"command": command, "parameters": parameters})


def refused(folder: Path, match: str) -> None:
    with pytest.raises(BadProject, match=match):
        read_project(folder)


def test_an_mlproject_of_mlflow_s_own_tutorial_form_is_understood(tmp_path: Path) -> None:
    folder = a_folder(
        tmp_path,
        mlflow="""
name: tutorial
python_env: python_env.yaml
entry_points:
  main:
    parameters:
      data_file: path
      regularization: {type: float, default: 0.1}
      alpha: float
    command: "python train.py -r {regularization} -a {alpha} {data_file}"
  validate:
    parameters: {data_file: path}
    command: "python validate.py {data_file}"
""",
        **{
            "python_env.yaml": "python: '3.10'\nbuild_dependencies: [pip]\n"
            "dependencies: ['-r requirements.txt', 'scikit-learn==1.2']\n",
            "requirements.txt": "# ours\nnumpy>=1.20  # for arrays\n"
            "--index-url https://example.org\nno-such-lib[a]==2\nold; python_version < '3'\n",
        },
    )
    project = read_project(folder)
    name, entry = project.entry()
    assert (name, list(project.entries)) == ("main", ["main", "validate"])
    values = check_parameters(entry, {"data_file": "inputs/a b.csv", "alpha": "0.5"})
    assert values == {"data_file": "inputs/a b.csv", "regularization": 0.1, "alpha": 0.5}
    assert command_line(entry, values, HERE) == "python train.py -r 0.1 -a 0.5 '/i/a b.csv'"
    assert project.libraries.needed == ("numpy>=1.20", "no-such-lib[a]==2", "scikit-learn==1.2")
    assert project.libraries.noted == ("--index-url https://example.org", "old; python_version < '3'")
    assert project.libraries.python == "3.10"
    assert project.libraries.missing() == ("no-such-lib",)
    assert any("scikit-learn" in line for line in project.libraries.differing())


def test_a_conda_file_is_read_for_its_pip_part_and_shown_for_the_rest(tmp_path: Path) -> None:
    conda = "dependencies:\n- python=3.9\n- cudatoolkit=11\n- pip\n- pip: ['numpy', 'no-such-lib']\n"
    entry = "entry_points:\n  main: {command: 'python x.py'}\n"
    libraries = read_project(
        a_folder(tmp_path, mlflow=f"conda_env: conda.yaml\n{entry}", **{"conda.yaml": conda})
    ).libraries
    assert (libraries.python, libraries.missing()) == ("3.9", ("no-such-lib",))
    assert "cudatoolkit=11" in libraries.noted


def test_our_own_file_counts_before_mlflow_s(tmp_path: Path) -> None:
    assert read_project(a_folder(tmp_path, own=OWN, mlflow="entry_points: 1")).file == "neuromation-project.yaml"


@pytest.mark.parametrize(
    ("own", "match"),
    [
        ("a: [", "is no YAML"),
        ("[1, 2]", "no YAML object"),
        ("a: &x 1\nb: *x", "has aliases"),
        (OWN.replace("project/1", "project/9"), "wrong at format"),
        (OWN + "more: 1\n", "wrong at more"),
        (OWN.replace("main.py", "main.py {lr}"), "no parameter"),
        (OWN.replace("main.py", "main.py {"), "write {{"),
        (OWN.replace("main.py", "{x.__class__}"), "write {{"),
        (OWN.replace("train:", "'../x':"), "entry_points"),
        (OWN.replace("'}", "', parameters: {n: {type: int, default: x}}}"), "int is needed"),
        (OWN.replace("'}", "', parameters: {n: {type: tensor}}}"), "wrong at entry_points.train.parameters.n.type"),
        ("a: 1\n" * 100_000, "larger than"),
        ("\x00", "is no YAML"),
        ("{" * 5000, "is no YAML"),
    ],
)
def test_a_damaged_description_is_refused_with_its_place(own: str, match: str, tmp_path: Path) -> None:
    refused(a_folder(tmp_path, own=own), match)


def test_what_a_project_cannot_have_is_refused(tmp_path: Path) -> None:
    refused(tmp_path, "neither")
    entry = "entry_points:\n  main: {command: 'python x.py'}\n"
    refused(a_folder(tmp_path, mlflow=f"docker_env: {{image: x}}\n{entry}"), "container image")
    refused(a_folder(tmp_path, mlflow=f"python_env: ../../etc/passwd\n{entry}"), "leads out")
    refused(a_folder(tmp_path, mlflow=f"python_env: none.yaml\n{entry}"), "cannot be read")
    project = read_project(a_folder(tmp_path, own=OWN))
    with pytest.raises(BadProject, match="no entry point 'test'; choose one of train"):
        project.entry("test")


@given(
    st.text(st.characters(min_codepoint=32, exclude_categories=["C", "Z"]), max_size=60),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
)
def test_every_value_is_one_word_to_a_shell(text: str, number: int, real: float) -> None:
    entry = an_entry("x {{y}} {a} {b} {c} {d}", a={}, b={"type": "int"}, c={"type": "float"}, d={"type": "bool"})
    values = check_parameters(entry, {"a": text, "b": number, "c": real, "d": True})
    words = shlex.split(command_line(entry, values, HERE))
    assert words == ["x", "{y}", text, str(number), str(real), "true"]


def test_a_shell_sees_values_and_no_commands(tmp_path: Path) -> None:
    entry = an_entry("printf %s {a}", a={})
    text = f"$(touch {tmp_path}/x) `id` ; ' \" \\ * {{b}} & |"
    line = command_line(entry, check_parameters(entry, {"a": text}), HERE)
    assert subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=True).stdout == text
    assert list(tmp_path.iterdir()) == []


def test_places_are_filled_in_unless_a_parameter_has_their_name() -> None:
    assert command_line(an_entry("t {inputs} {outputs} {parameters}"), {}, HERE) == "t /i /o /p.json"
    own = an_entry("t {inputs}", inputs={"type": "path", "default": "data"})
    assert command_line(own, check_parameters(own, {}), HERE) == "t /p/data"


@pytest.mark.parametrize(
    ("parameter", "value", "match"),
    [
        ({"type": "int"}, "1.5", "int is needed"),
        ({"type": "int"}, True, "int is needed"),
        ({"type": "float"}, "nan", "float is needed"),
        ({"type": "float"}, "x", "float is needed"),
        ({"type": "bool"}, "yes", "bool is needed"),
        ({"type": "int"}, "9" * 5000, "int is needed"),
        ({"type": "float", "minimum": 0, "maximum": 1}, 2, "give 0 to 1"),
        ({"choices": ["a", "b"]}, "c", "choose one of a, b"),
        ({"type": "path"}, "/etc/passwd", "relative path"),
        ({"type": "path"}, "a/../../b", "relative path"),
        ({"type": "path"}, "s3://x/y", "relative path"),
        ({}, "a\nb", "control"),
        ({}, "x" * 5000, "longer"),
        ({}, None, "no default"),
    ],
)
def test_values_outside_their_type_are_refused(parameter: dict[str, Any], value: Any, match: str) -> None:
    with pytest.raises(BadProjectParameters, match=match):
        check_parameters(an_entry("x {p}", p=parameter), {} if value is None else {"p": value})


def test_an_unknown_parameter_is_refused() -> None:
    with pytest.raises(BadProjectParameters, match="no parameter 'q'; it has p"):
        check_parameters(an_entry("x", p={"default": 1}), {"q": 1})
    assert Parameter().type == "string"


@given(
    st.dictionaries(
        st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_./-]{0,40}", fullmatch=True),
        st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**60), 2**60),
        max_size=20,
    )
)
def test_metrics_come_back_as_they_were_written(metrics: dict[str, float]) -> None:
    read = read_metrics(json.dumps(metrics).encode())
    assert read == {name: float(value) for name, value in metrics.items()}
    assert list(read) == list(metrics)


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_no_bytes_make_the_reader_of_metrics_fail_otherwise(data: bytes) -> None:
    try:
        assert all(map(math.isfinite, read_metrics(data).values()))
    except BadMetrics:
        pass


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ('{"a": NaN}', "diverge"),
        ('{"a": -Infinity}', "diverge"),
        ('{"a": 1e999}', "diverge"),
        ('{"a": ' + "9" * 400 + "}", "finite"),
        ('{"a": "1"}', "no number"),
        ('{"a": true}', "no number"),
        ('{"a": null}', "no number"),
        ("[1]", "no object"),
        ('{"a": 1, "a": 2}', "there twice"),
        ('{"\\u001b[2J": 1}', "odd name"),
        ('{"": 1}', "odd name"),
        ("[" * 100_000, "no JSON"),
        (json.dumps({str(n): n for n in range(1001)}), "at most 1000"),
        ('{"a": "' + "x" * 300_000 + '"}', "at most 262144"),
    ],
)
def test_metrics_that_are_none_are_refused(text: str, match: str) -> None:
    with pytest.raises(BadMetrics, match=match):
        read_metrics(text.encode())
