"""What a read yields: that it begins, pages of rows, that it is whole."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tap_salesforce_ci.bookmarks import Reading
from tap_salesforce_ci.client.room import Holding
from tap_salesforce_ci.encode.pages import PageRows


@dataclass(frozen=True, slots=True)
class Begin:
    """
    A read begins, or begins again; `left` is what a later run could take up already (a job).

    `resumed` says that it goes on where an earlier run stopped; `key` is what the table is replicated by.
    """

    left: Reading | None = None
    resumed: bool = False
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """
    Rows to write; once they are written, `left` is what remains of the read (None: nothing can be taken up).

    `holding` is the room they take.
    """

    rows: PageRows
    left: Reading | None
    wire_bytes: int
    holding: Holding | None = None

    @property
    def size(self) -> int:
        """Bytes held in memory."""
        return self.rows.size

    @property
    def num_rows(self) -> int:
        """How many rows there are."""
        return self.rows.num_rows

    def release(self) -> None:
        """Give back the room that the rows took."""
        if self.holding is not None:
            self.holding.release()


@dataclass(frozen=True, slots=True)
class Whole:
    """The read is whole, the counts say so: `until` is the new bookmark, `job` has served."""

    until: datetime
    job: str | None = None


Item = Begin | Page | Whole
