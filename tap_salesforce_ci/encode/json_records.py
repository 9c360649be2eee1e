"""
The records of a REST query page as columns of text.

msgspec decodes a page into structs of exactly the fields that were asked for, which become columns without a call per
row; numbers stay the bytes that Salesforce printed. A page that is not as the describe says (an anyType that holds a
number, a name in another case) is read value by value.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from msgspec.structs import astuple

from tap_salesforce_ci.encode.columns import Column, Kind
from tap_salesforce_ci.encode.pages import Rows, no_rows

PRINTED: dict[Kind, Any] = {
    Kind.TEXT: str | None,
    Kind.DATETIME: str | None,
    Kind.BOOLEAN: bool | None,
    Kind.NUMBER: msgspec.Raw,
    Kind.INTEGER: msgspec.Raw,
}
"""What a value of each kind is in JSON; a number's digits are not to be read."""

LARGEST_PART = 4 << 20
"""About how many bytes of records are read at once: a page of wide rows has many times as many."""

NULL = "null"
NO_RECORD = b"{}"
QUOTE = b'"'

_json = msgspec.json.Encoder()
_alone = msgspec.json.Decoder(dict[str, msgspec.Raw])
_loosely = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_making = threading.Lock()
"""Threads that let msgspec build a nested type at the same time can crash the process."""


class UnusualError(ValueError):
    """Some value of a page is not printed in the way of its kind."""


@dataclass(frozen=True, slots=True)
class PrintedPart:
    """Some records of a page, as a JSON array."""

    array: bytes
    parser: RecordParser

    def read(self) -> Rows:
        """Return them as columns of text."""
        return self.parser.rows(self.array)


class PrintedRows:
    """
    The records of a query page as they were printed; they become columns when they are asked for.

    That is the work of whoever writes them: done by those who fetch pages, it would only have them wait for each other
    (Python runs one thread at a time). Columns raise the ValueErrors of `RecordParser`.
    """

    def __init__(self, records: Sequence[msgspec.Raw], parser: RecordParser) -> None:
        self.num_rows = len(records)
        self._parser = parser
        self._first, self._last = (bytes(records[end]) if records else NO_RECORD for end in (0, -1))
        rows = max(1, LARGEST_PART // max(len(self._first), len(self._last)))
        starts = range(0, self.num_rows, rows)
        self.printed = [PrintedPart(_json.encode(records[start : start + rows]), parser) for start in starts]

    @property
    def size(self) -> int:
        """Bytes held in memory."""
        return sum(len(part.array) for part in self.printed)

    @property
    def table(self) -> pa.Table:
        """The rows as columns of text."""
        if not self.printed:
            return self._parser.rows(b"[]").table
        return pa.concat_tables([part.read().table for part in self.printed])

    def blocks(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows in blocks of some thousand rows or some megabytes."""
        for part in self.printed:
            yield from part.read().blocks()

    def text(self, row: int, name: str) -> str | None:
        """Return one field of the first or the last (-1) row; None where it has no value or can't be read."""
        try:
            return _text(_any_case(_alone.decode(self._first if row == 0 else self._last), name)) or None
        except (msgspec.DecodeError, UnicodeError, KeyError):
            return None


class RecordParser:
    """
    Reads the records of one query's pages, the columns in the order given.

    Columns of a page raise ValueError for what is no array of objects that have these fields, whatever else they have.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = tuple(columns)
        self._usually: msgspec.json.Decoder[list[Any]] | None = None

    def __call__(self, records: Sequence[msgspec.Raw]) -> PrintedRows:
        """Take a page's records."""
        return PrintedRows(records, self)

    def rows(self, records: bytes) -> Rows:
        """Read a JSON array of records."""
        try:
            return self._by_columns(records)
        except (msgspec.DecodeError, UnicodeDecodeError, UnusualError):
            return self._by_values(records)

    def _by_columns(self, records: bytes) -> Rows:
        """Read a page all of whose values are printed as their kinds usually are."""
        self._usually = self._usually or record_decoder(self._columns, PRINTED)
        found = self._usually.decode(records)
        if not found:
            return no_rows([column.name for column in self._columns])
        values = zip(*map(astuple, found), strict=True)
        arrays = [AS_TEXT[column.kind](each) for column, each in zip(self._columns, values, strict=True)]
        return self._rows(arrays)

    def _by_values(self, records: bytes) -> Rows:
        try:
            found = _loosely.decode(records)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"the records can't be read as JSON: {error}") from None
        return self._rows([_column(found, column.name) for column in self._columns])

    def _rows(self, arrays: Sequence[pa.Array]) -> Rows:
        return Rows(pa.table(list(arrays), names=[column.name for column in self._columns]))


def places(columns: Sequence[Column]) -> dict[str, Column]:
    """Return under which attribute of a decoded record each column is: API names are no Python names at times."""
    return {f"f{number}": column for number, column in enumerate(columns)}


def record_decoder(columns: Sequence[Column], printed: Mapping[Kind, Any]) -> msgspec.json.Decoder[list[Any]]:
    """
    Return what decodes an array of records to structs, by what a value of each kind is `printed` as.

    A record may lack a vanished column, and has no value in it.
    """
    fields = [
        (place, None, None) if column.vanished else (place, printed[column.kind])
        for place, column in places(columns).items()
    ]
    with _making:
        record = msgspec.defstruct(
            "Record",
            fields,
            rename={place: column.name for place, column in places(columns).items()},
            kw_only=True,
            gc=False,
        )
        return msgspec.json.Decoder(list[record])  # type: ignore[valid-type]


def _texts(values: Sequence[str | None]) -> pa.Array:
    return _empty_for_null(pa.array(values, pa.string()))


def _truths(values: Sequence[bool | None]) -> pa.Array:
    return _empty_for_null(pa.array(values, pa.bool_()).cast(pa.string()))


def _empty_for_null(texts: pa.Array) -> pa.Array:
    return texts.fill_null("") if texts.null_count else texts


def _digits(values: Sequence[msgspec.Raw]) -> pa.Array:
    """Return numbers as they were printed; raises UnusualError where a quoted one or a structure is among them."""
    printed = _json.encode_lines(values)
    if QUOTE in printed or printed.count(b"\n") != len(values):
        raise UnusualError
    tokens = pc.split_pattern(pa.scalar(printed, pa.string()), "\n").values[:-1]
    return pc.replace_with_mask(tokens, pc.equal(tokens, NULL), pa.scalar("", pa.string()))


AS_TEXT: dict[Kind, Callable[[Any], pa.Array]] = {
    Kind.TEXT: _texts,
    Kind.DATETIME: _texts,
    Kind.BOOLEAN: _truths,
    Kind.NUMBER: _digits,
    Kind.INTEGER: _digits,
}


def _column(rows: Sequence[Mapping[str, msgspec.Raw]], name: str) -> pa.Array:
    """Return one field's column, value by value."""
    try:
        return pa.array([_text(_any_case(row, name)) for row in rows], pa.string())
    except (msgspec.DecodeError, UnicodeError):
        # Without the value: it may hold what must not be logged.
        raise ValueError(f"field {name}: its text is not UTF-8") from None
    except KeyError:
        raise ValueError(f"field {name}: a row lacks this field, which was asked for") from None


def _any_case(row: Mapping[str, msgspec.Raw], name: str) -> msgspec.Raw:
    if name in row:
        return row[name]
    for found, value in row.items():
        if found.casefold() == name.casefold():
            return value
    raise KeyError(name)


def _text(printed: msgspec.Raw) -> str:
    """Return what CSV would hold for a JSON value: a string's own text, anything else as it is printed."""
    token = bytes(printed)
    if token == NULL.encode():
        return ""
    return str(msgspec.json.decode(token, type=str)) if token.startswith(QUOTE) else token.decode()
