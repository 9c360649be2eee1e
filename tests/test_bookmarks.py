"""Promises of the state: what is written is read again, never goes back, and older taps' states are understood."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_salesforce_ci import bookmarks
from tap_salesforce_ci.bookmarks import Bookmark, JobProgress, Reading, parse_moment, print_moment, read, write
from tap_salesforce_ci.demo.server import Server
from tap_salesforce_ci.errors import UserError
from tests.singer import sync
from tests.strategies import BOOKMARKS, INSTANTS, JSON

KEY = "SystemModstamp"
DAY = datetime(2024, 5, 6, 7, 8, 9, tzinfo=timezone.utc)
OLDER_TAPS = [
    # singer-io, a plain run
    {"current_stream": None, "bookmarks": {"Account": {KEY: "2024-05-06T07:08:09.000000Z", "version": 17}}},
    # singer-io, in the midst of a PK-chunked job
    {
        "current_stream": "Account",
        "bookmarks": {
            "Account": {
                KEY: "2024-05-06T07:08:09.000000Z",
                "JobID": "7500000000000001",
                "BatchIDs": ["7510000000000001"],
                "JobHighestBookmarkSeen": "2024-06-01T00:00:00.000000Z",
            }
        },
    },
    # singer-io since 2.5, versions beside the bookmarks
    {"bookmarks": {"Account": {KEY: "2024-05-06T07:08:09Z"}}, "versions": {"Account": 17}},
    # MeltanoLabs
    {"bookmarks": {"Account": {KEY: "2024-05-06T07:08:09.000+00:00", "version": None}}, "current_stream": None},
    # A tap made with the SDK
    {"bookmarks": {"Account": {"replication_key": KEY, "replication_key_value": "2024-05-06T07:08:09+0000"}}},
]


@settings(max_examples=200, deadline=None)
@given(BOOKMARKS, JSON)
def test_what_is_written_is_read_again(bookmark: Bookmark, other: Any) -> None:
    """A bookmark survives the state, as text too, beside whatever else the state holds."""
    entry: dict[str, Any] = {}
    write(entry, bookmark)
    state = json.loads(json.dumps({"bookmarks": {"sf_Account": entry, "sf_Other": other}, "more": other}))

    assert read(state, "sf_Account", "Account", bookmark.key) == bookmark


@given(INSTANTS, INSTANTS)
def test_a_bookmark_never_goes_back(first: datetime, second: datetime) -> None:
    """The later of two moments stays, whichever was written last."""
    entry: dict[str, Any] = {}
    write(entry, Bookmark(KEY, first))
    write(entry, Bookmark(KEY, second))

    assert read({"bookmarks": {"X": entry}}, "X", "X", KEY).value == max(first, second)


@given(INSTANTS, INSTANTS)
def test_another_key_begins_anew(first: datetime, second: datetime) -> None:
    """A bookmark on another key says nothing, and gives way to one on this key however late it was."""
    entry: dict[str, Any] = {}
    write(entry, Bookmark(KEY, first))
    state = {"bookmarks": {"X": entry}}

    assert read(state, "X", "X", "CreatedDate") == Bookmark("CreatedDate")
    write(entry, Bookmark("CreatedDate", second))
    assert read(state, "X", "X", "CreatedDate").value == second
    assert read(state, "X", "X", KEY) == Bookmark(KEY)


def test_a_read_on_another_key_is_not_taken_up() -> None:
    """What an earlier run left of a read by another key is forgotten."""
    entry: dict[str, Any] = {}
    write(entry, Bookmark(KEY, DAY, Reading(None, DAY, "a fingerprint")))

    assert read({"bookmarks": {"X": entry}}, "X", "X", "CreatedDate").reading is None
    assert read({"bookmarks": {"X": entry}}, "X", "X", None).reading is None


@given(st.dictionaries(st.text(), JSON), BOOKMARKS)
def test_keys_of_others_survive(others: dict[str, Any], bookmark: Bookmark) -> None:
    """Writing touches nothing in a stream's entry that is not ours."""
    kept = {name: value for name, value in others.items() if name not in bookmarks.OURS}
    entry = dict(kept)

    write(entry, bookmark)

    assert {name: value for name, value in entry.items() if name not in bookmarks.OURS} == kept


def test_keys_of_others_survive_a_run(server: Server) -> None:
    """The state that a run writes holds what it found: other streams, other taps' keys, `currently_syncing`."""
    found = {
        "currently_syncing": None,
        "bookmarks": {
            "sf_Account": {"mine": [1]},
            "sf_Gone": {"replication_key_value": "x"},
            "Account": {"JobID": "7"},
        },
    }

    state = sync(server, streams=["Account"], state=found).state

    assert state["currently_syncing"] is None
    assert state["bookmarks"]["sf_Account"]["mine"] == [1]
    assert {"sf_Gone": {"replication_key_value": "x"}, "Account": {"JobID": "7"}}.items() <= state["bookmarks"].items()


@pytest.mark.parametrize("stream", ["sf_Account", "Account"])
@pytest.mark.parametrize("state", OLDER_TAPS)
def test_older_taps_states_are_understood(state: dict[str, Any], stream: str) -> None:
    """Who changes to this tap reads on where the other one stopped, with a stream prefix or without."""
    bookmark = read(state, stream, "Account", KEY)

    assert bookmark.value == DAY
    assert bookmark.reading is None


def test_our_own_bookmark_counts_more_than_an_older_taps() -> None:
    """Once this tap has written a bookmark, the old one says nothing more."""
    state: dict[str, Any] = {"bookmarks": {"Account": {KEY: "2020-01-01T00:00:00Z"}}}
    write(bookmarks.entry_of(state, "sf_Account"), Bookmark(KEY, DAY))
    write(bookmarks.entry_of(state, "Account"), Bookmark(KEY, DAY))

    assert read(state, "sf_Account", "Account", KEY).value == DAY
    assert read(state, "Account", "Account", KEY).value == DAY


def test_an_older_taps_full_table_is_read_in_full() -> None:
    """The state of a table without a key, `null` key and all, holds no bookmark."""
    state = {"bookmarks": {"CaseStatus": {"version": 1700000000000, "null": "x"}}}

    assert read(state, "CaseStatus", "CaseStatus", None) == Bookmark(version=1_700_000_000_000)


@pytest.mark.parametrize("state", [{}, {"bookmarks": None}, {"bookmarks": {}}, {"bookmarks": {"sf_X": None, "X": {}}}])
def test_an_empty_state_is_no_bookmark(state: dict[str, Any]) -> None:
    """Where nothing is known everything is read."""
    assert read(state, "sf_X", "X", KEY) == Bookmark(KEY)


@pytest.mark.parametrize(
    ("state", "where"),
    [
        ({"bookmarks": {"sf_X": {KEY: "yesterday"}}}, "bookmarks.sf_X.SystemModstamp"),
        ({"bookmarks": {"X": {KEY: 20240506}}}, "SystemModstamp"),
        ({"bookmarks": {"sf_X": {"replication_key": KEY, "replication_key_value": "2024-13-01"}}}, "bookmarks.sf_X"),
        ({"bookmarks": {"sf_X": {KEY: "0001-01-01T00:00:00+14:00"}}}, "bookmarks.sf_X"),
        ({"bookmarks": {"sf_X": "2024-05-06"}}, "bookmarks.sf_X"),
        ({"bookmarks": {"X": ["2024-05-06"]}}, "bookmarks.X"),
        ({"bookmarks": ["sf_X"]}, "bookmarks"),
        ({"bookmarks": "x"}, "bookmarks"),
    ],
)
def test_what_is_no_bookmark_is_told(state: dict[str, Any], where: str) -> None:
    """A bookmark that can't be understood is never taken for none: the user is told where it is."""
    with pytest.raises(UserError) as refused:
        read(state, "sf_X", "X", KEY)

    assert where in refused.value.where
    assert refused.value.remedy


@pytest.mark.parametrize(
    "reading",
    [
        "under way",
        {},
        {"replication_key": KEY},
        {"replication_key": KEY, "until": "soon", "query": "f"},
        {"replication_key": KEY, "until": "2024-05-06T07:08:09Z", "query": 7},
        {"replication_key": "CreatedDate", "until": "2024-05-06T07:08:09Z", "query": "f"},
    ],
)
def test_a_read_that_can_t_be_understood_is_read_anew(reading: Any) -> None:
    """Progress is a convenience: where it makes no sense, the window is read again."""
    state = {"bookmarks": {"X": {KEY: "2024-05-06T07:08:09Z", "reading": reading}}}

    assert read(state, "X", "X", KEY) == Bookmark(KEY, DAY)


@pytest.mark.parametrize("job", ["750", {}, {"id": 7}, {"id": "750", "rows": "many"}, {"id": "750", "locator": [1]}])
def test_a_job_that_can_t_be_understood_is_not_read_on(job: Any) -> None:
    """The window stays known even where the job does not."""
    reading = {"replication_key": KEY, "until": "2024-05-06T07:08:09Z", "query": "f", "job": job}

    found = read({"bookmarks": {"X": {"reading": reading}}}, "X", "X", KEY).reading

    assert found == Reading(None, DAY, "f")


def test_a_job_keeps_its_place() -> None:
    """A job's next page, rows so far and API version are in the state, and nothing that is secret or large."""
    entry: dict[str, Any] = {}
    job = JobProgress("750R0000000zlh9IAA", "66.0", "MTAwMDA", 50_000)
    write(entry, Bookmark(KEY, None, Reading(None, DAY, "f", job)))

    assert entry["reading"]["job"] == {
        "id": "750R0000000zlh9IAA",
        "api_version": "66.0",
        "locator": "MTAwMDA",
        "rows": 50_000,
    }
    assert "replication_key_value" not in entry


@given(INSTANTS, INSTANTS)
def test_moments_sort_as_text_as_they_do_as_time(first: datetime, second: datetime) -> None:
    """A target that compares bookmarks as text is never misled."""
    assert (print_moment(first) < print_moment(second)) == (first < second)
    assert parse_moment(print_moment(first)) == first


@given(INSTANTS, st.integers(-14 * 60, 14 * 60), st.sampled_from(["Z", "z", "+0000", "+00:00", "", "offset"]))
def test_a_moment_is_understood_in_any_spelling(moment: datetime, minutes: int, suffix: str) -> None:
    """Whatever zone or form a tap wrote, it is the same moment."""
    if suffix == "offset":
        try:
            text = moment.astimezone(timezone(timedelta(minutes=minutes))).isoformat()
        except OverflowError:
            text = moment.isoformat()
    else:
        text = moment.replace(tzinfo=None).isoformat() + suffix

    assert parse_moment(text) == moment


@given(JSON)
def test_what_is_no_moment_is_none(value: Any) -> None:
    """Anything may stand in a state; it is a moment or None, never a crash."""
    assert parse_moment(value) is None or isinstance(value, str)
