"""`neuromation admin`: what only an operator may do."""

from __future__ import annotations

from typing import Annotated

import typer

from neuromation.cli.auth import (
    EmailOption,
    NameOption,
    PasswordStdin,
    RoleOption,
    account_facts,
    password_from,
    roles_of,
)
from neuromation.cli.commands import Connection, command, group
from neuromation.kernel.errors import NeuromationError

app = group("The operator's commands: accounts, funds, audit.")


class BooksUnbalanced(NeuromationError):
    """The audit found something."""


@command(app, "audit", example="neuromation admin audit --json")
def audit(connection: Connection) -> None:
    """Check the books of the live platform; exits with 1 when anything is wrong."""
    out, found = connection.out, connection.client.admin_audit()

    def human() -> None:
        out.facts(
            [
                ("books", "balanced" if found.balanced else "NOT BALANCED"),
                ("findings", len(found.findings)),
                ("transfers", f"{found.transfers:,}"),
                ("accounts", f"{found.accounts:,}"),
                ("in circulation", f"{found.in_circulation} NTK"),
            ]
        )
        if found.findings:
            out.table(("check", "subject", "finding"), [(f.check, f.subject, f.message) for f in found.findings])

    out.result(found, human)
    if not found.balanced or found.findings:
        raise BooksUnbalanced(f"the audit has {len(found.findings)} findings; stop settlements and look at each one")


@command(app, "create-account", example="neuromation admin create-account --email op@example.org --role operator")
def create_account(
    connection: Connection,
    email: EmailOption,
    name: NameOption = "",
    role: RoleOption = None,
    password_stdin: PasswordStdin = False,
) -> None:
    """Open an account with any roles, `operator` included."""
    password = password_from(stdin=password_stdin, confirm=True)
    roles = roles_of(role)
    account = connection.client.admin_create_account(email=email, password=password, name=name or email, roles=roles)
    connection.out.result(account, lambda: connection.out.facts(account_facts(account)))


@command(app, "list-accounts", example="neuromation admin list-accounts")
def list_accounts(connection: Connection) -> None:
    """Everybody on the platform."""
    accounts = list(connection.client.admin_accounts())
    rows = [(a.id, a.email, a.name, ", ".join(a.roles), f"{a.created:%Y-%m-%d}") for a in accounts]
    columns = ("id", "email", "name", "roles", "since")
    connection.out.result({"accounts": accounts}, lambda: connection.out.table(columns, rows))


@command(app, "set-vendor", example="neuromation admin set-vendor shades vera@example.org")
def set_vendor(
    connection: Connection,
    generator: Annotated[str, typer.Argument(metavar="GENERATOR", help="Which one; see `neuromation generator list`.")],
    email: Annotated[str, typer.Argument(help="Whose it is: an account with the role vendor.")],
) -> None:
    """Give a generator to the vendor who wrote it: its royalties are theirs, and theirs to set."""
    facts = connection.client.admin_set_vendor(generator, email)
    connection.out.result(facts, lambda: connection.out.say(f"{generator} is now {facts.vendor}'s"))


@command(app, "fund", example="neuromation admin fund ada@example.org 250")
def fund(
    connection: Connection,
    email: Annotated[str, typer.Argument(help="Whose account.")],
    amount: Annotated[str, typer.Argument(help="NTK, such as 250 or 12.5.")],
) -> None:
    """Credit an account with tokens that the platform holds for it."""
    wallet = connection.client.admin_fund(email=email, amount=amount)
    connection.out.result(wallet, lambda: connection.out.say(f"{email} now has {wallet.available} NTK to spend"))
