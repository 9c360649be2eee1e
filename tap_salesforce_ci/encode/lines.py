"""
Columns to Singer RECORD lines: what happens to a field is decided once a page, never once a cell.

The plain twin is `plain`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from tap_salesforce_ci.encode.columns import (
    SPELLING,
    USUAL_DATETIME,
    USUAL_INTEGER,
    USUAL_NUMBER,
    Column,
    Kind,
)
from tap_salesforce_ci.encode.pages import CsvRows, JsonRows

NULL = "null"
NO_VALUE = pa.array([NULL, '""'])
"""What REST prints for null; Salesforce stores no empty text."""

LARGEST_BLOCK = 32 << 20
"""Bytes of text turned into lines at once; Arrow's strings end at 2 GB."""

MUST_ESCAPE = bytes([*range(0x20), ord('"'), ord("\\")])
NEEDS_NO_ESCAPE = bytes(byte for byte in range(256) if byte not in MUST_ESCAPE)
ESCAPES = {chr(byte): json.dumps(chr(byte))[1:-1] for byte in MUST_ESCAPE}
BACKSLASH_FIRST = sorted(ESCAPES, key=lambda character: character != "\\")


def quoted(texts: pa.Array) -> pa.Array:
    """Return JSON strings (tokens) of the texts, and `null` for null."""
    data = texts.buffers()[2]
    unsafe = set(memoryview(data).tobytes().translate(None, NEEDS_NO_ESCAPE)) if data is not None else set()
    for character in BACKSLASH_FIRST:
        if ord(character) in unsafe:
            texts = pc.replace_substring(texts, pattern=character, replacement=ESCAPES[character])
    return pc.binary_join_element_wise('"', texts, '"', "").fill_null(NULL)


def _all_usual(texts: pa.Array, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(texts, pattern=pattern), min_count=0).as_py())


def _respelled(texts: pa.Array, kind: Kind) -> pa.Array:
    """Put each value in its usual form; the slow way, for the rare page that has an unusual one."""
    spell = SPELLING[kind]
    return pa.array([None if text is None else spell(text) for text in texts.to_pylist()], pa.string())


USUAL = {
    Kind.NUMBER: USUAL_NUMBER,
    Kind.INTEGER: USUAL_INTEGER,
    Kind.BOOLEAN: "^(true|false)$",
    Kind.DATETIME: USUAL_DATETIME,
}


def from_csv(texts: pa.Array, kind: Kind) -> pa.Array:
    """Return the JSON texts of a CSV column; raises ValueError for a value that is not of its kind."""
    if kind is Kind.TEXT:
        return quoted(texts)
    if not _all_usual(texts, USUAL[kind]):
        texts = _respelled(texts, kind)
    if kind is Kind.DATETIME:
        texts = pc.binary_join_element_wise('"', texts, '"', "")
    return texts.fill_null(NULL)


def from_json(tokens: pa.Array, kind: Kind) -> pa.Array:
    """Return the JSON texts of a REST column; raises ValueError for a value that is not of its kind."""
    if kind is Kind.TEXT:
        return _text_from_json(tokens)
    if kind is Kind.DATETIME:
        tokens = pc.replace_substring_regex(tokens, pattern=r'([.][0-9]{3})\+0000"$', replacement=r'\1Z"')
    is_null = pc.is_in(tokens, value_set=NO_VALUE)
    bare = pc.if_else(is_null, None, pc.utf8_trim(tokens, characters='"'))
    return from_csv(bare, kind)


def _text_from_json(tokens: pa.Array) -> pa.Array:
    """Leave JSON strings as they are; anything else is written as the text of itself, an empty string as null."""
    tokens = pc.if_else(pc.is_in(tokens, value_set=NO_VALUE), NULL, tokens)
    strings = pc.or_(pc.starts_with(tokens, '"'), pc.equal(tokens, NULL))
    return tokens if pc.all(strings, min_count=0).as_py() else pc.if_else(strings, tokens, quoted(tokens))


class RecordLines:
    """
    Writes the RECORD lines of one stream.

    `version` is the table version of a full-table read. The columns stand in the order of the query's fields.
    """

    def __init__(self, stream: str, columns: Sequence[Column], version: int | None = None) -> None:
        self._columns = tuple(columns)
        self._head = f'{{"type":"RECORD","stream":{json.dumps(stream)},"record":{{'
        self._version = "" if version is None else f',"version":{version:d}'

    def encode(self, rows: CsvRows | JsonRows, time_extracted: str) -> Iterator[bytes]:
        """
        Yield blocks of whole lines for a page; `time_extracted` is RFC 3339.

        Raises ValueError, naming the field, for a value that is not what the describe says it is.
        """
        tail = f'}}{self._version},"time_extracted":{json.dumps(time_extracted)}}}\n'
        if isinstance(rows, JsonRows):
            yield self._block(rows.num_rows, lambda column: from_json(rows.tokens(column.name), column.kind), tail)
            return
        for batch in rows.blocks():
            for part in _parts(batch):
                yield self._block(part.num_rows, _csv_column(part), tail)

    def _block(self, num_rows: int, tokens: Callable[[Column], pa.Array], tail: str) -> bytes:
        if num_rows == 0:
            return b""
        parts: list[pa.Array | str] = []
        text = self._head
        for number, column in enumerate(self._columns):
            text += ("," if number else "") + json.dumps(column.name) + ":"
            if column.vanished:
                text += NULL
                continue
            parts += [text, self._tokens(column, tokens)]
            text = ""
        return _bytes_of(_joined([*parts, text + tail], num_rows))

    def _tokens(self, column: Column, tokens: Callable[[Column], pa.Array]) -> pa.Array:
        try:
            return tokens(column)
        except ValueError as error:
            raise ValueError(f"field {column.name}: {error}") from None


def _csv_column(batch: pa.RecordBatch) -> Callable[[Column], pa.Array]:
    return lambda column: from_csv(batch.column(column.name), column.kind)


def _parts(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    rows = max(1, int(batch.num_rows * LARGEST_BLOCK / max(1, batch.nbytes)))
    for start in range(0, batch.num_rows, rows):
        yield batch.slice(start, rows)


def _joined(parts: Sequence[pa.Array | str], num_rows: int) -> pa.Array:
    if all(isinstance(part, str) for part in parts):
        return pa.array(["".join(parts)] * num_rows)
    return pc.binary_join_element_wise(*parts, "")


def _bytes_of(lines: pa.Array) -> bytes:
    """Return the lines one behind the other: that is how Arrow holds them already."""
    if isinstance(lines, pa.ChunkedArray):
        return b"".join(map(_bytes_of, lines.chunks))
    offsets = memoryview(lines.buffers()[1]).cast("i")
    start, end = offsets[lines.offset], offsets[lines.offset + len(lines)]
    return lines.buffers()[2][start:end].to_pybytes()
