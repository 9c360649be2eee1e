"""
Rows as dicts, one cell at a time: the obvious way, which the fast way must agree with.

The SDK's own record path takes these under stream maps, flattening and `--test`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from tap_salesforce_ci.encode.columns import SPELLING, Column, Kind
from tap_salesforce_ci.encode.pages import PageRows


class PrintedNumber(Decimal):
    """A number that is written with the digits it was read with; what is computed with it is a plain Decimal."""

    _printed: str

    def __new__(cls, printed: str) -> PrintedNumber:  # noqa: PYI034 - Self is not in Python 3.10
        """Read a JSON number."""
        number = super().__new__(cls, printed)
        number._printed = printed
        return number

    def __str__(self) -> str:
        return self._printed


def records(rows: PageRows, columns: Sequence[Column]) -> Iterator[dict[str, Any]]:
    """
    Yield a record for each row; numbers with a fraction are Decimals.

    Raises ValueError, naming the field, for a value that is not what the describe says it is.
    """
    for row in rows.table.to_pylist():
        yield {column.name: None if column.vanished else _cell(column, row[column.name]) for column in columns}


def _cell(column: Column, text: str) -> Any:
    if not text:
        return None
    if column.kind is Kind.TEXT:
        return text
    try:
        spelled = SPELLING[column.kind](text)
    except ValueError as error:
        raise ValueError(f"field {column.name}: {error}") from None
    return spelled if column.kind is Kind.DATETIME else json.loads(spelled, parse_float=PrintedNumber)
