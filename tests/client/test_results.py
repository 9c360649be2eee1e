"""The result pages of Bulk 2.0 query jobs: every row of the job, counted, or an error; and never more than has room."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import pytest

from tap_salesforce_ci.client import bulk, result_list, results
from tap_salesforce_ci.client.body import Body
from tap_salesforce_ci.client.bulk import Job
from tap_salesforce_ci.client.http import Client
from tap_salesforce_ci.client.results import Means, ResultPage, Results, rows_per_page
from tap_salesforce_ci.client.room import Room
from tap_salesforce_ci.client.soql import Query
from tap_salesforce_ci.demo.faults import (
    CutBody,
    DuplicatePage,
    InvalidLocator,
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
from tap_salesforce_ci.errors import BrokenPromise, NotFound, UserError
from tests.client.staged import Answers, EndlessPages, json_answer

ROWS = 23
PAGE = 5
QUERY = Query("Account", ("Id", "Name"))
PLENTY = 256 << 20


@dataclass(frozen=True)
class Table:
    """Rows of a page, header aside."""

    rows: list[list[str]]
    size: int

    @property
    def num_rows(self) -> int:
        return len(self.rows)


class Parser:
    """Reads a page by the standard library, all at once at its end."""

    def __init__(self) -> None:
        self.size = 0
        self._read = b""

    def feed(self, part: bytes) -> None:
        self._read += part
        self.size = len(self._read)

    def drop(self) -> None:
        self._read, self.size = b"", 0

    def rows(self, body: Body) -> Table:
        text = b"".join(body.parts()) if body.dropped else self._read
        try:
            header, *rows = csv.reader(io.StringIO(text.decode(), newline=""), strict=True)
        except csv.Error as error:
            raise ValueError(str(error)) from None
        if header != ["Id", "Name"] or any(len(row) != len(header) for row in rows):
            raise ValueError("not these columns")
        return Table(rows, self.size)


def means(threads: ThreadPoolExecutor, page_rows: int = PAGE, room: Room | None = None) -> Means[Table]:
    """Read pages with these threads."""
    return Means(Parser, 2, page_rows, room or Room(PLENTY), threads, lambda: 3)


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
            results = Results(client, job, means(threads))
            return results.pages(start, done)

        yield pages


def ids(pages: Iterator[ResultPage[Table]]) -> list[str]:
    return [row[0] for page in pages for row in page.rows.rows]


def truth(org: Org) -> list[str]:
    return [row["Id"] for row in org.rows("Account", deleted=False)]


# Whole reads


def test_pages_that_never_end_are_left(
    org: Org, job: Job, read: Read, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chain of empty pages is not followed for ever, nor a list of pages that names none."""
    monkeypatch.setattr(results, "MOST_EMPTY_PAGES", 7)
    monkeypatch.setattr(result_list, "MOST_ANSWERS", 5)
    before = len(org.requests)
    if way == "listed":
        org.faults.add(EndlessPages(), path="/resultPages", count=None)
        assert sorted(ids(read(job))) == truth(org)
        return
    org.faults.add(EndlessPages(), path="/results", count=None)
    with pytest.raises(BrokenPromise, match="8 result pages in a row hold no rows"):
        ids(read(job))
    assert len(org.requests) - before < 30


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


@pytest.mark.parametrize("form", ["{}", "+/{}==", "a%3D{}", "a&locator=b#{}"])
def test_locators_are_opaque(read: Read, org: Org, job: Job, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    """Whatever characters a locator is made of, it comes back to Salesforce as it was."""
    plain = org.jobs.find(job.id).locator

    def locator(held: Any, offset: int) -> str:
        name = form.format(plain(offset))
        held._offsets[name] = offset
        return name

    monkeypatch.setattr(type(org.jobs.find(job.id)), "locator", locator)
    assert sorted(ids(read(job))) == truth(org)


@pytest.mark.parametrize("last", ["null", "NULL", "", "Null"])
def test_the_last_page_says_so_in_any_form(read: Read, org: Org, last: str) -> None:
    """`Sforce-Locator: null` ends a job, in whatever case it is written."""
    body = b'"Id","Name"\n"001000000000001AAA","x"\n'
    headers = {"Sforce-NumberOfRecords": "1", "Sforce-Locator": last, "Content-Type": "text/csv"}
    org.faults.add(Answers(Response(200, body, headers)), path=r"/results\b", count=None)

    assert ids(read(Job("750000000000001AAA", "JobComplete", 1))) == ["001000000000001AAA"]


def test_a_small_job_needs_no_list_of_pages(client: Client, org: Org, job: Job) -> None:
    """What fits on one page is asked for with one call."""
    org.requests.clear()
    with ThreadPoolExecutor(1) as threads:
        pages = Results(client, job, means(threads, ROWS)).pages()
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
        pages = Results(client, made, means(threads, 2)).pages()
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


@pytest.mark.parametrize("id_", ["", "000000000000000AAA"])
def test_rows_without_an_id_of_their_own_are_not_taken_for_the_same(client: Client, org: Org, id_: str) -> None:
    """Pages whose first rows have no Id, or that of all virtual rows, are different pages."""
    body = f'"Id","Name"\n"{id_}","x"\n'.encode()
    for nth, following in enumerate(("two", "null"), 1):
        headers = {"Sforce-NumberOfRecords": "1", "Sforce-Locator": following, "Content-Type": "text/csv"}
        org.faults.add(Answers(Response(200, body, headers)), path=r"/results\b", nth=nth)

    with ThreadPoolExecutor(1) as threads:
        pages = Results(client, Job("750000000000001AAA", "JobComplete", 2), means(threads)).pages()
        assert ids(pages) == [id_, id_]


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
        results = Results(client, job, means(threads))
        assert ids(results.pages()) == ids(results.pages()) == ["001000000000001AAA"]
    assert len(org.requests.to("/results")) == 3


@pytest.mark.parametrize("text", [b"", b"<html>down</html>", b'"Id","Name"\n"torn', b'"Id","Wrong"\n', b"\xff\xfe\n"])
def test_bytes_that_are_no_rows_are_told(read: Read, job: Job, org: Org, text: bytes) -> None:
    """Anything but whole lines of the columns asked for is an error."""
    headers = {"Sforce-NumberOfRecords": "1", "Sforce-Locator": "null"}
    org.faults.add(Answers(Response(200, text, headers)), path=r"/results\b", count=None)

    with pytest.raises(BrokenPromise, match="cut or torn"):
        ids(read(job))


def test_a_page_that_lies_in_a_file_and_is_torn_is_read_again(client: Client, org: Org, job: Job) -> None:
    """The end of a page for which there is no room makes no sense: it is fetched once more all the same."""

    class Wary(Parser):
        def feed(self, part: bytes) -> None:
            if part.endswith(b"\xff"):
                raise ValueError
            super().feed(part)

    noise = Random(1).randbytes(2 << 20).hex().encode()
    org.faults.add(Answers(Response(200, noise + b"\xff", {"Content-Type": "text/csv"})), path=r"/results\b")

    with ThreadPoolExecutor(1) as threads:
        pages = Results(client, job, replace(means(threads, ROWS, Room(100_000)), parser=Wary)).pages()
        assert sorted(ids(pages)) == truth(org)


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
        pages = Results(client, job, means(threads)).pages()
        assert sorted(ids(pages)) == truth(org)


def test_pages_that_the_list_leaves_out_are_found(client: Client, org: Org, job: Job) -> None:
    """A list that ends early is completed by the locators behind it."""
    held = org.jobs.find(job.id)
    urls = [f"/services/data/v66.0/jobs/query/{job.id}/results?locator={held.locator(start)}" for start in (0, 10)]
    text = '{"resultPages":[' + ",".join(f'{{"resultUrl":"{url}"}}' for url in urls) + '],"done":true}'
    org.faults.add(json_answer(text), path="/resultPages", count=None)

    with ThreadPoolExecutor(3) as threads:
        pages = Results(client, job, means(threads)).pages()
        assert sorted(ids(pages)) == truth(org)


def test_more_rows_than_promised_are_an_error(read: Read, job: Job) -> None:
    """A count that is overrun is no more whole than one that is not reached."""
    import msgspec  # noqa: PLC0415

    with pytest.raises(BrokenPromise, match="rows arrived of the 22"):
        ids(read(msgspec.structs.replace(job, number_records_processed=ROWS - 1)))


@pytest.mark.parametrize(
    ("fields", "most_bytes", "rows"),
    [(1, PLENTY, 50_000), (40, PLENTY, 50_000), (500, PLENTY, 4_194), (40, 32 << 20, 6_553), (5_000, 8 << 20, 500)],
)
def test_the_rows_of_a_page_are_bounded_by_its_cells_and_the_room(fields: int, most_bytes: int, rows: int) -> None:
    """A wide object's page weighs no more than a narrow one's, and several have room."""
    assert rows_per_page(fields, most_bytes) == rows


def test_another_api_version_is_told(connect: Any, org: Org, job: Job) -> None:
    """A job is read with the version that made it (409): that is a setting to keep."""
    other = connect(api_version="65.0")

    with ThreadPoolExecutor(1) as threads, pytest.raises(UserError) as refused:
        ids(Results(other, job, means(threads, ROWS)).pages())
    assert "api_version" in refused.value.remedy
