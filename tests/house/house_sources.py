"""What the house tests look at: the sources as syntax trees, the documents as text and fenced blocks."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "neuromation"


@dataclass(frozen=True, eq=False)
class Source:
    """One Python file of the package; `name` is its path inside it, such as "ledger/store.py"."""

    name: str
    text: str
    tree: ast.Module

    @property
    def module(self) -> str:
        """Its dotted name."""
        return ".".join(["neuromation", *self.name.removesuffix(".py").removesuffix("/__init__").split("/")])


@dataclass(frozen=True)
class Block:
    """A fenced block of a document: where it starts, its info string, its text."""

    document: str
    line: int
    info: str
    text: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


@cache
def sources() -> list[Source]:
    """Every Python file of the package, by name."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text("utf-8")
        found.append(Source(path.relative_to(PACKAGE).as_posix(), text, ast.parse(text)))
    return found


@cache
def documents() -> dict[str, str]:
    """Every Markdown file that people read, by its path from the root."""
    paths = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in sorted(paths)}


_FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(*languages: str) -> list[Block]:
    """The fenced blocks of all documents in one of these languages."""
    found = []
    for name, text in documents().items():
        for match in _FENCE.finditer(text):
            info = match["info"].strip()
            if info.split(" ")[0] in languages:
                found.append(Block(name, text.count("\n", 0, match.start()) + 1, info, match["text"]))
    return found


def prose(name: str) -> str:
    """A document without its fenced blocks."""
    return _FENCE.sub("", documents()[name])


def command_lines() -> list[tuple[str, str]]:
    """Every line that a document tells to type: (where, line). Continued lines are joined."""
    found = []
    for block in blocks("sh", "console"):
        lines = block.text.replace("\\\n", " ").splitlines()
        if block.info == "console":
            lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        found += [(str(block), line.strip()) for line in lines if line.strip() and not line.startswith("#")]
    return found


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Every call with the last part of what is called: `text` for `text(...)` and for `sa.text(...)`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Name):
                yield function.id, node
            elif isinstance(function, ast.Attribute):
                yield function.attr, node


def is_stale(known: dict[str, str] | set[str], met: set[str]) -> set[str]:
    """Known exceptions that are none any more: they must leave the list."""
    return set(known) - met
