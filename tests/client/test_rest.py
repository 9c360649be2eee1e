"""Query pages over REST: all rows, each value's text untouched, or an error."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tap_salesforce_ci.client import rest
from tap_salesforce_ci.client.http import Client
from tap_salesforce_ci.client.rest import Records
from tap_salesforce_ci.client.soql import Query
from tap_salesforce_ci.demo.faults import (
    CutBody,
    DuplicatePage,
    ExpireSession,
    Fault,
    InvalidLocator,
    MissingLocator,
    Refused,
    RepeatedLocator,
    ServerError,
    ShortResults,
    WrongCount,
)
from tap_salesforce_ci.demo.org import Number, Org
from tap_salesforce_ci.demo.request_log import Request
from tap_salesforce_ci.demo.wire import Response
from tap_salesforce_ci.errors import BrokenPromise, BudgetError, LostCursor, TapError
from tests.client.staged import EndlessPages, json_answer

ROWS = 25
QUERY = Query("Account", ("Id", "Name", "AnnualRevenue", "NumberOfEmployees"), (), ("Id",))


@pytest.fixture
def org(org: Org) -> Org:
    """An org with 25 accounts, ten on a page."""
    org.rest_page_rows = 10
    for number in range(ROWS):
        revenue = Number(rest="1234567890123456.78", bulk="1.23456789012345678E15")
        org.insert("Account", {"Name": f"Nr {number}", "AnnualRevenue": revenue, "NumberOfEmployees": number})
    return org


def read(client: Client, *, include_deleted: bool = False, query: Query = QUERY) -> list[dict[str, str]]:
    pages = rest.query_pages(client, query, Records, include_deleted=include_deleted)
    return [{name: bytes(value).decode() for name, value in row.items()} for page in pages for row in page.rows.rows()]


def names(org: Org, *, deleted: bool = False) -> list[str]:
    return [row["Name"] for row in org.rows("Account", deleted=deleted)]


def names_of(rows: list[dict[str, str]]) -> list[str]:
    return [json.loads(row["Name"]) for row in rows]


# Good reads


def test_every_row_arrives_once_and_in_order(client: Client, org: Org) -> None:
    """Three pages hold the 25 rows, and their texts are as Salesforce printed them."""
    rows = read(client)

    assert names_of(rows) == names(org)
    assert {row["AnnualRevenue"] for row in rows} == {"1234567890123456.78"}
    assert [row["NumberOfEmployees"] for row in rows] == [str(number) for number in range(ROWS)]
    assert len(org.requests.to("/query")) == 3


def test_pages_tell_the_whole_and_what_they_took(client: Client) -> None:
    """Each page says how many rows the query has, and what it took to travel."""
    pages = list(rest.query_pages(client, QUERY, Records, include_deleted=False))

    assert [page.rows.num_rows for page in pages] == [10, 10, 5]
    assert {page.total for page in pages} == {ROWS}
    assert all(page.wire_bytes > 0 for page in pages)


def test_a_query_without_rows_is_one_empty_page(client: Client) -> None:
    """Nothing found is an answer."""
    pages = list(rest.query_pages(client, Query("Lead", ("Id",)), Records, include_deleted=True))

    assert [(page.rows.num_rows, page.total) for page in pages] == [(0, 0)]


@pytest.mark.parametrize("include_deleted", [True, False])
def test_deleted_rows_are_read_on_request(client: Client, org: Org, include_deleted: bool) -> None:  # noqa: FBT001
    """`queryAll` gives the Recycle Bin's rows, `query` does not."""
    org.delete("Account", org.rows("Account")[3]["Id"])

    rows = read(client, include_deleted=include_deleted)

    assert len(rows) == (ROWS if include_deleted else ROWS - 1)
    assert names_of(rows) == names(org, deleted=include_deleted)
    assert ("queryAll" in org.requests[0].path) == include_deleted


def test_signs_that_urls_know_survive(client: Client, org: Org) -> None:
    """Plus, ampersand, percent and umlauts in a condition reach Salesforce as they are."""
    from tap_salesforce_ci.client import soql  # noqa: PLC0415

    name = "a+b & c%20d #é=?;☃"
    org.insert("Account", {"Name": name})
    query = Query("Account", ("Id", "Name"), (soql.given(f"Name = '{name}'", "where.Account"),))

    assert names_of(read(client, query=query)) == [name]


def test_counting_asks_for_one_number(client: Client, org: Org) -> None:
    """How many rows a query has is known without reading them."""
    assert rest.count(client, Query("Account", ("Id",)), include_deleted=False) == ROWS
    assert len(org.requests) == 1


# Bad reads


def test_pages_that_never_end_are_left(client: Client, org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chain of empty pages, each naming another one, is not followed for ever."""
    monkeypatch.setattr(rest, "MOST_EMPTY_PAGES", 7)
    org.faults.add(EndlessPages(), path="/query", count=None)

    with pytest.raises(BrokenPromise, match="8 query pages in a row hold no rows"):
        read(client)
    assert len(org.requests) == 9


@pytest.mark.parametrize(
    ("fault", "nth"),
    [
        (WrongCount(by=1), 1),
        (WrongCount(by=-1), 1),
        (ShortResults(), 1),
        (ShortResults(), 2),
        (ShortResults(), 3),
        (MissingLocator(), 1),
        (MissingLocator(), 2),
        (RepeatedLocator(), 1),
        (RepeatedLocator(), 2),
    ],
    ids=repr,
)
def test_a_read_that_is_not_whole_is_never_taken_for_one(client: Client, org: Org, fault: Any, nth: int) -> None:
    """Rows that are missing, counts that don't add up, a circle: each is an error, on any page."""
    org.faults.add(fault, nth=nth, count=2)

    with pytest.raises(BrokenPromise) as broken:
        read(client)
    assert broken.value.remedy


@pytest.mark.parametrize("times", [1, None])
def test_a_page_that_comes_in_the_place_of_another_is_noticed(client: Client, org: Org, times: int | None) -> None:
    """The first page's rows where the third page's should be: read again, and refused if they stay."""
    org.faults.add(DuplicatePage(), nth=3, count=times)

    if times:
        assert names_of(read(client)) == names(org)
    else:
        with pytest.raises(BrokenPromise, match="came twice"):
            read(client)


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_page_that_is_shorter_than_its_locator_says_is_read_again(client: Client, org: Org, nth: int) -> None:
    """The page behind it, or the end, tells how many rows there should have been; each row arrives once."""
    org.faults.add(ShortResults(), nth=nth)

    assert names_of(read(client)) == names(org)
    assert len(org.requests.to("/query")) == 4


@dataclass(frozen=True)
class PlainLocators(Fault):
    """Locators don't tell how many rows lie before their page."""

    def spoiled(self, org: Any, request: Request, response: Response) -> Response:
        return replace(response, body=re.sub(rb'(/query/\w+)-(\d+)"', rb'\1_\2"', response.body))

    def instead(self, org: Any, request: Request) -> None:
        request.target = re.sub(r"_(\d+)$", r"-\1", request.target)


def wholes(client: Client) -> list[bool]:
    """Return of each page whether all rows before its end are known to have come, up to where the read fails."""
    told: list[bool] = []
    with suppress(BrokenPromise):
        told.extend(page.whole for page in rest.query_pages(client, QUERY, Records, include_deleted=False))
    return told


@pytest.mark.parametrize("nth", [1, 2])
def test_what_comes_behind_a_short_page_is_not_called_whole(client: Client, org: Org, nth: int) -> None:
    """Where one read on from its last key, the missing rows would never be asked for."""
    assert wholes(client) == [True] * 3
    org.faults.add(ShortResults(), nth=nth, count=2)
    assert wholes(client) == [True] * (nth - 1) + [False] * (3 - nth)


def test_locators_that_tell_nothing_leave_it_open(client: Client, org: Org) -> None:
    """Every row arrives and no page is asked for twice, but none is known to have come whole."""
    org.faults.add(PlainLocators(), count=None)

    assert wholes(client) == [False] * 3
    assert len(org.requests.to("/query")) == 3


TORN = json_answer('{"totalSize":25,"done":tr')


@pytest.mark.parametrize("fault", [CutBody(length="cut"), CutBody(length="none", at=0.9), TORN], ids=repr)
@pytest.mark.parametrize("nth", [1, 3])
def test_a_torn_page_is_read_again(client: Client, org: Org, fault: Any, nth: int) -> None:
    """What is no whole JSON is asked for once more."""
    org.faults.add(fault, path="/query", nth=nth)

    assert names_of(read(client)) == names(org)


def test_a_page_that_stays_torn_is_told(client: Client, org: Org) -> None:
    """Twice in a row is no accident."""
    org.faults.add(TORN, path="/query", nth=2, count=None)

    with pytest.raises(BrokenPromise, match="not the JSON"):
        read(client)
    assert len(org.requests.to("/query")) == 3


@pytest.mark.parametrize(
    "text",
    [
        '{"totalSize":1,"done":true}',
        '{"totalSize":"1","done":true,"records":[]}',
        '{"done":true,"records":[]}',
        '{"totalSize":1,"records":[]}',
        "[]",
        "null",
        '{"totalSize":1,"done":true,"records":[null]}',
        '{"totalSize":1,"done":true,"records":[{"Id":"\ud800"}]',
    ],
)
def test_an_answer_of_another_shape_is_told(client: Client, org: Org, text: str) -> None:
    """Nothing is guessed from an answer that lacks what Salesforce documents."""
    org.faults.add(json_answer(text.encode("utf-8", "replace").decode()), path="/query", count=None)

    with pytest.raises(BrokenPromise):
        read(client)


def test_a_lost_cursor_is_told_as_such(client: Client, org: Org) -> None:
    """The caller can ask the query anew."""
    org.faults.add(InvalidLocator())

    with pytest.raises(LostCursor):
        read(client)


def test_the_next_page_is_asked_of_the_org_alone(client: Client, org: Org) -> None:
    """A nextRecordsUrl of another host is taken for its path."""
    text = '{"totalSize":1,"done":false,"nextRecordsUrl":"https://evil.example/services/data/v66.0/query/x-0","records":[]}'
    org.faults.add(json_answer(text), path="/query")

    with pytest.raises(TapError):
        read(client)
    assert org.requests[-1].path == "/services/data/v66.0/query/x-0"


@pytest.mark.parametrize("fault", [ServerError(503), ExpireSession()], ids=repr)
def test_a_page_that_fails_is_asked_for_again(connect: Any, server: Any, org: Org, fault: Any) -> None:
    """A cursor outlives a failing server and a dead session."""
    from tap_salesforce_ci.client.auth import RefreshToken  # noqa: PLC0415
    from tap_salesforce_ci.demo import oauth  # noqa: PLC0415

    client = connect(RefreshToken(server.url, oauth.CLIENT_ID, oauth.REFRESH_TOKEN, oauth.CLIENT_SECRET))
    org.faults.add(fault, path="/query/", nth=2)

    assert names_of(read(client)) == names(org)


# The length of a URL


def test_a_query_fits_or_is_known_not_to(client: Client, org: Org) -> None:
    """What is said to fit is answered; what is not, Salesforce would refuse, give or take the headers."""
    short = Query("Account", ("Id",))
    assert rest.fits(client, short, include_deleted=True)
    for count in (1_000, 2_000, 2_400, 3_000):
        query = Query("Account", ("Id", *["Name"] * count))
        if not rest.fits(client, query, include_deleted=True):
            return
        path = rest.query_path(client, query, include_deleted=True)
        assert len(path) < 16_384 - 2_048
    pytest.fail("no query was found too long")


# Record counts


def test_counts_of_objects_are_known_in_one_call(client: Client, org: Org) -> None:
    """About how many rows there are decides between the APIs."""
    assert rest.record_counts(client, ["Account", "Lead"])["Account"] == ROWS
    assert len(org.requests) == 1


def test_many_names_take_several_calls(client: Client, org: Org) -> None:
    """The URL stays short."""
    rest.record_counts(client, [f"A_Custom_Object_With_A_Long_Name_{number:04}__c" for number in range(450)])

    assert len(org.requests) == 3
    assert max(len(request.target) for request in org.requests) < 16_384


@pytest.mark.parametrize(
    "fault",
    [Refused(403, "INSUFFICIENT_ACCESS", "no"), json_answer("{}"), json_answer("[]"), json_answer('{"sObjects":5}')],
    ids=repr,
)
def test_counts_that_cannot_be_known_are_no_failure(client: Client, org: Org, fault: Any) -> None:
    """The resource is a convenience: without it the counts are unknown."""
    org.faults.add(fault, path="/recordCount", count=None)

    assert rest.record_counts(client, ["Account"]) == {}


def test_a_spent_allowance_is_a_failure_there_too(client: Client, org: Org) -> None:
    """No convenience may hide that the run has to stop."""
    org.faults.add(Refused(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."), count=None, path="/limits")

    with pytest.raises(BudgetError):
        rest.record_counts(client, ["Account"])


def test_values_are_left_as_text(client: Client) -> None:
    """The bytes of a value decode to what the org holds, digit for digit."""
    (page, *_) = rest.query_pages(client, QUERY, Records, include_deleted=False)

    value = msgspec.json.decode(next(page.rows.rows())["AnnualRevenue"], type=Decimal)
    assert value == Decimal("1234567890123456.78")
