"""The shape of the code: small functions and modules, SQL and floats where they belong, migrations in pairs.

A list of known exceptions may only shrink: what is no exception any more must leave it.
"""

from __future__ import annotations

import ast
import re

from house_sources import PACKAGE, calls, is_stale, sources

FUNCTION_LINES_MAX = 70
MODULE_LINES_MAX = 600
KNOWN_LONG_FUNCTIONS: set[str] = set()
KNOWN_LONG_MODULES: set[str] = set()
VAGUE_NAMES = {"utils", "util", "common", "helpers", "helper", "manager", "managers", "misc"}
CONTEXTS = ("accounts", "catalog", "jobs", "ledger", "market", "nodes", "storage")
CONTEXT_FILES = ("model.py", "service.py", "store.py", "errors.py")

# The address of a started server is its result.
KNOWN_PRINTS = {"cli/serve.py"}
PRINTING = {"cli/output.py"}

# A health check and the lock around migrations: no context's tables are read.
KNOWN_SQL = {"api/app.py", "wiring.py"}

MONEY = ("kernel/money.py", "workflows/settlement.py", "market/clearing.py", "agent/floors.py")
# Seconds that the ledger's writer waits; a memo that shows CU to a person.
KNOWN_FLOATS = {"ledger/writer.py", "workflows/settlement.py"}


def test_functions_fit_on_a_screen() -> None:
    met = {
        f"{source.name}:{node.name}"
        for source in sources()
        for node in ast.walk(source.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > FUNCTION_LINES_MAX
    }
    assert met - KNOWN_LONG_FUNCTIONS == set()
    assert is_stale(KNOWN_LONG_FUNCTIONS, met) == set()


def test_modules_stay_small() -> None:
    met = {source.name for source in sources() if len(source.text.splitlines()) > MODULE_LINES_MAX}
    assert met - KNOWN_LONG_MODULES == set()
    assert is_stale(KNOWN_LONG_MODULES, met) == set()


def test_nothing_has_a_vague_name() -> None:
    names = {part for source in sources() for part in re.split(r"[/.]", source.name)}
    assert names & VAGUE_NAMES == set()


def test_every_module_says_what_it_owns() -> None:
    assert [s.name for s in sources() if not ast.get_docstring(s.tree)] == []


def test_every_context_has_its_four_files() -> None:
    missing = [f"{c}/{name}" for c in CONTEXTS for name in CONTEXT_FILES if not (PACKAGE / c / name).is_file()]
    assert missing == []


def test_only_the_command_line_prints() -> None:
    met = {s.name for s in sources() if any(isinstance(c.func, ast.Name) and n == "print" for n, c in calls(s.tree))}
    assert met - PRINTING - KNOWN_PRINTS == set()
    assert is_stale(KNOWN_PRINTS, met) == set()


def _has_sql(tree: ast.Module) -> bool:
    for name, call in calls(tree):
        of_sqlalchemy = isinstance(call.func, ast.Name) or (
            isinstance(call.func, ast.Attribute)
            and isinstance(call.func.value, ast.Name)
            and call.func.value.id == "sa"
        )
        if name == "exec_driver_sql" or (name == "text" and of_sqlalchemy):
            return True
    return False


def test_sql_lies_in_stores_audits_reads_and_migrations() -> None:
    met = {
        s.name
        for s in sources()
        if _has_sql(s.tree)
        and not s.name.endswith(("/store.py", "/audits.py"))
        and s.name != "workflows/reads.py"
        and not s.name.startswith("migrations/")
    }
    assert met - KNOWN_SQL == set()
    assert is_stale(KNOWN_SQL, met) == set()


def _has_float(tree: ast.Module) -> bool:
    return any(
        (isinstance(node, ast.Constant) and isinstance(node.value, float))
        or (isinstance(node, ast.Name) and node.id == "float")
        or (isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div))
        for node in ast.walk(tree)
    )


def test_no_float_touches_money() -> None:
    met = {s.name for s in sources() if (s.name in MONEY or s.name.startswith("ledger/")) and _has_float(s.tree)}
    assert met - KNOWN_FLOATS == set()
    assert is_stale(KNOWN_FLOATS, met) == set()


def _constant(tree: ast.Module, name: str) -> object:
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == name:
            return ast.literal_eval(node.value)
    raise AssertionError(f"a migration has no {name}")


def test_migrations_are_a_chain_of_pairs_that_only_goes_forward() -> None:
    folder = PACKAGE / "migrations" / "versions"
    steps = [s for s in sources() if s.name.startswith("migrations/versions/")]
    assert {path.stem for path in folder.glob("*.sql")} == {(PACKAGE / s.name).stem for s in steps}
    before = None
    for step in steps:
        number = (PACKAGE / step.name).stem.split("_")[0]
        assert (_constant(step.tree, "revision"), _constant(step.tree, "down_revision")) == (number, before)
        assert not any(isinstance(node, ast.FunctionDef) and node.name == "downgrade" for node in step.tree.body)
        before = number
