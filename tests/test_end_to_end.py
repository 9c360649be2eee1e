"""Tap to lines to rebuilt tables: they equal the org's own, whatever happened in between."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from tap_salesforce_ci.demo.clock import Clock
from tap_salesforce_ci.demo.data import demo_org, empty_org
from tap_salesforce_ci.demo.faults import BulkLimitExceeded, InvalidLocator, JobFails, Refused, RequestLimitExceeded
from tap_salesforce_ci.demo.org import Org
from tap_salesforce_ci.demo.server import Server
from tap_salesforce_ci.errors import BudgetError, ObjectRefused
from tap_salesforce_ci.run import RunFailed
from tests.singer import Output, Warehouse, config, discover, make_tap, messages_in, sync
from tests.truth import expected

APIS = ["rest", "bulk2", "auto"]
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=timezone.utc)


@pytest.fixture(scope="module")
def company() -> Iterator[Server]:
    """The demo company's org; only read."""
    with Server(demo_org(until=NOW - timedelta(days=300))) as server:
        yield server


@pytest.fixture
def org() -> Org:
    """An org with all objects and no rows, whose clock stands until it is moved."""
    clock = Clock(NOW)
    return empty_org(clock)


@pytest.fixture
def server(org: Org) -> Iterator[Server]:
    with Server(org) as server:
        yield server


def assert_equal_to(org: Org, warehouse: Warehouse, output: Output, *streams: str) -> None:
    for stream in streams or warehouse.tables:
        object_name = stream.removeprefix("sf_")
        (key,) = next(each["key_properties"] for each in output.messages if each.get("stream") == stream)
        assert expected(org, object_name, output.schema(stream), key=key) == warehouse.rows(stream), stream


@pytest.mark.parametrize("api", APIS)
def test_every_row_of_every_object_arrives_with_its_exact_values(company: Server, api: str) -> None:
    """All tables equal the org's, over REST, over Bulk and as the tap chooses."""
    output = sync(company, api_type=api)

    warehouse = Warehouse()
    warehouse.load(output)
    assert output.error is None
    assert len(warehouse.tables) > 30
    assert_equal_to(company.org, warehouse, output)


@pytest.mark.parametrize("api", APIS)
def test_a_second_run_brings_what_changed_and_only_that(org: Org, server: Server, api: str) -> None:
    """Inserts, updates, deletes, undeletes and late commits arrive; rows from before the lookback stay."""
    kept, changed, deleted, restored = (org.insert("Account", {"Name": f"Account {n}"}) for n in range(4))
    org.delete("Account", restored)
    org.clock.advance(timedelta(hours=1))
    first = sync(server, api_type=api, streams=["Account"])
    until = org.clock.now()
    org.clock.advance(timedelta(minutes=5))
    org.insert("Account", {"Name": "late"}, at=until - timedelta(minutes=9))
    org.insert("Account", {"Name": "new"})
    org.update("Account", changed, {"Name": "changed"})
    org.delete("Account", deleted)
    org.undelete("Account", restored)
    org.clock.advance(timedelta(seconds=1))

    second = sync(server, api_type=api, streams=["Account"], state=first.state)

    warehouse = Warehouse()
    warehouse.load(first)
    warehouse.load(second)
    assert_equal_to(org, warehouse, second)
    assert kept not in {record["Id"] for record in second.records("sf_Account")}


def test_the_bookmark_is_the_end_of_the_window_by_the_servers_clock(org: Org, server: Server) -> None:
    """The org's clock decides, far off the machine's as it is; rows stamped in that very second come next time."""
    org.insert("Account", {"Name": "in this second"})

    first = sync(server, streams=["Account"])
    org.clock.advance(timedelta(seconds=1))
    second = sync(server, streams=["Account"], state=first.state)

    assert first.records("sf_Account") == []
    assert first.state["bookmarks"]["sf_Account"]["replication_key_value"] == "2026-03-02T09:00:00.000Z"
    assert [record["Name"] for record in second.records("sf_Account")] == ["in this second"]


@pytest.mark.parametrize("api", APIS)
def test_rows_without_a_key_are_part_of_the_first_read(org: Org, server: Server, api: str) -> None:
    """A null replication key hides no row."""
    account = org.insert("Account", {"Name": "shared"})
    org.insert("AccountShare", {"AccountId": account, "LastModifiedDate": None})
    org.insert("AccountShare", {"AccountId": account})
    org.clock.advance(timedelta(minutes=1))

    output = sync(server, api_type=api, streams=["AccountShare"])

    assert len(output.records("sf_AccountShare")) == 2


def test_without_deleted_rows_only_living_ones_are_read(org: Org, server: Server) -> None:
    """`include_deleted: false` reads with `query`."""
    org.insert("Account", {"Name": "living"})
    org.delete("Account", org.insert("Account", {"Name": "deleted"}))
    org.clock.advance(timedelta(minutes=1))

    output = sync(server, streams=["Account"], include_deleted=False)

    assert [record["Name"] for record in output.records("sf_Account")] == ["living"]


def test_a_row_filter_is_part_of_every_read(org: Org, server: Server) -> None:
    """`where` narrows the first read and the next ones."""
    for name in ("keep 1", "drop 1"):
        org.insert("Account", {"Name": name})
    org.clock.advance(timedelta(hours=1))
    where = {"Account": "Name LIKE 'keep%' OR Name = null"}
    first = sync(server, streams=["Account"], where=where)
    for name in ("keep 2", "drop 2"):
        org.insert("Account", {"Name": name})
    org.clock.advance(timedelta(hours=1))
    second = sync(server, streams=["Account"], where=where, state=first.state)

    assert [record["Name"] for record in first.records("sf_Account")] == ["keep 1"]
    assert [record["Name"] for record in second.records("sf_Account")] == ["keep 2"]


def test_nothing_before_the_start_date_is_read(org: Org, server: Server) -> None:
    """`start_date` bounds the first read; unset, everything is read (as the other tests show)."""
    org.insert("Account", {"Name": "old"}, at=NOW - timedelta(days=400))
    org.insert("Account", {"Name": "young"}, at=NOW - timedelta(days=10))

    output = sync(server, streams=["Account"], start_date=(NOW - timedelta(days=30)).isoformat())

    assert [record["Name"] for record in output.records("sf_Account")] == ["young"]


def test_a_full_table_is_swapped_once_it_is_whole(org: Org, server: Server) -> None:
    """Rows that vanished from a full table vanish from the target, by one version activated at the end."""
    gone = org.insert("Account", {"Name": "gone"})
    org.insert("Account", {"Name": "stays"})
    settings: dict[str, Any] = {"streams": ["Account"], "replication": {"Account": "full_table"}}
    first = sync(server, **settings)
    org.hard_delete("Account", gone)
    second = sync(server, state=first.state, **settings)

    warehouse = Warehouse()
    warehouse.load(first)
    assert len(warehouse.rows("sf_Account")) == 2
    warehouse.load(second)
    assert_equal_to(org, warehouse, second)
    types = [message["type"] for message in second.messages]
    assert types.index("ACTIVATE_VERSION") > max(n for n, kind in enumerate(types) if kind == "RECORD")


@pytest.mark.parametrize("api", ["rest", "bulk2"])
def test_a_full_table_that_was_not_read_whole_is_not_swapped(org: Org, server: Server, api: str) -> None:
    """A read that fails half-way activates nothing, so good rows stay."""
    for n in range(5):
        org.insert("Account", {"Name": f"Account {n}"})
    org.rest_page_rows = 2
    first = sync(server, streams=["Account"], api_type=api, replication={"*": "full_table"})
    org.faults.add(Refused(400, "SOME_NEW_CODE", "no"), path=r"/(query/|results)", count=None)
    second = sync(server, streams=["Account"], api_type=api, replication={"*": "full_table"}, state=first.state)

    warehouse = Warehouse()
    warehouse.load(first)
    warehouse.load(second)
    assert isinstance(second.error, RunFailed)
    assert_equal_to(org, warehouse, first)


def test_a_paused_object_is_left_alone(org: Org, server: Server) -> None:
    """`replication: paused` keeps the stream and reads nothing."""
    org.insert("Account", {"Name": "unread"})
    org.clock.advance(timedelta(minutes=1))
    state = {"bookmarks": {"sf_Account": {"replication_key": "SystemModstamp", "replication_key_value": "2020-01-01"}}}

    output = sync(server, streams=["Account"], replication={"Acc*": "paused"}, state=state)

    assert output.error is None
    assert output.records("sf_Account") == []


class _Cut(io.BytesIO):
    """A stdout whose reader goes away after some bytes."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def write(self, data: Any) -> int:
        room = self.most - self.tell()
        super().write(bytes(data)[: max(0, room)])
        if room < len(data):
            raise BrokenPipeError
        return len(data)


def cut_run(server: Server, most: int, state: dict[str, Any], **settings: Any) -> Output:
    """Run the tap until its reader has taken that many bytes and goes away."""
    taken = _Cut(most)
    out = io.TextIOWrapper(taken, encoding="utf-8", write_through=True)
    tap = make_tap(config(server, **settings), state=state)
    with redirect_stdout(out), pytest.raises(SystemExit):
        tap.sync_all()
    tap.run.stop(143)
    lines = taken.getvalue()
    out.detach()
    return Output(messages_in(lines[: lines.rfind(b"\n") + 1]))


@pytest.mark.parametrize("api", APIS)
def test_a_run_that_is_cut_anywhere_loses_nothing(org: Org, server: Server, api: str) -> None:
    """Whatever the target had taken when the run died, the next run from its last state makes the table whole."""
    org.rest_page_rows = 7
    org.bulk_page_rows = 7
    for n in range(50):
        org.insert("Account", {"Name": f"Account {n}"}, at=NOW - timedelta(seconds=1 + n // 3))
    settings: dict[str, Any] = {"streams": ["Account"], "api_type": api}
    whole = sum(len(line) for line in _lines(server, **settings))

    for most in range(0, whole, whole // 7):
        cut = cut_run(server, most, {}, **settings)
        rest = sync(server, state=cut.state, **settings)
        warehouse = Warehouse()
        warehouse.load(cut)
        warehouse.load(rest)
        assert rest.error is None
        assert_equal_to(org, warehouse, rest)


def _lines(server: Server, **settings: Any) -> list[bytes]:
    taken = io.BytesIO()
    out = io.TextIOWrapper(taken, encoding="utf-8", write_through=True)
    with redirect_stdout(out):
        make_tap(config(server, **settings)).sync_all()
    lines = taken.getvalue().splitlines(keepends=True)
    out.detach()
    return lines


def test_a_job_in_flight_is_taken_up_at_its_next_page(
    org: Org, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a kill the same job goes on: no new job, and no page is read again but the one that was being written."""
    monkeypatch.setattr("tap_salesforce_ci.client.results.MOST_ROWS_PER_PAGE", 10)
    monkeypatch.setattr("tap_salesforce_ci.client.results.FEWEST_ROWS_PER_PAGE", 10)
    monkeypatch.setattr("tap_salesforce_ci.run.STATE_SECONDS", 0)
    org.bulk_page_rows = 10
    for n in range(60):
        org.insert("Account", {"Name": f"Account {n}"})
    org.clock.advance(timedelta(minutes=1))
    settings: dict[str, Any] = {"streams": ["Account"], "api_type": "bulk2"}
    lines = _lines(server, **settings)
    half = sum(map(len, lines[: len(lines) // 2]))
    cut = cut_run(server, half, {}, **settings)
    left = cut.state["bookmarks"]["sf_Account"]["reading"]["job"]
    org.requests.clear()

    rest = sync(server, state=cut.state, **settings)

    created = [each for each in org.requests if each.method == "POST" and each.path.endswith("/jobs/query")]
    read = [each for each in org.requests if each.path.endswith("/results")]
    warehouse = Warehouse()
    warehouse.load(cut)
    warehouse.load(rest)
    assert_equal_to(org, warehouse, rest)
    assert left["rows"] > 0
    of_the_old_job = [each for each in read if left["id"] in each.path]
    assert len(of_the_old_job) == (60 - left["rows"]) / 10
    # The old one is read on; the new one is for what came since.
    assert len(created) == 1


def test_a_job_that_is_gone_is_replaced_by_its_whole_window(org: Org, server: Server) -> None:
    """A state that names a deleted job reads the window again from its start."""
    org.insert("Account", {"Name": "still to come"})
    org.clock.advance(timedelta(minutes=1))
    whole = sync(server, streams=["Account"], api_type="bulk2")
    state = next(message["value"] for message in whole.messages if message["type"] == "STATE")
    assert "job" in state["bookmarks"]["sf_Account"]["reading"]

    again = sync(server, streams=["Account"], api_type="bulk2", state=state)

    assert {record["Name"] for record in again.records("sf_Account")} == {"still to come"}
    assert "reading" not in again.state["bookmarks"]["sf_Account"]


def test_a_failing_stream_does_not_take_the_others_down(org: Org, server: Server) -> None:
    """The others are whole, the failure is told with its remedy, and the next run makes up for it."""
    for name in ("Account", "Contact", "Lead"):
        org.insert(name, {"LastName": "x", "Name": "x"} if name != "Account" else {"Name": "x"})
    org.clock.advance(timedelta(minutes=1))
    org.faults.add(Refused(400, "SOME_NEW_CODE", "no"), path=r"FROM(%20|\+)Contact", count=None)
    settings: dict[str, Any] = {"streams": ["Account", "Contact", "Lead"]}
    first = sync(server, **settings)
    org.faults.clear()
    second = sync(server, state=first.state, **settings)

    assert isinstance(first.error, RunFailed)
    assert "sf_Contact failed" in str(first.error)
    assert first.error.exit_code == 2
    assert len(first.records("sf_Lead")) == 1
    assert not first.state["bookmarks"].get("sf_Contact")
    assert second.error is None
    assert len(second.records("sf_Contact")) == 1


def test_what_bulk_refuses_comes_over_rest(org: Org, server: Server) -> None:
    """An object that Bulk doesn't have, a spent job allowance and a failed job all end in REST."""
    org.insert("Account", {"Name": "here"})
    org.clock.advance(timedelta(minutes=1))
    org.refuse_bulk("Account")
    refused = sync(server, streams=["Account"], api_type="bulk2")
    assert len(refused.records("sf_Account")) == 1

    for fault in (BulkLimitExceeded(), JobFails("insufficient access rights on cross-reference id")):
        org.insert("Contact", {"LastName": "there"})
        org.clock.advance(timedelta(minutes=1))
        org.faults.add(fault)
        output = sync(server, streams=["Contact"], api_type="bulk2")
        org.faults.clear()
        assert output.error is None
        assert len(output.records("sf_Contact")) == len(org.rows("Contact"))


def test_an_object_that_refuses_a_plain_query_is_a_failed_stream(org: Org, server: Server) -> None:
    """What no list knows beforehand is told with the remedy, not passed over."""
    org.refuse_query("Account", "EXTERNAL_OBJECT_UNSUPPORTED_EXCEPTION", "Where clauses should contain StatType")

    output = sync(server, streams=["Account"])

    assert isinstance(output.error, RunFailed)
    assert output.error.exit_code == ObjectRefused.exit_code
    assert "Leave this object out" in str(output.error)


def test_a_lost_cursor_is_asked_again_from_the_last_key_written(org: Org, server: Server) -> None:
    """INVALID_QUERY_LOCATOR in the middle loses no row."""
    org.rest_page_rows = 10
    for n in range(35):
        org.insert("Account", {"Name": f"Account {n}"}, at=NOW - timedelta(minutes=n))
    org.clock.advance(timedelta(minutes=1))
    org.faults.add(InvalidLocator(), nth=2)

    output = sync(server, streams=["Account"], api_type="rest")

    warehouse = Warehouse()
    warehouse.load(output)
    assert output.error is None
    assert_equal_to(org, warehouse, output)


def test_a_spent_allowance_stops_the_run_with_its_state(org: Org, server: Server) -> None:
    """REQUEST_LIMIT_EXCEEDED ends with exit code 3; what was whole is in the state, what was not comes next time."""
    for name in ("Account", "Contact", "Lead", "Opportunity"):
        org.insert(name, {"Name": "x", "LastName": "x"} if name in {"Contact", "Lead"} else {"Name": "x"})
    org.clock.advance(timedelta(minutes=1))
    settings: dict[str, Any] = {"streams": ["Account", "Contact", "Lead", "Opportunity"], "max_workers": 1}
    catalog = discover(server, **settings)
    org.faults.add(RequestLimitExceeded(), path=r"FROM(%20|\+)Lead")
    first = sync(server, catalog=catalog, **settings)
    org.faults.clear()
    second = sync(server, catalog=catalog, state=first.state, **settings)

    warehouse = Warehouse()
    warehouse.load(first)
    warehouse.load(second)
    assert isinstance(first.error, RunFailed)
    assert first.error.exit_code == BudgetError.exit_code
    assert second.error is None
    assert_equal_to(org, warehouse, second)


def test_small_reads_take_rest_and_large_ones_bulk(org: Org, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """`auto` counts before it chooses: whole tables by recordCount, changes by the first page's totalSize."""
    monkeypatch.setattr("tap_salesforce_ci.reader.BULK_FROM_ROWS", 20)
    for n in range(30):
        org.insert("Account", {"Name": f"Account {n}"})
    org.insert("Contact", {"LastName": "only"})
    org.clock.advance(timedelta(hours=1))
    first = sync(server, streams=["Account", "Contact"])
    jobs = _jobs(org)
    org.insert("Account", {"Name": "one more"})
    for n in range(25):
        org.insert("Contact", {"LastName": f"Contact {n}"})
    org.clock.advance(timedelta(hours=1))
    second = sync(server, streams=["Account", "Contact"], state=first.state)

    warehouse = Warehouse()
    warehouse.load(first)
    warehouse.load(second)
    assert_equal_to(org, warehouse, second)
    assert jobs == 1
    assert _jobs(org) == 2


def _jobs(org: Org) -> int:
    return sum(each.method == "POST" and each.path.endswith("/jobs/query") for each in org.requests)


def test_a_select_too_long_for_a_url_arrives_whole_over_either_api(org: Org, server: Server) -> None:
    """Hundreds of long field names: REST reads them in parts, Bulk at once, and both give the same rows."""
    fields = [each.name for each in org.object("Wide__c").stored if each.name.endswith("__c")]
    for n in range(5):
        org.insert("Wide__c", {"Name": f"wide {n}", **dict.fromkeys(fields[:: n + 1], None)})
    org.clock.advance(timedelta(minutes=1))

    rest = sync(server, streams=["Wide__c"], api_type="rest")
    bulk = sync(server, streams=["Wide__c"], api_type="bulk2")

    assert rest.error is None
    assert sorted(map(str, rest.records("sf_Wide__c"))) == sorted(map(str, bulk.records("sf_Wide__c")))
    for output in (rest, bulk):
        warehouse = Warehouse()
        warehouse.load(output)
        assert_equal_to(org, warehouse, output)


def test_the_state_of_other_taps_is_understood(org: Org, server: Server) -> None:
    """singer-io's and MeltanoLabs' bookmarks are taken up, and stay in the state."""
    org.insert("Account", {"Name": "old"}, at=NOW - timedelta(days=50))
    org.insert("Account", {"Name": "new"}, at=NOW - timedelta(days=5))
    theirs = (NOW - timedelta(days=20)).strftime("%Y-%m-%dT%H:%M:%S.000000Z")
    state = {"current_stream": None, "bookmarks": {"Account": {"SystemModstamp": theirs, "version": 17}}}

    output = sync(server, streams=["Account"], state=state)

    assert [record["Name"] for record in output.records("sf_Account")] == ["new"]
    assert output.state["bookmarks"]["Account"] == {"SystemModstamp": theirs, "version": 17}
    assert "current_stream" in output.state


def test_stdout_has_nothing_but_messages(company: Server, capfd: pytest.CaptureFixture[str]) -> None:
    """What a person reads goes to stderr."""
    output = sync(company, streams=["Account"])

    captured = capfd.readouterr()
    assert captured.out == ""
    assert "sf_Account" in captured.err
    assert {message["type"] for message in output.messages} == {"SCHEMA", "RECORD", "STATE"}
    assert sys.stdout is not None
