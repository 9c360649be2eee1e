"""The login page an app sends its user to, and the way back to the app."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from tap_salesforce_ci.demo.exchange import Exchange
from tap_salesforce_ci.demo.grants import CODE_LIFE, Code
from tap_salesforce_ci.demo.wire import Response

if TYPE_CHECKING:
    from tap_salesforce_ci.demo.grants import ConnectedApp

_LOOPBACK = re.compile(r"http://(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?(?:/.*)?")
_CARRIED = (
    "response_type",
    "client_id",
    "redirect_uri",
    "state",
    "scope",
    "code_challenge",
    "code_challenge_method",
    "prompt",
)
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Login | {org}</title>
<style>
body {{ font: 16px system-ui, sans-serif; background: #f3f4f6; display: grid; place-items: center; min-height: 90vh }}
form {{ background: #fff; padding: 2rem; border-radius: .5rem; width: 20rem; display: grid; gap: .75rem }}
input, button {{ font: inherit; padding: .5rem }}
.wrong {{ color: #b00020 }}
</style></head>
<body>
<form method="post" action="/services/oauth2/authorize">
<h1>{org}</h1>
<p>This is the emulated org. Log in to let <strong>{app}</strong> access it.</p>
{wrong}{carried}
<label>Username <input name="username" value="{username}" autocomplete="username"></label>
<label>Password <input name="password" type="password" autocomplete="current-password"></label>
<button name="decision" value="allow">Log In and Allow</button>
<button name="decision" value="deny">Deny</button>
</form>
</body></html>
"""


def authorize(exchange: Exchange) -> Response:
    """Show the login page, or send the user back to the app with a code or an error."""
    asked = {**exchange.request.query, **exchange.request.form}
    app = exchange.org.apps.get(asked.get("client_id", ""))
    if app is None:
        return _refused("invalid_client_id", "client identifier invalid")
    if not _registered(app, asked.get("redirect_uri", "")):
        return _refused("redirect_uri_mismatch", "redirect_uri must match configuration")
    wrong = _wrong(app, asked)
    return _back(asked, **wrong) if wrong else _decided(exchange, app, asked)


def _wrong(app: ConnectedApp, asked: dict[str, str]) -> dict[str, str] | None:
    """What the app is told instead of a code, before anyone logs in."""
    if asked.get("response_type") != "code":
        return _error("unsupported_response_type", "response type not supported")
    if app.pkce_required and not asked.get("code_challenge"):
        return _error("invalid_request", "missing required code challenge")
    if asked.get("code_challenge") and asked.get("code_challenge_method", "S256") != "S256":
        return _error("invalid_request", "invalid code challenge method")
    if asked.get("decision") == "deny":
        return _error("access_denied", "end-user denied authorization")
    return None


def _decided(exchange: Exchange, app: ConnectedApp, asked: dict[str, str]) -> Response:
    org = exchange.org
    user = org.users.get(asked.get("username", ""))
    if user is None or asked.get("password") != user.password or not user.active:
        return _login_page(exchange, app, asked)
    if app.approved is not None and user.username not in app.approved:
        return _back(asked, **_error("OAUTH_APP_ACCESS_DENIED", "user is not admin approved to access this app"))
    code = Code(
        user=user,
        app=app,
        redirect_uri=asked["redirect_uri"],
        scope=asked.get("scope") or app.scope,
        challenge=asked.get("code_challenge") or None,
        expires=org.clock.now() + CODE_LIFE,
    )
    return _back(asked, code=org.grants.code(code))


def _registered(app: ConnectedApp, address: str) -> bool:
    return address in app.redirect_uris if app.redirect_uris else _LOOPBACK.fullmatch(address) is not None


def _login_page(exchange: Exchange, app: ConnectedApp, asked: dict[str, str]) -> Response:
    carried = "\n".join(
        f'<input type="hidden" name="{name}" value="{escape(asked[name])}">' for name in _CARRIED if name in asked
    )
    tried = "decision" in asked
    wrong = '<p class="wrong">Please check your username and password.</p>' if tried else ""
    page = _PAGE.format(
        org=escape(exchange.org.name),
        app=escape(app.name),
        wrong=wrong,
        carried=carried,
        username=escape(asked.get("username", asked.get("login_hint", ""))),
    )
    return Response(200, page.encode(), {"Content-Type": "text/html; charset=UTF-8"})


def _back(asked: dict[str, str], **told: str) -> Response:
    if "state" in asked:
        told["state"] = asked["state"]
    address = asked["redirect_uri"]
    return Response(302, b"", {"Location": f"{address}{'&' if '?' in address else '?'}{urlencode(told)}"})


def _error(error: str, description: str) -> dict[str, str]:
    return {"error": error, "error_description": description}


def _refused(error: str, description: str) -> Response:
    text = urlencode(_error(error, description))
    return Response(400, text.encode(), {"Content-Type": "text/html; charset=UTF-8"})
