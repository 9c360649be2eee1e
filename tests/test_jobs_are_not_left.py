"""A Bulk job serves once: a killed run's is read on at its next page, and none is left at Salesforce."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from tap_salesforce_ci.demo.clock import Clock
from tap_salesforce_ci.demo.data import empty_org
from tap_salesforce_ci.demo.faults import JobFails, Refused
from tap_salesforce_ci.demo.org import Org
from tap_salesforce_ci.demo.server import Server
from tests.mortal import Cause, Death, live
from tests.singer import Output, Warehouse, sync
from tests.truth import expected

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=timezone.utc)
ROWS = 4
CONTACTS: dict[str, Any] = {"streams": ["Contact"], "api_type": "bulk2", "lookback_window": 0, "quiet": True}


@pytest.fixture
def org() -> Org:
    """An org with a few rows, and a row to a page."""
    return young_org()


def young_org() -> Org:
    """Return such an org."""
    org = empty_org(Clock(NOW))
    org.bulk_page_rows = org.bulk_most_rows = 1
    for number in range(ROWS):
        org.insert("Contact", {"LastName": f"Contact {number}"}, at=NOW - timedelta(hours=number + 1))
    return org


@pytest.fixture
def server(org: Org) -> Iterator[Server]:
    with Server(org) as server:
        yield server


def jobs(org: Org) -> list[str]:
    """Return the jobs that are at Salesforce."""
    return [job.id for job in org.jobs.every()]


def assert_whole(org: Org, *outputs: Output) -> None:
    warehouse = Warehouse()
    for output in outputs:
        warehouse.load(output)
    assert warehouse.rows("sf_Contact") == expected(org, "Contact", outputs[-1].schema("sf_Contact"))


def test_a_killed_run_s_job_goes_on_at_its_next_page() -> None:
    """Wherever it was killed, one page is written twice at the most, and none is fetched a third time."""
    for message in itertools.count(1):
        org = young_org()
        with Server(org) as server:
            first = live(server, Death(message, 1, Cause.KILLED), state=None, max_workers=1, **CONTACTS)
            second = live(server, None, state=first.output.state, max_workers=1, **CONTACTS)
        written = Counter(record["Id"] for life in (first, second) for record in life.output.records("sf_Contact"))
        fetched = Counter(each.query.get("locator") for each in org.requests if each.path.endswith("/results"))
        created = [each for each in org.requests if each.method == "POST" and each.path.endswith("/jobs/query")]
        told = any("reading" in each for each in first.output.state.get("bookmarks", {}).values())
        assert second.error is None
        assert_whole(org, first.output, second.output)
        assert jobs(org) == []
        if told:
            assert len(created) == 1
            assert sum(written.values()) <= ROWS + 1
            assert max(fetched.values()) <= 2
        if not first.died:
            assert message > ROWS
            break


def test_a_job_that_no_state_tells_of_is_deleted_by_the_next_run(org: Org, server: Server) -> None:
    """A target that died with the run has no state of it; the job is found all the same."""
    org.bulk_polls = 2
    killed = live(server, Death(1, 1, Cause.KILLED), state=None, **CONTACTS)
    assert killed.died
    assert len(jobs(org)) == 1

    output = sync(server, **CONTACTS)

    assert output.error is None
    assert_whole(org, output)
    assert jobs(org) == []


def test_a_job_in_the_state_is_not_deleted_before_it_is_read(org: Org, server: Server) -> None:
    """The notes of a run that died say nothing against a state that tells of the same job."""
    killed = live(server, Death(4, 1, Cause.KILLED), state=None, max_workers=1, **CONTACTS)
    org.requests.clear()

    output = sync(server, state=killed.output.state, max_workers=1, **CONTACTS)

    assert not any(each.method == "POST" and each.path.endswith("/jobs/query") for each in org.requests)
    assert len(output.records("sf_Contact")) < ROWS
    assert_whole(org, killed.output, output)
    assert jobs(org) == []


def test_a_job_that_could_not_be_deleted_is_deleted_by_the_next_run(
    org: Org, server: Server, cache_folder: Path
) -> None:
    """A run that was whole notes what it had to leave; afterwards nothing is noted any more."""
    for method in ("DELETE", "PATCH"):
        org.faults.add(Refused(503, "SERVER_UNAVAILABLE", "later"), path="/jobs/query/", method=method, count=None)
    first = sync(server, **CONTACTS)
    left = jobs(org)
    org.faults.clear()
    second = sync(server, state=first.state, **CONTACTS)

    assert first.error is None
    assert len(left) == 1
    assert_whole(org, first, second)
    assert jobs(org) == []
    assert list(cache_folder.rglob("*.jobs")) == []


@pytest.mark.parametrize("fault", [JobFails(), JobFails("no access"), Refused(400, "API_ERROR", "no")], ids=repr)
def test_a_job_of_a_read_that_goes_another_way_is_deleted(org: Org, server: Server, fault: Any) -> None:
    """Whether it failed or its results can't be had, REST brings the rows, and nothing stays."""
    org.faults.add(fault, path=None if isinstance(fault, JobFails) else "/results", count=None)

    output = sync(server, **CONTACTS)

    assert output.error is None
    assert_whole(org, output)
    assert jobs(org) == []
