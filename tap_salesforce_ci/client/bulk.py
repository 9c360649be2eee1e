"""
A Bulk API 2.0 query job: create, wait, read its result pages, tidy up.

Source: Bulk API 2.0 Developer Guide, "Query" (`queries.htm` and the `query_*` pages). No ORDER BY and no LIMIT in a
job's query: they switch Salesforce's own PK chunking off.
"""

from __future__ import annotations

import contextvars
import csv
import io
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Generic, Protocol, TypeVar
from urllib.parse import parse_qs, urlsplit

import msgspec

from tap_salesforce_ci.client.http import Client
from tap_salesforce_ci.client.messages import Response
from tap_salesforce_ci.client.rest import path_of
from tap_salesforce_ci.client.soql import Query
from tap_salesforce_ci.errors import (
    BrokenPromise,
    BudgetError,
    BulkRefused,
    LoginRefused,
    NotFound,
    QueryTimeout,
    TapError,
)

FIRST_WAIT = 0.1
LONGEST_WAIT = 10.0
SLOWER = 1.5
LONGEST_JOB = 24 * 3600.0
"""Seconds of polling before a job is given up; a large org's job may well take hours."""

CELLS_PER_PAGE = 2_000_000
MOST_ROWS_PER_PAGE = 50_000
FEWEST_ROWS_PER_PAGE = 2_000
LONGEST_FIRST_ROW = 65_536
LAST = "null"
NO_ID = "000000000000000AAA"
"""What every row of a virtual object has for an `Id`."""


class JobState(str, Enum):
    """The states of a query job ("Get Information About a Query Job")."""

    UPLOAD_COMPLETE = "UploadComplete"
    IN_PROGRESS = "InProgress"
    JOB_COMPLETE = "JobComplete"
    FAILED = "Failed"
    ABORTED = "Aborted"


class Job(msgspec.Struct, frozen=True, rename="camel"):
    """
    A query job as Salesforce tells of it; `number_records_processed` counts once it is complete.

    `asked_at` is the moment on the server's clock at which it took the job.
    """

    id: str
    state: str
    number_records_processed: int | None = None
    error_message: str | None = None
    asked_at: datetime | None = None


class Rows(Protocol):
    """Parsed rows; all that is asked of them here is how many there are."""

    @property
    def num_rows(self) -> int:
        """How many rows there are."""
        ...


RowsT = TypeVar("RowsT", bound=Rows)
AnswerT = TypeVar("AnswerT")


@dataclass(frozen=True, slots=True)
class ResultPage(Generic[RowsT]):
    """
    Verified rows of a job; `next` is the locator behind them, None after the last.

    `first_id` is the Id that the page begins with, where its rows have one.
    """

    rows: RowsT
    next: str | None
    wire_bytes: int
    first_id: str | None


class _Link(msgspec.Struct, rename="camel"):
    result_url: str


class _Links(msgspec.Struct, rename="camel"):
    result_pages: tuple[_Link, ...] = ()
    next_records_url: str | None = None
    next_record_url: str | None = None
    done: bool = True


# Made here, once: threads that let msgspec build a nested type at the same time can crash the process.
_JOBS = msgspec.json.Decoder(Job)
_LINKS = msgspec.json.Decoder(_Links)


def _read(body: bytes, decoder: msgspec.json.Decoder[AnswerT], where: str) -> AnswerT:
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BrokenPromise(
            "Salesforce's answer about a Bulk job can't be read.", where=where, remedy="Run again; the state is kept."
        ) from None


def jobs_path(client: Client, job_id: str = "") -> str:
    """Return the path of all query jobs, or of one."""
    return f"{client.data_path}/jobs/query" + (f"/{job_id}" if job_id else "")


def create(client: Client, query: Query, *, include_deleted: bool) -> Job:
    """
    Start a query job.

    Raises BulkRefused where Bulk won't answer such a query.
    """
    body = {
        "operation": "queryAll" if include_deleted else "query",
        "query": str(query),
        "contentType": "CSV",
        "columnDelimiter": "COMMA",
        "lineEnding": "LF",
    }
    answer = client.post(jobs_path(client), body)
    job = _read(answer.body, _JOBS, f"object: {query.object}")
    return msgspec.structs.replace(job, asked_at=answer.date)


def status(client: Client, job_id: str) -> Job:
    """
    Ask for a job's state.

    Raises NotFound where it is deleted or expired (seven days after completion).
    """
    return _read(client.get(jobs_path(client, job_id)).body, _JOBS, f"job: {job_id}")


def wait(client: Client, job_id: str, told: Callable[[Job], None] = lambda _job: None) -> Job:
    """
    Poll until the job is complete, soon at first and then ever less often; `told` hears what each poll says.

    Raises QueryTimeout or BulkRefused where it failed, and where someone aborted it.
    """
    pause, waited = FIRST_WAIT, 0.0
    while True:
        job = status(client, job_id)
        told(job)
        if job.state == JobState.JOB_COMPLETE:
            return job
        if job.state not in {JobState.UPLOAD_COMPLETE, JobState.IN_PROGRESS}:
            raise _ended(job)
        if waited > LONGEST_JOB:
            raise QueryTimeout(
                f"The job is still {job.state} after {waited / 3600:.0f} hours.",
                where=f"job: {job_id}",
                remedy="Look at Bulk Data Load Jobs in Salesforce Setup; read less with `start_date` or `where`.",
            )
        client.sleep(pause)
        waited += pause
        pause = min(LONGEST_WAIT, pause * SLOWER)


def _ended(job: Job) -> TapError:
    reason = job.error_message or "no reason given"
    if job.state == JobState.ABORTED:
        return BulkRefused("The job was aborted in Salesforce.", where=f"job: {job.id}", remedy="Run again.")
    if job.state != JobState.FAILED:
        return BrokenPromise(f"The job is in an unknown state: {job.state!r}.", where=f"job: {job.id}")
    if "TIMEOUT" in reason.upper() or "retried more than" in reason.casefold():
        return QueryTimeout(
            f"The job failed: {reason}",
            where=f"job: {job.id}",
            remedy="Read less at once: set `start_date`, add a `where`, or deselect wide fields.",
        )
    return BulkRefused(f"The job failed: {reason}", where=f"job: {job.id}", remedy="REST is used instead.")


def discard(client: Client, job_id: str) -> None:
    """
    Delete a job and its results; one that is not over yet is aborted first. Gone is as good as deleted.

    Each is tried once: no read depends on it, and the end of a run should not wait for it.
    """
    path = jobs_path(client, job_id)
    try:
        client.request("DELETE", path, patient=False)
    except NotFound:
        return
    except TapError:
        try:
            client.request("PATCH", path, body={"state": JobState.ABORTED.value}, patient=False)
            client.request("DELETE", path, patient=False)
        except TapError:
            # Salesforce deletes it by itself after seven days; no read depends on it.
            return


def rows_per_page(fields: int) -> int:
    """Return how many rows of that many fields make a page of a few megabytes."""
    return max(FEWEST_ROWS_PER_PAGE, min(MOST_ROWS_PER_PAGE, CELLS_PER_PAGE // max(1, fields)))


class Results(Generic[RowsT]):
    """
    The result pages of one complete job, in order, each checked against `Sforce-NumberOfRecords`.

    `parse` turns the bytes of a page into rows and raises ValueError for bytes that are not whole rows.
    Up to `ahead()` pages are fetched by the executor before they are asked for.
    """

    def __init__(
        self,
        client: Client,
        job: Job,
        parse: Callable[[bytes], RowsT],
        *,
        page_rows: int,
        executor: Executor,
        ahead: Callable[[], int],
    ) -> None:
        self._client = client
        self._job = job
        self._parse = parse
        self._page_rows = page_rows
        self._executor = executor
        self._ahead = ahead
        self._path = f"{jobs_path(client, job.id)}/results"
        self._unterminated = False
        self._first_ids: set[str] = set()

    def pages(self, start: str | None = None, done: int = 0) -> Iterator[ResultPage[RowsT]]:
        """
        Yield the pages from a locator on (None: from the first), `done` rows having been read before it.

        Raises BrokenPromise unless the rows add up to `numberRecordsProcessed`.
        """
        promised = self._job.number_records_processed
        seen = done
        self._first_ids.clear()
        large = promised is None or promised - done > self._page_rows
        starts = self._starts(start) if large else None
        for page in self._listed(starts) if starts else self._chained(start, self._page_rows):
            seen += page.rows.num_rows
            if promised is not None and seen > promised:
                break
            yield page
        if promised is not None and seen != promised:
            raise self._broken(f"{seen:,} rows arrived of the {promised:,} that the job promised.")

    def _chained(self, locator: str | None, most: int | None) -> Iterator[ResultPage[RowsT]]:
        """Follow the locators one by one."""
        read = {locator}
        while True:
            page = self._new(self._fetch(locator, most), locator, most)
            if page.next is not None and page.next in read:
                page = self._again(locator, most, read)
            yield page
            if page.next is None:
                return
            read.add(page.next)
            locator = page.next

    def _again(self, locator: str | None, most: int | None, read: set[str | None]) -> ResultPage[RowsT]:
        page = self._fetch(locator, most)
        if page.next is not None and page.next in read:
            raise self._broken("The result pages run in a circle: a locator came twice.")
        return page

    def _new(self, page: ResultPage[RowsT], locator: str | None, most: int | None) -> ResultPage[RowsT]:
        """Return the page; one that brings the rows of another page is fetched once more. Called in order."""
        if page.first_id in self._first_ids:
            page = self._fetch(locator, most)
        if page.first_id in self._first_ids:
            raise self._broken("A result page came twice, in the place of another.")
        if page.first_id is not None:
            self._first_ids.add(page.first_id)
        return page

    def _listed(self, starts: Sequence[str]) -> Iterator[ResultPage[RowsT]]:
        """Read the pages that `resultPages` lists, several at once; what lies between two is followed."""
        waiting: deque[Future[ResultPage[RowsT]]] = deque()
        todo = deque(starts)
        for number, start in enumerate(starts):
            while todo and len(waiting) <= self._ahead():
                run = contextvars.copy_context().run
                waiting.append(self._executor.submit(run, self._fetch, todo.popleft(), None))
            end = starts[number + 1] if number + 1 < len(starts) else None
            page = self._new(waiting.popleft().result(), start, None)
            yield from self._up_to(page, start, end)

    def _up_to(self, page: ResultPage[RowsT], start: str, end: str | None) -> Iterator[ResultPage[RowsT]]:
        yield page
        read: set[str | None] = {start}
        while page.next != end and page.next is not None and page.next not in read:
            read.add(page.next)
            page = self._new(self._fetch(page.next, None), page.next, None)
            yield page

    def _starts(self, start: str | None) -> list[str] | None:
        """Return the locators that `resultPages` lists, from `start` on; None where it can't say."""
        locators: list[str] = []
        path = f"{jobs_path(self._client, self._job.id)}/resultPages"
        asked: set[str] = set()
        while path and path not in asked:
            asked.add(path)
            try:
                links = _read(self._client.get(path).body, _LINKS, path)
            except (BudgetError, LoginRefused):
                raise
            except TapError:
                # A convenience: the locators say the same, one after the other.
                return None
            locators += [_locator(link.result_url) for link in links.result_pages]
            path = "" if links.done else path_of(links.next_records_url or links.next_record_url or "")
        if start is not None:
            locators = locators[locators.index(start) :] if start in locators else []
        return locators if all(locators) and len(set(locators)) == len(locators) else None

    def _fetch(self, locator: str | None, most: int | None) -> ResultPage[RowsT]:
        """Fetch one page; one that is cut, torn or miscounted is fetched once more."""
        answer = self._ask(locator, most)
        try:
            return self._page(answer, whole=self._unterminated)
        except BrokenPromise:
            again = self._ask(locator, most)
            # What comes twice alike was not cut on its way: some servers end no last line.
            page = self._page(again, whole=again.body == answer.body)
            self._unterminated = self._unterminated or not again.body.endswith(b"\n")
            return page

    def _ask(self, locator: str | None, most: int | None) -> Response:
        asked = {"locator": locator, "maxRecords": most}
        text = "&".join(f"{name}={value}" for name, value in asked.items() if value is not None)
        return self._client.get(f"{self._path}?{text}" if text else self._path, headers={"Accept": "text/csv"})

    def _page(self, answer: Response, *, whole: bool) -> ResultPage[RowsT]:
        told = answer.headers.get("sforce-numberofrecords", "")
        following = answer.headers.get("sforce-locator")
        rows = self._rows(answer.body)
        if told.isdecimal() and int(told) != rows.num_rows:
            raise self._broken(f"A result page holds {rows.num_rows:,} rows where its header promised {int(told):,}.")
        if following is None and (not whole or self._job.number_records_processed is None):
            raise self._broken("A result page does not say whether another one follows (no Sforce-Locator).")
        if rows.num_rows and not whole and not answer.body.endswith(b"\n"):
            raise self._broken("The last line of a result page may be cut.")
        following = None if following in {None, "", LAST} else following
        return ResultPage(rows, following, answer.wire_bytes, _first_id(answer.body))

    def _rows(self, body: bytes) -> RowsT:
        try:
            return self._parse(body)
        except ValueError as error:
            raise self._broken(f"A result page is cut or torn: {error}") from None

    def _broken(self, what: str) -> BrokenPromise:
        return BrokenPromise(what, where=f"job: {self._job.id}", remedy="Run again; the state is kept.")


def _first_id(body: bytes) -> str | None:
    """Return the Id of a page's first row; None where it has none, or none in the first kilobytes."""
    lines = csv.reader(io.StringIO(body[:LONGEST_FIRST_ROW].decode("utf-8", "replace"), newline=""))
    try:
        header, first = next(lines), next(lines)
    except (StopIteration, csv.Error):
        return None
    found = dict(zip(header, first, strict=False)).get("Id")
    return None if found == NO_ID else found


def _locator(url: str) -> str:
    return parse_qs(urlsplit(url).query).get("locator", [""])[0]
