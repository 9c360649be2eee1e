"""What a column is, and how a value of each kind reads when it is not in its usual form."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from enum import Enum


class Kind(Enum):
    """How the values of a field are written as JSON."""

    TEXT = "text"
    """A JSON string of what Salesforce says, whatever it looks like; dates and times of day are text too."""
    NUMBER = "number"
    """A JSON number, digit for digit."""
    INTEGER = "integer"
    """A JSON number without a fraction."""
    BOOLEAN = "boolean"
    DATETIME = "datetime"
    """RFC 3339 in UTC with milliseconds, ending in Z."""


@dataclass(frozen=True, slots=True)
class Column:
    """A property of the record: the field's exact API name, and its kind. A vanished field is written as null."""

    name: str
    kind: Kind
    vanished: bool = False


USUAL = {
    Kind.NUMBER: r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,4})?",
    Kind.INTEGER: r"0|-?[1-9][0-9]*",
    Kind.BOOLEAN: r"true|false",
}
"""What needs no other spelling, as regular expressions that Python and RE2 read alike."""

ANY_DIGIT_AS_ZERO = bytes.maketrans(b"123456789", b"000000000")
BULK_DATETIME = b"0000-00-00T00:00:00.000Z"
REST_DATETIME = b"0000-00-00T00:00:00.000+0000"
"""How the two APIs print moments, all digits as zeros."""

_USUAL_NUMBER = re.compile(USUAL[Kind.NUMBER])
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?")
_MOMENT = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)[T ](?P<time>\d\d:\d\d:\d\d)(?:\.(?P<fraction>\d+))?(?P<offset>Z|[+-]\d\d:?\d\d)?",
    re.ASCII,
)


def number(text: str) -> str:
    """
    Return a JSON number with the digits of the text.

    Raises ValueError for what is no finite number.
    """
    if _USUAL_NUMBER.fullmatch(text):
        return text
    if _NUMBER.fullmatch(text) is None:
        raise ValueError(f"{text[:40]!r} is not a number")
    return str(Decimal(text))


def integer(text: str) -> str:
    """
    Return a JSON number without a fraction.

    Raises ValueError for what is no whole number.
    """
    value = Decimal(number(text))
    if value != value.to_integral_value():
        raise ValueError(f"{text[:40]!r} is not a whole number")
    return str(int(value))


def boolean(text: str) -> str:
    """Return `true` or `false`; raises ValueError for anything else."""
    if text.lower() not in {"true", "false"}:
        raise ValueError(f"{text[:40]!r} is neither true nor false")
    return text.lower()


def moment(text: str) -> str:
    """
    Return the moment in the one spelling the tap uses: `2024-01-01T00:00:00.000Z`.

    Raises ValueError for what is no moment.
    """
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:40]!r} is not a dateTime")
    fraction = (match["fraction"] or "").ljust(3, "0")
    offset = (match["offset"] or "Z").replace(":", "")
    if offset in {"Z", "+0000", "-0000"}:
        return f"{match['day']}T{match['time']}.{fraction}Z"
    try:
        local = datetime.strptime(f"{match['day']}T{match['time']}{offset}", "%Y-%m-%dT%H:%M:%S%z")
        utc = local.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        raise ValueError(f"{text[:40]!r} is not a dateTime") from None
    return f"{utc.isoformat()[:19]}.{fraction}Z"


SPELLING = {Kind.NUMBER: number, Kind.INTEGER: integer, Kind.BOOLEAN: boolean, Kind.DATETIME: moment}
"""How a cell's text of each kind is put in its usual form; TEXT has no form but its own."""
