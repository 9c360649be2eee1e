"""What a hostile server, file or setting can't do: learn a secret, have it told, lead the tap astray, or fill it up."""

from __future__ import annotations

import base64
import contextlib
import gzip
import html
import http.client
import json
import logging
import os
import re
import socket
import stat
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, unquote_plus, urlsplit

import pytest
import requests
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tap_salesforce_ci import bookmarks, redaction
from tap_salesforce_ci.client import auth, body, bulk, rest
from tap_salesforce_ci.client.auth import GivenSession, RefreshToken
from tap_salesforce_ci.client.describe import describe_all
from tap_salesforce_ci.client.http import Client
from tap_salesforce_ci.client.messages import Request, Response, Session
from tap_salesforce_ci.client.token_store import TokenStore, write_private
from tap_salesforce_ci.client.transport import LONGEST_REFUSAL, Transport
from tap_salesforce_ci.connect.flow import App, Authorization, AuthorizationCode
from tap_salesforce_ci.connect.keeping import ConfigFile, ProjectEnv
from tap_salesforce_ci.connect.listener import Listener
from tap_salesforce_ci.connect.meltano import MeltanoProject
from tap_salesforce_ci.connect.plan import Plan
from tap_salesforce_ci.demo import oauth
from tap_salesforce_ci.demo.faults import BadDescribe, ExpireSession, Fault, ResetConnection
from tap_salesforce_ci.demo.org import Org
from tap_salesforce_ci.demo.server import Server
from tap_salesforce_ci.demo.soql.parser import parse
from tap_salesforce_ci.demo.wire import Response as Answer
from tap_salesforce_ci.demo.wire import json_response
from tap_salesforce_ci.encode.columns import Column, Kind
from tap_salesforce_ci.errors import BrokenPromise, TapError, TransientError, UserError
from tap_salesforce_ci.given import config_file
from tap_salesforce_ci.plan import Table, next_read
from tap_salesforce_ci.progress import log
from tap_salesforce_ci.settings import Settings, tidied
from tap_salesforce_ci.settings.login import login_url
from tests.batch_files import path_of
from tests.client.staged import Answers, json_answer
from tests.client.test_proxy_and_tls import Certificate, https
from tests.conftest import Connect
from tests.singer import config, discover, sync
from tests.strategies import JSON
from tests.test_login_flows import FakeSf

Config = dict[str, Any]
SignedIn = Callable[[Mapping[str, Any]], Client]

HTTP = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

APP: Config = {"client_id": oauth.CLIENT_ID, "client_secret": oauth.CLIENT_SECRET}
PERSON: Config = {"username": oauth.USERNAME, "password": oauth.PASSWORD, "security_token": oauth.SECURITY_TOKEN}
JWT: Config = {"client_id": oauth.CLIENT_ID, "username": oauth.USERNAME}
FLOWS: dict[str, Config] = {
    "refresh token": {**APP, "refresh_token": oauth.REFRESH_TOKEN},
    "refresh token, rotated": {**APP, "refresh_token": oauth.REFRESH_TOKEN, "token_store": "tokens.json"},
    "client credentials": APP,
    "JWT": {**JWT, "private_key": oauth.PRIVATE_KEY},
    "JWT in one line": {**JWT, "private_key": oauth.PRIVATE_KEY.replace("\n", "\\n")},
    "JWT from a file": {**JWT, "private_key_path": "key.pem"},
    "password": {**APP, **PERSON},
    "SOAP": PERSON,
}


@pytest.fixture(autouse=True)
def nothing_protected(monkeypatch: pytest.MonkeyPatch) -> None:
    """What other tests had protected is not, so that it is seen who protects what."""
    monkeypatch.setattr(redaction, "_short", [])
    monkeypatch.setattr(redaction, "_pieces", set())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a key file lies in it, and a refresh token that an earlier run has rotated."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "key.pem").write_text(oauth.PRIVATE_KEY, "utf-8")
    kept = "5Aep861-kept-from-the-last-run-" + "x+y/z=" * 9
    TokenStore(tmp_path / "tokens.json").keep(oauth.REFRESH_TOKEN, kept)
    return tmp_path


@pytest.fixture
def signed_in(server: Server, connect: Connect) -> SignedIn:
    """Make a client of the emulated org out of settings, as the tap does."""

    def make(given_: Mapping[str, Any]) -> Client:
        made = Settings.from_config(tidied({"domain": server.url, **given_}), lambda _: None)
        return connect(made.auth)

    return make


@pytest.fixture
def sf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSf:
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return FakeSf(tmp_path)


@pytest.fixture
def elsewhere() -> Iterator[Server]:
    """Another host, which is to hear nothing."""
    with Server(Org()) as server:
        yield server
        assert server.org.requests == []


def limits(client: Client) -> int:
    return client.get(f"{client.data_path}/limits").status


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


# Files


@contextlib.contextmanager
def modes_seen(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[set[int]]:
    """The permissions of all files in a folder, looked at when one is being written and in the end."""
    seen: set[int] = set()

    def look(_handle: int = 0) -> None:
        seen.update(stat.S_IMODE(each.stat().st_mode) for each in folder.rglob("*") if each.is_file())

    monkeypatch.setattr(os, "fsync", look)
    before = os.umask(0)
    try:
        yield seen
    finally:
        os.umask(before)
        look()


KEEPERS: dict[str, Callable[[Path], None]] = {
    "token store": lambda path: TokenStore(path).keep("configured", "newest"),
    "config": lambda path: ConfigFile(path).keep({"refresh_token": "newest"}, ()),
    "describes": lambda path: write_private(path, b"{}"),
}


@pytest.mark.parametrize("place", ["nothing", "a file", "a link", "a link to nothing", "no folder"])
@pytest.mark.parametrize("keeper", KEEPERS)
def test_files_with_secrets_are_their_owners_from_the_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keeper: str, place: str
) -> None:
    """Though the umask allows everything, and whatever stood in the place: no one else could ever read a word."""
    within = tmp_path / "within"
    path = within / "folder" / "file.json"
    if place != "no folder":
        path.parent.mkdir(parents=True)
    if place == "a file":
        path.write_text('{"refresh_token": "old"}', "utf-8")
        path.chmod(0o644)
    elif place.startswith("a link"):
        target = tmp_path / "target.json"
        path.symlink_to(target)
        if place == "a link":
            target.write_text("{}", "utf-8")
            target.chmod(0o644)

    with modes_seen(within, monkeypatch) as seen:
        if place == "a file":
            path.chmod(0o600)
            path.chmod(0o644)
        KEEPERS[keeper](path)

    assert seen - ({0o644} if place in {"a file", "a link"} else set()) == {0o600}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["file.json"]
    if place == "no folder":
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("content", ["\ud800", "{}"])
def test_what_can_not_be_written_leaves_nothing_behind(tmp_path: Path, content: str) -> None:
    """Neither a text that is none nor a folder in the place of the file leaves half a secret in a temporary file."""
    (tmp_path / "in the way").mkdir()

    with pytest.raises((OSError, UnicodeEncodeError)):
        write_private(tmp_path / "in the way", content)
    assert [each.name for each in tmp_path.iterdir()] == ["in the way"]


# Addresses: states, catalogs and answers that would lead elsewhere


def asked_of(org: Org, *, but: str = "") -> list[str]:
    """What was asked of an org's API, method and address."""
    made = [f"{each.method} {each.path}" for each in org.requests if "/oauth2/" not in each.path]
    return [each for each in made if not but or but not in each]


@HTTP
@example("../../sobjects/Account/001000000000001AAA")
@example("..")
@example("")
@example("7501?x=")
@example("7501%2F..")
@given(st.text(max_size=30))
def test_a_job_is_asked_about_by_its_id_or_not_at_all(client: Client, org: Org, job_id: str) -> None:
    """Nothing that a state holds for an id names another resource."""
    org.requests.clear()
    for ask in (bulk.status, bulk.discard):
        with contextlib.suppress(BrokenPromise, UserError):
            ask(client, job_id)

    assert {each.path for each in org.requests} <= {f"/services/data/v66.0/jobs/query/{job_id}"}
    assert org.requests == [] or job_id.isalnum()


def test_a_state_deletes_nothing_but_jobs(org: Org, server: Server) -> None:
    """A job id that is the path of a record: the table is read anew, and the record stays."""
    record = org.insert("Account", {"Name": "precious"})
    org.clock.advance(timedelta(minutes=1))
    job = {"id": f"../../sobjects/Account/{record}", "api_version": "66.0", "locator": None, "rows": 0}
    reading = {"replication_key": "SystemModstamp", "until": "2026-03-01T00:00:00Z", "query": "x", "job": job}

    output = sync(server, streams=["Account"], state={"bookmarks": {"sf_Account": {"reading": reading}}})

    assert output.error is None
    assert [each["Name"] for each in output.records("sf_Account")] == ["precious"]
    assert [each for each in asked_of(org) if not each.startswith(("GET", "POST"))] == []


MOMENT = datetime(2026, 3, 2, tzinfo=timezone.utc)
HOSTILE = "2026-01-01T00:00:00Z OR Id != null"
ENTRIES = st.fixed_dictionaries(
    {"replication_key": st.sampled_from(["SystemModstamp", "Id = null OR Id", HOSTILE])},
    optional={
        "replication_key_value": st.sampled_from([HOSTILE, "2026-01-01T00:00:00Z", "0001-01-01T00:00:00Z"]) | JSON,
        "SystemModstamp": st.just(HOSTILE) | JSON,
        "reading": JSON
        | st.fixed_dictionaries(
            {"replication_key": st.just("SystemModstamp")},
            optional={name: st.just(HOSTILE) | JSON for name in ("since", "until", "query", "reached", "job")},
        ),
        "version": JSON,
    },
)


@settings(max_examples=100, deadline=None)
@given(ENTRIES)
def test_no_state_says_more_than_moments(entry: Config) -> None:
    """Whatever an entry of the state holds, the query asks of the table what lies between two moments."""
    table = Table("Account", (Column("Id", Kind.TEXT),), "SystemModstamp")
    try:
        bookmark = bookmarks.read({"bookmarks": {"sf_Account": entry}}, "sf_Account", "Account", "SystemModstamp")
        read = next_read(table, bookmark, start=None, lookback=timedelta(minutes=10), until=MOMENT)
    except UserError as error:
        assert error.where.startswith("state")  # noqa: PT017 - either end is right
        return
    moment = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z"
    bounds = rf"(SystemModstamp >= {moment} AND )?SystemModstamp < {moment}"
    assert re.fullmatch(rf"SELECT Id FROM Account WHERE {bounds} ORDER BY SystemModstamp, Id", str(read.ordered_query))


NAMES = [
    "../../../x",
    "x/../../../query",
    "A B",
    "R'); x",
    "x?y=1#z",
    "Ünï",
    "a\nb",
    "%2e%2e%2f",
    "x,User",
    "//x",
    "..",
]
# Dots alone are left out by whatever resolves an address; what that leads to is a GET of nothing.
NAMED = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12).filter(lambda name: name.strip("."))


@HTTP
@example(["../../query?q=SELECT+Id+FROM+User#", "a"])
@example(["x", "%2F..", "a/b", "\U0001f600"])
@given(st.lists(NAMED, min_size=1, max_size=12, unique=True))
def test_a_name_of_an_object_is_part_of_one_address_only(client: Client, org: Org, names: list[str]) -> None:
    """One by one or in a composite, with counts as well: what is asked for is a describe of that very name."""
    org.requests.clear()
    list(describe_all(client, names))
    rest.record_counts(client, names)

    addresses = []
    for each in org.requests:
        if each.path.endswith("/composite"):
            addresses += [part["url"] for part in json.loads(each.body)["compositeRequest"]]
        elif each.path.endswith("/recordCount"):
            assert set(parse_qs(each.target.partition("?")[2], keep_blank_values=True)) == {"sObjects"}
        elif "/limits/" not in each.path:
            addresses.append(each.target)
    described = {
        unquote(each.removeprefix("/services/data/v66.0/sobjects/").removesuffix("/describe")) for each in addresses
    }
    assert described == set(names)


def test_files_of_rows_stay_in_their_storage(org: Org, server: Server, tmp_path: Path) -> None:
    """A stream's name is part of its files' names, and leads to no other folder, even where an org plays along."""
    org.insert("Account", {"Name": "x"})
    org.clock.advance(timedelta(minutes=1))
    (entry,) = discover(server, streams=["Account"])["streams"]
    streams = [{**entry, "tap_stream_id": f"sf_{name}", "stream": f"sf_{name}"} for name in NAMES]
    fields = [{"name": "Id", "type": "id"}, {"name": "SystemModstamp", "type": "datetime"}]
    org.faults.add(json_answer(json.dumps({"name": "Account", "fields": fields})), path="describe", count=None)
    root = tmp_path / "a" / "b" / "c"
    batches = {"encoding": {"format": "jsonl"}, "storage": {"root": f"file://{root}"}}

    output = sync(server, catalog={"streams": streams}, batch_config=batches)

    named = [path_of(url) for each in output.messages if each["type"] == "BATCH" for url in each["manifest"]]
    assert len(named) >= len(NAMES) - 1
    assert {path.parent for path in named} == {root}
    assert [each for each in tmp_path.rglob("*") if each.is_file() and each.parent != root] == []


@pytest.mark.parametrize("name", ["Id FROM User LIMIT 1", "Id, (SELECT Id FROM Contacts)", "x'", "Name\n", "Näme"])
def test_a_describe_with_a_field_of_such_a_name_is_not_asked_about(org: Org, server: Server, name: str) -> None:
    """The stream fails by the name of the field; no query that holds it leaves."""
    fields = [{"name": each, "type": "string"} for each in ("Id", name)]
    org.faults.add(BadDescribe("Account", {"name": "Account", "fields": fields}), count=None)

    output = sync(server, streams=["Account", "Contact"])

    assert isinstance(output.error, TapError)
    assert "is not the API name" in str(output.error)
    assert "sf_Contact failed" not in str(output.error)
    asked = unquote_plus(" ".join(each.target + each.body.decode() for each in org.requests))
    assert f"SELECT Id,{name}" not in asked


def test_a_catalog_of_such_names_asks_for_nothing_else(org: Org, server: Server, tmp_path: Path) -> None:
    """Streams, keys and fields of a catalog: what the org doesn't have is passed over."""
    org.insert("Account", {"Name": "x"})
    org.clock.advance(timedelta(minutes=1))
    catalog = discover(server, streams=["Account"])
    (entry,) = catalog["streams"]
    hostile = [{**entry, "tap_stream_id": f"sf_{name}", "stream": f"sf_{name}"} for name in NAMES if name != ".."]
    entry["replication_key"] = "Id = null OR Id"
    entry["schema"]["properties"]["Id FROM User LIMIT 1"] = {"type": ["string", "null"]}
    org.requests.clear()

    output = sync(server, catalog={"streams": [entry, *hostile]})

    assert output.error is None
    assert [each["Name"] for each in output.records("sf_Account")] == ["x"]
    queries = [parse(each.query["q"]) for each in org.requests if "q" in each.query]
    assert {each.source.text for each in queries} == {"Account"}
    assert all(
        "User" not in each.query["q"] and "null OR" not in each.query["q"] for each in org.requests if "q" in each.query
    )


@settings(max_examples=100, deadline=None)
@example("https://evil.example/services/data")
@example("//evil.example/x")
@example("/\\evil.example/x")
@example("https:////evil.example/x")
@example("/@evil.example/")
@example(":1@evil.example/")
@given(st.text(st.sampled_from("/\\:@?#.%[]ax \t\n\r"), max_size=20) | st.text(max_size=20))
def test_an_address_that_an_answer_names_is_on_the_orgs_own_host(named: str) -> None:
    """What comes of any `nextRecordsUrl` is refused, or travels to the host that was logged in to."""
    session = Session("https://acme.my.salesforce.com", "token")
    try:
        url = Client._url(None, session, rest.path_of(named))  # type: ignore[arg-type]  # it asks nothing of its client
        prepared = requests.Request("GET", url).prepare()
    except (BrokenPromise, ValueError):
        return
    assert urlsplit(prepared.url).netloc == "acme.my.salesforce.com"


@pytest.mark.parametrize("named", ["{}/services/data/v66.0/query/01g-2000", "//{}/query/x", "@{}/x"])
def test_the_next_page_is_not_fetched_elsewhere(org: Org, server: Server, elsewhere: Server, named: str) -> None:
    """An answer that names another host for the next page fails its stream, or its path is asked of the org."""
    url = named.format(elsewhere.url if named.startswith("{}") else elsewhere.url.partition("//")[2])
    answer = {"totalSize": 2, "done": False, "nextRecordsUrl": url, "records": [{"Id": "001000000000001AAA"}]}
    org.faults.add(json_answer(json.dumps(answer)), path=r"/query(All)?\?", count=None)

    assert sync(server, streams=["Account"], api_type="rest").error is not None


# Redirects, and where a login says that the org is


@pytest.mark.parametrize("path", ["/oauth2/token", "/sobjects/?$", "describe", "/query", "/jobs/query/?$", "/results"])
@pytest.mark.parametrize("status", [302, 307])
def test_no_redirect_is_followed_anywhere(org: Org, server: Server, elsewhere: Server, path: str, status: int) -> None:
    """Neither credentials nor a session travel to where an answer points, whatever was asked for."""
    org.insert("Account", {"Name": "x"})
    org.clock.advance(timedelta(minutes=1))
    org.faults.add(Answers(Answer(status, b"", {"Location": f"{elsewhere.url}/x"})), path=path, count=None)
    bulk_ = "/jobs" in path or "/results" in path

    output = sync_or_error(server, streams=["Account"], api_type="bulk2" if bulk_ else "rest")

    # What Bulk refuses comes over REST.
    assert (output is None) == bulk_


def sync_or_error(server: Server, **settings_: Any) -> TapError | None:
    try:
        return sync(server, **settings_).error
    except TapError as error:
        return error


UNSAFE = [
    "http://acme.my.salesforce.com",
    "http://127.0.0.1.evil.example",
    "http://2130706433",
    "ftp://127.0.0.1",
    "//127.0.0.1",
    "https://",
    "https://[",
    "https://user:word@acme.my.salesforce.com",
    "javascript:alert(1)",
    "",
]


@pytest.mark.parametrize("address", UNSAFE)
def test_a_session_is_not_sent_in_the_open(signed_in: SignedIn, org: Org, sf: FakeSf, address: str) -> None:
    """An org's address that is not https, or none at all, is refused whichever way it was told."""
    token = org.open_session()
    org.faults.add(json_answer(json.dumps({"access_token": token, "instance_url": address})), path="/oauth2/token")
    soap = f"<a><serverUrl>{address}/services/Soap/u/64.0</serverUrl><sessionId>{token}</sessionId></a>"
    org.faults.add(Answers(Answer(200, soap.encode())), path="/Soap/")
    sf.shows(token, address)

    for flow in (APP, PERSON, {"sf_cli_org": "dev"}):
        with pytest.raises(TapError, match="https"):
            limits(signed_in(flow))


@settings(max_examples=100, deadline=None)
@given(
    st.text(st.sampled_from("htps:/@.#?[]1270evil\\ "), max_size=25).map(lambda text: f"http{text}")
    | st.text(max_size=30)
)
def test_every_address_is_https_or_loopback(text: str) -> None:
    """Of a login's answer as of a setting: what is not refused is safe on its way, and carries no credentials."""
    found = [auth.instance(text)]
    with contextlib.suppress(ValueError):
        found.append(login_url(text))
    for address in filter(None, found):
        try:
            parts = urlsplit(str(requests.Request("GET", f"{address}/x").prepare().url))
        except ValueError:
            # It is no address even to the library; nothing is sent.
            continue
        assert parts.scheme == "https" or parts.hostname in {"127.0.0.1", "localhost", "::1"}
        assert parts.username is None


def test_an_identity_elsewhere_is_not_asked(org: Org, server: Server, elsewhere: Server) -> None:
    """The address of the user's identity tells who it is, and is never sent a session."""
    token = {"access_token": org.open_session(), "instance_url": server.url, "id": f"{elsewhere.url}/id/00D0/0050"}
    org.faults.add(json_answer(json.dumps(token)), path="/oauth2/token")

    assert discover(server, streams=["Account"])["streams"]


# TLS


@pytest.mark.parametrize(
    "variables",
    [
        {"REQUESTS_CA_BUNDLE": ""},
        {"CURL_CA_BUNDLE": ""},
        {"REQUESTS_CA_BUNDLE": "", "CURL_CA_BUNDLE": "", "SSL_CERT_FILE": "", "SSL_CERT_DIR": ""},
        {"PYTHONHTTPSVERIFY": "0", "PYTHONWARNINGS": "ignore", "NODE_TLS_REJECT_UNAUTHORIZED": "0"},
    ],
    ids=" ".join,
)
def test_no_variable_switches_the_check_of_certificates_off(
    connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    """What is said to help elsewhere sends no session to a host that nobody vouches for."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    org = Org()

    with https(org, Certificate(tmp_path / "tls.pem")), pytest.raises(UserError, match="is not trusted"):
        limits(connect(GivenSession(org.instance_url, org.open_session())))
    assert org.requests == []


# What listens


def test_the_pretend_org_is_heard_on_this_machine_only(server: Server) -> None:
    """Another address of the machine, even a loopback one, finds nobody listening."""
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.2", int(urlsplit(server.url).port or 0)), timeout=5)


@pytest.mark.parametrize(
    "query", ["", "?state=guessed&code=x", "?state=&code=x", "?state=%FF&error=x", "?code=x&state"]
)
def test_a_page_of_another_origin_gets_nothing_out_of_the_listener(query: str) -> None:
    """Under any name that leads here, without the login's state nothing is taken, and nothing of it is shown."""
    with Listener(0, "the-state") as listener:
        there = listener.redirect_uri.replace("localhost", "127.0.0.1")
        attack = f"{query}{'&' if query else '?'}error_description=<script>alert(1)</script>"
        page = requests.get(there + attack, headers={"Host": "evil.example"}, timeout=10)

        assert page.status_code == 400
        assert "script>" not in page.text
        assert "Access-Control-Allow-Origin" not in page.headers
        assert not listener._server.redirect.done()


# XML

LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
XML = {
    "a billion laughs": f'<!DOCTYPE a [<!ENTITY l0 "lol">{LAUGHS}]><a><sessionId>&l9;</sessionId>{{url}}</a>',
    "an entity": '<!DOCTYPE a [<!ENTITY x "00D!AQ.a-session">]><a><sessionId>&x;</sessionId>{url}</a>',
    "a file": '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a><sessionId>&x;</sessionId>{url}</a>',
    "another host": '<!DOCTYPE a [<!ENTITY x SYSTEM "{elsewhere}/x">]><a><sessionId>&x;</sessionId>{url}</a>',
    "a declaration elsewhere": '<!DOCTYPE a [<!ENTITY % x SYSTEM "{elsewhere}/x"> %x;]><a><sessionId/>{url}</a>',
    "depth": "<a>" * 50_000,
    "no XML": "<a><sessionId>x</a>",
}


@pytest.mark.parametrize("kind", XML)
def test_xml_is_read_without_what_it_refers_to(signed_in: SignedIn, org: Org, elsewhere: Server, kind: str) -> None:
    """A SOAP answer of entities is no session; none is expanded, no file is read, and no other host is asked."""
    url = f"<serverUrl>{org.instance_url}/services/Soap/u/64.0</serverUrl>"
    text = XML[kind].replace("{url}", url).replace("{elsewhere}", elsewhere.url)
    org.faults.add(Answers(Answer(200, text.encode(), {"Content-Type": "text/xml"})), path="/Soap/", count=None)

    with pytest.raises(BrokenPromise, match="holds no session") as refused:
        limits(signed_in(PERSON))
    assert "root:" not in str(refused.value)


# Sizes


def bomb(size: int, status: int = 200) -> Answers:
    """An answer of few bytes that unpacks to many."""
    packed = gzip.compress(b'{"x": "' + bytes(size) + b'"}', 1)
    return Answers(Answer(status, packed, {"Content-Type": "application/json", "Content-Encoding": "gzip"}))


@pytest.mark.parametrize("flow", ["refresh token", "SOAP"])
def test_a_login_is_answered_in_a_megabyte_or_not_at_all(signed_in: SignedIn, org: Org, flow: str) -> None:
    """No login host says more, whatever its answer unpacks to."""
    org.faults.add(bomb(auth.LONGEST_ANSWER), path="/oauth2/token|/Soap/", count=None)

    with pytest.raises(BrokenPromise, match="longer than 1,048,576 bytes"):
        limits(signed_in(FLOWS[flow]))


@pytest.mark.parametrize("status", [302, 400, 401, 503])
def test_a_refusal_is_a_megabyte_or_is_not_read(client: Client, org: Org, status: int) -> None:
    """An error page of gigabytes is not unpacked to find its reason."""
    org.faults.add(bomb(LONGEST_REFUSAL, status), path="/limits", count=None)

    with pytest.raises(BrokenPromise, match="longer than 1,048,576 bytes"):
        limits(client)


@pytest.mark.parametrize("path", ["/sobjects/?$", "describe", r"/query(All)?\?"])
def test_no_answer_is_held_without_bound(org: Org, server: Server, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """Each kind of answer that is held in one piece has a most, which a bomb reaches before it is unpacked whole."""
    monkeypatch.setattr(body, "LONGEST_IN_MEMORY", 2 << 20)
    org.faults.add(bomb(8 << 20), path=path, count=None)

    error = sync_or_error(server, streams=["Account"], api_type="rest", describe_cache="off")

    assert "longer than 2,097,152 bytes" in str(error)


@contextlib.contextmanager
def host_that_sends(head: bytes, over_and_over: bytes) -> Iterator[tuple[str, list[int]]]:
    """The address of a host that never ends, and the number of bytes it got rid of."""
    sent: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def send() -> None:
            line, _ = listener.accept()
            with line, contextlib.suppress(OSError):
                line.recv(1 << 16)
                line.sendall(head)
                while True:
                    sent.append(line.send(over_and_over))

        thread = threading.Thread(target=send)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/", sent
        thread.join()


@pytest.mark.parametrize(
    ("head", "over_and_over", "kind"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X-Header: x\r\n" * 50, TransientError),
        (b"HTTP/1.1 200 OK\r\nX: ", b"x" * 10_000, TransientError),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 100_000, BrokenPromise),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"186A0\r\n" + b"x" * 100_000 + b"\r\n",
            BrokenPromise,
        ),
    ],
    ids=["headers", "a header", "a body", "chunks"],
)
def test_what_never_ends_is_given_up(head: bytes, over_and_over: bytes, kind: type[TapError]) -> None:
    """Headers, one header, a body without a length, chunks: the line is hung up when it is enough."""
    transport = Transport("test", 30)

    with host_that_sends(head, over_and_over) as (url, sent):
        with pytest.raises(kind):
            transport(Request("GET", url, longest=4 << 20))
        transport.close()
    assert sum(sent) < 32 << 20
