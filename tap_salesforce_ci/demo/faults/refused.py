"""Faults that answer instead of the org."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tap_salesforce_ci.demo.faults.triggers import Fault
from tap_salesforce_ci.demo.refusals import SalesforceError
from tap_salesforce_ci.demo.wire import Response, json_response, refusal

if TYPE_CHECKING:
    from tap_salesforce_ci.demo.faults.triggers import Struck
    from tap_salesforce_ci.demo.request_log import Request

_HTML = "<html><head><title>Error {0}</title></head><body><h1>We are down for maintenance.</h1><p>{0}</p></body></html>"
_UNEXPECTED = (
    "An unexpected error occurred. Please include this ErrorId if you contact support: 123456-7890 (123456789)"
)
_SERVER_ERRORS = {500: ("UNKNOWN_EXCEPTION", _UNEXPECTED), 503: ("SERVER_UNAVAILABLE", "Server Unavailable")}
_LIMITS = {
    "daily": "TotalRequests Limit exceeded.",
    "concurrent": "ConcurrentRequests (Concurrent API Requests) Limit exceeded.",
    "long": "ConcurrentPerOrgLongTxn Limit exceeded.",
}
_BULK_LIMITS = {
    "jobs": "Max bulk v2 query jobs (10000) per 24 hrs has been reached (10021)",
    "storage": "Max bulk v2 query result size stored (1000000000) kb per 24 hrs has been exceeded",
}


def _html(status: int) -> Response:
    return Response(status, _HTML.format(status).encode(), {"Content-Type": "text/html; charset=UTF-8"})


@dataclass(frozen=True)
class Refused(Fault):
    """Any refusal, in Salesforce's own form."""

    status: int
    code: str
    message: str

    def instead(self, org: Struck, request: Request) -> Response:
        """The refusal."""
        del org, request
        return refusal(SalesforceError(self.code, self.message, status=self.status))


@dataclass(frozen=True)
class ExpireSession(Fault):
    """Every session has ended by the time this request is looked at."""

    def instead(self, org: Struck, request: Request) -> None:
        """Nothing yet: the org itself will refuse the session."""
        del request
        org.expire_sessions()


@dataclass(frozen=True)
class RevokeGrants(Fault):
    """An administrator ended every grant and session by the time this request is looked at."""

    def instead(self, org: Struck, request: Request) -> None:
        """Nothing yet: the org itself will refuse the session, and the refresh token."""
        del request
        org.revoke_grants()


@dataclass(frozen=True)
class ServerError(Fault):
    """Salesforce fails, in JSON or as its edge does, in HTML."""

    status: int = 500
    html: bool = False

    def instead(self, org: Struck, request: Request) -> Response:
        """The failure."""
        del org, request
        if self.html or self.status not in _SERVER_ERRORS:
            return _html(self.status)
        return refusal(SalesforceError(*_SERVER_ERRORS[self.status], status=self.status))


@dataclass(frozen=True)
class HtmlError(Fault):
    """An error page of the edge, such as 420, 502 or 503."""

    status: int = 502

    def instead(self, org: Struck, request: Request) -> Response:
        """The page."""
        del org, request
        return _html(self.status)


@dataclass(frozen=True)
class RetryAfter(Fault):
    """Too busy, with a word on when to come back."""

    status: Literal[429, 503] = 503
    seconds: float = 1

    def instead(self, org: Struck, request: Request) -> Response:
        """The refusal and its header."""
        del org, request
        page = _html(self.status)
        return Response(page.status, page.body, {**page.headers, "Retry-After": f"{self.seconds:g}"})


@dataclass(frozen=True)
class NotAcceptable(Fault):
    """A describe answers 406 now and then, with nothing to say about it."""

    @property
    def strikes(self) -> str:
        """Describes."""
        return "/describe"

    def instead(self, org: Struck, request: Request) -> Response:
        """The bare status."""
        del org, request
        return Response(406)


@dataclass(frozen=True)
class InvalidLocator(Fault):
    """A locator has gone before its time."""

    @property
    def strikes(self) -> str:
        """Later pages, of REST and of Bulk."""
        return r"/query/0r8|[?&]locator="

    def instead(self, org: Struck, request: Request) -> Response:
        """The refusal."""
        del org, request
        return refusal(SalesforceError("INVALID_QUERY_LOCATOR", "invalid query locator"))


@dataclass(frozen=True)
class RequestLimitExceeded(Fault):
    """A limit of the whole API: the day's calls, or too many at once."""

    limit: Literal["daily", "concurrent", "long"] = "daily"

    @property
    def strikes(self) -> str:
        """Every call that counts."""
        return "/services/data/v"

    def instead(self, org: Struck, request: Request) -> Response:
        """The refusal."""
        del org, request
        return refusal(SalesforceError("REQUEST_LIMIT_EXCEEDED", _LIMITS[self.limit], status=403))


@dataclass(frozen=True)
class ApiDisabled(Fault):
    """The edition has no API, or the user may not use it."""

    whose: Literal["org", "user"] = "org"

    @property
    def strikes(self) -> str:
        """Every call."""
        return "/services/data/v"

    def instead(self, org: Struck, request: Request) -> Response:
        """The refusal."""
        del org, request
        code, text = {
            "org": ("API_DISABLED_FOR_ORG", "API is not enabled for this Organization or Partner"),
            "user": ("API_CURRENTLY_DISABLED", "API is disabled for this User"),
        }[self.whose]
        return refusal(SalesforceError(code, text, status=403))


@dataclass(frozen=True)
class BulkLimitExceeded(Fault):
    """A day's limit of Bulk: its jobs, or the bytes of their results."""

    limit: Literal["jobs", "storage"] = "jobs"

    @property
    def strikes(self) -> str:
        """The making of jobs."""
        return "/jobs/query/?$"

    @property
    def method(self) -> str:
        """Only the making."""
        return "POST"

    def instead(self, org: Struck, request: Request) -> Response:
        """The refusal."""
        del org, request
        return refusal(SalesforceError("LIMIT_EXCEEDED", _BULK_LIMITS[self.limit], code_first=True))


@dataclass(frozen=True)
class OAuthRefused(Fault):
    """The token endpoint refuses, in OAuth's own form, for any of the reasons Salesforce has."""

    error: str = "invalid_grant"
    description: str = "expired access/refresh token"
    status: int = 400

    @property
    def strikes(self) -> str:
        """The token endpoint."""
        return "/services/oauth2/token"

    def instead(self, org: Struck, request: Request) -> Response:
        """The refusal."""
        del org, request
        return json_response({"error": self.error, "error_description": self.description}, self.status)
