"""
The org's OAuth endpoints.

https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_flows.htm
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus, urlencode
from xml.sax.saxutils import escape

import jwt

from tap_salesforce_ci.demo.authorize import authorize
from tap_salesforce_ci.demo.exchange import Exchange
from tap_salesforce_ci.demo.grants import (
    CLIENT_ID,
    CLIENT_SECRET,
    PASSWORD,
    PRIVATE_KEY,
    PUBLIC_KEY,
    REFRESH_TOKEN,
    SECURITY_TOKEN,
    USERNAME,
    ConnectedApp,
)
from tap_salesforce_ci.demo.identity import identity, userinfo
from tap_salesforce_ci.demo.values import json_text
from tap_salesforce_ci.demo.wire import Response, json_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from jwt.types import Options

    from tap_salesforce_ci.demo.grants import Code, Session, User

    Flow = Callable[[Exchange, dict[str, str]], dict[str, str]]

__all__ = [
    "CLIENT_ID",
    "CLIENT_SECRET",
    "PAGES",
    "PASSWORD",
    "PRIVATE_KEY",
    "PUBLIC_KEY",
    "REFRESH_TOKEN",
    "SECURITY_TOKEN",
    "USERNAME",
    "ConnectedApp",
]

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LOGIN_HOSTS = ("login.salesforce.com", "test.salesforce.com")
_MEDIA = {
    "json": "application/json",
    "xml": "application/xml",
    "urlencoded": "application/x-www-form-urlencoded",
}
_UNCACHED = {"Cache-Control": "no-cache, no-store", "Pragma": "no-cache"}


class OAuthError(Exception):
    """A refusal in OAuth's own form."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error
        self.description = description


def token(exchange: Exchange) -> Response:
    """An access token for whatever the client can show."""
    form = _form(exchange)
    try:
        return _printed(_flow(exchange, form)(exchange, form), exchange, form, 200)
    except OAuthError as error:
        told = {"error": error.error, "error_description": error.description}
        return _printed(told, exchange, form, 400)


def _flow(exchange: Exchange, form: dict[str, str]) -> Flow:
    if exchange.request.method != "POST":
        raise OAuthError("invalid_request", "must use HTTP POST")
    flow = _FLOWS.get(form.get("grant_type", ""))
    if flow is None:
        raise OAuthError("unsupported_grant_type", "grant type not supported")
    return flow


def revoke(exchange: Exchange) -> Response:
    """End a token and, when it is a refresh token, all it opened."""
    form = {**exchange.request.query, **_form(exchange)}
    if exchange.org.grants.revoke(form.get("token", "")):
        return Response(200, headers=_UNCACHED)
    told = {"error": "unsupported_token_type", "error_description": "this token type is not supported"}
    return json_response(told, 400)


def introspect(exchange: Exchange) -> Response:
    """Whether a token is alive, and whose it is."""
    form = _form(exchange)
    try:
        app = _app(exchange, form)
        _check_secret(app, form)
    except OAuthError as error:
        return json_response({"error": error.error, "error_description": error.description}, 400)
    session = exchange.org.grants.session(form.get("token", ""))
    grant = exchange.org.grants.find_grant(form.get("token", ""))
    if session is None and grant is None:
        return json_response({"active": False})
    user = session.user if session else grant.user if grant else None
    told: dict[str, Any] = {
        "active": True,
        "scope": session.scope if session else grant.scope if grant else "",
        "client_id": app.client_id,
        "username": user.username if user else "",
        "sub": _id_url(exchange, user.id if user else ""),
        "token_type": "access_token" if session else "refresh_token",
    }
    if session:
        opened = int(session.opened.timestamp())
        told |= {"exp": int(session.expires.timestamp()), "iat": opened, "nbf": opened}
    return json_response(told)


def _refresh(exchange: Exchange, form: dict[str, str]) -> dict[str, str]:
    app = _app(exchange, form)
    if app.secret_required or "client_secret" in form:
        _check_secret(app, form)
    grant = exchange.org.grants.refreshed(form.get("refresh_token", ""), app, rotate=exchange.org.rotate_refresh_tokens)
    if grant is None or grant.revoked:
        raise OAuthError("invalid_grant", "expired access/refresh token")
    _check_active(grant.user)
    told = _told(exchange, exchange.org.grants.open(grant.user, app, grant.scope, grant), scope=True)
    return {"refresh_token": grant.token, **told} if exchange.org.rotate_refresh_tokens else told


def _authorization_code(exchange: Exchange, form: dict[str, str]) -> dict[str, str]:
    app, grants, text = _app(exchange, form), exchange.org.grants, form.get("code", "")
    if app.secret_required or "client_secret" in form:
        _check_secret(app, form)
    again = grants.was_redeemed(text)
    code = grants.redeem(text)
    if again:
        raise OAuthError("invalid_grant", "expired authorization code")
    if code is None or code.app is not app:
        raise OAuthError("invalid_grant", "invalid authorization code")
    _check_code(exchange, code, form)
    session_grant = grants.grant(code.user, app, code.scope) if _lasting(code.scope) else None
    if session_grant:
        grants.redeemed(text, session_grant)
    told = _told(exchange, grants.open(code.user, app, code.scope, session_grant), scope=True)
    return {"refresh_token": session_grant.token, **told} if session_grant else told


def _check_code(exchange: Exchange, code: Code, form: dict[str, str]) -> None:
    if code.expires <= exchange.org.clock.now():
        raise OAuthError("invalid_grant", "expired authorization code")
    if code.redirect_uri != form.get("redirect_uri"):
        raise OAuthError("redirect_uri_mismatch", "redirect_uri must match configuration")
    if code.challenge is not None:
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != code.challenge.rstrip("="):
            raise OAuthError("invalid_grant", "invalid code verifier")


def _password(exchange: Exchange, form: dict[str, str]) -> dict[str, str]:
    app = _app(exchange, form)
    _check_secret(app, form)
    user = exchange.org.users.get(form.get("username", ""))
    if user is None or form.get("password") != user.password + user.security_token:
        raise OAuthError("invalid_grant", "authentication failure")
    _check_active(user)
    return _told(exchange, exchange.org.grants.open(user, app))


def _client_credentials(exchange: Exchange, form: dict[str, str]) -> dict[str, str]:
    host = exchange.request.headers.get("host", "").partition(":")[0]
    if exchange.org.is_login_host or host in LOGIN_HOSTS:
        raise OAuthError("invalid_grant", "request not supported on this domain")
    app = _app(exchange, form)
    _check_secret(app, form)
    user = exchange.org.users.get(app.run_as or "")
    if user is None:
        raise OAuthError("invalid_grant", "no client credentials user enabled")
    _check_active(user)
    return _told(exchange, exchange.org.grants.open(user, app), scope=True)


def _jwt_bearer(exchange: Exchange, form: dict[str, str]) -> dict[str, str]:
    assertion = form.get("assertion", "")
    try:
        claimed = jwt.decode(assertion, options={"verify_signature": False})
        app = _app(exchange, {"client_id": str(claimed.get("iss", "")), "grant_type": JWT_BEARER})
        unchecked: Options = {"verify_exp": False, "verify_aud": False, "verify_iat": False, "verify_nbf": False}
        claims = jwt.decode(assertion, app.public_key, algorithms=["RS256"], options=unchecked)
        expires = int(claims["exp"])
    except (jwt.InvalidTokenError, KeyError, ValueError):
        raise OAuthError("invalid_grant", "invalid assertion") from None
    audiences = {f"https://{host}" for host in LOGIN_HOSTS} | {exchange.org.instance_url}
    if str(claims.get("aud", "")).rstrip("/") not in audiences:
        raise OAuthError("invalid_grant", "Audience validation failed")
    if expires <= exchange.org.jwt_clock.now().timestamp():
        raise OAuthError("invalid_grant", "expired authorization code")
    user = exchange.org.users.get(str(claims.get("sub", "")))
    if user is None or (app.approved is not None and user.username not in app.approved):
        raise OAuthError("invalid_grant", "user hasn't approved this consumer")
    _check_active(user)
    return _told(exchange, exchange.org.grants.open(user, app), scope=True, signed=False)


_FLOWS: dict[str, Flow] = {
    "refresh_token": _refresh,
    "authorization_code": _authorization_code,
    "password": _password,
    "client_credentials": _client_credentials,
    JWT_BEARER: _jwt_bearer,
}


def _form(exchange: Exchange) -> dict[str, str]:
    """The posted form; who asks may stand in the Authorization header instead."""
    form = exchange.request.form
    scheme, _, coded = exchange.request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            name, _, secret = base64.b64decode(coded).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return form
        return {**form, "client_id": unquote_plus(name), "client_secret": unquote_plus(secret)}
    return form


def _app(exchange: Exchange, form: dict[str, str]) -> ConnectedApp:
    if not form.get("client_id"):
        raise OAuthError("invalid_request", "missing required parameters")
    app = exchange.org.apps.get(form["client_id"])
    if app is None:
        raise OAuthError("invalid_client_id", "client identifier invalid")
    if app.flows is not None and form.get("grant_type") in set(_FLOWS) - app.flows:
        raise OAuthError("unsupported_grant_type", "grant type not supported")
    return app


def _check_secret(app: ConnectedApp, form: dict[str, str]) -> None:
    if form.get("client_secret") != app.client_secret:
        raise OAuthError("invalid_client", "invalid client credentials")


def _check_active(user: User) -> None:
    if not user.active:
        raise OAuthError("inactive_user", "user is inactive")


def _lasting(scope: str) -> bool:
    return bool({"refresh_token", "offline_access"} & set(scope.split()))


def _id_url(exchange: Exchange, user: str) -> str:
    return f"{exchange.org.instance_url}/id/{exchange.org.id}/{user}"


def _told(exchange: Exchange, session: Session, *, scope: bool = False, signed: bool = True) -> dict[str, str]:
    """The answer to a good request; every value is text, and nothing says how long the token lives."""
    identifier = _id_url(exchange, session.user.id)
    told = {"access_token": session.token}
    if scope:
        told["scope"] = session.scope
    told |= {"instance_url": exchange.org.instance_url, "id": identifier, "token_type": "Bearer"}
    if signed and session.app:
        issued = str(int(session.opened.timestamp() * 1000))
        digest = hmac.new(session.app.client_secret.encode(), (identifier + issued).encode(), "sha256").digest()
        told |= {"issued_at": issued, "signature": base64.b64encode(digest).decode()}
    return told


def _printed(told: dict[str, str], exchange: Exchange, form: dict[str, str], status: int) -> Response:
    """The answer in the form asked for, by name or by `Accept`; JSON when nothing is said."""
    accepted = exchange.request.headers.get("accept", "")
    kind = form.get("format") or next((name for name, media in _MEDIA.items() if accepted.startswith(media)), "json")
    if kind == "urlencoded":
        body = urlencode(told)
    elif kind == "xml":
        members = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in told.items())
        body = f'<?xml version="1.0" encoding="UTF-8"?><OAuth>{members}</OAuth>'
    else:
        body = json_text(told)
    media = _MEDIA.get(kind, _MEDIA["json"])
    return Response(status, body.encode(), {"Content-Type": f"{media};charset=UTF-8", **_UNCACHED})


PAGES: dict[str, Callable[[Exchange], Response]] = {
    "/services/oauth2/authorize": authorize,
    "/services/oauth2/token": token,
    "/services/oauth2/revoke": revoke,
    "/services/oauth2/introspect": introspect,
    "/services/oauth2/userinfo": userinfo,
    "/id": identity,
}
