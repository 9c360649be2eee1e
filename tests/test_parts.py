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
from tap_salesforce_ci.id_ranges import id_at, number_of
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
WHOLE: dict[str, Any] = {"streams": ["Account"], "replication": {"Account": "full_table"}}


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
@pytest.mark.parametrize(("most", "verify_counts"), [(1, False), (3, True), (22, False)])
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


@pytest.mark.parametrize("api", ["rest", "bulk2", "auto"])
@pytest.mark.parametrize("verify_counts", [False, True])
def test_a_crowd_of_one_moment_is_read_by_id(org: Org, server: Server, api: str, *, verify_counts: bool) -> None:
    """What no window can tell apart, Ids can; what lies before and behind is read by windows all the same."""
    for _ in range(9):
        org.insert("Account", {"Name": "of one moment"}, at=NOW - timedelta(hours=30))
    org.faults.add(TooSlow(3), count=None)

    output = sync(server, api_type=api, verify_counts=verify_counts, **ACCOUNTS)

    assert output.error is None
    assert_whole(org, output)
    assert len(output.records("sf_Account")) == ROWS + 9
    assert bookmark(output) == "2026-03-02T09:00:00.000Z"


@pytest.mark.parametrize("api", ["rest", "bulk2", "auto"])
@pytest.mark.parametrize(("most", "verify_counts"), [(1, False), (3, True), (22, False)])
def test_a_table_without_a_key_is_read_by_id(
    org: Org, server: Server, api: str, most: int, *, verify_counts: bool
) -> None:
    """However little Salesforce can do at once, the table is whole, under one version that is activated at the end."""
    before = sync(server, **WHOLE)
    org.hard_delete("Account", org.rows("Account")[4]["Id"])
    org.faults.add(TooSlow(most), count=None)

    output = sync(server, api_type=api, verify_counts=verify_counts, state=before.state, **WHOLE)

    assert output.error is None
    assert_whole(org, before, output)
    assert len(output.records("sf_Account")) == ROWS - 1
    assert [message["type"] for message in output.messages].count("ACTIVATE_VERSION") == 1
    assert not list(org.jobs.every())


def test_ids_that_lie_far_apart_take_no_longer(org: Org, server: Server) -> None:
    """Rows of another instance, whose Ids begin otherwise, don't make the emptiness in between be read."""
    far = [f"001{instance}{number:09}AAA" for instance in ("Hs0", "zz0") for number in range(9)]
    for identifier in far:
        org.insert("Account", {"Id": identifier, "Name": "from elsewhere"})
    org.faults.add(TooSlow(3), count=None)

    output = sync(server, api_type="rest", **WHOLE)

    assert output.error is None
    assert_whole(org, output)
    assert sum("/queryAll" in request.path for request in org.requests) < 200


@pytest.mark.parametrize("api", ["rest", "bulk2"])
def test_a_whole_table_that_was_left_in_the_middle_is_read_anew(org: Org, server: Server, api: str) -> None:
    """Its parts show other moments than the rest would; nothing of them is activated, and no job is left."""
    org.faults.add(TooSlow(3), count=None)
    asked = "/queryAll" if api == "rest" else "/results"
    org.faults.add(RequestLimitExceeded("daily"), path=asked, nth=14 if api == "rest" else 4, count=None)
    stopped = sync(server, api_type=api, **WHOLE)
    org.faults.clear()
    org.hard_delete("Account", org.rows("Account")[0]["Id"])

    output = sync(server, api_type=api, state=stopped.state, **WHOLE)

    assert stopped.error is not None
    assert stopped.error.exit_code == 3
    assert stopped.records("sf_Account")
    assert not any(message["type"] == "ACTIVATE_VERSION" for message in stopped.messages)
    assert output.error is None
    assert_whole(org, stopped, output)
    assert not list(org.jobs.every())


@pytest.mark.parametrize("api", ["rest", "bulk2"])
@pytest.mark.parametrize("settings", [ACCOUNTS, WHOLE], ids=["by window", "whole"])
def test_what_takes_too_long_for_a_single_row_fails(
    org: Org, server: Server, api: str, settings: dict[str, Any]
) -> None:
    """It says what to do, and what is in the state is read on from."""
    org.faults.add(TooSlow(0), count=None)
    failed = sync(server, api_type=api, **settings)
    org.faults.clear()

    assert failed.error is not None
    assert failed.error.exit_code == 1
    assert "too long" in str(failed.error)
    assert_whole(org, failed, sync(server, api_type=api, state=failed.state, **settings))


def test_a_condition_that_no_index_serves_is_not_asked_for_edges(org: Org, server: Server) -> None:
    """Where the first row that meets it takes too long to find, the table's own first row does."""

    @dataclass(frozen=True)
    class SlowCondition(TooSlow):
        """The condition takes too long even for one row, unless few rows are looked at."""

        def _is_much(self, org: Any, soql: str) -> bool:
            without, _, _ = soql.partition(" ORDER BY")
            looked_at = without.replace("(Name != 'x')", "Id != null")
            return "Name !=" in soql and len(org.query(looked_at).records(deleted=True)) > self.most

    org.faults.add(SlowCondition(3), count=None)

    output = sync(server, api_type="rest", where={"Account": "Name != 'x'"}, **WHOLE)

    assert output.error is None
    assert_whole(org, output)


@given(place=st.integers(0, 62**15 - 1), other=st.integers(0, 62**15 - 1))
def test_ids_lie_in_the_order_of_their_places(place: int, other: int) -> None:
    """An Id's place leads back to it, and what compares as text compares as a place; the checksum doesn't count."""
    identifier = text_at(place)
    assert number_of(identifier) == place == number_of(f"{identifier}AAA")
    assert (place < other) == (identifier < text_at(other))
    assert id_at(62**15 + other) is None


@pytest.mark.parametrize("text", ["", "001", "0010000000000o!AAA", "00100000000000"])
def test_what_is_no_id_has_no_place(text: str) -> None:
    """Such a table is not divided."""
    assert number_of(text) is None


def text_at(place: int) -> str:
    """Return the Id at a place."""
    identifier = id_at(place)
    assert identifier is not None
    return identifier


class _Rows:
    """Edges of rows that are given by their places, told wrongly in `lies`."""

    def __init__(self, places: list[int], lie: int) -> None:
        self.places = places
        self._lie = lie

    def within(self, read: Read) -> list[int]:
        """Return the rows of a read."""
        since, until = (read.ids.since, read.ids.until) if read.ids else (None, None)
        return [
            place
            for place in self.places
            if (since is None or text_at(place) >= since) and (until is None or text_at(place) < until)
        ]

    def first_moment(self, _read: Read) -> datetime | None:
        return None

    def first_id(self, read: Read) -> int | None:
        return min((place + self._lie for place in self.within(read)), default=None)

    def last_id(self, read: Read) -> int | None:
        return max((place + self._lie for place in self.within(read)), default=None)


PLACES = st.integers(0, 62**15 - 1) | st.integers(62**15 - 9, 62**15 - 1) | st.integers(10**9, 10**9 + 50)


@given(
    places=st.lists(
        st.integers(0, 62**15 - 1) | st.integers(62**15 - 9, 62**15 - 1) | st.integers(10**9, 10**9 + 50),
        min_size=1,
        max_size=30,
        unique=True,
    ),
    most=st.integers(1, 9),
    lie=st.integers(0, 3),
)
def test_ranges_of_ids_hold_every_row_once(places: list[int], most: int, lie: int) -> None:
    """Whatever the edges say, and however the Ids lie: what is read without an error is every row."""
    rows, found = _Rows(places, lie), list[int]()

    def items(read: Read) -> Iterator[Item]:
        within = rows.within(read)
        if len(within) > most:
            raise QueryTimeout(TOO_LONG)
        found.extend(within)
        yield Whole(NOW)

    table = Table(object="Account", columns=(Column("Id", Kind.TEXT),))
    try:
        (whole,) = in_parts(Read(table, Window(None, NOW)), items, rows, lambda _job: None)
    except QueryTimeout:
        assert lie
    else:
        assert isinstance(whole, Whole)
        assert sorted(found) == sorted(places)


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
    read = list(in_parts(whole, items, _Rows([], 0), lambda _job: None))

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
