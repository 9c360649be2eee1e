"""
Columns to lines of JSON: what happens to a field is decided once a page, never once a cell.

A line is the values and, between two of them, the quotes and the name that belong there; these depend on which of
the two neighbours has a value. The plain twin is `plain`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from tap_salesforce_ci.encode.columns import (
    ANY_DIGIT_AS_ZERO,
    BULK_DATETIME,
    REST_DATETIME,
    SPELLING,
    USUAL,
    Column,
    Kind,
)
from tap_salesforce_ci.encode.forwarded import ForwardedRecords, pieces
from tap_salesforce_ci.encode.interleave import ONE, Interleaved, data_of
from tap_salesforce_ci.encode.pages import PageRows

NULL = "null"

LARGEST_PIECE = 1 << 20
"""Bytes of whole lines handed over at once."""

LARGEST_BLOCK = 48 << 20
"""
Bytes of lines made at once, of which the names of many fields can be more than their values.

Arrow's strings end at 2 GB.
"""

AROUND_VALUE = len('"":"",')

FIRST_PRINTABLE = 0x20
MUST_ESCAPE = bytes([*range(FIRST_PRINTABLE), ord('"'), ord("\\")])
NEEDS_NO_ESCAPE = bytes(byte for byte in range(256) if byte not in MUST_ESCAPE)
ESCAPES = {chr(byte): json.dumps(chr(byte))[1:-1] for byte in MUST_ESCAPE}
BACKSLASH_FIRST = sorted(ESCAPES, key=lambda character: character != "\\")

SECONDS_END = 23
"""Where the seconds of a moment end, however an API prints it; what stands behind them is UTC."""

QUOTE = '"'


@dataclass(frozen=True, slots=True)
class Spelled:
    """A column as it stands in the lines: its texts, and what stands before and behind each that is not empty."""

    texts: pa.Array
    opening: str = ""
    closing: str = ""


def escaped(texts: pa.Array) -> pa.Array:
    """Return the insides of JSON strings for the texts."""
    unsafe = _unsafe_in(data_of(texts))
    for character in BACKSLASH_FIRST:
        if ord(character) in unsafe:
            texts = pc.replace_substring(texts, pattern=character, replacement=ESCAPES[character])
    return texts


def _unsafe_in(data: memoryview) -> set[int]:
    """Return which bytes must be escaped: for texts that have none, told by their least byte and two searches."""
    if not data:
        return set()
    found = bytes(data)
    numbers = pa.Array.from_buffers(pa.uint8(), len(found), [None, pa.py_buffer(found)])
    if pc.min_max(numbers)["min"].as_py() >= FIRST_PRINTABLE and b'"' not in found and b"\\" not in found:
        return set()
    return set(found.translate(None, NEEDS_NO_ESCAPE))


def _is_true(flags: pa.Array) -> bool:
    return bool(pc.all(flags, min_count=0).as_py())


def _are_datetimes(texts: pa.Array, form: bytes) -> bool:
    """Say whether all are of a form or empty, told by the bytes of all at once: they are equally long."""
    lengths = pc.binary_length(texts)
    if not _is_true(pc.or_(pc.equal(lengths, len(form)), pc.equal(lengths, 0))):
        return False
    data = bytes(data_of(texts))
    count = len(data) // len(form)
    return data.translate(ANY_DIGIT_AS_ZERO) == form * count and data.count(form[SECONDS_END:]) == count


def _are_usual(texts: pa.Array, kind: Kind) -> bool:
    """Say whether all match the pattern of their kind or are empty: one match of the column, a line each."""
    if b"\n" in bytes(data_of(texts)):
        return False
    column = pa.ListArray.from_arrays(pa.array([0, len(texts)], pa.int32()), texts)
    return _is_true(pc.match_substring_regex(pc.binary_join(column, "\n"), pattern=_COLUMN_OF[kind]))


_COLUMN_OF = {kind: rf"\A(?:(?:{pattern})?\n)*(?:{pattern})?\z" for kind, pattern in USUAL.items()}


def _respelled(texts: pa.Array, kind: Kind) -> pa.Array:
    """Put each value in its usual form; the slow way, for the rare page that has an unusual one."""
    spell = SPELLING[kind]
    return pa.array([spell(text) if text else "" for text in texts.to_pylist()], pa.string())


def spelled(texts: pa.Array, kind: Kind) -> Spelled:
    """
    Return a column as it stands in the lines; what is empty stays empty.

    Raises ValueError for a value that is not of its kind.
    """
    if kind is Kind.TEXT:
        return Spelled(escaped(texts), QUOTE, QUOTE)
    if kind is Kind.DATETIME:
        return _spelled_datetimes(texts)
    return Spelled(texts if _are_usual(texts, kind) else _respelled(texts, kind))


def _spelled_datetimes(texts: pa.Array) -> Spelled:
    if _are_datetimes(texts, BULK_DATETIME):
        return Spelled(texts, QUOTE, QUOTE)
    if _are_datetimes(texts, REST_DATETIME):
        moments = pc.binary_slice(texts.view(pa.binary()), 0, SECONDS_END)
        return Spelled(moments.view(pa.string()), QUOTE, "Z" + QUOTE)
    return Spelled(_respelled(texts, Kind.DATETIME), QUOTE, QUOTE)


class JsonLines:
    """
    Writes rows as lines of JSON: a head, the columns as members of an object in their order, a tail.

    The columns stand in the order of the query's fields.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = tuple(columns)
        self._names = sum(len(column.name.encode()) + AROUND_VALUE for column in columns)

    def encode(self, rows: PageRows, head: str, tail: str) -> Iterator[memoryview]:
        """
        Yield blocks of whole lines for a page.

        Raises ValueError, naming the field, for a value that is not what the describe says it is.
        """
        around = len(head) + self._names + len(tail)
        for batch in rows.blocks():
            for part in _parts(batch, around):
                yield from self._lines(part, head, tail).pieces(LARGEST_PIECE)

    def _lines(self, batch: pa.RecordBatch, head: str, tail: str) -> Interleaved:
        line = _Line(head, batch.num_rows)
        for number, column in enumerate(self._columns):
            line.middle += f"{',' if number else ''}{json.dumps(column.name)}:"
            if column.vanished:
                line.add_null()
            else:
                line.add(_spelled(batch, column))
        return line.ended(tail)


def _spelled(batch: pa.RecordBatch, column: Column) -> Spelled:
    try:
        return spelled(batch.column(column.name), column.kind)
    except ValueError as error:
        raise ValueError(f"field {column.name}: {error}") from None


class _Line:
    """
    The parts of a block's lines, from the left to the right.

    `middle` is the text that stands between the last value and the next.
    """

    def __init__(self, head: str, num_rows: int) -> None:
        self.middle = head
        self._parts = Interleaved(num_rows)
        self._closing = ""
        self._has_value: pa.Array | None = None
        """1 where the last value is there and 0 where it is not; None where all or none are."""

    def add(self, column: Spelled) -> None:
        """Add a column; the texts that are empty are written as null."""
        has_value = pc.min_element_wise(pc.binary_length(column.texts), ONE)
        count = pc.sum(has_value).as_py()
        if not count:
            self.add_null()
            return
        some = None if count == len(column.texts) else has_value
        self._add_between(some, column.opening)
        self._parts.add(column.texts)
        self.middle, self._closing, self._has_value = "", column.closing, some

    def add_null(self) -> None:
        """Add a column that has no value in any row."""
        self.middle += NULL

    def ended(self, tail: str) -> Interleaved:
        """Return the parts, the tail among them."""
        self.middle += tail
        self._add_between(None, "")
        return self._parts

    def _add_between(self, some: pa.Array | None, opening: str) -> None:
        """Add what stands between the last value and the next; row by row where that depends on them."""
        closed = [self._closing] if self._has_value is None or not self._closing else ["", self._closing]
        opened = [opening] if some is None else [NULL, opening]
        texts = [before + self.middle + behind for behind in opened for before in closed]
        self._parts.add_one_of(texts, _choice(self._has_value if len(closed) > 1 else None, some))


def _choice(closing: pa.Array | None, opening: pa.Array | None) -> pa.Array | None:
    """Return the place of each row's text among those for all cases; None where there is but one."""
    if closing is None or opening is None:
        return opening if closing is None else closing
    return pc.add(closing, pc.shift_left(opening, ONE))


class RecordLines:
    """Writes the RECORD lines of one stream, the columns in the order of the query's fields."""

    def __init__(self, stream: str, columns: Sequence[Column]) -> None:
        self._lines = JsonLines(columns)
        self._forwarded = ForwardedRecords(columns)
        self._head = f'{{"type":"RECORD","stream":{json.dumps(stream)},"record":'

    def encode(self, rows: PageRows, time_extracted: str, version: int | None = None) -> Iterator[memoryview]:
        """
        Yield blocks of whole lines for a page.

        `time_extracted` is RFC 3339, `version` the table version of a full-table read. Raises ValueError, naming the
        field, for a value that is not what the describe says it is.
        """
        told = "" if version is None else f',"version":{version:d}'
        tail = f'{told},"time_extracted":{json.dumps(time_extracted)}}}\n'
        if not rows.printed:
            yield from self._lines.encode(rows, self._head + "{", "}" + tail)
        for part in rows.printed:
            objects = self._forwarded.objects(part.array)
            if objects is None:
                yield from self._lines.encode(part.read(), self._head + "{", "}" + tail)
            else:
                yield from pieces(objects, self._head.encode(), tail.encode(), LARGEST_PIECE)


def _parts(batch: pa.RecordBatch, around: int) -> Iterator[pa.RecordBatch]:
    """Cut a block where there are many rows to it; `around` its values, each line has so many bytes more."""
    size = batch.nbytes + around * batch.num_rows
    rows = max(1, batch.num_rows * LARGEST_BLOCK // max(1, size))
    for start in range(0, batch.num_rows, rows):
        yield batch.slice(start, rows)
