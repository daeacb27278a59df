"""Settings are documented, and what is documented is a setting."""

from __future__ import annotations

import ast
import re
from dataclasses import fields

from house_sources import documents, is_stale, sources

from neuromation.kernel.money import Ntk
from neuromation.workflows.policy import Policy

_VARIABLE = re.compile(r"\bNEUROMATION_[A-Z_]+\b")
# Dials that nothing turns on yet.
KNOWN_UNUSED_DIALS: set[str] = set()


def test_every_environment_variable_is_documented_and_every_documented_one_is_read() -> None:
    in_code = {name for source in sources() for name in _VARIABLE.findall(source.text)}
    in_documents = {name for text in documents().values() for name in _VARIABLE.findall(text)}
    assert in_documents == in_code


def _documented_policy() -> dict[str, str]:
    text = documents()["docs/operator.md"].split("## Policy")[1].split("\n## ")[0]
    found: dict[str, str] = {}
    for names, defaults in re.findall(r"^\| (`[^|]+) \| ([^|]+) \|", text, re.MULTILINE):
        pairs = zip(re.findall(r"`(\w+)`", names), defaults.split(","), strict=True)
        found |= {name: default.strip().strip('"') for name, default in pairs}
    return found


def test_the_policy_is_documented_with_its_defaults() -> None:
    shown = {f.name: getattr(Policy(), f.name) for f in fields(Policy) if f.name not in KNOWN_UNUSED_DIALS}
    spelled = {
        n: str(v) if isinstance(v, Ntk | str) else f"{v:g}" if isinstance(v, float) else str(v)
        for n, v in shown.items()
    }
    assert _documented_policy() == spelled


def test_every_dial_of_the_policy_turns_something() -> None:
    read = {
        node.attr
        for source in sources()
        if source.name != "workflows/policy.py"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Attribute)
    }
    unused = {f.name for f in fields(Policy)} - read
    assert unused - KNOWN_UNUSED_DIALS == set()
    assert is_stale(KNOWN_UNUSED_DIALS, unused) == set()
