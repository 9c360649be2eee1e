"""Promises of windows: no gap between runs, the lookback read again, nothing before the start date."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tap_salesforce_ci.windows import Window, next_window
from tests.strategies import INSTANTS

NOON = datetime(2026, 3, 2, 12, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)
FIRST = datetime.min.replace(tzinfo=timezone.utc)
LOOKBACKS = st.integers(0, 10**6).map(lambda seconds: timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("bookmark", "start", "since"),
    [
        (None, None, None),
        (None, NOON - 9 * HOUR, NOON - 9 * HOUR),
        (NOON - HOUR, None, NOON - 2 * HOUR),
        (NOON - HOUR, NOON - 9 * HOUR, NOON - 2 * HOUR),
        (NOON - HOUR, NOON - HOUR, NOON - HOUR),
        (NOON - 9 * HOUR, NOON - 3 * HOUR, NOON - 3 * HOUR),
        (FIRST, None, FIRST),
        (FIRST + HOUR, None, FIRST),
    ],
)
def test_what_is_due(bookmark: datetime | None, start: datetime | None, since: datetime | None) -> None:
    """A read begins the lookback before the bookmark, but not before the start date, and ends now."""
    assert next_window(bookmark, start=start, lookback=HOUR, until=NOON) == Window(since, NOON)


@pytest.mark.parametrize(("since", "empty"), [(None, False), (NOON - HOUR, False), (NOON, True), (NOON + HOUR, True)])
def test_a_window_is_empty_where_no_moment_fits(since: datetime | None, empty: bool) -> None:  # noqa: FBT001
    """A start date in the future leaves nothing to read; no beginning leaves everything."""
    assert Window(since, NOON).empty is empty


@given(st.lists(INSTANTS, min_size=2, max_size=6, unique=True), LOOKBACKS, st.one_of(st.none(), INSTANTS))
def test_successive_windows_overlap_by_the_lookback(
    runs: list[datetime], lookback: timedelta, start: datetime | None
) -> None:
    """Each run reads on where the last one ended, the lookback earlier, and leaves no gap."""
    bookmark, windows = None, []
    for until in sorted(runs):
        windows.append(next_window(bookmark, start=start, lookback=lookback, until=until))
        bookmark = until

    assert windows[0].since == start
    for earlier, later in itertools.pairwise(windows):
        assert later.since is not None
        overlap = max(earlier.until - FIRST - lookback, timedelta(0)) + FIRST
        assert later.since == max(overlap, start or FIRST)


@settings(max_examples=200)
@given(
    runs=st.lists(st.integers(0, 5000), min_size=2, max_size=8, unique=True),
    stamp=st.integers(0, 4000),
    late=st.integers(0, 600),
    lookback=st.integers(0, 600),
)
def test_a_row_that_is_late_by_no_more_than_the_lookback_is_read(
    runs: list[int], stamp: int, late: int, lookback: int
) -> None:
    """Whenever the runs are, a row stamped before it could be seen comes with the first run that can see it."""
    assume(late <= lookback)
    visible = stamp + late
    able = [second for second in sorted(runs) if second > visible]
    assume(able)
    bookmark = max((second for second in runs if second <= visible), default=None)

    window = next_window(
        None if bookmark is None else NOON + timedelta(seconds=bookmark),
        start=None,
        lookback=timedelta(seconds=lookback),
        until=NOON + timedelta(seconds=able[0]),
    )

    moment = NOON + timedelta(seconds=stamp)
    assert window.since is None or window.since <= moment
    assert moment < window.until
