"""The REST API: versions, describes, queries, limits, records."""

from __future__ import annotations

import re
import zlib
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from tap_salesforce_ci.demo.clock import UTC
from tap_salesforce_ci.demo.exchange import Exchange
from tap_salesforce_ci.demo.ids import canonical
from tap_salesforce_ci.demo.records import Printing, answer
from tap_salesforce_ci.demo.refusals import SalesforceError, not_found
from tap_salesforce_ci.demo.values import json_text
from tap_salesforce_ci.demo.wire import Response, http_date, json_bytes, json_response

if TYPE_CHECKING:
    from datetime import datetime

    from tap_salesforce_ci.demo.cursors import Cursor
    from tap_salesforce_ci.demo.sobject import SObject

# https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/headers_queryoptions.htm
SMALLEST_BATCH, LARGEST_BATCH = 200, 2_000
_BATCH = re.compile(r"batchSize\s*=\s*(\d+)", re.IGNORECASE)
_VERSION = re.compile(r"/services/data/v[^/\"]+/")
# Addresses a describe tells and the list of objects does not.
_DESCRIBE_URLS = frozenset({"defaultValues", "eventSeriesUpdates", "uiDetailTemplate", "uiEditTemplate", "uiNewRecord"})
_GLOBAL_KEYS = (
    "activateable",
    "associateEntityType",
    "associateParentEntity",
    "createable",
    "custom",
    "customSetting",
    "deepCloneable",
    "deletable",
    "deprecatedAndHidden",
    "feedEnabled",
    "hasSubtypes",
    "isInterface",
    "isSubtype",
    "keyPrefix",
    "label",
    "labelPlural",
    "layoutable",
    "mergeable",
    "mruEnabled",
    "name",
    "queryable",
    "replicateable",
    "retrieveable",
    "searchable",
    "triggerable",
    "undeletable",
    "updateable",
)


def describe_global(exchange: Exchange) -> Response:
    """Every object the user may see."""
    objects = sorted(exchange.org.objects.values(), key=lambda source: source.name)
    entries = ",".join(_entry(exchange, source) for source in objects)
    text = f'{{"encoding":"UTF-8","maxBatchSize":200,"sobjects":[{entries}]}}'
    return _conditional(exchange, exchange.org.listing_changed(), text)


def sobject(exchange: Exchange) -> Response:
    """The basics of one object."""
    source = _source(exchange)
    return json_bytes(f'{{"objectDescribe":{_entry(exchange, source)},"recentItems":[]}}')


def describe(exchange: Exchange) -> Response:
    """All there is to know of one object."""
    source = _source(exchange)
    body = {**source.describe, "urls": _urls(exchange, source)}
    text = _VERSION.sub(f"{exchange.root}/", json_text(body))
    return _conditional(exchange, source.changed.show(), text)


def query(exchange: Exchange) -> Response:
    """The first page of a query."""
    org = exchange.org
    deleted = exchange.params["resource"].lower() == "queryall"
    found = org.query(exchange.request.query.get("q", ""))
    shuffle = org.shuffle() if found.sorts else None
    records = found.records(deleted=deleted, shuffle=shuffle)
    if found.counts_only:
        return json_bytes(answer(len(records), []))
    if found.aggregates or found.group:
        texts = Printing(exchange.root, org, deleted).page(found, records)
        return json_bytes(answer(len(texts), texts))
    cursor = org.cursors.open(found, records, deleted=deleted, page_rows=_batch(exchange))
    return _page(exchange, cursor, 0)


def query_more(exchange: Exchange) -> Response:
    """A later page of a query."""
    cursor, offset = exchange.org.cursors.at(exchange.params["locator"])
    return _page(exchange, cursor, offset)


def _page(exchange: Exchange, cursor: Cursor, offset: int) -> Response:
    end = offset + cursor.page_rows
    printing = Printing(exchange.root, exchange.org, cursor.deleted)
    texts = printing.page(cursor.query, cursor.records[offset:end])
    more = f"{exchange.root}/query/{cursor.locator}-{end}" if end < len(cursor.records) else None
    return json_bytes(answer(len(cursor.records), texts, more))


def _batch(exchange: Exchange) -> int:
    """Rows on a page: what was asked within what is allowed, and never more than the org is set to."""
    asked = _BATCH.search(exchange.request.headers.get("sforce-query-options", ""))
    wanted = min(max(int(asked[1]), SMALLEST_BATCH), LARGEST_BATCH) if asked else LARGEST_BATCH
    return min(wanted, exchange.org.rest_page_rows)


def row(exchange: Exchange) -> Response:
    """One record, whole or the fields asked for."""
    source, identifier, found = _record(exchange)
    wanted = exchange.request.query.get("fields")
    fields = list(source.fields.values())
    if wanted:
        names = [name.strip().lower() for name in wanted.split(",")]
        unknown = [name for name in names if name not in source.fields]
        if unknown:
            text = f"No such column '{unknown[0]}' on sobject of type {source.name}"
            raise SalesforceError("INVALID_FIELD", text)
        fields = [source.fields[name] for name in names]
    return json_bytes(Printing(exchange.root, exchange.org).row(source, identifier, found, fields))


def blob(exchange: Exchange) -> Response:
    """The bytes of a base64 field."""
    source, _, found = _record(exchange)
    field = source.fields.get(exchange.params["field"].lower())
    if field is None or field.type != "base64" or found.get(field.name) is None:
        raise not_found()
    value = found[field.name]
    body = value if isinstance(value, bytes) else str(value).encode()
    return Response(200, body, {"Content-Type": "application/octetstream"})


def limits(exchange: Exchange) -> Response:
    """What the org may still be asked today."""
    return json_response(exchange.org.limits.body)


def record_count(exchange: Exchange) -> Response:
    """How many records objects have, about; objects nobody counted are left out."""
    org = exchange.org
    asked = [name.strip() for name in exchange.request.query.get("sObjects", "").split(",") if name.strip()]
    sources = [org.find(name) for name in asked] if asked else list(org.objects.values())
    counts = [
        {"count": org.record_counts.get(source.name, _count(source)), "name": source.name}
        for source in sources
        if source and source.rows
    ]
    return json_response({"sObjects": counts})


def _count(source: SObject) -> int:
    return sum(1 for _, row in source.in_id_order() if not row.get("IsDeleted"))


def _record(exchange: Exchange) -> tuple[SObject, str, dict[str, Any]]:
    source = _source(exchange)
    identifier = canonical(exchange.params["id"])
    if identifier is None:
        text = f"Provided external ID field does not exist or is not accessible: {exchange.params['id']}"
        raise SalesforceError("NOT_FOUND", text, status=404, code_first=True)
    found = source.rows.get(identifier)
    if found is None:
        raise not_found()
    if found.get("IsDeleted"):
        raise SalesforceError("ENTITY_IS_DELETED", "entity is deleted", status=404, fields=())
    return source, identifier, found


def _source(exchange: Exchange) -> SObject:
    found = exchange.org.find(exchange.params["object"])
    if found is None:
        raise not_found()
    return found


def _entry(exchange: Exchange, source: SObject) -> str:
    entry = {key: source.describe.get(key) for key in _GLOBAL_KEYS}
    urls = {name: url for name, url in _urls(exchange, source).items() if name not in _DESCRIBE_URLS}
    return _VERSION.sub(f"{exchange.root}/", json_text({**entry, "urls": urls}))


def _urls(exchange: Exchange, source: SObject) -> dict[str, str]:
    """Where the object is to be had: as its describe says, or at least the three addresses every object has."""
    here = f"{exchange.root}/sobjects/{source.name}"
    return source.describe.get("urls") or {
        "rowTemplate": f"{here}/{{ID}}",
        "describe": f"{here}/describe",
        "sobject": here,
    }


def _conditional(exchange: Exchange, changed: datetime, text: str) -> Response:
    """The answer, or 304 when nothing changed since the client last asked."""
    headers = {"ETag": f'"{zlib.crc32(text.encode()):08x}"', "Last-Modified": http_date(changed)}
    since = _since(exchange.request.headers.get("if-modified-since", ""))
    return Response(304, b"", headers) if since and changed <= since else json_bytes(text, headers=headers)


def _since(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text).astimezone(UTC)
    except ValueError:
        return None
