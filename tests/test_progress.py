"""Promises of the table on stderr: every stream with its cost, and what to do about each failure."""

from __future__ import annotations

import pytest

from tap_salesforce_ci.client.http import Tally
from tap_salesforce_ci.demo.server import Server
from tap_salesforce_ci.errors import UserError
from tap_salesforce_ci.progress import StreamReport, failures, size, table
from tests.singer import sync


def test_the_table_tells_each_stream_and_the_total() -> None:
    """Rows, bytes, calls, seconds and outcome stand in aligned columns, the org's allowance below them."""
    reports = [
        StreamReport("sf_Account", 1234, 2.25, Tally(calls=5, wire_bytes=12_300), "whole"),
        StreamReport("sf_Long_Name__c", 7, 0.04, Tally(calls=1, wire_bytes=999), "unfinished"),
    ]

    assert table(reports, calls=9, calls_left=14_991).splitlines() == [
        "stream            rows    bytes  calls  seconds  outcome",
        "sf_Account       1,234  12.3 kB      5      2.2  whole",
        "sf_Long_Name__c      7    999 B      1      0.0  unfinished",
        "1,241 rows, 13.3 kB, 9 API calls; API calls left to the org: 14,991",
    ]


def test_streams_without_news_are_one_line_on_a_terminal() -> None:
    """A person reads what happened: rows, failures, and how many others had nothing new; elsewhere all are listed."""
    empty = [StreamReport(f"sf_{n}", outcome="whole", tally=Tally(calls=1, wire_bytes=100)) for n in range(1400)]
    error = UserError("no")
    failed = StreamReport("sf_Failed", outcome="FAILED: no", error=error)
    reports = [*empty, StreamReport("sf_Account", 5, 1.0, Tally(2, 500), "whole"), failed]

    assert table(reports, calls=1403, calls_left=None, brief=True).splitlines() == [
        "stream        rows     bytes  calls  seconds  outcome",
        "sf_Account       5     500 B      2      1.0  whole",
        "sf_Failed        0       0 B      0      0.0  FAILED",
        "1,400 others     0  140.0 kB  1,400           whole, nothing new",
        "5 rows, 140.5 kB, 1,403 API calls; API calls left to the org: unknown",
    ]
    assert len(table(reports, calls=1403, calls_left=None).splitlines()) == 1404
    assert len(table(reports[1396:], calls=9, calls_left=None, brief=True).splitlines()) == 8


def test_a_run_without_streams_has_a_table_too() -> None:
    """Nothing selected is told, not hidden; an allowance that nobody told is unknown."""
    assert table([], calls=1, calls_left=None).splitlines() == [
        "stream  rows  bytes  calls  seconds  outcome",
        "0 rows, 0 B, 1 API call; API calls left to the org: unknown",
    ]


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (12_345_678, "12.3 MB"),
        (5_000_000_000, "5.0 GB"),
        (7_000_000_000_000, "7000.0 GB"),
    ],
)
def test_bytes_read_as_a_person_says_them(count: int, text: str) -> None:
    """A size has one unit and few digits."""
    assert size(count) == text


def test_a_failure_is_told_with_its_remedy() -> None:
    """Which stream, what happened, where, what to do; streams that did well are not in the list."""
    error = UserError("Refused.", where="object: Case", remedy="Ask your administrator.")

    told = failures([StreamReport("sf_Account", outcome="whole"), StreamReport("sf_Case", error=error)])

    assert told.splitlines() == ["sf_Case failed:", "  Refused.", "  object: Case", "  Ask your administrator."]


def test_what_happened_to_many_streams_is_told_once() -> None:
    """A run that was stopped names all its streams, and says why and what to do only once."""
    error = UserError("Stopped.", remedy="Later.")
    reports = [StreamReport(f"sf_{n}", error=error.at(f"object: {n}")) for n in range(6)]
    reports.insert(1, StreamReport("sf_Case", error=UserError("Refused.")))

    assert failures(reports).splitlines() == [
        "sf_0 failed:",
        "  Stopped.",
        "  object: 0",
        "  Later.",
        "So did 5 others, for the same reason: sf_1, sf_2, sf_3, sf_4, sf_5",
        "sf_Case failed:",
        "  Refused.",
    ]


def test_a_run_ends_with_its_table(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    """What a run cost is on stderr, counted as the org counts it."""
    server.org.insert("Account", {"Name": "one"}, at=server.org.clock.now().replace(year=2025))

    sync(server, streams=["Account"], api_type="rest")

    counted = [each for each in server.org.requests if each.path.startswith("/services/data/v")]
    lines = capsys.readouterr().err.splitlines()
    row = next(line for line in lines if line.startswith("sf_Account"))
    left = server.org.limits.daily_max - server.org.limits.daily_used
    assert row.split()[1] == "1"
    assert row.endswith("whole")
    assert lines[-1].startswith("1 rows, ")
    assert lines[-1].endswith(f"{len(counted)} API calls; API calls left to the org: {left:,}")
