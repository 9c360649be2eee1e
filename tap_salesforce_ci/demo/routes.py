"""From an address to what answers it: sessions, versions and allowances are checked on the way."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tap_salesforce_ci.demo import bulk, composite, replication, rest, versions
from tap_salesforce_ci.demo.exchange import Exchange
from tap_salesforce_ci.demo.oauth import PAGES
from tap_salesforce_ci.demo.refusals import SalesforceError, not_found
from tap_salesforce_ci.demo.soap import login
from tap_salesforce_ci.demo.wire import Response, refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_salesforce_ci.demo.grants import Session
    from tap_salesforce_ci.demo.org import Org
    from tap_salesforce_ci.demo.request_log import Request

    Handler = Callable[[Exchange], Response]


@dataclass(frozen=True)
class Route:
    """Who answers which methods at an address, and since which version."""

    path: re.Pattern[str]
    handlers: dict[str, Handler]
    since: float = 0.0


def _route(path: str, since: float = 0.0, **handlers: Handler) -> Route:
    return Route(re.compile(path + "/?", re.IGNORECASE), handlers, since)


ROUTES = (
    _route(r"", GET=versions.resources),
    _route(r"/sobjects", GET=rest.describe_global),
    _route(r"/sobjects/(?P<object>\w+)", GET=rest.sobject),
    _route(r"/sobjects/(?P<object>\w+)/describe", GET=rest.describe),
    _route(r"/sobjects/(?P<object>\w+)/updated", GET=replication.updated),
    _route(r"/sobjects/(?P<object>\w+)/deleted", GET=replication.deleted),
    _route(r"/sobjects/(?P<object>\w+)/(?P<id>\w+)", GET=rest.row),
    _route(r"/sobjects/(?P<object>\w+)/(?P<id>\w{15}|\w{18})/(?P<field>\w+)", GET=rest.blob),
    _route(r"/(?P<resource>query|queryAll)", GET=rest.query),
    _route(r"/(?:query|queryAll)/(?P<locator>[\w-]+)", GET=rest.query_more),
    _route(r"/limits", GET=rest.limits),
    _route(r"/limits/recordCount", GET=rest.record_count),
    _route(r"/composite", POST=composite.composite),
    _route(r"/composite/batch", POST=composite.batch),
    _route(r"/jobs/query", 47.0, POST=bulk.create, GET=bulk.every),
    _route(r"/jobs/query/(?P<job>\w+)", 47.0, GET=bulk.look, PATCH=bulk.change, DELETE=bulk.delete),
    _route(r"/jobs/query/(?P<job>\w+)/results", 47.0, GET=bulk.results),
    _route(r"/jobs/query/(?P<job>\w+)/resultPages", 58.0, GET=bulk.result_pages),
)
_DATA = re.compile(r"/services/data/v(?P<version>\d+\.\d)(?P<rest>(?:/.*)?)", re.IGNORECASE)
_UNMETERED = frozenset({401, 410})
_LIST = re.compile(r"/services/data/?")
_SOAP = re.compile(r"/services/Soap/[uc]/(?P<version>\d+(?:\.\d)?)(?:/\w*)?", re.IGNORECASE)
_IDENTITY = re.compile(r"/id/(?P<org>\w{15,18})/(?P<user>\w{15,18})")


def respond(org: Org, request: Request) -> Response:
    """The org's answer to a request, or what the faults that are due make of it."""
    response = _spoiled(org, request, lambda: _answer(org, request))
    return _limited(org, response) if _DATA.fullmatch(request.path) else response


def _spoiled(org: Org, request: Request, answer: Callable[[], Response]) -> Response:
    faults = org.faults.striking(request)
    instead = (response for fault in faults if (response := fault.instead(org, request)))
    response = next(instead, None) or answer()
    for fault in faults:
        response = fault.spoiled(org, request, response)
    return response


def _answer(org: Org, request: Request) -> Response:
    data = _DATA.fullmatch(request.path)
    if data:
        return _guarded(org, request, data["version"], data["rest"])
    if _LIST.fullmatch(request.path):
        return versions.every(Exchange(org, request))
    soap = _SOAP.fullmatch(request.path)
    if soap:
        return login(Exchange(org, request, soap["version"]))
    identity = _IDENTITY.fullmatch(request.path)
    page = PAGES.get("/id" if identity else request.path.rstrip("/"))
    if page:
        return page(Exchange(org, request, params=identity.groupdict() if identity else {}))
    return Response(404, b"<html><body><h1>URL No Longer Exists</h1></body></html>", {"Content-Type": "text/html"})


def _limited(org: Org, response: Response) -> Response:
    """The answer with the header that tells how much of the day's allowance is spent."""
    if response.status in _UNMETERED or response.headers.get("Content-Type", "").startswith("text/html"):
        return response
    return replace(response, headers={**response.headers, "Sforce-Limit-Info": org.limits.header})


def _guarded(org: Org, request: Request, version: str, path: str) -> Response:
    try:
        versions.check(version)
        session = _session(org, request)
        org.limits.spend(org.clock.now())
        return _routed(Exchange(org, request, version, session, inner=_inner), path)
    except SalesforceError as error:
        return refusal(error)


def _inner(exchange: Exchange, request: Request) -> Response:
    """The answer to a request within another, in whose session it runs."""

    def answer() -> Response:
        named = _DATA.fullmatch(request.path)
        try:
            versions.check(named["version"] if named else "")
            inside = replace(exchange, request=request, version=named["version"] if named else "")
            return _routed(inside, named["rest"] if named else "")
        except SalesforceError as error:
            return refusal(error)

    return _spoiled(exchange.org, request, answer)


def _routed(exchange: Exchange, path: str) -> Response:
    """The answer of the resource at this path below the version."""
    for route in ROUTES:
        named = route.path.fullmatch(path)
        if named is None or float(exchange.version) < route.since:
            continue
        method = "GET" if exchange.request.method == "HEAD" else exchange.request.method
        handler = route.handlers.get(method)
        if handler is None:
            allowed = ",".join(route.handlers)
            text = f"HTTP Method '{exchange.request.method}' not allowed. Allowed are {allowed}"
            raise SalesforceError("METHOD_NOT_ALLOWED", text, status=405, code_first=True)
        return handler(replace(exchange, params=named.groupdict()))
    raise not_found()


def _session(org: Org, request: Request) -> Session:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    session = org.grants.session(token.strip()) if scheme.lower() in {"bearer", "oauth"} else None
    if session is None:
        raise SalesforceError("INVALID_SESSION_ID", "Session expired or invalid", status=401)
    if not session.user.api_enabled:
        raise SalesforceError("API_CURRENTLY_DISABLED", "API is disabled for this User", status=403)
    if not {"api", "full"} & set(session.scope.split()):
        text = "This session is not valid for use with the REST API"
        raise SalesforceError("INVALID_SESSION_ID", text, status=401)
    return session
