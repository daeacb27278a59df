"""The pure rules of accounts: addresses, names, passwords, roles, the lock after failures."""

from __future__ import annotations

from datetime import timedelta

import pytest
from accounts_builders import LIGHT, NOW
from hypothesis import given
from hypothesis import strategies as st

from neuromation.accounts import model
from neuromation.accounts.errors import BadAccount, BadToken, RoleNotOpen
from neuromation.accounts.passwords import STRONG, Passwords

LABEL = st.from_regex(r"[a-zA-Z][a-zA-Z0-9]{0,10}", fullmatch=True)
EMAIL = st.builds("{}@{}.{}".format, LABEL, LABEL, st.from_regex(r"[a-zA-Z]{2,6}", fullmatch=True))


@given(EMAIL)
def test_every_spelling_of_an_address_is_one_address(email: str) -> None:
    normal = model.normal_email(email)
    assert normal == model.normal_email(normal) == model.normal_email(email.upper()) == model.normal_email(f" {email} ")


@given(st.text(max_size=300))
def test_any_text_is_an_address_or_refused_with_a_sentence(text: str) -> None:
    try:
        email = model.normal_email(text)
    except BadAccount as error:
        assert error.reason == "bad-email"
    else:
        assert email.isascii() and email.count("@") == 1 and len(email) <= model.EMAIL_MAX


@pytest.mark.parametrize(
    "email",
    [
        *("", "ada", "@example.org", "ada@", "ada@example", "a b@example.org", "ada@example.org\0"),
        *("ada..l@example.org", "ada@-example.org", ".ada@example.org", "\u212a@example.org"),
        *(f"{'a' * 65}@example.org", f"ada@{'a.' * 130}org"),
    ],
)
def test_what_is_no_address_is_refused(email: str) -> None:
    with pytest.raises(BadAccount, match="no email address"):
        model.normal_email(email)


@given(st.text(max_size=150))
def test_a_name_is_printable_and_stays_what_it_is(text: str) -> None:
    try:
        name = model.normal_name(text)
    except BadAccount as error:
        assert error.reason == "bad-name"
    else:
        assert name.isprintable() and model.normal_name(name) == name


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=12, max_size=200))
def test_twelve_to_two_hundred_characters_make_a_password(text: str) -> None:
    assert model.normal_password(text) == text


@pytest.mark.parametrize(
    "password", ["", "eleven char", "x" * 201, "a password\0with a nul", "half a pair \ud800 here"]
)
def test_a_bad_password_is_refused_and_never_repeated(password: str) -> None:
    with pytest.raises(BadAccount) as caught:
        model.normal_password(password)
    assert caught.value.reason == "bad-password"
    assert not password or password not in str(caught.value)


def test_composed_and_decomposed_letters_are_one_password() -> None:
    assert model.normal_password("de\u0301ja\u0300 vu encore") == model.normal_password("d\u00e9j\u00e0 vu encore")


def test_operator_cannot_be_taken() -> None:
    with pytest.raises(RoleNotOpen, match="only given by an operator"):
        model.checked_roles({"customer", "operator"}, allowed=model.OPEN_ROLES)


@pytest.mark.parametrize("roles", [set(), {"king"}, {"customer", "king"}])
def test_no_role_and_unknown_roles_are_refused(roles: set[str]) -> None:
    with pytest.raises(BadAccount, match="roles"):
        model.checked_roles(roles)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "cookie"},
        {"kind": "node"},
        {"subject": "node_1"},
        {"ttl_s": 0},
        {"ttl_s": 1e12},
        {"ttl_s": float("nan")},
    ],
)
def test_a_token_that_breaks_a_rule_is_refused(wrong: dict[str, object]) -> None:
    right: dict[str, object] = {"name": "ci", "kind": "api", "subject": "", "ttl_s": None}
    with pytest.raises(BadToken):
        model.checked_token(**(right | wrong))  # type: ignore[arg-type]


@given(st.lists(st.floats(0, model.FAILURES_FORGOTTEN_S), min_size=1, max_size=30))
def test_each_failure_in_a_row_counts_and_never_locks_for_less(pauses_s: list[float]) -> None:
    now, failures, lock_s = NOW, None, 0.0
    for pause_s in pauses_s:
        now += timedelta(seconds=pause_s)
        failures = model.next_failure(failures, now=now)
        locked_s = (failures.locked_until - now).total_seconds()
        assert lock_s <= locked_s <= model.LOCK_MAX_S
        lock_s = locked_s
    assert failures is not None and failures.count == len(pauses_s)
    assert (lock_s > 0) == (len(pauses_s) >= model.FAILURES_FREE)


def test_a_quiet_hour_forgets_the_failures() -> None:
    old = model.Failures(count=9, last=NOW, locked_until=NOW)
    assert model.next_failure(old, now=NOW + timedelta(seconds=model.FAILURES_FORGOTTEN_S + 1)).count == 1


@given(st.text(max_size=20), st.text(max_size=20))
def test_a_hash_knows_its_password_and_no_other(password: str, other: str) -> None:
    password, other = (text.encode(errors="replace").decode() for text in (password, other))
    stored = LIGHT.hashed(password)
    assert LIGHT.check(password, stored) == (True, None)
    assert LIGHT.check(other, stored)[0] == (other == password)


def test_an_address_that_nobody_has_costs_the_work_of_any_other() -> None:
    parameters = LIGHT.hashed("a password").rsplit("$", 2)[0]
    assert LIGHT._decoy.rsplit("$", 2)[0] == parameters
    assert len(LIGHT._decoy) == len(LIGHT.hashed("a password"))
    assert LIGHT.check("", None) == (False, None)


def test_by_default_a_hash_costs_what_rfc_9106_recommends() -> None:
    assert (STRONG.passes, STRONG.memory_kib, STRONG.lanes) == (3, 65_536, 4)
    assert STRONG._decoy.startswith("$argon2id$v=19$m=65536,t=3,p=4$")


def test_a_hash_of_another_cost_is_renewed() -> None:
    right, fresh = Passwords(passes=2, memory_kib=8, lanes=1).check("a password", LIGHT.hashed("a password"))
    assert right and fresh is not None and "t=2" in fresh
