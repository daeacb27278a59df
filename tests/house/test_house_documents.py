"""The documents are true: links lead somewhere, files that are named exist, pictures of states are the code's."""

from __future__ import annotations

import re
import tomllib

import pytest
from house_sources import PACKAGE, ROOT, blocks, command_lines, documents, prose

from neuromation.jobs.model import JOB_MOVES, TaskState

ADR_LINES_MAX = 60
ADR_PARTS = ["Context", "Decision", "Consequences", "Alternatives", "Enforced by"]

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_NAMED_FILE = re.compile(r"`([\w./-]+\.(?:py|sql|toml|md))(?:: [\w.]+)?`")


def _anchors(text: str) -> set[str]:
    """The anchors that a reader's page gives the headings of a document."""
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("name", documents())
def test_every_relative_link_leads_somewhere(name: str) -> None:
    for link in _LINK.findall(prose(name)):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / name).parent / path if path else ROOT / name
        assert target.exists(), f"{name} links to {link}"
        if anchor:
            assert anchor in _anchors(target.read_text("utf-8")), f"{name} links to {link}"


@pytest.mark.parametrize("name", documents())
def test_every_file_that_is_named_exists(name: str) -> None:
    # A bare name, such as `store.py`, stands for one of many; a package's example has files of its own.
    named = [path for path in _NAMED_FILE.findall(prose(name)) if "/" in path]
    missing = [
        path for path in named if not any((base / path).exists() for base in (ROOT, PACKAGE, (ROOT / name).parent))
    ]
    assert missing == []


def test_decisions_are_numbered_one_page_each_with_their_parts() -> None:
    adrs = {name: text for name, text in documents().items() if name.startswith("docs/adr/")}
    assert [int(name.split("/")[-1][:4]) for name in adrs] == list(range(1, len(adrs) + 1))
    for name, text in adrs.items():
        assert text.startswith(f"# {int(name.split('/')[-1][:4])}. "), name
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ADR_PARTS, name
        assert len(text.splitlines()) <= ADR_LINES_MAX, name


def _moves(document: str, first: str) -> set[tuple[str, str]]:
    """The arrows of the state diagram in a document that begins in the state `first`."""
    for block in blocks("mermaid"):
        if block.document == document and f"[*] --> {first}\n" in block.text:
            arrows = re.findall(r"^\s*(\S+) --> ([^\s:]+)", block.text, re.MULTILINE)
            return {(a, b) for a, b in arrows if "[*]" not in (a, b)}
    raise AssertionError(f"{document} has no diagram that begins in {first}")


def test_the_picture_of_a_jobs_states_is_the_codes_table() -> None:
    table = {(here.value, there.value) for here, ways in JOB_MOVES.items() for there in ways}
    assert _moves("ARCHITECTURE.md", "quoted") == table


def test_the_picture_of_a_tasks_states_names_them_all() -> None:
    assert {state for move in _moves("ARCHITECTURE.md", "pending") for state in move} == {s.value for s in TaskState}


def test_the_map_names_every_folder_and_no_other() -> None:
    text = documents()["ARCHITECTURE.md"]
    block = text[text.index("src/neuromation/\n") :].split("```")[0]
    named = set(re.findall(r"^ {2}(\w+)/ ", block, re.MULTILINE))
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert named == folders - {"migrations"}


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {m for text in documents().values() for m in re.findall(r"`make ([a-z-]+)`", text)}
    named |= {line.split()[1] for _, line in command_lines() if line.startswith("make ")}
    assert named - targets == set()


def test_every_extra_that_is_named_exists() -> None:
    extras = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    named = {m for text in documents().values() for m in re.findall(r"pip install '?(?:\.|neuromation)\[(\w+)\]", text)}
    assert named
    assert named - extras == set()
