"""
Columns to Singer RECORD lines: what happens to a field is decided once a page, never once a cell.

The plain twin is `plain`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from tap_salesforce_ci.encode.columns import (
    SPELLING,
    USUAL_INTEGER,
    USUAL_NUMBER,
    Column,
    Kind,
)
from tap_salesforce_ci.encode.pages import CsvRows, JsonRows

NULL = "null"
NO_VALUE = pa.array([NULL, '""'])
"""What REST prints for null; Salesforce stores no empty text."""

LARGEST_PIECE = 1 << 20
"""Bytes of whole lines handed over at once."""

LARGEST_BLOCK = 32 << 20
"""Bytes of text turned into lines at once; Arrow's strings end at 2 GB."""

MUST_ESCAPE = bytes([*range(0x20), ord('"'), ord("\\")])
NEEDS_NO_ESCAPE = bytes(byte for byte in range(256) if byte not in MUST_ESCAPE)
ESCAPES = {chr(byte): json.dumps(chr(byte))[1:-1] for byte in MUST_ESCAPE}
BACKSLASH_FIRST = sorted(ESCAPES, key=lambda character: character != "\\")

TRUTHS = pa.array(["true", "false"])
NOT_DIGITS = bytes(byte for byte in range(256) if byte not in b"0123456789")
SEPARATORS = {4: b"-", 7: b"-", 10: b"T", 13: b":", 16: b":", 19: b".", 23: b"Z"}
"""Where what stands in a dateTime of the usual form, which is all digits else."""

DATETIME_LENGTH = 24


@dataclass(frozen=True, slots=True)
class Tokens:
    """A column as it stands in the lines: JSON texts, or the insides of JSON strings."""

    texts: pa.Array
    in_quotes: bool = False


def escaped(texts: pa.Array) -> pa.Array:
    """Return the insides of JSON strings for the texts; null stays null."""
    unsafe = set(bytes(_data_of(texts)).translate(None, NEEDS_NO_ESCAPE))
    for character in BACKSLASH_FIRST:
        if ord(character) in unsafe:
            texts = pc.replace_substring(texts, pattern=character, replacement=ESCAPES[character])
    return texts


def quoted(insides: pa.Array) -> Tokens:
    """Leave the quotes to the text around where every row has a value; else put them on, and `null` for null."""
    if insides.null_count == 0:
        return Tokens(insides, in_quotes=True)
    return Tokens(pc.binary_join_element_wise('"', insides, '"', "").fill_null(NULL))


def _is_true(flags: pa.Array) -> bool:
    return bool(pc.all(flags, min_count=0).as_py())


def _are_usual_datetimes(texts: pa.Array) -> bool:
    """Say whether all are of the usual form, told by the bytes of all at once: the cells are equally long."""
    count = len(texts) - texts.null_count
    shortest_longest = pc.min_max(pc.binary_length(texts)).as_py()
    if count and set(shortest_longest.values()) != {DATETIME_LENGTH}:
        return False
    data = bytes(_data_of(texts))
    if any(data[place::DATETIME_LENGTH].count(mark) != count for place, mark in SEPARATORS.items()):
        return False
    return len(data.translate(None, NOT_DIGITS)) == count * (DATETIME_LENGTH - len(SEPARATORS))


USUAL: dict[Kind, Callable[[pa.Array], bool]] = {
    Kind.NUMBER: lambda texts: _is_true(pc.match_substring_regex(texts, pattern=USUAL_NUMBER)),
    Kind.INTEGER: lambda texts: _is_true(pc.match_substring_regex(texts, pattern=USUAL_INTEGER)),
    Kind.BOOLEAN: lambda texts: _is_true(pc.or_(pc.is_in(texts, value_set=TRUTHS), pc.is_null(texts))),
    Kind.DATETIME: _are_usual_datetimes,
}
"""Whether a whole column is in its usual form, as `columns` has it for one cell."""


def _respelled(texts: pa.Array, kind: Kind) -> pa.Array:
    """Put each value in its usual form; the slow way, for the rare page that has an unusual one."""
    spell = SPELLING[kind]
    return pa.array([None if text is None else spell(text) for text in texts.to_pylist()], pa.string())


def from_csv(texts: pa.Array, kind: Kind) -> Tokens:
    """Return a CSV column as it stands in the lines; raises ValueError for a value that is not of its kind."""
    if kind is Kind.TEXT:
        return quoted(escaped(texts))
    if not USUAL[kind](texts):
        texts = _respelled(texts, kind)
    return quoted(texts) if kind is Kind.DATETIME else Tokens(texts.fill_null(NULL))


def from_json(tokens: pa.Array, kind: Kind) -> Tokens:
    """Return a REST column as it stands in the lines; raises ValueError for a value that is not of its kind."""
    if kind is Kind.TEXT:
        return Tokens(_text_from_json(tokens))
    if kind is Kind.DATETIME:
        tokens = pc.replace_substring_regex(tokens, pattern=r'([.][0-9]{3})\+0000"$', replacement=r'\1Z"')
    is_null = pc.is_in(tokens, value_set=NO_VALUE)
    bare = pc.if_else(is_null, None, pc.utf8_trim(tokens, characters='"'))
    return from_csv(bare, kind)


def _text_from_json(tokens: pa.Array) -> pa.Array:
    """Leave JSON strings as they are; anything else is written as the text of itself, an empty string as null."""
    tokens = pc.if_else(pc.is_in(tokens, value_set=NO_VALUE), NULL, tokens)
    strings = pc.or_(pc.starts_with(tokens, '"'), pc.equal(tokens, NULL))
    if _is_true(strings):
        return tokens
    return pc.if_else(strings, tokens, pc.binary_join_element_wise('"', escaped(tokens), '"', ""))


class JsonLines:
    """
    Writes rows as lines of JSON: the fields' names and values between a head and a tail.

    The columns stand in the order of the query's fields.
    """

    def __init__(self, columns: Sequence[Column], head: str = "{") -> None:
        self._columns = tuple(columns)
        self._head = head

    def block(self, block: pa.RecordBatch, tail: str = "}\n") -> Iterator[memoryview]:
        """
        Yield whole lines for a block of text columns.

        Raises ValueError, naming the field, for a value that is not what the describe says it is.
        """
        for part in _parts(block):
            yield from self._lines(part.num_rows, _csv_column(part), tail)

    def _lines(self, num_rows: int, tokens: Callable[[Column], Tokens], tail: str) -> Iterator[memoryview]:
        if num_rows == 0:
            return
        parts: list[pa.Array | str] = []
        text = self._head
        for number, column in enumerate(self._columns):
            text += ("," if number else "") + json.dumps(column.name) + ":"
            if column.vanished:
                text += NULL
                continue
            found = self._tokens(column, tokens)
            quote = '"' if found.in_quotes else ""
            parts += [text + quote, found.texts]
            text = quote
        yield from _pieces(_joined([*parts, text + tail], num_rows))

    def _tokens(self, column: Column, tokens: Callable[[Column], Tokens]) -> Tokens:
        try:
            return tokens(column)
        except ValueError as error:
            raise ValueError(f"field {column.name}: {error}") from None


class RecordLines(JsonLines):
    """
    Writes the RECORD lines of one stream.

    `version` is the table version of a full-table read.
    """

    def __init__(self, stream: str, columns: Sequence[Column], version: int | None = None) -> None:
        super().__init__(columns, f'{{"type":"RECORD","stream":{json.dumps(stream)},"record":{{')
        self._version = "" if version is None else f',"version":{version:d}'

    def encode(self, rows: CsvRows | JsonRows, time_extracted: str) -> Iterator[memoryview]:
        """
        Yield blocks of whole lines for a page; `time_extracted` is RFC 3339.

        Raises ValueError, naming the field, for a value that is not what the describe says it is.
        """
        tail = f'}}{self._version},"time_extracted":{json.dumps(time_extracted)}}}\n'
        if isinstance(rows, JsonRows):
            yield from self._lines(rows.num_rows, lambda column: from_json(rows.tokens(column.name), column.kind), tail)
            return
        for block in rows.blocks():
            yield from self.block(block, tail)


def _csv_column(batch: pa.RecordBatch) -> Callable[[Column], Tokens]:
    return lambda column: from_csv(batch.column(column.name), column.kind)


def _parts(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    rows = max(1, int(batch.num_rows * LARGEST_BLOCK / max(1, batch.nbytes)))
    for start in range(0, batch.num_rows, rows):
        yield batch.slice(start, rows)


def _joined(parts: Sequence[pa.Array | str], num_rows: int) -> pa.Array:
    if all(isinstance(part, str) for part in parts):
        return pa.array(["".join(parts)] * num_rows)
    return pc.binary_join_element_wise(*parts, "")


def _pieces(lines: pa.Array) -> Iterator[memoryview]:
    """Cut a block between lines, so that a signal need not wait for all of it to be written."""
    size = memoryview(lines.buffers()[2]).nbytes
    rows = max(1, len(lines) * LARGEST_PIECE // max(1, size))
    for start in range(0, len(lines), rows):
        yield _data_of(lines.slice(start, rows))


def _data_of(texts: pa.Array) -> memoryview:
    """Return the texts one behind the other: that is how Arrow holds them already, so nothing is copied."""
    offsets = memoryview(texts.buffers()[1]).cast("i")
    start, end = offsets[texts.offset], offsets[texts.offset + len(texts)]
    data = texts.buffers()[2]
    return memoryview(b"") if data is None else memoryview(data)[start:end]
