"""
A Bulk 2.0 result page (CSV) as columns of text, parsed block by block, so that it need never lie in one piece.

Source of the CSV's form: Bulk API 2.0 Developer Guide, "Get Results for a Query Job" (`query_get_job_results.htm`):
a header line, every value in quotes, `"` doubled, line breaks as they are stored.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa
from pyarrow import csv

from tap_salesforce_ci.encode.pages import Rows, no_rows

BLOCK = 4 << 20
"""Bytes of CSV parsed at once, cut at the end of a row; a longer row makes its block longer."""

LONGEST_HEADER = 1 << 20
"""Bytes of a header line: far more than the names of all fields that an object can have."""

NO_ROWS = b"Records not found for this query"
COMMA, LINE_FEED, QUOTE = b',\n"'
MOST_DOUBTFUL = 64
"""Line breaks looked at from a block's end on, before its quotes are counted."""

WRONG_COUNT = re.compile(r"Expected (?P<expected>\d+) columns, got (?P<found>\d+)")
OF_COLUMN = re.compile(r"In CSV column #(?P<number>\d+): ")
"""What Arrow's reader says of a block that it can't read."""


class Body(Protocol):
    """What came, to be read once more."""

    @property
    def packed_in_memory(self) -> int:
        """Bytes that it takes in memory."""
        ...

    def parts(self) -> Iterator[bytes]:
        """Yield it from its beginning."""
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

    def parts(self) -> Iterator[Rows]:
        """Yield the rows, a few megabytes at a time."""
        tables = _Tables(self.names)
        for part in self.body.parts():
            yield from map(Rows, tables.of(part))
        yield from map(Rows, tables.of_the_rest())


class ResultPageParser:
    """
    Reads a result page as it comes, its columns in the order of the names; `size` is what the rows take in memory.

    Once they are dropped, the rows are only counted, and are read again from what came. Raises ValueError for bytes
    that are not whole rows of these columns in UTF-8.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.size = 0
        self._names = names
        self._reading = _Tables(names)
        self._tables: list[pa.Table] = []
        self._num_rows = 0
        self._dropped = False

    def feed(self, part: bytes) -> None:
        """Read on."""
        self._take(self._reading.of(part))

    def drop(self) -> None:
        """Hold no rows."""
        self._tables.clear()
        self.size = 0
        self._dropped = True
        self._reading.counting = True

    def rows(self, body: Body) -> Rows | PackedRows:
        """Return the page's rows, all of which have come."""
        self._take(self._reading.of_the_rest())
        if self._dropped:
            return PackedRows(body, self._names, self._num_rows)
        return Rows(pa.concat_tables(self._tables)) if self._tables else no_rows(self._names)

    def _take(self, tables: Iterable[pa.Table]) -> None:
        for table in tables:
            self._num_rows += table.num_rows
            if not self._dropped:
                self._tables.append(table)
                self.size += table.nbytes


class _Tables:
    """Makes tables of a page, block by block; where they are only counted, they have one column."""

    def __init__(self, names: Sequence[str]) -> None:
        self.counting = False
        self._names = list(names)
        self._blocks = RowBlocks(BLOCK)
        self._beginning = b""
        self._header: dict[str, str] = {}

    def of(self, part: bytes) -> Iterator[pa.Table]:
        """Yield what is whole by now."""
        yield from map(self._read, self._blocks.add(part if self._header else self._behind_header(part)))

    def of_the_rest(self) -> Iterator[pa.Table]:
        """Yield what came last; raises ValueError where it is cut."""
        if not self._header and self._beginning and not self._beginning.startswith(NO_ROWS):
            _refuse_torn(self._beginning)
            self._read_header(self._beginning)
        rest = self._blocks.rest()
        if rest:
            yield self._read(memoryview(rest))

    def _behind_header(self, part: bytes) -> bytes:
        """Return what stands behind the header line, once it has come."""
        self._beginning = (self._beginning + part).lstrip(b"\r\n")
        line, ending, rows = self._beginning.partition(b"\n")
        if len(line) > LONGEST_HEADER:
            raise ValueError("it has no header line")
        if not ending or line.startswith(NO_ROWS):
            return b""
        self._read_header(line)
        return rows

    def _read_header(self, line: bytes) -> None:
        self._header = _header(line)
        missing = [name for name in self._names if name.casefold() not in self._header]
        if missing:
            raise ValueError(f"the columns {', '.join(missing)} are missing")

    def _read(self, block: memoryview) -> pa.Table:
        if self.counting and not _is_utf8(block):
            raise ValueError("its text is not UTF-8")
        found, names = list(self._header.values()), self._names[:1] if self.counting else self._names
        try:
            table = csv.read_csv(
                pa.BufferReader(block),
                csv.ReadOptions(use_threads=False, block_size=len(block) + 1, column_names=found),
                csv.ParseOptions(newlines_in_values=True),
                csv.ConvertOptions(
                    check_utf8=not _is_utf8(block),
                    column_types=dict.fromkeys(found, pa.string()),
                    include_columns=[self._header[name.casefold()] for name in names],
                ),
            )
        except pa.ArrowInvalid as error:
            raise ValueError(_reason(error, found)) from None
        return table.rename_columns(names)


def _header(line: bytes) -> dict[str, str]:
    names = [name.strip().strip('"') for name in line.decode("utf-8-sig").strip("\r\n").split(",")]
    return {name.casefold(): name for name in names}


def _is_utf8(block: memoryview) -> bool:
    """Say whether all is UTF-8: told of a block at once, it costs a fraction of what it costs of each value."""
    offsets = pa.py_buffer(struct.pack("=2i", 0, len(block)))
    text = pa.Array.from_buffers(pa.string(), 1, [None, offsets, pa.py_buffer(block)])
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _reason(error: pa.ArrowInvalid, names: Sequence[str]) -> str:
    """Say what is wrong without quoting the row: it may hold what must not be logged."""
    text = str(error)
    if count := WRONG_COUNT.search(text):
        return f"a row has {count['found']} columns, not {count['expected']}"
    if column := OF_COLUMN.match(text):
        return f"field {names[int(column['number'])]}: its text is not UTF-8"
    return "it can't be read as CSV"


# Where rows end


class RowBlocks:
    """
    Puts bytes together in blocks of about `size` that begin and end where rows do.

    They come in one buffer, used again and again: fresh memory for each block costs more than to copy it.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._buffer = bytearray(size)
        self._length = 0

    def add(self, part: bytes) -> Iterator[memoryview]:
        """Yield the blocks that are whole by now; each holds until the next one is asked for."""
        coming = memoryview(part)
        while coming:
            end = min(len(self._buffer), self._length + len(coming))
            taken = end - self._length
            self._buffer[self._length : end] = coming[:taken]
            self._length, coming = end, coming[taken:]
            if end == len(self._buffer):
                yield from self._whole_rows()

    def _whole_rows(self) -> Iterator[memoryview]:
        end = _end_of_rows(self._buffer)
        if not end:
            self._buffer = self._buffer + bytes(len(self._buffer))
            return
        yield memoryview(self._buffer)[:end]
        torn = self._buffer[end:]
        self._length = len(torn)
        if len(self._buffer) > self._size > self._length:
            self._buffer = bytearray(self._size)
        self._buffer[: self._length] = torn

    def rest(self) -> bytes:
        """Return what came last; raises ValueError where it ends within a row."""
        rest = bytes(self._buffer[: self._length])
        if rest.isspace():
            return b""
        if rest:
            _refuse_torn(rest)
        return rest


def _refuse_torn(rest: bytes) -> None:
    """Refuse what ends within a value or between two: Arrow would take it for a row."""
    last = len(rest.rstrip(b"\r\n")) - 1
    if rest.startswith(NO_ROWS) or (rest[last] == QUOTE and last < len(rest) - 1 and _closes_a_value(rest, last)):
        return
    if rest.count(b'"') % 2 or not rest.endswith((b"\n", b'"')):
        raise ValueError("the last row is cut")


def _end_of_rows(block: bytearray) -> int:
    """Return where the last row ends of a block that begins with a row; 0 where none does."""
    end = len(block)
    for _ in range(MOST_DOUBTFUL):
        end = block.rfind(b'"\n', 0, end)
        if end < 0:
            break
        if _closes_a_value(block, end):
            return end + 2
    return _end_by_count(block)


def _closes_a_value(block: bytes | bytearray, quote: int) -> bool:
    """
    Say whether a quote surely closes a value, by what stands before it.

    Behind an ordinary character, quotes within a value come in pairs, so one too many closes it. Behind a comma or a
    line break nothing is sure: it may belong to the value or not.
    """
    before = quote
    while before and block[before - 1] == QUOTE:
        before -= 1
    return before > 0 and block[before - 1] not in {COMMA, LINE_FEED} and (quote - before) % 2 == 0


def _end_by_count(block: bytearray) -> int:
    """Return where the last row ends: a line break is one between rows where the quotes before it are even."""
    end = block.rfind(b"\n")
    quotes = block.count(b'"', 0, max(end, 0))
    while end >= 0 and quotes % 2:
        earlier = block.rfind(b"\n", 0, end)
        quotes -= block.count(b'"', max(earlier, 0), end)
        end = earlier
    return end + 1
