"""
Columns to lines of JSON: what happens to a field is decided once a page, never once a cell.

A line is the values and, between two of them, the quotes and the name that belong there; these depend on which of
the two neighbours has a value. What can be told of several columns at once is: at 500 fields, calls for each of them
are what a block costs. The plain twin is `plain`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
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
from tap_salesforce_ci.encode.interleave import data_of, interleaved
from tap_salesforce_ci.encode.pages import PageRows

NULL = "null"

LARGEST_PIECE = 1 << 20
"""Bytes of whole lines handed over at once."""

LARGEST_BLOCK = 24 << 20
"""
Bytes of lines made at once, of which the names of many fields can be more than their values.

Several times as much memory is in use while they are made; Arrow's strings end at 2 GB.
"""

FIRST_PRINTABLE = 0x20
MUST_ESCAPE = bytes([*range(FIRST_PRINTABLE), ord('"'), ord("\\")])
NEEDS_NO_ESCAPE = bytes(byte for byte in range(256) if byte not in MUST_ESCAPE)
ESCAPES = {byte: json.dumps(chr(byte))[1:-1] for byte in sorted(MUST_ESCAPE, key=lambda byte: byte != ord("\\"))}
"""What is written for a character; for the backslash first, as the others' have one."""

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
    if unsafe:
        for byte, escape in ESCAPES.items():
            if byte in unsafe:
                texts = pc.replace_substring(texts, pattern=chr(byte), replacement=escape)
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


def _are_as_written(texts: pa.Array, kind: Kind) -> bool:
    """Say whether all values of a kind, or none, can be written as they were printed."""
    return _are_datetimes(texts, BULK_DATETIME) if kind is Kind.DATETIME else _are_usual(texts, kind)


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
        self._names = [f"{',' if number else ''}{json.dumps(column.name)}:" for number, column in enumerate(columns)]
        self._columns = tuple(columns)
        self._around = sum(len(name) + len(QUOTE + QUOTE) for name in self._names)
        there = [column for column in columns if not column.vanished]
        kinds = [kind for kind in Kind if kind is not Kind.TEXT]
        self._alike = {kind: [column.name for column in there if column.kind is kind] for kind in kinds}

    def encode(self, rows: PageRows, head: str, tail: str) -> Iterator[memoryview]:
        """
        Yield blocks of whole lines for a page.

        Raises ValueError, naming the field, for a value that is not what the describe says it is.
        """
        around = len(head) + self._around + len(tail)
        for batch in rows.blocks():
            for part in _parts(batch, around):
                yield from self._lines(part, head, tail)

    def _lines(self, batch: pa.RecordBatch, head: str, tail: str) -> Iterator[memoryview]:
        usual = self._usual_kinds(batch)
        values: list[pa.Array] = []
        between: list[Sequence[str]] = []
        middle, closing = head, ""
        for column, name in zip(self._columns, self._names, strict=True):
            middle += name
            texts = None if column.vanished else batch.column(column.name)
            if texts is None or not data_of(texts):
                middle += NULL
                continue
            value = _spelled(texts, column, usual)
            between.append(_around_missing(closing, middle, value.opening))
            values.append(value.texts)
            middle, closing = "", value.closing
        between.append(_around_missing(closing, middle + tail, ""))
        return interleaved(values, between, batch.num_rows, LARGEST_PIECE)

    def _usual_kinds(self, batch: pa.RecordBatch) -> set[Kind]:
        """Return the kinds of which each value is in its usual form, all columns of a kind looked at together."""
        return {
            kind
            for kind, names in self._alike.items()
            if names and _are_as_written(pa.concat_arrays([batch.column(name) for name in names]), kind)
        }


def _spelled(texts: pa.Array, column: Column, usual: Collection[Kind]) -> Spelled:
    if column.kind in usual:
        around = QUOTE if column.kind is Kind.DATETIME else ""
        return Spelled(texts, around, around)
    try:
        return spelled(texts, column.kind)
    except ValueError as error:
        raise ValueError(f"field {column.name}: {error}") from None


def _around_missing(closing: str, middle: str, opening: str) -> tuple[str, str, str, str]:
    """Return what stands between two values: where neither of them is there, only the left, only the right, both."""
    return middle + NULL, closing + middle + NULL, middle + opening, closing + middle + opening


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
