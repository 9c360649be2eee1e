"""
The catalog as text, straight from the definitions.

The SDK makes a stream, a schema object and a metadata object of every field first, which takes most of the time of a
large org's discovery; a test holds the two catalogs equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from tap_salesforce_ci import schema
from tap_salesforce_ci.client.describe import Field
from tap_salesforce_ci.definitions import FULL_TABLE, INCREMENTAL, Definition

INDENT = 2
HEAD, TAIL = msgspec.json.format(b'{"streams":[0]}', indent=INDENT).split(b"0")
UNSUPPORTED = {"inclusion": "unsupported"}
AUTOMATIC = {"inclusion": "automatic"}


def catalog_text(definitions: Iterable[Definition], *, select_fields: bool) -> bytes:
    """Return the catalog of these streams, all of them selected, as JSON that a person can read."""
    # An entry is written as soon as there is one: describes of other objects may still be on their way.
    entries = b",\n".join(_entries(definitions, select_fields=select_fields))
    return b"".join((HEAD, entries, TAIL, b"\n")) if entries else b'{"streams": []}\n'


def _entries(definitions: Iterable[Definition], *, select_fields: bool) -> Iterator[bytes]:
    available = {"inclusion": "available", "selected-by-default": select_fields}
    for definition in definitions:
        alone = msgspec.json.encode({"streams": [_entry(definition, available)]})
        yield msgspec.json.format(alone, indent=INDENT)[len(HEAD) : -len(TAIL)]


def _entry(definition: Definition, available: dict[str, Any]) -> dict[str, Any]:
    key = {"replication_key": definition.replication_key} if definition.replication_key else {}
    return {
        "tap_stream_id": definition.name,
        **key,
        "replication_method": INCREMENTAL if key else FULL_TABLE,
        "key_properties": definition.keys,
        "schema": definition.json_schema,
        "stream": definition.name,
        "metadata": [*_of_fields(definition, available), {"breadcrumb": (), "metadata": _of_stream(definition)}],
    }


def _of_fields(definition: Definition, available: dict[str, Any]) -> Iterator[dict[str, Any]]:
    automatic = {*definition.keys, definition.replication_key}
    for field in definition.sobject.fields if definition.sobject else ():
        yield {"breadcrumb": ("properties", field.name), "metadata": _of_field(field, automatic, available)}


def _of_field(field: Field, automatic: set[str | None], available: dict[str, Any]) -> dict[str, Any]:
    if schema.unsupported(field):
        return UNSUPPORTED
    return AUTOMATIC if field.name in automatic else available


def _of_stream(definition: Definition) -> dict[str, Any]:
    key = definition.replication_key
    keys = {"replication-key": key, "valid-replication-keys": [key]} if key else {}
    selection = {"inclusion": "available", "selected": True, "selected-by-default": True}
    return {**selection, "table-key-properties": definition.keys, **keys}
