"""Which way to log in: read off the settings that are present, or one list of what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tap_salesforce_ci import redaction
from tap_salesforce_ci.client.auth import (
    LOOPBACK,
    PRODUCTION_AUDIENCE,
    SANDBOX_AUDIENCE,
    Auth,
    ClientCredentials,
    GivenSession,
    JwtBearer,
    OAuthPassword,
    RefreshToken,
    SoapLogin,
)
from tap_salesforce_ci.client.sf_cli import SfCli
from tap_salesforce_ci.client.token_store import RotatingRefreshToken, TokenStore

PRODUCTION = "https://login.salesforce.com"
SANDBOX = "https://test.salesforce.com"
SHARED_HOSTS = frozenset({"login.salesforce.com", "test.salesforce.com"})
HOST = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*", re.IGNORECASE)

LIGHTNING = re.compile(
    r"^(?P<name>[^.]+?)(?P<rest>(?:\.(?:sandbox|develop|scratch|trailblaze|demo|free|patch|stage))?)"
    r"\.(?:lightning\.force|my\.salesforce-setup|my\.salesforce-sites|file\.force|my\.site|vf\.force|my\.salesforce)\.com$"
)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with the settings, and what to do; it holds no setting's secret value."""

    setting: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.setting}: {self.what} {self.remedy}"


def login_url(domain: str) -> str:
    """
    Return the login host's address for anything a user would paste.

    `login`, `test`, a My Domain name (`acme`, `acme--uat.sandbox`) or any Salesforce URL of the org; an explicit http
    address only on loopback. Raises ValueError for what is no host.
    """
    text = domain.strip()
    if text.lower() in {"", "login"}:
        return PRODUCTION
    if text.lower() == "test":
        return SANDBOX
    url = urlsplit(text if "://" in text else f"https://{text}")
    host = (url.hostname or "").rstrip(".")
    if url.scheme not in {"http", "https"} or not (host in LOOPBACK or HOST.fullmatch(host)):
        raise ValueError(f"{text!r} is no host")
    port = f":{url.port}" if url.port not in {None, 80, 443} else ""
    if host in LOOPBACK:
        scheme = url.scheme if "://" in text else "http"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}{port}"
    return f"https://{_my_domain(host)}{port}"


def _my_domain(host: str) -> str:
    """Return the host that takes logins, for a host of the same org that doesn't (lightning, setup, files)."""
    if match := LIGHTNING.match(host):
        # `acme--c.vf.force.com`: a package's pages stand under its own name.
        name = re.sub(r"--\w+$", "", match["name"]) if ".vf." in host else match["name"]
        return f"{name}{match['rest']}.my.salesforce.com"
    if host.endswith(".my"):
        # `acme.my`: the form that taps built on simple-salesforce ask for.
        return f"{host}.salesforce.com"
    if host.endswith((".salesforce.com", ".force.com")) or "." in host.replace(".sandbox", "").replace(".develop", ""):
        return host
    return f"{host}.my.salesforce.com"


def is_shared_host(url: str) -> bool:
    """Say whether this is a login host of all orgs, not of one."""
    return (urlsplit(url).hostname or "") in SHARED_HOSTS


@dataclass(frozen=True, slots=True)
class Flow:
    """A way to log in: the settings it needs, and those of the others' that it takes besides."""

    name: str
    needs: frozenset[str]
    takes: frozenset[str] = frozenset()


def _flow(name: str, needs: str, takes: str = "") -> Flow:
    return Flow(name, frozenset(needs.split()), frozenset(takes.split()))


ACCESS_TOKEN = _flow("access token", "access_token instance_url")
SF_CLI = _flow("sf CLI", "sf_cli_org")
REFRESH_TOKEN = _flow("refresh token", "refresh_token client_id", "client_secret username")
JWT_BEARER = _flow("JWT bearer", "private_key client_id username", "client_secret")
OAUTH_PASSWORD = _flow("OAuth password", "username password client_id client_secret", "security_token")
SOAP_LOGIN = _flow("SOAP login", "username password", "security_token")
CLIENT_CREDENTIALS = _flow("client credentials", "client_id client_secret")

BY_MARK: tuple[tuple[str, Flow], ...] = (
    ("access_token", ACCESS_TOKEN),
    ("sf_cli_org", SF_CLI),
    ("refresh_token", REFRESH_TOKEN),
    ("private_key", JWT_BEARER),
)
"""The setting that only one flow has names that flow."""

CREDENTIALS = frozenset({"client_id", "client_secret", "username", "security_token"})
"""The settings that several flows share, so that beside another flow they may mean something else."""

MARKS = frozenset({mark for mark, _ in BY_MARK} | {"password"})

HOW = (
    "Give one of: client_id + client_secret + refresh_token (run `tap-salesforce-ci connect`); "
    "client_id + client_secret + domain = a My Domain; client_id + username + private_key; "
    "access_token + instance_url; sf_cli_org; "
    "username + password + security_token (legacy, with client_id + client_secret where the org has OAuth for it)."
)


class LoginSettings:
    """Reads the login settings of a config; every problem found is added to `problems`."""

    def __init__(self, config: Mapping[str, Any], warn: Callable[[str], None]) -> None:
        self.problems: list[Problem] = []
        self._warn = warn
        self._config = {key: value for key, value in config.items() if value not in (None, "")}
        self.url = self._login_url()
        self._instance = self._instance_url()
        self._key = self._private_key()

    def auth(self) -> Auth | None:
        """Return the way to log in; None where there is a problem."""
        flow = self._chosen()
        if flow is None:
            return None
        missing = sorted(flow.needs - self._present())
        for setting in missing:
            self._problem(setting, f"is missing for the {flow.name} login.", HOW)
        for setting in sorted(self._present() & CREDENTIALS - flow.needs - flow.takes):
            self._problem(setting, f"has no part in the {flow.name} login.", f"Remove it, or choose another. {HOW}")
        return None if missing or self.problems else self._made(flow)

    def _present(self) -> frozenset[str]:
        present = set(self._config)
        if self._config.get("private_key_path"):
            present.add("private_key")
        return frozenset(present)

    def _chosen(self) -> Flow | None:
        present = self._present()
        marks = sorted(present & MARKS)
        if len(marks) > 1:
            self._problem(" and ".join(marks), "each belong to another way to log in.", f"Keep one of them. {HOW}")
            return None
        for mark, flow in BY_MARK:
            if mark in present:
                return flow
        if "password" in present:
            return OAUTH_PASSWORD if present & OAUTH_PASSWORD.needs - SOAP_LOGIN.needs else SOAP_LOGIN
        if "username" in present:
            self._problem("username", "does not say how to log in.", f"Add `private_key` or `password`. {HOW}")
            return None
        if present & CLIENT_CREDENTIALS.needs:
            return self._client_credentials()
        what = "has no `access_token`." if "instance_url" in present else "are missing: there is no way to log in."
        self._problem("instance_url" if "instance_url" in present else "login settings", what, HOW)
        return None

    def _client_credentials(self) -> Flow | None:
        missing = CLIENT_CREDENTIALS.needs - self._present()
        if not missing and is_shared_host(self.url):
            self._problem(
                "domain",
                "must be the org's My Domain for client credentials.",
                "Set it to https://NAME.my.salesforce.com, or add `refresh_token` (run `tap-salesforce-ci connect`).",
            )
            return None
        return CLIENT_CREDENTIALS

    def _made(self, flow: Flow) -> Auth:
        text = {key: str(value) for key, value in self._config.items()}
        made: dict[str, Callable[[], Auth]] = {
            ACCESS_TOKEN.name: lambda: GivenSession(self._instance, text["access_token"]),
            SF_CLI.name: lambda: SfCli(text["sf_cli_org"]),
            REFRESH_TOKEN.name: lambda: self._refresh_token(text),
            JWT_BEARER.name: lambda: JwtBearer(
                self.url, text["client_id"], text["username"], self._key, self._audiences()
            ),
            OAUTH_PASSWORD.name: lambda: self._password(text),
            SOAP_LOGIN.name: lambda: self._soap(text),
            CLIENT_CREDENTIALS.name: lambda: ClientCredentials(self.url, text["client_id"], text["client_secret"]),
        }
        return made[flow.name]()

    def _refresh_token(self, text: Mapping[str, str]) -> Auth:
        grant = RefreshToken(self.url, text["client_id"], text["refresh_token"], text.get("client_secret"))
        store = text.get("token_store")
        return RotatingRefreshToken(grant, TokenStore(Path(store).expanduser()) if store else None, self._warn)

    def _password(self, text: Mapping[str, str]) -> Auth:
        return OAuthPassword(
            login_url=self.url,
            client_id=text["client_id"],
            client_secret=text["client_secret"],
            username=text["username"],
            password=text["password"],
            security_token=text.get("security_token", ""),
        )

    def _soap(self, text: Mapping[str, str]) -> Auth:
        self._warn(
            "SOAP login ends with Summer '27, when Salesforce retires it: move to JWT bearer or client credentials."
        )
        return SoapLogin(self.url, text["username"], text["password"], text.get("security_token", ""))

    def _audiences(self) -> tuple[str, ...]:
        """Return the audiences to claim: sure for the shared hosts, by likelihood for a My Domain."""
        host = urlsplit(self.url).hostname or ""
        sandbox = host == "test.salesforce.com" or ".sandbox." in host or ".scratch." in host
        likely = [SANDBOX_AUDIENCE, PRODUCTION_AUDIENCE] if sandbox else [PRODUCTION_AUDIENCE, SANDBOX_AUDIENCE]
        return (self.url,) if is_shared_host(self.url) else (*likely, self.url)

    def _login_url(self) -> str:
        domain = str(self._config.get("domain", ""))
        sandbox = bool(self._config.get("is_sandbox"))
        if not domain:
            return SANDBOX if sandbox else PRODUCTION
        try:
            url = login_url(domain)
        except ValueError:
            self._problem("domain", "is no host.", "Give `login`, `test`, a My Domain name or a URL of the org.")
            return PRODUCTION
        if sandbox and url == PRODUCTION:
            self._problem("is_sandbox", "contradicts `domain: login`.", "Drop `is_sandbox`, or set `domain: test`.")
        return url

    def _instance_url(self) -> str:
        try:
            return login_url(str(self._config.get("instance_url", "")))
        except ValueError:
            self._problem("instance_url", "is no address.", "Write https://NAME.my.salesforce.com.")
            return ""

    def _private_key(self) -> str:
        key = self._private_key_text()
        # As PEM and from a file it is in no setting that is protected already.
        redaction.protect([key])
        return key

    def _private_key_text(self) -> str:
        text, path = self._config.get("private_key"), self._config.get("private_key_path")
        if text and path:
            self._problem("private_key_path", "is given beside `private_key`.", "Keep one of the two.")
        if text:
            return str(text).replace("\\n", "\n")
        if not path:
            return ""
        try:
            return Path(str(path)).expanduser().read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            self._problem(
                "private_key_path", f"can't be read ({type(error).__name__}).", "Give the path of a PEM file."
            )
            return ""

    def _problem(self, setting: str, what: str, remedy: str) -> None:
        self.problems.append(Problem(setting, what, remedy))
