"""Connections that the database dropped while they lay in the pool: one request may pay for them, none after it."""

from __future__ import annotations

import sqlalchemy as sa

from api.api_builders import Platform, done, problem

OTHERS = "from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"


def test_after_the_database_dropped_every_connection_at_most_one_request_fails(
    platform: Platform, module_engine: sa.Engine
) -> None:
    caller = platform.somebody("customer", balance="10")
    done(caller.get("/v1/wallet"))
    url = module_engine.url.render_as_string(hide_password=False)
    apart = sa.create_engine(url, poolclass=sa.NullPool)
    with apart.begin() as conn:
        assert len(conn.execute(sa.text(f"select pg_terminate_backend(pid) {OTHERS}")).all()) > 0
    first = caller.get("/v1/wallet")
    if first.status_code != 200:
        problem(first, 503)
        assert int(first.headers["Retry-After"]) >= 1
    for _ in range(20):
        assert done(caller.get("/v1/wallet"))["available"] == "10"
