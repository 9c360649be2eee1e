"""REST query cursors: a result set fixed when the query ran, read page by page."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tap_salesforce_ci.demo.ids import record_id
from tap_salesforce_ci.demo.refusals import SalesforceError

if TYPE_CHECKING:
    from tap_salesforce_ci.demo.clock import Clock
    from tap_salesforce_ci.demo.soql.query import Query, Record

# https://developer.salesforce.com/docs/atlas.en-us.salesforce_app_limits_cheatsheet.meta/
# salesforce_app_limits_cheatsheet/salesforce_app_limits_platform_apicalls.htm
LIFE = timedelta(days=2)


def invalid_locator() -> SalesforceError:
    """The cursor is dead, or never was."""
    return SalesforceError("INVALID_QUERY_LOCATOR", "invalid query locator")


@dataclass(frozen=True)
class Cursor:
    """The records one query found, and how many of them go on a page."""

    locator: str
    query: Query
    records: list[Record]
    deleted: bool
    page_rows: int
    expires: datetime


class Cursors:
    """The open cursors of the org."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._open: dict[str, Cursor] = {}
        self._opened = 0

    def open(self, query: Query, records: list[Record], *, deleted: bool, page_rows: int) -> Cursor:
        """A cursor over these records; it costs nothing to keep when one page holds them all."""
        with self._lock:
            self._opened += 1
            locator = record_id("0r8", self._opened)
            cursor = Cursor(locator, query, records, deleted, page_rows, self._clock.now() + LIFE)
            if len(records) > page_rows:
                self._open[locator] = cursor
            return cursor

    def at(self, text: str) -> tuple[Cursor, int]:
        """The cursor and the offset a locator like `0r8…-2000` names."""
        locator, _, offset = text.partition("-")
        with self._lock:
            cursor = self._open.get(locator)
        if cursor is None or not offset.isdigit() or cursor.expires <= self._clock.now():
            raise invalid_locator()
        if int(offset) > len(cursor.records):
            raise invalid_locator()
        return cursor, int(offset)

    def close_all(self) -> None:
        """Forget every cursor."""
        with self._lock:
            self._open.clear()
