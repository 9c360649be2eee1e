"""No secret stands anywhere in what a run prints or leaves behind, at any log level, however it ends."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tap_salesforce_ci.demo import oauth
from tap_salesforce_ci.demo.clock import Clock
from tap_salesforce_ci.demo.data import empty_org
from tap_salesforce_ci.demo.faults import ExpireSession, OAuthRefused, Refused, ServerError
from tap_salesforce_ci.demo.org import Org
from tap_salesforce_ci.demo.server import Server
from tap_salesforce_ci.redaction import HIDDEN, RedactedText, protect, redacted
from tests.singer import config

FLOWS: dict[str, dict[str, Any]] = {
    "refresh token": {},
    "client credentials": {"refresh_token": None},
    "JWT": {"refresh_token": None, "client_secret": None, "username": oauth.USERNAME, "private_key": oauth.PRIVATE_KEY},
    "password": {
        "refresh_token": None,
        "username": oauth.USERNAME,
        "password": oauth.PASSWORD,
        "security_token": oauth.SECURITY_TOKEN,
    },
    "SOAP": {
        "client_id": None,
        "client_secret": None,
        "refresh_token": None,
        "username": oauth.USERNAME,
        "password": oauth.PASSWORD,
        "security_token": oauth.SECURITY_TOKEN,
    },
}
SECRET_SETTINGS = ("client_secret", "refresh_token", "password", "security_token", "private_key", "access_token")


@pytest.fixture
def org() -> Org:
    org = empty_org(Clock())
    org.insert("Account", {"Name": "x"})
    org.clock.advance(timedelta(minutes=1))
    org.rotate_refresh_tokens = True
    return org


@pytest.fixture
def server(org: Org) -> Iterator[Server]:
    with Server(org) as server:
        yield server


def everything_printed(settings: dict[str, Any], folder: Path, *words: str) -> tuple[str, int]:
    """Run the command at DEBUG and return all it printed and left in the folder, and its exit code."""
    file = folder / "config.json"
    file.write_text(json.dumps({name: value for name, value in settings.items() if value is not None}))
    command = [sys.executable, "-m", "tap_salesforce_ci", "--config", str(file), *words]
    environment = {**os.environ, "LOGLEVEL": "DEBUG", "TAP_SALESFORCE_CI_LOGLEVEL": "DEBUG"}
    done = subprocess.run(command, capture_output=True, env=environment, cwd=folder, check=False, timeout=120)
    left = b"".join(each.read_bytes() for each in folder.rglob("*") if each.is_file() and each != file)
    return (done.stdout + done.stderr + left).decode("utf-8", "replace"), done.returncode


def secrets_of(settings: dict[str, Any], org: Org) -> list[str]:
    """Return every secret that the run knew: settings, and the sessions and tokens the org handed out."""
    given = [str(settings[name]) for name in SECRET_SETTINGS if settings.get(name)]
    lines = [line for text in given for line in text.splitlines() if not line.startswith("-----")]
    return [*lines, *org.grants._sessions, *org.grants._grants]


@pytest.mark.parametrize("flow", FLOWS)
def test_a_run_that_goes_well_prints_no_secret(org: Org, server: Server, tmp_path: Path, flow: str) -> None:
    """At DEBUG, over every way to log in, neither output nor files hold a secret."""
    settings = config(server, streams=["Account"], **FLOWS[flow])

    printed, code = everything_printed(settings, tmp_path)

    assert code == 0, printed
    assert "sf_Account" in printed
    assert [secret for secret in secrets_of(settings, org) if secret in printed] == []


@pytest.mark.parametrize("flow", FLOWS)
def test_a_refused_login_prints_no_secret(org: Org, server: Server, tmp_path: Path, flow: str) -> None:
    """Even a server that sends the request back in its error is not quoted with a secret in it."""
    settings = config(server, streams=["Account"], **FLOWS[flow])
    secrets = secrets_of(settings, org)
    given = [secret for secret in secrets if secret in map(str, settings.values())]
    org.faults.add(OAuthRefused("invalid_grant", " ".join(given)), path="oauth2/token|Soap", count=None)

    printed, code = everything_printed(settings, tmp_path)

    assert code == 2, printed
    assert [secret for secret in secrets if secret in printed] == []


@pytest.mark.parametrize(
    "fault",
    [ServerError(503), Refused(400, "SOME_NEW_CODE", "no"), ExpireSession(), Refused(401, "INVALID_SESSION_ID", "no")],
    ids=lambda fault: type(fault).__name__,
)
def test_a_failing_run_prints_no_secret(org: Org, server: Server, tmp_path: Path, fault: Any) -> None:
    """Failures in the middle of a run tell what happened without a secret."""
    settings = config(server, streams=["Account"])
    org.faults.add(fault, path="queryAll", count=2)

    printed, _ = everything_printed(settings, tmp_path)

    assert [secret for secret in secrets_of(settings, org) if secret in printed] == []


def test_a_secret_is_hidden_however_it_is_spelled() -> None:
    """As it is, percent-encoded, with escapes, and line by line."""
    protect(["p@ss word+1\nsecond-line"])

    for spelled in ("p@ss word+1\nsecond-line", "p%40ss%20word%2B1%0Asecond-line", "p@ss word+1\\nsecond-line"):
        assert redacted(f"<{spelled}>") == f"<{HIDDEN}>"
    assert redacted("only second-line") == f"only {HIDDEN}"


def test_nothing_but_secrets_is_hidden() -> None:
    """A text too short to be a secret hides nothing."""
    protect(["abc", ""])

    assert redacted("abc abcd") == "abc abcd"


def test_a_closed_stderr_is_not_flushed() -> None:
    """What Python flushes when it ends may be closed already; that is no error to be told of."""
    closed = io.StringIO()
    closed.close()

    RedactedText(closed).flush()
