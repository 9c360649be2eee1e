"""Promises of a run with little room: every row arrives, in any case, and what is held stays bounded."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from tap_salesforce_ci import run
from tap_salesforce_ci.client.room import Room
from tap_salesforce_ci.client.transport import Transport
from tap_salesforce_ci.demo.clock import Clock
from tap_salesforce_ci.demo.data import empty_org
from tap_salesforce_ci.demo.faults import CorruptGzip, CutBody, WrongCount
from tap_salesforce_ci.demo.org import Org
from tap_salesforce_ci.demo.server import Server
from tests.singer import Output, Warehouse, sync
from tests.truth import expected

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=timezone.utc)
STREAMS = ["Account", "Contact", "Lead", "Campaign"]
ROWS = 60
LITTLE = 6_000
"""Bytes of room: less than one page of the org's takes, and less than a block of one."""

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def org() -> Org:
    """An org whose result pages are as long as it likes."""
    org = empty_org(Clock(NOW))
    for number in range(ROWS):
        moment = NOW - timedelta(minutes=number + 1)
        text = f'"{number}"\n' * 20
        org.insert("Account", {"Name": f"Account {number}", "Description": text}, at=moment)
        org.insert("Contact", {"LastName": f"Contact {number}", "Description": text}, at=moment)
        org.insert("Lead", {"LastName": f"Lead {number}", "Company": "x", "Description": text}, at=moment)
        org.insert("Campaign", {"Name": f"Campaign {number}", "Description": text}, at=moment)
    org.bulk_page_rows = 25
    org.rest_page_rows = 20
    return org


@pytest.fixture
def server(org: Org) -> Iterator[Server]:
    with Server(org) as server:
        yield server


@pytest.fixture
def rooms(monkeypatch: pytest.MonkeyPatch) -> list[Room]:
    """Runs have little room, and their rooms are in this list."""
    made: list[Room] = []

    def small(_most: int, *, kept: int) -> Room:
        assert kept
        made.append(Room(LITTLE, kept=LITTLE // 2))
        return made[-1]

    monkeypatch.setattr(run, "Room", small)
    monkeypatch.setattr("tap_salesforce_ci.client.results.MOST_ROWS_PER_PAGE", 10)
    monkeypatch.setattr("tap_salesforce_ci.client.results.FEWEST_ROWS_PER_PAGE", 10)
    monkeypatch.setattr("tap_salesforce_ci.client.results.SMALLEST_ROOM", 100)
    return made


def assert_whole(org: Org, output: Output) -> None:
    assert output.error is None
    warehouse = Warehouse()
    warehouse.load(output)
    for name in STREAMS:
        stream = f"sf_{name}"
        assert len(output.records(stream)) == ROWS
        assert warehouse.rows(stream) == expected(org, name, output.schema(stream))


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("api", ["rest", "bulk2"])
def test_pages_larger_than_all_the_room_arrive_whole(
    org: Org, server: Server, rooms: list[Room], api: str, workers: int
) -> None:
    """Many streams, few threads, and pages for which there is no room: nobody waits for ever, every row comes once."""
    output = sync(server, streams=STREAMS, api_type=api, max_workers=workers)

    assert_whole(org, output)
    (room,) = rooms
    assert room.held == 0
    # What no one can know before it is there: one block of a result page, and how long a stream's first REST page is.
    row = max(len(str(message.get("record", ""))) for message in output.messages)
    beyond = org.bulk_page_rows if api == "bulk2" else org.rest_page_rows * len(STREAMS)
    assert room.highest <= LITTLE + row * beyond


@pytest.mark.parametrize("fault", [WrongCount(), CorruptGzip(), CutBody(), CutBody(length="chunked")], ids=repr)
def test_a_page_that_lies_in_a_file_is_verified_before_a_row_of_it_is_written(
    org: Org, server: Server, rooms: list[Room], fault: Any
) -> None:
    """A page that is cut, spoilt or miscounted is fetched again; no row of it was handed on."""
    struck = org.faults.add(fault, path=r"/results\b", nth=2)

    output = sync(server, streams=STREAMS, api_type="bulk2", max_workers=2)

    assert struck.hits
    assert_whole(org, output)


def test_with_plenty_of_room_no_page_is_read_twice(org: Org, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The default room takes pages of the usual size as they come; nothing is written to a file."""

    def no_file(*_: Any, **__: Any) -> None:
        raise AssertionError("a file was made")

    monkeypatch.setattr("tempfile.TemporaryFile", no_file)

    assert_whole(org, sync(server, streams=STREAMS, api_type="bulk2"))


def test_no_more_requests_are_under_way_than_max_workers_says(
    org: Org, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many streams and pages there are, concurrent requests stay within the setting."""
    lock = threading.Lock()
    under_way = most = 0
    send = Transport.__call__

    def counted(self: Transport, request: Any) -> Any:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        try:
            return send(self, request)
        finally:
            with lock:
                under_way -= 1

    monkeypatch.setattr(Transport, "__call__", counted)

    assert_whole(org, sync(server, streams=STREAMS, api_type="bulk2", max_workers=2))
    assert most == 2
