"""
What Salesforce sent, as columns of text: a Bulk 2.0 result page (CSV) or a REST query page (JSON).

Source of the CSV's form: Bulk API 2.0 Developer Guide, "Get Results for a Query Job" (`query_get_job_results.htm`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyarrow import csv

BLOCK = 4 << 20
"""Bytes of CSV parsed at once; a row must fit in one block, so a longer row makes the block the whole page."""

NO_ROWS = b"Records not found for this query"

WRONG_COUNT = re.compile(r"Expected (?P<expected>\d+) columns, got (?P<found>\d+)")
OF_COLUMN = re.compile(r"In CSV column #(?P<number>\d+): ")
"""What Arrow's reader says of a page that it can't read."""


@dataclass(frozen=True, slots=True)
class CsvRows:
    """A result page: columns of text, null where Salesforce has no value."""

    table: pa.Table

    @property
    def num_rows(self) -> int:
        """How many rows there are."""
        return int(self.table.num_rows)

    @property
    def size(self) -> int:
        """Bytes held in memory."""
        return int(self.table.nbytes)

    def blocks(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows in blocks, each a few megabytes."""
        yield from self.table.to_batches()


@dataclass(frozen=True, slots=True)
class JsonRows:
    """A query page: for each row a field's name to the JSON text of its value; `size` in bytes."""

    rows: Sequence[Mapping[str, Any]]
    size: int

    @property
    def num_rows(self) -> int:
        """How many rows there are."""
        return len(self.rows)

    def tokens(self, name: str) -> pa.Array:
        """
        Return the JSON texts of one field.

        Raises ValueError where a row lacks the field that was asked for.
        """
        try:
            return pa.array([bytes(row[name]) for row in self.rows], pa.binary()).cast(pa.string())
        except KeyError:
            return pa.array([bytes(_any_case(row, name)) for row in self.rows], pa.binary()).cast(pa.string())


def _any_case(row: Mapping[str, Any], name: str) -> Any:
    for found, value in row.items():
        if found.casefold() == name.casefold():
            return value
    raise ValueError("a row lacks this field, which was asked for")


def parse_csv(body: bytes, names: Sequence[str]) -> CsvRows:
    """
    Read a result page, its columns in the order of the names.

    Raises ValueError for bytes that are not whole rows of these columns in UTF-8.
    """
    if not body or body.isspace() or body.startswith(NO_ROWS):
        return _no_rows(names)
    _refuse_torn(body)
    header = _header(body)
    missing = [name for name in names if name.casefold() not in header]
    if missing:
        raise ValueError(f"the columns {', '.join(missing)} are missing")
    if b"\n" not in body:
        return _no_rows(names)
    table = _read(body, list(header.values()), BLOCK)
    return CsvRows(table.select([header[name.casefold()] for name in names]).rename_columns(list(names)))


def _no_rows(names: Sequence[str]) -> CsvRows:
    return CsvRows(pa.table({name: pa.array([], pa.string()) for name in names}))


def _refuse_torn(body: bytes) -> None:
    """Refuse what ends within a value or between two: Arrow would take it for a row."""
    if body.count(b'"') % 2 or not body.endswith((b"\n", b'"')):
        raise ValueError("the last row is cut")


def _header(body: bytes) -> dict[str, str]:
    line = body[: body.find(b"\n")] if b"\n" in body else body
    names = [name.strip().strip('"') for name in line.decode("utf-8-sig").strip("\r").split(",")]
    return {name.casefold(): name for name in names}


def _read(body: bytes, names: list[str], block: int) -> pa.Table:
    try:
        return csv.read_csv(
            pa.BufferReader(body),
            read_options=csv.ReadOptions(use_threads=False, block_size=block, column_names=names, skip_rows=1),
            parse_options=csv.ParseOptions(newlines_in_values=True),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        )
    except pa.ArrowInvalid as error:
        if block >= len(body):
            raise ValueError(_reason(error, names)) from None
        return _read(body, names, len(body) + 1)


def _reason(error: pa.ArrowInvalid, names: Sequence[str]) -> str:
    """Say what is wrong without quoting the row: it may hold what must not be logged."""
    text = str(error)
    if count := WRONG_COUNT.search(text):
        return f"a row has {count['found']} columns, not {count['expected']}"
    if column := OF_COLUMN.match(text):
        return f"field {names[int(column['number'])]}: its text is not UTF-8"
    return "it can't be read as CSV"
