"""Bulk 2.0 query jobs: every row of the job, counted, or an error."""

from __future__ import annotations

from typing import Any

import pytest

from tap_salesforce_ci.client import bulk
from tap_salesforce_ci.client.bulk import Job
from tap_salesforce_ci.client.http import Client
from tap_salesforce_ci.client.soql import Query
from tap_salesforce_ci.demo.faults import (
    BulkLimitExceeded,
    JobAborted,
    JobFails,
    JobGone,
    Refused,
    ServerError,
)
from tap_salesforce_ci.demo.org import Org
from tap_salesforce_ci.errors import (
    BadField,
    BrokenPromise,
    BulkRefused,
    NotFound,
    ObjectRefused,
    QueryTimeout,
    TapError,
)
from tests.client.staged import json_answer

ROWS = 23
PAGE = 5
QUERY = Query("Account", ("Id", "Name"))


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
    org.bulk_polls = 40

    job = bulk.wait(client, bulk.create(client, QUERY, include_deleted=False).id)

    assert job.number_records_processed == ROWS
    assert len(slept) == 40
    assert slept[0] <= 0.3
    assert slept == sorted(slept)
    assert slept[-1] == 30


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
