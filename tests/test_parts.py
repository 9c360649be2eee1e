"""What takes Salesforce too long is read in parts: every row arrives, and what is done stays done."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tap_salesforce_ci import windows
from tap_salesforce_ci.demo.clock import Clock
from tap_salesforce_ci.demo.data import empty_org
from tap_salesforce_ci.demo.faults import Fault, RequestLimitExceeded
from tap_salesforce_ci.demo.org import Org
from tap_salesforce_ci.demo.refusals import SalesforceError
from tap_salesforce_ci.demo.request_log import Request
from tap_salesforce_ci.demo.server import Server
from tap_salesforce_ci.demo.wire import Response, refusal
from tap_salesforce_ci.encode.columns import Column, Kind
from tap_salesforce_ci.errors import QueryTimeout
from tap_salesforce_ci.items import Item, Whole
from tap_salesforce_ci.parts import in_parts
from tap_salesforce_ci.plan import Read, Table
from tap_salesforce_ci.windows import Window
from tests.conftest import NOW
from tests.singer import Output, Warehouse, sync
from tests.truth import expected

TOO_LONG = "Your query request was running for too long."
ROWS = 23
ACCOUNTS: dict[str, Any] = {"streams": ["Account"]}


@dataclass(frozen=True)
class TooSlow(Fault):
    """The org gives up on a query of more than so many rows, over REST and in jobs."""

    most: int

    def _is_much(self, org: Any, soql: str) -> bool:
        limited = " LIMIT " in soql
        return not limited and len(org.query(soql.partition(" ORDER BY")[0]).records(deleted=True)) > self.most

    def instead(self, org: Any, request: Request) -> Response | None:
        soql = request.query.get("q")
        if soql is None or not self._is_much(org, soql):
            return None
        return refusal(SalesforceError("QUERY_TIMEOUT", TOO_LONG))

    def spoiled(self, org: Any, request: Request, response: Response) -> Response:
        if request.method == "POST" and response.status == 200 and b'"state"' in response.body:
            job = org.jobs.find(json.loads(response.body)["id"])
            if len(job.records) > self.most:
                job.end, job.error = "Failed", f"QUERY_TIMEOUT: {TOO_LONG}"
        return response


@pytest.fixture
def org() -> Org:
    """An org with rows of some years, most of them of late."""
    org = empty_org(Clock(NOW))
    for number in range(ROWS):
        org.insert("Account", {"Name": f"Account {number}"}, at=NOW - timedelta(hours=1.5**number))
    return org


@pytest.fixture
def server(org: Org) -> Iterator[Server]:
    with Server(org) as server:
        yield server


def assert_whole(org: Org, *outputs: Output) -> None:
    warehouse = Warehouse()
    for output in outputs:
        warehouse.load(output)
    assert warehouse.rows("sf_Account") == expected(org, "Account", outputs[-1].schema("sf_Account"))


def bookmark(output: Output) -> str:
    value: str = output.state["bookmarks"]["sf_Account"].get("replication_key_value", "")
    return value


@pytest.mark.parametrize("api", ["rest", "bulk2", "auto"])
@pytest.mark.parametrize("most", [1, 3, 22])
@pytest.mark.parametrize("verify_counts", [False, True])
def test_what_takes_too_long_is_read_in_parts(
    org: Org, server: Server, api: str, most: int, *, verify_counts: bool
) -> None:
    """However little Salesforce can do at once, all rows arrive, each of them once."""
    org.faults.add(TooSlow(most), count=None)

    output = sync(server, api_type=api, verify_counts=verify_counts, **ACCOUNTS)

    assert output.error is None
    assert_whole(org, output)
    assert len(output.records("sf_Account")) == ROWS
    assert bookmark(output) == "2026-03-02T09:00:00.000Z"


def test_parts_grow_again_behind_a_crowd(org: Org, server: Server) -> None:
    """Some crowded minutes long ago don't make the years behind them be read by the minute."""
    crowd = NOW - timedelta(days=3_000)
    for number in range(12):
        org.insert("Account", {"Name": f"crowd {number}"}, at=crowd + timedelta(minutes=2 * number))
    org.faults.add(TooSlow(3), count=None)

    output = sync(server, api_type="rest", **ACCOUNTS)

    assert output.error is None
    assert_whole(org, output)
    assert sum("/queryAll" in request.path for request in org.requests) < 300


@pytest.mark.parametrize("api", ["rest", "bulk2"])
def test_rows_without_a_key_are_in_the_parts_too(org: Org, server: Server, api: str) -> None:
    """They belong to no moment."""
    account = org.rows("Account")[0]["Id"]
    for number in range(5):
        org.insert("AccountShare", {"AccountId": account}, at=NOW - timedelta(days=number + 1))
    org.insert("AccountShare", {"AccountId": account, "LastModifiedDate": None})
    org.faults.add(TooSlow(3), count=None)

    output = sync(server, api_type=api, streams=["AccountShare"])

    assert output.error is None
    found = {record["Id"]: record for record in output.records("sf_AccountShare")}
    truth = expected(org, "AccountShare", output.schema("sf_AccountShare"))
    assert {(key,): found[key] for key in found} == truth


@pytest.mark.parametrize("api", ["rest", "bulk2"])
def test_parts_that_are_done_stay_done(org: Org, server: Server, api: str) -> None:
    """A run that ends in the middle leaves a bookmark behind its last part; the next one reads on from there."""
    org.faults.add(TooSlow(3), count=None)
    asked = "/queryAll" if api == "rest" else "/results"
    limit = org.faults.add(RequestLimitExceeded("daily"), path=asked, nth=14 if api == "rest" else 4, count=None)
    stopped = sync(server, api_type=api, **ACCOUNTS)
    org.faults.clear()
    rest = sync(server, api_type=api, **ACCOUNTS, state=stopped.state)

    assert limit.hits
    assert stopped.error is not None
    assert stopped.error.exit_code == 3
    assert "" < bookmark(stopped) < "2026-03-02T09:00:00.000Z"
    assert rest.error is None
    assert_whole(org, stopped, rest)
    assert len(rest.records("sf_Account")) < ROWS


@pytest.mark.parametrize("api", ["rest", "bulk2"])
def test_what_can_not_be_halved_any_more_fails(org: Org, server: Server, api: str) -> None:
    """Rows of one moment are one part; what came before them is kept."""
    for _ in range(5):
        org.insert("Account", {"Name": "of one moment"}, at=NOW - timedelta(hours=30))
    org.faults.add(TooSlow(3), count=None)
    failed = sync(server, api_type=api, **ACCOUNTS)
    org.faults.clear()

    assert failed.error is not None
    assert failed.error.exit_code == 1
    assert "too long" in str(failed.error)
    assert "" < bookmark(failed) < f"{NOW - timedelta(hours=30):%Y-%m-%dT%H:%M:%S}"
    assert_whole(org, failed, sync(server, api_type=api, **ACCOUNTS, state=failed.state))


@pytest.mark.parametrize("api", ["rest", "bulk2"])
def test_a_table_without_a_key_has_no_parts(org: Org, server: Server, api: str) -> None:
    """There is no time to divide it by; it fails with what to do."""
    org.faults.add(TooSlow(3), count=None)

    failed = sync(server, api_type=api, replication={"Account": "full_table"}, **ACCOUNTS)

    assert failed.error is not None
    assert failed.error.exit_code == 1


def test_a_part_that_ended_early_is_gone_on_with_where_it_ended() -> None:
    """Another server's clock may be behind: the next part begins at what was read, not at what was planned."""
    early = timedelta(minutes=5)
    table = Table(object="Account", columns=(Column("Id", Kind.TEXT),), key="SystemModstamp", key_nillable=False)
    asked: list[Window] = []

    def items(read: Read) -> Iterator[Item]:
        asked.append(read.window)
        if len(asked) == 1:
            raise QueryTimeout(TOO_LONG)
        yield Whole(read.window.until - early if len(asked) == 2 else read.window.until)

    whole = Read(table, Window(NOW - timedelta(days=1), NOW))
    read = list(in_parts(whole, items, lambda _read: None))

    assert len(asked) == len(read) + 1
    assert asked[1].since == whole.window.since
    assert asked[2].since == asked[1].until - early
    assert asked[-1].until == NOW


MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2030, 1, 1), timezones=st.just(timezone.utc))  # noqa: DTZ001


@given(since=st.none() | MOMENTS, until=MOMENTS, at=MOMENTS, moment=MOMENTS)
def test_halves_meet(since: datetime | None, until: datetime, at: datetime, moment: datetime) -> None:
    """Every moment of a window lies in exactly one of its parts, and no other one does."""
    assume(since is None or since <= at)
    window = Window(since, until)

    first, second = windows.split(window, at)

    parts = [first, *([second] if second else [])]
    assert sum(_holds(part, moment) for part in parts) == _holds(window, moment)
    assert first.since == since
    assert parts[-1].until == until


def _holds(window: Window, moment: datetime) -> bool:
    return (window.since is None or window.since <= moment) and moment < window.until
