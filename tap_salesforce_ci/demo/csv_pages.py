"""Records as Bulk 2.0 prints them: every value quoted, null as an empty one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_salesforce_ci.demo.values import bulk_printer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_salesforce_ci.demo.soql.query import Query, Record

DELIMITERS = {"BACKQUOTE": "`", "CARET": "^", "COMMA": ",", "PIPE": "|", "SEMICOLON": ";", "TAB": "\t"}
ENDINGS = {"LF": "\n", "CRLF": "\r\n"}


def csv_page(query: Query, records: list[Record], delimiter: str, ending: str) -> bytes:
    """A result page: the header line, which every page repeats, and a line a record."""
    between, end = DELIMITERS[delimiter], ENDINGS[ending]
    lines = [between.join(f'"{column.name}"' for column in query.fields)]
    columns = [
        _cells(column.reader(query.objects), bulk_printer(column.field.type), records) for column in query.fields
    ]
    lines += map(between.join, zip(*columns, strict=True))
    return (end.join(lines) + end).encode("utf-8", "surrogatepass")


def _cells(read: Callable[[Any], Any], printer: Callable[[Any], str], records: list[Record]) -> list[str]:
    cells = []
    for _, row in records:
        value = read(row)
        cells.append('""' if value is None else '"' + printer(value).replace('"', '""') + '"')
    return cells
