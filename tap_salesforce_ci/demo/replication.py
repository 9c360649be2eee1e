"""
Which records changed or were deleted in a stretch of time.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_getupdated.htm
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tap_salesforce_ci.demo.exchange import Exchange
from tap_salesforce_ci.demo.refusals import SalesforceError, not_found
from tap_salesforce_ci.demo.values import moment, moment_text
from tap_salesforce_ci.demo.wire import Response, json_response

if TYPE_CHECKING:
    from tap_salesforce_ci.demo.sobject import SObject

_UPDATED_REACH, _DELETED_REACH = timedelta(days=30), timedelta(days=15)


def updated(exchange: Exchange) -> Response:
    """The ids of records changed in the stretch."""
    source, start, end = _asked(exchange, _UPDATED_REACH)
    stamp = "SystemModstamp" if source.has("SystemModstamp") else "LastModifiedDate"
    low, high = moment_text(start), moment_text(end)
    ids = [
        identifier
        for identifier, row in source.in_id_order()
        if not row.get("IsDeleted") and low <= (row.get(stamp) or "") <= high
    ]
    return json_response({"ids": ids, "latestDateCovered": _printed(min(end, exchange.org.clock.now()))})


def deleted(exchange: Exchange) -> Response:
    """The ids of records deleted in the stretch, and when."""
    source, start, end = _asked(exchange, _DELETED_REACH)
    now = exchange.org.clock.now()
    found = [
        {"id": identifier, "deletedDate": _printed(when)}
        for identifier, when in source.deletions
        if start <= when <= end
    ]
    return json_response(
        {
            "deletedRecords": found,
            "earliestDateAvailable": _printed(now - _DELETED_REACH),
            "latestDateCovered": _printed(min(end, now)),
        }
    )


def _asked(exchange: Exchange, reach: timedelta) -> tuple[SObject, datetime, datetime]:
    source = exchange.org.find(exchange.params["object"])
    if source is None:
        raise not_found()
    if not source.describe.get("replicateable", True):
        raise SalesforceError("INVALID_TYPE_FOR_OPERATION", f"object type {source.name} is not replicable")
    asked = exchange.request.query
    try:
        # Seconds are ignored.
        start, end = (moment(asked[key].replace(" ", "+")).replace(second=0, microsecond=0) for key in ("start", "end"))
    except (KeyError, ValueError):
        raise SalesforceError("INVALID_FIELD", "start and end must be dateTimes in ISO 8601 format") from None
    if start >= end:
        raise SalesforceError("INVALID_REPLICATION_DATE", "startDate and endDate must be at least 1 minute apart")
    if start < exchange.org.clock.now() - reach:
        raise SalesforceError("INVALID_REPLICATION_DATE", f"startDate cannot be more than {reach.days} days ago")
    return source, start, end


def _printed(when: datetime) -> str:
    return moment_text(when).replace("Z", "+0000")
