"""
A Bulk 2.0 result page (CSV) as columns of text, parsed block by block, so that it need never lie in one piece.

Source of the CSV's form: Bulk API 2.0 Developer Guide, "Get Results for a Query Job" (`query_get_job_results.htm`):
a header line, every value in quotes, `"` doubled, line breaks as they are stored.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa
from pyarrow import csv

from tap_salesforce_ci.encode.pages import CsvRows

BLOCK = 4 << 20
"""Bytes of CSV parsed at once, cut at the end of a row; a longer row makes its block longer."""

NO_ROWS = b"Records not found for this query"
COMMA, LINE_FEED, QUOTE = b',\n"'
MOST_DOUBTFUL = 64
"""Line breaks looked at from a block's end on, before its quotes are counted."""

WRONG_COUNT = re.compile(r"Expected (?P<expected>\d+) columns, got (?P<found>\d+)")
OF_COLUMN = re.compile(r"In CSV column #(?P<number>\d+): ")
"""What Arrow's reader says of a block that it can't read."""


class Body(Protocol):
    """What came, in blocks, as often as it is asked for; `in_memory` says that it lies there unpacked."""

    @property
    def in_memory(self) -> bool:
        """Whether there is room for all of it."""
        ...

    @property
    def packed_in_memory(self) -> int:
        """Bytes that it takes in memory where it does not lie there unpacked."""
        ...

    def blocks(self) -> Iterator[bytes]:
        """Yield it in blocks."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


@dataclass(frozen=True, slots=True)
class PackedRows:
    """A result page for which there is no room: it has been read and counted, and is read again part by part."""

    body: Body
    names: Sequence[str]
    num_rows: int

    @property
    def size(self) -> int:
        """Bytes held in memory."""
        return self.body.packed_in_memory

    def parts(self) -> Iterator[CsvRows]:
        """Yield the rows, a few megabytes at a time, once."""
        for table in _tables(self.body, self.names):
            yield CsvRows(table)
        self.body.close()


def read_result_page(body: Body, names: Sequence[str]) -> CsvRows | PackedRows:
    """
    Read a result page, its columns in the order of the names.

    Raises ValueError for bytes that are not whole rows of these columns in UTF-8.
    """
    if not body.in_memory:
        return PackedRows(body, names, sum(table.num_rows for table in _tables(body, names, counted=True)))
    tables = list(_tables(body, names))
    return CsvRows(pa.concat_tables(tables) if tables else pa.table({name: pa.array([], pa.string()) for name in names}))


def _tables(body: Body, names: Sequence[str], *, counted: bool = False) -> Iterator[pa.Table]:
    """Yield the rows block by block; where they are only counted, with one column."""
    parser: _Parser | None = None
    for block in row_blocks(body.blocks()):
        if block.isspace():
            continue
        if parser is None:
            if block.startswith(NO_ROWS):
                return
            parser = _Parser(block, names, counted=counted)
            if not block[block.find(b"\n") :].strip() or b"\n" not in block:
                continue
            yield parser.table(block, skip=1)
        else:
            yield parser.table(block)


class _Parser:
    """Parses blocks of rows below the header that the first block begins with."""

    def __init__(self, block: bytes, names: Sequence[str], *, counted: bool) -> None:
        header = _header(block)
        missing = [name for name in names if name.casefold() not in header]
        if missing:
            raise ValueError(f"the columns {', '.join(missing)} are missing")
        self._all = list(header.values())
        self._names = list(names)[:1] if counted else list(names)
        self._counted = counted
        self._parse = csv.ParseOptions(newlines_in_values=True)
        self._convert = csv.ConvertOptions(
            column_types=dict.fromkeys(self._all, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
            include_columns=[header[name.casefold()] for name in self._names],
        )

    def table(self, block: bytes, *, skip: int = 0) -> pa.Table:
        if self._counted:
            _refuse_other_text(block)
        options = csv.ReadOptions(
            use_threads=False, block_size=len(block) + 1, column_names=self._all, skip_rows=skip
        )
        try:
            table = csv.read_csv(pa.BufferReader(block), options, self._parse, self._convert)
        except pa.ArrowInvalid as error:
            raise ValueError(_reason(error, self._all)) from None
        return table.rename_columns(self._names)


def _header(block: bytes) -> dict[str, str]:
    line = block[: block.find(b"\n")] if b"\n" in block else block
    names = [name.strip().strip('"') for name in line.decode("utf-8-sig").strip("\r").split(",")]
    return {name.casefold(): name for name in names}


def _refuse_other_text(block: bytes) -> None:
    """Refuse, where only one column is converted, what would be refused when they all are."""
    try:
        _ = block.isascii() or block.decode()
    except UnicodeDecodeError:
        raise ValueError("its text is not UTF-8") from None


def _reason(error: pa.ArrowInvalid, names: Sequence[str]) -> str:
    """Say what is wrong without quoting the row: it may hold what must not be logged."""
    text = str(error)
    if count := WRONG_COUNT.search(text):
        return f"a row has {count['found']} columns, not {count['expected']}"
    if column := OF_COLUMN.match(text):
        return f"field {names[int(column['number'])]}: its text is not UTF-8"
    return "it can't be read as CSV"


# Where rows end


def row_blocks(parts: Iterator[bytes], size: int = BLOCK) -> Iterator[bytes]:
    """
    Yield the same bytes in blocks of about `size` that end where rows end.

    Raises ValueError where the last row is cut.
    """
    waiting: list[bytes] = []
    length, enough = 0, size
    for part in parts:
        waiting.append(part)
        length += len(part)
        if length < enough:
            continue
        block = b"".join(waiting)
        end = _end_of_rows(block)
        # Where no row ends, only twice as much is worth another look.
        enough = size if end else 2 * length
        waiting = [block[end:]] if end else [block]
        length -= end
        if end:
            yield block[:end]
    rest = b"".join(waiting)
    if rest and not rest.isspace():
        _refuse_torn(rest)
        yield rest


def _refuse_torn(rest: bytes) -> None:
    """Refuse what ends within a value or between two: Arrow would take it for a row."""
    if rest.startswith(NO_ROWS):
        return
    if rest.count(b'"') % 2 or not rest.endswith((b"\n", b'"')):
        raise ValueError("the last row is cut")


def _end_of_rows(block: bytes) -> int:
    """Return where the last row ends of a block that begins with a row; 0 where none does."""
    end = len(block)
    for _ in range(MOST_DOUBTFUL):
        end = block.rfind(b'"\n', 0, end)
        if end < 0:
            break
        if _closes_a_value(block, end):
            return end + 2
    return _end_by_count(block)


def _closes_a_value(block: bytes, quote: int) -> bool:
    """
    Say whether a quote surely closes a value, by what stands before it.

    Behind an ordinary character, quotes within a value come in pairs, so one too many closes it. Behind a comma or a
    line break nothing is sure: it may belong to the value or not.
    """
    before = quote
    while before and block[before - 1] == QUOTE:
        before -= 1
    return before > 0 and block[before - 1] not in {COMMA, LINE_FEED} and (quote - before) % 2 == 0


def _end_by_count(block: bytes) -> int:
    """Return where the last row ends: a line break is one between rows where the quotes before it are even."""
    end = block.rfind(b"\n")
    quotes = block.count(b'"', 0, max(end, 0))
    while end >= 0 and quotes % 2:
        earlier = block.rfind(b"\n", 0, end)
        quotes -= block.count(b'"', max(earlier, 0), end)
        end = earlier
    return end + 1
