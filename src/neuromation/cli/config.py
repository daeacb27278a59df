"""Where the platform is and who calls: flag, then environment, then the profile that `auth login` wrote."""

from __future__ import annotations

import json
import os
import secrets
import tomllib
from dataclasses import dataclass
from pathlib import Path

from neuromation.kernel.errors import Invalid

ENDPOINT_DEFAULT = "http://127.0.0.1:8000"


@dataclass(frozen=True)
class Profile:
    """What commands use; `token` is "" when nobody is logged in at `endpoint`."""

    endpoint: str
    token: str
    email: str


def config_dir() -> Path:
    """The folder of the profile: $XDG_CONFIG_HOME/neuromation, else ~/.config/neuromation."""
    home = os.environ.get("XDG_CONFIG_HOME") or ""
    # The XDG base directory specification: a relative path is invalid and is ignored.
    return (Path(home) if Path(home).is_absolute() else Path.home() / ".config") / "neuromation"


def load(*, endpoint: str | None = None, token: str | None = None) -> Profile:
    """The profile, after flags and environment. A stored token is used only at the endpoint that gave it."""
    stored = _stored()
    chosen = endpoint or os.environ.get("NEUROMATION_ENDPOINT") or stored.endpoint or ENDPOINT_DEFAULT
    chosen = chosen.strip().rstrip("/").removesuffix("/v1")
    at_home = chosen == stored.endpoint
    given = token or os.environ.get("NEUROMATION_TOKEN") or (stored.token if at_home else "")
    return Profile(endpoint=chosen, token=given, email=stored.email if at_home else "")


def save(profile: Profile) -> Path:
    """Write the profile; the token goes into a file that only its owner can read. Gives the folder."""
    folder = config_dir()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    lines = f"endpoint = {json.dumps(profile.endpoint)}\nemail = {json.dumps(profile.email)}\n"
    _write(folder / "token", profile.token)
    _write(folder / "config.toml", lines)
    return folder


def forget() -> bool:
    """Remove the stored token; False when there was none."""
    path = config_dir() / "token"
    there = path.exists()
    path.unlink(missing_ok=True)
    return there


def _stored() -> Profile:
    path = config_dir() / "config.toml"
    if not path.is_file():
        return Profile("", "", "")
    try:
        values = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise Invalid(f"{path} cannot be read ({error}); correct it, or remove it and log in again") from error
    token = config_dir() / "token"
    text = token.read_text().strip() if token.is_file() else ""
    return Profile(str(values.get("endpoint", "")), text, str(values.get("email", "")))


def _write(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    part.replace(path)
