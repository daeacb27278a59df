"""Every command line in the documents and in the commands' own help can be typed as it stands."""

from __future__ import annotations

import importlib.util
import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from house_sources import ROOT, command_lines, documents, prose

from neuromation.cli.main import app

ROOT_COMMAND: Any = typer.main.get_command(app)


def _words(line: str) -> list[str]:
    """The arguments of a `neuromation` line, without what a shell would take for itself."""
    words = shlex.split(line, comments=True)
    while re.match(r"[A-Z_]+=", words[0]):
        words.pop(0)
    return words[1:] if words[0] == "neuromation" else []


def _lines() -> list[tuple[str, str]]:
    return [
        (where, line)
        for where, line in command_lines()
        if re.match(r"([A-Z_]+=\S+ |[A-Z_]+='[^']*' )*neuromation ", line)
    ]


def parse(words: list[str]) -> Any:
    """Parse a command line to its last option without running it; its command. Raises what typing it would say."""
    command, context = ROOT_COMMAND, ROOT_COMMAND.make_context("neuromation", list(words))
    while hasattr(command, "resolve_command"):
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(name, rest, parent=context)
    return command


def _named(words: list[str]) -> Any:
    """The command that words in running text name; options among them must be the command's."""
    command, path = ROOT_COMMAND, "neuromation"
    rest = [word for word in words if not word.startswith("-")]
    context: Any = None
    while rest and hasattr(command, "resolve_command"):
        context = command.context_class(command, info_name=path, parent=context)
        path, command, rest = command.resolve_command(context, rest)
    options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    wanted = {word.split("=")[0] for word in words if word.startswith("--")}
    assert wanted - options - {"--help"} == set(), f"`neuromation {' '.join(words)}` has an option that is none"
    return command


@pytest.mark.parametrize(("where", "line"), _lines())
def test_every_line_to_type_parses(where: str, line: str) -> None:
    parse(_words(line))


@pytest.mark.parametrize("name", documents())
def test_every_command_in_running_text_exists(name: str) -> None:
    for line in re.findall(r"`neuromation ([^`\n]+)`", prose(name)):
        if "..." not in line:
            _named(shlex.split(line))


def _leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if not hasattr(command, "resolve_command"):
        yield path, command
        return
    context = command.context_class(command, info_name=path[-1] if path else "neuromation")
    for name in command.list_commands(context):
        _, child, _ = command.resolve_command(context, [name])
        if not child.hidden:  # an alias
            yield from _leaves(child, (*path, name))


def test_every_command_has_help_and_an_example_that_parses() -> None:
    for path, command in _leaves(ROOT_COMMAND):
        assert command.help, path
        examples = re.findall(r"neuromation [a-z][^\n]*", f"{command.epilog or ''}\n{command.help}")
        typed = [line for line in examples if tuple(shlex.split(line)[1 : len(path) + 1]) == path]
        assert typed, f"{' '.join(path)} has no example of its own"
        for line in typed:
            parse(_words(line))


def test_an_unknown_option_would_be_met() -> None:
    with pytest.raises(typer.TyperException, match="No such option"):
        parse(["dataset", "order", "digits", "-n", "5", "--name", "x", "--no-such-option"])


def test_every_module_that_is_run_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))  # where `python -m` looks first
    modules = [line.split()[2] for _, line in command_lines() if line.startswith("python -m ")]
    assert modules
    assert [m for m in modules if importlib.util.find_spec(m) is None] == []
