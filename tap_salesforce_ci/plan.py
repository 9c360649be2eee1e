"""What is read when: a pure function of bookmark, settings and the server's clock."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tap_salesforce_ci.bookmarks import Bookmark, Reading
from tap_salesforce_ci.client import soql
from tap_salesforce_ci.client.soql import Condition, Query
from tap_salesforce_ci.encode.columns import Column
from tap_salesforce_ci.errors import UserError
from tap_salesforce_ci.id_ranges import IdRange
from tap_salesforce_ci.windows import Window, next_window

CLOCKS_DIFFER = timedelta(minutes=5)
"""What two of Salesforce's servers may differ by at the most."""


@dataclass(frozen=True, slots=True)
class Table:
    """What there is to read of an object: its selected fields, and the key that says what is new (None: no such)."""

    object: str
    columns: tuple[Column, ...]
    key: str | None = None
    key_nillable: bool = False
    id: str | None = "Id"
    where: Condition | None = None
    include_deleted: bool = True

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the fields, in the order of the columns."""
        return tuple(column.name for column in self.columns)


@dataclass(frozen=True, slots=True)
class Read:
    """
    One read of a table: all rows whose key lies in the window, or every row where the table has no key.

    `resume` is what an earlier run left of this very read. `ids` narrows it further, where it is read in parts.
    """

    table: Table
    window: Window
    resume: Reading | None = None
    ids: IdRange | None = None

    @property
    def query(self) -> Query:
        """The query without an order: what a Bulk job is asked."""
        return Query(self.table.object, self.table.fields, (*self._in_window(), *self._in_part()))

    @property
    def ordered_query(self) -> Query:
        """
        The query in the order of (key, Id), from the last key that was written: what REST is asked.

        Rows without a key come first, so they have been written when a key was reached.
        """
        table, query = self.table, self.query
        if table.key is None:
            return query
        order = tuple(dict.fromkeys(field for field in (table.key, table.id) if field))
        reached = self.resume.reached if self.resume else None
        if reached is None:
            return replace(query, order=order)
        rest = (soql.at_least(table.key, reached), soql.before(table.key, self.window.until))
        return replace(query, where=(*rest, *self._in_part()), order=order)

    @property
    def fingerprint(self) -> str:
        """What tells this read from any other; a read that was left unfinished is taken up only if it is the same."""
        told = f"{'queryAll' if self.table.include_deleted else 'query'} {self.query}"
        return hashlib.sha256(told.encode()).hexdigest()[:32]

    @property
    def id_bounds(self) -> tuple[Condition, ...]:
        """The conditions that a range of the Ids puts."""
        ids = self.ids or IdRange()
        since = (soql.id_at_least(ids.since),) if ids.since else ()
        return (*since, soql.id_before(ids.until)) if ids.until else since

    def _in_part(self) -> tuple[Condition, ...]:
        return (*self.id_bounds, *((self.table.where,) if self.table.where else ()))

    def _in_window(self) -> tuple[Condition, ...]:
        key, window = self.table.key, self.window
        if key is None:
            return ()
        bounds = [soql.before(key, window.until)]
        if window.since is not None:
            bounds.insert(0, soql.at_least(key, window.since))
        if not self.table.key_nillable:
            return tuple(bounds)
        # A row without a key says nothing of when it changed, so it is part of every read.
        return (soql.either(soql.both(*bounds), soql.is_null(key)),)


def next_read(
    table: Table, bookmark: Bookmark, *, start: datetime | None, lookback: timedelta, until: datetime
) -> Read:
    """
    Return the read that is due: the one that was left unfinished if it is still the same, else a new one.

    `until` is a moment of the server's clock that is not later than now. Raises UserError for a bookmark that lies
    ahead of that clock: nothing would ever be read.
    """
    if bookmark.value is not None and bookmark.value - until > max(lookback, CLOCKS_DIFFER):
        raise UserError(
            f"The bookmark {soql.moment(bookmark.value)} is ahead of Salesforce's clock ({soql.moment(until)}).",
            where=f"state: replication_key_value of {table.object}",
            remedy="Set it back to when the table was last complete, or remove it to read the table from its start.",
        )
    left = bookmark.reading
    if left is not None:
        unfinished = Read(table, Window(left.since, left.until), left)
        if unfinished.fingerprint == left.query:
            return unfinished
    return Read(table, next_window(bookmark.value, start=start, lookback=lookback, until=until))


def every_row(table: Table) -> Query:
    """Return the query for all rows of a table, whatever their key."""
    return Query(table.object, table.fields, (table.where,) if table.where else ())
