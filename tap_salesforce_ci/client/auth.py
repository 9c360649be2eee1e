"""
The ways to open a session: what to post, and what came back.

A flow is a generator: it yields the requests to send and is sent the answers, so it never owns a connection.
Sources: the OAuth flow pages of Salesforce Help (`remoteaccess_oauth_*`) and, for SOAP, the
"Platform SOAP API login() Retirement" article 005132110.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlencode, urlsplit
from xml.etree.ElementTree import ParseError
from xml.sax.saxutils import escape

import msgspec

from tap_salesforce_ci import redaction
from tap_salesforce_ci.client.messages import Request, Response, Session
from tap_salesforce_ci.client.oauth_errors import login_refused, soap_refused
from tap_salesforce_ci.errors import BrokenPromise, TapError, TransientError, UserError

LoginFlow = Generator[Request, Response, Session]

TOKEN_PATH = "/services/oauth2/token"  # noqa: S105 - a path, not a secret
SECRETS = ("assertion", "client_secret", "code", "code_verifier", "password", "refresh_token")
"""What of a token request is kept off stderr: some of it is in no setting."""

REDIRECTS = range(300, 400)
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
LONGEST_ANSWER = 1 << 20
"""Bytes that no login's answer reaches; what is longer is no login host's."""

PRODUCTION_AUDIENCE = "https://login.salesforce.com"
SANDBOX_AUDIENCE = "https://test.salesforce.com"

JWT_SECONDS = 180
"""How long an assertion lives; Salesforce advises three minutes."""

CLOCK_ERROR = 60
"""Seconds by which this machine's clock may differ from Salesforce's before an assertion is refused for it."""

SOAP_VERSION = "64.0"
"""The last version whose SOAP API has `login()`; it ends with Summer '27."""


class Auth(Protocol):
    """A way to open a session."""

    @property
    def renewable(self) -> bool:
        """Whether asking again can give a new session."""
        ...

    @property
    def remedy(self) -> str:
        """What a person does when Salesforce accepts this login no more."""
        ...

    def login(self) -> LoginFlow:
        """Yield the requests that open a session and return it."""
        ...


class _TokenAnswer(msgspec.Struct):
    access_token: str
    instance_url: str
    refresh_token: str | None = None
    id: str | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(instance_url={self.instance_url!r})"


# Made here, once: threads that let msgspec build a nested type at the same time can crash the process.
_TOKEN_ANSWERS = msgspec.json.Decoder(_TokenAnswer)


def token_request(login_url: str, form: dict[str, str]) -> Request:
    """Return the POST that every OAuth grant makes."""
    redaction.protect(form[name] for name in SECRETS if name in form)
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    return Request("POST", login_url + TOKEN_PATH, headers, urlencode(form).encode(), longest=LONGEST_ANSWER)


def instance(url: str) -> str | None:
    """Return the address of the org that a login names; None where no session may be sent there in the open."""
    try:
        parts = urlsplit(url)
        host, user = parts.hostname, parts.username
    except ValueError:
        return None
    safe = parts.scheme == "https" or (parts.scheme == "http" and host in LOOPBACK)
    return f"{parts.scheme}://{parts.netloc}" if safe and host and user is None else None


def session_in(answer: Response, login_url: str, *, signed: bool = False) -> Session:
    """
    Read the session out of the token endpoint's answer; `signed` is one to an assertion.

    Raises UserError with the remedy for every documented OAuth error, TransientError for those that pass and for an
    answer that is cut.
    """
    if answer.status in REDIRECTS:
        raise UserError(
            f"{login_url} sends logins elsewhere (HTTP {answer.status}).",
            where="setting: domain",
            remedy="Set `domain` to the org's My Domain (https://NAME.my.salesforce.com), `login` or `test`.",
        )
    if answer.status != 200:  # noqa: PLR2004
        raise login_refused(answer, login_url, signed=signed)
    try:
        token = _TOKEN_ANSWERS.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        token = None
    address = instance(token.instance_url) if token else None
    # Raised out here, without a context: a decoder quotes what it read, and that may be a token.
    if token is None and _is_cut(answer.body):
        raise TransientError(
            "The answer to the login was cut.",
            where=login_url,
            remedy="Check the network and the proxies in between, then run again; the state is kept.",
        )
    if token is None or address is None:
        raise _no_session(login_url)
    return Session(address, token.access_token, token.refresh_token, token.id)


def _no_session(login_url: str) -> BrokenPromise:
    return BrokenPromise(
        "The login was accepted, but the answer holds no session, or none at an https address.",
        where=login_url,
        remedy="Check that `domain` is a Salesforce login host and not another web site.",
    )


def _is_cut(body: bytes) -> bool:
    """Say whether a body begins as a JSON object and does not end as one."""
    text = body.strip()
    return text.startswith(b"{") and not text.endswith(b"}")


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """The web-server grant's long-lived half: what `connect` leaves behind."""

    login_url: str
    client_id: str
    refresh_token: str = field(repr=False)
    client_secret: str | None = field(default=None, repr=False)
    renewable: bool = True
    remedy: str = "Run `tap-salesforce-ci connect` to grant access again; the state is kept."

    def request(self) -> Request:
        """Return the request that exchanges the refresh token for a session."""
        form = {
            "grant_type": "refresh_token",
            "client_id": self.client_id,
            "refresh_token": self.refresh_token,
        }
        if self.client_secret:
            form["client_secret"] = self.client_secret
        return token_request(self.login_url, form)

    def login(self) -> LoginFlow:
        """Exchange the refresh token for a session."""
        answer = yield self.request()
        return session_in(answer, self.login_url)


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """The app signs in as its own "Run As" user; My Domain only."""

    login_url: str
    client_id: str
    client_secret: str = field(repr=False)
    renewable: bool = True
    remedy: str = "Check `client_id`, `client_secret` and `domain`, and the app's client credentials policy."

    def login(self) -> LoginFlow:
        """Exchange the app's own credentials for a session."""
        form = {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
        }
        answer = yield token_request(self.login_url, form)
        return session_in(answer, self.login_url)


@dataclass(frozen=True, slots=True)
class JwtBearer:
    """
    A signed assertion (RS256) instead of a password.

    `audiences` are tried in turn: which one an org accepts depends on how it is reached. An assertion whose time
    Salesforce refuses is made once more, by Salesforce's own clock: this machine's may be wrong by hours.
    """

    login_url: str
    client_id: str
    username: str
    private_key: str = field(repr=False)
    audiences: tuple[str, ...] = (PRODUCTION_AUDIENCE,)
    renewable: bool = True
    remedy: str = "Check `client_id`, `username`, the private key and the certificate uploaded to the app."

    def login(self) -> LoginFlow:
        """Exchange an assertion for a session, with the next audience where one is refused."""
        *others, last = self.audiences
        for audience in others:
            answer = yield from self._asked(audience)
            if not _audience_refused(answer):
                return session_in(answer, self.login_url, signed=True)
        answer = yield from self._asked(last)
        return session_in(answer, self.login_url, signed=True)

    def _asked(self, audience: str) -> Generator[Request, Response, Response]:
        now = time.time()  # noqa: TID251 - a claim about the wall clock
        answer = yield self._request(audience, now)
        if answer.date is not None and _time_refused(answer):
            theirs = answer.date.timestamp()
            if abs(theirs - now) > CLOCK_ERROR:
                answer = yield self._request(audience, theirs)
        return answer

    def _request(self, audience: str, now: float) -> Request:
        form = {
            "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "assertion": self._assertion(audience, now),
        }
        return token_request(self.login_url, form)

    def _assertion(self, audience: str, now: float) -> str:
        import jwt  # noqa: PLC0415 - cryptography is slow to load and only this flow signs

        claims = {"iss": self.client_id, "sub": self.username, "aud": audience, "exp": int(now) + JWT_SECONDS}
        try:
            return jwt.encode(claims, self.private_key, algorithm="RS256")
        except (ValueError, TypeError, jwt.InvalidKeyError):
            raise UserError(
                "The private key can't be read: a PEM text of an unencrypted RSA key is needed.",
                where="setting: private_key or private_key_path",
                remedy="Give the file that begins with -----BEGIN PRIVATE KEY----- (or RSA PRIVATE KEY).",
            ) from None


def _audience_refused(answer: Response) -> bool:
    return answer.status == 400 and b"audience" in answer.body.lower()  # noqa: PLR2004


def _time_refused(answer: Response) -> bool:
    """Say whether a refusal may be about the time: "expired authorization code", seen in the field, or "assertion"."""
    said = answer.body.lower()
    return answer.status == 400 and (b"expired" in said or b"assertion" in said)  # noqa: PLR2004


@dataclass(frozen=True, slots=True)
class OAuthPassword:
    """The legacy password grant; off by default in orgs created since Summer '23."""

    login_url: str
    client_id: str
    client_secret: str = field(repr=False)
    username: str = ""
    password: str = field(default="", repr=False)
    security_token: str = field(default="", repr=False)
    renewable: bool = True
    remedy: str = "Check `username`, `password` and `security_token`, and that the org allows this flow."

    def login(self) -> LoginFlow:
        """Exchange name and password for a session."""
        form = {
            "grant_type": "password",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "username": self.username,
            "password": self.password + self.security_token,
        }
        answer = yield token_request(self.login_url, form)
        return session_in(answer, self.login_url)


@dataclass(frozen=True, slots=True)
class SoapLogin:
    """The oldest way in, pinned to the last API version that has it."""

    login_url: str
    username: str
    password: str = field(repr=False)
    security_token: str = field(default="", repr=False)
    renewable: bool = True
    remedy: str = "Check `username`, `password` and `security_token`, or move to JWT or client credentials."

    def login(self) -> LoginFlow:
        """Ask SOAP for a session."""
        url = f"{self.login_url}/services/Soap/u/{SOAP_VERSION}"
        headers = {"Content-Type": "text/xml; charset=UTF-8", "SOAPAction": "login"}
        answer = yield Request("POST", url, headers, self._envelope().encode(), longest=LONGEST_ANSWER)
        if answer.status in REDIRECTS:
            return session_in(answer, self.login_url)
        if answer.status != 200:  # noqa: PLR2004
            raise soap_refused(answer, self.login_url)
        return _soap_session(answer, self.login_url)

    def _envelope(self) -> str:
        password = self.password + self.security_token
        redaction.protect([password])
        return (
            '<?xml version="1.0" encoding="utf-8"?>'
            '<env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/" '
            'xmlns:p="urn:partner.soap.sforce.com"><env:Body><p:login>'
            f"<p:username>{escape(self.username)}</p:username>"
            f"<p:password>{escape(password)}</p:password>"
            "</p:login></env:Body></env:Envelope>"
        )


def _soap_session(answer: Response, login_url: str) -> Session:
    from defusedxml.common import DefusedXmlException  # noqa: PLC0415 - only this flow reads XML
    from defusedxml.ElementTree import fromstring  # noqa: PLC0415

    try:
        root = fromstring(answer.body)
    except (ParseError, DefusedXmlException):
        root = None
    texts = {element.tag.rpartition("}")[2]: element.text or "" for element in root.iter()} if root is not None else {}
    server, token = texts.get("serverUrl", ""), texts.get("sessionId", "")
    address = instance(server)
    if address is None or not token:
        raise _no_session(login_url)
    return Session(address, token)


@dataclass(frozen=True, slots=True)
class GivenSession:
    """A session that someone else opened; it can't be renewed here."""

    instance_url: str
    access_token: str = field(repr=False)
    renewable: bool = False
    remedy: str = "Give a fresh `access_token`, or settings that can renew it (`tap-salesforce-ci connect`)."

    def login(self) -> LoginFlow:
        """Return the session as it was given; nothing is asked."""
        yield from ()
        return Session(self.instance_url, self.access_token)


def error_in_redirect(error: str, description: str, login_url: str) -> TapError:
    """Return what an OAuth error in a redirect means (`?error=access_denied&...`)."""
    body = msgspec.json.encode({"error": error, "error_description": description})
    return login_refused(Response(400, body), login_url)
