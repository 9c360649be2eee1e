"""Promises of the login itself: what is asked, what is shown, and that nothing is left behind when it fails."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import threading
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from tap_salesforce_ci.client.auth import RefreshToken
from tap_salesforce_ci.connect.command import run
from tap_salesforce_ci.connect.listener import Listener
from tap_salesforce_ci.connect.page import connected
from tap_salesforce_ci.demo.faults import (
    ApiDisabled,
    Fault,
    OAuthRefused,
    Refused,
    RequestLimitExceeded,
)
from tap_salesforce_ci.demo.faults.triggers import Struck
from tap_salesforce_ci.demo.oauth import CLIENT_ID, CLIENT_SECRET, USERNAME
from tap_salesforce_ci.demo.org import ORG_ID, Org
from tap_salesforce_ci.demo.request_log import Request
from tap_salesforce_ci.demo.server import Server
from tap_salesforce_ci.demo.wire import Response, json_response
from tap_salesforce_ci.errors import TapError, UserError
from tests.conftest import Connect
from tests.connect.conftest import Command
from tests.connect.person import Person

CONFIG = "config.json"


class NoRefreshToken(Fault):
    """The app has not the scope to come back at any time."""

    @property
    def strikes(self) -> str:
        return "/services/oauth2/token"

    def spoiled(self, org: Struck, request: Request, response: Response) -> Response:
        body = json.loads(response.body)
        del body["refresh_token"]
        return json_response(body)


class SaysWhatItWasSent(Fault):
    """The token endpoint refuses, and quotes the request."""

    def instead(self, org: Struck, request: Request) -> Response:
        told = {"error": "invalid_grant", "error_description": " ".join(reversed(request.form.values()))}
        return json_response(told, 400)


def nothing_is_written() -> bool:
    return not list(Path.cwd().iterdir())


def asked(address: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


def test_an_allowed_login_leaves_a_grant_that_opens_sessions(
    command: Command, server: Server, connect: Connect, folder: Path
) -> None:
    """The refresh token that is written opens a session by itself."""
    assert command("--config", CONFIG) == 0

    kept = json.loads((folder / CONFIG).read_text())
    client = connect(RefreshToken(kept["domain"], kept["client_id"], kept["refresh_token"], kept["client_secret"]))
    assert client.get("/services/data/v66.0/limits").status == 200


def test_the_command_tells_who_is_connected_and_what_comes_next(
    command: Command, person: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    """Terminal and browser name the org and the user, and the terminal the API calls left and the next command."""
    command("--config", CONFIG)

    out = capsys.readouterr().out
    assert f"Connected to Acme Widgets (Enterprise Edition), {ORG_ID} as Ada Admin <{USERNAME}>." in out
    assert "API calls left in these 24 hours: 99,9" in out
    assert "Next: tap-salesforce-ci --config config.json --discover" in out
    assert person.end.status_code == 200
    assert "Connected to Acme Widgets (Enterprise Edition)" in person.end.text


def test_an_org_whose_own_record_is_hidden_is_told_by_its_id(
    command: Command, org: Org, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who and where is a courtesy: a user who may not read the Organization is connected all the same."""
    org.drop_object("Organization")

    assert command("--config", CONFIG) == 0

    assert f"Connected to {ORG_ID} as Ada Admin" in capsys.readouterr().out


def test_a_user_that_salesforce_does_not_name_is_connected(
    command: Command, org: Org, capsys: pytest.CaptureFixture[str]
) -> None:
    """A refusal of the user's name is none of the login."""
    org.faults.add(Refused(403, "FORBIDDEN", "not for you"), path="userinfo")

    assert command("--config", CONFIG) == 0

    assert f"Connected to Acme Widgets (Enterprise Edition), {org.instance_url}." in capsys.readouterr().out


def test_the_login_asks_for_the_scopes_it_needs_and_proves_itself_with_pkce(
    command: Command, org: Org, person: Person
) -> None:
    """The address has the scopes, a state, and the S256 challenge of the verifier that is sent with the code."""
    org.apps[CLIENT_ID].pkce_required = True

    command("--config", CONFIG)

    sent = asked(person.addresses[0])
    verifier = org.requests.to("/token")[0].form["code_verifier"]
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
    assert sent["scope"] == "api refresh_token"
    assert sent["prompt"] == "login consent"
    assert sent["code_challenge_method"] == "S256"
    assert sent["code_challenge"] == digest.rstrip(b"=").decode()
    assert len(sent["state"]) >= 32
    assert 43 <= len(verifier) <= 128


def test_two_logins_share_neither_state_nor_verifier(command: Command, org: Org) -> None:
    """What one login gives away is no use for the next."""
    people = [Person(), Person()]
    for each in people:
        command("--config", CONFIG, by=each)

    assert len({asked(each.addresses[0])["state"] for each in people}) == 2
    assert len({request.form["code_verifier"] for request in org.requests.to("/token")}) == 2


def test_a_denial_is_shown_with_its_remedy_and_leaves_nothing(
    command: Command, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who presses Deny reads on the page and in the terminal what that means; no file is written."""
    person = Person("deny")

    with pytest.raises(UserError) as denied:
        command("--config", CONFIG, by=person)

    assert denied.value.exit_code == 2
    assert "access_denied" in denied.value.what
    assert "choose Allow" in denied.value.remedy
    assert denied.value.remedy in person.end.text
    assert nothing_is_written()


@pytest.mark.parametrize(
    ("told", "remedy"),
    [
        (("invalid_client", "invalid client credentials"), "consumer secret"),
        (("invalid_grant", "invalid authorization code"), "connect` again"),
        (("invalid_app_access", "user is not admin approved to access this app"), "Assign the user"),
        (("inactive_user", "user is inactive"), "Activate the user"),
        (("never_heard_of", "<script>alert(1)</script>"), "Check the app"),
    ],
)
def test_a_refused_exchange_is_shown_with_its_remedy_and_leaves_nothing(
    command: Command, org: Org, person: Person, told: tuple[str, str], remedy: str
) -> None:
    """Each OAuth error of the token endpoint reaches the page and the terminal; no file is written."""
    org.faults.add(OAuthRefused(*told))

    with pytest.raises(UserError) as refused:
        command("--config", CONFIG)

    assert ": ".join(told) in refused.value.what
    assert remedy in refused.value.remedy
    assert person.end.status_code == 400
    assert remedy in person.end.text
    assert "<script>" not in person.end.text
    assert nothing_is_written()


def test_a_wrong_secret_is_named(command: Command, person: Person) -> None:
    """The setting to correct is `client_secret`."""
    with pytest.raises(UserError) as refused:
        command("--config", CONFIG, "--client-secret", "wrong")

    assert "client_secret" in refused.value.where
    assert person.end.status_code == 400


def test_an_unknown_app_is_told_before_a_browser_opens(command: Command, person: Person) -> None:
    """Salesforce tells an unknown consumer key in the browser only; here it is an error at once."""
    with pytest.raises(UserError) as refused:
        command("--config", CONFIG, "--client-id", "nobody")

    assert refused.value.code == "invalid_client_id"
    assert person.addresses == []


def test_an_unregistered_callback_is_told_with_the_address_to_register(
    command: Command, org: Org, person: Person
) -> None:
    """The error names the callback address that the app must have."""
    org.apps[CLIENT_ID].redirect_uris = ("https://example.com/callback",)

    with pytest.raises(UserError) as refused:
        command("--config", CONFIG)

    assert refused.value.code == "redirect_uri_mismatch"
    assert "callback address: http://localhost:" in refused.value.where
    assert "/OauthRedirect" in refused.value.where
    assert person.addresses == []


def test_a_grant_without_a_refresh_token_names_the_scope(
    command: Command, org: Org, person: Person, folder: Path
) -> None:
    """An app that may not come back is of no use, and the scope that is missing is named."""
    org.faults.add(NoRefreshToken())

    with pytest.raises(UserError) as refused:
        command("--config", CONFIG)

    assert "refresh_token, offline_access" in refused.value.remedy
    assert "refresh_token, offline_access" in person.end.text
    assert nothing_is_written()


@pytest.mark.parametrize(
    ("whose", "remedy"),
    [("org", "This edition of Salesforce has no API access"), ("user", "API Enabled")],
)
def test_missing_api_access_is_told_at_once_with_what_to_switch_on(
    command: Command, org: Org, person: Person, whose: str, remedy: str
) -> None:
    """Edition or user without the API: said in plain words, with the user's name, and nothing is written."""
    fault = ApiDisabled("org") if whose == "org" else ApiDisabled("user")
    org.faults.add(fault, count=None)

    with pytest.raises(UserError) as refused:
        command("--config", CONFIG)

    assert remedy in refused.value.remedy
    assert USERNAME in refused.value.where
    assert remedy in person.end.text
    assert nothing_is_written()


def test_a_session_that_the_app_may_not_use_for_rest_names_the_scope(command: Command, org: Org) -> None:
    """An app without the scope `api` opens sessions that REST refuses; the scope is named."""
    text = "This session is not valid for use with the REST API"
    org.faults.add(Refused(401, "INVALID_SESSION_ID", text), path="/services/data", count=None)

    with pytest.raises(UserError, match="not valid for use") as refused:
        command("--config", CONFIG)

    assert "scope 'api'" in refused.value.remedy


def test_spent_api_calls_do_not_keep_anyone_from_connecting(command: Command, org: Org, folder: Path) -> None:
    """An org that has used up its calls has API access: the grant is kept for later."""
    org.faults.add(RequestLimitExceeded(), count=None)

    assert command("--config", CONFIG) == 0

    assert json.loads((folder / CONFIG).read_text())["refresh_token"]


def test_a_wrong_state_is_turned_away_and_the_login_goes_on(command: Command, folder: Path) -> None:
    """Someone else's code is refused with 400, and the awaited login still arrives."""
    turned_away = []

    def meddle(callback: str) -> None:
        wrong = callback.partition("?")[0] + "?code=stolen&state=guessed"
        turned_away.append(requests.get(wrong, timeout=10).status_code)
        turned_away.append(requests.get(callback.partition("?")[0], timeout=10).status_code)

    assert command("--config", CONFIG, by=Person(on_the_way=meddle)) == 0

    assert turned_away == [400, 400]
    assert (folder / CONFIG).exists()


def test_other_addresses_are_not_found_and_the_login_goes_on(command: Command) -> None:
    """A browser that asks for its favicon, or another path with the right state, gets 404."""
    turned_away = []

    def wander(callback: str) -> None:
        for path in ("/favicon.ico", "/", "/elsewhere"):
            there = callback.replace("/OauthRedirect", path)
            turned_away.append(requests.get(there, timeout=10).status_code)

    assert command("--config", CONFIG, by=Person(on_the_way=wander)) == 0

    assert turned_away == [404, 404, 404]


def test_a_connection_that_says_nothing_does_not_hold_the_login_up(command: Command) -> None:
    """Browsers open spare connections and leave them silent."""
    silent = []

    def preconnect(callback: str) -> None:
        port = urlsplit(callback).port
        assert port
        silent.append(socket.create_connection(("127.0.0.1", port), timeout=10))

    assert command("--config", CONFIG, by=Person(on_the_way=preconnect)) == 0

    silent[0].close()


def test_the_code_is_taken_once() -> None:
    """A second arrival of the same address is told that the login is used, while the first waits for its end."""
    with Listener(0, "the state") as listener:
        callback = f"{listener.redirect_uri}?code=one&state=the+state"
        first: list[requests.Response] = []
        browser = threading.Thread(target=lambda: first.append(requests.get(callback, timeout=30)))
        browser.start()
        assert listener.wait(30) == {"code": "one", "state": "the state"}

        second = requests.get(callback.replace("one", "two"), timeout=30)
        listener.show(connected("Done."))
        browser.join()

    assert second.status_code == 410
    assert first[0].status_code == 200
    assert "Done." in first[0].text


def test_the_last_page_can_neither_run_scripts_nor_leak_the_code() -> None:
    """The page's headers forbid scripts, referrers, frames and caches."""
    with Listener(0, "state") as listener:
        page = requests.get(f"{listener.redirect_uri}?code=one&state=another", timeout=30)

    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["Cache-Control"] == "no-store"


def test_only_this_machine_is_listened_to() -> None:
    """Another address of the machine, even a loopback one, finds nobody listening."""
    with Listener(0, "state") as listener:
        port = urlsplit(listener.redirect_uri).port
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.2", int(port or 0)), timeout=5)


def test_a_browser_is_told_when_the_command_breaks_off() -> None:
    """A fault between the code and the end leaves no browser waiting."""
    pages: list[requests.Response] = []
    with pytest.raises(RuntimeError, match="a fault"), Listener(0, "state") as listener:  # noqa: PT012 - the order is the point
        callback = f"{listener.redirect_uri}?code=one&state=state"
        browser = threading.Thread(target=lambda: pages.append(requests.get(callback, timeout=30)))
        browser.start()
        listener.wait(30)
        raise RuntimeError("a fault")
    browser.join()

    assert "The command stopped" in pages[0].text


def test_a_login_that_nobody_finishes_ends_in_time(
    command: Command, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """After `--timeout` the command says where it waited and what may have gone wrong in the browser."""
    with pytest.raises(UserError) as late:
        command("--config", CONFIG, "--timeout", "0.01", "--no-browser")

    assert "within 0.01 seconds" in late.value.what
    assert "callback address: http://localhost:" in late.value.where
    assert "redirect_uri_mismatch" in late.value.remedy
    assert nothing_is_written()


def test_without_a_browser_the_address_is_printed(
    command: Command, person: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--no-browser` opens nothing, and the address printed is the login page."""
    with pytest.raises(UserError):
        command("--config", CONFIG, "--timeout", "0.01", "--no-browser")

    address = next(line for line in capsys.readouterr().out.splitlines() if "/services/oauth2/authorize?" in line)
    assert person.addresses == []
    assert "Log in to let" in requests.get(address, timeout=30).text


def test_a_taken_port_is_told_with_the_way_round(command: Command, person: Person) -> None:
    """The error names the port, the callback address and `--port`."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(UserError) as taken:
            command("--config", CONFIG, "--port", str(port))

    assert f"Port {port}" in taken.value.what
    assert f"http://localhost:{port}/OauthRedirect" in taken.value.where
    assert "--port" in taken.value.remedy
    assert person.addresses == []


def test_a_login_host_that_does_not_answer_is_told_before_a_browser_opens(command: Command, person: Person) -> None:
    """A `domain` that nobody answers at ends the command at once."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}"

    with pytest.raises(TapError, match="connection to 127"):
        command("--config", CONFIG, "--domain", nobody)

    assert person.addresses == []


def test_a_domain_that_is_no_host_is_refused(command: Command) -> None:
    """The setting and its forms are named."""
    with pytest.raises(UserError) as refused:
        command("--config", CONFIG, "--domain", "not a host")

    assert "domain: is no host" in refused.value.where


@pytest.mark.parametrize("words", [["--port", "65536"], ["--timeout", "0"], ["--secret", "x"], ["--port", "many"]])
def test_words_that_make_no_sense_end_with_the_usage(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    """A wrong option is exit code 2 with the usage on stderr."""
    assert run(words) == 2

    assert "usage: tap-salesforce-ci connect" in capsys.readouterr().err


def test_the_help_names_the_callback_address_the_scopes_and_the_next_step(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever makes the app in Salesforce finds in `--help` what to enter there."""
    assert run(["--help"]) == 0

    out = capsys.readouterr().out
    assert "http://localhost:1717/OauthRedirect" in out
    assert "refresh_token, offline_access" in out
    assert "meltano run tap-salesforce-ci" in out


@pytest.mark.parametrize("decision", ["allow", "deny"])
def test_no_secret_is_ever_shown(
    command: Command, org: Org, folder: Path, capsys: pytest.CaptureFixture[str], decision: str
) -> None:
    """Neither terminal nor page nor error has the consumer secret, the code, the verifier or a token."""
    callbacks: list[str] = []
    person = Person(decision, callbacks.append)
    shown = ""
    try:
        command("--config", CONFIG, by=person)
    except TapError as error:
        shown = f"{error}{error!r}"
    shown += "".join(capsys.readouterr()) + person.end.text

    secrets = [CLIENT_SECRET, asked(callbacks[0]).get("code", "")]
    secrets += [request.form["code_verifier"] for request in org.requests.to("/token")]
    secrets += [request.headers["authorization"].partition(" ")[2] for request in org.requests.to("/userinfo")]
    if (folder / CONFIG).exists():
        secrets.append(json.loads((folder / CONFIG).read_text())["refresh_token"])
    assert not [secret for secret in secrets if secret and secret in shown]
    assert len([secret for secret in secrets if secret]) == (5 if decision == "allow" else 1)


def test_a_server_that_says_what_it_was_sent_is_not_quoted(command: Command, org: Org, person: Person) -> None:
    """Neither error nor page shows the code, the verifier or the consumer secret, not even their beginnings."""
    org.faults.add(SaysWhatItWasSent(), path="/oauth2/token")

    with pytest.raises(UserError, match="invalid_grant") as refused:
        command("--config", CONFIG, by=person)

    (request,) = org.requests.to("/oauth2/token")
    shown = str(refused.value) + person.end.text
    assert "***" in shown
    assert not [name for name in ("code", "code_verifier", "client_secret") if request.form[name][:20] in shown]
