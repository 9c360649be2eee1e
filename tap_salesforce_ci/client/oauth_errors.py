"""
Every error that Salesforce's login gives, and what a person does about it.

Source: Salesforce Help, "OAuth Authorization Flow Errors" (`remoteaccess_oauth_flow_errors`), and answers seen in the
field where that page is silent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec

from tap_salesforce_ci.client.messages import Response
from tap_salesforce_ci.errors import TapError, TransientError, UserError
from tap_salesforce_ci.redaction import quoted

RECONNECT = "Run `tap-salesforce-ci connect` to grant access again; the state is kept."


@dataclass(frozen=True, slots=True)
class LoginError:
    """One row: which error (and part of its description), which setting, which remedy."""

    error: str
    says: str
    setting: str
    remedy: str
    passes: bool = False


LOGIN_ERRORS: tuple[LoginError, ...] = (
    LoginError("invalid_grant", "expired access/refresh token", "refresh_token",
               f"The grant was revoked, expired or rotated away. {RECONNECT}"),
    LoginError("invalid_grant", "inactive user", "username", "Activate the user in Salesforce Setup."),
    LoginError("invalid_grant", "authentication failure", "username, password, security_token",
               "Check the user name, password and security token, the user's login IP ranges, and that the user is active."),
    LoginError("invalid_grant", "audience", "domain",
               "The JWT's audience is wrong for this org: set `domain` to `login`, `test` or the org's My Domain."),
    LoginError("invalid_grant", "hasn't approved", "username",
               "Pre-authorise the user: set the app's policy to 'Admin approved users are pre-authorized' and assign the user, or log in through it once."),
    LoginError("invalid_grant", "no client credentials user", "client_id",
               "Choose a 'Run As' user in the app's client credentials policy."),
    LoginError("invalid_grant", "request not supported on this domain", "domain",
               "Set `domain` to the org's My Domain (https://NAME.my.salesforce.com); client credentials work on no other host."),
    LoginError("invalid_grant", "authorization code", "connect",
               "The login took too long or was used twice: run `tap-salesforce-ci connect` again."),
    LoginError("invalid_grant", "code verifier", "connect", "Run `tap-salesforce-ci connect` again."),
    LoginError("invalid_grant", "ip restricted", "username",
               "Add this machine's address to the user's login IP ranges, or relax IP restrictions for the app."),
    LoginError("invalid_grant", "user is inactive", "username", "Activate the user in Salesforce Setup."),
    LoginError("invalid_grant", "invalid assertion", "private_key",
               "Upload the certificate that belongs to this private key to the app, and check the machine's clock."),
    LoginError("invalid_grant", "expired", "private_key",
               "The signed assertion was too old on arrival: set this machine's clock right."),
    LoginError("invalid_grant", "", "client_id", "Check the credentials and the app's policies in Salesforce Setup."),
    LoginError("invalid_app_access", "", "client_id",
               "Assign the user to the app (by profile or permission set): the app admits admin-approved users only."),
    LoginError("invalid_client_id", "", "client_id",
               "Check the consumer key; a new app takes up to ten minutes until Salesforce knows it."),
    LoginError("invalid_client", "", "client_secret", "Check the consumer secret of the app."),
    LoginError("unauthorized_client", "", "client_id",
               "Allow this flow for the app in Salesforce Setup, and have an administrator install the app."),
    LoginError("unsupported_grant_type", "", "client_id",
               "Switch this OAuth flow on in the org (Setup: OAuth and OpenID Connect Settings) and for the app."),
    LoginError("unsupported_response_type", "", "client_id", "Allow the web server flow for the app."),
    LoginError("inactive_user", "", "username", "Activate the user in Salesforce Setup."),
    LoginError("inactive_org", "", "domain", "The org is locked, closed or suspended: ask its owner or Salesforce."),
    LoginError("redirect_uri_mismatch", "", "client_id",
               "Add the callback address that `connect` shows to the app's callback URLs."),
    LoginError("redirect_uri_missing", "", "client_id",
               "Add the callback address that `connect` shows to the app's callback URLs."),
    LoginError("access_denied", "", "connect",
               "Access was denied in the browser: run `tap-salesforce-ci connect` again and choose Allow."),
    LoginError("invalid_scope", "", "client_id",
               "Give the app the scopes 'api' and 'refresh_token, offline_access'."),
    LoginError("OAUTH_APP_BLOCKED", "", "client_id", "An administrator blocked this app: unblock it in Connected Apps OAuth Usage."),
    LoginError("OAUTH_APP_ACCESS_DENIED", "", "client_id",
               "Assign the user to the app (by profile or permission set): the app admits admin-approved users only."),
    LoginError("OAUTH_APPROVAL_ERROR_GENERIC", "", "client_id",
               "Have an administrator install the app, or grant 'Approve Uninstalled Connected Apps'."),
    LoginError("immediate_unsuccessful", "", "connect", "Run `tap-salesforce-ci connect` and log in."),
    LoginError("rate_limit_exceeded", "", "username",
               "More than 3,600 logins in an hour for this user: wait, or run fewer taps with it.", passes=True),
    LoginError("server_error", "", "domain", "Salesforce failed for the moment: try again.", passes=True),
    LoginError("unknown_error", "", "domain", "Salesforce failed for the moment: try again.", passes=True),
    LoginError("temporarily_unavailable", "", "domain", "Salesforce failed for the moment: try again.", passes=True),
    LoginError("invalid_request", "", "client_id",
               "A parameter is missing or not allowed for this app: check `client_id`, `client_secret` and `domain`."),
)  # fmt: skip

PASSING_STATUS = frozenset({408, 420, 429})
FAULT = re.compile(rb"<(?:\w+:)?exceptionCode>\s*([^<]+?)\s*<.*?<(?:\w+:)?exceptionMessage>\s*([^<]*?)\s*<", re.DOTALL)
DESCRIPTION_SHOWN = 200


class _OAuthError(msgspec.Struct):
    error: str = ""
    error_description: str = ""


# Made here, once: threads that let msgspec build a nested type at the same time can crash the process.
_OAUTH_ERRORS = msgspec.json.Decoder(_OAuthError)


def login_refused(answer: Response, login_url: str, *, signed: bool = False) -> TapError:
    """
    Return the error for a login that Salesforce refused, with the setting to change.

    Of a `signed` assertion Salesforce speaks as of an authorization code (simple-salesforce, issue 371).
    """
    try:
        refusal = _OAUTH_ERRORS.decode(answer.body)
    except msgspec.DecodeError:
        refusal = _OAuthError()
    if not refusal.error:
        return _without_a_reason(answer, login_url)
    row = _row(refusal, signed=signed)
    code, description = (quoted(told, DESCRIPTION_SHOWN) for told in (refusal.error, refusal.error_description))
    kind = TransientError if row.passes else UserError
    return kind(
        f"Salesforce refused the login: {code}: {description}",
        where=f"setting: {row.setting} (login at {login_url})",
        remedy=row.remedy,
        code=code,
    )


def _row(refusal: _OAuthError, *, signed: bool) -> LoginError:
    said = refusal.error_description.casefold()
    if signed:
        said = said.replace("authorization code", "assertion")
    for row in LOGIN_ERRORS:
        if row.error.casefold() == refusal.error.casefold() and row.says in said:
            return row
    return LoginError(refusal.error, "", "client_id", "Check the app and its policies in Salesforce Setup.")


def _without_a_reason(answer: Response, login_url: str) -> TapError:
    what = f"The login answered HTTP {answer.status} without a reason."
    if answer.status >= 500 or answer.status in PASSING_STATUS:  # noqa: PLR2004
        return TransientError(
            what, where=login_url, remedy="Salesforce may be down: see https://status.salesforce.com."
        )
    return UserError(
        what,
        where=f"setting: domain (login at {login_url})",
        remedy="Check that `domain` names a Salesforce login host: `login`, `test` or the org's My Domain.",
    )


SOAP_REMEDIES = {
    "INVALID_LOGIN": "Check the user name, password and security token, the login IP ranges, and that the user is not locked out.",
    "LOGIN_MUST_USE_SECURITY_TOKEN": "Set `security_token`: Salesforce asks for it from addresses it doesn't trust.",
    "INVALID_OPERATION": "SOAP login is not available in this org: use JWT or client credentials instead.",
    "UNSUPPORTED_API_VERSION": "SOAP login has ended for this org: use JWT or client credentials instead.",
    "API_DISABLED_FOR_ORG": "This edition has no API access: ask Salesforce to switch it on.",
    "API_CURRENTLY_DISABLED": "Give the user the permission 'API Enabled'.",
    "PASSWORD_LOCKOUT": "Unlock the user in Salesforce Setup.",
    "RATE_LIMIT_EXCEEDED": "Too many logins: wait, or run fewer taps with this user.",
}


def soap_refused(answer: Response, login_url: str) -> TapError:
    """Return the error for a SOAP login that Salesforce refused with a fault."""
    fault = FAULT.search(answer.body)
    if fault is None:
        return _without_a_reason(answer, login_url)
    code, message = (quoted(part.decode("utf-8", "replace"), DESCRIPTION_SHOWN) for part in fault.groups())
    code = code.rpartition(":")[2]
    return UserError(
        f"Salesforce refused the SOAP login: {message or code}",
        where=f"setting: username, password, security_token (login at {login_url})",
        remedy=SOAP_REMEDIES.get(code, "Check the credentials, or use JWT or client credentials instead."),
        code=code,
    )
