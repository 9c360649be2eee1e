"""Bulk 2.0 query jobs: every row of the job, counted, or an error."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from tap_salesforce_ci.client import bulk
from tap_salesforce_ci.client.bulk import Job, ResultPage, Results
from tap_salesforce_ci.client.http import Client
from tap_salesforce_ci.client.soql import Query
from tap_salesforce_ci.demo.faults import (
    BulkLimitExceeded,
    CutBody,
    DuplicatePage,
    InvalidLocator,
    JobAborted,
    JobFails,
    JobGone,
    MissingLocator,
    Refused,
    RepeatedLocator,
    ServerError,
    ShortResults,
    WrongCount,
)
from tap_salesforce_ci.demo.org import Org
from tap_salesforce_ci.demo.wire import Response
from tap_salesforce_ci.errors import (
    BadField,
    BrokenPromise,
    BulkRefused,
    NotFound,
    ObjectRefused,
    QueryTimeout,
    TapError,
    UserError,
)
from tests.client.staged import Answers, json_answer

ROWS = 23
PAGE = 5
QUERY = Query("Account", ("Id", "Name"))


@dataclass(frozen=True)
class Table:
    """Rows of a page, header aside."""

    rows: list[list[str]]

    @property
    def num_rows(self) -> int:
        return len(self.rows)


def parse(body: bytes) -> Table:
    try:
        header, *rows = csv.reader(io.StringIO(body.decode(), newline=""), strict=True)
    except csv.Error as error:
        raise ValueError(str(error)) from None
    if header != ["Id", "Name"] or any(len(row) != len(header) for row in rows):
        raise ValueError("not these columns")
    return Table(rows)


@pytest.fixture
def org(org: Org) -> Org:
    """An org with 23 accounts, five on a result page."""
    org.bulk_page_rows = PAGE
    for number in range(ROWS):
        org.insert("Account", {"Name": f'Nr "{number}"\r\n,'})
    return org


@pytest.fixture
def job(client: Client) -> Job:
    """A complete job over all accounts."""
    return bulk.wait(client, bulk.create(client, QUERY, include_deleted=False).id)


Read = Callable[..., Iterator[ResultPage[Table]]]


@pytest.fixture(params=["one by one", "listed"])
def way(request: pytest.FixtureRequest) -> str:
    """The two ways to the pages: locator by locator, or all at once by `resultPages`."""
    way: str = request.param
    return way


@pytest.fixture
def read(client: Client, org: Org, way: str) -> Iterator[Read]:
    """Read a job's pages; `resultPages` is not to be had where the pages are to be read one by one."""
    if way == "one by one":
        org.faults.add(Refused(404, "NOT_FOUND", "no such resource"), path="/resultPages", count=None)
    with ThreadPoolExecutor(3) as threads:

        def pages(job: Job, start: str | None = None, done: int = 0) -> Iterator[ResultPage[Table]]:
            results = Results(client, job, parse, page_rows=PAGE, executor=threads, ahead=lambda: 3)
            return results.pages(start, done)

        yield pages


def ids(pages: Iterator[ResultPage[Table]]) -> list[str]:
    return [row[0] for page in pages for row in page.rows.rows]


def truth(org: Org) -> list[str]:
    return [row["Id"] for row in org.rows("Account", deleted=False)]


# Create and wait


def test_a_job_is_created_as_the_guide_says(client: Client, org: Org) -> None:
    """`queryAll` for deleted rows, CSV with commas and LF, and the query untouched by ORDER BY or LIMIT."""
    import json  # noqa: PLC0415

    bulk.create(client, QUERY, include_deleted=True)

    assert json.loads(org.requests[-1].body) == {
        "operation": "queryAll",
        "query": "SELECT Id,Name FROM Account",
        "contentType": "CSV",
        "columnDelimiter": "COMMA",
        "lineEnding": "LF",
    }


def test_waiting_begins_well_under_a_second_and_slows_down(client: Client, org: Org, slept: list[float]) -> None:
    """A small job is found done at once, a long one is not pestered."""
    org.bulk_polls = 30

    job = bulk.wait(client, bulk.create(client, QUERY, include_deleted=False).id)

    assert job.number_records_processed == ROWS
    assert len(slept) == 30
    assert slept[0] <= 0.2
    assert slept == sorted(slept)
    assert slept[-1] == 10


def test_a_job_that_never_ends_is_given_up(
    client: Client, org: Org, slept: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a day of polling (here ten minutes of it) the error says where in Setup to look."""
    assert bulk.LONGEST_JOB >= 24 * 3600
    monkeypatch.setattr(bulk, "LONGEST_JOB", 600)
    org.bulk_polls = 10**9

    with pytest.raises(QueryTimeout, match="still InProgress") as given_up:
        bulk.wait(client, bulk.create(client, QUERY, include_deleted=False).id)
    assert 600 <= sum(slept) < 700
    assert "Bulk Data Load Jobs" in given_up.value.remedy


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (JobFails("QUERY_TIMEOUT: Your query request was running for too long."), QueryTimeout),
        (JobFails("Retried more than fifteen times"), QueryTimeout),
        (JobFails("insufficient access rights on cross-reference id"), BulkRefused),
        (JobAborted(), BulkRefused),
    ],
    ids=repr,
)
def test_a_job_that_ends_badly_says_why(client: Client, org: Org, fault: Any, kind: type[TapError]) -> None:
    """Failed and aborted are told apart from slow, with Salesforce's own words."""
    org.faults.add(fault)
    job = bulk.create(client, QUERY, include_deleted=False)

    with pytest.raises(TapError) as ended:
        bulk.wait(client, job.id)
    assert type(ended.value) is kind
    assert getattr(fault, "message", "aborted") in ended.value.what


def test_a_state_of_tomorrow_is_told(client: Client, org: Org) -> None:
    """An unknown state is neither success nor an endless wait."""
    org.faults.add(json_answer('{"id":"750x","state":"Paused"}'), path="/jobs/query/750x")

    with pytest.raises(BrokenPromise, match="'Paused'"):
        bulk.wait(client, "750x")


def test_a_job_that_is_gone_is_told(client: Client, org: Org) -> None:
    """Seven days after completion a job is no more."""
    job = bulk.create(client, QUERY, include_deleted=False)
    org.faults.add(JobGone())

    with pytest.raises(NotFound):
        bulk.wait(client, job.id)


@pytest.mark.parametrize(
    ("object_name", "fields", "kind"),
    [
        ("CaseStatus", ("Id",), BulkRefused),
        ("Account", ("Id", "BillingAddress"), BulkRefused),
        ("Attachment", ("Id", "Body"), BulkRefused),
        ("ActivityHistory", ("Id",), ObjectRefused),
        ("ContentDocumentLink", ("Id",), ObjectRefused),
        ("Account", ("Id", "Bacon__c"), BadField),
        ("Bacon__c", ("Id",), NotFound),
    ],
)
def test_what_bulk_refuses_is_told_apart(
    client: Client, object_name: str, fields: tuple[str, ...], kind: type[TapError]
) -> None:
    """What REST may still answer is one thing, what nothing answers another."""
    with pytest.raises(TapError) as refused:
        bulk.create(client, Query(object_name, fields), include_deleted=True)
    assert type(refused.value) is kind


@pytest.mark.parametrize("limit", ["jobs", "storage"])
def test_a_spent_allowance_of_bulk_is_no_end(client: Client, org: Org, limit: Any) -> None:
    """REST goes on where Bulk's 24 hours are used up."""
    org.faults.add(BulkLimitExceeded(limit))

    with pytest.raises(BulkRefused):
        bulk.create(client, QUERY, include_deleted=True)


# Whole reads


def test_every_row_arrives_once(read: Read, job: Job, org: Org, way: str) -> None:
    """Whichever way the pages are read, no page is asked for twice."""
    assert sorted(ids(read(job))) == truth(org)
    assert bool([each for each in org.requests.to("/resultPages") if each.status == 200]) == (way == "listed")
    assert len([each for each in org.requests if each.path.endswith("/results")]) == 5


def test_pages_come_in_order_and_say_where_to_go_on(read: Read, job: Job) -> None:
    """Each page names the next; the last names none."""
    pages = list(read(job))

    assert [page.rows.num_rows for page in pages] == [5, 5, 5, 5, 3]
    assert [page.next is None for page in pages] == [False] * 4 + [True]
    assert all(page.wire_bytes for page in pages)


def test_any_page_can_be_resumed_at(read: Read, job: Job) -> None:
    """From each locator on, the rest of the rows comes, and no other."""
    pages = list(read(job))
    whole = ids(iter(pages))
    done = 0
    for page in pages[:-1]:
        done += page.rows.num_rows
        assert ids(read(job, page.next, done)) == whole[done:]


def test_a_small_job_needs_no_list_of_pages(client: Client, org: Org, job: Job) -> None:
    """What fits on one page is asked for with one call."""
    org.requests.clear()
    with ThreadPoolExecutor(1) as threads:
        pages = Results(client, job, parse, page_rows=ROWS, executor=threads, ahead=lambda: 3).pages()
        assert sorted(ids(pages)) == truth(org)
    assert len(org.requests) == 1
    assert org.requests[0].query["maxRecords"] == str(ROWS)


def test_a_job_without_rows_has_one_empty_page(read: Read, client: Client) -> None:
    """A header line alone is an answer."""
    empty = bulk.create(client, Query("Lead", ("Id", "Name")), include_deleted=False)

    pages = list(read(bulk.wait(client, empty.id)))

    assert [(page.rows.num_rows, page.next) for page in pages] == [(0, None)]


def test_more_than_five_pages_are_listed_in_turns(client: Client, org: Org) -> None:
    """`resultPages` names five at a time; all of them are read."""
    org.bulk_page_rows = 2
    made = bulk.wait(client, bulk.create(client, QUERY, include_deleted=False).id)
    org.requests.clear()

    with ThreadPoolExecutor(3) as threads:
        pages = Results(client, made, parse, page_rows=2, executor=threads, ahead=lambda: 3).pages()
        assert sorted(ids(pages)) == truth(org)
    assert len([request for request in org.requests if "resultpages" in request.path.lower()]) == 3
    assert len([request for request in org.requests if request.path.endswith("/results")]) == 12


# Reads that go wrong once


@pytest.mark.parametrize(
    "fault",
    [
        WrongCount(),
        WrongCount(by=-1),
        ShortResults(),
        MissingLocator(),
        ServerError(503),
        CutBody(),
        CutBody(length="cut", at=0.4),
        CutBody(length="cut", at=0.97),
        CutBody(length="none"),
        CutBody(length="chunked"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("nth", [1, 3, 5])
def test_what_goes_wrong_once_is_read_again(read: Read, job: Job, org: Org, fault: Any, nth: int) -> None:
    """A page that is cut, miscounted or lost its way is fetched once more, and every row is there once."""
    org.faults.add(fault, path=r"/results\b", nth=nth)

    assert sorted(ids(read(job))) == truth(org)


@pytest.mark.parametrize("nth", [2, 3, 5])
def test_a_circle_that_is_none_the_second_time_is_left(read: Read, job: Job, org: Org, nth: int) -> None:
    """A locator that leads back is asked for once more, and every row is there once."""
    org.faults.add(RepeatedLocator(), path=r"/results\b", nth=nth)

    assert sorted(ids(read(job))) == truth(org)


# Reads that stay wrong


@pytest.mark.parametrize(
    "fault",
    [WrongCount(), WrongCount(by=-1), ShortResults(), CutBody(length="cut", at=0.4), CutBody(length="cut", at=0.99)],
    ids=repr,
)
@pytest.mark.parametrize("nth", [1, 3])
def test_what_stays_wrong_is_never_taken_for_whole(read: Read, job: Job, org: Org, fault: Any, nth: int) -> None:
    """Rows that are missing or miscounted page after page end the read with an error."""
    org.faults.add(fault, path=r"/results\b", nth=nth, count=None)

    with pytest.raises(BrokenPromise) as broken:
        ids(read(job))
    assert job.id in broken.value.where
    assert "state is kept" in broken.value.remedy


@pytest.mark.parametrize("fault", [MissingLocator(), RepeatedLocator()], ids=repr)
def test_a_lost_way_is_never_the_end(read: Read, job: Job, org: Org, way: str, fault: Any) -> None:
    """Without locators the list of pages leads on; without that, the count says that rows are missing."""
    org.faults.add(fault, path=r"/results\b", count=None)

    if way == "listed":
        assert sorted(ids(read(job))) == truth(org)
    else:
        with pytest.raises(BrokenPromise):
            ids(read(job))


def test_a_page_that_comes_in_the_place_of_another_is_noticed(read: Read, job: Job, org: Org) -> None:
    """The first page again where the third should be: as many rows, but not the ones asked for."""
    org.faults.add(DuplicatePage(), path=r"/results\b", nth=3, count=None)

    with pytest.raises(BrokenPromise):
        ids(read(job))


def test_a_page_that_comes_twice_once_is_read_again(read: Read, job: Job, org: Org) -> None:
    """The same, but only once: the page is fetched again, and every row is there once."""
    org.faults.add(DuplicatePage(), path=r"/results\b", nth=3)

    assert sorted(ids(read(job))) == truth(org)


def test_an_unterminated_last_line_may_be_cut(read: Read, job: Job, org: Org) -> None:
    """A last value that may have lost its end is not believed the first time."""
    body = b'"Id","Name"\n"001000000000001AAA","cut?"'
    headers = {"Sforce-NumberOfRecords": "1", "Sforce-Locator": "null", "Content-Type": "text/csv"}
    org.faults.add(Answers(Response(200, body, headers)), path=r"/results\b")

    assert sorted(ids(read(job))) == truth(org)


def test_servers_that_end_no_last_line_are_believed_when_they_repeat_it(client: Client, org: Org) -> None:
    """What comes twice alike was not cut on its way; from then on it is known of this server."""
    body = b'"Id","Name"\n"001000000000001AAA","x"'
    headers = {"Sforce-NumberOfRecords": "1", "Sforce-Locator": "null", "Content-Type": "text/csv"}
    org.faults.add(Answers(Response(200, body, headers)), path=r"/results\b", count=None)
    job = Job("750000000000001AAA", "JobComplete", 1)

    with ThreadPoolExecutor(1) as threads:
        results = Results(client, job, parse, page_rows=PAGE, executor=threads, ahead=lambda: 1)
        assert ids(results.pages()) == ids(results.pages()) == ["001000000000001AAA"]
    assert len(org.requests.to("/results")) == 3


@pytest.mark.parametrize("text", [b"", b"<html>down</html>", b'"Id","Name"\n"torn', b'"Id","Wrong"\n', b"\xff\xfe\n"])
def test_bytes_that_are_no_rows_are_told(read: Read, job: Job, org: Org, text: bytes) -> None:
    """Anything but whole lines of the columns asked for is an error."""
    headers = {"Sforce-NumberOfRecords": "1", "Sforce-Locator": "null"}
    org.faults.add(Answers(Response(200, text, headers)), path=r"/results\b", count=None)

    with pytest.raises(BrokenPromise, match="cut or torn"):
        ids(read(job))


def test_a_locator_that_is_gone_is_told(read: Read, job: Job, org: Org) -> None:
    """A dead locator is an error of its own, on which the caller may read the window anew."""
    org.faults.add(InvalidLocator(), count=None, path=r"/results\?.*locator=")

    with pytest.raises(BrokenPromise):
        ids(read(job))


def test_a_job_that_vanishes_while_it_is_read_is_told(read: Read, job: Job, org: Org) -> None:
    """The caller may start it once more."""
    org.faults.add(JobGone(), path=r"/results\b", nth=3)

    with pytest.raises(NotFound):
        ids(read(job))


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"resultPages":[{"resultUrl":"/x"}],"done":true}',
        '{"resultPages":[{"resultUrl":"/x?locator=a"},{"resultUrl":"/x?locator=a"}],"done":true}',
        '{"resultPages":[],"done":true}',
        '{"resultPages":[],"done":false}',
    ],
)
def test_a_list_of_pages_that_makes_no_sense_is_not_needed(client: Client, org: Org, job: Job, text: str) -> None:
    """The locators lead to every row without it."""
    org.faults.add(json_answer(text), path="/resultPages", count=None)

    with ThreadPoolExecutor(3) as threads:
        pages = Results(client, job, parse, page_rows=PAGE, executor=threads, ahead=lambda: 3).pages()
        assert sorted(ids(pages)) == truth(org)


def test_pages_that_the_list_leaves_out_are_found(client: Client, org: Org, job: Job) -> None:
    """A list that ends early is completed by the locators behind it."""
    held = org.jobs.find(job.id)
    urls = [f"/services/data/v66.0/jobs/query/{job.id}/results?locator={held.locator(start)}" for start in (0, 10)]
    text = '{"resultPages":[' + ",".join(f'{{"resultUrl":"{url}"}}' for url in urls) + '],"done":true}'
    org.faults.add(json_answer(text), path="/resultPages", count=None)

    with ThreadPoolExecutor(3) as threads:
        pages = Results(client, job, parse, page_rows=PAGE, executor=threads, ahead=lambda: 3).pages()
        assert sorted(ids(pages)) == truth(org)


def test_more_rows_than_promised_are_an_error(read: Read, job: Job) -> None:
    """A count that is overrun is no more whole than one that is not reached."""
    import msgspec  # noqa: PLC0415

    with pytest.raises(BrokenPromise, match="rows arrived of the 22"):
        ids(read(msgspec.structs.replace(job, number_records_processed=ROWS - 1)))


# Tidying up


def test_a_job_that_has_served_is_deleted(client: Client, org: Org, job: Job) -> None:
    """Salesforce's list of jobs stays short."""
    bulk.discard(client, job.id)

    with pytest.raises(NotFound):
        bulk.status(client, job.id)


def test_a_job_that_is_not_over_is_aborted_first(client: Client, org: Org) -> None:
    """Salesforce deletes only what has ended."""
    org.bulk_polls = 10**9
    job = bulk.create(client, QUERY, include_deleted=False)

    bulk.discard(client, job.id)

    assert [request.method for request in org.requests[1:]] == ["DELETE", "PATCH", "DELETE"]
    with pytest.raises(NotFound):
        bulk.status(client, job.id)


@pytest.mark.parametrize("fault", [JobGone(), Refused(403, "INSUFFICIENT_ACCESS", "no"), ServerError(503)], ids=repr)
def test_tidying_up_never_fails_a_read(client: Client, org: Org, job: Job, fault: Any) -> None:
    """No row depends on it."""
    org.faults.add(fault, path="/jobs/query/", count=None)

    bulk.discard(client, job.id)


@pytest.mark.parametrize(("fields", "rows"), [(1, 50_000), (40, 50_000), (100, 20_000), (500, 4_000), (5_000, 2_000)])
def test_the_rows_of_a_page_are_bounded_by_its_cells(fields: int, rows: int) -> None:
    """A wide object's page weighs no more than a narrow one's."""
    assert bulk.rows_per_page(fields) == rows


def test_another_api_version_is_told(connect: Any, org: Org, job: Job) -> None:
    """A job is read with the version that made it (409): that is a setting to keep."""
    other = connect(api_version="65.0")

    with ThreadPoolExecutor(1) as threads, pytest.raises(UserError) as refused:
        ids(Results(other, job, parse, page_rows=ROWS, executor=threads, ahead=lambda: 1).pages())
    assert "api_version" in refused.value.remedy
