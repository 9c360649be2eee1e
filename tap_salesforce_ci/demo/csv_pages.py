"""Records as Bulk 2.0 prints them: every value quoted, null as an empty one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_salesforce_ci.demo.values import bulk_printer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_salesforce_ci.demo.soql.names import Column, Objects
    from tap_salesforce_ci.demo.soql.query import Query, Record

DELIMITERS = {"BACKQUOTE": "`", "CARET": "^", "COMMA": ",", "PIPE": "|", "SEMICOLON": ";", "TAB": "\t"}
ENDINGS = {"LF": "\n", "CRLF": "\r\n"}


def csv_page(query: Query, records: list[Record], delimiter: str, ending: str) -> bytes:
    """A result page: the header line, which every page repeats, and a line a record."""
    between, end = f'"{DELIMITERS[delimiter]}"', ENDINGS[ending]
    header = between.join(column.name for column in query.fields)
    # Record by record, since they lie scattered in memory; then column by column.
    own = [column.field.name for column in query.fields if not column.hops]
    values = iter(list(zip(*(map(row.get, own) for _, row in records), strict=True)) or [()] * len(own))
    columns = [
        _cells(column, _far(column, query.objects, records) if column.hops else next(values)) for column in query.fields
    ]
    lines = [header, *map(between.join, zip(*columns, strict=True))]
    return ("".join(f'"{line}"{end}' for line in lines)).encode("utf-8", "surrogatepass")


def _far(column: Column, objects: Objects, records: list[Record]) -> list[Any]:
    read = column.reader(objects)
    return [read(row) for _, row in records]


def _cells(column: Column, values: Iterable[Any]) -> list[str]:
    """The values of a column, quotes doubled; how they are printed is decided once for all of them."""
    printer = bulk_printer(column.field.type)
    if printer is str:
        cells = ["" if value is None else value for value in values]
    else:
        cells = ["" if value is None else printer(value) for value in values]
    return [cell.replace('"', '""') for cell in cells] if any('"' in cell for cell in cells) else cells
