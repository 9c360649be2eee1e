"""Promises of `verify_counts`: what was read is compared with COUNT(), and a difference is never called success."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from tap_salesforce_ci.demo.clock import Clock
from tap_salesforce_ci.demo.data import empty_org
from tap_salesforce_ci.demo.faults import Refused, WrongCount
from tap_salesforce_ci.demo.org import Org
from tap_salesforce_ci.demo.server import Server
from tests.client.staged import Meanwhile
from tests.conftest import NOW
from tests.mortal import Cause, Death, live
from tests.singer import Output, Warehouse, sync
from tests.truth import expected

ROWS = 9
COUNT = r"COUNT\(\)"
BY_MODIFICATION, WHOLE = "modified_at", "full_table"

pytestmark = [
    pytest.mark.parametrize("api", ["rest", "bulk2"]),
    pytest.mark.parametrize("method", [BY_MODIFICATION, WHOLE]),
]


@pytest.fixture
def org() -> Org:
    org = empty_org(Clock(NOW))
    org.rest_page_rows = org.bulk_most_rows = 2
    for number in range(ROWS):
        org.insert("Account", {"Name": f"Account {number}"}, at=NOW - timedelta(minutes=number + 1))
    return org


@pytest.fixture
def server(org: Org) -> Iterator[Server]:
    with Server(org) as server:
        yield server


def verified(server: Server, api: str, method: str, output: Output | None = None) -> Output:
    """Run with the counts verified, after a run if one is given."""
    return sync(
        server,
        state=output.state if output else None,
        streams=["Account"],
        replication={"Account": method},
        api_type=api,
        verify_counts=True,
    )


def assert_whole(org: Org, *outputs: Output) -> None:
    warehouse = Warehouse()
    for output in outputs:
        warehouse.load(output)
    assert warehouse.rows("sf_Account") == expected(org, "Account", outputs[-1].schema("sf_Account"))


def counts_asked(org: Org) -> int:
    return sum("COUNT()" in request.target for request in org.requests)


def test_a_whole_read_is_counted_once(org: Org, server: Server, api: str, method: str) -> None:
    """It costs one call more."""
    output = verified(server, api, method)

    assert output.error is None
    assert len(output.records("sf_Account")) == ROWS
    assert counts_asked(org) == 1


def test_rows_that_move_meanwhile_are_read_again(org: Org, server: Server, api: str, method: str) -> None:
    """A row that was committed late, behind the read's back, is seen by COUNT(): the second read brings it."""
    late = NOW - timedelta(seconds=5)
    org.faults.add(Meanwhile(lambda: org.insert("Account", {"Name": "late"}, at=late)), path=COUNT)

    output = verified(server, api, method)

    assert output.error is None
    assert counts_asked(org) == 2
    assert_whole(org, output)


def test_a_read_that_keeps_differing_fails(org: Org, server: Server, api: str, method: str) -> None:
    """The bookmark stays, no version is activated, and the next run reads it all."""
    org.faults.add(WrongCount(1), path=COUNT, count=None)
    failed = verified(server, api, method)
    org.faults.clear()

    assert failed.error is not None
    assert failed.error.exit_code == 4
    assert f"{ROWS} rows were read where COUNT() says {ROWS + 1}" in str(failed.error)
    assert "replication_key_value" not in failed.state["bookmarks"]["sf_Account"]
    assert not any(message["type"] == "ACTIVATE_VERSION" for message in failed.messages)
    assert_whole(org, failed, verified(server, api, method, failed))


def test_what_can_not_be_counted_is_told_and_read(
    org: Org, server: Server, api: str, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Salesforce refuses COUNT() for some objects; their rows are none the worse for it."""
    org.faults.add(Refused(400, "MALFORMED_QUERY", "COUNT() is not for this one"), path=COUNT)

    output = verified(server, api, method)

    assert output.error is None
    assert_whole(org, output)
    assert "Account: can't be verified" in caplog.text


@pytest.mark.parametrize("message", range(2, 9))
def test_what_a_killed_run_left_is_verified_as_a_part(  # noqa: PLR0917 - fixtures
    org: Org, server: Server, api: str, method: str, message: int, caplog: pytest.LogCaptureFixture
) -> None:
    """What was written before counts for a job, and is not counted for a query: nothing is read twice for it."""
    chosen: dict[str, Any] = {"streams": ["Account"], "replication": {"Account": method}, "api_type": api}
    killed = live(server, Death(message, 0, Cause.TERMINATED), state=None, **chosen)
    rest = verified(server, api, method, killed.output)

    assert killed.died
    assert rest.error is None
    assert_whole(org, killed.output, rest)
    assert counts_asked(org)
    assert "read once more" not in caplog.text
