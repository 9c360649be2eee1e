"""
The OAuth web server flow with PKCE, and what the session it gives is good for.

Source: Salesforce Help, "OAuth 2.0 Web Server Flow" (`remoteaccess_oauth_web_server_flow`); RFC 7636 for PKCE.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, urlencode

from tap_salesforce_ci.client.auth import LoginFlow, error_in_redirect, session_in, token_request
from tap_salesforce_ci.client.http import Send
from tap_salesforce_ci.client.messages import Request, Session
from tap_salesforce_ci.errors import TapError, UserError

AUTHORIZE_PATH = "/services/oauth2/authorize"
SCOPES = "api refresh_token"
PROMPT = "login consent"
"""Asks who is there each time, so that a browser's old session never connects the wrong org."""

REFUSED = 400


@dataclass(frozen=True, slots=True)
class App:
    """The connected app (or External Client App) that asks for access, and where its users log in."""

    login_url: str
    client_id: str
    client_secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Authorization:
    """One login of one person through an app: an Auth once the browser is back."""

    app: App
    redirect_uri: str
    state: str = field(repr=False)
    verifier: str = field(repr=False, default_factory=lambda: secrets.token_urlsafe(64))

    @property
    def address(self) -> str:
        """The page that asks the person to log in and to allow the access."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        asked = {
            "response_type": "code",
            "client_id": self.app.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": SCOPES,
            "state": self.state,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
            "prompt": PROMPT,
        }
        return f"{self.app.login_url}{AUTHORIZE_PATH}?{urlencode(asked, quote_via=quote)}"

    def check(self, send: Send) -> None:
        """
        Raise UserError where Salesforce would show its login page to nobody.

        An unknown app or callback address is told in the browser only, and never sent back here.
        """
        answer = send(Request("GET", self.address))
        told = dict(parse_qsl(answer.body.decode("utf-8", "replace"))) if answer.status == REFUSED else {}
        if "error" in told:
            raise self._refused(told)

    def redeemed(self, redirect: Mapping[str, str]) -> AuthorizationCode:
        """
        Return the way to a session that the browser came back with.

        Raises the error with its remedy where it came back with one.
        """
        if "code" not in redirect:
            raise self._refused(redirect)
        return AuthorizationCode(self, redirect["code"])

    def _refused(self, told: Mapping[str, str]) -> TapError:
        error = error_in_redirect(told["error"], told.get("error_description", ""), self.app.login_url)
        return error.at(f"callback address: {self.redirect_uri}") if "redirect" in told["error"] else error


@dataclass(frozen=True, slots=True)
class AuthorizationCode:
    """A code that is good once, for a session and a refresh token."""

    authorization: Authorization
    code: str = field(repr=False)
    renewable: bool = False
    remedy: str = "Run `tap-salesforce-ci connect` again."

    def login(self) -> LoginFlow:
        """Exchange the code."""
        app = self.authorization.app
        form = {
            "grant_type": "authorization_code",
            "code": self.code,
            "client_id": app.client_id,
            "redirect_uri": self.authorization.redirect_uri,
            "code_verifier": self.authorization.verifier,
        }
        if app.client_secret:
            form["client_secret"] = app.client_secret
        answer = yield token_request(app.login_url, form)
        return session_in(answer, app.login_url)


def lasting(session: Session) -> str:
    """
    Return the session's refresh token.

    Raises UserError where the app hands none out.
    """
    if session.refresh_token:
        return session.refresh_token
    raise UserError(
        "Salesforce let the app in, but gave no refresh token, so the tap could not come back.",
        where="setting: refresh_token",
        remedy=(
            "Give the app the scope 'Perform requests at any time (refresh_token, offline_access)', "
            "then run `tap-salesforce-ci connect` again."
        ),
    )
