"""What a new platform starts with: an operator, a vendor, and the generators that ship, on sale."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from neuromation.accounts import service as accounts
from neuromation.catalog import service as catalog
from neuromation.catalog.model import LICENCES, Item, Viewer
from neuromation.client import schemas as wire
from neuromation.kernel.errors import NotFound
from neuromation.kernel.hashing import hash_json
from neuromation.kernel.money import Ntk
from neuromation.synthetic.generator import Generator, licence_of, list_generators
from neuromation.workflows import people
from neuromation.workflows.world import World

OPERATOR_EMAIL = "operator@platform.example"
VENDOR_EMAIL = "generators@platform.example"
ROYALTY_PER_UNIT = Ntk(100)  # 0.0001 NTK a unit: an estimate, for the mission's price list is lost


def seed_operator(world: World, conn: sa.Connection, *, password: str) -> str | None:
    """Open the first operator's account; its email when it was made just now, None when there was one."""
    return _seed(world, conn, email=OPERATOR_EMAIL, name="Operator", role="operator", password=password)


def seed_vendor(world: World, conn: sa.Connection, *, password: str) -> str:
    """The account that sells what ships with the platform; its id."""
    _seed(world, conn, email=VENDOR_EMAIL, name="Neuromation generators", role="vendor", password=password)
    return accounts.account_by_email(conn, VENDOR_EMAIL).id


def _seed(world: World, conn: sa.Connection, *, email: str, name: str, role: wire.Role, password: str) -> str | None:
    try:
        accounts.account_by_email(conn, email)
    except NotFound:
        people.create(world, conn, wire.Registration(email=email, password=password, name=name, roles=[role]))
        return email
    return None


def seed_generators(world: World, conn: sa.Connection, vendor: str) -> None:
    """Put every installed generator on sale; a new version of its code is a new version of the item.

    A new one is the platform's own vendor's, until the operator gives it to somebody else.
    """
    now = world.now()
    for generator in list_generators():
        try:
            item = catalog.get_item(conn, generator.name, Viewer(vendor), kind="generator")
        except NotFound:
            item = _published(conn, generator, vendor, now)
        facts = {
            "version": generator.version,
            "classes": list(generator.classes),
            "parameters": generator.params_model.model_json_schema(),
        }
        catalog.add_version(conn, item.id, content_hash=hash_json(facts), manifest=facts, files={}, lineage={}, now=now)


def _published(conn: sa.Connection, generator: Generator, vendor: str, now: datetime) -> Item:
    licence = licence_of(generator.name)
    return catalog.publish(
        conn,
        kind="generator",
        owner=vendor,
        name=generator.name,
        title=generator.title,
        description=generator.description,
        licence=licence if licence in LICENCES else "proprietary",
        price=ROYALTY_PER_UNIT,
        visibility="listed",
        now=now,
    )
