"""The entry point: finds the command, loads only that, and turns every error into a sentence and an exit code.

Exit codes: 0 done; 1 failed; 2 wrong usage or input; 3 not found; 4 not logged in or not allowed; 5 refused by the
state of the world (balance, quote, no feasible pool); 6 platform unreachable or broken; 7 the job ended without a
result; 124 waited too long; 130 interrupted.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from neuromation.cli.output import complain, jsonable
from neuromation.kernel import errors

if TYPE_CHECKING:
    from typer._click import Context
    from typer._click.core import Command

# Noun -> its module, and its line in the help. A module offers `app` (a group) or `command` (one command).
_NOUNS = {
    "auth": ("auth", "Register, log in, log out; tokens."),
    "generator": ("generators", "What makes data: list, show, preview."),
    "dataset": ("datasets", "Order, import, export and verify data sets."),
    "model": ("models", "Train, evaluate, adapt, compress, import and download models."),
    "project": ("projects", "Run model projects in any framework on the platform's nodes."),
    "job": ("jobs", "Watch, wait for and cancel what you ordered."),
    "wallet": ("wallet", "Your balance and its movements."),
    "node": ("nodes", "Let this machine earn; list your nodes."),
    "market": ("market", "Clearing prices."),
    "synth": ("synth", "Generate and export data offline, without any platform."),
    "products": ("products", "Catalogues of products for shelves and photos: import, list."),
    "admin": ("admin", "The operator's commands: accounts, funds, audit."),
    "serve": ("serve", "Run a platform on this machine."),
    "demo": ("demo", "Run the whole chain here: generate, train, evaluate, adapt, pay."),
}


# Modules that add commands to a noun's group.
_ADDITIONS = {"model": ("local_training", "zoo", "local_measuring", "reproducing", "foreign")}


class LazyGroup(TyperGroup):
    """A group that knows its commands' names and help, and loads a command only when it is called."""

    def list_commands(self, ctx: Context) -> list[str]:
        return list(_NOUNS)

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        known = _NOUNS.get(cmd_name)
        return TyperCommand(cmd_name, help=known[1], short_help=known[1]) if known else None

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, Command | None, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        return name, _loaded(command.name) if command and command.name else command, rest


def _loaded(name: str) -> Command:
    module = importlib.import_module(f"neuromation.cli.{_NOUNS[name][0]}")
    for addition in _ADDITIONS.get(name, ()):
        importlib.import_module(f"neuromation.cli.{addition}")
    app = getattr(module, "app", None)
    if not isinstance(app, typer.Typer):
        app = typer.Typer(add_completion=False, rich_markup_mode=None)
        app.command(name)(module.command)
    command = typer.main.get_command(app)
    command.name = name
    return command


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    epilog="\b\nExample:\n  neuromation dataset order digits -n 2000 --name digits-2k",
)


def _version(wanted: bool) -> None:
    if wanted:
        from neuromation import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Synthetic data, compute and models: ordered, verified, then paid.

    Every command takes --json. Results go to stdout, progress to stderr. Exit codes: 0 done, 1 failed, 2 wrong usage
    or input, 3 not found, 4 not logged in or not allowed, 5 refused by the state of the world, 6 platform unreachable,
    7 the job ended without a result, 124 waited too long, 130 interrupted.
    """


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; its exit code."""
    args = list(sys.argv[1:] if argv is None else argv)
    try:
        code: Any = app(args=args, prog_name="neuromation", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except Exception as error:  # the outermost loop of a command: every error becomes a sentence
        if os.environ.get("NEUROMATION_DEBUG"):
            raise
        return _report(error, args)
    except KeyboardInterrupt:
        complain("interrupted")
        return 130


def _report(error: Exception, args: Sequence[str]) -> int:
    """Say what went wrong; the exit code."""
    if isinstance(error, errors.NeuromationError):
        return _say(error, exit_code(error), as_json="--json" in args)
    if isinstance(error, typer.Abort):
        complain("interrupted")
        return 130
    if isinstance(error, typer.TyperException):
        _usage(error)
        return error.exit_code
    if isinstance(error, BrokenPipeError):
        # The reader has left, as `head` does. Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    elif isinstance(error, OSError):
        complain(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}")
    else:
        complain(f"a bug: {type(error).__name__}: {error}; set NEUROMATION_DEBUG=1 to see where, and report it")
    return 1


def exit_code(error: errors.NeuromationError) -> int:
    """The documented exit code of an error."""
    from neuromation.client.errors import JobFailed, ServerFault, Unreachable, WaitTimedOut
    from neuromation.learning.errors import ProjectFailed

    codes: tuple[tuple[type[errors.NeuromationError], int], ...] = (
        (JobFailed, 7),
        (ProjectFailed, 7),
        (WaitTimedOut, 124),
        (Unreachable, 6),
        (ServerFault, 6),
        (errors.NotFound, 3),
        (errors.Forbidden, 4),
        (errors.Conflict, 5),
        (errors.Invalid, 2),
    )
    return next((code for kind, code in codes if isinstance(error, kind)), 1)


def _say(error: errors.NeuromationError, code: int, *, as_json: bool) -> int:
    if as_json:
        import json

        problem = {
            "reason": error.reason,
            "message": error.message,
            "details": jsonable(error.details),
            "exit_code": code,
        }
        typer.echo(json.dumps({"error": problem}, ensure_ascii=False), err=True)
    else:
        complain(error.message)
    return code


def _usage(error: typer.TyperException) -> None:
    context = getattr(error, "ctx", None)
    if context is not None and type(error).__name__ != "NoArgsIsHelpError":
        typer.echo(context.get_usage(), err=True)
    if type(error).__name__ == "NoArgsIsHelpError":
        typer.echo(error.format_message())
        return
    hint = f"; see `{context.command_path} --help`" if context is not None else ""
    complain(error.format_message().rstrip(".") + hint)


if __name__ == "__main__":
    sys.exit(main())
