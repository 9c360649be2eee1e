"""Promises of the plan: what is asked, in Salesforce's own words, and what is taken up from an earlier run."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_salesforce_ci.bookmarks import Bookmark, JobProgress, Reading, read, write
from tap_salesforce_ci.client import soql
from tap_salesforce_ci.encode import Column, Kind
from tap_salesforce_ci.plan import Read, Table, every_row, next_read
from tap_salesforce_ci.windows import Window
from tests.strategies import INSTANTS

UNTIL = datetime(2026, 3, 2, 9, tzinfo=timezone.utc)
SINCE = UNTIL - timedelta(days=1)
REACHED = UNTIL - timedelta(hours=1)
LOOKBACK = timedelta(minutes=10)

ID, NAME = Column("Id", Kind.TEXT), Column("Name", Kind.TEXT)
ACCOUNT = Table("Account", (ID, NAME), "SystemModstamp")
SHARE = replace(ACCOUNT, object="AccountShare", key="LastModifiedDate", key_nillable=True)
STATUS = Table("CaseStatus", (ID,))
EVENT = Table("LightningUriEvent", (Column("EventIdentifier", Kind.TEXT),), "CreatedDate", id=None)
OPEN = soql.given("IsClosed = false OR Name = null", "where.Account")


@pytest.mark.parametrize(
    ("table", "since", "condition"),
    [
        (ACCOUNT, None, " WHERE SystemModstamp < 2026-03-02T09:00:00Z"),
        (
            ACCOUNT,
            SINCE,
            " WHERE SystemModstamp >= 2026-03-01T09:00:00Z AND SystemModstamp < 2026-03-02T09:00:00Z",
        ),
        (SHARE, None, " WHERE (LastModifiedDate < 2026-03-02T09:00:00Z OR LastModifiedDate = null)"),
        (
            SHARE,
            SINCE,
            (
                " WHERE ((LastModifiedDate >= 2026-03-01T09:00:00Z AND LastModifiedDate < 2026-03-02T09:00:00Z)"
                " OR LastModifiedDate = null)"
            ),
        ),
        (
            replace(SHARE, where=OPEN),
            None,
            (
                " WHERE (LastModifiedDate < 2026-03-02T09:00:00Z OR LastModifiedDate = null)"
                " AND (IsClosed = false OR Name = null)"
            ),
        ),
        (STATUS, None, ""),
        (replace(STATUS, where=OPEN), SINCE, " WHERE (IsClosed = false OR Name = null)"),
    ],
)
def test_a_bulk_job_asks_for_the_window_without_order_or_limit(
    table: Table, since: datetime | None, condition: str
) -> None:
    """Rows without a key are part of every read, and a user's filter stands in parentheses."""
    query = str(Read(table, Window(since, UNTIL)).query)

    assert query == f"SELECT {','.join(table.fields)} FROM {table.object}{condition}"


@pytest.mark.parametrize(
    ("table", "order"),
    [
        (ACCOUNT, " ORDER BY SystemModstamp, Id"),
        (EVENT, " ORDER BY CreatedDate"),
        (replace(ACCOUNT, key="Id"), " ORDER BY Id"),
        (STATUS, ""),
    ],
)
def test_rest_is_asked_in_the_order_of_key_and_id(table: Table, order: str) -> None:
    """Ties are ordered too; a table without a key is read in whatever order it comes."""
    read_all = Read(table, Window(None, UNTIL))

    assert str(read_all.ordered_query) == str(read_all.query) + order


@pytest.mark.parametrize("table", [ACCOUNT, SHARE])
@pytest.mark.parametrize("since", [None, SINCE])
def test_an_ordered_read_goes_on_at_the_last_key(table: Table, since: datetime | None) -> None:
    """`>=` and never `>`: rows that share the last key come again. Rows without a key have been written by then."""
    resumed = Read(table, Window(since, UNTIL), Reading(since, UNTIL, "f", reached=REACHED))
    key = table.key

    assert str(resumed.ordered_query) == (
        f"SELECT Id,Name FROM {table.object} WHERE {key} >= 2026-03-02T08:00:00Z AND {key} < 2026-03-02T09:00:00Z"
        f" ORDER BY {key}, Id"
    )


def test_a_filter_stays_when_a_read_goes_on() -> None:
    """The rest of a filtered read is filtered the same way."""
    resumed = Read(replace(ACCOUNT, where=OPEN), Window(None, UNTIL), Reading(None, UNTIL, "f", reached=REACHED))

    assert " AND (IsClosed = false OR Name = null) ORDER BY" in str(resumed.ordered_query)


def test_every_row_has_no_window() -> None:
    """A dry run asks for any rows, with the user's filter."""
    assert str(every_row(ACCOUNT)) == "SELECT Id,Name FROM Account"
    assert str(every_row(replace(ACCOUNT, where=OPEN))).endswith(" WHERE (IsClosed = false OR Name = null)")


TABLES = st.builds(
    Table,
    object=st.sampled_from(["Account", "Contact"]),
    columns=st.sampled_from([(ID,), (ID, NAME), (NAME, ID)]),
    key=st.sampled_from([None, "SystemModstamp", "CreatedDate"]),
    key_nillable=st.booleans(),
    where=st.sampled_from([None, OPEN, soql.given("Name = 'x'", "where.Account")]),
    include_deleted=st.booleans(),
)
WINDOWS = st.builds(
    Window, since=st.one_of(st.none(), st.just(SINCE), INSTANTS), until=st.one_of(st.just(UNTIL), INSTANTS)
)
READS = st.builds(Read, table=TABLES, window=WINDOWS)


def asked(read: Read) -> tuple[Any, ...]:
    """Return what Salesforce is asked."""
    return (read.table.include_deleted, str(read.query))


@settings(max_examples=200)
@given(READS, READS)
def test_the_fingerprint_tells_reads_apart(one: Read, other: Read) -> None:
    """Two reads have the same fingerprint exactly if they ask the same."""
    assert (one.fingerprint == other.fingerprint) == (asked(one) == asked(other))


@pytest.mark.parametrize(
    "change",
    [
        {"columns": (ID,)},
        {"columns": (NAME, ID)},
        {"object": "Contact"},
        {"key": "CreatedDate"},
        {"where": OPEN},
        {"include_deleted": False},
    ],
)
def test_every_change_of_the_question_changes_the_fingerprint(change: dict[str, Any]) -> None:
    """A job that was asked something else is never read on."""
    window = Window(SINCE, UNTIL)

    assert Read(ACCOUNT, window).fingerprint != Read(replace(ACCOUNT, **change), window).fingerprint


def left(table: Table, since: datetime | None = SINCE) -> Reading:
    """Return what a run leaves in the midst of a job."""
    read = Read(table, Window(since, UNTIL))
    return Reading(since, UNTIL, read.fingerprint, JobProgress("750", "66.0", "abc", 7))


@given(TABLES, st.one_of(st.none(), INSTANTS), INSTANTS, INSTANTS)
def test_the_same_read_is_taken_up_by_a_later_run(
    table: Table, since: datetime | None, until: datetime, now: datetime
) -> None:
    """What went into the state and came out of it is the same read: its own window, its own job."""
    unfinished = Read(table, Window(since, until))
    job = JobProgress("750", "66.0", "abc", 7)
    entry: dict[str, Any] = {}
    write(entry, Bookmark(table.key, None, Reading(since, until, unfinished.fingerprint, job)))
    bookmark = read({"bookmarks": {"X": entry}}, "X", "X", table.key)

    found = next_read(table, bookmark, start=None, lookback=LOOKBACK, until=now)

    assert found.window == unfinished.window
    assert found.resume is not None
    assert found.resume.job == job


@pytest.mark.parametrize("change", [{"columns": (ID,)}, {"where": OPEN}, {"include_deleted": False}])
def test_another_question_is_asked_from_the_bookmark(change: dict[str, Any]) -> None:
    """A read that is no longer the same is forgotten, and its window read again from the bookmark."""
    bookmark = Bookmark("SystemModstamp", SINCE, left(ACCOUNT))
    now = UNTIL + timedelta(hours=5)

    found = next_read(replace(ACCOUNT, **change), bookmark, start=None, lookback=LOOKBACK, until=now)

    assert found == Read(replace(ACCOUNT, **change), Window(SINCE - LOOKBACK, now))


def test_with_nothing_left_the_next_window_is_read() -> None:
    """The window begins the lookback before the bookmark and ends by the server's clock."""
    found = next_read(ACCOUNT, Bookmark("SystemModstamp", SINCE), start=None, lookback=LOOKBACK, until=UNTIL)

    assert found == Read(ACCOUNT, Window(SINCE - LOOKBACK, UNTIL))


def test_a_first_read_has_no_beginning() -> None:
    """Without a bookmark and a start date everything is read."""
    found = next_read(ACCOUNT, Bookmark("SystemModstamp"), start=None, lookback=LOOKBACK, until=UNTIL)

    assert found == Read(ACCOUNT, Window(None, UNTIL))
