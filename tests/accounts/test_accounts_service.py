"""Accounts on a real database: registering, logging in, tokens."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from accounts_builders import LIGHT, NOW, PASSWORD, SECRET, a_token, an_account, an_attempt
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neuromation.accounts import model, service
from neuromation.accounts.errors import (
    BadAccount,
    BadPage,
    EmailTaken,
    NoSuchAccount,
    NoSuchToken,
    RoleNotOpen,
    TokenRefused,
    TooManyFailures,
    TooManyTokens,
    WrongPassword,
)
from neuromation.accounts.passwords import Passwords
from neuromation.kernel.errors import Forbidden, Invalid, Unauthenticated
from neuromation.kernel.ids import new_id

HERE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)


@HERE
@given(roles=st.sets(st.sampled_from(sorted(model.OPEN_ROLES)), min_size=1))
def test_what_is_registered_is_found_by_id_and_by_address(conn: sa.Connection, roles: set[str]) -> None:
    with conn.begin_nested() as savepoint:
        account = service.register(
            conn, email="Ada@Example.org", password=PASSWORD, name=" Ada ", roles=roles, now=NOW, passwords=LIGHT
        )
        assert (account.email, account.name, set(account.roles)) == ("ada@example.org", "Ada", roles)
        assert account.disabled is None
        assert service.account_of(conn, account.id) == service.account_by_email(conn, "ADA@example.ORG") == account
        savepoint.rollback()


def test_one_address_is_one_account(conn: sa.Connection) -> None:
    an_account(conn)
    with pytest.raises(EmailTaken, match=r"ada@example\.org"):
        an_account(conn, email="ADA@example.org")


def test_two_at_once_with_one_address_make_one_account(engine: sa.Engine) -> None:
    """The second waits in its insert for the first, and then sees it."""

    class Racing(Passwords):
        def hashed(self, password: str) -> str:
            with engine.begin() as other:
                an_account(other, name="The other")
            return LIGHT.hashed(password)

    with pytest.raises(EmailTaken), engine.begin() as conn:
        an_account(conn, passwords=Racing())
    with engine.connect() as conn:
        assert [account.name for account in service.list_accounts(conn)] == ["The other"]


def test_nobody_registers_as_an_operator_but_one_can_be_made(conn: sa.Connection) -> None:
    with pytest.raises(RoleNotOpen):
        service.register(conn, email="eve@example.org", password=PASSWORD, name="Eve", roles={"operator"}, now=NOW)
    assert an_account(conn, roles={"operator"}).roles == {"operator"}


def test_the_password_is_kept_as_an_argon2_hash_alone(conn: sa.Connection) -> None:
    an_account(conn)
    row = conn.execute(sa.text("select a::text from account a")).scalar_one()
    assert PASSWORD not in row and "$argon2id$" in row


@pytest.mark.parametrize("account_id", ["", "acc_1", "acc_\0", "job_01k2m3n4p5q6r7s8t9v0w1x2y3", "x" * 10_000])
def test_what_is_no_account_id_is_refused(conn: sa.Connection, account_id: str) -> None:
    with pytest.raises(Invalid, match="no acc id"):
        service.account_of(conn, account_id)


def test_an_unknown_account_is_not_found(conn: sa.Connection) -> None:
    with pytest.raises(NoSuchAccount):
        service.account_of(conn, new_id("acc", NOW))
    with pytest.raises(NoSuchAccount):
        service.account_by_email(conn, "nobody@example.org")


def test_pages_of_accounts_show_everybody_once(conn: sa.Connection) -> None:
    made = {an_account(conn, email=f"user{i}@example.org").id for i in range(7)}
    seen: list[str] = []
    while page := service.list_accounts(conn, after=seen[-1] if seen else None, limit=3):
        seen += [account.id for account in page]
    assert set(seen) == made and len(seen) == 7


@pytest.mark.parametrize("limit", [0, -1, 201])
def test_an_absurd_page_is_refused(conn: sa.Connection, limit: int) -> None:
    with pytest.raises(BadPage, match="1 to 200"):
        service.list_accounts(conn, limit=limit)


def test_logging_in_gives_a_session_that_is_the_account(conn: sa.Connection) -> None:
    account = an_account(conn, roles={"customer", "vendor"})
    found, token = an_attempt(conn, email=" ADA@example.org", password=PASSWORD).or_raise()
    principal = service.authenticate(conn, token, secret=SECRET, now=NOW)
    assert found == account
    assert (principal.account_id, principal.roles, principal.kind) == (account.id, account.roles, "session")


def test_unknown_address_wrong_password_and_disabled_account_read_the_same(conn: sa.Connection) -> None:
    an_account(conn)
    shut = an_account(conn, email="shut@example.org")
    service.set_disabled(conn, shut.id, disabled=True, now=NOW)
    refusals = [
        an_attempt(conn, password="wrong horse battery"),
        an_attempt(conn, password=""),
        an_attempt(conn, email="nobody@example.org", password=PASSWORD),
        an_attempt(conn, email="shut@example.org", password=PASSWORD),
    ]
    assert {str(attempt.refusal) for attempt in refusals} == {str(WrongPassword())}
    with pytest.raises(WrongPassword):
        refusals[0].or_raise()
    assert issubclass(WrongPassword, Unauthenticated)


@pytest.mark.parametrize("email", ["ada@example.org", "nobody@example.org"])
def test_after_five_failures_an_address_is_locked_even_for_the_right_password(conn: sa.Connection, email: str) -> None:
    an_account(conn)
    for _ in range(model.FAILURES_FREE):
        assert isinstance(an_attempt(conn, email=email, password="wrong horse battery").refusal, WrongPassword)
    refused = an_attempt(conn, email=email, password=PASSWORD).refusal
    assert isinstance(refused, TooManyFailures)
    assert refused.details == {"retry_after_s": model.LOCK_FIRST_S}


def test_after_the_lock_the_right_password_works_and_clears_the_count(conn: sa.Connection) -> None:
    an_account(conn)
    for _ in range(model.FAILURES_FREE):
        an_attempt(conn, password="wrong horse battery")
    later = NOW + timedelta(seconds=model.LOCK_FIRST_S)
    an_attempt(conn, password=PASSWORD, now=later).or_raise()
    assert isinstance(an_attempt(conn, password="wrong horse battery", now=later).refusal, WrongPassword)
    an_attempt(conn, password=PASSWORD, now=later).or_raise()


def test_failures_are_remembered_when_the_caller_commits_before_raising(engine: sa.Engine) -> None:
    for _ in range(model.FAILURES_FREE):
        with engine.begin() as conn:
            attempt = an_attempt(conn, password="wrong horse battery")
        with pytest.raises(WrongPassword):
            attempt.or_raise()
    with engine.begin() as conn:
        assert isinstance(an_attempt(conn, password=PASSWORD).refusal, TooManyFailures)


def test_logging_in_renews_a_hash_of_an_older_cost(conn: sa.Connection) -> None:
    an_account(conn, passwords=Passwords(passes=2, memory_kib=8, lanes=1))
    an_attempt(conn, password=PASSWORD).or_raise()
    assert "t=1" in conn.execute(sa.text("select password_hash from account")).scalar_one()


def test_a_new_password_ends_the_sessions_and_the_old_one(conn: sa.Connection) -> None:
    account = an_account(conn)
    _, session = an_attempt(conn, password=PASSWORD).or_raise()
    api = a_token(conn, account)
    service.change_password(conn, account.id, old=PASSWORD, new="another horse battery", now=NOW, passwords=LIGHT)
    with pytest.raises(TokenRefused):
        service.authenticate(conn, session, secret=SECRET, now=NOW)
    assert service.authenticate(conn, api.text, secret=SECRET, now=NOW).account_id == account.id
    assert an_attempt(conn, password=PASSWORD).account is None
    assert an_attempt(conn, password="another horse battery").account == account


def test_changing_the_password_needs_the_old_one(conn: sa.Connection) -> None:
    account = an_account(conn)
    with pytest.raises(WrongPassword):
        service.change_password(conn, account.id, old="wrong", new="another horse battery", now=NOW, passwords=LIGHT)
    with pytest.raises(BadAccount):
        service.change_password(conn, account.id, old=PASSWORD, new="short", now=NOW, passwords=LIGHT)


@HERE
@given(kind=st.sampled_from(["api", "node"]), ttl_s=st.none() | st.integers(1, model.TOKEN_TTL_MAX_S))
def test_a_token_tells_who_calls_until_it_expires(conn: sa.Connection, kind: str, ttl_s: int | None) -> None:
    with conn.begin_nested() as savepoint:
        account, subject = an_account(conn), new_id("node", NOW) if kind == "node" else ""
        issued = a_token(conn, account, kind=kind, subject=subject, ttl_s=ttl_s)
        principal = service.authenticate(conn, issued.text, secret=SECRET, now=NOW)
        assert principal == model.Principal(account.id, account.roles, issued.token.id, kind, subject)
        end = NOW + timedelta(seconds=ttl_s or 10**9)
        service.authenticate(conn, issued.text, secret=SECRET, now=end - timedelta(seconds=1))
        if ttl_s:
            with pytest.raises(TokenRefused, match="expired"):
                service.authenticate(conn, issued.text, secret=SECRET, now=end)
        savepoint.rollback()


@HERE
@given(text=st.text(max_size=60))
def test_no_other_text_is_a_token(conn: sa.Connection, text: str) -> None:
    for guess in (text, f"nm_{text}"):
        with pytest.raises(TokenRefused, match="not known"):
            service.authenticate(conn, guess, secret=SECRET, now=NOW)


def test_the_text_of_a_token_is_not_in_the_database_and_needs_the_secret(conn: sa.Connection) -> None:
    issued = a_token(conn, an_account(conn))
    row = conn.execute(sa.text("select t::text from account_token t")).scalar_one()
    assert len(issued.text) == 46 and issued.text not in row and issued.text[3:] not in row
    with pytest.raises(TokenRefused, match="not known"):
        service.authenticate(conn, issued.text, secret=b"another", now=NOW)


def test_authenticating_is_one_query_by_an_index(conn: sa.Connection, engine: sa.Engine) -> None:
    issued = a_token(conn, an_account(conn))
    met: list[str] = []

    def note(*args: object) -> None:
        met.append(str(args[2]))

    sa.event.listen(engine, "before_cursor_execute", note)
    service.authenticate(conn, issued.text, secret=SECRET, now=NOW)
    sa.event.remove(engine, "before_cursor_execute", note)
    assert len(met) == 1
    conn.execute(sa.text("set local enable_seqscan = off"))
    plan = conn.exec_driver_sql("explain " + met[0], {"hash": bytes(32)}).scalars().all()
    assert "account_token_hash" in " ".join(plan) and "Seq Scan" not in " ".join(plan)


def test_a_revoked_token_is_refused_and_revoking_again_is_no_error(conn: sa.Connection) -> None:
    account = an_account(conn)
    issued = a_token(conn, account)
    for _ in range(2):
        service.revoke_token(conn, issued.token.id, account_id=account.id, now=NOW)
    with pytest.raises(TokenRefused, match="revoked"):
        service.authenticate(conn, issued.text, secret=SECRET, now=NOW)
    assert service.list_tokens(conn, account.id, now=NOW) == []


def test_nobody_revokes_the_token_of_another(conn: sa.Connection) -> None:
    issued, eve = a_token(conn, an_account(conn)), an_account(conn, email="eve@example.org")
    with pytest.raises(NoSuchToken):
        service.revoke_token(conn, issued.token.id, account_id=eve.id, now=NOW)
    service.authenticate(conn, issued.text, secret=SECRET, now=NOW)


def test_disabling_stops_every_token_and_enabling_starts_them(conn: sa.Connection) -> None:
    account = an_account(conn)
    issued = a_token(conn, account)
    assert service.set_disabled(conn, account.id, disabled=True, now=NOW).disabled == NOW
    with pytest.raises(TokenRefused, match="disabled"):
        service.authenticate(conn, issued.text, secret=SECRET, now=NOW)
    assert service.set_disabled(conn, account.id, disabled=False, now=NOW).disabled is None
    service.authenticate(conn, issued.text, secret=SECRET, now=NOW)


def test_new_roles_count_at_once(conn: sa.Connection) -> None:
    account = an_account(conn)
    issued = a_token(conn, account)
    service.set_roles(conn, account.id, {"vendor", "provider"})
    assert service.authenticate(conn, issued.text, secret=SECRET, now=NOW).roles == {"vendor", "provider"}


def test_the_list_shows_working_tokens_in_pages(conn: sa.Connection) -> None:
    account = an_account(conn)
    made = [a_token(conn, account, name=f"token {i}").token for i in range(5)]
    a_token(conn, account, ttl_s=1)
    later = NOW + timedelta(seconds=2)
    first = service.list_tokens(conn, account.id, now=later, limit=3)
    rest = service.list_tokens(conn, account.id, now=later, after=first[-1].id)
    assert sorted(first + rest, key=lambda t: t.name) == made


def test_the_oldest_session_ends_when_there_are_too_many(conn: sa.Connection) -> None:
    account = an_account(conn)
    sessions = [
        a_token(conn, account, kind="session", now=NOW + timedelta(seconds=i)).text
        for i in range(model.SESSIONS_MAX + 1)
    ]
    for text in sessions[1:]:
        service.authenticate(conn, text, secret=SECRET, now=NOW)
    with pytest.raises(TokenRefused, match="revoked"):
        service.authenticate(conn, sessions[0], secret=SECRET, now=NOW)


def test_there_is_a_most_of_tokens(conn: sa.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "TOKENS_MAX", 2)
    account = an_account(conn)
    a_token(conn, account, ttl_s=10)
    a_token(conn, account, kind="node", subject="node_1")
    with pytest.raises(TooManyTokens, match="revoke some"):
        a_token(conn, account)
    a_token(conn, account, now=NOW + timedelta(seconds=10))


def test_a_node_that_joins_anew_ends_its_old_keys_alone(conn: sa.Connection) -> None:
    account = an_account(conn)
    old, other = (a_token(conn, account, kind="node", subject=subject) for subject in ("node_1", "node_2"))
    assert service.revoke_tokens(conn, account.id, kind="node", subject="node_1", now=NOW) == 1
    with pytest.raises(TokenRefused):
        service.authenticate(conn, old.text, secret=SECRET, now=NOW)
    service.authenticate(conn, other.text, secret=SECRET, now=NOW)


def test_a_token_needs_an_account(conn: sa.Connection) -> None:
    with pytest.raises(NoSuchAccount):
        service.create_token(conn, new_id("acc", NOW), name="ci", kind="api", secret=SECRET, now=NOW)


def test_sweeping_drops_the_dead_and_keeps_the_living(conn: sa.Connection) -> None:
    account = an_account(conn)
    a_token(conn, account, ttl_s=1)
    living = a_token(conn, account)
    an_attempt(conn, email="nobody@example.org", password=PASSWORD)
    later = NOW + timedelta(days=31)
    assert service.sweep(conn, now=later) == 2
    assert service.sweep(conn, now=later) == 0
    service.authenticate(conn, living.text, secret=SECRET, now=later)


@pytest.mark.parametrize(
    "damage",
    [
        lambda conn: conn.execute(sa.text("update account set email = 'ADA@example.org'")),
        lambda conn: conn.execute(sa.text("update account set roles = array['king']")),
        lambda conn: conn.execute(sa.text("update account set roles = array[]::text[]")),
    ],
)
def test_the_database_itself_refuses_a_broken_account(
    conn: sa.Connection, damage: Callable[[sa.Connection], object]
) -> None:
    an_account(conn)
    with pytest.raises(sa.exc.IntegrityError):
        damage(conn)


def test_refusals_are_of_kinds_that_the_doors_know() -> None:
    assert issubclass(RoleNotOpen, Forbidden) and issubclass(TokenRefused, Unauthenticated)
