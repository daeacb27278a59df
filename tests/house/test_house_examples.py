"""Every example in the documents compiles; those that can run without a platform run."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from house_sources import Block, blocks, documents
from pydantic import BaseModel

from neuromation.catalog.model import checked_name
from neuromation.client import Client
from neuromation.synthetic import generate_dataset, get_generator, parse_params, preview, search_space, verify_dataset
from neuromation.synthetic import generator as generators

VENDOR_LINES_MAX = 40
PYTHON = blocks("python")


def _of(document: str, language: str) -> Block:
    return next(block for block in blocks(language) if block.document == document)


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_every_example_compiles_and_imports_what_exists(block: Block) -> None:
    tree = ast.parse(block.text, str(block))
    compile(tree, str(block), "exec")
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            module = importlib.import_module(node.module)
            assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_every_call_of_the_client_in_an_example_fits_it(block: Block) -> None:
    imported = {
        alias.name: getattr(importlib.import_module(node.module), alias.name)
        for node in ast.walk(ast.parse(block.text))
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    for node in ast.walk(ast.parse(block.text)):
        if not isinstance(node, ast.Call):
            continue
        keywords = {keyword.arg for keyword in node.keywords if keyword.arg}
        function = node.func
        if (
            isinstance(function, ast.Attribute)
            and isinstance(function.value, ast.Name)
            and function.value.id == "client"
        ):
            called = inspect.signature(getattr(Client, function.attr))
            called.bind(None, *node.args, **dict.fromkeys(keywords))
        elif isinstance(function, ast.Name) and isinstance(imported.get(function.id), type(BaseModel)):
            model = imported[function.id]
            required = {name for name, field in model.model_fields.items() if field.is_required()}
            assert required <= keywords <= set(model.model_fields), f"{block}: {function.id}"


@pytest.mark.parametrize("block", [block for block in PYTHON if block.info.endswith(" run")], ids=str)
def test_every_example_marked_so_runs(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(block.text, str(block), "exec"), {})
    assert list(tmp_path.iterdir())


@pytest.fixture
def shades(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The vendor's tutorial, installed as its own text says; the generator's name."""
    project = tomllib.loads(_of("docs/vendor.md", "toml").text)["project"]
    (name, value), *more = project["entry-points"][generators.ENTRY_POINTS].items()
    assert not more
    module = value.split(":")[0]
    (tmp_path / f"{module}.py").write_text(_of("docs/vendor.md", "python").text)
    info = tmp_path / f"{project['name']}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    (info / "entry_points.txt").write_text(f"[{generators.ENTRY_POINTS}]\n{name} = {value}\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    generators._registered.cache_clear()
    yield name
    generators._registered.cache_clear()
    sys.modules.pop(module, None)


def test_the_vendors_tutorial_is_short() -> None:
    assert len(_of("docs/vendor.md", "python").text.splitlines()) < VENDOR_LINES_MAX


def test_the_vendors_generator_makes_a_data_set_that_verifies(shades: str, tmp_path: Path) -> None:
    generator = get_generator(shades)
    assert isinstance(generator, generators.Generator)
    assert checked_name(generator.name) == shades
    manifest = generate_dataset(
        generator, parse_params(generator, {"noise": 0.3}), seed=1, units=60, out=tmp_path / "made", shard_units=25
    )
    report = verify_dataset(
        tmp_path / "made", sample=20, rng=np.random.default_rng(0), published_root=manifest.merkle_root
    )
    assert (report.ok, report.units, len(report.sampled)) == (True, 60, 20)


def test_the_vendors_generator_can_be_looked_at_and_tuned(shades: str) -> None:
    generator = get_generator(shades)
    assert preview(generator, generator.params_model(), seed=0, columns=4, rows=2).startswith(b"\x89PNG")
    assert [tunable.name for tunable in search_space(generator)] == ["size", "noise"]
    labels = {generator.unit(generator.params_model(), 0, index).label for index in range(30)}
    assert labels == set(range(len(generator.classes)))


def test_the_readmes_digits_have_the_root_that_it_prints(tmp_path: Path) -> None:
    readme = documents()["README.md"]
    units, seed = re.findall(r"synth generate digits -n (\d+) --seed (\d+)", readme)[0]
    root = re.findall(r"merkle root +([0-9a-f]{64})", readme)[0]
    digits = get_generator("digits")
    made = generate_dataset(digits, parse_params(digits, {}), seed=int(seed), units=int(units), out=tmp_path / "digits")
    assert made.merkle_root == root
