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
from tap_salesforce_ci.encode.pages import CsvRows, JsonRows


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


def records(rows: CsvRows | JsonRows, columns: Sequence[Column]) -> Iterator[dict[str, Any]]:
    """
    Yield a record for each row; numbers with a fraction are Decimals.

    Raises ValueError, naming the field, for a value that is not what the describe says it is.
    """
    if isinstance(rows, CsvRows):
        for row in rows.table.to_pylist():
            yield {column.name: None if column.vanished else _cell(column, row[column.name]) for column in columns}
        return
    named = [column for column in columns if not column.vanished]
    texts = [_tokens(rows, column) for column in named]
    for tokens in zip(*texts, strict=True):
        found = {column.name: _cell(column, _text(token)) for column, token in zip(named, tokens, strict=True)}
        yield {column.name: found.get(column.name) for column in columns}


def _tokens(rows: JsonRows, column: Column) -> list[str]:
    try:
        return list(rows.tokens(column.name).to_pylist())
    except ValueError as error:
        raise ValueError(f"field {column.name}: {error}") from None


def _text(printed: str) -> str | None:
    """Return what CSV would hold for a JSON value: a string's own text, anything else as it is printed."""
    if printed == "null":
        return None
    return (json.loads(printed) or None) if printed.startswith('"') else printed


def _cell(column: Column, text: str | None) -> Any:
    if text is None:
        return None
    if column.kind is Kind.TEXT:
        return text
    try:
        spelled = SPELLING[column.kind](text)
    except ValueError as error:
        raise ValueError(f"field {column.name}: {error}") from None
    return spelled if column.kind is Kind.DATETIME else json.loads(spelled, parse_float=PrintedNumber)
