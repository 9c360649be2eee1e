"""
What Salesforce sent, as columns of text: a page is read once, whichever API it came from.

A Bulk 2.0 result page is CSV (Bulk API 2.0 Developer Guide, "Get Results for a Query Job",
`query_get_job_results.htm`), a REST query page holds JSON records (`json_records`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
from pyarrow import csv

SMALLEST_BLOCK = 4 << 20
LARGEST_BLOCK = 32 << 20
BLOCK_PER_COLUMN = 64 << 10
"""
Bytes of CSV that are parsed, and later written, at once. A block has some thousand rows, so that the calls that each
column takes weigh little, and no more than that, so that a column stays in the processor's caches. A row must fit in
one block, so a longer row makes the block the whole page.
"""

NO_ROWS = b"Records not found for this query"

CLOSES_A_VALUE = re.compile(rb'[^",\r\n]"\r?\n\Z')
"""A quote that can neither open a value nor be half of a doubled one: the last line is whole."""

END = 8
"""Bytes that tell how a page ends."""

WRONG_COUNT = re.compile(r"Expected (?P<expected>\d+) columns, got (?P<found>\d+)")
OF_COLUMN = re.compile(r"In CSV column #(?P<number>\d+): ")
"""What Arrow's reader says of a page that it can't read."""


@dataclass(frozen=True, slots=True)
class Rows:
    """
    The rows of a page: for each field a column of what Salesforce printed, as text.

    A text has no quotes or escapes of CSV or JSON around it; it is empty where Salesforce has no value (it stores no
    empty text).
    """

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

    def text(self, row: int, name: str) -> str | None:
        """Return one field of one row (-1: the last), None where it has no value or was not asked for."""
        if name not in self.table.column_names or not self.num_rows:
            return None
        return self.table.column(name)[row].as_py() or None


def no_rows(names: Sequence[str]) -> Rows:
    """Return a page of these fields that holds nothing."""
    return Rows(pa.table({name: pa.array([], pa.string()) for name in names}))


def parse_csv(body: bytes, names: Sequence[str]) -> Rows:
    """
    Read a result page, its columns in the order of the names.

    Raises ValueError for bytes that are not whole rows of these columns in UTF-8.
    """
    if not body or body.isspace() or body.startswith(NO_ROWS):
        return no_rows(names)
    _refuse_torn(body)
    header = _header(body)
    missing = [name for name in names if name.casefold() not in header]
    if missing:
        raise ValueError(f"the columns {', '.join(missing)} are missing")
    if b"\n" not in body:
        return no_rows(names)
    table = _read(body, list(header.values()), _block(len(header)))
    return Rows(table.select([header[name.casefold()] for name in names]).rename_columns(list(names)))


def _refuse_torn(body: bytes) -> None:
    """Refuse what ends within a value or between two: Arrow would take it for a row."""
    if CLOSES_A_VALUE.search(body[-END:]):
        return
    if body.count(b'"') % 2 or not body.endswith((b"\n", b'"')):
        raise ValueError("the last row is cut")


def _header(body: bytes) -> dict[str, str]:
    line = body[: body.find(b"\n")] if b"\n" in body else body
    names = [name.strip().strip('"') for name in line.decode("utf-8-sig").strip("\r").split(",")]
    return {name.casefold(): name for name in names}


def _block(columns: int) -> int:
    return max(SMALLEST_BLOCK, min(LARGEST_BLOCK, columns * BLOCK_PER_COLUMN))


def _read(body: bytes, names: list[str], block: int) -> pa.Table:
    try:
        return csv.read_csv(
            pa.BufferReader(body),
            read_options=csv.ReadOptions(use_threads=False, block_size=block, column_names=names, skip_rows=1),
            parse_options=csv.ParseOptions(newlines_in_values=True),
            convert_options=csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
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
