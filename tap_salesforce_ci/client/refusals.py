"""
One table from what Salesforce answers to what it means for us.

Source: REST API Developer Guide, "Status Codes and Error Responses" (`errorcodes.htm`); SOAP `ExceptionCode`; Bulk API 2.0
"Understanding Bulk API 2.0 Query". Codes are matched before texts, because messages follow the user's language;
a text is matched only where one code has several remedies.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from tap_salesforce_ci.client.messages import Response
from tap_salesforce_ci.errors import (
    BadField,
    BudgetError,
    BulkRefused,
    LostCursor,
    NotFound,
    ObjectRefused,
    QueryTimeout,
    SessionExpired,
    TapError,
    TransientError,
    UrlTooLong,
    UserError,
)
from tap_salesforce_ci.redaction import quoted

ANY = ""
SHOWN = 300


@dataclass(frozen=True, slots=True)
class Refused:
    """What a refusing answer says: its status, Salesforce's errorCode and the message."""

    status: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table: when it applies, which error it is, and the remedy."""

    kind: type[TapError]
    remedy: str
    codes: str = ANY
    statuses: tuple[int, ...] = ()
    says: str = ANY

    def applies(self, refused: Refused) -> bool:
        """Say whether this row is about that refusal."""
        code = refused.code.casefold().replace("_", "")
        return (
            (not self.statuses or refused.status in self.statuses)
            and (not self.codes or code in self.codes.casefold().replace("_", "").split())
            and (not self.says or re.search(self.says, refused.message, re.IGNORECASE) is not None)
        )


SERVER_FAILURES = (408, 420, 429, *range(500, 600))
NO_PLAIN_QUERY = "Leave this object out (deselect it), or give it the filter that Salesforce asks for in `where`."
TRY_LATER = "Salesforce may be down or busy: see https://status.salesforce.com and run again; the state is kept."

RULES: tuple[Rule, ...] = (
    # Two 401s that a new session would not cure.
    Rule(UserError, "Give the connected app the scope 'api' (Manage user data via APIs), then connect again.",
         says="not valid for use with the REST API"),
    Rule(UserError, "Attach the connected app to the agent, or use another app.",
         says="Connected app is not attached to Agent"),
    Rule(SessionExpired, "Log in again.",
         codes="INVALID_SESSION_ID INVALID_AUTH_HEADER INVALID_JWT_FORMAT Bad_OAuth_Token Missing_OAuth_Token"),
    Rule(SessionExpired, "Log in again.", statuses=(401,)),
    # The API allowance.
    Rule(TransientError, "Too many long requests at once: lower `max_workers`.",
         codes="REQUEST_LIMIT_EXCEEDED", says="concurrent"),
    Rule(BudgetError, "The org's API calls of the last 24 hours are used up: run again later; the state is kept.",
         codes="REQUEST_LIMIT_EXCEEDED"),
    # The API is switched off.
    Rule(UserError, "This edition of Salesforce has no API access: upgrade it, or ask Salesforce to switch the API on.",
         codes="API_DISABLED_FOR_ORG"),
    Rule(UserError, "Give the user the permission 'API Enabled' (profile or permission set).",
         codes="API_CURRENTLY_DISABLED"),
    Rule(UserError, "Set `api_version` to a version that this org still has (GET /services/data lists them).",
         codes="GONE UNSUPPORTED_API_VERSION InvalidVersion"),
    Rule(UserError, "Set `api_version` to a version that this org still has (GET /services/data lists them).", statuses=(410,)),
    # Bulk API 2.0 has one text under several codes.
    Rule(BulkRefused, "REST is used for this object instead.",
         says="not supported by the Bulk API|compound data not supported|Binary field not supported|not supported in Bulk Query"),
    # Queries.
    Rule(LostCursor, "The cursor is gone (it lives two days): run again, and the query is asked again; the state is kept.",
         codes="INVALID_QUERY_LOCATOR"),
    Rule(QueryTimeout, "Read less at once: set `start_date`, deselect wide fields, or use `api_type: bulk2`.",
         codes="QUERY_TIMEOUT"),
    Rule(UserError, "Give the user the permission 'View All Data', or use `api_type: bulk2` for this object.",
         codes="OPERATION_TOO_LARGE"),
    Rule(UserError, "Ask an administrator to ease the transaction security policy for this user.",
         codes="TXN_SECURITY_METERING_ERROR TXN_SECURITY_NO_ACCESS TXN_SECURITY_RUNTIME_EXCEPTION"),
    Rule(UserError, "Give the user read access to the object ('View All Data' gives it to all).",
         codes="INSUFFICIENT_ACCESS INSUFFICIENT_ACCESS_OR_READONLY INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY"),
    Rule(ObjectRefused, NO_PLAIN_QUERY,
         codes="INVALID_TYPE_FOR_OPERATION EXTERNAL_OBJECT_UNSUPPORTED_EXCEPTION EXTERNAL_OBJECT_EXCEPTION "
               "DATACLOUD_API_DISABLED_EXCEPTION"),
    Rule(ObjectRefused, NO_PLAIN_QUERY, codes="MALFORMED_QUERY API_ERROR INVALID_QUERY_FILTER_OPERATOR",
         says="Implementation restriction|filter on a reified column|must be specified in your query"),
    Rule(ObjectRefused, NO_PLAIN_QUERY, says="does not support query"),
    Rule(NotFound, "Check the object's name and the user's permission to read it.", codes="INVALID_TYPE"),
    Rule(BadField, "Refresh the catalog (the field is gone, or the user may not read it), or correct `where`.",
         codes="INVALID_FIELD"),
    # Bulk API 2.0.
    Rule(BulkRefused, "REST is used for this object instead.", codes="INVALIDENTITY"),
    Rule(BulkRefused, "REST is used until Bulk's 24 hours are over.", codes="LIMIT_EXCEEDED ExceededQuota"),
    Rule(BulkRefused, "REST is used until Bulk's 24 hours are over.", says="Max bulk v2 query"),
    Rule(BulkRefused, "REST is used for this object instead.",
         codes="FUNCTIONALITY_NOT_ENABLED FeatureNotEnabled"),
    Rule(TransientError, "The job is not as far as Salesforce said: run again; the state is kept.", codes="INVALIDJOBSTATE"),
    # What passes by itself.
    Rule(TransientError, TRY_LATER, codes="UNABLE_TO_LOCK_ROW SERVER_UNAVAILABLE UNKNOWN_EXCEPTION TooManyLockFailure"),
    Rule(TransientError, TRY_LATER, statuses=SERVER_FAILURES),
    Rule(TransientError, "Salesforce answers a describe like this at times: run again.", statuses=(406,)),
    # What is wrong with the address.
    Rule(UrlTooLong, "Deselect fields, or use `api_type: bulk2`.", statuses=(414, 431)),
    Rule(UserError, "A job is read with the API version that made it: keep `api_version` while a run is unfinished.",
         statuses=(409,)),
    Rule(NotFound, "Check `api_version`, `domain` (or `instance_url`) and the user's permission to read it.", statuses=(404,)),
    Rule(UserError, "Set `domain` (or `instance_url`) to the org's own address.", statuses=tuple(range(300, 400))),
    Rule(UserError, "Correct the query: look at `where` and at the selected fields.", codes="MALFORMED_QUERY"),
    Rule(UserError, "Look the code up in Salesforce's REST API guide, and report it if the tap should know it."),
)  # fmt: skip


def refusal(response: Response, where: str) -> TapError:
    """Return what a refusing answer means; `where` is the request it refused."""
    refused = said(response)
    rule = next(rule for rule in RULES if rule.applies(refused))
    code, message = quoted(refused.code, SHOWN), quoted(refused.message, SHOWN)
    what = " ".join(filter(None, ("Salesforce answered HTTP", str(refused.status), code)))
    what = f"{what}: {message or 'no reason given'}"
    if rule.kind is TransientError:
        return TransientError(what, where=where, remedy=rule.remedy, code=code, wait=retry_after(response))
    return rule.kind(what, where=where, remedy=rule.remedy, code=code)


def said(response: Response) -> Refused:
    """Read the reason out of an error body: REST's array, OAuth's or Bulk 1.0's object, XML, HTML or plain text."""
    try:
        body = msgspec.json.decode(response.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _unstructured(response)
    first = body[0] if isinstance(body, list) and body else body
    if not isinstance(first, dict):
        return _unstructured(response)
    code = _first_text(first, "errorCode", "exceptionCode", "error")
    message = _first_text(first, "message", "exceptionMessage", "error_description")
    return Refused(response.status, code, " ".join(message.split()))


def _first_text(body: dict[str, Any], *names: str) -> str:
    return next((str(body[name]) for name in names if body.get(name)), "")


XML_CODE = re.compile(r"<(?:\w+:)?(?:errorCode|exceptionCode)>([^<]*)<")
XML_MESSAGE = re.compile(r"<(?:\w+:)?(?:message|exceptionMessage)>([^<]*)<")
TAG = re.compile(r"<(?:script|style).*?</(?:script|style)>|<[^>]*>", re.DOTALL | re.IGNORECASE)


def _unstructured(response: Response) -> Refused:
    text = response.body[:20_000].decode("utf-8", "replace")
    code, message = XML_CODE.search(text), XML_MESSAGE.search(text)
    if code:
        return Refused(response.status, code[1], message[1] if message else "")
    plain = " ".join(TAG.sub(" ", text).split())
    if plain in {"Bad_OAuth_Token", "Missing_OAuth_Token", "Wrong_Org"}:
        return Refused(response.status, plain, plain)
    return Refused(response.status, "", plain or "an empty answer")


def retry_after(response: Response) -> float | None:
    """Return the seconds that `Retry-After` asks for: a number, or a date against the answer's own `Date`."""
    value = response.headers.get("retry-after", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        until = parsedate_to_datetime(value)
        now = parsedate_to_datetime(response.headers.get("date", ""))
        return max(0.0, (until - now).total_seconds())
    except (ValueError, TypeError):
        return None
