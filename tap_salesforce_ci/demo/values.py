"""
How a value is kept in the org and printed by each API.

Kept: text as `str`, numbers as `int`, `Decimal` or `Number`, booleans, base64 as `bytes`, and moments as the
text Bulk prints (`2024-01-01T00:00:00.000Z`), whose alphabetical order is the order of time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from tap_salesforce_ci.demo.clock import UTC
from tap_salesforce_ci.demo.ids import canonical

INTEGERS = frozenset({"int", "long"})
FRACTIONS = frozenset({"double", "currency", "percent"})
NUMBERS = INTEGERS | FRACTIONS
IDS = frozenset({"id", "reference"})
COMPOUNDS = frozenset({"address", "location"})

_MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(?:Z|([+-])(\d\d):?(\d\d))?")
_KEPT_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z")

json_text = partial(json.dumps, ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True)
class Number:
    """A number whose digits differ between REST and Bulk, as `950000000.0` and `9.5E8` do."""

    rest: str
    bulk: str

    @property
    def value(self) -> Decimal:
        """The number itself, for comparing."""
        return Decimal(self.rest)


def moment_text(when: datetime) -> str:
    """A moment as it is kept: UTC, whole seconds, which is all Salesforce stores."""
    utc = when.astimezone(UTC) if when.tzinfo else when
    return utc.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0") + ".000Z"


def moment(text: str) -> datetime:
    """The moment an ISO 8601 text names, in any of the forms Salesforce takes; no zone means UTC."""
    parts = _MOMENT.fullmatch(text)
    if not parts:
        raise ValueError(text)
    clock, fraction, sign, hours, minutes = parts.groups(default="")
    naive = datetime.fromisoformat(clock).replace(microsecond=int(fraction[:6].ljust(6, "0")), tzinfo=UTC)
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    return naive + offset if sign == "-" else naive - offset


def kept(kind: str, value: Any) -> Any:
    """A value of a field of this type as the org keeps it; an empty text is no value at all."""
    if value is None or value == "":
        return False if kind == "boolean" else None
    if isinstance(value, str):
        return _kept_text(kind, value)
    keep = next((keep for python, keep in _KEPT if isinstance(value, python)), None)
    return keep(value) if keep else value


def _time_text(value: time) -> str:
    return value.strftime("%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"


# A datetime is a date too, so it comes first.
_KEPT: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (datetime, moment_text),
    (date, date.isoformat),
    (time, _time_text),
    (float, lambda value: Decimal(repr(value))),
)


def _kept_text(kind: str, text: str) -> str:
    if kind == "datetime":
        return text if _KEPT_MOMENT.fullmatch(text) else moment_text(moment(text))
    if kind == "email":
        return text.lower()
    if kind in IDS:
        return canonical(text) or text
    return text


def plain_digits(value: Decimal | int) -> str:
    """A double as REST prints it: no exponent, always a fraction, no needless zeros."""
    text = format(Decimal(value), "f")
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction.rstrip('0') or '0'}"


def _whole(value: Any) -> str:
    return str(int(value))


def _rest_integer(value: Any) -> str:
    return value.rest if isinstance(value, Number) else _whole(value)


def _rest_fraction(value: Any) -> str:
    return value.rest if isinstance(value, Number) else plain_digits(value)


def _rest_moment(value: str) -> str:
    return f'"{value[:-1]}+0000"'


def _rest_any(value: Any) -> str:
    if isinstance(value, (int, Decimal, Number)) and not isinstance(value, bool):
        return _rest_integer(value) if isinstance(value, int) else _rest_fraction(value)
    return json_text(value)


def _truth(value: Any) -> str:
    return "true" if value else "false"


def rest_printer(kind: str) -> Callable[[Any], str]:
    """How REST writes a value of this type into JSON; never asked about null."""
    if kind in INTEGERS:
        return _rest_integer
    if kind in FRACTIONS:
        return _rest_fraction
    return {"boolean": _truth, "datetime": _rest_moment, "anyType": _rest_any}.get(kind, json_text)


def _bulk_integer(value: Any) -> str:
    return value.bulk if isinstance(value, Number) else _whole(value)


def _bulk_fraction(value: Any) -> str:
    return value.bulk if isinstance(value, Number) else plain_digits(value)


def _bulk_any(value: Any) -> str:
    if isinstance(value, bool):
        return _truth(value)
    if isinstance(value, int):
        return str(value)
    return _bulk_fraction(value) if isinstance(value, (Decimal, Number)) else str(value)


def bulk_printer(kind: str) -> Callable[[Any], str]:
    """How Bulk writes a value of this type into a CSV cell, before quoting; never asked about null."""
    if kind in INTEGERS:
        return _bulk_integer
    if kind in FRACTIONS:
        return _bulk_fraction
    return {"boolean": _truth, "anyType": _bulk_any}.get(kind, str)
