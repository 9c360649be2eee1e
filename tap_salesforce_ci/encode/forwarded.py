"""
The records of a REST query page as lines of JSON objects, without becoming columns.

Where every value is printed as its kind usually is, a record's line differs from what Salesforce printed in nothing
but the fields that nobody asked for (`attributes`), their order and the ends of its moments. A page with any other
value is left to `json_records` and `lines`, which put it right.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from operator import attrgetter
from typing import Annotated, Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from tap_salesforce_ci.encode.columns import ANY_DIGIT_AS_ZERO, BULK_DATETIME, REST_DATETIME, USUAL, Column, Kind
from tap_salesforce_ci.encode.json_records import places, record_decoder

# An empty text would have to become null.
A_TEXT = Annotated[str, msgspec.Meta(min_length=1)] | None
PRINTED: dict[Kind, Any] = {
    Kind.TEXT: A_TEXT,
    Kind.DATETIME: A_TEXT,
    Kind.BOOLEAN: bool | None,
    Kind.NUMBER: msgspec.Raw,
    Kind.INTEGER: int | None,
}

NULLS = b"null\n"
NUMBERS = rf"\A(?:(?:{USUAL[Kind.NUMBER]}|null)\n)*\z"

IN_Z_LINE, IN_UTC_LINE = (b'"%s"\n' % form for form in (BULK_DATETIME, REST_DATETIME))
IN_UTC = b'+0000"'
"""How a moment ends that is told in REST's way."""
IN_UTC_PATTERN = re.compile(re.escape(IN_UTC))
AS_Z = b'Z"'

_json = msgspec.json.Encoder()


class ForwardedRecords:
    """Writes the records of one query's pages as they were printed, the columns in the order given."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = tuple(columns)
        self._numbers = _values_of(Kind.NUMBER, columns)
        self._moments = _values_of(Kind.DATETIME, columns)
        self._decoder: msgspec.json.Decoder[list[Any]] | None = None

    def objects(self, records: bytes) -> bytes | None:
        """
        Return a line for each record of a JSON array: an object of just these columns.

        None where a value is missing, empty, or printed in another way than its kind usually is.
        """
        self._decoder = self._decoder or record_decoder(self._columns, PRINTED)
        try:
            found = self._decoder.decode(records)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        if not _are_numbers(_json.encode_lines(self._numbers(found))):
            return None
        moments = _json.encode_lines(self._moments(found)).replace(NULLS, b"")
        return _with_moments_in_z(_json.encode_lines(found), moments)


def _values_of(kind: Kind, columns: Sequence[Column]) -> Callable[[Iterable[Any]], list[Any]]:
    """Return what takes the values of all columns of a kind out of records."""
    names = [place for place, column in places(columns).items() if column.kind is kind and not column.vanished]
    if not names:
        return lambda _: []
    get = attrgetter(*names)
    return lambda records: list(map(get, records) if len(names) == 1 else chain.from_iterable(map(get, records)))


def _are_numbers(tokens: bytes) -> bool:
    return bool(pc.match_substring_regex(pa.scalar(tokens, pa.string()), pattern=NUMBERS).as_py())


def _with_moments_in_z(objects: bytes, moments: bytes) -> bytes | None:
    """Return the objects with `Z` at the end of their moments; None where it is not sure which texts are moments."""
    forms = moments.translate(ANY_DIGIT_AS_ZERO)
    if forms == IN_Z_LINE * (len(forms) // len(IN_Z_LINE)):
        return objects
    count = len(forms) // len(IN_UTC_LINE)
    if forms != IN_UTC_LINE * count or moments.count(IN_UTC) != count:
        return None
    in_z, found = IN_UTC_PATTERN.subn(AS_Z, objects)
    return in_z if found == count else None


def pieces(objects: bytes, head: bytes, tail: bytes, size: int) -> Iterator[memoryview]:
    """Yield the lines, each between a head and a tail, in pieces of little more than `size` bytes."""
    if not objects:
        return
    lines = b"".join((head, objects[:-1].replace(b"\n", tail + head), tail))
    view, start = memoryview(lines), 0
    while start < len(lines):
        end = lines.find(b"\n", start + size) + 1 or len(lines)
        yield view[start:end]
        start = end
