"""`neuromation auth`: who calls; owns the asking for passwords, which are never arguments and never stored."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from neuromation.cli import config
from neuromation.cli.commands import Connection, command, group
from neuromation.cli.output import Output
from neuromation.kernel.errors import Invalid

if TYPE_CHECKING:
    from neuromation.client.schemas import Account, Role

app = group("Register, log in, log out; tokens.")

ROLES = ("customer", "provider", "vendor", "labeller", "operator")

EmailOption = Annotated[str, typer.Option("--email", help="The account's email.")]
NameOption = Annotated[str, typer.Option("--name", help="How you are called; default: the email.")]
RoleOption = Annotated[
    list[str] | None, typer.Option("--role", help=f"{', '.join(ROLES)}; may be repeated; default: customer.")
]
PasswordStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]


@command(app, "register", example="neuromation auth register --email ada@example.org --role customer --role provider")
def register(
    connection: Connection,
    email: EmailOption,
    name: NameOption = "",
    role: RoleOption = None,
    password_stdin: PasswordStdin = False,
) -> None:
    """Open an account and log in. The password comes from NEUROMATION_PASSWORD, standard input, or is asked for."""
    password = password_from(stdin=password_stdin, confirm=True)
    account = connection.stranger.register(email=email, password=password, name=name or email, roles=roles_of(role))
    _log_in(connection, email, password)
    connection.out.result(account, lambda: connection.out.facts(account_facts(account)))


@command(app, "login", example="neuromation auth login --email ada@example.org --endpoint http://localhost:8000")
def login(connection: Connection, email: EmailOption, password_stdin: PasswordStdin = False) -> None:
    """Log in and remember the platform and the token in the profile."""
    account = _log_in(connection, email, password_from(stdin=password_stdin, confirm=False))
    connection.out.result(account, lambda: connection.out.facts(account_facts(account)))


@command(app, "logout", example="neuromation auth logout")
def logout(out: Output) -> None:
    """Forget the token on this machine."""
    was_in = config.forget()
    out.result({"logged_out": was_in}, lambda: out.say("logged out" if was_in else "nobody was logged in"))


@command(app, "whoami", example="neuromation auth whoami")
def whoami(connection: Connection) -> None:
    """The account and the platform that commands use now."""
    account = connection.client.me()
    value = {"endpoint": connection.profile.endpoint, **account.model_dump(mode="json")}
    facts = [("platform", connection.profile.endpoint), *account_facts(account)]
    connection.out.result(value, lambda: connection.out.facts(facts))


@command(app, "token", example="neuromation auth token rig-7 --ttl-days 90")
def token(
    connection: Connection,
    *,
    name: Annotated[str, typer.Argument(help="What it is for.")],
    ttl_days: Annotated[
        int | None, typer.Option(min=1, max=3650, help="Days it lives; default: until revoked.")
    ] = None,
) -> None:
    """Make a token for a program, such as a node's owner's; it is shown this once."""
    made = connection.client.create_token(name, ttl_days=ttl_days)
    connection.out.note(f"keep it: it is not shown again; token {made.id}")
    connection.out.result(made, lambda: connection.out.say(made.token))


def _log_in(connection: Connection, email: str, password: str) -> Account:
    session = connection.stranger.log_in(email=email, password=password)
    folder = config.save(config.Profile(connection.profile.endpoint, session.token, session.account.email))
    connection.out.note(f"logged in at {connection.profile.endpoint}; the token is kept in {folder / 'token'}")
    return session.account


def password_from(*, stdin: bool, confirm: bool) -> str:
    """The password: from standard input, else NEUROMATION_PASSWORD, else asked for. Raises Invalid with no terminal."""
    if stdin:
        return sys.stdin.readline().rstrip("\r\n")
    given = os.environ.get("NEUROMATION_PASSWORD")
    if given:
        return given
    if not sys.stdin.isatty():
        raise Invalid(
            "there is no terminal to ask for the password; pass it with --password-stdin or NEUROMATION_PASSWORD"
        )
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=confirm, err=True))


def roles_of(names: list[str] | None) -> list[Role]:
    """The roles named, customer when none is. Raises Invalid."""
    unknown = [name for name in names or () if name not in ROLES]
    if unknown:
        raise Invalid(f"there is no role {unknown[0][:40]!r}; there are {', '.join(ROLES)}")
    return cast("list[Role]", names or ["customer"])


def account_facts(account: Account) -> list[tuple[str, Any]]:
    """An account for a person."""
    return [
        ("account", account.id),
        ("email", account.email),
        ("name", account.name),
        ("roles", ", ".join(account.roles)),
        ("since", f"{account.created:%Y-%m-%d}"),
    ]
