"""The org's own clock, which tests and the demo move by hand."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone

UTC = timezone.utc


class Clock:
    """
    What time it is in the org.

    With a start it stands still until moved; without one it runs with the machine's clock plus whatever it
    was moved by.
    """

    def __init__(self, start: datetime | None = None) -> None:
        self._lock = threading.Lock()
        self._standing = start.astimezone(UTC) if start else None
        self._offset = timedelta(0)

    def now(self) -> datetime:
        """The present moment in UTC."""
        with self._lock:
            return self._now()

    def advance(self, by: timedelta) -> None:
        """Let time pass."""
        with self._lock:
            self._move(self._now() + by)

    def set(self, moment: datetime) -> None:
        """Make `moment` the present."""
        with self._lock:
            self._move(moment.astimezone(UTC))

    def _now(self) -> datetime:
        return self._standing or datetime.now(UTC) + self._offset  # noqa: TID251 - the demo's one look at the clock

    def _move(self, moment: datetime) -> None:
        if self._standing:
            self._standing = moment
        else:
            self._offset += moment - self._now()


class Stamp:
    """
    The second something last changed in, for `Last-Modified`.

    A change after it was shown moves it on, even within the same second, so that nobody who saw it mistakes the
    changed thing for the one they know.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._second = clock.now().replace(microsecond=0)
        self._shown = False

    def show(self) -> datetime:
        """The second of the last change."""
        self._shown = True
        return self._second

    def touch(self) -> None:
        """Note a change now."""
        least = self._second + timedelta(seconds=1) if self._shown else self._second
        self._second = max(self._clock.now().replace(microsecond=0), least)
        self._shown = False
