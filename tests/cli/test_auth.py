"""Who calls: profile, environment, flags; passwords and tokens are kept to themselves."""

from __future__ import annotations

import io
import stat
from pathlib import Path

import pytest

from cli.conftest import Run
from client.stand_in_platform import NOW, StandIn, a_session, an_account, ok, problem
from neuromation.cli import config


@pytest.fixture
def logged_in(anyone: Run, platform: StandIn, monkeypatch: pytest.MonkeyPatch) -> Run:
    platform.on("POST", "/sessions", ok(a_session(), 201))
    platform.on("GET", "/me", ok(an_account()))
    monkeypatch.setenv("NEUROMATION_PASSWORD", "a long password")
    assert anyone("auth", "login", "--email", "ada@example.org", "--endpoint", platform.endpoint).code == 0
    return anyone


def test_logging_in_is_remembered_for_the_next_command(logged_in: Run, platform: StandIn) -> None:
    done = logged_in("auth", "whoami", "--json")
    assert done.json()["email"] == "ada@example.org"
    assert done.json()["endpoint"] == platform.endpoint
    assert platform.asked[-1].headers["authorization"] == "Bearer secret-token"


def test_the_token_is_in_a_file_of_its_owner_alone_and_nowhere_else(logged_in: Run, home: Path) -> None:
    folder = home / "neuromation"
    assert stat.S_IMODE((folder / "token").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert "secret-token" not in (folder / "config.toml").read_text()
    assert sorted(path.name for path in folder.iterdir()) == ["config.toml", "token"]


def test_the_token_is_never_shown_to_another_platform(logged_in: Run) -> None:
    with StandIn() as other:
        done = logged_in("auth", "whoami", "--endpoint", other.endpoint)
        assert done.code == 4
        assert other.asked == []


def test_logging_out_forgets_the_token(logged_in: Run, home: Path) -> None:
    assert logged_in("auth", "logout", "--json").json() == {"logged_out": True}
    assert not (home / "neuromation" / "token").exists()
    assert logged_in("auth", "whoami").code == 4
    assert logged_in("auth", "logout", "--json").json() == {"logged_out": False}


def test_a_flag_wins_over_the_environment_and_that_over_the_profile(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.save(config.Profile("http://profile:1", "profile-token", "ada@example.org"))
    assert config.load().endpoint == "http://profile:1"
    monkeypatch.setenv("NEUROMATION_ENDPOINT", "http://environment:1")
    monkeypatch.setenv("NEUROMATION_TOKEN", "environment-token")
    assert config.load() == config.Profile("http://environment:1", "environment-token", "")
    assert config.load(endpoint="http://flag:1/v1/", token="flag-token") == config.Profile(
        "http://flag:1", "flag-token", ""
    )


def test_a_broken_profile_is_said_with_its_path(anyone: Run, home: Path) -> None:
    (home / "neuromation").mkdir(parents=True)
    (home / "neuromation" / "config.toml").write_text("endpoint = ")
    done = anyone("wallet", "show")
    assert done.code == 2
    assert "config.toml cannot be read" in done.err


def test_registering_opens_an_account_with_the_roles_asked_for_and_logs_in(
    anyone: Run, platform: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.on("POST", "/accounts", ok(an_account(roles=["customer", "provider"]), 201))
    platform.on("POST", "/sessions", ok(a_session(), 201))
    monkeypatch.setattr("sys.stdin", io.StringIO("a long password\n"))
    args = ["--email", "ada@example.org", "--role", "customer", "--role", "provider", "--password-stdin"]
    done = anyone("auth", "register", *args, "--endpoint", platform.endpoint, "--json")
    assert done.json()["roles"] == ["customer", "provider"]
    assert platform.asked[0].json() == {
        "email": "ada@example.org",
        "password": "a long password",
        "name": "ada@example.org",
        "roles": ["customer", "provider"],
    }
    assert config.load().token == "secret-token"


def test_a_role_that_is_none_is_refused_with_the_list(anyone: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEUROMATION_PASSWORD", "a long password")
    done = anyone("auth", "register", "--email", "ada@example.org", "--role", "king")
    assert done.code == 2
    assert "there are customer, provider" in done.err


def test_without_a_terminal_the_password_is_not_asked_for(anyone: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    done = anyone("auth", "login", "--email", "ada@example.org")
    assert done.code == 2
    assert "--password-stdin" in done.err


def test_a_wrong_password_is_exit_code_4(anyone: Run, platform: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEUROMATION_PASSWORD", "not this one")
    platform.on("POST", "/sessions", problem(401, "unauthenticated", "email or password is wrong; try again"))
    done = anyone("auth", "login", "--email", "ada@example.org", "--endpoint", platform.endpoint)
    assert (done.code, done.out) == (4, "")
    assert "email or password is wrong" in done.err


def test_a_token_for_a_program_is_all_there_is_on_stdout(ada: Run, platform: StandIn) -> None:
    made = {"id": "tok_1", "name": "rig", "kind": "api", "created": NOW, "expires": None, "token": "shown-once"}
    platform.on("POST", "/tokens", ok(made, 201))
    assert ada("auth", "token", "rig", "--ttl-days", "7").out == "shown-once\n"
    assert platform.asked[0].json() == {"name": "rig", "ttl_days": 7}
