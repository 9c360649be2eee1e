"""
A query too long for a URL: its fields are asked for in parts, and the rows put together again.

All parts are in the same order and cover the same window. A row that is in one part but not in all changed in between:
its new stamp lies behind the window, so the next read has it whole. Where the window is not by that stamp, or there is
none, a row whose stamps differ is asked for again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

import msgspec

from tap_salesforce_ci.client import rest, soql
from tap_salesforce_ci.client.http import Client
from tap_salesforce_ci.client.rest import Parse, QueryPage, Records, Row, RowsT
from tap_salesforce_ci.client.soql import Query
from tap_salesforce_ci.errors import BrokenPromise, UrlTooLong

logger = logging.getLogger(__name__)

ROWS_PER_PAGE = 2_000
BYTES_PER_PAGE = 8 << 20
"""What of them comes first makes a page full: 2,000 rows of so many fields may take a hundred megabytes."""

ROOMS = (10_000, 5_000, 2_500, 1_250)
"""
Characters of SOQL to a part: the first surely fits in Salesforce's own URLs, percent-encoding and headers included; the
others are for proxies that take less.
"""

ID = "Id"
STAMPS = ("SystemModstamp", "LastModifiedDate")
"""What tells that a row changed between two of its parts."""

TRIES_TO_SETTLE = 5


def query_pages(
    client: Client, query: Query, parse: Parse[RowsT], *, include_deleted: bool
) -> Iterator[QueryPage[RowsT]]:
    """
    Yield the pages of a query of any length: in one piece where it fits a URL, else put together from parts.

    Takes and raises what `rest.query_pages` does, and UrlTooLong where parts can't be put together.
    """
    if rest.fits(client, query, include_deleted=include_deleted):
        try:
            yield from rest.query_pages(client, query, parse, include_deleted=include_deleted)
        except UrlTooLong:
            logger.info("%s: the URL is too long even so, its fields are read in parts", query.object)
        else:
            return
    for room in ROOMS:
        try:
            yield from _in_parts(client, query, parse, room, include_deleted=include_deleted)
        except UrlTooLong:
            # It shows at a part's first page, before any row: smaller parts start from the beginning.
            if room == ROOMS[-1]:
                raise
        else:
            return


def _in_parts(
    client: Client, query: Query, parse: Parse[RowsT], room: int, *, include_deleted: bool
) -> Iterator[QueryPage[RowsT]]:
    """
    Yield the query's rows in order, put together from parts.

    Raises UrlTooLong for an object without `Id`, whose rows can't be put together.
    """
    if ID not in query.fields:
        raise UrlTooLong(
            "The query is too long for a URL, and rows without Id can't be read in parts.",
            where=f"object: {query.object}",
            remedy="Deselect fields, or use `api_type: bulk2`.",
        )
    order = query.order or (ID,)
    stamp = next((name for name in STAMPS if name in query.fields), None)
    keep = tuple(dict.fromkeys((*order, ID, *((stamp,) if stamp else ()))))
    parts = replace(query, order=order).split(room, keep=keep)
    streams = [_Ordered(client, part, order, include_deleted=include_deleted) for part in parts]
    merged: list[msgspec.Raw] = []
    size = 0
    while pieces := _next_pieces(streams):
        for _ in range(TRIES_TO_SETTLE):
            if _agree(pieces, stamp):
                break
            pieces = _asked_again(client, parts, pieces, include_deleted=include_deleted)
        else:
            raise _restless(query)
        if pieces:
            printed = msgspec.json.encode({name: value for piece in pieces for name, value in piece.items()})
            merged.append(msgspec.Raw(printed))
            size += len(printed)
        if len(merged) >= ROWS_PER_PAGE or size >= BYTES_PER_PAGE:
            yield _page(merged, streams, parse)
            merged, size = [], 0
    for stream in streams:
        # What the others don't have is left out, but it counts: only at its end shows whether a part is whole.
        stream.pass_over_the_rest()
    yield _page(merged, streams, parse)


def _page(rows: Sequence[msgspec.Raw], streams: Sequence[_Ordered], parse: Parse[RowsT]) -> QueryPage[RowsT]:
    wire_bytes = sum(stream.take_wire_bytes() for stream in streams)
    dates = [stream.asked_at for stream in streams if stream.asked_at is not None]
    whole = all(stream.whole for stream in streams)
    return QueryPage(parse(rows), streams[0].total, wire_bytes, min(dates, default=None), whole=whole)


def _agree(pieces: Sequence[Row], stamp: str | None) -> bool:
    """Say whether the pieces of a row were read of one and the same state of it, as far as its stamp tells."""
    return stamp is None or len({bytes(piece[stamp]) for piece in pieces}) <= 1


def _asked_again(client: Client, parts: Sequence[Query], pieces: Sequence[Row], *, include_deleted: bool) -> list[Row]:
    """Ask for one row that changed between its parts; none where it is gone meanwhile."""
    only = soql.is_id(msgspec.json.decode(pieces[0][ID], type=str))
    fresh: list[Row] = []
    for part in parts:
        alone = replace(part, where=(*part.where, only), order=())
        pages = rest.query_pages(client, alone, Records, include_deleted=include_deleted)
        fresh += [row for page in pages for row in page.rows.rows()]
    return fresh if len(fresh) == len(parts) else []


def _restless(query: Query) -> BrokenPromise:
    return BrokenPromise(
        "A row changes faster than its parts can be read.",
        where=f"object: {query.object}",
        remedy="Run again, deselect fields, or use `api_type: bulk2`; the state is kept.",
    )


def _next_pieces(streams: Sequence[_Ordered]) -> list[Row] | None:
    """Return the pieces of the next row that all parts have; rows that one of them lacks are passed over."""
    while all(stream.row is not None for stream in streams):
        places = [stream.place for stream in streams]
        last = max(places)
        if all(place == last for place in places):
            pieces = [stream.row or {} for stream in streams]
            for stream in streams:
                stream.advance()
            return pieces
        for stream in streams:
            if stream.place < last:
                stream.advance()
    return None


class _Ordered:
    """One part's rows, in order; `place` is where the present row stands in it, `whole` if all before it are there."""

    def __init__(self, client: Client, query: Query, order: Sequence[str], *, include_deleted: bool) -> None:
        self._order = order
        self._pages = rest.query_pages(client, query, Records, include_deleted=include_deleted)
        self._rows: Iterator[Row] = self._flattened()
        self._wire_bytes = 0
        self.total = 0
        self.whole = True
        self.asked_at: datetime | None = None
        self.row: Row | None = None
        self.advance()

    def advance(self) -> None:
        self.row = next(self._rows, None)

    def pass_over_the_rest(self) -> None:
        """Come to the end; raises BrokenPromise where rows are missing."""
        while self.row is not None:
            self.advance()

    @property
    def place(self) -> tuple[bytes, ...]:
        row = self.row or {}
        # Nulls come first in SOQL's order, and so does nothing in that of bytes.
        return tuple(b"" if (text := bytes(row[name])) == b"null" else text for name in self._order)

    def take_wire_bytes(self) -> int:
        taken, self._wire_bytes = self._wire_bytes, 0
        return taken

    def _flattened(self) -> Iterator[Row]:
        for page in self._pages:
            self.total, self.whole = page.total, self.whole and page.whole
            self.asked_at = self.asked_at or page.date
            self._wire_bytes += page.wire_bytes
            yield from page.rows.rows()
