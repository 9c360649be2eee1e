"""A read that takes Salesforce too long, done in parts, one behind the other: of its window, else of its Ids."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from tap_salesforce_ci import windows
from tap_salesforce_ci.errors import QueryTimeout
from tap_salesforce_ci.id_ranges import IdRange, id_at
from tap_salesforce_ci.items import Begin, Item, Whole
from tap_salesforce_ci.plan import Read

logger = logging.getLogger(__name__)

SHORTEST_PART = timedelta(minutes=1)
"""So many rows of one minute that they take too long were loaded together: Ids tell them apart, seconds may not."""

SUCCESSES_BEFORE_MORE = 4
"""Parts that are read before longer ones are tried: one crowded minute must not make a decade be read by the minute."""

Items = Callable[[Read], Iterator[Item]]
TidyUp = Callable[[str], None]


class Edges(Protocol):
    """What is asked about the rows of a read before it is cut; each may raise the TapError of its answer."""

    def first_moment(self, read: Read) -> datetime | None:
        """Return about when the first row of the table was changed; None where nobody knows."""
        ...

    def first_id(self, read: Read) -> int | None:
        """Return the place (`id_ranges.number_of`) of the first Id; None where there is no row, or none has an Id."""
        ...

    def last_id(self, read: Read) -> int | None:
        """Return the place of the last Id."""
        ...


def in_parts(read: Read, items: Items, edges: Edges, tidy_up: TidyUp) -> Iterator[Item]:
    """
    Yield the items of a read; where it takes too long, of its halves, or their halves, from the earliest on.

    `items` reads a part. A part of the window is Whole up to its own end, so that a later run need not read it again;
    parts by Id are Whole together, and `tidy_up` is told of the jobs that served for one of them.
    Raises QueryTimeout where nothing shorter can be asked.
    """
    if read.table.key is None:
        yield from _by_ids(read, items, edges, tidy_up)
        return
    windows_of = _Windows(read, edges)
    while True:
        part, crowd, whole = windows_of.part, windows_of.crowd, None
        try:
            for item in _by_ids(part, items, edges, tidy_up, crowd) if crowd else items(part):
                whole = item if isinstance(item, Whole) else None
                yield item
        except QueryTimeout as error:
            windows_of.shorten(error)
            continue
        if whole is None or windows_of.at_end:
            return
        # By the clock of another server the part may have ended earlier: nothing is left out between the two.
        windows_of.go_on(whole.until)


def _by_ids(
    read: Read, items: Items, edges: Edges, tidy_up: TidyUp, too_long: QueryTimeout | None = None
) -> Iterator[Item]:
    """
    Yield the items of a read; where it takes too long (it did, if that is given), of ranges of its Ids.

    Nothing of a range can be taken up by a later run: what it leaves in the state has another fingerprint than the
    whole read.
    """
    ranges = _Ranges(read, edges)
    if too_long is not None:
        ranges.shorten(too_long)
    wholes: list[Whole] = []
    while True:
        whole = None
        try:
            for item in items(ranges.part):
                if isinstance(item, Whole):
                    whole = item
                else:
                    # Rows of the ranges before belong to the same version of the table.
                    yield replace(item, resumed=True) if isinstance(item, Begin) and wholes else item
        except QueryTimeout as error:
            ranges.shorten(error)
            continue
        if whole is None:
            return
        wholes.append(whole)
        if ranges.at_end:
            yield replace(whole, until=min(each.until for each in wholes))
            return
        if whole.job:
            tidy_up(whole.job)
        ranges.go_on()


class _Windows:
    """The parts of a window: `part` is to be read now; if there is a `crowd` in it, by Ids."""

    def __init__(self, read: Read, edges: Edges) -> None:
        self.part = read
        self.crowd: QueryTimeout | None = None
        self._rest = read
        self._behind: Read | None = None
        self._edges = edges
        self._beginning = read.window.since
        self._length: timedelta | None = None
        self._successes = 0

    @property
    def at_end(self) -> bool:
        """Whether nothing lies behind the part."""
        return self._behind is None

    def shorten(self, error: QueryTimeout) -> None:
        """Have half as much be read, and what can't be halved by Ids; raises the error where that was tried."""
        if self.crowd is not None:
            raise error
        self._rest = _from_where_it_stopped(self._rest)
        self._beginning = self._rest.window.since or self._beginning or self._edges.first_moment(self._rest)
        half = None if self._beginning is None else (self.part.window.until - self._beginning) / 2
        self._successes = 0
        if half is None or half < SHORTEST_PART:
            self.crowd = error
        else:
            self._length = half
            logger.warning("%s: read in parts of %s, because %s", self.part.table.object, half, error.what)
        self._cut()

    def go_on(self, until: datetime) -> None:
        """Turn to what lies behind the part, which was read until then."""
        assert self._behind is not None, "nothing lies behind the last part"
        self._beginning, self.crowd = until, None
        self._rest = replace(self._behind, window=replace(self._behind.window, since=until))
        self._successes += 1
        if self._length is not None and self._successes % SUCCESSES_BEFORE_MORE == 0:
            self._length *= 2
        self._cut()

    def _cut(self) -> None:
        self.part, self._behind = self._rest, None
        if self._length is not None and self._beginning is not None:
            first, second = windows.split(self._rest.window, self._beginning + self._length)
            self.part = replace(self._rest, window=first)
            self._behind = replace(self._rest, window=second) if second else None


def _from_where_it_stopped(read: Read) -> Read:
    reached = read.resume.reached if read.resume else None
    window = replace(read.window, since=reached) if reached else read.window
    return replace(read, window=window, resume=None)


class _Ranges:
    """The ranges of Ids of a read: `part` is to be read now. The last one is open, whatever the edges say."""

    def __init__(self, read: Read, edges: Edges) -> None:
        self.part = read
        self._edges = edges
        self._length = self._end = 0
        self._successes = 0

    @property
    def at_end(self) -> bool:
        """Whether no Id lies behind the part."""
        return self.part.ids is None or self.part.ids.until is None

    def shorten(self, error: QueryTimeout) -> None:
        """Have half as many Ids be read as there are between the first and the last row; raises the error for one."""
        first, last = self._edges.first_id(self.part), self._edges.last_id(self.part)
        if first is None or last is None or last <= first:
            raise error
        half = (last - first + 1) // 2
        if not self.at_end and first + half >= self._end:
            # These rows are not where their edges are said to be.
            raise error
        self._length, self._successes = half, 0
        logger.warning(
            "%s: read in ranges of %s Ids, because %s", self.part.table.object, f"{self._length:,}", error.what
        )
        self._cut(self.part.ids.since if self.part.ids else None, first + self._length)

    def go_on(self) -> None:
        """Turn to what lies behind the part; empty stretches are passed over."""
        since = self.part.ids.until if self.part.ids else None
        self._successes += 1
        if self._successes % SUCCESSES_BEFORE_MORE == 0:
            self._length *= 2
        self.part = replace(self.part, ids=IdRange(since))
        following = self._edges.first_id(self.part)
        if following is not None:
            self._cut(since, max(self._end, following) + self._length)

    def _cut(self, since: str | None, end: int) -> None:
        self._end = end
        self.part = replace(self.part, ids=IdRange(since, id_at(end)), resume=None)
