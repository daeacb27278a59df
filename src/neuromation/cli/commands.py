"""How a function becomes a command: the options that all commands share, their examples, their connection.

A command's first argument is an `Output` (it works offline and gets `--json`) or a `Connection` (it talks to a platform
and also gets `--endpoint` and `--token`).
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from neuromation.cli import config
from neuromation.cli.output import Output
from neuromation.kernel.errors import Invalid, NeuromationError, Unauthenticated

if TYPE_CHECKING:
    from neuromation.client import Client

F = TypeVar("F", bound=Callable[..., None])

ParamOption = Annotated[
    list[str] | None,
    typer.Option("--param", metavar="KEY=VALUE", help="A parameter of the generator; may be repeated."),
]

_JSON = Annotated[bool, typer.Option("--json", help="Print one JSON value on stdout, and nothing else there.")]
_ENDPOINT = Annotated[
    str | None,
    typer.Option("--endpoint", metavar="URL", help="The platform; else NEUROMATION_ENDPOINT, else the profile."),
]
_TOKEN = Annotated[
    str | None, typer.Option("--token", metavar="TOKEN", help="Your token; else NEUROMATION_TOKEN, else the profile.")
]


class NotInstalled(NeuromationError):
    """The command needs an extra that is not installed."""


class Connection:
    """A platform and the words about it. The client is made when it is first used."""

    def __init__(self, out: Output, profile: config.Profile) -> None:
        self.out = out
        self.profile = profile

    @cached_property
    def client(self) -> Client:
        """The platform as the logged-in caller sees it. Raises Unauthenticated."""
        if not self.profile.token:
            raise Unauthenticated(
                f"nobody is logged in at {self.profile.endpoint}; "
                "run `neuromation auth login`, or set NEUROMATION_TOKEN"
            )
        return self.stranger

    @cached_property
    def stranger(self) -> Client:
        """The platform, also when nobody is logged in."""
        from neuromation.client import Client

        return Client(self.profile.endpoint, self.profile.token or None)

    def close(self) -> None:
        for name in ("client", "stranger"):
            if name in self.__dict__:
                self.__dict__[name].close()


def group(help: str) -> typer.Typer:
    """A noun: a group of commands."""
    app = typer.Typer(help=help, no_args_is_help=True, add_completion=False, rich_markup_mode=None)

    def noun() -> None: ...

    app.callback(help=help)(noun)  # without it Typer takes a noun with one verb for the verb
    return app


def command(app: typer.Typer, name: str, *, example: str, alias: str = "") -> Callable[[F], F]:
    """Register a function as a command with the shared options; `example` is one full command line a paragraph."""

    def register(function: F) -> F:
        door = _door(function)
        epilog = f"\b\nExample:\n  {example}"
        app.command(name, epilog=epilog)(door)
        if alias:
            app.command(alias, epilog=epilog, hidden=True)(door)
        return function

    return register


def _door(function: Callable[..., None]) -> Callable[..., None]:
    """The function as Typer shall see it: without its first argument, with the shared options."""
    signature = inspect.signature(function, eval_str=True)
    first, *own = signature.parameters.values()
    shared: dict[str, tuple[Any, Any]] = {"as_json": (_JSON, False)}
    if first.annotation is Connection:
        shared |= {"endpoint": (_ENDPOINT, None), "token": (_TOKEN, None)}

    def door(**values: Any) -> None:
        given = {name: values.pop(name) for name in shared}
        out = Output(as_json=given["as_json"])
        if first.annotation is Output:
            return function(out, **values)
        connection = Connection(out, config.load(endpoint=given["endpoint"], token=given["token"]))
        try:
            function(connection, **values)
        finally:
            connection.close()

    keyword = inspect.Parameter.KEYWORD_ONLY
    options = [inspect.Parameter(n, keyword, default=d, annotation=a) for n, (a, d) in shared.items()]
    parameters = [parameter.replace(kind=keyword) for parameter in own] + options
    door.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    door.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    door.__doc__, door.__name__ = function.__doc__, function.__name__
    return door


def values_of(pairs: Sequence[str] | None, *, option: str = "--param") -> dict[str, Any]:
    """Values from KEY=VALUE texts: JSON where the value is JSON, else text. Raises Invalid."""
    values: dict[str, Any] = {}
    for pair in pairs or ():
        key, separator, text = pair.partition("=")
        if not separator or not key.strip():
            raise Invalid(f"{option} {pair[:60]!r} is not KEY=VALUE; write for example {option} noise=0.1")
        if key.strip() in values:
            raise Invalid(f"{option} {key.strip()[:60]!r} is given twice; give it once")
        try:
            values[key.strip()] = json.loads(text)
        except ValueError:
            values[key.strip()] = text
    return values


@contextmanager
def needing(extra: str) -> Iterator[None]:
    """Around imports of a library that only an extra brings. Raises NotInstalled with the line that installs it."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("neuromation"):
            raise
        raise NotInstalled(
            f"this command needs {error.name}, which is not installed; run in the checkout: pip install '.[{extra}]'"
        ) from error
