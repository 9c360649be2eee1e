"""The versions of the API the org speaks, and what stands at the root of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_salesforce_ci.demo.refusals import SalesforceError, not_found
from tap_salesforce_ci.demo.wire import json_response

if TYPE_CHECKING:
    from tap_salesforce_ci.demo.exchange import Exchange
    from tap_salesforce_ci.demo.wire import Response

# https://help.salesforce.com/s/articleView?id=005321531 - versions 21.0 to 30.0 went in Summer '25.
OLDEST, NEWEST, FIRST = 31, 68, 7
_SEASONS = ("Summer", "Winter", "Spring")
_RESOURCES = (
    "tooling",
    "metadata",
    "eclair",
    "folders",
    "prechatForms",
    "chatter",
    "tabs",
    "appMenu",
    "quickActions",
    "queryAll",
    "commerce",
    "wave",
    "iot",
    "analytics",
    "search",
    "smartdatadiscovery",
    "identity",
    "composite",
    "parameterizedSearch",
    "theme",
    "nouns",
    "event",
    "serviceTemplates",
    "recent",
    "connect",
    "licensing",
    "limits",
    "process",
    "jobs",
    "dedupe",
    "query",
    "ui-api",
    "sobjects",
    "actions",
    "support",
)


def every(exchange: Exchange) -> Response:
    """The versions the org speaks, the oldest first; free, and open to all."""
    del exchange
    listed = [
        {"label": _label(number), "url": f"/services/data/v{number}.0", "version": f"{number}.0"}
        for number in range(OLDEST, NEWEST + 1)
    ]
    return json_response(listed)


def resources(exchange: Exchange) -> Response:
    """The paths below a version."""
    paths = {name: f"{exchange.root}/{name}" for name in _RESOURCES}
    user = exchange.session.user.id if exchange.session else ""
    paths["identity"] = f"{exchange.org.instance_url}/id/{exchange.org.id}/{user}"
    return json_response(paths)


def check(version: str) -> None:
    """Refuse a version that is retired or not yet there."""
    number, _, minor = version.partition(".")
    if minor != "0" or not number.isdigit() or not FIRST <= int(number) <= NEWEST:
        raise not_found()
    if int(number) < OLDEST:
        text = f"API version {version} is no longer supported; the oldest supported version is {OLDEST}.0"
        raise SalesforceError("GONE", text, status=410, code_first=True)


def _label(number: int) -> str:
    """Three releases a year; 31.0 was Summer '14, and a Winter release is named for the year to come."""
    years, season = divmod(number - OLDEST, 3)
    return f"{_SEASONS[season]} '{14 + years + (season > 0)}"
