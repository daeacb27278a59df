"""Each kind of user installs what its code imports, and no more."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions

import pytest
from house_sources import ROOT, Source, is_stale, sources

# A name that is imported -> the distribution that is asked for and always brings it.
BROUGHT_BY = {
    "pydantic-core": "pydantic", "starlette": "fastapi", "markupsafe": "jinja2", "llvmlite": "numba", "protobuf": "onnx",
}  # fmt: skip
# Never imported by name: torch's ONNX exporter loads it.
LOADED_BY_OTHERS = {"httptools", "onnxscript", "uvloop"}  # by uvicorn, by torch.onnx, by uvicorn
KNOWN_UNUSED: set[str] = set()
# Renderers that are loaded when they are asked for, and say so when their extra is missing.
ON_DEMAND = {
    "synthetic/render/embree.py": "photoreal",
    "synthetic/render/photoreal.py": "photoreal",
    "synthetic/render/gpu.py": "gpu",
    "learning/compression/mobile.py": "mobile",
    "learning/conversion/keras_models.py": "keras",
    "learning/conversion/jax_models.py": "jax",
    "agent/cluster_ray.py": "cluster",
    "synthetic/loaders.py": "node",  # which brings torch beside what reads shards
}


@cache
def _project() -> dict[str, list[str]]:
    """What `pip install` of each extra brings of third parties; "" is the base package."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    own = {"": project["dependencies"], **project["optional-dependencies"]}

    def brought(extra: str) -> set[str]:
        names: set[str] = set()
        for line in own[extra]:
            inner = re.fullmatch(r"neuromation\[([\w,]+)\]", line)
            names |= (
                set().union(*map(brought, inner[1].split(",")))
                if inner
                else {_normal(re.split(r"[\[<>=~! ]", line)[0])}
            )
        return names | ({_normal(re.split(r"[\[<>=~! ]", line)[0]) for line in own[""]} if extra else set())

    return {extra: sorted(brought(extra)) for extra in own}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def _imported(source: Source, late: bool) -> frozenset[str]:
    return frozenset(_imports(source.tree, late=late))


def _imports(node: ast.AST, *, late: bool) -> Iterator[str]:
    """Dotted names of what a module imports; with `late` also inside functions. What only types need is left out."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            continue
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and not late:
            continue
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom) and child.module:
            yield child.module
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
        yield from _imports(child, late=late)


_distributions = cache(packages_distributions)


@cache
def _distribution(root: str) -> str:
    """The distribution that a top-level name comes from, as pyproject asks for it."""
    found = {_normal(name) for name in _distributions().get(root, [root])}
    name = min(found)
    return BROUGHT_BY.get(name, name)


def _third_parties(names: frozenset[str]) -> set[str]:
    roots = {name.split(".")[0] for name in names}
    return {_distribution(root) for root in roots if root not in sys.stdlib_module_names and root != "neuromation"}


def _closure(start: list[Source], *, late: bool) -> list[Source]:
    """The modules that loading `start` loads, of this package."""
    by_module = {source.module: source for source in sources()}
    waiting, seen = list(start), {source.module for source in start}
    for source in waiting:
        names = [source.module, *_imported(source, late)]
        parts = {".".join(n.split(".")[: i + 1]) for n in names for i in range(len(n.split(".")))}
        for module in sorted(parts & set(by_module) - seen):
            seen.add(module)
            waiting.append(by_module[module])
    return waiting


def _starting(*prefixes: str) -> list[Source]:
    return [source for source in sources() if source.name.startswith(prefixes)]


DEMO_ONLY = ("cli/demo", "cli/stage", "cli/story", "cli/report", "cli/charts", "cli/poster")


def test_client_and_command_line_load_with_the_base_package_alone() -> None:
    start = [source for source in _starting("kernel/", "client/", "cli/") if not source.name.startswith(DEMO_ONLY)]
    needed = {d for source in _closure(start, late=False) for d in _third_parties(_imported(source, False))}
    assert needed - set(_project()[""]) == set()


@pytest.mark.parametrize(
    ("extra", "prefixes"),
    [
        ("synthetic", ("synthetic/",)),
        ("photoreal", ("synthetic/render/embree", "synthetic/render/photoreal")),
        ("gpu", ("synthetic/render/gpu",)),
        ("learning", ("learning/",)),
        ("keras", ("learning/conversion/keras_models",)),
        ("jax", ("learning/conversion/jax_models",)),
        ("mobile", ("learning/compression/mobile",)),
        ("cluster", ("agent/cluster_ray",)),
        ("node", ("agent/", "client/", "synthetic/loaders")),
        ("server", ("api/", "worker/", "wiring", "workflows/")),
        ("demo", ("cli/",)),
    ],
)
def test_an_extra_brings_all_that_its_code_ever_imports(extra: str, prefixes: tuple[str, ...]) -> None:
    reached = _closure(_starting(*prefixes), late=True)
    own = [source for source in reached if ON_DEMAND.get(source.name, extra) == extra]
    needed = {d for source in own for d in _third_parties(_imported(source, True))}
    assert needed - set(_project()[extra]) == set()


def test_every_dependency_is_imported_somewhere() -> None:
    used = {d for source in sources() for d in _third_parties(_imported(source, True))}
    asked = {name for extra, names in _project().items() if extra != "dev" for name in names}
    assert asked - used - LOADED_BY_OTHERS - KNOWN_UNUSED == set()
    assert is_stale(KNOWN_UNUSED, asked - used) == set()
