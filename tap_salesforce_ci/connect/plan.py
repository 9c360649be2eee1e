"""What to connect with, and what will be written: from the options, the environment and the settings so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tap_salesforce_ci.connect.flow import App
from tap_salesforce_ci.connect.keeping import Keeping
from tap_salesforce_ci.errors import UserError
from tap_salesforce_ci.settings import tidied
from tap_salesforce_ci.settings.login import LoginSettings, Problem
from tap_salesforce_ci.settings.values import refused

OTHER_LOGINS = (
    "access_token",
    "instance_url",
    "password",
    "private_key",
    "private_key_path",
    "security_token",
    "sf_cli_org",
)
"""Settings of other ways to log in, which a refresh token contradicts."""

Ask = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Plan:
    """The app to connect through, the settings that change with it, and those that make way."""

    app: App
    settings: Mapping[str, str] = field(repr=False)
    dropped: tuple[str, ...]


def planned(
    given: Mapping[str, str | None],
    keeping: Keeping,
    environ: Mapping[str, str],
    ask: Mapping[str, Ask],
) -> Plan:
    """
    Return the plan; what is neither given nor kept is asked for where there is somebody to `ask`.

    An option goes before the environment, and that before what is kept. Raises UserError for what is missing or
    contradicts.
    """
    inherited, own = keeping.inherited(), keeping.settings()
    kept = {**inherited, **own}
    _check(inherited, keeping)
    said = {name: value or environ.get(keeping.variable(name)) for name, value in given.items()}
    login_url = _login_url(said["domain"], kept)
    client_id = said["client_id"] or kept.get("client_id") or _asked("client_id", ask)
    if not client_id:
        raise _no_app(keeping)
    of_this_app = kept.get("client_secret") if client_id == kept.get("client_id") else None
    secret = said["client_secret"] or of_this_app or _asked("client_secret", ask)
    wanted = {"client_id": client_id, "client_secret": secret, "domain": said["domain"]}
    return Plan(
        app=App(login_url, str(client_id), str(secret) if secret else None),
        settings={name: str(value) for name, value in wanted.items() if value and kept.get(name) != value},
        dropped=_dropped(own, wanted),
    )


def _dropped(own: Mapping[str, Any], wanted: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the settings that make way: of other logins, of another app, or said anew."""
    names = {*OTHER_LOGINS}
    if wanted["domain"]:
        names.add("is_sandbox")
    if not wanted["client_secret"]:
        names.add("client_secret")
    return tuple(sorted(name for name in names if own.get(name) not in (None, "")))


def _asked(setting: str, ask: Mapping[str, Ask]) -> str | None:
    return ask[setting](setting).strip() if setting in ask else None


def _login_url(domain: str | None, kept: Mapping[str, Any]) -> str:
    """Return where to log in, or raise UserError with what is wrong about it."""
    where = {"domain": domain} if domain else {name: kept.get(name) for name in ("domain", "is_sandbox")}
    login = LoginSettings(tidied(where), warn=lambda _: None)
    if login.problems:
        raise refused(login.problems)
    return login.url


def _check(inherited: Mapping[str, Any], keeping: Keeping) -> None:
    """Refuse settings of another login in a file that is a person's to edit."""
    standing = [name for name in OTHER_LOGINS if inherited.get(name)]
    if standing:
        what = "belongs to another way to log in."
        raise refused([Problem(name, what, f"Remove it from the YAML beside {keeping.path}.") for name in standing])


def _no_app(keeping: Keeping) -> UserError:
    return UserError(
        "The consumer key of the app to connect through is missing.",
        where="setting: client_id",
        remedy=f"Give `--client-id`, or set {keeping.variable('client_id')}; `connect --help` says how to make an app.",
    )
