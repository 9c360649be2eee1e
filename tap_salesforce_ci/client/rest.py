"""
Query pages over REST, their rows left as Salesforce printed them.

Source: REST API Developer Guide, "Query" (`resources_query.htm`), "Query More Results" and "Record Count".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
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

NAMES_PER_COUNT = 200

NO_ID = b'"000000000000000AAA"'
"""What every row of a virtual object has for an `Id`."""

Row = dict[str, msgspec.Raw]


@dataclass(frozen=True, slots=True)
class QueryPage:
    """
    Some rows of an answer, each a field's name to the value's JSON text; `total` rows match the whole query.

    `wire_bytes` is what the page took to travel, `size` what it takes unpacked, `date` when Salesforce answered.
    """

    rows: Sequence[Row]
    total: int
    wire_bytes: int
    size: int
    date: datetime | None = None


class _Answer(msgspec.Struct, rename="camel"):
    total_size: int
    done: bool
    records: list[Row]
    next_records_url: str | None = None


class _Count(msgspec.Struct):
    name: str
    count: int


class _Counts(msgspec.Struct, rename={"objects": "sObjects"}):
    objects: tuple[_Count, ...] = ()


# Made here, once: threads that let msgspec build a nested type at the same time can crash the process.
_ANSWERS = msgspec.json.Decoder(_Answer)
_COUNTS = msgspec.json.Decoder(_Counts)


def query_path(client: Client, query: Query, *, include_deleted: bool) -> str:
    """Return the path that asks a query."""
    resource = "queryAll" if include_deleted else "query"
    return f"{client.data_path}/{resource}?{urlencode({'q': str(query)}, quote_via=quote, safe='()*,')}"


def fits(client: Client, query: Query, *, include_deleted: bool) -> bool:
    """Say whether the query is short enough for a URL."""
    return len(query_path(client, query, include_deleted=include_deleted)) <= LONGEST_URL - ROOM_FOR_HEADERS


def query_pages(client: Client, query: Query, *, include_deleted: bool) -> Iterator[QueryPage]:
    """
    Yield every page of a query, in the order Salesforce sends them.

    Only the count ends it: raises BrokenPromise where fewer or more rows came than `totalSize` promised, and where a
    page came twice.
    """
    path = query_path(client, query, include_deleted=include_deleted)
    seen, asked, first_ids = 0, set[str](), set[bytes]()
    total: int | None = None
    while path:
        asked.add(path)
        answer, response = _new_page(client, path, first_ids, later=len(asked) > 1)
        total = answer.total_size if total is None else total
        seen += len(answer.records)
        path = "" if answer.done else _next(answer, seen, asked)
        _check(query, seen, total, done=not path)
        yield QueryPage(answer.records, total, response.wire_bytes, len(response.body), response.date)


def _new_page(client: Client, path: str, first_ids: set[bytes], *, later: bool) -> tuple[_Answer, Response]:
    """Read one page; one that begins with the row that another page began with is read once more."""
    for _ in range(2):
        answer, response = _later_page(client, path) if later else _page(client, path)
        first = bytes(answer.records[0].get("Id", b"")) if answer.records else b""
        if first not in first_ids or first == NO_ID:
            if first:
                first_ids.add(first)
            return answer, response
    raise BrokenPromise(
        "A query page came twice, in the place of another.",
        where=path.partition("?")[0],
        remedy="Run again; the state is kept. Report it if it stays.",
    )


def _later_page(client: Client, path: str) -> tuple[_Answer, Response]:
    try:
        return _page(client, path)
    except NotFound as error:
        raise LostCursor(error.what, where=error.where, remedy="Run again; the state is kept.") from None


def _page(client: Client, path: str) -> tuple[_Answer, Response]:
    """Read one page; a torn one is read once more."""
    response = client.get(path)
    try:
        return _ANSWERS.decode(response.body), response
    except (msgspec.DecodeError, UnicodeDecodeError):
        response = client.get(path)
    try:
        return _ANSWERS.decode(response.body), response
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BrokenPromise(
            "A query page is not the JSON that Salesforce documents, twice in a row.",
            where=path.partition("?")[0],
            remedy="Run again; the state is kept. Report it if it stays.",
        ) from None


def _next(answer: _Answer, seen: int, asked: set[str]) -> str:
    url = path_of(answer.next_records_url or "")
    if not url or url in asked:
        raise BrokenPromise(
            f"Salesforce names no way on after {seen:,} of {answer.total_size:,} rows.",
            remedy="Run again; the state is kept. Report it if it stays.",
        )
    return url


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
    """Return how many rows a query matches now."""
    path = query_path(client, query, include_deleted=include_deleted)
    answer, _ = _page(client, path)
    return answer.total_size


def record_counts(client: Client, names: Sequence[str]) -> dict[str, int]:
    """
    Return about how many rows the objects have; those that Salesforce can't say are left out.

    A refusal of this convenience is no failure: the counts are then unknown.
    """
    counts: dict[str, int] = {}
    for start in range(0, len(names), NAMES_PER_COUNT):
        part = ",".join(names[start : start + NAMES_PER_COUNT])
        try:
            answer = client.get(f"{client.data_path}/limits/recordCount?sObjects={part}")
            found = _COUNTS.decode(answer.body)
        except (BudgetError, LoginRefused):
            raise
        except (TapError, msgspec.DecodeError, UnicodeDecodeError):
            continue
        counts.update({each.name: each.count for each in found.objects})
    return counts
