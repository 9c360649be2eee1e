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
