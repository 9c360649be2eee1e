"""The org's logins, over HTTP."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree as ET

import jwt
import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tap_salesforce_ci.demo.oauth import (
    CLIENT_ID,
    CLIENT_SECRET,
    PASSWORD,
    PRIVATE_KEY,
    REFRESH_TOKEN,
    SECURITY_TOKEN,
    USERNAME,
)

if TYPE_CHECKING:
    from tap_salesforce_ci.demo.org import Org
    from tap_salesforce_ci.demo.server import Server
    from tests.demo.conftest import Caller

APP = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
REFRESH = {**APP, "grant_type": "refresh_token", "refresh_token": REFRESH_TOKEN}
LOGIN = {**APP, "grant_type": "password", "username": USERNAME, "password": PASSWORD + SECURITY_TOKEN}
CREDENTIALS = {**APP, "grant_type": "client_credentials"}
CALLBACK = "http://127.0.0.1:8765/callback"
VERIFIER = "v" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


@dataclass
class Door:
    """Where tokens are asked for."""

    server: Server

    def ask(self, form: dict[str, str], **kwargs: Any) -> requests.Response:
        """The answer of the token endpoint."""
        return requests.post(f"{self.server.url}/services/oauth2/token", data=form, timeout=30, **kwargs)

    def refused(self, form: dict[str, str]) -> tuple[str, str]:
        """The error and description of a refusal, which is always a 400."""
        answer = self.ask(form)
        assert answer.status_code == 400
        assert list(answer.json()) == ["error", "error_description"]
        assert "no-store" in answer.headers["Cache-Control"]
        return answer.json()["error"], answer.json()["error_description"]

    def authorize(self, **more: str) -> requests.Response:
        """The answer to someone who logs in for the app."""
        asked = {"response_type": "code", "client_id": CLIENT_ID, "redirect_uri": CALLBACK, "state": "s p&ce"}
        login = {"username": USERNAME, "password": PASSWORD, "decision": "allow"}
        url = f"{self.server.url}/services/oauth2/authorize"
        return requests.post(url, data={**asked, **login, **more}, allow_redirects=False, timeout=30)

    def code(self, **more: str) -> str:
        """An authorization code."""
        return parse_qs(urlsplit(self.authorize(**more).headers["Location"]).query)["code"][0]

    def exchange(self, code: str, **more: str) -> dict[str, str]:
        """The form that exchanges a code."""
        return {**APP, "grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, **more}


@pytest.fixture
def door(server: Server) -> Door:
    """The org's token endpoint."""
    return Door(server)


def assertion(org: Org, key: str = PRIVATE_KEY, **claims: Any) -> dict[str, str]:
    """The form of a JWT bearer request."""
    expires = int(org.jwt_clock.now().timestamp()) + 180
    told = {"iss": CLIENT_ID, "sub": USERNAME, "aud": "https://login.salesforce.com", "exp": expires, **claims}
    grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    return {"grant_type": grant, "assertion": jwt.encode(told, key, algorithm="RS256")}


def test_a_refresh_token_opens_a_session(door: Door, caller: Caller, org: Org) -> None:
    """The answer has the documented keys, all of them text, and its token works."""
    answer = door.ask(REFRESH).json()
    caller.token = answer["access_token"]

    assert set(answer) == {"access_token", "signature", "scope", "instance_url", "id", "token_type", "issued_at"}
    assert all(isinstance(value, str) for value in answer.values())
    assert answer["instance_url"] == caller.url
    assert re.fullmatch(r"00D\w{12}![\w.]+", answer["access_token"])
    assert answer["issued_at"] == str(int(org.clock.now().timestamp() * 1000))
    signed = (answer["id"] + answer["issued_at"]).encode()
    assert base64.b64decode(answer["signature"]) == hmac.digest(CLIENT_SECRET.encode(), signed, "sha256")
    assert caller.get("/limits").status_code == 200


def test_each_flow_answers_with_its_own_keys(door: Door, org: Org) -> None:
    """What comes back differs by flow, as in real orgs."""
    basic = {"access_token", "instance_url", "id", "token_type"}
    signed = basic | {"issued_at", "signature"}

    assert set(door.ask(LOGIN).json()) == signed
    assert set(door.ask(CREDENTIALS).json()) == signed | {"scope"}
    assert set(door.ask(assertion(org)).json()) == basic | {"scope"}
    assert set(door.ask(door.exchange(door.code())).json()) == signed | {"scope", "refresh_token"}


def test_the_client_may_stand_in_the_header(door: Door) -> None:
    """HTTP Basic is as good as form fields."""
    answer = door.ask({"grant_type": "client_credentials"}, auth=(CLIENT_ID, CLIENT_SECRET))

    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("form", "error", "description"),
    [
        ({**REFRESH, "refresh_token": "x"}, "invalid_grant", "expired access/refresh token"),
        ({**REFRESH, "client_id": "x"}, "invalid_client_id", "client identifier invalid"),
        ({**REFRESH, "client_secret": "x"}, "invalid_client", "invalid client credentials"),
        ({"grant_type": "refresh_token"}, "invalid_request", "missing required parameters"),
        ({**REFRESH, "grant_type": "magic"}, "unsupported_grant_type", "grant type not supported"),
        ({**LOGIN, "password": PASSWORD}, "invalid_grant", "authentication failure"),
        ({**LOGIN, "username": "nobody@example.com"}, "invalid_grant", "authentication failure"),
        ({**CREDENTIALS, "client_secret": "x"}, "invalid_client", "invalid client credentials"),
        (
            {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": "x.y.z"},
            "invalid_grant",
            "invalid assertion",
        ),
    ],
)
def test_a_wrong_request_is_refused_by_its_fault(
    door: Door, form: dict[str, str], error: str, description: str
) -> None:
    """Each mistake has its error and description."""
    assert door.refused(form) == (error, description)


def test_tokens_are_posted_for(server: Server) -> None:
    """GET is refused."""
    answer = requests.get(f"{server.url}/services/oauth2/token", params=REFRESH, timeout=30)

    assert answer.json() == {"error": "invalid_request", "error_description": "must use HTTP POST"}


def test_an_inactive_user_has_no_session(door: Door, org: Org) -> None:
    """Deactivation is told whatever the flow."""
    org.users[USERNAME].active = False

    for form in (REFRESH, CREDENTIALS, LOGIN, assertion(org)):
        assert door.refused(form) == ("inactive_user", "user is inactive")


def test_client_credentials_want_a_my_domain_and_a_user(door: Door, org: Org) -> None:
    """The login host refuses them, and so does an app that runs as nobody."""
    by_name = requests.post(
        f"{door.server.url}/services/oauth2/token",
        data=CREDENTIALS,
        headers={"Host": "test.salesforce.com"},
        timeout=30,
    )
    assert by_name.json()["error_description"] == "request not supported on this domain"
    org.is_login_host = True
    assert door.refused(CREDENTIALS) == ("invalid_grant", "request not supported on this domain")
    org.is_login_host = False
    org.apps[CLIENT_ID].run_as = None
    assert door.refused(CREDENTIALS) == ("invalid_grant", "no client credentials user enabled")


def test_an_app_may_be_closed_to_a_flow(door: Door, org: Org) -> None:
    """A flow switched off is not supported."""
    org.apps[CLIENT_ID].flows = frozenset({"refresh_token"})

    assert door.ask(REFRESH).status_code == 200
    assert door.refused(LOGIN) == ("unsupported_grant_type", "grant type not supported")


def test_rotation_gives_a_new_refresh_token_each_time(door: Door, org: Org) -> None:
    """With rotation on the old refresh token is dead as soon as it was used."""
    org.rotate_refresh_tokens = True
    fresh = door.ask(REFRESH).json()["refresh_token"]

    assert door.refused(REFRESH) == ("invalid_grant", "expired access/refresh token")
    assert door.ask({**REFRESH, "refresh_token": fresh}).json()["refresh_token"] != fresh


def test_a_revoked_grant_is_dead(door: Door, caller: Caller, org: Org) -> None:
    """When an administrator revokes, sessions and refresh tokens end together."""
    caller.token = door.ask(REFRESH).json()["access_token"]
    org.revoke_grants()

    assert caller.get("/limits").status_code == 401
    assert door.refused(REFRESH) == ("invalid_grant", "expired access/refresh token")


def test_sessions_can_expire_alone(door: Door, caller: Caller, org: Org) -> None:
    """An expired session is renewed with the same refresh token."""
    caller.token = door.ask(REFRESH).json()["access_token"]
    org.expire_sessions()
    expired = caller.get("/limits").status_code
    caller.token = door.ask(REFRESH).json()["access_token"]

    assert (expired, caller.get("/limits").status_code) == (401, 200)


def test_the_sixth_grant_ends_the_first(door: Door) -> None:
    """An app has five living grants of a user; the oldest goes silently."""
    grants = [door.ask(door.exchange(door.code())).json()["refresh_token"] for _ in range(5)]

    assert door.refused(REFRESH) == ("invalid_grant", "expired access/refresh token")
    assert all(door.ask({**REFRESH, "refresh_token": grant}).status_code == 200 for grant in grants)


def test_a_jwt_is_really_verified(door: Door, org: Org) -> None:
    """Another key, audience, time or user is refused, each with its own words."""
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    past = int(org.jwt_clock.now().timestamp()) - 1

    assert door.refused(assertion(org, other.decode())) == ("invalid_grant", "invalid assertion")
    assert door.refused(assertion(org, aud="https://example.com")) == ("invalid_grant", "Audience validation failed")
    assert door.refused(assertion(org, sub="x@example.com")) == (
        "invalid_grant",
        "user hasn't approved this consumer",
    )
    assert door.refused(assertion(org, iss="x")) == ("invalid_client_id", "client identifier invalid")
    assert door.refused(assertion(org, exp=past))[0] == "invalid_grant"
    assert door.ask(assertion(org, aud=door.server.url)).status_code == 200
    org.apps[CLIENT_ID].approved = frozenset()
    assert door.refused(assertion(org)) == ("invalid_grant", "user hasn't approved this consumer")


def test_the_login_page_asks_before_it_answers(server: Server) -> None:
    """A browser is shown a form that carries the app's request along."""
    asked = {"response_type": "code", "client_id": CLIENT_ID, "redirect_uri": CALLBACK, "state": '"<x>'}
    page = requests.get(f"{server.url}/services/oauth2/authorize", params=asked, timeout=30)

    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=UTF-8")
    assert 'name="state" value="&quot;&lt;x&gt;"' in page.text
    assert 'value="allow"' in page.text
    assert 'value="deny"' in page.text


def test_a_login_ends_at_the_app_with_a_code(door: Door, caller: Caller) -> None:
    """The way back carries the code and the state, and the code opens a session."""
    answer = door.authorize()
    address = urlsplit(answer.headers["Location"])
    told = parse_qs(address.query)
    caller.token = door.ask(door.exchange(told["code"][0])).json()["access_token"]

    assert (answer.status_code, f"{address.scheme}://{address.netloc}{address.path}") == (302, CALLBACK)
    assert told["state"] == ["s p&ce"]
    assert caller.get("/limits").status_code == 200


def test_a_wrong_password_is_asked_again(door: Door) -> None:
    """A failed login stays on the page."""
    page = door.authorize(password="x")

    assert page.status_code == 200
    assert "check your username and password" in page.text


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"decision": "deny"}, "access_denied"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge": CHALLENGE, "code_challenge_method": "plain"}, "invalid_request"),
    ],
)
def test_what_goes_wrong_at_login_is_told_to_the_app(door: Door, more: dict[str, str], error: str) -> None:
    """Denials and mistakes come back to the app with the state."""
    told = parse_qs(urlsplit(door.authorize(**more).headers["Location"]).query)

    assert (told["error"], told["state"]) == ([error], ["s p&ce"])


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"client_id": "x"}, "invalid_client_id"),
        ({"redirect_uri": "https://evil.example.com/"}, "redirect_uri_mismatch"),
    ],
)
def test_nobody_is_sent_to_an_address_the_app_does_not_have(door: Door, more: dict[str, str], error: str) -> None:
    """An unknown app or address is refused on the spot."""
    answer = door.authorize(**more)

    assert (answer.status_code, "Location" in answer.headers) == (400, False)
    assert error in answer.text


def test_a_registered_address_must_match_exactly(door: Door, org: Org) -> None:
    """With addresses registered, no other will do, loopback or not."""
    org.apps[CLIENT_ID].redirect_uris = ("http://localhost:1717/OauthRedirect",)

    assert door.authorize().status_code == 400
    assert door.authorize(redirect_uri="http://localhost:1717/OauthRedirect").status_code == 302


def test_an_app_may_admit_users_by_name_only(door: Door, org: Org) -> None:
    """A user who is not approved is sent back with the reason."""
    org.apps[CLIENT_ID].approved = frozenset()
    told = parse_qs(urlsplit(door.authorize().headers["Location"]).query)

    assert told["error_description"] == ["user is not admin approved to access this app"]


def test_a_code_is_good_once(door: Door) -> None:
    """Using a code again is refused and ends what it gave."""
    code = door.code()
    grant = door.ask(door.exchange(code)).json()["refresh_token"]

    assert door.refused(door.exchange(code)) == ("invalid_grant", "expired authorization code")
    assert door.refused({**REFRESH, "refresh_token": grant})[0] == "invalid_grant"


def test_a_code_is_good_for_a_quarter_of_an_hour(door: Door, org: Org) -> None:
    """Too late is too late."""
    code = door.code()
    org.clock.advance(timedelta(minutes=15))

    assert door.refused(door.exchange(code)) == ("invalid_grant", "expired authorization code")


def test_a_code_belongs_to_its_address(door: Door) -> None:
    """The exchange must name the address the code was sent to."""
    form = {**door.exchange(door.code()), "redirect_uri": "http://127.0.0.1:1/other"}

    assert door.refused(form)[0] == "redirect_uri_mismatch"
    assert door.refused(door.exchange("nonsense")) == ("invalid_grant", "invalid authorization code")


def test_a_challenged_code_wants_its_verifier(door: Door) -> None:
    """PKCE: only who asked can exchange the code."""
    challenge = {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}

    assert door.refused(door.exchange(door.code(**challenge)))[0] == "invalid_grant"
    assert door.refused(door.exchange(door.code(**challenge), code_verifier="w" * 64))[0] == "invalid_grant"
    assert door.ask(door.exchange(door.code(**challenge), code_verifier=VERIFIER)).status_code == 200


def test_without_the_scope_there_is_no_refresh_token(door: Door, caller: Caller) -> None:
    """A code for less gives less: no way back, or no API at all."""
    brief = door.ask(door.exchange(door.code(scope="api"))).json()
    caller.token = door.ask(door.exchange(door.code(scope="id"))).json()["access_token"]

    assert "refresh_token" not in brief
    answer = caller.get("/limits")
    assert (answer.status_code, answer.json()[0]["message"]) == (
        401,
        "This session is not valid for use with the REST API",
    )


def test_a_token_can_be_looked_into_and_ended(door: Door) -> None:
    """Introspection tells whether a token lives; revoking it ends it."""
    token = door.ask(REFRESH).json()["access_token"]
    look, end = (f"{door.server.url}/services/oauth2/{name}" for name in ("introspect", "revoke"))
    alive = requests.post(look, data={**APP, "token": token}, timeout=30).json()
    ended = requests.post(end, data={"token": token}, timeout=30)
    dead = requests.post(look, data={**APP, "token": token}, timeout=30).json()
    again = requests.post(end, data={"token": token}, timeout=30)

    assert (alive["active"], alive["username"], alive["exp"] - alive["iat"]) == (True, USERNAME, 7200)
    assert (ended.status_code, ended.content) == (200, b"")
    assert dead == {"active": False}
    assert (again.status_code, again.json()["error"]) == (400, "unsupported_token_type")


def test_revoking_a_refresh_token_ends_its_sessions(door: Door, caller: Caller) -> None:
    """What a grant opened is closed with it."""
    caller.token = door.ask(REFRESH).json()["access_token"]
    requests.get(f"{caller.url}/services/oauth2/revoke", params={"token": REFRESH_TOKEN}, timeout=30)

    assert caller.get("/limits").status_code == 401


def test_the_identity_is_at_the_address_of_the_token(door: Door) -> None:
    """The id of a token answer leads to the user; a bad token is told so in plain text."""
    token = door.ask(REFRESH).json()
    bearer = {"Authorization": f"Bearer {token['access_token']}"}
    identity = requests.get(token["id"], headers=bearer, timeout=30).json()
    info = requests.get(f"{door.server.url}/services/oauth2/userinfo", headers=bearer, timeout=30).json()
    refused = requests.get(token["id"], headers={"Authorization": "Bearer x"}, timeout=30)

    assert (identity["username"], identity["id"], info["sub"]) == (USERNAME, token["id"], token["id"])
    assert (refused.status_code, refused.text) == (403, "Bad_OAuth_Token")
    assert refused.headers["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize(("wanted", "start"), [("xml", "<?xml"), ("urlencoded", "access_token=")])
def test_tokens_come_in_other_forms_too(door: Door, wanted: str, start: str) -> None:
    """The client may ask for XML or a form."""
    assert door.ask({**REFRESH, "format": wanted}).text.startswith(start)


def envelope(password: str) -> str:
    """A SOAP login."""
    return (
        '<env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/"><env:Body>'
        '<n1:login xmlns:n1="urn:partner.soap.sforce.com">'
        f"<n1:username>{USERNAME}</n1:username><n1:password>{password}</n1:password></n1:login></env:Body></env:Envelope>"
    )


def soap(server: Server, version: str, password: str) -> requests.Response:
    """The answer to a SOAP login."""
    headers = {"Content-Type": "text/xml", "SOAPAction": "login"}
    url = f"{server.url}/services/Soap/u/{version}"
    return requests.post(url, data=envelope(password), headers=headers, timeout=30)


def test_soap_login_gives_a_session_up_to_version_64(server: Server, caller: Caller) -> None:
    """The old login works where it still exists, and is no operation after."""
    welcome = soap(server, "64.0", PASSWORD + SECURITY_TOKEN)
    caller.token = ET.fromstring(welcome.text).findtext(".//{*}sessionId") or ""
    late = soap(server, "65.0", PASSWORD + SECURITY_TOKEN)

    assert caller.get("/limits").status_code == 200
    assert (late.status_code, "login() operation is not available" in late.text) == (500, True)


@pytest.mark.parametrize(
    ("version", "password", "code"),
    [("64.0", PASSWORD, "INVALID_LOGIN"), ("30.0", PASSWORD, "UNSUPPORTED_API_VERSION")],
)
def test_a_soap_login_is_refused_with_a_fault(server: Server, version: str, password: str, code: str) -> None:
    """A wrong password or a retired version is a SOAP fault in a 500."""
    answer = soap(server, version, password)
    fault = ET.fromstring(answer.text)

    assert answer.status_code == 500
    assert fault.findtext(".//{*}exceptionCode") == code
    assert fault.findtext(".//faultcode") == f"sf:{code}"


def test_a_secret_is_not_in_what_is_printed(org: Org) -> None:
    """No password, token or secret is in the representation of a user, an app or a session."""
    session = org.grants.open(org.users[USERNAME], org.apps[CLIENT_ID])
    printed = repr((session, replace(org.users[USERNAME]), org.apps[CLIENT_ID]))

    assert not [secret for secret in (PASSWORD, SECURITY_TOKEN, CLIENT_SECRET, session.token) if secret in printed]
