"""A read that takes Salesforce too long, done in parts of its window, one behind the other."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from tap_salesforce_ci import windows
from tap_salesforce_ci.errors import QueryTimeout
from tap_salesforce_ci.items import Item, Whole
from tap_salesforce_ci.plan import Read

logger = logging.getLogger(__name__)

SHORTEST_PART = timedelta(minutes=1)
"""What takes too long for so short a part is not cured by a shorter one."""

SUCCESSES_BEFORE_MORE = 4
"""Parts that are read before longer ones are tried: one crowded minute must not make a decade be read by the minute."""


def in_parts(
    read: Read, items: Callable[[Read], Iterator[Item]], first_moment: Callable[[Read], datetime | None]
) -> Iterator[Item]:
    """
    Yield the items of a read; where it takes too long, of its halves, or their halves, from the earliest on.

    Each part is Whole up to its own end, so that a later run need not read it again. `items` reads a part;
    `first_moment` says about when the first row of a table was changed (None: nobody knows), and is asked only for a
    window without a beginning.
    Raises QueryTimeout where a part can't be shorter, and for a table without a key.
    """
    rest = read
    length: timedelta | None = None
    beginning = read.window.since
    successes = 0
    while True:
        part = rest
        behind: Read | None = None
        if length is not None and beginning is not None:
            first, second = windows.split(rest.window, beginning + length)
            part, behind = replace(rest, window=first), replace(rest, window=second) if second else None
        whole: Whole | None = None
        try:
            for item in items(part):
                whole = item if isinstance(item, Whole) else None
                yield item
        except QueryTimeout as error:
            rest = _from_where_it_stopped(rest)
            beginning = rest.window.since or beginning or first_moment(rest)
            length = None if beginning is None else (part.window.until - beginning) / 2
            if read.table.key is None or length is None or length < SHORTEST_PART:
                raise
            successes = 0
            logger.warning("%s: read in parts of %s, because %s", read.table.object, length, error.what)
        else:
            if whole is None or behind is None:
                return
            # By the clock of another server the part may have ended earlier: nothing is left out between the two.
            beginning = whole.until
            rest = replace(behind, window=replace(behind.window, since=beginning))
            successes += 1
            if length is not None and successes % SUCCESSES_BEFORE_MORE == 0:
                length *= 2


def _from_where_it_stopped(read: Read) -> Read:
    reached = read.resume.reached if read.resume else None
    window = replace(read.window, since=reached) if reached else read.window
    return replace(read, window=window, resume=None)
