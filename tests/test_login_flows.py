"""Every way to log in that the settings offer, from the config to the first answer."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jwt
import pytest

from tap_salesforce_ci.client.auth import JwtBearer
from tap_salesforce_ci.client.http import Client
from tap_salesforce_ci.demo import oauth
from tap_salesforce_ci.demo.faults import CutBody, Fault, HtmlError, OAuthRefused, ResetConnection, RetryAfter
from tap_salesforce_ci.demo.grants import ConnectedApp, User
from tap_salesforce_ci.demo.org import Org
from tap_salesforce_ci.demo.server import Server
from tap_salesforce_ci.demo.wire import Response
from tap_salesforce_ci.errors import BrokenPromise, TransientError, UserError
from tap_salesforce_ci.settings import Settings, tidied
from tests.client.staged import Answers
from tests.conftest import Connect

Config = dict[str, Any]

APP = {"client_id": oauth.CLIENT_ID, "client_secret": oauth.CLIENT_SECRET}
PERSON = {"username": oauth.USERNAME, "password": oauth.PASSWORD, "security_token": oauth.SECURITY_TOKEN}
JWT = {"client_id": oauth.CLIENT_ID, "username": oauth.USERNAME}

FLOWS: dict[str, tuple[Config, str]] = {
    "refresh token": ({**APP, "refresh_token": oauth.REFRESH_TOKEN}, "refresh_token"),
    "client credentials": (APP, "client_credentials"),
    "JWT bearer": ({**JWT, "private_key": oauth.PRIVATE_KEY}, "urn:ietf:params:oauth:grant-type:jwt-bearer"),
    "JWT bearer in one line": (
        {**JWT, "private_key": oauth.PRIVATE_KEY.replace("\n", "\\n")},
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
    ),
    "OAuth password": ({**APP, **PERSON}, "password"),
}


@pytest.fixture
def warned() -> list[str]:
    """What the user was warned of."""
    return []


@pytest.fixture
def signed_in(server: Server, connect: Connect, warned: list[str]) -> Callable[[Mapping[str, Any]], Client]:
    """Make a client of the emulated org out of settings, as the tap does."""

    def make(config: Mapping[str, Any]) -> Client:
        settings = Settings.from_config(tidied({"domain": server.url, **config}), warned.append)
        return connect(settings.auth)

    return make


SignedIn = Callable[[Mapping[str, Any]], Client]


def logins(org: Org) -> list[Mapping[str, str]]:
    return [request.form for request in org.requests.to("/services/oauth2/token")]


def is_let_in(client: Client) -> bool:
    return client.get(f"{client.data_path}/limits").status == 200


@pytest.mark.parametrize("flow", FLOWS)
def test_each_oauth_flow_opens_a_session_with_its_own_grant(signed_in: SignedIn, org: Org, flow: str) -> None:
    """The settings of a flow, and nothing else, lead to an answer of the API after one login of that kind."""
    config, grant = FLOWS[flow]

    assert is_let_in(signed_in(config))
    assert [grant] == [form["grant_type"] for form in logins(org)]


def test_the_private_key_may_lie_in_a_file(signed_in: SignedIn, tmp_path: Path) -> None:
    """`private_key_path` is as good as the key itself."""
    file = tmp_path / "key.pem"
    file.write_text(oauth.PRIVATE_KEY, "utf-8")

    assert is_let_in(signed_in({**JWT, "private_key_path": str(file)}))


def test_a_client_without_a_secret_may_refresh(signed_in: SignedIn, org: Org) -> None:
    """An app that asks for no secret gets none sent."""
    org.apps[oauth.CLIENT_ID].secret_required = False

    assert is_let_in(signed_in({"client_id": oauth.CLIENT_ID, "refresh_token": oauth.REFRESH_TOKEN}))
    assert "client_secret" not in logins(org)[0]


def test_a_given_session_is_used_as_it_is(signed_in: SignedIn, server: Server, org: Org) -> None:
    """An access token and its instance lead to an answer without any login."""
    config = {"access_token": org.open_session(), "instance_url": server.url}

    assert is_let_in(signed_in(config))
    assert logins(org) == []


def test_soap_login_is_pinned_to_the_last_version_that_has_it(signed_in: SignedIn, org: Org, warned: list[str]) -> None:
    """Name, password and token alone log in over SOAP 64.0, with a warning of its end."""
    client = signed_in(PERSON)

    assert is_let_in(client)
    assert [request.path for request in org.requests.to("Soap")] == ["/services/Soap/u/64.0"]
    assert any("Summer '27" in text for text in warned)


def test_soap_login_survives_signs_that_xml_knows(signed_in: SignedIn, org: Org) -> None:
    """A password may hold &, < and quotes."""
    org.users["a&b@example.com"] = User("a&b@example.com", "<&\"'>]]>", "é☃")
    config = {"username": "a&b@example.com", "password": "<&\"'>]]>", "security_token": "é☃"}

    assert is_let_in(signed_in(config))


@pytest.mark.parametrize("flow", ["OAuth password", "SOAP"])
def test_the_security_token_may_be_left_out(signed_in: SignedIn, org: Org, flow: str) -> None:
    """From trusted addresses Salesforce asks for the password alone."""
    org.users[oauth.USERNAME].security_token = ""
    config = {"username": oauth.USERNAME, "password": oauth.PASSWORD}

    assert is_let_in(signed_in(config if flow == "SOAP" else {**APP, **config}))


# JWT audiences


def audiences(org: Org) -> list[str]:
    unverified = {"verify_signature": False, "verify_aud": False}
    return [jwt.decode(form["assertion"], options=unverified)["aud"] for form in logins(org)]  # type: ignore[arg-type]


def test_a_refused_audience_is_followed_by_the_next(signed_in: SignedIn, server: Server, org: Org) -> None:
    """Behind a My Domain it shows only in the answer which audience an org takes."""
    org.faults.add(OAuthRefused("invalid_grant", "Audience validation failed"), count=2)

    assert is_let_in(signed_in({**JWT, "private_key": oauth.PRIVATE_KEY}))
    assert ["https://login.salesforce.com", "https://test.salesforce.com", server.url] == audiences(org)


@pytest.mark.parametrize("hours", [-5, 5])
def test_a_clock_that_is_wrong_by_hours_is_set_right(
    signed_in: SignedIn, org: Org, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    """An assertion that has expired by Salesforce's clock is made anew by that clock, once."""
    org.jwt_clock = org.clock
    salesforces = org.clock.now().timestamp()
    monkeypatch.setattr("tap_salesforce_ci.client.auth.time.time", lambda: salesforces + hours * 3600)
    if hours > 0:
        org.faults.add(OAuthRefused("invalid_grant", "invalid assertion"))

    assert is_let_in(signed_in({**JWT, "private_key": oauth.PRIVATE_KEY}))
    assert len(logins(org)) == 2
    claims = jwt.decode(logins(org)[-1]["assertion"], options={"verify_signature": False})
    assert 0 < claims["exp"] - salesforces <= 300


def test_an_assertion_that_is_refused_for_good_is_not_made_for_ever(
    signed_in: SignedIn, org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock that is right has nothing to learn, and one that was wrong learns once."""
    org.faults.add(OAuthRefused("invalid_grant", "invalid assertion"), count=None)

    with pytest.raises(UserError):
        is_let_in(signed_in({**JWT, "private_key": oauth.PRIVATE_KEY}))
    assert len(logins(org)) == 2
    monkeypatch.setattr("tap_salesforce_ci.client.auth.time.time", lambda: org.clock.now().timestamp())
    with pytest.raises(UserError):
        is_let_in(signed_in({**JWT, "private_key": oauth.PRIVATE_KEY}))
    assert len(logins(org)) == 3


def test_only_the_audience_is_tried_again(signed_in: SignedIn, org: Org) -> None:
    """Any other refusal of an assertion is final."""
    org.faults.add(OAuthRefused("invalid_grant", "user hasn't approved this consumer"), count=None)

    with pytest.raises(UserError):
        is_let_in(signed_in({**JWT, "private_key": oauth.PRIVATE_KEY}))
    assert len(logins(org)) == 1


@pytest.mark.parametrize(
    ("domain", "first"),
    [
        ("login", "https://login.salesforce.com"),
        ("test", "https://test.salesforce.com"),
        ("acme", "https://login.salesforce.com"),
        ("acme--uat.sandbox", "https://test.salesforce.com"),
        ("https://acme--uat.sandbox.lightning.force.com/lightning/page/home", "https://test.salesforce.com"),
        ("acme-1.scratch.my.salesforce.com", "https://test.salesforce.com"),
    ],
)
def test_the_likely_audience_comes_first(domain: str, first: str) -> None:
    """A sandbox is known by its host."""
    config = {**JWT, "private_key": oauth.PRIVATE_KEY, "domain": domain}
    auth = Settings.from_config(tidied(config), lambda _: None).auth

    assert isinstance(auth, JwtBearer)
    assert first == auth.audiences[0]


@pytest.mark.parametrize("key", ["no key at all", "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n"])
def test_a_key_that_is_none_is_named_and_not_shown(signed_in: SignedIn, key: str) -> None:
    """The refusal names the setting and holds nothing of the key."""
    with pytest.raises(UserError, match="private_key") as refused:
        is_let_in(signed_in({**JWT, "private_key": key}))

    assert key.splitlines()[-1] not in str(refused.value)
    assert "MIIB" not in str(refused.value)


# The sf CLI

FAKE_SF = """#!{python}
import json, pathlib, sys
here = pathlib.Path({folder!r})
with (here / "asked").open("a") as asked:
    asked.write(json.dumps(sys.argv[1:]) + "\\n")
sys.stdout.write((here / "answer").read_text())
sys.exit(0)
"""


class FakeSf:
    """An `sf` command that says what it is told to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        command = folder / "sf"
        command.write_text(FAKE_SF.format(python=sys.executable, folder=str(folder)), "utf-8")
        command.chmod(command.stat().st_mode | stat.S_IXUSR)

    def answers(self, text: str) -> None:
        (self.folder / "answer").write_text(text, "utf-8")

    def shows(self, token: str, url: str) -> None:
        self.answers(json.dumps({"status": 0, "result": {"accessToken": token, "instanceUrl": url}, "warnings": []}))

    @property
    def asked(self) -> list[list[str]]:
        return [json.loads(line) for line in (self.folder / "asked").read_text("utf-8").splitlines()]


@pytest.fixture
def sf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSf:
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return FakeSf(tmp_path)


def test_the_sf_command_gives_its_session(signed_in: SignedIn, server: Server, org: Org, sf: FakeSf) -> None:
    """The alias is handed to `sf org display --json`, whose session is used."""
    sf.shows(org.open_session(), f"{server.url}/")

    assert is_let_in(signed_in({"sf_cli_org": "my org"}))
    assert sf.asked == [["org", "display", "--json", "--target-org", "my org"]]


def test_the_sf_command_is_asked_again_when_its_session_ended(
    signed_in: SignedIn, server: Server, org: Org, sf: FakeSf
) -> None:
    """`sf` renews its own session, so a dead one is not the end."""
    sf.shows("00D!dead", server.url)
    client = signed_in({"sf_cli_org": "dev"})
    _ = client.session
    sf.shows(org.open_session(), server.url)

    assert is_let_in(client)
    assert len(sf.asked) == 2


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (json.dumps({"status": 1, "name": "NoOrgFound", "message": "No authorization for dev"}), "No authorization"),
        (json.dumps({"status": 0, "result": {"accessToken": "[REDACTED]", "instanceUrl": "https://x"}}), "no access"),
        (json.dumps({"status": 0, "result": {"instanceUrl": "https://x"}}), "no access token"),
        ("Warning: update available", "JSON"),
        ("[]", "failed"),
    ],
)  # fmt: skip
def test_what_the_sf_command_says_instead_is_told(signed_in: SignedIn, sf: FakeSf, answer: str, told: str) -> None:
    """An unknown alias or a hidden token becomes a remedy that names the setting."""
    sf.answers(answer)

    with pytest.raises(UserError, match=told) as refused:
        is_let_in(signed_in({"sf_cli_org": "dev"}))
    assert "sf_cli_org" in refused.value.where
    assert "sf org login" in refused.value.remedy


def test_a_missing_sf_command_is_told(signed_in: SignedIn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without the Salesforce CLI the remedy is to install it."""
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(UserError, match="not on the PATH") as refused:
        is_let_in(signed_in({"sf_cli_org": "dev"}))
    assert "Install the Salesforce CLI" in refused.value.remedy


# Refusals

OAUTH_ERRORS = [
    (OAuthRefused("invalid_grant", "expired access/refresh token"), "refresh_token", "tap-salesforce-ci connect"),
    (OAuthRefused("invalid_grant", "authentication failure"), "password", "security token"),
    (OAuthRefused("invalid_grant", "authentication failure - Invalid Password"), "password", "security token"),
    (OAuthRefused("invalid_grant", "Audience validation failed"), "domain", "My Domain"),
    (OAuthRefused("invalid_grant", "user hasn't approved this consumer"), "username", "Pre-authorise"),
    (
        OAuthRefused("invalid_app_access", "user is not admin approved to access this app"),
        "client_id",
        "Assign the user",
    ),
    (OAuthRefused("invalid_client_id", "client identifier invalid"), "client_id", "ten minutes"),
    (OAuthRefused("invalid_client", "invalid client credentials"), "client_secret", "consumer secret"),
    (OAuthRefused("unsupported_grant_type", "grant type not supported"), "client_id", "Switch this OAuth flow on"),
    (OAuthRefused("inactive_user", "user is inactive"), "username", "Activate the user"),
    (
        OAuthRefused("inactive_org", "organization is locked, closed, or suspended"),
        "domain",
        "locked, closed or suspended",
    ),
    (OAuthRefused("invalid_grant", "expired authorization code"), "connect", "tap-salesforce-ci connect"),
    (OAuthRefused("invalid_grant", "invalid authorization code"), "connect", "tap-salesforce-ci connect"),
    (OAuthRefused("redirect_uri_mismatch", "redirect_uri must match configuration"), "client_id", "callback"),
    (OAuthRefused("invalid_grant", "request not supported on this domain"), "domain", "My Domain"),
    (OAuthRefused("invalid_grant", "no client credentials user enabled"), "client_id", "Run As"),
    (OAuthRefused("invalid_grant", "ip restricted"), "username", "login IP ranges"),
    (OAuthRefused("invalid_grant", "something Salesforce says tomorrow"), "client_id", "Check the credentials"),
    (OAuthRefused("invalid_request", "missing required parameters"), "client_id", "client_secret"),
    (OAuthRefused("an_error_of_tomorrow", "whatever"), "client_id", "Salesforce Setup"),
]


@pytest.mark.parametrize(("refusal", "setting", "remedy"), OAUTH_ERRORS)
def test_each_oauth_error_names_the_setting_and_the_remedy(
    signed_in: SignedIn, org: Org, refusal: OAuthRefused, setting: str, remedy: str
) -> None:
    """What Salesforce said, which setting it is about and what to do, after asking once."""
    org.faults.add(refusal, count=None)

    with pytest.raises(UserError) as refused:
        is_let_in(signed_in(FLOWS["refresh token"][0]))

    assert refusal.error in refused.value.what
    assert refusal.description in refused.value.what
    assert setting in refused.value.where
    assert remedy in refused.value.remedy
    assert len(logins(org)) == 1


def user_inactive(org: Org) -> None:
    org.users[oauth.USERNAME].active = False


def app_unknown(org: Org) -> None:
    org.apps.clear()


def secret_changed(org: Org) -> None:
    org.apps[oauth.CLIENT_ID].client_secret = "another"


def nobody_to_run_as(org: Org) -> None:
    org.apps[oauth.CLIENT_ID].run_as = None


def shared_login_host(org: Org) -> None:
    org.is_login_host = True


def flow_switched_off(org: Org) -> None:
    org.apps[oauth.CLIENT_ID] = ConnectedApp(flows=frozenset())


def key_of_another_app(org: Org) -> None:
    org.apps[oauth.CLIENT_ID] = ConnectedApp(public_key=jwt_public_key())


def jwt_public_key() -> str:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415

    public = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return public.public_bytes(serialization.Encoding.PEM, form).decode()


@pytest.mark.parametrize(
    ("flow", "wrong", "setting"),
    [
        ("refresh token", Org.revoke_grants, "refresh_token"),
        ("refresh token", user_inactive, "username"),
        ("refresh token", app_unknown, "client_id"),
        ("refresh token", secret_changed, "client_secret"),
        ("client credentials", nobody_to_run_as, "client_id"),
        ("client credentials", shared_login_host, "domain"),
        ("client credentials", secret_changed, "client_secret"),
        ("client credentials", flow_switched_off, "client_id"),
        ("JWT bearer", key_of_another_app, "private_key"),
        ("JWT bearer", user_inactive, "username"),
        ("OAuth password", user_inactive, "username"),
        ("OAuth password", flow_switched_off, "client_id"),
    ],
)
def test_what_is_wrong_in_the_org_leads_to_its_setting(
    signed_in: SignedIn, org: Org, flow: str, wrong: Callable[[Org], None], setting: str
) -> None:
    """Each state of the org in which a flow fails is told by the setting to look at."""
    wrong(org)

    with pytest.raises(UserError) as refused:
        is_let_in(signed_in(FLOWS[flow][0]))
    assert f"setting: {setting}" in refused.value.where


def test_a_wrong_password_is_told_by_soap(signed_in: SignedIn) -> None:
    """SOAP's fault keeps its code, names the settings and is not tried again."""
    with pytest.raises(UserError, match="INVALID_LOGIN") as refused:
        is_let_in(signed_in({**PERSON, "password": "wrong"}))
    assert "password" in refused.value.where
    assert "security token" in refused.value.remedy


PASSING: list[Fault] = [
    OAuthRefused("server_error", "retry your request"),
    OAuthRefused("unknown_error", "retry your request"),
    OAuthRefused("temporarily_unavailable", "retry your request"),
    OAuthRefused("rate_limit_exceeded", "login rate exceeded"),
    OAuthRefused("server_error", "retry your request", status=500),
    HtmlError(420),
    HtmlError(503),
    RetryAfter(429, seconds=7),
    ResetConnection(),
    CutBody(),
]


@pytest.mark.parametrize("fault", PASSING, ids=repr)
def test_what_passes_is_asked_again(signed_in: SignedIn, org: Org, slept: list[float], fault: Fault) -> None:
    """A login that Salesforce fails to answer for the moment succeeds the second time."""
    org.faults.add(fault, path="/services/oauth2/token")

    assert is_let_in(signed_in(FLOWS["refresh token"][0]))
    assert len(logins(org)) == 2
    assert len(slept) == 1


def test_soap_is_asked_again_too(signed_in: SignedIn, org: Org, slept: list[float]) -> None:
    """A 503 of the edge is no fault of SOAP's."""
    org.faults.add(HtmlError(503), path="/Soap/")

    assert is_let_in(signed_in(PERSON))
    assert len(slept) == 1


@pytest.mark.parametrize("fault", [HtmlError(503), OAuthRefused("server_error", "retry your request")], ids=repr)
def test_a_login_that_never_comes_is_given_up(signed_in: SignedIn, org: Org, slept: list[float], fault: Fault) -> None:
    """Six attempts, each after a longer wait than the one before."""
    org.faults.add(fault, path="/services/oauth2/token", count=None)

    with pytest.raises(TransientError):
        is_let_in(signed_in(FLOWS["refresh token"][0]))
    assert len(logins(org)) == 6
    assert sorted(set(slept)) == slept
    assert len(slept) == 5


def test_a_host_that_is_not_salesforce_is_told(signed_in: SignedIn, org: Org) -> None:
    """A web site that answers 200 to a login does not become a crash."""
    org.faults.add(HtmlError(200), path="/services/oauth2/token", count=None)

    with pytest.raises(BrokenPromise, match="holds no session") as refused:
        is_let_in(signed_in(FLOWS["refresh token"][0]))
    assert "domain" in refused.value.remedy


@pytest.mark.parametrize("flow", ["client credentials", "SOAP"])
def test_a_login_that_is_sent_elsewhere_is_not_followed(signed_in: SignedIn, org: Org, flow: str) -> None:
    """Credentials go to no host that a redirect names; the remedy is the org's own domain."""
    with Server(Org()) as elsewhere:
        org.faults.add(Answers(Response(302, b"", {"Location": elsewhere.url})), path="/services/", count=None)

        with pytest.raises(UserError, match="elsewhere") as refused:
            is_let_in(signed_in(PERSON if flow == "SOAP" else FLOWS[flow][0]))
        assert elsewhere.org.requests == []
    assert "setting: domain" in refused.value.where


def test_a_login_host_that_knows_no_oauth_is_told(signed_in: SignedIn, org: Org) -> None:
    """A 404 page is the domain's fault."""
    org.faults.add(HtmlError(404), path="/services/oauth2/token", count=None)

    with pytest.raises(UserError, match="404") as refused:
        is_let_in(signed_in(FLOWS["client credentials"][0]))
    assert "setting: domain" in refused.value.where


# The command


def run(config: Config, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    file = folder / "config.json"
    file.write_text(json.dumps(config), "utf-8")
    command = [sys.executable, "-m", "tap_salesforce_ci", "--config", str(file), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("flow", [*FLOWS, "SOAP"])
def test_the_command_discovers_with_each_flow(server: Server, tmp_path: Path, flow: str) -> None:
    """The real command finds a stream by every flow; SOAP's end is told on stderr."""
    config = PERSON if flow == "SOAP" else FLOWS[flow][0]

    done = run({**config, "domain": server.url, "streams": ["Account"]}, tmp_path, "--discover")

    assert done.returncode == 0, done.stderr
    assert [each["tap_stream_id"] for each in json.loads(done.stdout)["streams"]] == ["sf_Account"]
    assert ("Summer '27" in done.stderr) == (flow == "SOAP")


def test_the_command_ends_with_2_and_the_remedy_when_the_grant_is_gone(
    server: Server, org: Org, tmp_path: Path
) -> None:
    """A revoked grant is told in three lines, with `connect` as what to do and no secret shown."""
    org.revoke_grants()

    done = run({**FLOWS["refresh token"][0], "domain": server.url}, tmp_path, "--discover")

    assert done.returncode == 2
    assert "tap-salesforce-ci connect" in done.stderr
    assert "Traceback" not in done.stderr
    assert oauth.REFRESH_TOKEN not in done.stdout + done.stderr
    assert oauth.CLIENT_SECRET not in done.stdout + done.stderr


def test_the_command_ends_with_2_when_a_given_session_is_over(server: Server, tmp_path: Path) -> None:
    """A given access token can't be renewed: the remedy is a fresh one, and nothing is asked twice."""
    config = {"access_token": "00D!AQ.over", "instance_url": server.url}

    done = run(config, tmp_path, "--discover")

    assert done.returncode == 2
    assert "access_token" in done.stderr
    assert "00D!AQ.over" not in done.stdout + done.stderr
