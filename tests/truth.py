"""What a table should hold, from the emulated org's own store: the same values in the tap's spelling."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tap_salesforce_ci.demo.org import Number, Org

Record = dict[str, Any]


def expected(
    org: Org, object_name: str, schema: Mapping[str, Any], *, key: str = "Id"
) -> dict[tuple[Any, ...], Record]:
    """Return an object's rows by key, deleted ones included, with the fields that a schema has."""
    properties = schema["properties"]
    return {
        (row[key],): {
            name: in_singer(value, text="string" in properties[name]["type"])
            for name, value in row.items()
            if name in properties
        }
        for row in org.rows(object_name)
    }


def in_singer(value: Any, *, text: bool) -> Any:
    """Return a stored value as a record holds it: numbers compare by value, an anyType is the text of its scalar."""
    if isinstance(value, Number):
        value = Decimal(value.rest)
    if value is None or value == "":
        return None
    if not text or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    printed = str(value) if isinstance(value, int) else f"{value.normalize():f}"
    # A fraction is always printed.
    return printed if isinstance(value, int) or "." in printed else f"{printed}.0"
