"""
Query pages over REST, their rows left as Salesforce printed them.

Source: REST API Developer Guide, "Query" (`resources_query.htm`), "Query More Results" and "Record Count".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Generic, Protocol, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from tap_salesforce_ci.client.http import Client
from tap_salesforce_ci.client.messages import Response
from tap_salesforce_ci.client.soql import Query
from tap_salesforce_ci.errors import BrokenPromise, BudgetError, LoginRefused, LostCursor, NotFound, TapError

LONGEST_URL = 16_384
"""Bytes of URL, and of URL and headers together (REST API, status 414 and 431)."""

ROOM_FOR_HEADERS = 4_096
"""A JWT access token alone may take 2 kB."""

MOST_EMPTY_PAGES = 1_000
"""Pages without a row, one behind the other, before a server is not believed to come to an end."""

OFFSET = re.compile(r"-([0-9]+)$")
"""How many rows lie before the page that a locator leads to: 01gB000003OCxSPIA1-2000."""

NAMES_PER_COUNT = 200

NO_ID = "000000000000000AAA"
"""What every row of a virtual object has for an `Id`."""

KEY = "Id"


class Rows(Protocol):
    """The rows of a page, read by whoever asked for them."""

    @property
    def num_rows(self) -> int:
        """How many rows there are."""
        ...

    def text(self, row: int, name: str) -> str | None:
        """Return one text field of one row (-1: the last); None where it has no value or was not asked for."""
        ...


RowsT = TypeVar("RowsT", bound=Rows)
Parse = Callable[[Sequence[msgspec.Raw]], RowsT]


@dataclass(frozen=True, slots=True)
class QueryPage(Generic[RowsT]):
    """
    Some rows of an answer; `total` rows match the whole query.

    `wire_bytes` is what the page took to travel, `date` when Salesforce answered. `whole` says that all rows before its
    end are known to have come; a page whose locator doesn't tell how many they are is none.
    """

    rows: RowsT
    total: int
    wire_bytes: int
    date: datetime | None = None
    whole: bool = True


class _Answer(msgspec.Struct, rename="camel"):
    total_size: int
    done: bool
    records: list[msgspec.Raw]
    next_records_url: str | None = None


class _Count(msgspec.Struct):
    name: str
    count: int


class _Counts(msgspec.Struct, rename={"objects": "sObjects"}):
    objects: tuple[_Count, ...] = ()


Row = dict[str, msgspec.Raw]


class Records:
    """
    A page's records one by one: a field's name to the value's JSON text.

    They are kept as they were printed, which takes a fraction of the memory. Raises ValueError for what is no JSON
    object.
    """

    def __init__(self, printed: Sequence[msgspec.Raw]) -> None:
        self._printed = printed
        try:
            for _ in self.rows():
                pass
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"the records can't be read: {error}") from None

    @property
    def num_rows(self) -> int:
        """How many rows there are."""
        return len(self._printed)

    def rows(self) -> Iterator[Row]:
        """Yield the rows."""
        return map(_RECORDS.decode, self._printed)

    def text(self, row: int, name: str) -> str | None:
        """Return one text field of one row."""
        printed = bytes(_RECORDS.decode(self._printed[row]).get(name, b"null"))
        return str(msgspec.json.decode(printed, type=str)) if printed.startswith(b'"') else None


# Made here, once: threads that let msgspec build a nested type at the same time can crash the process.
_ANSWERS = msgspec.json.Decoder(_Answer)
_COUNTS = msgspec.json.Decoder(_Counts)
_RECORDS = msgspec.json.Decoder(Row)


def query_path(client: Client, query: Query, *, include_deleted: bool) -> str:
    """Return the path that asks a query."""
    resource = "queryAll" if include_deleted else "query"
    return f"{client.data_path}/{resource}?{urlencode({'q': str(query)}, quote_via=quote, safe='()*,')}"


def fits(client: Client, query: Query, *, include_deleted: bool) -> bool:
    """Say whether the query is short enough for a URL."""
    return len(query_path(client, query, include_deleted=include_deleted)) <= LONGEST_URL - ROOM_FOR_HEADERS


def query_pages(
    client: Client, query: Query, parse: Parse[RowsT], *, include_deleted: bool
) -> Iterator[QueryPage[RowsT]]:
    """
    Yield every page of a query, in the order Salesforce sends them.

    `parse` turns a page's records, as Salesforce printed them, into rows; it raises ValueError for what is none. Only
    the count ends the read: a page that is shorter than its locator says is read once more; raises BrokenPromise where
    fewer or more rows came than `totalSize` promised, and where a page came twice.
    """
    path = query_path(client, query, include_deleted=include_deleted)
    seen, empty, asked, first_ids = 0, 0, set[str](), set[str]()
    total: int | None = None
    whole: bool | None = True
    while path:
        asked.add(path)
        later = len(asked) > 1
        page, following = _new_page(client, path, parse, first_ids, later=later)
        if whole and (whole := _ends_as_told(page, following, seen)) is False:
            page, following = _later_page(client, path, parse) if later else _page(client, path, parse)
            whole = _ends_as_told(page, following, seen)
        total = page.total if total is None else total
        seen += page.rows.num_rows
        empty = 0 if page.rows.num_rows else empty + 1
        if empty > MOST_EMPTY_PAGES:
            raise BrokenPromise(
                f"{empty:,} query pages in a row hold no rows, and there is always another one.",
                where=f"object: {query.object}",
                remedy="Run again; the state is kept. Report it if it stays.",
            )
        path = "" if following is None else _next(following, seen, total, asked)
        _check(query, seen, total, done=not path)
        yield QueryPage(page.rows, total, page.wire_bytes, page.date, whole=bool(whole))


def _ends_as_told(page: QueryPage[RowsT], following: str | None, seen: int) -> bool | None:
    """Say whether as many rows have come as lie before the next page; None where its locator doesn't tell."""
    end = seen + page.rows.num_rows
    if following is None:
        return end == page.total
    told = OFFSET.search(following)
    return int(told[1]) == end if told else None


def _new_page(
    client: Client, path: str, parse: Parse[RowsT], first_ids: set[str], *, later: bool
) -> tuple[QueryPage[RowsT], str | None]:
    """Read one page; one that begins with the row that another page began with is read once more."""
    for _ in range(2):
        page, following = _later_page(client, path, parse) if later else _page(client, path, parse)
        first = page.rows.text(0, KEY) if page.rows.num_rows else None
        if first not in first_ids or first == NO_ID:
            if first:
                first_ids.add(first)
            return page, following
    raise BrokenPromise(
        "A query page came twice, in the place of another.",
        where=path.partition("?")[0],
        remedy="Run again; the state is kept. Report it if it stays.",
    )


def _later_page(client: Client, path: str, parse: Parse[RowsT]) -> tuple[QueryPage[RowsT], str | None]:
    try:
        return _page(client, path, parse)
    except NotFound as error:
        raise LostCursor(error.what, where=error.where, remedy="Run again; the state is kept.") from None


def _page(client: Client, path: str, parse: Parse[RowsT]) -> tuple[QueryPage[RowsT], str | None]:
    """Read one page, and where the next one is (None: there is none); a torn one is read once more."""
    try:
        return _read(client.get(path), parse)
    except _UNREADABLE:
        response = client.get(path)
    try:
        return _read(response, parse)
    except _UNREADABLE as error:
        raise BrokenPromise(
            f"A query page is not the JSON that Salesforce documents, twice in a row: {error}",
            where=path.partition("?")[0],
            remedy="Run again; the state is kept. Report it if it stays.",
        ) from None


_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, ValueError)


def _read(response: Response, parse: Parse[RowsT]) -> tuple[QueryPage[RowsT], str | None]:
    answer = _ANSWERS.decode(response.body)
    page = QueryPage(parse(answer.records), answer.total_size, response.wire_bytes, response.date)
    return page, None if answer.done else answer.next_records_url or ""


def _next(url: str, seen: int, total: int, asked: set[str]) -> str:
    path = path_of(url)
    if not path or path in asked:
        raise BrokenPromise(
            f"Salesforce names no way on after {seen:,} of {total:,} rows.",
            remedy="Run again; the state is kept. Report it if it stays.",
        )
    return path


def path_of(url: str) -> str:
    """Return the path and parameters of an address that Salesforce names; the host is always the org's own."""
    parts = urlsplit(url)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _check(query: Query, seen: int, total: int, *, done: bool) -> None:
    if seen > total or (done and seen < total):
        raise BrokenPromise(
            f"{seen:,} rows arrived of the {total:,} that Salesforce promised.",
            where=f"object: {query.object}",
            remedy="Run again; the state is kept.",
        )


def count(client: Client, query: Query, *, include_deleted: bool) -> int:
    """Return how many rows a query matches now; none of them is sent."""
    counting = replace(query, fields=(), order=())
    page, _ = _page(client, query_path(client, counting, include_deleted=include_deleted), Records)
    return page.total


def record_counts(client: Client, names: Sequence[str]) -> dict[str, int]:
    """
    Return about how many rows the objects have; those that Salesforce can't say are left out.

    A refusal of this convenience is no failure: the counts are then unknown.
    """
    counts: dict[str, int] = {}
    for start in range(0, len(names), NAMES_PER_COUNT):
        part = quote(",".join(names[start : start + NAMES_PER_COUNT]), safe=",", errors="replace")
        try:
            answer = client.get(f"{client.data_path}/limits/recordCount?sObjects={part}")
            found = _COUNTS.decode(answer.body)
        except (BudgetError, LoginRefused):
            raise
        except (TapError, msgspec.DecodeError, UnicodeDecodeError):
            continue
        counts.update({each.name: each.count for each in found.objects})
    return counts
