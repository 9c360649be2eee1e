"""
The result pages of a Bulk API 2.0 query job: several at a time, in order, each counted, as much as there is room for.

Source: Bulk API 2.0 Developer Guide, "Get Results for a Query Job" and "Get Parallel Results for a Query Job".
"""

from __future__ import annotations

import contextvars
import csv
import io
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar
from urllib.parse import quote

from tap_salesforce_ci.client.body import Body, Sink
from tap_salesforce_ci.client.bulk import Job, jobs_path
from tap_salesforce_ci.client.http import Client
from tap_salesforce_ci.client.messages import Response
from tap_salesforce_ci.client.result_list import starts_from
from tap_salesforce_ci.client.room import Holding, Room
from tap_salesforce_ci.errors import BrokenPromise

PAGES_IN_ROOM = 8
BYTES_PER_CELL = 16
"""Of a page unpacked, in tables of many kinds of fields."""

ROOM_PER_CELL = 24
"""Bytes that a cell takes while its page comes, packed and as columns, before a page has told better."""

SMALLEST_ROOM = 1 << 16
MOST_ROWS_PER_PAGE = 50_000
FEWEST_ROWS_PER_PAGE = 500
LEAST_ROOM = 64
"""The part of the room with which a page may be begun in a hurry; what does not fit is read from a file."""

MOST_EMPTY_PAGES = 10_000
"""Pages without a row, one behind the other, before a job is not believed to come to an end; chunks may be empty."""

LAST = "null"
NO_ID = "000000000000000AAA"
"""What every row of a virtual object has for an `Id`."""


class Rows(Protocol):
    """Parsed rows; all that is asked of them here is how many there are, and what they weigh."""

    @property
    def num_rows(self) -> int:
        """How many rows there are."""
        ...

    @property
    def size(self) -> int:
        """Bytes held in memory."""
        ...


RowsT = TypeVar("RowsT", bound=Rows)
RowsT_co = TypeVar("RowsT_co", bound=Rows, covariant=True)


class Parser(Sink, Protocol[RowsT_co]):
    """Makes rows of a page while it comes; raises ValueError for what is not whole rows."""

    def rows(self, body: Body) -> RowsT_co:
        """Return the rows, all of which have come; those that were dropped are read from the body."""
        ...


@dataclass(frozen=True, slots=True)
class ResultPage(Generic[RowsT]):
    """
    Verified rows of a job; `next` is the locator behind them, None after the last.

    `first_id` is the Id that the page begins with, where its rows have one; `holding` is the room it takes, to be
    released by whoever is done with the rows.
    """

    rows: RowsT
    next: str | None
    wire_bytes: int
    first_id: str | None
    holding: Holding


def rows_per_page(fields: int, most_bytes: int) -> int:
    """Return how many rows of that many fields make a page of which several have room; at most 50,000."""
    cells = most_bytes // (PAGES_IN_ROOM * BYTES_PER_CELL)
    return max(FEWEST_ROWS_PER_PAGE, min(MOST_ROWS_PER_PAGE, cells // max(1, fields)))


@dataclass(frozen=True, slots=True)
class Means(Generic[RowsT]):
    """
    What result pages are read with.

    `parser` makes what reads a page of `fields` columns; where its length is ours to say, it has `page_rows`. Pages
    take what they need of `room`. Up to `ahead()` of them are fetched by the executor before they are asked for.
    """

    parser: Callable[[], Parser[RowsT]]
    fields: int
    page_rows: int
    room: Room
    executor: Executor
    ahead: Callable[[], int]


class _Gathering(Generic[RowsT]):
    """A page on its way, with what reads it; it may begin several times."""

    def __init__(self, parser: Callable[[], Parser[RowsT]], holding: Holding) -> None:
        self.holding = holding
        self._make = parser
        self.begin()

    def begin(self) -> Body:
        """Forget what came, and return what gathers the page."""
        self.parser = self._make()
        self.body = Body(self.parser, self.holding.grow)
        return self.body

    def identity(self) -> tuple[int, int]:
        """Return what only the same bytes have: how many they are, and their checksum."""
        return self.body.size, self.body.checksum()


class Results(Generic[RowsT]):
    """The result pages of one complete job, in order, each checked against `Sforce-NumberOfRecords`."""

    def __init__(self, client: Client, job: Job, means: Means[RowsT]) -> None:
        self._client = client
        self._job = job
        self._means = means
        self._room = means.room
        self._path = f"{jobs_path(client, job.id)}/results"
        self._unterminated = False
        self._first_ids: set[str] = set()
        self._empty = 0
        rows = min(means.page_rows, job.number_records_processed or means.page_rows)
        self._needed = max(SMALLEST_ROOM, rows * means.fields * ROOM_PER_CELL)

    def pages(self, start: str | None = None, done: int = 0) -> Iterator[ResultPage[RowsT]]:
        """
        Yield the pages from a locator on (None: from the first), `done` rows having been read before it.

        Raises BrokenPromise unless the rows add up to `numberRecordsProcessed`.
        """
        promised = self._job.number_records_processed
        seen = done
        self._first_ids.clear()
        large = promised is None or promised - done > self._means.page_rows
        # A list of pages costs calls of its own: it is worth them where several pages can come at once.
        starts = starts_from(self._client, self._job.id, start) if large and self._client.max_workers > 1 else None
        for page in self._listed(starts) if starts else self._chained(start, self._means.page_rows):
            seen += page.rows.num_rows
            if promised is not None and seen > promised:
                page.holding.release()
                break
            yield page
        if promised is not None and seen != promised:
            raise self._broken(f"{seen:,} rows arrived of the {promised:,} that the job promised.")

    def _hold(self) -> Holding:
        """Take the room for the next page, as soon as it is there."""
        return self._room.hold(self._needed, self._room.most // LEAST_ROOM)

    def _chained(self, locator: str | None, most: int | None) -> Iterator[ResultPage[RowsT]]:
        """Follow the locators one by one."""
        read = {locator}
        while True:
            page = self._new(self._fetch(locator, most, self._hold()), locator, most)
            if page.next is not None and page.next in read:
                page = self._again(page, locator, most, read)
            yield page
            if page.next is None:
                return
            read.add(page.next)
            locator = page.next

    def _again(
        self, page: ResultPage[RowsT], locator: str | None, most: int | None, read: set[str | None]
    ) -> ResultPage[RowsT]:
        page = self._fetch(locator, most, page.holding)
        if page.next is not None and page.next in read:
            page.holding.release()
            raise self._broken("The result pages run in a circle: a locator came twice.")
        return page

    def _new(self, page: ResultPage[RowsT], locator: str | None, most: int | None) -> ResultPage[RowsT]:
        """Return the page; one that brings the rows of another page is fetched once more. Called in order."""
        if page.first_id in self._first_ids:
            page = self._fetch(locator, most, page.holding)
        if page.first_id in self._first_ids:
            page.holding.release()
            raise self._broken("A result page came twice, in the place of another.")
        if page.first_id is not None:
            self._first_ids.add(page.first_id)
        self._empty = 0 if page.rows.num_rows else self._empty + 1
        if self._empty > MOST_EMPTY_PAGES:
            page.holding.release()
            raise self._broken(f"{self._empty:,} result pages in a row hold no rows, and there is always another one.")
        return page

    def _listed(self, starts: Sequence[str]) -> Iterator[ResultPage[RowsT]]:
        """Read the pages that `resultPages` lists, several at once; what lies between two is followed."""
        waiting: deque[tuple[Future[ResultPage[RowsT]], Holding]] = deque()
        todo = deque(starts)
        try:
            for number, start in enumerate(starts):
                self._send_for(todo, waiting)
                end = starts[number + 1] if number + 1 < len(starts) else None
                future, _ = waiting.popleft()
                yield from self._up_to(self._new(future.result(), start, None), start, end)
        finally:
            for future, holding in waiting:
                future.cancel()
                future.add_done_callback(_releases(holding))

    def _send_for(self, todo: deque[str], waiting: deque[tuple[Future[ResultPage[RowsT]], Holding]]) -> None:
        """Have pages fetched: the next one in any case, and those behind it for which there is room."""
        while todo and len(waiting) <= self._means.ahead():
            holding = self._room.try_hold(self._needed) if waiting else self._hold()
            if holding is None:
                return
            run = contextvars.copy_context().run
            future = self._means.executor.submit(run, self._fetch, todo.popleft(), None, holding)
            waiting.append((future, holding))

    def _up_to(self, page: ResultPage[RowsT], start: str, end: str | None) -> Iterator[ResultPage[RowsT]]:
        yield page
        read: set[str | None] = {start}
        while page.next != end and page.next is not None and page.next not in read:
            read.add(page.next)
            page = self._new(self._fetch(page.next, None, self._hold()), page.next, None)
            yield page

    def _fetch(self, locator: str | None, most: int | None, holding: Holding) -> ResultPage[RowsT]:
        """Fetch one page; one that is cut, torn or miscounted is fetched once more. Without a page, nothing is held."""
        with ExitStack() as if_none:
            if_none.callback(holding.release)
            page = self._checked(locator, most, holding)
            if_none.pop_all()
        return page

    def _checked(self, locator: str | None, most: int | None, holding: Holding) -> ResultPage[RowsT]:
        gathering = _Gathering(self._means.parser, holding)
        try:
            answer = self._ask(locator, most, gathering)
            return self._page(answer, gathering, whole=self._unterminated)
        except BrokenPromise:
            before = gathering.identity()
        answer = self._ask(locator, most, gathering)
        # What comes twice alike was not cut on its way: some servers end no last line.
        page = self._page(answer, gathering, whole=before == gathering.identity())
        self._unterminated = self._unterminated or not gathering.body.ends_line
        return page

    def _ask(self, locator: str | None, most: int | None, gathering: _Gathering[RowsT]) -> Response:
        asked = {"locator": locator, "maxRecords": most}
        # A locator is opaque: what means something in a URL (`+`, `&`, `%`) must not mean it here.
        text = "&".join(f"{name}={quote(str(value), safe='/=')}" for name, value in asked.items() if value is not None)
        path = f"{self._path}?{text}" if text else self._path
        try:
            answer = self._client.get(path, headers={"Accept": "text/csv"}, into=gathering.begin)
        except ValueError as error:
            raise self._torn(error) from None
        if answer.content is None:
            raise self._broken(f"A result page came with the status {answer.status}.")
        return answer

    def _page(self, answer: Response, gathering: _Gathering[RowsT], *, whole: bool) -> ResultPage[RowsT]:
        told = answer.headers.get("sforce-numberofrecords", "")
        following = answer.headers.get("sforce-locator")
        body = gathering.body
        try:
            rows = gathering.parser.rows(body)
            # A number of thousands of digits is none to Python.
            promised = int(told) if told.isdecimal() else rows.num_rows
        except ValueError as error:
            raise self._torn(error) from None
        if promised != rows.num_rows:
            raise self._broken(f"A result page holds {rows.num_rows:,} rows where its header promised {promised:,}.")
        if following is None and (not whole or self._job.number_records_processed is None):
            raise self._broken("A result page does not say whether another one follows (no Sforce-Locator).")
        if rows.num_rows and not whole and not body.ends_line:
            raise self._broken("The last line of a result page may be cut.")
        following = None if following is None or following.lower() in {"", LAST} else following
        page = ResultPage(rows, following, answer.wire_bytes, _first_id(body.head), gathering.holding)
        self._settle(body, page)
        return page

    def _settle(self, body: Body, page: ResultPage[RowsT]) -> None:
        """Hold no more than the rows need, and know how much the next page will."""
        needed, most = body.wire_bytes + max(body.size, page.rows.size), self._room.most
        if body.dropped:
            # Waiting for so much room is worth it while two have room; else the next one is begun with little, too.
            self._needed = needed if needed <= most // 2 else most // LEAST_ROOM
        else:
            self._needed = min(needed, most)
            body.close()
        page.holding.settle(page.rows.size)

    def _torn(self, error: ValueError) -> BrokenPromise:
        return self._broken(f"A result page is cut or torn: {error}")

    def _broken(self, what: str) -> BrokenPromise:
        return BrokenPromise(what, where=f"job: {self._job.id}", remedy="Run again; the state is kept.")


def _releases(holding: Holding) -> Callable[[object], None]:
    return lambda _future: holding.release()


def _first_id(head: bytes) -> str | None:
    """Return the Id of a page's first row; None where it has none, or none in the first kilobytes."""
    lines = csv.reader(io.StringIO(head.decode("utf-8", "replace"), newline=""))
    try:
        header, first = next(lines), next(lines)
    except (StopIteration, csv.Error):
        return None
    found = dict(zip(header, first, strict=False)).get("Id")
    return None if found in {NO_ID, ""} else found
