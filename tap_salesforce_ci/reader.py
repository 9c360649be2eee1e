"""One read, over REST or Bulk 2.0: pages in order, each with what is left to do behind it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from functools import partial

from tap_salesforce_ci import objects, progress
from tap_salesforce_ci.bookmarks import JobProgress, Reading, parse_moment
from tap_salesforce_ci.client import bulk, rest, split
from tap_salesforce_ci.client.http import Client
from tap_salesforce_ci.client.results import Means, ResultPage, Results, rows_per_page
from tap_salesforce_ci.client.room import Room, serving
from tap_salesforce_ci.edges import TableEdges
from tap_salesforce_ci.encode.json_records import RecordParser
from tap_salesforce_ci.encode.pages import Rows
from tap_salesforce_ci.encode.result_pages import PackedRows, ResultPageParser
from tap_salesforce_ci.errors import (
    BrokenPromise,
    BudgetError,
    BulkRefused,
    LoginRefused,
    LostCursor,
    NotFound,
    QueryTimeout,
    TapError,
    TransientError,
    UserError,
)
from tap_salesforce_ci.items import Begin, Item, Page, Whole
from tap_salesforce_ci.parts import in_parts
from tap_salesforce_ci.plan import CLOCKS_DIFFER, Read
from tap_salesforce_ci.progress import log
from tap_salesforce_ci.settings import ApiType
from tap_salesforce_ci.verify import verified

logger = logging.getLogger(__name__)

BULK_FROM_ROWS = 10_000
"""From here on a Bulk job costs fewer calls, and soon less time, than REST's pages of 2,000 rows."""

REST_PAGE = 4 << 20
"""Bytes of room for a page of 2,000 rows, before one has told better."""

REST_PAGES_IN_ROOM = 4

TRIES_WITHOUT_PROGRESS = 2
TRIES_TO_CLOSE = 3


class Reader:
    """
    Reads tables, choosing the API for each read by its volume and by what Salesforce refused before.

    `expected` holds about how many rows whole tables have. Rows are fetched as there is `room` for them; of the stream
    that is being written, as many result pages as the client sends requests at once. `discarded` is told of jobs that
    are deleted. With `verify_counts`, a read is whole only where COUNT() says so, too.
    """

    def __init__(
        self,
        client: Client,
        api_type: ApiType,
        executor: Executor,
        room: Room,
        expected: Mapping[str, int],
        *,
        discarded: Callable[[str], None],
        verify_counts: bool = False,
    ) -> None:
        self._client = client
        self._api_type = api_type
        self._executor = executor
        self._room = room
        self._expected = expected
        self._discarded = discarded
        self._verify_counts = verify_counts
        self._not_in_bulk: set[str] = set(objects.NOT_IN_BULK)

    def items(self, read: Read) -> Iterator[Item]:
        """
        Yield Begin, the pages, and Whole once all rows are there.

        A job that an earlier run left is read on where it stopped; when that can't be, the window is read from its
        start. A window that ends after the moment at which Salesforce was asked is closed at that moment instead.
        A read that takes Salesforce too long is done in parts, each Whole up to its own end.
        """
        edges = TableEdges(self._client)
        return in_parts(read, self._counted if self._verify_counts else self._closed, edges, self.tidy_up)

    def _counted(self, read: Read) -> Iterator[Item]:
        return verified(self._client, read, self._closed, self.tidy_up)

    # Windows

    def _closed(self, read: Read) -> Iterator[Item]:
        """Yield a read's items, its window ending no later than Salesforce was asked."""
        for _ in range(TRIES_TO_CLOSE):
            try:
                yield from self._left_or_new(read)
            except _AskedEarlierError as error:
                logger.info("%s: the clock went back; the window ends at %s", read.table.object, error.moment)
                late = read.window.until - error.moment > CLOCKS_DIFFER
                read = replace(read, window=replace(read.window, until=error.moment), resume=None)
                if read.window.empty and late:
                    raise BrokenPromise(
                        f"Salesforce's answer is dated {error.moment}, long before the last bookmark.",
                        where=f"object: {read.table.object}",
                        remedy="Run again; the state is kept. Look at the proxies in between if it stays.",
                    ) from None
                if read.window.empty:
                    return
            else:
                return
        raise BrokenPromise(
            "Salesforce's clock goes back and forth, so no window of time can be closed.",
            where=f"object: {read.table.object}",
            remedy="Run again; the state is kept. Look at the proxies in between if it stays.",
        )

    def _left_or_new(self, read: Read) -> Iterator[Item]:
        if read.resume and read.resume.job:
            try:
                yield from self._resumed(read, read.resume.job)
            except (BudgetError, LoginRefused):
                raise
            except (UserError, BulkRefused, BrokenPromise, QueryTimeout, TransientError) as error:
                logger.warning("%s: the job of the last run can't be read on: %s", read.table.object, error.what)
                self.tidy_up(read.resume.job.id)
                yield Begin()
                read = replace(read, resume=None)
            else:
                return
        if self._starts_with_bulk(read):
            yield from self._bulk_or_rest(read)
        else:
            yield from self._rest_or_bulk(read)

    def _starts_with_bulk(self, read: Read) -> bool:
        if self._api_type is ApiType.REST or read.table.object in self._not_in_bulk:
            return False
        if self._api_type is ApiType.BULK2:
            return True
        unread = read.window.since is None and not (read.resume or read.table.where or read.ids)
        many = unread and self._expected.get(read.table.object, 0) >= BULK_FROM_ROWS
        return many or not self._fits(read)

    def _may_use_bulk(self, read: Read) -> bool:
        return self._api_type is not ApiType.REST and read.table.object not in self._not_in_bulk

    def _fits(self, read: Read) -> bool:
        progress.doing("count")
        return rest.fits(self._client, read.ordered_query, include_deleted=read.table.include_deleted)

    # Bulk 2.0

    def _bulk_or_rest(self, read: Read) -> Iterator[Item]:
        """Run a job; whatever keeps it from being read whole, REST has the last word."""
        try:
            yield from self._bulk(read)
        except BulkRefused as error:
            self._not_in_bulk.add(read.table.object)
            logger.info("%s: Bulk refuses it, REST is used: %s", read.table.object, error.what)
        except QueryTimeout as error:
            logger.warning("%s: Bulk gave up, REST is used: %s", read.table.object, error.what)
        else:
            return
        yield from self._rest(read, may_switch=False)

    def _bulk(self, read: Read) -> Iterator[Item]:
        """Run a job; one that can't be read to its end is replaced once, a second one is refused."""
        read = replace(read, resume=None)
        for last in (False, True):
            try:
                yield from self._new_job(read)
            except LoginRefused:
                raise
            except (LostCursor, UserError) as error:
                if last:
                    raise BulkRefused(error.what, where=error.where, remedy=error.remedy, code=error.code) from None
                logger.warning("%s: a new job is started, because %s", read.table.object, error.what)
            else:
                return

    def _new_job(self, read: Read) -> Iterator[Item]:
        progress.doing("job to be created")
        job = self._created(read)
        try:
            self._check_clock(read, job.asked_at)
            yield from self._job(read, JobProgress(job.id, self._client.api_version))
        except (_AskedEarlierError, BulkRefused, LostCursor, QueryTimeout, UserError):
            self.tidy_up(job.id)
            raise

    def _created(self, read: Read) -> bulk.Job:
        """
        Start a job.

        Any refusal of the query is BulkRefused: its messages are localised and its codes many, and REST's own verdict
        is the one to tell.
        """
        try:
            return bulk.create(self._client, read.query, include_deleted=read.table.include_deleted)
        except (BudgetError, LoginRefused):
            raise
        except (UserError, BrokenPromise) as error:
            raise BulkRefused(error.what, where=error.where, remedy=error.remedy, code=error.code) from None

    def _check_clock(self, read: Read, asked_at: datetime | None) -> None:
        """Raise where the window ends after the moment of asking: later rows could still come to lie in it."""
        if read.table.key is not None and asked_at is not None and asked_at < read.window.until:
            raise _AskedEarlierError(asked_at)

    def _resumed(self, read: Read, left: JobProgress) -> Iterator[Item]:
        if left.api_version != self._client.api_version:
            raise NotFound(f"it was made with API version {left.api_version}")
        yield from self._job(read, left)

    def _job(self, read: Read, left: JobProgress) -> Iterator[Item]:
        yield Begin(_left(read, job=left), resumed=read.resume is not None, key=read.table.key)
        log.begins(read.table.object, "Bulk API 2.0", (read.window.since, read.window.until), left.id)
        with log.job_timer(left.id):
            job = bulk.wait(self._client, left.id, lambda job: progress.doing(f"job {job.state}"))
        progress.doing("")
        progress.expecting(max(0, (job.number_records_processed or 0) - left.rows))
        fields = read.query.fields
        page_rows = rows_per_page(len(fields), self._room.most)
        parser = partial(ResultPageParser, fields)
        means = Means(parser, len(fields), page_rows, self._room, self._executor, self._ahead)
        for page in Results(self._client, job, means).pages(left.locator, left.rows):
            begun = left
            left = replace(left, locator=page.next, rows=left.rows + page.rows.num_rows)
            yield from self._parts(page, _left(read, job=begun), _left(read, job=left) if page.next else None)
        yield Whole(read.window.until, job.id)

    def _ahead(self) -> int:
        return self._client.max_workers - 1 if self._room.is_first(serving.get()) else 0

    def _parts(self, page: ResultPage[Rows | PackedRows], before: Reading, after: Reading | None) -> Iterator[Page]:
        """Yield a page in one piece where there is room for it, else part by part; it is done with behind the last."""
        if not isinstance(page.rows, PackedRows):
            yield Page(page.rows, after, page.wire_bytes, page.holding)
            return
        seen = 0
        try:
            for part in page.rows.parts():
                seen += part.num_rows
                whole = seen == page.rows.num_rows
                holding = self._room.hold(part.size)
                yield Page(part, after if whole else before, page.wire_bytes if whole else 0, holding)
        finally:
            page.rows.body.close()
            page.holding.release()

    # REST

    def _rest_or_bulk(self, read: Read) -> Iterator[Item]:
        try:
            yield from self._rest(read, may_switch=self._may_use_bulk(read) and self._api_type is ApiType.AUTO)
        except _ManyRowsError:
            yield from self._bulk_or_rest(replace(read, resume=None))
        except QueryTimeout:
            if not self._may_use_bulk(read):
                raise
            logger.info("%s: REST takes too long, a Bulk job is used", read.table.object)
            yield from self._bulk_or_rest(replace(read, resume=None))

    def _rest(self, read: Read, *, may_switch: bool) -> Iterator[Item]:
        """Read page by page; when the cursor is lost or rows are missing, ask again from the last key written."""
        yield Begin(read.resume, resumed=read.resume is not None)
        log.begins(read.table.object, "REST", (read.window.since, read.window.until))
        tries = 0
        while True:
            try:
                for page in self._as_there_is_room(self._rest_pages(read, may_switch=may_switch)):
                    may_switch = False
                    yield page
                    if page.left is not None and page.left != read.resume:
                        read, tries = replace(read, resume=page.left), 0
                yield Whole(read.window.until)
            except BrokenPromise as error:
                tries += 1
                if tries >= TRIES_WITHOUT_PROGRESS:
                    raise
                logger.warning("%s: asked again, because %s", read.table.object, error.what)
                if read.table.key is None:
                    yield Begin()
            else:
                return

    def _rest_pages(self, read: Read, *, may_switch: bool) -> Iterator[Page]:
        seen, left = 0, read.resume
        parse, deleted = RecordParser(read.table.columns), read.table.include_deleted
        for page in split.query_pages(self._client, read.ordered_query, parse, include_deleted=deleted):
            if seen == 0:
                progress.expecting(page.total)
                self._check_clock(read, page.date)
                if may_switch and page.total >= BULK_FROM_ROWS:
                    raise _ManyRowsError
            seen += page.rows.num_rows
            # Rows that are missing behind a key that was reached would never be asked for again.
            key = read.table.key if seen < page.total and page.whole else None
            reached = parse_moment(page.rows.text(-1, key)) if key else None
            left = _left(read, reached=reached) if reached else left
            yield Page(page.rows, left, page.wire_bytes)

    def _as_there_is_room(self, pages: Iterator[Page]) -> Iterator[Page]:
        """Yield the pages, each asked for when there is room for one like those before it."""
        expected = min(REST_PAGE, self._room.most // REST_PAGES_IN_ROOM)
        while True:
            with ExitStack() as if_none:
                holding = self._room.hold(expected)
                if_none.callback(holding.release)
                page = next(pages, None)
                if page is None:
                    return
                if_none.pop_all()
            holding.settle(page.size)
            expected = max(expected, page.size)
            yield replace(page, holding=holding)

    def tidy_up(self, job: str) -> None:
        """Delete a job that has served, while other things go on."""
        self._executor.submit(self._discard, job)

    def _discard(self, job: str) -> None:
        if bulk.discard(self._client, job):
            self._discarded(job)


class _AskedEarlierError(TapError):
    """The window ends after the moment at which Salesforce was asked."""

    def __init__(self, moment: datetime) -> None:
        super().__init__("asked before the window's end")
        self.moment = moment


class _ManyRowsError(TapError):
    """REST's first page says that there is work for a Bulk job."""

    def __init__(self) -> None:
        super().__init__("many rows")


def _left(read: Read, *, job: JobProgress | None = None, reached: datetime | None = None) -> Reading:
    """Return what a later run needs to take the read up."""
    return Reading(read.window.since, read.window.until, read.fingerprint, job, reached)
