"""The contract of a model project in any framework: its description, parameters, command, metrics; starts no process.

A project is a folder with `neuromation-project.yaml`, or with MLflow's `MLproject`
(mlflow.org/docs/latest/ml/projects). Its entry points are commands that read a folder of inputs, which is a data set in
our export layout, and a file of parameters; they write to one folder of outputs, `metrics.json` among them, and end with 0.
Everything here was written by strangers: it is parsed as data, bounded, and never evaluated.
"""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, NoReturn, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from neuromation.learning.errors import BadMetrics, BadProject, BadProjectParameters

OWN_FILE, MLFLOW_FILE = "neuromation-project.yaml", "MLproject"
FORMAT = "neuromation-project/1"
METRICS_FILE = "metrics.json"
ENTRIES_MAX, PARAMETERS_MAX, METRICS_MAX, LIBRARIES_MAX = 32, 100, 1_000, 500
VALUE_MAX = 4_096  # characters of one parameter
METRICS_BYTES_MAX = 256 * 1024
_FILE_BYTES_MAX = 256 * 1024

Value = str | int | float | bool
_WORD = r"[A-Za-z_][A-Za-z0-9_-]{0,63}"
_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{(" + _WORD + r")\}|[{}]")
_METRIC = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./@%() -]{0,99}")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")

Name = Annotated[str, Field(pattern=f"^{_WORD}$")]


class Parameter(BaseModel):
    """One parameter of an entry point. Without a default it must be given.

    `path` is a relative path: what begins with `inputs` lies in the inputs, what begins with `outputs` in the outputs,
    everything else in the project. `uri` is passed on as a text; there is no network to fetch it from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["string", "float", "int", "bool", "path", "uri"] = "string"
    default: Value | None = None
    minimum: float | None = None
    maximum: float | None = None
    choices: Annotated[tuple[Value, ...], Field(max_length=100)] = ()
    description: Annotated[str, Field(max_length=500)] = ""


class EntryPoint(BaseModel):
    """A command template and its parameters; `{name}` in the template becomes the quoted value."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: Annotated[str, Field(min_length=1, max_length=8_192)]
    parameters: Annotated[dict[Name, Parameter], Field(max_length=PARAMETERS_MAX)] = {}
    description: Annotated[str, Field(max_length=500)] = ""

    @field_validator("command")
    @classmethod
    def _is_text(cls, command: str) -> str:
        if "\0" in command:
            raise ValueError("a command is text")
        return command

    @model_validator(mode="after")
    def _is_consistent(self) -> EntryPoint:
        known = {*self.parameters, *PLACES}
        for match in _PLACEHOLDER.finditer(self.command):
            if match[0] in ("{", "}"):
                raise ValueError("a brace in the command names nothing; write {{ or }} for the sign itself")
            if match[1] and match[1] not in known:
                raise ValueError(f"the command names {{{match[1]}}}, which is no parameter")
        for name, parameter in self.parameters.items():
            if parameter.default is not None:
                _checked(name, parameter, parameter.default)
        return self


@dataclass(frozen=True, slots=True)
class Libraries:
    """What a project says that it needs; nothing of it is ever downloaded.

    Attributes:
        needed: requirement lines as pip reads them ("torch>=2.1"); without their library the project is not started.
        noted: lines that are shown only: of conda, with conditions, or addresses.
        python: the version asked for, or "".
        file: where it was read, or "".
    """

    needed: tuple[str, ...] = ()
    noted: tuple[str, ...] = ()
    python: str = ""
    file: str = ""

    def missing(self) -> tuple[str, ...]:
        """Names of needed libraries that are not installed here."""
        return tuple(sorted({name for line in self.needed if _installed(name := library_of(line)) is None}))

    def differing(self) -> tuple[str, ...]:
        """What is installed in another version than the project pins, as sentences to show."""
        found = []
        for line in self.needed:
            pin = re.fullmatch(r"[A-Za-z0-9._\[\],-]+?\s*===?\s*([A-Za-z0-9.+!]+)", line)
            here = _installed(library_of(line))
            if pin and here is not None and here.split("+")[0] != pin[1].split("+")[0]:
                found.append(f"{library_of(line)} {here} is installed, the project pins {pin[1]}")
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Project:
    """What a project says of itself. `file` is the description that was read; `licence` an SPDX id, or ""."""

    name: str
    entries: Mapping[str, EntryPoint]
    libraries: Libraries
    file: str
    licence: str = ""

    def entry(self, name: str | None = None) -> tuple[str, EntryPoint]:
        """The entry point of this name; None: `train`, else `main`, else the only one. Raises BadProject."""
        wanted = (
            [name] if name is not None else ["train", "main", *(list(self.entries) if len(self.entries) == 1 else [])]
        )
        for one in wanted:
            if one in self.entries:
                return one, self.entries[one]
        said = f"has no entry point {name[:60]!r}" if name is not None else "does not say where to start"
        raise BadProject(f"{self.file} {said}; choose one of {', '.join(self.entries)}")


@dataclass(frozen=True, slots=True)
class Places:
    """Where a running project finds things: its own files, its inputs, its parameters (JSON), its outputs."""

    project: Path
    inputs: Path
    parameters: Path
    outputs: Path


PLACES = ("inputs", "outputs", "parameters")


def read_project(folder: Path) -> Project:
    """The description of the project in `folder`; our own file counts before MLflow's.

    Raises:
        BadProject: there is none, it is damaged, or it asks for what cannot be given.
    """
    if (folder / OWN_FILE).is_file():
        return _own(folder)
    if (folder / MLFLOW_FILE).is_file():
        return _mlflow(folder)
    raise BadProject(
        f"the project has neither {OWN_FILE} nor {MLFLOW_FILE} at its top; add one, or name the folder that has it: SOURCE#folder"
    )


def check_parameters(entry: EntryPoint, given: Mapping[str, Value]) -> dict[str, Value]:
    """Every parameter of the entry point with its value: given (as its type, or as text), or its default.

    Raises:
        BadProjectParameters: a name that is unknown or missing, or a value outside its type, range or choices.
    """
    unknown = [name for name in given if name not in entry.parameters]
    if unknown:
        known = ", ".join(entry.parameters) or "none"
        raise BadProjectParameters(f"the entry point has no parameter {unknown[0][:60]!r}; it has {known}")
    values: dict[str, Value] = {}
    for name, parameter in entry.parameters.items():
        value = given.get(name, parameter.default)
        if value is None:
            raise BadProjectParameters(f"the parameter {name} has no default; give it ({parameter.type})")
        try:
            values[name] = _checked(name, parameter, value)
        except ValueError as error:
            raise BadProjectParameters(str(error)) from error
    return values


def placed(entry: EntryPoint, values: Mapping[str, Value], places: Places) -> dict[str, Value]:
    """The values with paths as they are where the project runs."""
    return {
        name: str(_place(str(value), places)) if entry.parameters[name].type == "path" else value
        for name, value in values.items()
    }


def command_line(entry: EntryPoint, values: Mapping[str, Value], places: Places) -> str:
    """The command for a shell: values checked by `check_parameters`, quoted so that each is one word."""
    words = {name: str(getattr(places, name)) for name in PLACES} | placed(entry, values, places)

    def word(match: re.Match[str]) -> str:
        return shlex.quote(_text(words[match[1]])) if match[1] else match[0][0]

    return _PLACEHOLDER.sub(word, entry.command)


def read_metrics(data: bytes) -> dict[str, float]:
    """Metrics by name, in the order of the file.

    Raises:
        BadMetrics: no JSON object of names and finite numbers, or too much of it.
    """
    if len(data) > METRICS_BYTES_MAX:
        raise BadMetrics(
            f"{METRICS_FILE} takes {len(data)} bytes and at most {METRICS_BYTES_MAX} are read; write numbers only"
        )
    try:
        pairs = json.loads(data, object_pairs_hook=_Pairs, parse_constant=_not_finite)
    except (ValueError, RecursionError) as error:
        raise BadMetrics(
            f"{METRICS_FILE} is no JSON ({str(error)[:100]}); write an object of names and numbers"
        ) from error
    if not isinstance(pairs, _Pairs):
        raise BadMetrics(f'{METRICS_FILE} is no object; write for example {{"accuracy": 0.97}}')
    if len(pairs) > METRICS_MAX:
        raise BadMetrics(f"{METRICS_FILE} has {len(pairs)} metrics; at most {METRICS_MAX} are kept")
    metrics: dict[str, float] = {}
    for name, value in pairs:
        if not _METRIC.fullmatch(name) or name in metrics:
            raise BadMetrics(
                f"the metric {name[:60]!r} is there twice or has an odd name; use letters, digits and . _ / -"
            )
        metrics[name] = _number(name, value)
    return metrics


class _Pairs(list[tuple[str, Any]]):
    """A JSON object that still knows which names came twice."""


def _not_finite(word: str) -> NoReturn:
    raise BadMetrics(f"a metric is {word}; a metric is a finite number: did the training diverge?")


def _number(name: str, value: Any) -> float:
    try:
        number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    except OverflowError:
        number = math.inf
    if number is None:
        raise BadMetrics(f"the metric {name} is no number; write an object of names and numbers")
    if not math.isfinite(number):
        raise BadMetrics(f"the metric {name} is not finite; did the training diverge?")
    return number


def library_of(line: str) -> str:
    """The name of the library in a requirement line."""
    match = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", line.strip())
    return match[0].lower() if match else ""


# Values.


def _checked(name: str, parameter: Parameter, value: Value) -> Value:
    """The value as its type. Raises ValueError with a sentence."""
    made = _typed(name, parameter.type, value)
    if isinstance(made, int | float) and not isinstance(made, bool):
        low = -math.inf if parameter.minimum is None else parameter.minimum
        high = math.inf if parameter.maximum is None else parameter.maximum
        if not low <= made <= high:
            raise ValueError(f"the parameter {name} is {made}; give {low:g} to {high:g}")
    if parameter.choices and made not in parameter.choices:
        raise ValueError(
            f"the parameter {name} is {str(made)[:60]!r}; choose one of {', '.join(map(str, parameter.choices))}"
        )
    return made


def _typed(name: str, kind: str, value: Value) -> Value:
    wrong = ValueError(f"the parameter {name} is {str(value)[:60]!r}, and {kind} is needed")
    if kind in ("float", "int"):
        if isinstance(value, bool):
            raise wrong
        try:
            number: int | float = int(value) if kind == "int" else float(value)
            if not math.isfinite(number) or float(number) != float(value):
                raise wrong
        except (ValueError, OverflowError) as error:
            raise wrong from error
        return number
    if kind == "bool":
        words = {"true": True, "false": False}
        made = value if isinstance(value, bool) else words.get(str(value).lower())
        if made is None:
            raise wrong
        return made
    text = _text(value)
    if len(text) > VALUE_MAX or not text.isprintable():
        raise ValueError(f"the parameter {name} is longer than {VALUE_MAX} characters, or has control characters")
    if kind == "path" and (
        PurePosixPath(text).is_absolute() or ".." in PurePosixPath(text).parts or _SCHEME.match(text)
    ):
        raise ValueError(f"the parameter {name} is {text[:60]!r}; give a relative path, for example inputs/train")
    return text


def _text(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _place(path: str, places: Places) -> Path:
    first, *rest = PurePosixPath(path).parts or (".",)
    roots = {"inputs": places.inputs, "outputs": places.outputs}
    return roots[first].joinpath(*rest) if first in roots else places.project / path


# Descriptions.


class _OwnFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["neuromation-project/1"]
    name: Annotated[str, Field(min_length=1, max_length=100)]
    licence: Annotated[str, Field(max_length=100)] = ""
    python: Annotated[str, Field(max_length=60)] = ""
    requires: Annotated[tuple[Annotated[str, Field(max_length=200)], ...], Field(max_length=LIBRARIES_MAX)] = ()
    entry_points: Annotated[dict[Name, EntryPoint], Field(min_length=1, max_length=ENTRIES_MAX)]


class _MlflowFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    name: Annotated[str, Field(max_length=100)] = "project"
    python_env: str | None = None
    conda_env: str | None = None
    docker_env: Any = None
    entry_points: Annotated[dict[Name, EntryPoint], Field(min_length=1, max_length=ENTRIES_MAX)]

    @field_validator("entry_points", mode="before")
    @classmethod
    def _short_forms(cls, entries: Any) -> Any:
        """MLflow allows `alpha: float` for `alpha: {type: float}`, and omitted types."""
        if not isinstance(entries, dict):
            return entries
        return {name: _long_form(entry) for name, entry in entries.items()}


def _long_form(entry: Any) -> Any:
    if not isinstance(entry, dict) or not isinstance(entry.get("parameters") or {}, dict):
        return entry
    parameters = {
        name: {"type": value} if isinstance(value, str) else value or {}
        for name, value in (entry.get("parameters") or {}).items()
    }
    return {"command": entry.get("command"), "parameters": parameters}


def _own(folder: Path) -> Project:
    said = _described(_OwnFile, folder, OWN_FILE)
    needed, noted = _sorted_lines(said.requires)
    return Project(
        said.name, said.entry_points, Libraries(needed, noted, said.python, OWN_FILE), OWN_FILE, said.licence
    )


def _mlflow(folder: Path) -> Project:
    said = _described(_MlflowFile, folder, MLFLOW_FILE)
    if said.docker_env is not None:
        raise BadProject(
            f"{MLFLOW_FILE} asks for a container image; projects run in the installed environment: use python_env"
        )
    if said.python_env is not None:
        libraries = _python_env(folder, said.python_env)
    elif said.conda_env is not None:
        libraries = _conda_env(folder, said.conda_env)
    else:
        libraries = Libraries()
    return Project(said.name, said.entry_points, libraries, MLFLOW_FILE)


def _python_env(folder: Path, name: str) -> Libraries:
    said = _yaml(folder, name)
    lines: list[str] = []
    for line in _texts(said.get("dependencies"), name):
        follows = re.fullmatch(r"(?:-r|--requirement)[ =]?(\S+)", line.strip())
        lines += _read(folder, follows[1]).splitlines() if follows else [line]
    needed, noted = _sorted_lines(lines)
    return Libraries(needed, noted, str(said.get("python") or "")[:60], name)


def _conda_env(folder: Path, name: str) -> Libraries:
    said = _yaml(folder, name)
    rows = said.get("dependencies") or []
    if not isinstance(rows, list):
        raise BadProject(f"{name} has no list of dependencies; see conda's documentation of environment files")
    pip = [line for row in rows if isinstance(row, dict) for line in _texts(row.get("pip"), name)]
    conda = [row for row in rows if isinstance(row, str)]
    needed, noted = _sorted_lines(pip)
    python = next((row.partition("=")[2].strip("=") for row in conda if library_of(row) == "python"), "")
    # conda's names are not pip's, and many are no Python libraries: they are shown, and the import tells.
    return Libraries(needed, (*conda[:LIBRARIES_MAX], *noted), python[:60], name)


def _sorted_lines(lines: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Requirement lines that can be looked up, and those that are only shown."""
    needed: list[str] = []
    noted: list[str] = []
    for raw in lines:
        line = re.sub(r"(^|\s)#.*", "", raw).strip()
        if not line:
            continue
        plain = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*\s*(\[[\w,. -]*\])?\s*([=<>!~].*)?", line) and ";" not in line
        (needed if plain else noted).append(line[:200])
    if len(needed) + len(noted) > LIBRARIES_MAX:
        raise BadProject(f"the project asks for more than {LIBRARIES_MAX} libraries; list those that it imports")
    return tuple(needed), tuple(noted)


def _texts(value: Any, name: str) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise BadProject(f"{name} has dependencies that are no list of texts")
    return value


def _installed(name: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name) if name else None
    except PackageNotFoundError:
        return None


T = TypeVar("T", bound=BaseModel)


def _described(kind: type[T], folder: Path, name: str) -> T:
    try:
        return kind.model_validate(_yaml(folder, name))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "it"
        raise BadProject(f"{name} is wrong at {where[:120]}: {first['msg'][:300]}; see docs/projects.md") from error


def _yaml(folder: Path, name: str) -> dict[str, Any]:
    """A YAML file of a stranger: an object, without aliases, which could be unfolded into gigabytes."""
    import yaml

    text = _read(folder, name)
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader)):
            raise BadProject(f"{name} has aliases (*name), which are not read; write the values out")
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BadProject(f"{name} is no YAML ({' '.join(str(error).split())[:200]})") from error
    if not isinstance(value, dict):
        raise BadProject(f"{name} is no YAML object; see docs/projects.md for its keys")
    return value


def _read(folder: Path, name: str) -> str:
    path = folder / name
    if PurePosixPath(name).is_absolute() or not path.resolve().is_relative_to(folder.resolve()):
        raise BadProject(f"{name[:100]!r} leads out of the project")
    try:
        with path.open("rb") as file:
            data = file.read(_FILE_BYTES_MAX + 1)
        if len(data) > _FILE_BYTES_MAX:
            raise BadProject(f"{name} is larger than {_FILE_BYTES_MAX} bytes; a description is short")
        return data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadProject(f"{name[:100]} cannot be read as text; is it there, in UTF-8?") from error
