"""Where a table's rows begin and end, as Salesforce tells."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

from tap_salesforce_ci.bookmarks import parse_moment
from tap_salesforce_ci.client import rest, soql
from tap_salesforce_ci.client.http import Client
from tap_salesforce_ci.client.soql import Query
from tap_salesforce_ci.errors import BudgetError, LoginRefused, QueryTimeout, TapError
from tap_salesforce_ci.id_ranges import number_of
from tap_salesforce_ci.plan import Read

EARLIEST = datetime(1999, 1, 1, tzinfo=timezone.utc)
"""About when a table's first rows changed, where Salesforce does not say: there was no Salesforce before."""


class TableEdges:
    """Asks for one row at a time: the first or the last in the order of an index."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def first_moment(self, read: Read) -> datetime | None:
        """Return the key of a table's first row; None where no row has one."""
        table = read.table
        if table.key is None:
            return None
        where = (soql.is_not_null(table.key),) if table.key_nillable else ()
        try:
            return parse_moment(self._one(read, Query(table.object, (table.key,), where, order=(table.key,), limit=1)))
        except (BudgetError, LoginRefused):
            raise
        except TapError:
            return EARLIEST

    def first_id(self, read: Read) -> int | None:
        """Return the place of the first Id of a read; None where it has no row, or no Ids."""
        return self._id(read, descending=False)

    def last_id(self, read: Read) -> int | None:
        """Return the place of the last Id of a read; None where it has no row, or no Ids."""
        return self._id(read, descending=True)

    def _id(self, read: Read, *, descending: bool) -> int | None:
        name = read.table.id
        if name is None:
            return None
        query = replace(read.query, fields=(name,), order=(name,), limit=1, descending=descending)
        try:
            identifier = self._one(read, query)
        except QueryTimeout:
            # A condition that no index serves: the edges of all rows are edges of these, too.
            identifier = self._one(read, replace(query, where=read.id_bounds))
        return None if identifier is None else number_of(identifier)

    def _one(self, read: Read, query: Query) -> str | None:
        (field,) = query.fields
        pages = rest.query_pages(self._client, query, rest.Records, include_deleted=read.table.include_deleted)
        return next((page.rows.text(0, field) for page in pages if page.rows.num_rows), None)
