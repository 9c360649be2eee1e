"""Stretches of time, half open: `since <= key < until`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Window:
    """What a read covers; without `since` it has no beginning, and rows without a key are part of it."""

    since: datetime | None
    until: datetime

    @property
    def empty(self) -> bool:
        """Whether no moment lies in it."""
        return self.since is not None and self.since >= self.until


def split(window: Window, moment: datetime) -> tuple[Window, Window | None]:
    """
    Return what of a window lies before a moment, and what lies behind it (None: nothing does).

    The two meet: every moment of the window lies in exactly one of them.
    """
    if moment >= window.until:
        return window, None
    return Window(window.since, moment), Window(moment, window.until)


def next_window(bookmark: datetime | None, *, start: datetime | None, lookback: timedelta, until: datetime) -> Window:
    """
    Return what is to be read after a bookmark, until a moment of the server's clock.

    The lookback is read again, because a row may be committed after its stamp; nothing before `start` is read.
    """
    floors = [moment for moment in (start, _earlier(bookmark, lookback)) if moment is not None]
    return Window(max(floors) if floors else None, until)


def _earlier(moment: datetime | None, by: timedelta) -> datetime | None:
    """Return a moment some time earlier, at most back to the first one that a clock can show."""
    if moment is None:
        return None
    first = datetime.min.replace(tzinfo=moment.tzinfo)
    return moment - by if moment - first > by else first
