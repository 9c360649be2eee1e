"""A query too long for a URL: asked in parts, and every row is put together whole."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from tap_salesforce_ci.client import split
from tap_salesforce_ci.client.http import Client
from tap_salesforce_ci.client.rest import Records
from tap_salesforce_ci.client.soql import Query
from tap_salesforce_ci.demo.faults import HtmlError, MissingLocator, ShortResults
from tap_salesforce_ci.demo.org import Org
from tap_salesforce_ci.errors import BrokenPromise, UrlTooLong
from tests.client.staged import Meanwhile
from tests.conftest import NOW

ROWS = 25
ROOM = 600


@pytest.fixture
def wide(org: Org, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """The fields of the wide object, which has 25 rows on three pages, many of one second."""
    org.rest_page_rows = 10
    describe = org.object("Wide__c").describe
    texts = [field["name"] for field in describe["fields"] if field["custom"] and field["type"] == "string"]
    for number in range(ROWS):
        values = {name: f"{name} of {number:02}" for name in texts[number % 2 :: number + 1]}
        org.insert("Wide__c", values, at=NOW + timedelta(seconds=number // 10))
    monkeypatch.setattr(split, "ROOMS", (ROOM,))
    return tuple(field["name"] for field in describe["fields"])


def read(client: Client, query: Query) -> list[dict[str, object]]:
    pages = split.query_pages(client, query, Records, include_deleted=True)
    rows = (row for page in pages for row in page.rows.rows())
    return [{name: json.loads(bytes(value)) for name, value in row.items()} for row in rows]


@pytest.mark.parametrize("order", [(), ("Id",), ("SystemModstamp", "Id")])
def test_every_row_is_whole_and_in_order(
    client: Client, org: Org, wide: tuple[str, ...], order: tuple[str, ...]
) -> None:
    """All fields of all rows, each with its own values, though no request had them all."""
    rows = read(client, Query("Wide__c", wide, (), order))

    truth = org.rows("Wide__c")
    assert [row["Id"] for row in rows] == [row["Id"] for row in truth]
    for row, true in zip(rows, truth, strict=True):
        texts = {name: value for name, value in true.items() if name.endswith("__c") and isinstance(value, str)}
        assert {name: row[name] for name in texts} == texts
        assert set(row) - {"attributes"} == set(wide)
    parts = [request.query["q"] for request in org.requests if request.status == 200 and "q" in request.query]
    assert {request.status for request in org.requests} == {200}
    assert len(parts) > 2
    assert max(map(len, parts)) <= ROOM


def test_null_keys_come_first_in_every_part(client: Client, org: Org, wide: tuple[str, ...]) -> None:
    """Rows without the key they are ordered by stand where SOQL puts them, also where the last of them vanishes."""
    key = next(name for name, value in org.rows("Wide__c")[0].items() if value == f"{name} of 00")
    *keyless, gone = [row["Id"] for row in org.rows("Wide__c") if row[key] is None]
    keyed = [row["Id"] for row in org.rows("Wide__c") if row[key] is not None]
    org.faults.add(Meanwhile(lambda: org.hard_delete("Wide__c", gone)), path="/queryAll", nth=2)

    rows = read(client, Query("Wide__c", wide, (), (key, "Id")))

    assert keyless
    assert [row["Id"] for row in rows] == keyless + keyed


def test_a_row_that_vanishes_in_between_is_passed_over(client: Client, org: Org, wide: tuple[str, ...]) -> None:
    """It is in one part and not in the next; all the others are whole."""
    gone = org.rows("Wide__c")[12]["Id"]
    org.faults.add(Meanwhile(lambda: org.hard_delete("Wide__c", gone)), path="/queryAll", nth=2)

    rows = read(client, Query("Wide__c", wide))

    assert [row["Id"] for row in rows] == [row["Id"] for row in org.rows("Wide__c")]
    assert gone not in [row["Id"] for row in rows]


def test_a_row_that_appears_in_between_is_left_to_the_next_read(
    client: Client, org: Org, wide: tuple[str, ...]
) -> None:
    """A half row is never given."""
    before = [row["Id"] for row in org.rows("Wide__c")]
    org.faults.add(Meanwhile(lambda: org.insert("Wide__c", {})), path="/queryAll", nth=2)

    rows = read(client, Query("Wide__c", wide))

    assert [row["Id"] for row in rows] == before


@pytest.mark.parametrize("fault", [ShortResults(), MissingLocator()], ids=repr)
def test_a_part_that_is_not_whole_ends_the_read(
    client: Client, org: Org, wide: tuple[str, ...], fault: ShortResults
) -> None:
    """Missing rows of one part are not taken for rows that changed."""
    org.faults.add(fault, nth=2, count=2)

    with pytest.raises(BrokenPromise):
        read(client, Query("Wide__c", wide))


def test_a_last_page_that_is_short_in_one_part_ends_the_read(client: Client, org: Org, wide: tuple[str, ...]) -> None:
    """The last row of the last page is missing in the last part only, and is missed."""
    trigger = org.faults.add(ShortResults(), path=r"/query/0r8\w+-20", count=2)
    trigger.nth = len(Query("Wide__c", wide, (), ("Id",)).split(ROOM, keep=("Id",)))

    with pytest.raises(BrokenPromise):
        read(client, Query("Wide__c", wide))


def test_no_rows_are_one_empty_page(client: Client) -> None:
    """An empty object is read like any other."""
    pages = list(split.query_pages(client, Query("Lead", ("Id", "Name")), Records, include_deleted=True))

    assert [(page.rows.num_rows, page.total) for page in pages] == [(0, 0)]


def test_rows_without_id_cannot_be_put_together(client: Client, org: Org) -> None:
    """The remedy is to ask for fewer fields, or Bulk."""
    org.faults.add(HtmlError(414), path=r"/queryAll\?")

    with pytest.raises(UrlTooLong) as refused:
        read(client, Query("LightningUriEvent", ("EventIdentifier",)))
    assert "bulk2" in refused.value.remedy


def test_what_fits_is_asked_in_one_piece(client: Client, org: Org) -> None:
    """No query is cut up that Salesforce would answer whole."""
    read(client, Query("Account", ("Id", "Name")))

    assert len(org.requests) == 1


def test_a_url_that_salesforce_finds_too_long_is_cut_up(
    client: Client, org: Org, wide: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A 414 where we saw none coming: the same rows arrive in parts."""
    fields = tuple(name for name in wide if name != "Id")[:30]
    org.faults.add(HtmlError(414), path=r"/queryAll\?")

    rows = read(client, Query("Wide__c", ("Id", *fields)))

    assert [row["Id"] for row in rows] == [row["Id"] for row in org.rows("Wide__c")]
    assert {*fields, "Id"} == set(rows[0]) - {"attributes"}
    assert next(request.status for request in org.requests) == 414


def test_a_proxy_that_takes_less_gets_shorter_urls(
    client: Client, org: Org, wide: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts that are refused as too long are made smaller, and every row is there once."""
    monkeypatch.setattr(split, "ROOMS", (2_000, ROOM))
    org.faults.add(HtmlError(414), path=r"/queryAll\?.{1500}", count=None)

    rows = read(client, Query("Wide__c", wide))

    assert [row["Id"] for row in rows] == [row["Id"] for row in org.rows("Wide__c")]
    assert set(rows[0]) - {"attributes"} == set(wide)


def test_a_proxy_that_takes_next_to_nothing_is_told(client: Client, org: Org, wide: tuple[str, ...]) -> None:
    """When even the smallest parts are too long, the remedy is fewer fields or Bulk."""
    org.faults.add(HtmlError(414), path=r"/queryAll\?", count=None)

    with pytest.raises(UrlTooLong):
        read(client, Query("Wide__c", wide))


@pytest.mark.parametrize("most", [1, 40_000])
def test_pages_of_many_fields_have_few_rows(
    client: Client, wide: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """What is put together is handed on by its size, not only by its rows, and no row is lost or comes twice."""
    query = Query("Wide__c", wide)
    whole = [row["Id"] for row in read(client, query)]
    monkeypatch.setattr(split, "BYTES_PER_PAGE", most)

    pages = list(split.query_pages(client, query, Records, include_deleted=True))

    assert (1 if most == 1 else 2) <= pages[0].rows.num_rows < ROWS
    assert [json.loads(bytes(row["Id"])) for page in pages for row in page.rows.rows()] == whole
    assert {page.total for page in pages} == {ROWS}


@pytest.mark.parametrize("came", [1, 12])
def test_a_row_that_a_part_lacks_is_missed_although_others_came(
    client: Client, org: Org, wide: tuple[str, ...], came: int
) -> None:
    """Rows at the end that the first part doesn't have yet keep no part from being counted."""
    org.faults.add(Meanwhile(lambda: [org.insert("Wide__c", {}) for _ in range(came)]), path="/queryAll", nth=2)
    org.faults.add(ShortResults(), path=r"/query/0r8\w+-10", nth=2, count=2)

    with pytest.raises(BrokenPromise):
        read(client, Query("Wide__c", wide))
