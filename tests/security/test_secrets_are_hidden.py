"""What a hostile server, file or log can't do: have a secret told."""

from __future__ import annotations

import base64
import html
import http.client
import json
import logging
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_salesforce_ci import redaction
from tap_salesforce_ci.client import auth
from tap_salesforce_ci.client.auth import GivenSession, RefreshToken
from tap_salesforce_ci.client.http import Client
from tap_salesforce_ci.client.messages import Request, Response, Session
from tap_salesforce_ci.client.transport import Transport
from tap_salesforce_ci.connect.flow import App, Authorization, AuthorizationCode
from tap_salesforce_ci.connect.keeping import ConfigFile, ProjectEnv
from tap_salesforce_ci.connect.meltano import MeltanoProject
from tap_salesforce_ci.connect.plan import Plan
from tap_salesforce_ci.demo import oauth
from tap_salesforce_ci.demo.faults import ExpireSession, Fault, ResetConnection
from tap_salesforce_ci.demo.org import Org
from tap_salesforce_ci.demo.server import Server
from tap_salesforce_ci.demo.wire import Response as Answer
from tap_salesforce_ci.demo.wire import json_response
from tap_salesforce_ci.errors import TapError, UserError
from tap_salesforce_ci.given import config_file
from tap_salesforce_ci.progress import log
from tap_salesforce_ci.settings import Settings, tidied
from tests.client.staged import json_answer
from tests.conftest import Connect
from tests.security.flows import APP, FLOWS, Config, SignedIn, limits
from tests.singer import config, discover, sync
from tests.test_login_flows import FakeSf

# Secrets: what servers say

SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in a URL": lambda text: quote(text, safe=""),
    "in a URL, lower case": lambda text: re.sub("%..", lambda code: code[0].lower(), quote(text, safe="")),
    "in JSON": json.dumps,
    "in XML": html.escape,
    "in base64": lambda text: base64.b64encode(text.encode()).decode(),
    "in base64, behind others": lambda text: base64.urlsafe_b64encode(f"user:{text}:x".encode()).decode(),
    "in lines": lambda text: "\n".join(textwrap.wrap(text, 50)),
    "cut": lambda text: text[: len(text) * 2 // 3] if len(text) > 40 else text,
}


@dataclass(frozen=True)
class Echo(Fault):
    """The server refuses, and says what it was sent, in a spelling of its own, behind so much else."""

    spelled: Callable[[str], str]
    behind: int = 0
    status: int = 400

    def instead(self, org: Any, request: Any) -> Answer:
        text = "." * self.behind + " ".join(map(self.spelled, secrets_in(request)))
        if "/Soap/" in request.path:
            code, message = "<a:exceptionCode>INVALID_LOGIN</a:exceptionCode>", html.escape(text)
            fault = f"<a:Fault>{code}<a:exceptionMessage>{message}</a:exceptionMessage></a:Fault>"
            return Answer(500, fault.encode(), {"Content-Type": "text/xml"})
        if request.method == "POST":
            return json_response({"error": "invalid_grant", "error_description": text}, self.status)
        return json_response([{"errorCode": text, "message": text}], self.status)


def secrets_in(request: Any) -> list[str]:
    """The secrets that a request carries."""
    text = request.body.decode()
    found = [value for name, value in request.form.items() if name in auth.SECRETS] if "=" in text else []
    found += [html.unescape(each) for each in re.findall("<p:password>(.*?)</p:password>", text)]
    return found + [each.partition(" ")[2] for each in (request.headers.get("authorization"),) if each]


def shown_of(secrets: Iterable[str], text: str) -> list[str]:
    """The secrets of which a text shows so much that it helps anybody, in any spelling."""
    lines = [line for secret in secrets for line in secret.splitlines() if not line.startswith("-----")]
    assert lines
    return [line for line in lines if any(_shows(text, spelled(line)) for spelled in SPELLINGS.values())]


def _shows(text: str, form: str) -> bool:
    enough = min(len(form), 20)
    return any(form[at : at + enough] in text for at in range(len(form) - enough + 1))


@pytest.mark.parametrize("flow", FLOWS)
def test_a_login_host_that_says_what_it_was_sent_is_not_quoted(
    folder: Path, signed_in: SignedIn, org: Org, flow: str
) -> None:
    """Neither whole nor where the quotation is cut short; a token that no setting holds is hidden, too."""
    # 160: the quotation ends within the secret.
    for spelling, behind in product(("as it is", "in lines", "cut"), (0, 160)):
        org.faults.add(Echo(SPELLINGS[spelling], behind), path="/oauth2/token|/Soap/")
        with pytest.raises(UserError, match="refused") as refused:
            limits(signed_in(FLOWS[flow]))
        sent = secrets_in(org.requests[-1])
        assert shown_of(sent, f"{refused.value}{refused.value!r}") == [], spelling


def test_an_org_that_says_what_it_was_sent_is_not_quoted(signed_in: SignedIn, org: Org) -> None:
    """In no spelling; and a session that was opened in the middle of a run is as well hidden as the first one."""
    client = signed_in(FLOWS["refresh token"])
    for spelling, spelled in SPELLINGS.items():
        org.faults.add(ExpireSession(), path="/limits")
        org.faults.add(Echo(spelled, behind=250), path="/limits", nth=2)

        with pytest.raises(UserError) as refused:
            limits(client)
        sent = secrets_in(org.requests[-1])
        assert sent == [client.session.token]
        assert shown_of(sent, f"{refused.value}{refused.value.code}") == [], spelling


@pytest.mark.parametrize("flow", ["JWT", "JWT in one line", "JWT from a file"])
def test_a_private_key_is_hidden_wherever_it_was_given(folder: Path, signed_in: SignedIn, flow: str) -> None:
    """It is never sent, but a crash may show it: line by line as well."""
    signed_in(FLOWS[flow])

    shown = redaction.redacted(f"{oauth.PRIVATE_KEY}{oauth.PRIVATE_KEY!r}{oauth.PRIVATE_KEY.splitlines()[3]}")
    assert shown_of([oauth.PRIVATE_KEY], shown) == []


def test_what_frames_a_key_is_no_secret() -> None:
    """Messages may say what a key begins with."""
    redaction.protect([oauth.PRIVATE_KEY])

    assert redaction.redacted("-----BEGIN PRIVATE KEY-----") == "-----BEGIN PRIVATE KEY-----"
    redaction.protect(["-----a password"])
    assert redaction.redacted("<-----a password>") == f"<{redaction.HIDDEN}>"


@settings(max_examples=100, deadline=None)
@given(
    st.text("abcdefghijk", min_size=20, max_size=60), st.text("lmnop \n", max_size=30), st.text("lmnop \n", max_size=30)
)
def test_only_what_is_secret_is_hidden(secret: str, before: str, behind: str) -> None:
    """What stands around a secret, or a piece of one, stays as it is."""
    redaction._short.clear()
    redaction._pieces.clear()
    redaction.protect([secret])

    for piece in (secret, secret[:17], secret[-17:]):
        assert redaction.redacted(f"{before}{piece}{behind}") == f"{before}{redaction.HIDDEN}{behind}"


# Secrets: errors, objects, logs


def all_that_an_error_holds(error: BaseException) -> str:
    """An error with everything that led to it, as crash reports walk along it."""
    told, todo = [], [error]
    while todo:
        each = todo.pop()
        told.append(f"{each}\n{each!r}\n{each.args}\n{vars(each)}\n{vars(vars(each).get('request') or Session)}")
        todo += [inner for inner in (each.__cause__, each.__context__) if inner is not None]
    return "\n".join(told)


FAILURES: dict[str, Fault] = {
    "a refusal": Echo(str),
    "a torn line": ResetConnection(),
    "a line torn in the middle": ResetConnection(0.5),
    "an answer of another kind": json_answer(f'{{"access_token": "{oauth.REFRESH_TOKEN}", "instance_url": 5}}'),
    "an answer that names no host": json_answer(f'{{"access_token": "{oauth.REFRESH_TOKEN}", "instance_url": "x"}}'),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_an_error_of_a_login_and_what_led_to_it_hold_no_secret(
    folder: Path, signed_in: SignedIn, org: Org, failure: str
) -> None:
    """The library's own errors know the whole request; none of them hangs on to ours."""
    org.faults.add(FAILURES[failure], path="/oauth2/token|/Soap/", count=None)

    for flow in ("refresh token, rotated", "client credentials", "JWT", "password", "SOAP"):
        with pytest.raises(TapError) as refused:
            limits(signed_in(FLOWS[flow]))
        sent = [*secrets_in(org.requests[-1]), oauth.REFRESH_TOKEN]
        assert shown_of(sent, all_that_an_error_holds(refused.value)) == [], flow


@pytest.mark.parametrize("sign", ["\n", " \r\n", "…", "\u00a0“"])
def test_a_session_that_was_pasted_badly_is_told_without_it(
    server: Server, connect: Connect, org: Org, sign: str
) -> None:
    """A line break or a typographic sign at its end is a setting to correct: told at once, and nothing is sent."""
    token = org.open_session()

    with pytest.raises(UserError, match="no HTTP header") as refused:
        limits(connect(GivenSession(server.url, token + sign)))
    assert "access_token" in refused.value.where
    assert shown_of([token], all_that_an_error_holds(refused.value)) == []
    assert org.requests == []


def test_files_that_are_torn_are_told_without_what_they_hold(folder: Path, signed_in: SignedIn, sf: FakeSf) -> None:
    """A token store, the settings, and what `sf` says: none is quoted, not even by the error behind the error."""
    secret = "00D!AQ.a-secret-in-a-file-that-is-torn"
    torn = json.dumps({"access_token": secret})[:-1]
    file = folder / "torn.json"
    file.write_text(torn, "utf-8")
    sf.answers(torn)
    tries: list[Callable[[], Any]] = [
        lambda: limits(signed_in({**FLOWS["refresh token"], "token_store": str(file)})),
        lambda: limits(signed_in({"sf_cli_org": "dev"})),
        ConfigFile(file).settings,
        lambda: config_file(str(file)),
    ]

    for read in tries:
        with pytest.raises(UserError) as refused:
            read()
        assert shown_of([secret], all_that_an_error_holds(refused.value)) == []


def test_nothing_that_knows_a_secret_shows_it(folder: Path, server: Server, connect: Connect) -> None:
    """The `repr` of every value on the way of a secret, as debuggers and crash reports print them."""
    code, secret, token = "aPrx-the-code-of-a-login", "the-consumer-secret", "00D!AQ.the-session"
    keeping = ProjectEnv(MeltanoProject(folder, "tap", {"client_secret": secret}, "target"))
    authorization = Authorization(App("https://x", "id", secret), "http://localhost", "the-state-of-it", "the-verifier")
    grant = RefreshToken("https://x", "id", "5Aep-the-refresh-token", secret)
    shown: list[object] = [
        *(Settings.from_config(tidied({"domain": server.url, **each}), lambda _: None).auth for each in FLOWS.values()),
        Settings.from_config(tidied({"domain": server.url, **APP}), lambda _: None),
        GivenSession("https://x", token),
        Session("https://x", token, "5Aep-the-refresh-token"),
        auth._TokenAnswer(token, "https://x", "5Aep-the-refresh-token"),
        connect(grant),
        Transport("x", 5),
        Request("POST", "https://x", {"Authorization": token}, secret.encode()),
        Response(200, secret.encode(), {"X": token}),
        authorization,
        AuthorizationCode(authorization, code),
        Plan(authorization.app, {"client_secret": secret}, ()),
        keeping,
        keeping.project,
        next(grant.login()),
    ]
    secrets = [code, secret, token, "5Aep-the-refresh-token", "the-state-of-it", "the-verifier"]
    secrets += [value for each in FLOWS.values() for name, value in each.items() if name in SECRET_SETTINGS]

    assert shown_of(secrets, "\n".join(map(repr, shown))) == []


SECRET_SETTINGS = ("client_secret", "refresh_token", "password", "security_token", "private_key")


def test_a_log_file_has_no_secret_either(tmp_path: Path) -> None:
    """A log configuration may send lines, tracebacks and all, where stderr's own guard doesn't reach."""
    secret = '00D!"AQ" of\na new login'
    handler = logging.FileHandler(tmp_path / "log")
    logger = logging.getLogger("tests.security")
    logger.addHandler(handler)
    try:
        log.settle(quiet=False, tap="tap")
        redaction.protect([secret])
        logger.error("it was %s", secret, exc_info=KeyError(secret))
    finally:
        logger.removeHandler(handler)
        handler.close()
    written = (tmp_path / "log").read_text("utf-8")
    assert "it was ***" in written
    assert "KeyError" in written
    assert "AQ" not in written
    assert "new login" not in written


def test_pythons_own_debugging_does_not_print_the_session(
    client: Client, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`http.client` prints whole requests to stdout when it is told to."""
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)

    assert limits(client) == 200
    assert "".join(capsys.readouterr()) == ""


CRASH = """
from rich.console import Console
from tap_salesforce_ci import cli
from tap_salesforce_ci.client.transport import Transport

def send(self, request, sent=Transport.__call__):
    if request.url.endswith("/sobjects"):
        headers, session = dict(request.headers), request.headers["Authorization"]
        raise KeyError("unexpected")
    return sent(self, request)

Transport.__call__ = send
try:
    cli.main()
except KeyError:
    Console(stderr=True, width=100).print_exception(show_locals=True, max_frames=0)
"""


def test_a_crash_with_every_variable_shown_has_no_secret(folder: Path, server: Server, org: Org) -> None:
    """A fault that nobody caught, with local variables in its traceback, cut to the width and broken into lines."""
    org.insert("Account", {"Name": "x"})
    org.clock.advance(timedelta(minutes=1))
    org.rotate_refresh_tokens = True
    settings_ = config(server, streams=["Account"], token_store="new.json", describe_cache="off")
    (folder / "config.json").write_text(json.dumps(settings_), "utf-8")

    done = subprocess.run(
        [sys.executable, "-c", CRASH, "--config", "config.json"],
        capture_output=True,
        text=True,
        env={**os.environ, "LOGLEVEL": "DEBUG"},
        check=False,
    )

    secrets = [oauth.CLIENT_SECRET, oauth.REFRESH_TOKEN, *org.grants._sessions, *org.grants._grants]
    assert "KeyError: 'unexpected'" in done.stderr
    assert "***'+" in done.stderr
    assert shown_of(secrets, done.stdout + done.stderr) == []


def test_nothing_that_a_run_leaves_behind_holds_a_secret(org: Org, server: Server, folder: Path) -> None:
    """Neither messages, state and catalog nor kept describes and files of rows."""
    org.insert("Account", {"Name": "x"})
    org.clock.advance(timedelta(minutes=1))
    org.rotate_refresh_tokens = True
    for left in folder.iterdir():
        left.unlink()
    kept: Config = {"token_store": str(folder / "tokens.json"), "describe_cache": str(folder / "describes.json")}
    batches = {"encoding": {"format": "jsonl", "compression": "none"}, "storage": {"root": str(folder / "rows")}}

    catalog = discover(server, streams=["Account"], **kept)
    output = sync(server, catalog=catalog, **kept, batch_config=batches)

    (folder / "tokens.json").unlink()
    files = {path.relative_to(folder).parts[0]: path.read_text("utf-8") for path in folder.rglob("*.json*")}
    assert output.state["bookmarks"]["sf_Account"]["replication_key_value"]
    assert set(files) == {"describes.json", "rows"}
    secrets = [oauth.CLIENT_SECRET, oauth.REFRESH_TOKEN, *org.grants._sessions, *org.grants._grants]
    assert shown_of(secrets, json.dumps([catalog, output.messages, files])) == []
